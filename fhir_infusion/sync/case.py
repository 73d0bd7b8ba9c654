"""A received version with what we hold that it may be about: read in one transaction, then decided (``apply``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import carried
from fhir_infusion.fhir.json import Resource
from fhir_infusion.store import inbox, links, outbox, versions
from fhir_infusion.store.inbox import Received
from fhir_infusion.store.links import Link
from fhir_infusion.store.versions import Bound, Stored
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Stamp, content_version

if TYPE_CHECKING:
    from fhir_infusion.actions.transact import Outcome
    from fhir_infusion.errors import Refused
    from fhir_infusion.store import Tx

IN_FLIGHT: Final[tuple[outbox.State, ...]] = ("leased", "sent", "unknown")


@dataclass(frozen=True, slots=True)
class Case:
    """A received version, and what we hold that it may be about."""

    peer: Peer
    tenant: str
    received: Received
    resource: Resource
    link: Link | None = None
    stored: Stored | None = None
    bound: Bound | None = None
    ambiguous: bool = False
    in_flight: bool = False
    pending: bool = False
    seen: frozenset[str] = frozenset()
    has_later: bool = False
    alarm: str = ""
    """Told with whatever becomes of it."""

    @property
    def minted(self) -> tuple[str, str] | None:
        """The identifier that we made for it."""
        return (self.bound.system, self.bound.value) if self.bound is not None and self.bound.minted else None


def case_of(tx: Tx, case: Case, *, own: bool) -> Case:
    """Return a case with what we hold. ``own``: the caller has its outbox row, nothing else is in flight."""
    peer, received = case.peer, case.received
    link = links.by_remote(tx, peer.name, received.type, received.id)
    if link is not None:
        stored = versions.current(tx, received.type, link.aggregate.partition("/")[2])
    else:
        named = {one.id: one for one in _named(tx, received.type, case.resource)}
        stored = next(iter(named.values())) if named else None
        other = links.get(tx, peer.name, stored.aggregate) if stored is not None else None
        if len(named) > 1:
            return replace(case, stored=stored, ambiguous=True)  # one of theirs for two of ours
        if stored is not None and other is not None:  # two of theirs for one of ours, or its id there changed
            in_flight = outbox.has_any(tx, peer.name, stored.aggregate, IN_FLIGHT)
            return replace(case, stored=stored, link=other, ambiguous=True, in_flight=in_flight)
    if stored is None:
        return case
    return replace(
        case,
        link=link,
        stored=stored,
        bound=versions.identifier_of(tx, stored.type, stored.id),
        in_flight=not own and outbox.has_any(tx, peer.name, stored.aggregate, IN_FLIGHT),
        pending=not own and outbox.has_any(tx, peer.name, stored.aggregate, ("pending",)),
        seen=links.seen(tx, peer.name, received.type, received.id),
        has_later=link is not None and inbox.has_later(tx, peer.name, received),
    )


def _named(tx: Tx, type_: str, resource: Resource) -> list[Stored]:
    listed: Any = resource.get("identifier")
    found = []
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str):
            stored = versions.by_identifier(tx, type_, one["system"], one["value"])
            if stored is not None:
                found.append(stored)
    return found


def as_received(type_: str, stamp: Stamp, text: str) -> Received:
    """Return what was read of a peer as the inbox keeps it; what has no version id is told by its text."""
    return Received(type_, stamp.id, stamp.version_id or content_version(text), stamp.last_updated, text)


def stamped(link: Link, received: Received) -> Link:
    """Return the link as it is after agreeing on what was received."""
    return replace(
        link,
        remote_id=received.id,
        version_id=received.version,
        etag=f'W/"{received.version}"' if not received.version.startswith("sha256-") else "",
        last_updated=received.last_updated,
        base=received.text,
        doubted=0,
    )


def codes_of(refused: Refused) -> str:
    """Return the codes and rules of a refusal, without places that could hold content."""
    codes = [f"{issue.code}/{issue.rule}" if issue.rule else issue.code for issue in refused.issues]
    return ",".join(dict.fromkeys(codes))[:200]


def tell_left(peer: Peer, tenant: str, written: Outcome) -> None:
    """Raise an alarm where a version written in one release could not keep what only another one says (``carried``)."""
    if any(one.rule == carried.RULE for one in written.findings):
        aggregate = f"{written.type}/{written.id}"
        peer.service.store.transact(tenant, lambda tx: peer.alert(tx, carried.RULE, aggregate, written.version))
