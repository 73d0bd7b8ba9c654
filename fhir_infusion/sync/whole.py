"""Whether a page of a search can be believed: what a peer says it left out, says twice, or says of another. Pure.

Of a property that stands twice a reader keeps one, and the entries of the other would be lost without a word.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_infusion.sync.shapes import HEAD, LOCATION, OUTCOME

if TYPE_CHECKING:
    from fhir_infusion.sync.shapes import Bundle, Head

INCOMPLETE: Final = "incomplete"
"""The code of an entry without a resource: a match that the peer did not give (http://hl7.org/fhir/issue-type)."""

_CODE: Final = re.compile(r"[a-z-]{1,30}")


def left_out_of(raw: bytes) -> list[str]:
    """Return the codes of the errors of an OperationOutcome in a search result; a warning leaves nothing out."""
    try:
        issues = OUTCOME.decode(raw).issue or ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    codes = [issue.code for issue in issues if issue.severity in {"error", "fatal"}]
    return [code if _CODE.fullmatch(code) else "unknown" for code in codes]


def fault_of(body: bytes, bundle: Bundle, type_: str) -> str:
    """Return why a page of a search or a history cannot be believed, "" where it can."""
    if _says_twice(body, bundle):
        return "a page that says something twice"
    return "an entry whose address is another's" if _names_others(bundle, type_) else ""


def _says_twice(body: bytes, bundle: Bundle) -> bool:
    """Say whether a property of a page, or of an entry, stands twice; what its resources say is read later, strictly.

    ``bundle`` is what was read of ``body``. The resources are cut out first, for they are most of it.
    """
    frame, place = [], 0
    for entry in bundle.entry or ():
        raw = bytes(entry.resource)
        at = body.find(raw, place) if raw.startswith(b"{") else -1
        if at >= 0:
            frame += [body[place:at], b"0"]
            place = at + len(raw)
    frame.append(body[place:])
    try:
        json.loads(b"".join(frame), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return True
    return False


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError


def _names_others(bundle: Bundle, type_: str) -> bool:
    """Say whether an entry of a type stands under the address of another resource, or entries under several servers'.

    The id of a resource means something on its own server only (hazard H10). Which address a server gives as its own
    is not known: it may be one behind a proxy.
    """
    bases: set[str] = set()
    for entry in bundle.entry or ():
        place = LOCATION.search(entry.full_url)
        head = _head(bytes(entry.resource)) if place is not None and entry.resource else None
        if place is None or head is None or head.resource_type != type_:
            continue
        bases.add(entry.full_url[: place.start()])
        if (place[1], place[2]) != (type_, head.id):
            return True
    return len(bases) > 1


def _head(raw: bytes) -> Head | None:
    try:
        return HEAD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
