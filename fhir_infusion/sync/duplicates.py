"""Several resources at a peer that carry one identifier of ours: found, and ended but for one (hazard H5).

1. All that carry the identifier and were not entered in error are compared with ours: with the newest version, else
   with the one before, and so on.
2. Kept is the oldest that equals ours. Where none does, none is picked: a person looks at them.
3. The others are entered in error, each with If-Match to the version that was compared, and read back.
4. What is kept is linked, and what was put aside for the duplicate is told again.

References to what was ended stay as they are: what points there is the peer's to mend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import aside, audit, inbox, links, outbox
from fhir_infusion.store.links import Link
from fhir_infusion.sync import judging, looking, moments
from fhir_infusion.sync.case import as_received, stamped
from fhir_infusion.sync.compare import has_identifier
from fhir_infusion.sync.judging import Known
from fhir_infusion.sync.listing import entries
from fhir_infusion.sync.mending import Decision, demand_reason, refuse_paused
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Entry, Found, Listed, Stamp
from fhir_infusion.sync.sending import push_all
from fhir_infusion.sync.verdicts import DUPLICATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

VERSIONS: Final = 20
"""Of so many versions of ours one may be what is there."""


@dataclass(frozen=True, slots=True)
class There:
    """One of those that carry the identifier, as it is there now."""

    stamp: Stamp
    text: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class Doubled:
    """What carries the identifier of one resource of ours. ``keep`` is None where none may be picked: ``why``."""

    known: Known
    keep: There | None
    end: tuple[There, ...]
    version: int = 0
    why: str = ""

    def line(self, remote: str) -> dict[str, Any]:
        """Return it as one line of a report, without a value of any of them."""
        link = self.known.link
        told = {
            "remote": remote,
            "resource": self.known.stored.aggregate,
            "linked": _place(self.known.stored.type, link.remote_id) if link is not None and link.remote_id else "",
            "keep": _place(self.known.stored.type, self.keep.stamp.id) if self.keep is not None else "",
            "end": [_place(self.known.stored.type, one.stamp.id) for one in self.end],
            "why": self.why,
        }
        return {name: value for name, value in told.items() if value}


def found_in_listing(peer: Peer, tenant: str, type_: str) -> Iterator[str]:
    """Yield the aggregates of ours of which a peer lists more than one, each once. Of the rest the names are kept only.

    Raises:
        ListingError: the listing could not be read to its end.
    """
    first: dict[str, str] = {}
    told: set[str] = set()
    for entry in entries(peer, type_):
        for aggregate in _named(peer, tenant, type_, entry):
            if first.setdefault(aggregate, entry.stamp.id) != entry.stamp.id and aggregate not in told:
                told.add(aggregate)
                yield aggregate


def _named(peer: Peer, tenant: str, type_: str, entry: Entry) -> list[str]:
    resource = _read(entry.text)
    if resource is None or resource.get("status") == ERROR:
        return []
    ids = peer.service.store.read(tenant, lambda tx: judging.named_ids(tx, type_, resource))
    return [f"{type_}/{id_}" for id_ in ids]


def examine(peer: Peer, tenant: str, aggregate: str) -> Doubled | None:
    """Return what is to be kept and ended of one resource, None where no more than one carries its identifier.

    Raises:
        Unavailable: the peer cannot be asked now.
    """
    type_, _, id_ = aggregate.partition("/")
    known = peer.service.store.read(tenant, lambda tx: judging.known_of(tx, peer.name, type_, id_))
    if known is None or known.bound is None:
        return None
    page = looking.alone(peer.endpoint, type_, known.bound.system, known.bound.value)
    if not isinstance(page, Listed):
        raise Unavailable("the remote cannot be asked now")
    read = {entry.stamp.id: (entry, _read(entry.text)) for entry in page.entries}
    there = [
        There(entry.stamp, entry.text, resource)
        for entry, resource in read.values()
        if resource is not None and resource.get("status") != ERROR
        # A server that does not search by identifier gives all that it has (hazard H10).
        if has_identifier(resource, known.bound.system, known.bound.value)
    ]
    if len(there) < 2:
        return None
    if page.following or any(resource is None for _, resource in read.values()):
        return Doubled(known, None, (), why="too many, or one that cannot be read")
    return _chosen(peer, tenant, known, there)


def _chosen(peer: Peer, tenant: str, known: Known, there: list[There]) -> Doubled:
    for version in range(known.stored.version, max(0, known.stored.version - VERSIONS), -1):
        equal = [one for one in there if _equals(peer, tenant, known, version, one)]
        if equal:
            keep = min(equal, key=lambda one: (moments.at(one.stamp.last_updated), one.stamp.id))
            return Doubled(known, keep, tuple(one for one in there if one is not keep), version)
    return Doubled(known, None, (), why="none equals ours")


def _equals(peer: Peer, tenant: str, known: Known, version: int, there: There) -> bool:
    try:
        found = judging.differing_from(peer, tenant, known, there.resource, version)
    except Refused:
        return False
    if found is None:
        raise Unavailable("the remote cannot be asked now")
    return not found.differ


def look(service: Service, remote: str, resource: str) -> dict[str, Any]:
    """Return what carries the identifier of one resource of ours, as Type/id, and what would be kept; ends nothing.

    Returns:
        A line as :func:`undouble` returns; of one that is there once it names the resource only.

    Raises:
        SettingsError: there is no such remote.
        Unavailable: the peer cannot be asked now, or the store cannot serve.
    """
    peer = Peer(service, service.settings.remote(remote))
    try:
        found = examine(peer, peer.remote.tenant, resource)
        return found.line(remote) if found is not None else {"remote": remote, "resource": resource}
    finally:
        peer.close()


def undouble(service: Service, client: str, remote: str, resource: str, reason: str) -> dict[str, Any]:
    """End all but one of those at a remote that carry the identifier of ``resource``, one of ours as Type/id.

    Returns:
        A line that says what was kept and ended; ``failed`` names what could not be ended, and how the peer answered.

    Raises:
        Refused: 422 no reason is given, or this names no resource; 409 the remote is paused.
        SettingsError: there is no such remote.
        Unavailable: the peer cannot be asked now, or the store cannot serve.
    """
    demand_reason(reason)
    type_, _, id_ = resource.partition("/")
    if type_ not in TYPES or not id_:
        raise Refused(Issue("error", "value", "resource", "this names no resource", "Type/id of ours", status=422))
    peer = Peer(service, service.settings.remote(remote))
    tenant = peer.remote.tenant
    try:
        refuse_paused(peer, tenant)
        by = Decision(peer, tenant, client, reason)
        found = examine(peer, tenant, resource)
        if found is None or found.keep is None:
            return found.line(remote) if found is not None else {"remote": remote, "resource": resource}
        failed = {}
        for one in found.end:
            outcome = _end(peer, one)
            if outcome:
                failed[_place(type_, one.stamp.id)] = outcome
            else:
                _ended(by, found, one)
        if not failed:
            _link(by, found, found.keep)
            if peer.remote.direction != "pull":
                push_all(peer, tenant)
        return {**found.line(remote), **({"failed": failed} if failed else {})}
    finally:
        peer.close()


def _end(peer: Peer, one: There) -> str:
    """Enter one in error and read it back; return why it is not, empty where it is."""
    stamp = one.stamp
    answer = peer.endpoint.update({**one.resource, "id": stamp.id, "status": ERROR}, stamp.etag or '""')
    there = peer.endpoint.read(stamp.type, stamp.id)
    if isinstance(there, Found):
        return "" if there.resource.get("status") == ERROR else type(answer).__name__.lower()
    return type(there).__name__.lower()


def _ended(by: Decision, found: Doubled, one: There) -> None:
    stored, name = found.known.stored, by.peer.name

    def work(tx: Tx) -> None:
        inbox.let_go(tx, name, stored.type, one.stamp.id)
        detail = f"{name}: {_place(stored.type, one.stamp.id)} there entered in error: {by.reason}"
        audit.write(tx, "sync-duplicate-ended", by.client, stored.type, stored.id, stored.version, detail)

    by.transact(work)


def _link(by: Decision, found: Doubled, keep: There) -> None:
    """Link what is kept, and tell again what the duplicate held back."""
    known, stamp, name = found.known, keep.stamp, by.peer.name
    received = as_received(known.stored.type, stamp, keep.text)
    aggregate = known.stored.aggregate

    def work(tx: Tx) -> None:
        link = links.get(tx, name, aggregate) or Link(name, aggregate, ladder="found")
        if link.remote_id != stamp.id:
            kept = replace(stamped(link, received), last_sent_version=found.version, last_acked_version=found.version)
            links.put(tx, replace(kept, ladder="found"))
            inbox.let_go(tx, name, received.type, stamp.id)
        newest = aside.newest(tx, name, aggregate)
        for row in outbox.rows(tx, name, "duplicate", limit=1000, aggregate=aggregate):
            if row.last_error_code == DUPLICATE.code:
                decide = aside.replay if row == newest else aside.skip
                decide(tx, row.seq, by.reason, by.client)

    by.transact(work)


def _place(type_: str, id_: str) -> str:
    return f"{type_}/{id_}"


def _read(text: str) -> Resource | None:
    try:
        return fhir_json.read(text)
    except Refused:
        return None
