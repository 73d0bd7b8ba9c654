"""Deciding a change that was held: a person says whose state stands, and why.

1. Both sides are looked at as they are now. Where one has changed since the conflict was held, it is held as it is now
   and nothing is decided: nobody decides about what was not shown.
2. Theirs stands: it is written as any change that is pulled is, by the same rules (a stopped order does not come back).
3. Ours stands: the link takes note of their version, and our newest version goes into the outbox, to be sent with
   If-Match to that version.

The conflict is closed, and the outbox rows that it held back are given up, in the transaction that does this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.actions import accept_resource, follow, repeated, rules
from fhir_infusion.actions.caller import Caller
from fhir_infusion.errors import Issue, Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import aside, conflicts, inbox, links, outbox, text, versions
from fhir_infusion.store.conflicts import Conflict
from fhir_infusion.store.links import Link
from fhir_infusion.store.outbox import Row
from fhir_infusion.store.versions import Bound, Stored
from fhir_infusion.sync.case import IN_FLIGHT, as_received, stamped, tell_left
from fhir_infusion.sync.compare import content, same, spelled
from fhir_infusion.sync.deletions import gone_there
from fhir_infusion.sync.incoming import incoming
from fhir_infusion.sync.ours import version_of
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Found, Gone, Missing
from fhir_infusion.sync.shown import ACCEPTED, tag

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received

Keep = Literal["ours", "theirs"]
KEEP: Final = ("ours", "theirs")
CONFLICT: Final = 409
DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True)
class _Held:
    """A conflict with what we hold of its resource, and who decides what for which reason."""

    peer: Peer
    conflict: Conflict
    caller: Caller
    reason: str
    stored: Stored
    bound: Bound | None
    link: Link
    rows: tuple[Row, ...]

    @property
    def minted(self) -> tuple[str, str] | None:
        return (self.bound.system, self.bound.value) if self.bound is not None and self.bound.minted else None


def resolve(  # noqa: PLR0913  whose, which, what and why
    service: Service,
    client: str,
    conflict_id: str,
    keep: Keep,
    reason: str,
    *,
    tenant: str | None = None,
    seen: str | None = None,
    key: str = "",
    asked: str = "",
) -> dict[str, Any]:
    """Let one side stand, and close the conflict; ``client`` is who decides, for the audit trail.

    ``tenant`` is whose conflict it must be; None for a command of this machine, which belongs to no tenant. ``seen`` is
    the ``shown.tag`` of what was shown, where it is known. Under a ``key``, with the hash of what was ``asked`` with
    it, the answer is kept (``repeated``).

    Raises:
        Refused: 404 there is no such open conflict; 409 one side has changed since, or is being sent; 412 it is not
            held as it was shown; 422 no reason is given, or the order or administration may not become what they have.
        Unavailable: the peer cannot be asked now, or nothing is stored.
    """
    if not reason.strip():
        raise Refused(Issue("error", "required", "reason", "a reason is required for the audit trail", status=422))
    owner, conflict = _open(service, conflict_id, tenant)
    if seen is not None and seen != tag(conflict):
        said = "the conflict is not held as it was shown any more"
        raise Refused(Issue("error", "conflict", "If-Match", said, "the ETag of now", "if-match", 412))
    caller = Caller(owner, client, key, asked)
    if conflict.endpoint == follow.HERE:
        return follow.decide(service, caller, conflict, keep, reason)
    peer = Peer(service, _remote_of(service, owner, conflict))
    try:
        held = _held(peer, conflict, caller, reason)
        type_, id_ = held.stored.type, str(fhir_json.read(conflict.theirs).get("id", ""))
        there = peer.endpoint.read(type_, id_)
        if isinstance(there, Missing | Gone):
            return _gone(held, there)
        if not isinstance(there, Found):
            raise Unavailable("the remote cannot be asked now")
        _refuse_unseen(held, there)
        received = as_received(type_, there.stamp, there.text)
        kept = _keep_ours(held, received) if keep == "ours" else _keep_theirs(held, received, there.resource)
        return _told(held, keep, kept)
    finally:
        peer.close()


def _open(service: Service, conflict_id: str, tenant: str | None) -> tuple[str, Conflict]:
    """Return an open conflict and whose it is."""
    tenants = [tenant] if tenant is not None else service.store.read(DEFAULT_TENANT, conflicts.tenants)
    for one in tenants:
        found = service.store.read(one, partial(conflicts.get, conflict_id=conflict_id))
        if found is not None and found.state == "open":
            return one, found
    raise Refused(Issue("error", "not-found", "", "there is no such open conflict", ACCEPTED, status=404))


def _remote_of(service: Service, tenant: str, conflict: Conflict) -> Remote:
    for remote in service.settings.remotes:
        if (remote.name, remote.tenant) == (conflict.endpoint, tenant):
            return remote
    reason = "the settings do not have the remote of this conflict any more"
    raise Refused(Issue("error", "not-found", "", reason, "its section in the settings", status=404))


def _held(peer: Peer, conflict: Conflict, caller: Caller, reason: str) -> _Held:
    type_, _, id_ = conflict.aggregate.partition("/")

    def known(tx: Tx) -> _Held | None:
        stored = versions.current(tx, type_, id_)
        if stored is None:
            return None
        link = links.get(tx, peer.name, conflict.aggregate) or Link(peer.name, conflict.aggregate, ladder="found")
        rows = outbox.rows(tx, peer.name, limit=10_000, aggregate=conflict.aggregate)
        bound = versions.identifier_of(tx, type_, id_)
        return _Held(peer, conflict, caller, reason, stored, bound, link, rows)

    held = peer.service.store.read(caller.tenant, known)
    if held is None:
        raise Refused(Issue("error", "not-found", "", "nothing is stored of this resource", status=404))
    if any(row.state in IN_FLIGHT for row in held.rows):
        reason = "a version of this resource is being sent"
        raise Refused(Issue("error", "conflict", "", reason, "the same again, in a moment", status=CONFLICT))
    return held


def _ours(held: _Held) -> Resource:
    return version_of(held.peer, held.caller.tenant, held.stored.aggregate, held.stored.version)


def _refuse_unseen(held: _Held, there: Found) -> None:
    """Hold the conflict as it is now, and refuse, where a side is not as it was when it was held."""
    peer, conflict = held.peer, held.conflict
    ours = _ours(held)
    as_held = same(content(ours), content(fhir_json.read(conflict.ours))) and same(
        content(there.resource), content(fhir_json.read(conflict.theirs))
    )
    if as_held:
        return
    now = fhir_json.write(ours).decode(), there.text
    peer.service.store.transact(held.caller.tenant, lambda tx: conflicts.renew(tx, conflict.conflict_id, *now))
    reason = "one side has changed since the conflict was held; it is held as it is now"
    raise Refused(Issue("error", "conflict", "", reason, "to look at it again, then to decide", status=CONFLICT))


def _keep_ours(held: _Held, received: Received) -> int:
    """Note their version, and put our newest one into the outbox."""
    peer, stored = held.peer, held.stored
    record = text.read(stored.record)
    is_sent = peer.remote.is_told(held.caller.tenant, stored.type, record.get("intent"), known=True)
    linked = replace(stamped(held.link, received), last_sent_version=stored.version - 1)

    def work(tx: Tx) -> None:
        now = versions.current(tx, stored.type, stored.id)
        if now is None or now.version != stored.version:
            reason = "the resource has changed in this moment"
            raise Refused(Issue("error", "conflict", "", reason, "the same again", status=CONFLICT))
        links.put(tx, linked)
        _close(tx, held, "ours", stored.version)
        if is_sent and not any(row.state == "pending" and row.version == stored.version for row in held.rows):
            payload, stop = text.text_digest(stored.text), rules.is_stop(record)
            outbox.enqueue(tx, peer.name, stored.aggregate, stored.version, payload, stop=stop)

    peer.service.store.transact(held.caller.tenant, work)
    return stored.version


def _keep_theirs(held: _Held, received: Received, resource: Resource) -> int:
    """Write their state as our next version, which they need not be told of."""
    peer, stored = held.peer, held.stored
    theirs = incoming(peer, held.caller.tenant, resource, held.minted)
    base = incoming(peer, held.caller.tenant, fhir_json.read(held.link.base or received.text), held.minted)
    if not isinstance(theirs, dict) or not isinstance(base, dict):
        raise Unavailable("the remote cannot be asked now")
    # A decision for their values is none for how they write our numbers.
    theirs = spelled(_ours(held), base, theirs)

    def also(tx: Tx, written: Stored) -> None:
        version = written.version
        linked = stamped(held.link, received)
        links.put(tx, replace(linked, last_sent_version=version, last_acked_version=version))
        inbox.mark(tx, peer.name, received.type, received.id, received.version, "applied")
        _close(tx, held, "theirs", version)

    # What is answered under a key is the decision, not this change.
    who = replace(held.caller, key="")
    body, current = {**theirs, "id": stored.id}, str(stored.version)
    written = accept_resource.update(
        peer.service, who, peer.release, stored.id, body, current, origin=peer.name, also=also
    )
    tell_left(peer, held.caller.tenant, written)
    return written.version


def _gone(held: _Held, there: Missing | Gone) -> dict[str, Any]:
    """Close a conflict about what they have deleted since: a tombstone and an alarm, never a new create (H8)."""

    def work(tx: Tx) -> None:
        if not held.link.is_gone:
            gone_there(tx, held.peer, held.link, held.stored.version, is_lost=isinstance(there, Missing))
        _close(tx, held, "gone there", held.stored.version)

    held.peer.service.store.transact(held.caller.tenant, work)
    return _told(held, "gone there", held.stored.version)


def _close(tx: Tx, held: _Held, outcome: str, version: int) -> None:
    client, reason = held.caller.client, f"{outcome}: {held.reason}"
    conflicts.resolve(tx, held.conflict.conflict_id, reason, client)
    for row in held.rows:
        if row.state in {"conflict", "duplicate"}:
            aside.skip(tx, row.seq, reason, client)
    if held.caller.key:
        repeated.keep(tx, held.caller, _told(held, outcome, version))


def _told(held: _Held, kept: str, version: int) -> dict[str, Any]:
    return {
        "id": held.conflict.conflict_id,
        "endpoint": held.peer.name,
        "resource": held.conflict.aggregate,
        "kept": kept,
        "version": version,
    }
