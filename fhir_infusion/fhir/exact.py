"""The exact reader of JSON: every fault of a text, each with its place.

Slower than the quick way of ``json.read`` and used when that does not accept a text at once. The path of a place is
made of JSON property names and indexes below the resource type: ``MedicationRequest.note[0].text``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeAlias

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.records.number import MAX_DIGITS, beyond_limits, from_spelling

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | Decimal | bool | None"
Resource: TypeAlias = dict[str, Any]
Faults: TypeAlias = "dict[int, tuple[Issue, ...]]"

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one body may cost. ``depth`` (objects and arrays) and ``elements`` count anew for each Bundle entry."""

    body: int = MIB
    bundle: int = 5 * MIB
    entries: int = 1000
    elements: int = 20_000
    depth: int = 32
    text: int = 64 * 1024


LIMITS: Final = Limits()

_BOM: Final = b"\xef\xbb\xbf"
_NAME: Final = re.compile(r"_?[A-Za-z$][A-Za-z0-9_-]{0,63}")
_FORBIDDEN_CHARACTER: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_MOST_ISSUES: Final = 100


def name_in_path(name: str) -> str:
    """Return a property's name as a path may show it: a name that FHIR could have, else a stand-in.

    What stands where a name should be can be anything, a patient's name among it.
    """
    return name if _NAME.fullmatch(name) else "(unreadable name)"


def read(body: bytes, limits: Limits = LIMITS) -> Resource:
    """Return the object that a JSON text holds.

    Raises:
        Refused: with every reason found (at most 100) and its place.
    """
    tree = parse(_decode(body), limits)
    visit = _Visit(limits)
    visit.whole(tree)
    if visit.issues:
        raise Refused(*visit.issues)
    return tree


def read_batch(body: bytes, limits: Limits = LIMITS) -> tuple[Resource, Faults]:
    """Return the object that a JSON text holds; of a batch with the faults of its entries beside it, by their index.

    What is wrong in one entry keeps no other from being done: in the tree an empty object stands for it, or one with
    its ``fullUrl`` alone.

    Raises:
        Refused: as ``read``, where a fault stands elsewhere, or the Bundle is none of type ``batch``.
    """
    tree = parse(_decode(body), limits)
    is_batch = tree.get("resourceType") == "Bundle" and tree.get("type") == "batch"
    visit = _Visit(limits, apart={} if is_batch else None)
    visit.whole(tree)
    if visit.issues:
        raise Refused(*visit.issues)
    faults = visit.apart or {}
    for index in faults:
        tree["entry"][index] = _stand_in(tree["entry"][index])
    return tree, faults


def _stand_in(entry: Any) -> Resource:
    url = entry.get("fullUrl") if isinstance(entry, dict) else None
    return {"fullUrl": url} if isinstance(url, str) and not _FORBIDDEN_CHARACTER.search(url) else {}


def _decode(body: bytes) -> str:
    if not body.strip():
        raise _syntax("the body is empty", "one JSON object")
    if body.startswith(_BOM):
        raise _syntax("the text begins with a byte order mark", "UTF-8 without a byte order mark")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _syntax(f"not UTF-8 at byte {error.start}", "UTF-8") from None


def read_plain(body: bytes, limits: Limits = LIMITS) -> Json:
    """Return the value of a JSON text that is not FHIR: null, empty texts, objects and arrays are right in it.

    Raises:
        Refused: with every reason found and its place: not JSON, a doubled property, a character or number that no
            JSON of ours holds, or more than ``limits`` allow.
    """
    if len(body) > limits.body:
        raise Refused(
            Issue("error", "too-long", "", f"more than {limits.body} bytes", f"at most {limits.body} bytes", status=413)
        )
    tree: Json = parse_any(_decode(body), limits)
    visit = _PlainVisit(limits)
    visit.value(tree, "", 0)
    if visit.elements > limits.elements:
        most = f"{limits.elements} elements"
        visit.report("too-costly", "", f"more than {most}", f"at most {most}")
    if visit.issues:
        raise Refused(*visit.issues)
    return tree


def parse(text: str, limits: Limits) -> Resource:
    """Return the object of a text, with every digit; nothing that FHIR wants of it is looked for.

    Raises:
        Refused: it is no JSON object, or nested beyond what can be read.
    """
    tree = parse_any(text, limits)
    if not isinstance(tree, dict):
        raise _syntax("the top level is not an object", "one JSON object")
    return tree


def parse_any(text: str, limits: Limits) -> Any:
    """Return the value of a text, with every digit.

    Raises:
        Refused: it is no JSON, or nested beyond what can be read.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_int,
            parse_constant=_not_a_number,
        )
    except json.JSONDecodeError as error:
        raise _syntax(f"not JSON at line {error.lineno} column {error.colno}: {error.msg}", "JSON") from None
    except RecursionError:
        raise Refused(_too_deep("", limits)) from None


# ---------------------------------------------------------------------------------------------- what the parser makes


class _Doubled(dict[str, Any]):
    """An object in which a property stands twice; ``names`` are those properties."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Beyond:
    """Stands for a number that breaks a limit."""

    limit: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    doubled = _Doubled(members)
    doubled.names = tuple(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    return doubled


def _decimal(text: str) -> Decimal | _Beyond:
    limit = beyond_limits(text)
    return _Beyond(limit) if limit else from_spelling(text)


def _int(text: str) -> int | Decimal | _Beyond:
    limit = beyond_limits(text)
    if limit:
        return _Beyond(limit)
    return Decimal("-0") if text == "-0" else int(text)


def _not_a_number(name: str) -> NoReturn:
    raise _syntax(f"{name} is not a JSON number", "a number in decimal digits")


# ------------------------------------------------------------------------------------------------- what the walk finds


@dataclass(slots=True)
class _Visit:
    """One walk through a tree: the issues found, and the elements counted in the resource at hand.

    ``apart`` takes the issues of each entry of the outermost Bundle, where they are to be told of one by one.
    """

    limits: Limits
    issues: list[Issue] = field(default_factory=list)
    elements: int = 0
    apart: Faults | None = None

    def whole(self, tree: dict[str, Any]) -> None:
        """Visit the resource of a text."""
        root = tree.get("resourceType")
        self.resource(tree, root if isinstance(root, str) and _NAME.fullmatch(root) else "")

    def resource(self, node: dict[str, Any], path: str) -> None:
        """Visit a resource: the whole text, or one entry of a Bundle."""
        outer, self.elements = self.elements, 0
        if node.get("resourceType") == "Bundle":
            self.bundle(node, path)
        else:
            self.members(node, path, 1)
        if self.elements > self.limits.elements:
            most = f"{self.limits.elements} elements"
            self.report("too-costly", path, f"more than {most}", f"at most {most}")
        self.elements = outer

    def bundle(self, node: dict[str, Any], path: str) -> None:
        """Visit a Bundle, each entry's resource as one of its own."""
        entries = node.get("entry")
        if not isinstance(entries, list):
            self.members(node, path, 1)
            return
        if len(entries) > self.limits.entries:
            most = f"at most {self.limits.entries} entries"
            self.report("too-long", f"{path}.entry", "too many entries", most, status=413)
            return
        self.members(node, path, 1, within_bundle=True)

    def members(self, node: dict[str, Any], path: str, depth: int, *, within_bundle: bool = False) -> None:
        """Visit the members of an object."""
        if type(node) is _Doubled:
            for name in node.names:
                self.report("structure", _below(path, name), "the property stands more than once", "each property once")
        if not node:
            self.empty(path, "an empty object", "at least one member, or no object")
        for name, value in node.items():
            place = _below(path, name)
            if type(value) is list:
                twin = _ANYWHERE if _is_left_over(node, name) else node.get(name[1:] if name[:1] == "_" else f"_{name}")
                self.array(value, place, depth + 1, twin, entries=within_bundle and name == "entry")
            elif type(value) is dict and within_bundle and name == "resource":
                self.resource(value, place)
            else:
                self.value(value, place, depth + 1)

    def array(self, node: list[Any], path: str, depth: int, twin: object, *, entries: bool = False) -> None:
        """Visit the items of an array; null is right where the ``_`` twin has something at that index."""
        if depth > self.limits.depth:
            self.issues.append(_too_deep(path, self.limits))
            return
        if not node:
            self.empty(path, "an empty array", "at least one item, or no array")
        for index, value in enumerate(node):
            if value is None and _has_item(twin, index):
                continue
            if entries and self.apart is not None:
                self.entry_apart(value, index, f"{path}[{index}]", depth + 1)
            else:
                self.item(value, f"{path}[{index}]", depth + 1, is_entry=entries)

    def entry_apart(self, value: Any, index: int, path: str, depth: int) -> None:
        """Visit an entry whose issues are its own; the entries of a Bundle in it are parts of it."""
        whole, apart = self.issues, self.apart
        self.issues, self.apart = [], None
        self.item(value, path, depth, is_entry=True)
        if self.issues and apart is not None:
            apart[index] = tuple(self.issues)
        self.issues, self.apart = whole, apart

    def item(self, value: Any, path: str, depth: int, *, is_entry: bool) -> None:
        """Visit an item of an array, an entry of a Bundle or any other."""
        if is_entry and isinstance(value, dict):
            self.elements += 1
            self.members(value, path, depth, within_bundle=True)
        else:
            self.value(value, path, depth)

    def value(self, value: Any, path: str, depth: int) -> None:
        """Visit any value below the top."""
        self.elements += 1
        if isinstance(value, dict | list):
            if depth > self.limits.depth:
                self.issues.append(_too_deep(path, self.limits))
            elif isinstance(value, dict):
                self.members(value, path, depth)
            else:
                self.array(value, path, depth, None)
        elif isinstance(value, str):
            self.text(value, path)
        elif value is None:
            self.empty(path, "null is not a value", "a value, or no property", "value")
        elif isinstance(value, _Beyond):
            code = "too-long" if "digits" in value.limit else "too-costly"
            self.report(code, path, f"a number with {value.limit}", f"at most {MAX_DIGITS} significant digits")

    def text(self, value: str, path: str) -> None:
        """Visit a string."""
        if not value:
            self.empty(path, "an empty string", "at least one character, or no property")
            return
        found = _FORBIDDEN_CHARACTER.search(value)
        if found is not None and found.group() >= "\ud800":
            self.report("structure", path, "half of a surrogate pair", "whole Unicode characters")
        elif found is not None:
            self.report("value", path, "a control character", "characters from U+0020, and tab, line feed, return")
        elif len(value) > self.limits.text // 4 and len(value.encode()) > self.limits.text:
            most = f"{self.limits.text} bytes"
            self.report("too-long", path, f"a text of more than {most}", f"at most {most}")

    def empty(self, path: str, reason: str, accepted: str, code: str = "structure") -> None:
        """Refuse what stands for nothing: FHIR leaves it out."""
        self.report(code, path, reason, accepted)

    def report(self, code: str, path: str, reason: str, accepted: str, status: int = 400) -> None:
        """Keep an issue, up to a hundred."""
        if len(self.issues) < _MOST_ISSUES:
            self.issues.append(Issue("error", code, path, reason, accepted, status=status))


class _PlainVisit(_Visit):
    """One walk through a tree that is not FHIR."""

    def empty(self, path: str, reason: str, accepted: str, code: str = "structure") -> None:
        """Let pass what stands for nothing."""


_ANYWHERE: Final = object()
"""Stands for a twin that is not in sight."""


def _is_left_over(node: dict[str, Any], name: str) -> bool:
    """Whether a list is the value of a residue entry: its ``_`` twin is then an entry of its own."""
    return name == "value" and "release" in node and "path" in node


def _has_item(twin: object, index: int) -> bool:
    return twin is _ANYWHERE or (isinstance(twin, list) and index < len(twin) and twin[index] is not None)


def _below(path: str, name: str) -> str:
    shown = name_in_path(name)
    return f"{path}.{shown}" if path else shown


def _too_deep(path: str, limits: Limits) -> Issue:
    return Issue("error", "too-costly", path, f"deeper than {limits.depth} levels", f"at most {limits.depth} levels")


def _syntax(reason: str, accepted: str) -> Refused:
    return Refused(Issue("error", "structure", "", reason, accepted))
