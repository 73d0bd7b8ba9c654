"""Stopping what is there, whatever stands in the way of the rest: a stop waits for no person (hazard H6, I4).

What a stop says beside its status may be held or refused, have no words in their release, or name somebody who cannot
be found there now. Then what is there is sent back with our status and nothing else of ours, and the rest waits:

held for a person, or their change cannot be read now    with If-Match to what was read
refused, or tried in full several times in vain          what is there is read
it cannot be made, or said there                         what is there is read, by its link or by its identifier
gone there by what is known, and back under its id       what is there is read; the link stays a tombstone
several carry our identifier                             each of them

A stop of what is another's by now is none: ours is looked for by its identifier. An answer is read back: that a server
took it does not say that it stopped anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.statuses import STOPS
from fhir_infusion.store import attempts, conflicts, outbox
from fhir_infusion.store.failpoint import reach
from fhir_infusion.store.links import Link
from fhir_infusion.sync import absent, journal, ladder, renamed, sent
from fhir_infusion.sync.compare import is_another
from fhir_infusion.sync.conflicts import stop_of
from fhir_infusion.sync.obstacles import Blocked, Obstacle
from fhir_infusion.sync.replies import (
    Clash,
    Doubtful,
    Found,
    Gone,
    Missing,
    NotModified,
    Rejected,
    Stale,
    Stamp,
    Trouble,
    Written,
)
from fhir_infusion.sync.verdicts import (
    DUPLICATE,
    LATE,
    THERE,
    Verdict,
    after_sending,
    backoff,
    gone,
    look_again,
    not_sent,
    read_back,
)

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.preparing import Job

TRIES: Final = 3
"""So many times a stop is sent in full where that is in doubt each time; then what is there is stopped first."""
_AGAIN: Final = "stop-again"
_ACKED: Final = Verdict("acked", "stop-only", arrived=True, alone=True)
"""Acknowledged is the stop. Both sides have agreed on nothing else: the link stays as it is, and a merge begins where
it did. Were what is there now its base, the next change of theirs would bring our dose upon theirs."""


def noted(job: Job) -> Row:
    """Note on disk that the bytes are about to leave. A row that is noted already stays as it is.

    Raises:
        StaleLease: another worker has the row by now.
        Unavailable: the store cannot serve now. So of all that is here.
    """
    if job.row.state == "sent":
        return job.row
    asked = journal.notes()

    def work(tx: Tx) -> Row:
        attempts.note(tx, job.row, job.begun, asked, "sent")
        return outbox.sending(tx, job.row)

    row = job.peer.service.store.transact(job.tenant, work)
    reach("push.sending")
    return row


def sure(job: Job) -> Row:
    """Return the row in a state from which it can be acknowledged."""
    return noted(job) if job.row.state == "leased" else job.row


def stamp_of(job: Job, link: Link) -> Stamp:
    """Return the version of theirs that the link knows."""
    return Stamp(job.type, link.remote_id, link.version_id, link.etag, link.last_updated)


# --------------------------------------------------------------------------------------------------- where it is not


def lost(job: Job, link: Link, reply: Trouble) -> tuple[Row, Verdict]:
    """Decide after 404 or 410: gone, unless it has another id by now, or nothing at all is there."""
    if (now := elsewhere(job, link)) is not None:
        return now
    if isinstance(reply, Missing) and absent.is_doubtful(job.peer, job.tenant, job.type, link.remote_id):
        return job.row, _later(job, absent.WHY)
    return job.row, gone(link, is_lost=isinstance(reply, Missing))


def gone_after_all(job: Job, link: Link) -> tuple[Row, Verdict]:
    """Decide after a write that was answered with 404 or 410: believed once it is read, as any deletion is.

    Some answer so where they do not know what an order refers to: a stop is sent alone meanwhile.
    """
    there = job.peer.endpoint.read(job.type, link.remote_id)
    if isinstance(there, Missing | Gone):
        return lost(job, link, there)
    later = _though_there(job, there)
    return (
        stop_meanwhile(job, link, there.resource, there.stamp, later) if isinstance(there, Found) else (job.row, later)
    )


def _though_there(job: Job, there: Found | Trouble) -> Verdict:
    if isinstance(there, Found) and job.row.last_error_code == THERE:
        return Verdict("dead", THERE, alert="rejected")
    return Verdict("unknown", THERE if isinstance(there, Found) else "read-back", backoff(job.peer, job.row))


def elsewhere(job: Job, link: Link) -> tuple[Row, Verdict] | None:
    """Decide where what is linked is not under its id; None where it is nowhere."""
    now = renamed.instead(job.peer, job.tenant, job.row, link)
    return several(job) if now == DUPLICATE else (job.row, now) if now is not None else None


def several(job: Job, found: ladder.Several | None = None) -> tuple[Row, Verdict]:
    """Put aside what is there more than once, until a person has spoken; a stop goes to each of them before."""
    if job.row.lane != "stop":
        return job.row, DUPLICATE
    known = found or ladder.look(job.peer.endpoint, job.type, job.bound.system, job.bound.value)
    if not isinstance(known, ladder.Several):
        return job.row, _later(job, _AGAIN)
    has_arrived = False
    for id_ in known.ids:
        there = job.peer.endpoint.read(job.type, id_)
        if isinstance(there, Missing | Gone):
            continue
        if not isinstance(there, Found):
            return job.row, not_sent(job.peer, job.row, there)
        stopped = stop_of(job.body, there.resource)
        if stopped is not None:
            row, reply = _sent(job, stopped, there.stamp)
            job = replace(job, row=row)
            if isinstance(reply, Verdict) and reply.state == "unknown":
                return row, reply
            if isinstance(reply, Verdict):
                has_arrived = True
            elif not isinstance(reply, Missing | Gone | Rejected):
                return row, _in_vain(job, reply)
    return job.row, replace(DUPLICATE, arrived=has_arrived, alone=has_arrived)


def _later(job: Job, code: str) -> Verdict:
    return Verdict("unknown" if job.row.state == "unknown" else "pending", code, backoff(job.peer, job.row))


# ------------------------------------------------------------------------------------------------- the stop by itself


def held(job: Job, link: Link, there: Resource, stamp: Stamp, code: str) -> tuple[Row, Verdict]:
    """Send a stop all the same, and nothing else; and no stop of what is somebody else's."""
    stopped = _stop_of(job, link, there)
    if stopped is None:
        return job.row, Verdict("conflict", code, alert="" if _is_told(job) else "conflict")
    return _stop_only(job, link, stopped, stamp)


def is_tried(row: Row) -> bool:
    """Say whether a stop in full did not get through so often that what is there is to be stopped first."""
    is_again = row.state == "unknown" and row.attempt > TRIES
    return row.lane == "stop" and (is_again or row.last_error_code == "forbidden")


def stop_meanwhile(job: Job, link: Link, there: Resource, stamp: Stamp, later: Verdict) -> tuple[Row, Verdict]:
    """Stop what is there; the row goes on in full: soon where the stop was taken, else ``later``."""
    stopped = _stop_of(job, link, there)
    if stopped is None:
        return job.row, later
    row, verdict = _stop_only(job, link, stopped, stamp)
    if verdict.state != "acked":
        return row, verdict
    return row, replace(later, wait=LATE, arrived=True, alone=True, alert=later.alert or verdict.alert)


def stop_refused(job: Job, reply: Rejected) -> tuple[Row, Verdict]:
    """Send the stop of what is refused as a whole; what else it says waits for a person."""
    refused = after_sending(job.peer, job.row, reply)
    return stop_blocked(job, Blocked("dead", refused.code, refused.alert, rests=True))


def stop_blocked(  # noqa: PLR0911  each return is one outcome
    job: Job, blocked: Obstacle
) -> tuple[Row, Verdict]:
    """Send the stop of what cannot be sent itself: what is there, stopped."""
    link = job.link
    if link is None or not link.remote_id:
        return _stop_found(job, blocked)
    there = job.peer.endpoint.read(job.type, link.remote_id)
    if isinstance(there, Missing | Gone) and link.is_gone:
        return _stop_found(job, blocked)
    if isinstance(there, Missing | Gone):
        return lost(job, link, there)
    if not isinstance(there, Found):
        return job.row, not_sent(job.peer, job.row, there)
    if link.base and is_another(fhir_json.read(link.base), there.resource):
        if (now := elsewhere(job, link)) is not None:
            return now
        nowhere = link.as_nowhere() if link.doubted else None
        alarm = "" if nowhere or not isinstance(blocked, Blocked) else blocked.alarm
        return job.row, Verdict("dead", "lost", link=nowhere, alert=alarm)
    return _stop_there(job, link, there, blocked)


def _stop_found(job: Job, blocked: Obstacle) -> tuple[Row, Verdict]:
    """Send the stop to what has our identifier: a create in doubt may have arrived, or it was made anew."""
    found = ladder.look(job.peer.endpoint, job.type, job.bound.system, job.bound.value)
    if isinstance(found, ladder.Several):
        return several(job, found)
    if isinstance(found, ladder.Absent):
        again = look_again(job.row, "B") if job.link is None and sent.is_doubted(job) else None
        return job.row, again or _waits(job, blocked)
    if not isinstance(found, ladder.One):
        return job.row, not_sent(job.peer, job.row, found)
    id_ = found.entry.stamp.id
    there = job.peer.endpoint.read(job.type, id_)
    if isinstance(there, Missing | Gone):
        return job.row, _waits(job, blocked)
    if not isinstance(there, Found):
        return job.row, not_sent(job.peer, job.row, there)
    return _stop_there(job, Link(job.peer.name, job.row.aggregate, id_), there, blocked)


def _stop_there(job: Job, link: Link, there: Found, blocked: Obstacle) -> tuple[Row, Verdict]:
    """Stop what was read; what else the row says is over, or rests put aside, or is sent once nothing is in its way."""
    is_over = isinstance(blocked, Blocked) and not blocked.rests
    alarm = blocked.alarm if isinstance(blocked, Blocked) else ""
    stopped = stop_of(job.body, there.resource)
    if stopped is None:
        if is_over and there.resource.get("status") in STOPS:
            return sure(job), Verdict("acked", "stop-only", alert=alarm)
        return job.row, _waits(job, blocked)
    row, verdict = _stop_only(job, link, stopped, there.stamp)
    if verdict.state == "acked" and not is_over:
        return row, replace(_waits(replace(job, row=row), blocked), arrived=True, alone=True)
    return row, replace(verdict, alert=verdict.alert or alarm)


def _waits(job: Job, blocked: Obstacle) -> Verdict:
    """Return what becomes of a row for what stands in its way."""
    if isinstance(blocked, Blocked):
        return Verdict(blocked.state, blocked.code, alert=blocked.alarm)
    return not_sent(job.peer, job.row, blocked)


def _stop_of(job: Job, link: Link, there: Resource) -> Resource | None:
    may_stop = job.row.lane == "stop" and not (link.base and is_another(fhir_json.read(link.base), there))
    return stop_of(job.body, there) if may_stop else None


def _is_told(job: Job) -> bool:
    """Say whether a person was told of it already, when the conflict was opened."""
    peer, aggregate = job.peer, job.row.aggregate
    return peer.service.store.read(job.tenant, lambda tx: conflicts.open_of(tx, peer.name, aggregate)) is not None


def _stop_only(job: Job, link: Link, stopped: Resource, stamp: Stamp) -> tuple[Row, Verdict]:
    """Send their state with our stop, while the rest waits."""
    row, reply = _sent(job, stopped, stamp)
    if isinstance(reply, Verdict):
        return row, reply
    job = replace(job, row=row)
    if not isinstance(reply, Missing | Gone) or link.is_gone:
        return row, _in_vain(job, reply)
    there = job.peer.endpoint.read(job.type, stamp.id)
    if isinstance(there, Missing | Gone):
        return lost(job, replace(link, remote_id=stamp.id), there)
    return row, _though_there(job, there)


def _sent(job: Job, stopped: Resource, stamp: Stamp) -> tuple[Row, Verdict | Trouble]:
    """Send a stop of what is there, and read it back where it was taken."""
    row = noted(job)
    reply = job.peer.endpoint.update({**stopped, "id": stamp.id}, stamp.etag or '""')
    if not isinstance(reply, Written):
        return row, reply
    there = ladder.left_by(job.peer.endpoint, job.type, reply)
    if not isinstance(there, Found):
        return row, Verdict("unknown", _AGAIN, backoff(job.peer, row))
    if there.resource.get("status") not in STOPS and there.stamp.version_id == stamp.version_id:
        return row, Verdict("unknown", _AGAIN, backoff(job.peer, row))  # an answer to another, or none of it was done
    return row, read_back(stopped, there.resource, _ACKED)


def _in_vain(job: Job, reply: Trouble) -> Verdict:
    if isinstance(reply, Stale | Clash | NotModified | Doubtful):
        return Verdict("unknown", _AGAIN, backoff(job.peer, job.row))
    return after_sending(job.peer, job.row, reply)
