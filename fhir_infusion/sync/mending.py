"""Putting right what a comparison of both sides found, through the ordinary ways only: inbox, outbox, conflicts.

Each resource is judged anew first; nothing is done on the word of a listing that was read a while ago. What a person
has to decide is left to a person, and so is everything where the peer is paused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import audit, conflicts, inbox, links, outbox, versions
from fhir_infusion.sync import holding, judging, places, telling
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.deletions import gone_there
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.pull import apply_new
from fhir_infusion.sync.replies import Found, Gone, Missing
from fhir_infusion.sync.sending import push_all
from fhir_infusion.sync.standings import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

AT_ONCE: Final = 200
"""No request for a repair names more resources than this, so that it ends in time."""
CONFLICT: Final = 409
GROUP: Final = "altered"
"""The group of a conflict about a resource that the peer keeps otherwise than it was sent."""


def mend(service: Service, client: str, remote: str, resources: str, reason: str) -> dict[str, Any]:
    """Repair resources, named ``ours:Type/id`` or ``theirs:Type/id`` with spaces between; ``client`` is who decides.

    Returns:
        How many of each kind there were, and the lines of those that need a person.

    Raises:
        Refused: 422 no reason is given, or a name is none; 409 the remote is paused, or somebody pulls from it now.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    demand_reason(reason)
    wanted = resources.split()
    if len(wanted) > AT_ONCE or not all(_is_name(one) for one in wanted):
        accepted = f"ours:Type/id or theirs:Type/id, {AT_ONCE} at most"
        raise Refused(Issue("error", "value", "resources", "this does not name resources", accepted, status=422))
    peer = Peer(service, service.settings.remote(remote))
    tenant = peer.remote.tenant
    try:
        refuse_paused(peer, tenant)
        with service.store.alone(f"pull {tenant} {peer.name}") as alone:
            refuse_company(alone=alone)
            found = [judged(peer, tenant, one) for one in wanted]
            for one in found:
                _mend(Decision(peer, tenant, client, reason), one)
            if peer.remote.direction != "push":
                for type_ in peer.remote.types:
                    apply_new(peer, tenant, type_)
        if peer.remote.direction != "pull":
            push_all(peer, tenant)
        told = [one.line() for one in found if one.repair == "person" or not (one.repair or one.is_settled)]
        return {"remote": remote, "kinds": dict(Counter(one.kind for one in found)), "left": told}
    finally:
        peer.close()


def demand_reason(reason: str) -> None:
    """Refuse to act without one, 422: it stands in the audit trail."""
    if not reason.strip():
        raise Refused(Issue("error", "required", "reason", "a reason is required for the audit trail", status=422))


def refuse_paused(peer: Peer, tenant: str) -> None:
    """Refuse to act on a remote that is left alone, 409."""
    if places.paused(peer, tenant):
        accepted = "to go on with it first: `fhir-infusion sync resume`"
        raise Refused(Issue("error", "conflict", "", "the remote is paused", accepted, status=CONFLICT))


def refuse_company(*, alone: bool) -> None:
    """Refuse to act on what somebody pulls now, 409."""
    if not alone:
        reason = "somebody pulls from this remote now"
        raise Refused(Issue("error", "conflict", "", reason, "the same again, in a moment", status=CONFLICT))


def judged(peer: Peer, tenant: str, name: str) -> Standing:
    """Return how a resource stands now, by its name."""
    side, _, place = name.partition(":")
    type_, _, id_ = place.partition("/")
    if side == "ours":
        return judging.of_ours(peer, tenant, id_, type_)
    there = peer.endpoint.read(type_, id_)
    if isinstance(there, Found):
        return judging.of_theirs(peer, tenant, there.stamp, there.text)
    link = peer.service.store.read(tenant, lambda tx: links.by_remote(tx, peer.name, type_, id_))
    if not isinstance(there, Missing | Gone):
        return Standing("unasked", type_, theirs=place)
    if link is None:
        return Standing("tombstone", type_)
    if link.is_gone:
        return judging.of_ours(peer, tenant, link.aggregate.partition("/")[2], type_)
    return Standing("gone" if isinstance(there, Gone) else "vanished", type_, link.aggregate)


def _is_name(name: str) -> bool:
    side, _, place = name.partition(":")
    type_, _, id_ = place.partition("/")
    return side in {"ours", "theirs"} and type_ in TYPES and bool(id_)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who has something repaired at which peer, and why."""

    peer: Peer
    tenant: str
    client: str
    reason: str

    def note(self, tx: Tx, one: Standing, version: int = 0) -> None:
        """Write it into the audit trail."""
        type_, _, id_ = one.ours.partition("/")
        what = f"{self.peer.name}: {one.kind} {one.theirs}".strip()
        audit.write(tx, "sync-repaired", self.client, type_, id_, version, f"{what}: {one.repair}: {self.reason}")

    def transact(self, work: Callable[[Tx], object]) -> None:
        """Do it in a transaction."""
        self.peer.service.store.transact(self.tenant, work)


def _mend(by: Decision, one: Standing) -> None:
    match one.repair:
        case "receive":
            there = by.peer.endpoint.read(one.type, one.theirs.partition("/")[2])
            if isinstance(there, Found):
                _receive(by, there, one)
        case "enqueue":
            by.transact(lambda tx: _enqueue(tx, by, one))
        case "hold":
            there = by.peer.endpoint.read(one.type, one.theirs.partition("/")[2])
            if isinstance(there, Found):
                _hold(by, one, there.text)
        case "tombstone":
            by.transact(lambda tx: _tombstone(tx, by, one))
        case _:
            pass


def _receive(by: Decision, there: Found, one: Standing) -> None:
    """Take what is there into the inbox, or have it applied once more where it is known."""
    received = as_received(one.type, there.stamp, there.text)

    def work(tx: Tx) -> None:
        if not inbox.receive(tx, by.peer.name, [received]):
            inbox.again(tx, by.peer.name, received.type, received.id, received.version)
        by.note(tx, one)

    by.transact(work)


def _enqueue(tx: Tx, by: Decision, one: Standing) -> None:
    """Put our newest version into the outbox, unless it is there by now."""
    name = by.peer.name
    type_, _, id_ = one.ours.partition("/")
    stored = versions.current(tx, type_, id_)
    if stored is None or outbox.has_any(tx, name, one.ours, outbox.OPEN):
        return
    link = links.get(tx, name, one.ours)
    if link is not None:  # what it says of the newest version is not so, else the peer would have it
        links.put(tx, replace(link, last_sent_version=min(link.last_sent_version, stored.version - 1)))
    telling.enqueue(tx, by.peer, stored)
    by.note(tx, one, stored.version)


def _hold(by: Decision, one: Standing, theirs: str) -> None:
    """Have a person decide about what the peer keeps otherwise than it was sent."""
    peer = by.peer
    type_, _, id_ = one.ours.partition("/")
    known = peer.service.store.read(by.tenant, lambda tx: judging.known_of(tx, peer.name, type_, id_))
    if known is None or known.conflict:
        return
    version, base = known.stored.version, known.link.base if known.link is not None else ""

    def also(tx: Tx) -> None:
        if conflicts.open_of(tx, peer.name, one.ours) is None:
            by.note(tx, one, version)

    holding.hold(peer, by.tenant, holding.Held(one.ours, version, (GROUP,), base, theirs), also)


def _tombstone(tx: Tx, by: Decision, one: Standing) -> None:
    """Note that what was linked is gone there: an alarm, and never created again (H8)."""
    link = links.get(tx, by.peer.name, one.ours)
    if link is None or link.is_gone:
        return
    gone_there(tx, by.peer, link, is_lost=one.kind == "vanished")
    if one.kind == "vanished":
        by.peer.alert(tx, "vanished", one.ours)
    by.note(tx, one)
