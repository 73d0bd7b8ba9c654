"""Elements that hold an extension which is not understood: an edit of one of them raises a finding.

The extension goes back where it stood, and may tell of what was there before: "confirmed by phone" beside a rate that
is another now. When a resource is read, its residue keeps a digest of each such element, by its place; when the record
is written, an element that is not the same is named. What the resource itself holds tells of all of it, and any edit
would be one of that: it is not asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from fhir_infusion.errors import Issue
from fhir_infusion.mapping.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]

EXTENDED: Final = "$extended"
"""The path of the residue entry; in a joined administration the key of the part stands before it."""

_PLACE: Final = re.compile(r"(.+)\.extension(?:\[\])?")
"""One of the extensions of an element, or all of them; those of the resource have no place before them."""

_EDITED: Final = "this was edited, and holds an extension that is not understood here and may tell of what was before"
_ACCEPTED: Final = "the extension confirmed, or taken out of the residue"


def seal(resource: Json, left: Iterable[tuple[str, Any]]) -> str:
    """Return the digest pairs (place, element) of a resource; empty where nothing unknown stands in an element.

    ``left`` are the paths and values of the residue; the values are parts of the resource, not copies.
    """
    return " ".join(f"{crc32(path.encode()):x}.{digest:x}" for path, digest in _elements(resource, left).items())


def edited(resource: Json, sealed: str, left: Iterable[tuple[str, Any]]) -> Iterator[Issue]:
    """Yield a finding for each element of a resource just written that was another when it was read."""
    known = dict(pair.split(".", 1) for pair in sealed.split() if "." in pair)
    for path, digest in _elements(resource, left).items():
        if known.get(f"{crc32(path.encode()):x}", f"{digest:x}") != f"{digest:x}":
            yield Issue("warning", "business-rule", path, _EDITED, _ACCEPTED, "edited-extension")


def _elements(resource: Json, left: Iterable[tuple[str, Any]]) -> dict[str, int]:
    """Return the digest of each element that holds unknown extensions, by the path of the element."""
    unknown = {id(value): found[1] for path, value in left if (found := _PLACE.fullmatch(path))}
    return dict(_walk(resource, unknown)) if unknown else {}


def _walk(value: Any, unknown: dict[int, str]) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        extensions = value.get("extension", ())
        path = next((path for one in (extensions, *extensions) if (path := unknown.get(id(one)))), None)
        if path is not None:
            yield path, digest_of(value)
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _walk(inner, unknown)
