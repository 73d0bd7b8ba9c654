"""The residue: what no pair takes, kept with its place and put back.

A path is made of member names joined by dots; in an array the element is named by its token in brackets: the key of a
mapped element, the URL of an extension, the id of a contained resource. ``name[]`` is an element that no pair takes,
standing after the mapped sibling ``after``; ``name[*]`` holds the order of the mapped elements where it is not the
order in which they are written. ``_name[token]`` is what stands beside one of a list of simple values, ``_name~``
what stands beside a simple value; both go back only beside that very value.
Tokens are percent-escaped where they hold a bracket.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_infusion.records.number import spelling_of
from fhir_infusion.records.residue_rules import escape, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEXTS: Final = "$texts"
MARKED: Final = "~"
"""Ends the path of an entry that goes back only where what it belongs to is unchanged.

A repaired unit, a display, what stands beside a simple value.
"""

ABSENT: Final = "A_00_"
"""Begins the name of a member of a site's JSON whose value stands for nothing: a filler."""

RESOURCE_MARKS: Final = frozenset({"text", "meta", "language", "implicitRules"})
"""What may be left over in a contained resource even below a guarded element."""

REFERENCE_MARKS: Final = frozenset({"display", "type", "identifier"})
"""What may be left over in a reference to a contained resource even below a guarded element."""

Entry = list[Any]
"""``[path, after, value]`` while it is collected; the path is relative, or absolute where it begins with ``/``."""

_ENCODE = msgspec.json.Encoder(order="sorted", decimal_format="string")


def below(entries: list[Entry], start: int, prefix: str) -> None:
    """Put the prefix before the relative paths from ``start`` on."""
    for entry in entries[start:]:
        if entry[0][0] != "/":
            entry[0] = prefix + entry[0]


def split_path(path: str) -> list[tuple[str, str | None]]:
    """Split a residue path into (name, token) with ``None`` where a name has no brackets."""
    parts: list[tuple[str, str | None]] = []
    at = 0
    while at < len(path):
        dot, bracket = path.find(".", at), path.find("[", at)
        if bracket >= 0 and (dot < 0 or bracket < dot):
            end = path.index("]", bracket)
            parts.append((path[at:bracket], unescape(path[bracket + 1 : end])))
            at = end + 2
        else:
            end = dot if dot >= 0 else len(path)
            parts.append((path[at:end], None))
            at = end + 1
    return parts


def digest(value: Any) -> str:
    """Return a short digest of a JSON value; numbers count as they are spelled, object order does not."""
    return hashlib.blake2b(_ENCODE.encode(_plain(value)), digest_size=6).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if not (name.endswith("_id") and is_derived(item))}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, bool)) or value is None else ["#", spelling_of(value)]


def is_repair(name: str) -> bool:
    """Whether the last name of a path is that of a quantity whose unit was repaired."""
    return name.endswith(MARKED) and name[0] != "_" and name != "display" + MARKED


def display_residue(text: Any, described: dict[str, Any]) -> dict[str, Any]:
    """Return the residue of a display: the text, and a digest of what it describes."""
    return {"display": text, "of": describes(described)}


def describes(described: dict[str, Any]) -> str:
    """Return the digest of what a display describes: its siblings, or the contained resource behind the reference."""
    return digest({name: value for name, value in described.items() if name != "display"})


def derived_key(element: dict[str, Any], used: dict[str, int]) -> str:
    """Return a key made of the content of a record element, told apart from equals by their count.

    ``used`` are the keys of the record up to here; behind that of an element, how many are its equals.
    """
    base = "~" + digest(element)
    key, count = base, used.get(base, 1)
    while key in used:
        count += 1
        key = f"{base}.{count}"
    used[base], used[key] = count, 1
    return key


def plain_tokens(values: Iterable[Any], place: str) -> Iterator[str]:
    """Yield the token of each simple value of an array: its count among equals, the slice it stands in, and itself."""
    counts: Counter[Any] = Counter()
    for value in values:
        counts[value] += 1
        yield f"={counts[value]}:{place}:{value}"


def plain_token(values: Sequence[Any], position: int, place: str) -> str:
    """Return the token of one simple value in an array."""
    value = values[position]
    return f"={list(values[: position + 1]).count(value)}:{place}:{value}"


def left_over(name: str, value: Any, holder: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the paths and values that keep a member which no pair takes.

    The marks beside a list of simple values are kept one by one, each under its value, so that they stay with it when
    the list is edited; ``_name[*]`` tells how many there were where that is not one for each value. A mark beside any
    other value is kept with a digest of it; one beside no value, such as the reason for its absence, as it is.
    """
    values = holder.get(name[1:]) if name[0] == "_" else None
    if values is None:
        yield name, value
        return
    if not (isinstance(values, list) and isinstance(value, list)) or len(value) > len(values):
        yield name + MARKED, {"of": digest(values), "mark": value}
        return
    for token, mark in zip(mark_tokens(values), value, strict=False):
        if mark is not None:
            yield f"{name}[{escape(token)}]", mark
    if len(value) < len(values):
        yield f"{name}[*]", len(value)


def mark_tokens(values: Iterable[Any]) -> Iterator[str]:
    """Yield the token of the mark beside each simple value: the value, nothing for ``null``, and its count."""
    return plain_tokens(("" if value is None else value for value in values), "")


def write_key(identifier: str) -> str:
    """Turn an ``Element.id`` into a record key: ``~`` marks derived keys and is doubled where an id begins with it."""
    return "~" + identifier if identifier.startswith("~") else identifier


def read_key(key: str) -> str | None:
    """Turn a record key into an ``Element.id``; ``None`` for a derived key, which is never written out."""
    if not key.startswith("~"):
        return key
    return key[1:] if key.startswith("~~") else None


def is_derived(key: Any) -> bool:
    """Return whether a record key is a derived one."""
    return isinstance(key, str) and key.startswith("~") and not key.startswith("~~")


def holds_only_marks(value: Any) -> bool:
    """Return whether a FHIR value is made of ids, extensions and primitive marks alone, so that no meaning is in it."""
    if not isinstance(value, dict):
        return False
    return all(name in ("id", "extension") or name[0] == "_" or holds_only_marks(item) for name, item in value.items())


def arrange(
    mapped: list[tuple[str | None, Any]], entries: Iterable[tuple[str | None, Any]], order: list[str] | None
) -> list[Any]:
    """Put an array together: mapped elements in their order, residue behind the sibling that it followed.

    An element whose sibling is gone goes to the end.
    """
    if order is not None:
        rank = {token: index for index, token in enumerate(order)}
        known = iter(sorted((pair for pair in mapped if pair[0] in rank), key=lambda pair: rank[str(pair[0])]))
        mapped = [next(known) if pair[0] in rank else pair for pair in mapped]
    behind: dict[str | None, list[Any]] = {}
    for after, value in entries:
        behind.setdefault(after, []).append(value)
    result = behind.pop(None, [])
    for token, element in mapped:
        result.append(element)
        if token is not None:
            result.extend(behind.pop(token, ()))
    for values in behind.values():
        result.extend(values)
    return result
