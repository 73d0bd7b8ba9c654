"""Whether a page of a search has all that it should: what a peer says it left out, and what it says twice. Pure.

Of a property that stands twice a reader keeps one, and the entries of the other would be lost without a word.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_infusion.sync.shapes import OUTCOME

if TYPE_CHECKING:
    from fhir_infusion.sync.shapes import Bundle

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


def says_twice(body: bytes, bundle: Bundle) -> bool:
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
