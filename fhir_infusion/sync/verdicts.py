"""What becomes of an outbox row after an answer: the table of reliability, as values.

answer                       nothing had left       the request had left
4xx that names the content   dead                   dead
404/410 on an update         tombstone              tombstone
several match                duplicate              duplicate
429/503, 401, 403, 3xx       wait, endpoint's time  wait, endpoint's time
no connection                wait, row's time       wait, row's time
anything else                wait, row's time       unknown: verify first
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.statuses import ENDED, STOPS
from fhir_infusion.store.links import Link
from fhir_infusion.store.outbox import State
from fhir_infusion.sync import retry
from fhir_infusion.sync.compare import altered
from fhir_infusion.sync.ladder import OTHERS
from fhir_infusion.sync.replies import (
    Doubtful,
    Forbidden,
    Missing,
    Redirected,
    Rejected,
    Throttled,
    Trouble,
    Unauthorized,
    Unsent,
)

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.ladder import Rung
    from fhir_infusion.sync.peer import Peer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row. ``alert`` is written into the trail with it; ``link`` is kept with it.

    ``arrived`` says that the bytes of this row are there; not of one that needed none. ``alone``: its stop is, and
    nothing else of it. ``before`` is a version that this row has overtaken, and that is found to be there, too; or 0.
    """

    state: State
    code: str = ""
    wait: timedelta | None = None
    link: Link | None = None
    alert: str = ""
    arrived: bool = False
    alone: bool = False
    before: int = 0


LOOKS: Final = 3
"""So many looks must find nothing before a create in doubt is sent again; a server may show a new row late."""
LATE: Final = timedelta(seconds=2)
"""Between two such looks; doubled each time."""

HIDDEN_FOR: Final = LATE * ((1 << (LOOKS - 1)) - 1)
"""For so long what was created in doubt may be there though no look shows it."""

ANOTHER: Final = "another-answered"
"""The code of a write that was answered with somebody else's resource: it is verified, and never linked to that."""

THERE: Final = "not-found-though-there"
"""The code of a change that was answered with 404 or 410 though a read finds what it is of."""

UNNAMED: Final = "not-by-identifier"
"""The code and the alarm of a remote that does not search by identifier: nothing new is sent there until it does."""

DUPLICATE: Final = Verdict("duplicate", "several-match", alert="duplicate")


def gone(link: Link, *, is_lost: bool = False) -> Verdict:
    """Not there any more: a tombstone, with which go its alarms, never a new create by itself (hazard H8)."""
    code = "lost" if is_lost else "gone"
    return Verdict("dead", code, link=link.as_gone(is_lost=is_lost))


def look_again(row: Row, rung: Rung) -> Verdict | None:
    """Return the verdict to wait and look again, None where it was looked often enough; it is not on rung A.

    Of a create in doubt: that of the row, or of one that a stop has overtaken.

    What was answered with somebody else's and is not found is not sent again: as what it is there, a person finds out.
    """
    if row.last_error_code == ANOTHER:
        return Verdict("dead", ANOTHER, alert=ANOTHER)
    if rung == "A":
        return None
    looks = int(row.last_error_code.removeprefix("absent-")) if row.last_error_code.startswith("absent-") else 0
    if looks + 1 >= LOOKS:
        return None
    state: State = "unknown" if row.state == "unknown" else "pending"
    return Verdict(state, f"absent-{looks + 1}", LATE * (1 << looks))


def after_sending(peer: Peer, row: Row, reply: Trouble) -> Verdict:
    """Decide after a request that may have had an effect."""
    match reply:
        case Rejected(status, codes):
            return Verdict("dead", f"{status} {','.join(codes)}".strip()[:200], alert="rejected")
        case Missing():
            return Verdict("dead", "404", alert="rejected")
        case Throttled() | Unauthorized() | Forbidden() | Redirected() | Unsent():
            return _later(peer, row, reply, "pending")
        case _:
            why = reply.why if isinstance(reply, Doubtful) else "doubtful"
            return Verdict("unknown", why, backoff(peer, row))


def not_sent(peer: Peer, row: Row, reply: Trouble) -> Verdict:
    """Decide after a look or a read that could not be answered: nothing of this row has left."""
    if isinstance(reply, Rejected):
        return Verdict("dead", f"look {reply.status} {','.join(reply.codes)}".strip()[:200], alert="rejected")
    later = _later(peer, row, reply, "unknown" if row.state == "unknown" else "pending")
    if reply != OTHERS:
        return later
    code = row.last_error_code if row.last_error_code.startswith("absent-") else UNNAMED
    return replace(later, code=code, alert=UNNAMED if peer.told_first(UNNAMED) else "")


def _later(peer: Peer, row: Row, reply: Trouble, state: State) -> Verdict:
    """Wait: as long as the endpoint is left alone, and not less than the row's own back-off."""
    pause = backoff(peer, row)
    until = peer.circuit.open_until
    if until is not None:
        pause = max(pause, until - peer.now())
    # A code of looking survives a failed look, else a server that flaps would be looked at for ever.
    named = (reply.code if isinstance(reply, Unsent) else "") or type(reply).__name__.lower()
    code = row.last_error_code if row.last_error_code.startswith("absent-") else named
    # Who may not write is not told of each row: the endpoint is left alone, and a person has to act.
    refused = isinstance(reply, Forbidden) and peer.told_first("forbidden")
    return Verdict(state, code, pause, alert="forbidden" if refused else "")


def backoff(peer: Peer, row: Row) -> timedelta:
    """Return the row's own wait."""
    return retry.wait(row.attempt, peer.draw)


def read_back(sent: Resource, there: Resource, verdict: Verdict) -> Verdict:
    """Return the verdict with an alarm where a peer altered what it must not (hazard H15).

    A stop that it took, and what is there has not ended, is put aside: nobody looks for one that is acknowledged.
    """
    codes = f"altered {','.join(altered(sent, there))}"[:200]
    told = verdict if codes == "altered " else replace(verdict, code=codes, alert=codes)
    is_active = sent.get("status") in STOPS and there.get("status") not in ENDED
    return replace(told, state="dead") if is_active else told
