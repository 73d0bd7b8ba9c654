"""Telling a peer what the outbox holds: each version once, in order, and never blindly.

For each claimed row:

1. and 2. Nothing to do, or what is sent (``preparing``).
3. No link yet: look by identifier. Found: it is ours, or a person decides. None: create by the ladder.
   Linked: PUT with If-Match; in doubt read first.
4. The row is ``sent`` on disk before the bytes leave; a crash from here on leaves a doubt, never a gap.
5. The answer decides (``verdicts``): acknowledged after reading back, verify, merge, wait, or put aside.

A row in state ``unknown`` starts with the looking or reading of step 3, whatever happened before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.statuses import ENDED
from fhir_infusion.store import attempts, inbox, links, outbox
from fhir_infusion.store.failpoint import reach
from fhir_infusion.store.links import Link
from fhir_infusion.sync import absent, arrived, holding, journal, ladder, sent
from fhir_infusion.sync.apply import apply
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.compare import content, equivalent, is_another, is_labelled, same
from fhir_infusion.sync.deletions import gone_there
from fhir_infusion.sync.preparing import Job, prepared
from fhir_infusion.sync.replies import (
    Clash,
    Entry,
    Found,
    Gone,
    Missing,
    NotModified,
    Rejected,
    Stale,
    Written,
)
from fhir_infusion.sync.stopping import (
    elsewhere,
    gone_after_all,
    held,
    is_tried,
    lost,
    noted,
    several,
    stamp_of,
    stop_blocked,
    stop_meanwhile,
    stop_refused,
    sure,
)
from fhir_infusion.sync.verdicts import (
    LATE,
    Verdict,
    after_sending,
    backoff,
    gone,
    look_again,
    not_sent,
    read_back,
)

if TYPE_CHECKING:
    from datetime import datetime

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.ladder import Rung
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Stamp


def deliver(peer: Peer, tenant: str, row: Row) -> Verdict:
    """Tell the peer one version, and settle the row.

    Raises:
        StaleLease: another worker has the row by now; what was done here is not recorded.
        Unavailable: the store cannot serve now.
    """
    reach("push.claimed")
    begun = peer.now()
    with journal.kept(), peer.service.translator.held(), peer.attempt(is_stop=row.lane == "stop"):
        job = prepared(peer, tenant, row, begun)
        if isinstance(job, Verdict):
            return _settled(peer, tenant, row, begun, job)
        if job.blocked is not None:
            row, verdict = stop_blocked(job, job.blocked)
        else:
            row, verdict = _create(job) if job.link is None else _update(job, job.link)
        reach("push.before-commit")
        verdict = _settled(peer, tenant, row, begun, verdict)
    reach("push.committed")
    return verdict


# --------------------------------------------------------------------------------------------------- 3: no link yet


def _create(job: Job) -> tuple[Row, Verdict]:
    found = ladder.look(job.peer.endpoint, job.type, job.bound.system, job.bound.value)
    if isinstance(found, ladder.One):
        return _adopt(job, found.entry)
    if isinstance(found, ladder.Several):
        return several(job, found)
    if not isinstance(found, ladder.Absent):
        return job.row, not_sent(job.peer, job.row, found)
    rung = job.peer.rung(job.type)
    if not isinstance(rung, str):
        return job.row, not_sent(job.peer, job.row, rung)
    if sent.is_doubted(job) and (now := _doubted(job, rung)) is not None:
        return now
    return _made(job, rung)


def _made(job: Job, rung: Rung) -> tuple[Row, Verdict]:
    """Create what a look has not found."""
    named = job.bound.system, job.bound.value
    there = ladder.taken(job.peer.endpoint, job.type, *named) if rung == "A" else None
    if there is not None and not isinstance(there, Written | Gone):
        return job.row, not_sent(job.peer, job.row, there)
    row = noted(job)
    reply = there or ladder.create(job.peer.endpoint, rung, job.body, *named, is_free=True)
    reach("push.answered")
    if isinstance(reply, ladder.Several):
        return several(replace(job, row=row), reply)
    if isinstance(reply, Written):
        return row, _acked(replace(job, row=row), reply, rung)
    if isinstance(reply, Gone):
        id_ = ladder.client_id(job.bound.system, job.bound.value)
        return row, gone(Link(job.peer.name, job.row.aggregate, id_))
    if isinstance(reply, Clash | Stale):
        return row, Verdict("unknown", "exists-already", backoff(job.peer, job.row))
    return row, after_sending(job.peer, row, reply)


def _doubted(job: Job, rung: Rung) -> tuple[Row, Verdict] | None:
    """Decide where a create may have arrived that a look does not show; None where it is sent again.

    Where a pull saw what we created and it is gone by now, it was deleted, and is not made again (H8).
    """
    if (again := look_again(job.row, rung)) is not None:
        return job.row, again
    for seen in absent.seen_before(job.peer, job.tenant, job.type, job.bound):
        there = job.peer.endpoint.read(job.type, seen.id)
        if isinstance(there, Missing | Gone):
            return lost(job, Link(job.peer.name, job.row.aggregate, seen.id, base=seen.text), there)
    return None


def _adopt(job: Job, entry: Entry) -> tuple[Row, Verdict]:
    """Link to the one resource that has our identifier there.

    It is ours where it equals a version of ours: the answer to its create was lost, or this is a database restored from
    a backup. Otherwise somebody else changed it, and a person decides.
    """
    try:
        there = fhir_json.read(entry.text)
    except Refused:
        return job.row, Verdict("conflict", "unreadable-match", alert="unreadable-match")
    stamp, row = entry.stamp, job.row
    stamped = job.linked(stamp, entry.text, "found")
    ours = sent.versions(job, there)
    doubted = sent.doubted(job, ours)
    known = next(((version, body) for version, body in ours if _is_all(body, there)), None)
    if known is None:
        made = arrived.created(stamped, doubted, there)
        if made is None:
            return _contest(job, replace(stamped, last_acked_version=0), there, entry.text)
        _kept(job, made, made.last_acked_version)
        is_there = made.last_acked_version == row.version
        return _contest(replace(job, link=made), made, there, entry.text, stamp, is_there=is_there)
    version, body = known
    linked = replace(stamped, last_sent_version=version, last_acked_version=version)
    if version > row.version:
        return row, Verdict("superseded", "newer-was-sent", link=linked)
    if version < row.version:
        _kept(job, linked, sent.in_doubt_as(version, ours, doubted) or row.version)
        return _update(replace(job, link=linked), linked)
    if row.state != "unknown" and (made := arrived.created(stamped, doubted, there)) is not None:
        _kept(job, linked, made.last_acked_version)
    verdict = Verdict("acked", link=linked, arrived=row.state == "unknown")
    return sure(job), read_back(body, there, verdict)


def _kept(job: Job, link: Link, arrived_version: int) -> None:
    """Keep a link, and tell of the version whose create in doubt had arrived, where the row has overtaken it."""

    def work(tx: Tx) -> None:
        links.put(tx, link)
        if arrived_version != job.row.version:
            job.peer.sent(tx, job.row.aggregate, arrived_version)

    job.peer.service.store.transact(job.tenant, work)


# ----------------------------------------------------------------------------------------------------- 3: linked


def _update(  # noqa: PLR0911  each return is one outcome
    job: Job, link: Link
) -> tuple[Row, Verdict]:
    if job.row.state == "unknown" or (link.doubted and not link.version_id) or is_tried(job.row):
        if (now := _verified(job, link)) is not None:
            return now
    elif link.base and same(content(job.body), content(fhir_json.read(link.base))):
        done = replace(link, last_sent_version=job.row.version, last_acked_version=job.row.version)
        return sure(job), Verdict("acked", "already-there", link=done)
    if holding.is_not_ours_to_change(job.peer, job.tenant, job.row, job.body, link):
        field = holding.hold_ours(job.peer, job.tenant, job.row, link, None)
        return held(job, link, fhir_json.read(link.base), stamp_of(job, link), field)
    row = noted(job)
    reply = job.peer.endpoint.update({**job.body, "id": link.remote_id}, link.etag or '""')
    reach("push.answered")
    if isinstance(reply, Written):
        verdict = _acked(replace(job, row=row), reply, link.ladder)
        # A server that takes If-Match for a create has brought a deleted resource back to life (hazard H8).
        return row, replace(verdict, alert="created-again") if reply.status == 201 else verdict
    if isinstance(reply, Stale | Clash | NotModified):
        return _overtaken(replace(job, row=row), link)
    if isinstance(reply, Rejected) and row.lane == "stop":
        return stop_refused(replace(job, row=row), reply)
    if isinstance(reply, Missing | Gone):
        return gone_after_all(replace(job, row=row), link)
    return row, after_sending(job.peer, row, reply)


def _verified(job: Job, link: Link) -> tuple[Row, Verdict] | None:
    """Decide by what is there, asked for; None where it is as we left it, and the row is to be sent."""
    there = job.peer.endpoint.read(job.type, link.remote_id)
    if isinstance(there, Missing | Gone):
        return lost(job, link, there)
    if not isinstance(there, Found):
        return job.row, not_sent(job.peer, job.row, there)
    if there.stamp.version_id != link.version_id or not link.version_id:
        return _changed_there(job, link, there)
    if is_tried(job.row) and there.resource.get("status") not in ENDED:
        later = Verdict("unknown", job.row.last_error_code, backoff(job.peer, job.row))
        return stop_meanwhile(job, link, there.resource, there.stamp, later)
    return None


def _overtaken(job: Job, link: Link) -> tuple[Row, Verdict]:
    """Decide after an If-Match that did not hold (409 says the same as 412: HAPI answers so)."""
    there = job.peer.endpoint.read(job.type, link.remote_id)
    if isinstance(there, Missing | Gone):
        return lost(job, link, there)
    if isinstance(there, Found) and there.stamp.version_id != link.version_id:
        return _changed_there(job, link, there)
    return job.row, Verdict("unknown", "clash", backoff(job.peer, job.row))  # a race over there, or no answer


def _changed_there(job: Job, link: Link, there: Found) -> tuple[Row, Verdict]:
    """Decide about a resource that is not as we left it: it is what we sent, or both have changed it."""
    body = sent.as_written_there(job.peer, job.tenant, job.body, there.resource)
    if _is_all(body, there.resource):
        verdict = Verdict("acked", link=job.linked(there.stamp, there.text, link.ladder), arrived=True)
        return sure(job), read_back(body, there.resource, verdict)
    return _contest(job, link, there.resource, there.text, there.stamp)


def _is_all(body: Resource, there: Resource) -> bool:
    return equivalent(body, there) and not is_labelled(body, there)


def _contest(  # noqa: PLR0913  what is there, and what is known of it
    job: Job, link: Link, there: Resource, text: str, stamp: Stamp | None = None, *, is_there: bool = False
) -> tuple[Row, Verdict]:
    """Merge with what is there; where that is held, a stop is sent all the same, and nothing else.

    ``is_there``: the row was in doubt, and its version is there beneath what they changed since.
    """
    if (now := _of_another(job, link, there)) is not None:
        return now
    stamp = stamp or stamp_of(job, link)
    received = as_received(job.type, stamp, text)
    store = job.peer.service.store
    store.transact(job.tenant, lambda tx: inbox.receive(tx, job.peer.name, [received]))
    if holding.rounds(job.peer, job.tenant, job.row) >= holding.MERGES:
        field = holding.hold_ours(job.peer, job.tenant, job.row, link, received)
        return held(job, link, there, stamp, field)
    upon, before = link, 0
    if link.last_acked_version:
        ours = sent.versions(job, there)
        upon = arrived.agreed(link, ours, there)
        found = upon.last_acked_version if link.last_acked_version < upon.last_acked_version else 0
        if found == job.row.version:
            is_there |= job.row.state == "unknown"
        elif found:
            before = sent.in_doubt_as(found, ours, sent.doubted(job, ours))
    applied = apply(job.peer, job.tenant, received, own=True, link=upon)
    if applied.kind == "merged":
        return job.row, Verdict("superseded", "merged", arrived=is_there, before=before)
    if applied.kind in {"applied", "echo"}:
        # Nothing of theirs is missing in ours: the link knows their version now, and ours can be sent upon it.
        code = holding.merged_here(job.row.last_error_code)
        return job.row, Verdict("pending", code, backoff(job.peer, job.row), arrived=is_there, before=before)
    if applied.kind == "waiting":
        later = Verdict("unknown" if job.row.state != "leased" else "pending", "merge-later", LATE)
        return stop_meanwhile(job, link, there, stamp, later)
    row, verdict = held(job, link, there, stamp, applied.codes or applied.kind)
    return row, replace(verdict, arrived=verdict.arrived or is_there)


# ------------------------------------------------------------------------------------------------ 4 and 5: decided


def _acked(job: Job, reply: Written, rung: str) -> Verdict:
    """Acknowledge what the peer has, after reading it back: from the answer, or by asking."""
    if reply.stamp is None:
        # At once where it is the first such answer; a server that gives no other is not run over.
        return Verdict("unknown", "no-location", backoff(job.peer, job.row) if job.row.attempt > 1 else None)
    there = ladder.left_by(job.peer.endpoint, job.type, reply)
    if isinstance(there, Gone):
        return lost(job, job.linked(reply.stamp, "", rung), there)[1]
    if not isinstance(there, Found):
        return Verdict("unknown", "read-back", backoff(job.peer, job.row))
    code = sent.why_not_ours(job, reply, there)
    if code:
        return Verdict("unknown", code, backoff(job.peer, job.row))
    link = job.linked(there.stamp, there.text, rung)
    return read_back(job.body, there.resource, Verdict("acked", link=link, arrived=True))


def _of_another(job: Job, link: Link, there: Resource) -> tuple[Row, Verdict] | None:
    """Decide where the id of ours is another's there by now; None where it is not, or a person decides."""
    if not link.base or not is_another(fhir_json.read(link.base), there):
        return None
    if (now := elsewhere(job, link)) is not None:
        return now
    return (job.row, Verdict("dead", "lost", link=link.as_nowhere())) if link.doubted else None


def _settled(peer: Peer, tenant: str, row: Row, begun: datetime, verdict: Verdict) -> Verdict:
    """Keep the verdict, what was asked for it, the link and the alarm in one transaction."""
    asked = journal.notes()

    def work(tx: Tx) -> None:
        not_before = tx.now + verdict.wait if verdict.wait is not None else None
        link = verdict.link or links.get(tx, peer.name, row.aggregate)
        # A stop that went alone to what nothing links yet: which version was created there is still to be found out.
        # Of what is gone there nothing is; what waits for that, such as what was given, would wait for good.
        is_found = not verdict.alone or link is not None
        is_gone = verdict.state == "dead" and link is not None and link.is_gone
        code, is_over = verdict.code, (verdict.arrived and is_found) or is_gone
        outbox.settle(tx, row, verdict.state, error_code=code, not_before=not_before, arrived=is_over)
        attempts.note(tx, row, begun, asked, verdict.state, verdict.code)
        if verdict.link is not None and verdict.link.is_gone:
            gone_there(tx, peer, verdict.link, row.version, is_lost=verdict.link.ladder == "lost")
        elif verdict.link is not None:
            links.put(tx, verdict.link)
        if verdict.before:
            peer.sent(tx, row.aggregate, verdict.before)
        if verdict.arrived:
            peer.sent(tx, row.aggregate, row.version, alone=verdict.alone)
        if verdict.alert:
            peer.alert(tx, verdict.alert, row.aggregate, row.version)

    peer.service.store.transact(tenant, work)
    if verdict.state == "acked":
        peer.told_first("")  # a server that may be read and not written answers well in between
    return verdict
