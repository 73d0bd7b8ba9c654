"""What is sent of an outbox row, or why nothing is.

1. Nothing to do: superseded by a newer one that was sent, or that nobody put into the outbox (``telling``), or the
   resource was deleted there (never created again) and is not there under another id (``renamed``).
2. It is not certain whose it is: held for a person (``actions.follow``); a stop is not.
3. Make what is sent: references resolved, the patient found or created (``outgoing``). What they have already is never
   given to another patient there, but to the one that the first was merged into.
4. A stop of what cannot be made, or said in their release, is sent all the same, on what they have (``stopping``); also
   of what is known to be gone there, should it be back, and of what kills the process each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import follow, identity
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.store import links, outbox, text, versions
from fhir_infusion.store.links import Link
from fhir_infusion.store.outbox import Row
from fhir_infusion.store.versions import Bound, Stored
from fhir_infusion.sync import merged_there, renamed, telling
from fhir_infusion.sync.case import codes_of
from fhir_infusion.sync.obstacles import Blocked, Obstacle
from fhir_infusion.sync.ours import version_of
from fhir_infusion.sync.outgoing import Crossing, outgoing
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.verdicts import DUPLICATE, Verdict, not_sent

if TYPE_CHECKING:
    from fhir_infusion.store import Tx
    from fhir_infusion.sync.replies import Stamp


CRASHED: Final = 4
"""After so many attempts that ended without a verdict a stop goes alone: after one more it would be put aside."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row with what is sent of it, and what we hold of its resource."""

    peer: Peer
    tenant: str
    row: Row
    stored: Stored
    bound: Bound
    link: Link | None
    body: Resource
    """What is sent, without id."""
    begun: datetime
    blocked: Obstacle | None = None
    """Why not, where only the stop in ``body`` is."""

    @property
    def type(self) -> str:
        """Return the type of the resource."""
        return self.stored.type

    def linked(self, stamp: Stamp, text: str, rung: str) -> Link:
        """Return the link to what has the version of the row there: which one, what it says, and how it was made."""
        version = self.row.version
        return Link(
            self.peer.name,
            self.row.aggregate,
            stamp.id,
            stamp.version_id,
            stamp.etag,
            stamp.last_updated,
            text,
            last_sent_version=version,
            last_acked_version=version,
            ladder=rung,
        )


def prepared(  # noqa: PLR0911  each return is one reason not to send
    peer: Peer, tenant: str, row: Row, begun: datetime
) -> Job | Verdict:
    """Return what is sent of a row; or, where nothing is, what becomes of it.

    Raises:
        Unavailable: the store cannot serve now.
    """
    type_, _, id_ = row.aggregate.partition("/")

    def known(tx: Tx) -> tuple[Stored | None, Bound | None, Link | None, Stored | None, str, bool]:
        stored, link = versions.version(tx, type_, id_, row.version), links.get(tx, peer.name, row.aggregate)
        agreed = versions.version(tx, type_, id_, link.last_acked_version) if link is not None else None
        doubt = follow.doubt(tx, stored) if stored is not None and row.lane != "stop" else ""
        is_behind = telling.untold(tx, peer, row.aggregate, row.version) is not None
        return stored, versions.identifier_of(tx, type_, id_), link, agreed, doubt, is_behind

    stored, bound, link, agreed, doubt, is_behind = peer.service.store.read(tenant, known)
    if stored is None or bound is None:
        return Verdict("dead", "nothing-stored", alert="nothing-stored")
    bare = Job(peer, tenant, row, stored, bound, link, _bare(peer, stored), begun)
    if link is not None and link.is_gone:
        return _of_gone(bare, link)
    if why := _superseded(bare, is_behind=is_behind):
        return Verdict("superseded", why)
    if row.lane == "stop" and row.crashes >= CRASHED:
        return _blocked(bare, Blocked("dead", f"crash-{row.crashes}", "poison", rests=True))
    if doubt:
        return Verdict("conflict" if doubt == "held" else "dead", follow.HELD, alert=f"patient-{doubt}")
    try:
        resource = version_of(peer, tenant, row.aggregate, row.version)
    except Refused as refused:
        return _blocked(bare, Blocked("dead", f"untranslatable {codes_of(refused)}", "untranslatable", rests=True))
    body = _body(peer, tenant, row, _Known(stored, bound, link, agreed), resource)
    return replace(bare, body=body) if isinstance(body, dict) else _blocked(replace(bare, body=resource), body)


def _of_gone(job: Job, link: Link) -> Job | Verdict:
    """Return what becomes of a row whose resource is gone there by what is known; a stop looks whether it is back."""
    now = renamed.instead(job.peer, job.tenant, job.row, link)
    if job.row.lane == "stop" and now in {None, DUPLICATE}:
        return replace(job, blocked=Blocked("dead", link.ladder, "gone", rests=True))
    return now or Verdict("dead", link.ladder, alert="gone")


def _blocked(job: Job, by: Obstacle) -> Job | Verdict:
    """Return what becomes of a row that something stands in the way of; a stop is sent all the same."""
    if job.row.lane == "stop":
        return replace(job, blocked=by)
    return Verdict(by.state, by.code, alert=by.alarm) if isinstance(by, Blocked) else not_sent(job.peer, job.row, by)


def _bare(peer: Peer, stored: Stored) -> Resource:
    """Return no more than that it has ended: one that R5 alone calls ended was stopped, for who cannot say so."""
    status = text.read(stored.record)["status"]
    return {"resourceType": stored.type, "status": "stopped" if status == "ended" and peer.release != "R5" else status}


def _superseded(job: Job, *, is_behind: bool) -> str:
    """Return the code with which a row is not sent since ours went on, empty where it is; the newest goes out then.

    Nor is it sent where the settings have changed since it was put into the outbox.
    """
    peer, tenant, row, link = job.peer, job.tenant, job.row, job.link
    if link is not None and row.version <= link.last_sent_version and _is_overtaken(peer, tenant, row, link):
        return "newer-was-sent"
    # One in doubt is verified first: the newest goes after it.
    if is_behind and telling.instead(peer, tenant, row) and row.state == "leased":
        return telling.UNTOLD
    intent = text.read(job.stored.record).get("intent")
    is_told = peer.remote.is_told(tenant, job.type, intent, known=link is not None)
    return "" if is_told else outbox.NOT_TOLD


def _is_overtaken(peer: Peer, tenant: str, row: Row, link: Link) -> bool:
    """Say whether ours was sent already in a newer version, or merged into one.

    Before what was agreed on: it lacks what was taken from them since. After it: only where a newer one has a row, or
    nothing would tell of it. The very one that was agreed on would take back what both sides said since; a stop is
    sent all the same, and one in doubt is verified first.
    """
    read, agreed = peer.service.store.read, link.last_acked_version
    if row.version < agreed:
        return True
    if row.version > agreed:
        return read(tenant, lambda tx: outbox.has_from(tx, peer.name, row.aggregate, row.version + 1))
    if row.lane == "stop" or row.state != "leased":
        return False
    return read(tenant, lambda tx: outbox.overtaken(tx, row))


@dataclass(frozen=True, slots=True)
class _Known:
    """What we hold of a resource: the version to be sent, and what both sides agreed on."""

    stored: Stored
    bound: Bound
    link: Link | None
    agreed: Stored | None


def _body(peer: Peer, tenant: str, row: Row, known: _Known, resource: Resource) -> Resource | Obstacle:
    """Return what is sent, or what stands in the way: also that it would give what is there to another patient."""
    link, key = known.link, identity.key_of(resource.get("subject", {}))
    before = text.read(known.agreed.text).get("subject", {}) if known.agreed and not known.agreed.deleted else {}
    stays = link is not None and key is not None and identity.key_of(before) == key
    body = outgoing(Crossing(peer, tenant, known.stored, is_known_there=stays), resource, known.bound)
    if not isinstance(body, dict) or not stays or link is None or key is None or not link.base:
        return body
    moved = merged_there.moves(peer, fhir_json.read(link.base), body, key)
    if not isinstance(moved, str):
        return moved
    if moved and row.attempt == 1:
        peer.service.store.transact(tenant, lambda tx: peer.alert(tx, "patient-merged", row.aggregate, row.version))
    return body
