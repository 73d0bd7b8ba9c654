"""Comparing one resource here with the one there, in our form and in the peer's release, without changing anything.

Theirs is what a pull would make of it (``incoming``). A reference says the same where it names the same: by the
resource of ours, by its business identifier, else literally; how it is written beside that does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import find, rules
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import aside, conflicts, inbox, links, outbox, text, versions
from fhir_infusion.store.links import Link
from fhir_infusion.store.outbox import Row
from fhir_infusion.store.versions import Bound, Stored
from fhir_infusion.sync import references
from fhir_infusion.sync.compare import content, equivalent, same
from fhir_infusion.sync.incoming import incoming
from fhir_infusion.sync.replies import Found, Gone, Missing, content_version
from fhir_infusion.sync.standings import Kind, Standing

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.store import Tx
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Stamp

FREE: Final = frozenset({"id", "meta", "text", "identifier"})
"""A server's own: narrative and meta; and identifiers that it adds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What we hold of a resource. ``last`` is its last outbox row, ``is_open`` that one is still to be told."""

    stored: Stored
    bound: Bound | None
    link: Link | None
    last: Row | None
    is_open: bool
    conflict: str

    @property
    def minted(self) -> tuple[str, str] | None:
        """The identifier that we made for it."""
        return (self.bound.system, self.bound.value) if self.bound is not None and self.bound.minted else None

    def is_told(self, remote: Remote, tenant: str) -> bool:
        """Say whether a remote is told of it at all."""
        record = text.read(self.stored.record) if self.stored.record else {}
        is_known = self.link is not None or self.last is not None
        return remote.is_told(tenant, self.stored.type, record.get("intent"), known=is_known)


def known_of(tx: Tx, endpoint: str, type_: str, id_: str) -> Known | None:
    """Return what we hold of a resource, None where we do not have it."""
    stored = versions.current(tx, type_, id_)
    if stored is None:
        return None
    held = conflicts.open_of(tx, endpoint, stored.aggregate)
    return Known(
        stored,
        versions.identifier_of(tx, type_, id_),
        links.get(tx, endpoint, stored.aggregate),
        aside.newest(tx, endpoint, stored.aggregate),
        outbox.has_any(tx, endpoint, stored.aggregate, outbox.WAITING),
        held.conflict_id if held is not None else "",
    )


# ------------------------------------------------------------------------------------------------ what is there


def of_theirs(  # noqa: PLR0911  each return is one case
    peer: Peer, tenant: str, stamp: Stamp, body: str
) -> Standing:
    """Return how a resource of theirs stands."""
    type_, theirs = stamp.type, f"{stamp.type}/{stamp.id}"
    if not stamp.id or type_ not in TYPES:
        return Standing("unreadable", type_)
    version = stamp.version_id or content_version(body)
    store = peer.service.store
    state = store.read(tenant, lambda tx: inbox.state(tx, peer.name, type_, stamp.id, version))
    is_aside = state == "quarantined"
    try:
        resource = fhir_json.read(body)
    except Refused:
        return Standing("quarantined" if is_aside else "unreadable", type_, theirs=theirs)
    link, named = store.read(tenant, lambda tx: _about(tx, peer.name, type_, stamp.id, resource))
    if link is not None:
        known = store.read(tenant, lambda tx: known_of(tx, peer.name, type_, link.aggregate.partition("/")[2]))
        if known is not None:
            return _linked(peer, tenant, _There(theirs, version, resource, is_aside), link, known)
    if not named:
        if peer.remote.direction == "push":
            return Standing("theirs-only", type_, theirs=theirs)
        return Standing("quarantined" if is_aside else "untaken", type_, theirs=theirs)
    ours = f"{type_}/{named[0]}"
    known = store.read(tenant, lambda tx: known_of(tx, peer.name, type_, named[0]))
    if len(named) > 1 or known is None or (known.link is not None and not known.link.is_gone):
        kind: Any = "ended-double" if resource.get("status") == ERROR else "duplicate"
        return Standing(kind, type_, ours, theirs)
    if known.conflict:
        return Standing("held", type_, ours, theirs, code=known.conflict)
    if known.is_open:
        return Standing("ours-newer", type_, ours, theirs)  # a push finds it by looking
    return Standing("quarantined" if is_aside else "unlinked", type_, ours, theirs)


def _about(tx: Tx, endpoint: str, type_: str, id_: str, resource: Resource) -> tuple[Link | None, tuple[str, ...]]:
    link = links.by_remote(tx, endpoint, type_, id_)
    return link, () if link is not None else named_ids(tx, type_, resource)


def named_ids(tx: Tx, type_: str, resource: Resource) -> tuple[str, ...]:
    """Return the ids of resources of ours that an identifier of a resource names."""
    listed: Any = resource.get("identifier")
    found: dict[str, None] = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str):
            stored = versions.by_identifier(tx, type_, one["system"], one["value"])
            if stored is not None:
                found[stored.id] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _There:
    """What is there now. ``is_aside``: that version could not be taken."""

    place: str
    version: str
    resource: Resource
    is_aside: bool


def _linked(  # noqa: PLR0911  each return is one case
    peer: Peer, tenant: str, there: _There, link: Link, known: Known
) -> Standing:
    type_, ours, theirs, is_aside = known.stored.type, known.stored.aggregate, there.place, there.is_aside
    if known.stored.deleted:
        return Standing("deleted-here", type_, ours, theirs)
    if link.is_gone:
        return Standing("quarantined" if is_aside else "returned", type_, ours, theirs)
    if known.conflict:
        return Standing("held", type_, ours, theirs, code=known.conflict)
    try:
        elements = differing_from(peer, tenant, known, there.resource)
    except Refused:
        return Standing("put-aside", type_, ours, theirs, code="untranslatable")
    if elements is None:
        return Standing("unasked", type_, ours, theirs)
    names = elements.differ or elements.written_otherwise
    if known.is_open and (elements.differ or known.stored.version != link.last_acked_version):
        return Standing("ours-newer", type_, ours, theirs, names)
    if not elements.differ:
        return Standing("altered" if names else "equal", type_, ours, theirs, names)
    if is_aside:
        return Standing("quarantined", type_, ours, theirs, names)
    return _unlike(there, link, known, names)


def _unlike(there: _There, link: Link, known: Known, names: tuple[str, ...]) -> Standing:
    """Return how a resource stands in which elements differ, and of which nothing waits to be told."""
    sides = known.stored.type, known.stored.aggregate, there.place, names
    if known.last is not None and known.last.state in aside.ASIDE:
        return Standing("put-aside", *sides, known.last.last_error_code)
    is_changed = known.stored.version != link.last_acked_version
    if there.version != link.version_id:
        return Standing("differs" if is_changed else "theirs-newer", *sides)
    return Standing("unsent" if is_changed else "differs", *sides, hold=not is_changed)


@dataclass(frozen=True, slots=True)
class Differing:
    """The elements that differ, and those that differ in how a number is written only."""

    differ: tuple[str, ...] = ()
    written_otherwise: tuple[str, ...] = ()


def differing_from(peer: Peer, tenant: str, known: Known, theirs: Resource, version: int = 0) -> Differing | None:
    """Return in what theirs differs from a version of ours, the newest at first; None where the peer cannot be asked.

    Raises:
        Refused: 406 the peer's release cannot say ours.
    """
    kept = incoming(peer, tenant, theirs, known.minted)
    if not isinstance(kept, dict):
        return None
    stored = known.stored
    found = find.vread(
        peer.service, peer.caller(tenant), peer.release, stored.type, stored.id, str(version or stored.version)
    )
    return differing(peer, tenant, content(fhir_json.read(found.text), known.minted), content(kept))


def differing(peer: Peer, tenant: str, ours: Resource, theirs: Resource) -> Differing:
    """Return in what two resources differ, both in our form and without what servers set."""
    one, other = peer.service.store.read(tenant, lambda tx: (_plain(tx, ours), _plain(tx, theirs)))
    otherwise = tuple(
        name
        for name in sorted({*one, *other} - FREE)
        if (name in one) != (name in other) or not same(one.get(name), other.get(name))
    )
    if equivalent(one, other):
        return Differing(written_otherwise=otherwise)
    return Differing(otherwise or ("identifier",))


def _plain(tx: Tx, resource: Resource) -> Resource:
    """Return a resource with references that say what they name, and nothing beside it."""

    def named(element: str, reference: Resource) -> Resource:
        display = {"display": reference["display"]} if "display" in reference else {}
        type_ = references.target_type(element, reference)
        key, literal = references.identifier_of(reference), references.relative(str(reference.get("reference", "")))
        if type_ in TYPES:
            by_place = versions.current(tx, type_, literal.id) if literal is not None else None
            by_key = versions.by_identifier(tx, type_, *key) if key is not None else None
            if by_place and by_key and by_place.aggregate != by_key.aggregate:
                return reference  # it names two: what it says is what each side has written
            ours = by_place or by_key
            if ours is not None:
                return {"reference": ours.aggregate, **display}
        if key is not None:
            return {"identifier": {"system": key[0], "value": key[1]}, **display}
        return {name: value for name, value in reference.items() if name != "type"}

    return references.changed(resource, named)


# ------------------------------------------------------------------------------------------------- what is here


def of_ours(peer: Peer, tenant: str, id_: str, type_: str) -> Standing:  # noqa: PLR0911  each return is one case
    """Return how a resource of ours stands that was not seen there; where it is linked, the peer is asked for it."""
    known = peer.service.store.read(tenant, lambda tx: known_of(tx, peer.name, type_, id_))
    ours = f"{type_}/{id_}"
    if known is None:
        return Standing("plan", type_, ours)
    link = known.link
    if link is not None and link.is_gone:
        return Standing(_gone_kind(link, known.stored), type_, ours)
    if link is not None and link.remote_id:
        there = peer.endpoint.read(type_, link.remote_id)
        if isinstance(there, Found):
            return of_theirs(peer, tenant, there.stamp, there.text)
        if not isinstance(there, Missing | Gone):
            return Standing("unasked", type_, ours)
        return Standing("gone" if isinstance(there, Gone) else "vanished", type_, ours)
    if known.stored.deleted or not known.is_told(peer.remote, tenant):
        return Standing("plan", type_, ours)
    if known.conflict:
        return Standing("held", type_, ours, code=known.conflict)
    if known.is_open:
        return Standing("ours-newer", type_, ours)
    if known.last is not None and known.last.state in aside.ASIDE:
        return Standing("put-aside", type_, ours, code=known.last.last_error_code)
    return Standing("unsent", type_, ours)


def _gone_kind(link: Link, stored: Stored) -> Kind:
    """Return how one stands that is gone there, which is known; it is no wonder of what has ended here."""
    if link.ladder == "lost":
        return "lost"
    record = text.read(stored.record) if stored.record and not stored.deleted else {}
    is_active = "status" in record and not rules.has_ended(record["status"])
    return "deleted-active" if is_active else "tombstone"
