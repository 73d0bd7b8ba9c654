"""The rules of residue entries: a path that can be read, and a value of the shape that the kind of entry has.

Whether an entry may go back is decided when it does: what is written is read again (``mapping.lens``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.rules import Broken, Part, Rule, breaks_fhir

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP: Final = r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\[\]]*\])?"
_PATH: Final = re.compile(rf"(?:{_STEP}\.)*(?:{_STEP}~?|\$[a-z-]+)")
"""Names with the token of an element in brackets; ``$name`` tells of the resource, or of the part before it."""

_ACCEPTED: Final = "member names joined by dots, each with a key, [] or [*] in brackets where it stands in a list"


def escape(token: str) -> str:
    """Escape a token for use in brackets."""
    return token.replace("%", "%25").replace("[", "%5B").replace("]", "%5D")


def unescape(token: str) -> str:
    """Undo ``escape``."""
    return token.replace("%5D", "]").replace("%5B", "[").replace("%25", "%")


def _release(part: Part) -> Iterator[Broken]:
    release = part["release"]
    if release not in RELEASES and not _FORMAT.fullmatch(release):
        accepted = f"{', '.join(RELEASES)} or format:NAME"
        yield breaks_fhir(("release",), "this is neither a release nor a format", accepted, "residue", "code-invalid")


RELEASES: Final = ("R4", "R4B", "R5")
_FORMAT: Final = re.compile(r"format:[a-z][a-z0-9-]*")


def _residue(part: Part) -> Iterator[Broken]:
    path = part.get("path", "")
    if not _PATH.fullmatch(path):
        yield breaks_fhir(("path",), "this is no path of a FHIR element", _ACCEPTED, "residue", "structure")
        return
    if part.get("value") is None:
        yield breaks_fhir(("value",), "this is missing", "the FHIR JSON that goes back", "required", "required")
        return
    accepted = _misshapen(path.rpartition(".")[2], part["value"])
    if accepted:
        yield breaks_fhir(("value",), "the value is not of the shape that this path needs", accepted, "residue")


def _misshapen(last: str, value: Any) -> str:
    """Return what would be accepted, nothing where the value is of the right shape."""
    shape, accepted = _SHAPES.get(last) or _shape_of(last)
    return "" if shape is None or shape(value) else accepted


def _shape_of(last: str) -> tuple[Any, str]:
    if last.endswith("[*]"):
        if last[0] == "_":
            return _is_count, "how many marks there are"
        return _is_order, "the keys of the elements in their order"
    if last[0] == "_" and last.endswith("~"):
        return _is_mark, "an object with mark and of"
    return (_is_object, "an object") if last.endswith("~") else (None, "")


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_display(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("display"), str) and isinstance(value.get("of"), str)


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("mark"), dict | list) and isinstance(value.get("of"), str)


def _is_beside(value: Any) -> bool:
    named = value.get("with", {}) if isinstance(value, dict) else None
    return (
        isinstance(named, dict)
        and isinstance(value.get("of"), str)
        and all(isinstance(digest, str) for digest in named.values())
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_order(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_SHAPES: Final = {
    "$texts": (lambda value: isinstance(value, str), "a text"),
    "$units": (lambda value: isinstance(value, str), "a text"),
    "$extended": (lambda value: isinstance(value, str), "a text"),
    "$beside": (_is_beside, "an object with of and with, digests"),
    "$no-total": (lambda value: value is True, "true"),
    "$pause-by-state": (lambda value: value is True, "true"),
    "$as-sent": (lambda value: value is True, "true"),
    "display~": (_is_display, "an object with display and of"),
    "contained[]": (_is_object, "a resource"),
}

RESIDUE_RULES: Final = (Rule(("path",), _residue), Rule(("release",), _release, quick="part['release'] in releases"))
