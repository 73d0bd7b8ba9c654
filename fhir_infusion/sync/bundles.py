"""Several writes in one request: a Bundle of type batch, whose entries stand and fall each by itself.

Only what is safe to be in doubt goes into one: creates with If-None-Exist and updates with If-Match. What comes back
is the answer to each entry, as if it had come by itself; where the Bundle as a whole had no clear answer, each entry
has none, and each row is verified by itself. A transaction is not used: one order that the server refuses would take
the others with it.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_infusion.sync.replies import Answer, Doubtful, entry_of
from fhir_infusion.sync.shapes import BATCH, BatchEntry, named_in

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST_BYTES: Final = 1024 * 1024
REFUSED: Final = frozenset({400, 403, 404, 405, 406, 413, 415, 422, 501})
"""A Bundle that is answered so was not taken as a whole: nothing of it was done, and each entry is sent by itself."""


@dataclass(frozen=True, slots=True)
class Write:
    """A create or an update. ``path`` is its address behind the base."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fits(self) -> bool:
        """Say whether it may go with others."""
        condition = {"POST": "If-None-Exist", "PUT": "If-Match"}.get(self.method, "")
        return condition in self.headers and len(self.body) <= MOST_BYTES


def batch_of(writes: Sequence[Write]) -> bytes:
    """Return the Bundle. The resources are in it as they were written: no number is spelled anew."""
    entries = [b'{"resource":' + one.body + b',"request":' + _request(one) + b"}" for one in writes]
    return b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join(entries) + b"]}"


def _request(write: Write) -> bytes:
    asked = {"method": write.method, "url": write.path.strip("/")}
    for header, name in (("If-None-Exist", "ifNoneExist"), ("If-Match", "ifMatch")):
        if header in write.headers:
            asked[name] = write.headers[header]
    return json.dumps(asked).encode()


def answers_of(answer: Answer, writes: Sequence[Write]) -> tuple[Answer | Doubtful, ...] | None:
    """Return the answer to each entry, None where the Bundle has none that can be told apart.

    Where one speaks of another than what stands at its place, a refusal among them may be of any (hazards H6, H8).
    """
    if answer.status != 200:
        return None
    try:
        bundle = BATCH.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    entries = bundle.entry or []
    if bundle.resource_type != "Bundle" or bundle.type != "batch-response" or len(entries) != len(writes):
        return None
    if any(_is_of_another(*one) for one in zip(writes, entries, strict=True)):
        return None
    return tuple(map(_answer, entries))


def _is_of_another(write: Write, entry: BatchEntry) -> bool:
    """Say whether an entry says that it answers another write: an update of another id, a create of another number."""
    there = entry_of(bytes(entry.resource)) if entry.resource else None
    if write.method == "PUT":
        place = (entry.response.location if entry.response is not None else "").partition("/_history/")[0]
        named = f"{there.stamp.type}/{there.stamp.id}" if there is not None else ""
        own = write.path.strip("/")
        return any(one and not one.endswith(own) for one in (place, named))
    if there is None:
        return False
    asked, got = (named_in(text) for text in (write.body, bytes(entry.resource)))
    return bool(got) and not asked & got


def _answer(entry: BatchEntry) -> Answer | Doubtful:
    response = entry.response
    status = response.status.partition(" ")[0] if response is not None else ""
    if response is None or not (len(status) == 3 and status.isascii() and status.isdigit()):
        return Doubtful("an entry without status")
    stated = {"location": response.location, "etag": response.etag}
    headers = {name: value for name, value in stated.items() if value}
    body = bytes(entry.resource) or bytes(response.outcome)
    return Answer(int(status), headers, body)
