"""Versions of ours as they were sent to a peer, to be found again in what is there where an answer was lost.

How a reference is written depends on the moment: literal where its target was known there, else by its identifier. The
order of what was given may be gone there since, or have come. What is there says the same as ours, then, and nobody has
changed it: taken as a change, what was given would be held for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import links, outbox
from fhir_infusion.store import versions as stored_versions
from fhir_infusion.sync import references
from fhir_infusion.sync.compare import equivalent, is_answer_to_another, same
from fhir_infusion.sync.ours import version_of
from fhir_infusion.sync.outgoing import NEVER_LOGICAL, Crossing, outgoing
from fhir_infusion.sync.verdicts import ANOTHER

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.store.versions import Stored
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.preparing import Job
    from fhir_infusion.sync.replies import Found, Written

LATEST: Final = 20
"""So many versions of a resource are compared with what is there, where nothing is known of how it came there."""
IN_DOUBT: Final[tuple[outbox.State, ...]] = ("sent", "unknown")
"""States of a row whose version may be there without our being told."""
_NAMING: Final = ("reference", "_reference", "type", "identifier")


def versions(job: Job, there: Resource) -> list[tuple[int, Resource]]:
    """Return the latest versions of ours as they were sent, that of the row first, without those that cannot be.

    Of those before, the ones that were tried: after a long silence it is an early one that arrived. References are
    written as in ``there`` where they name the same.

    Raises:
        Unavailable: the store cannot serve now.
    """
    others = [(one.version, _as_sent(job, one)) for one in _worth_a_look(job) if one.version != job.row.version]
    found = [(job.row.version, job.body), *((version, body) for version, body in others if body is not None)]
    return [(version, as_written_there(job.peer, job.tenant, body, there)) for version, body in found]


def is_doubted(job: Job) -> bool:
    """Say whether a version may be there without our being told: the row's, or one that a stop has overtaken."""
    name, aggregate = job.peer.name, job.row.aggregate
    return job.peer.service.store.read(job.tenant, lambda tx: outbox.has_any(tx, name, aggregate, IN_DOUBT))


def doubted(job: Job, ours: list[tuple[int, Resource]]) -> list[tuple[int, Resource]]:
    """Return the versions that may have arrived without our being told: the row's, or one that a stop has overtaken."""
    name, aggregate = job.peer.name, job.row.aggregate
    rows = job.peer.service.store.read(job.tenant, lambda tx: outbox.rows(tx, name, limit=10_000, aggregate=aggregate))
    versions_ = {row.version for row in rows if row.state in IN_DOUBT}
    return [one for one in ours if one[0] in versions_]


def in_doubt_as(version: int, ours: list[tuple[int, Resource]], doubted: list[tuple[int, Resource]]) -> int:
    """Return the version in doubt that says what one of ours says, that one itself before others; 0 where none does."""
    said = dict(ours)[version]
    found = [one for one, body in doubted if same(body, said)]
    return version if version in found else next(iter(found), 0)


def why_not_ours(job: Job, reply: Written, there: Found) -> str:
    """Return the code with which what a write left is not taken for ours, empty where it is."""
    if is_answer_to_another(job.body, there.resource, job.bound.system, job.bound.value):
        return ANOTHER
    if equivalent(job.body, there.resource):
        return ""
    if reply.status == 200 and job.link is None:
        return "exists-already"  # a conditional create that found another's resource: nothing of ours was written
    is_later = reply.resource is None and reply.stamp is not None and there.stamp.version_id != reply.stamp.version_id
    # Somebody's change since, or ours was not done: as agreed on it would be theirs that is lost, or ours.
    return "read-back" if is_later else ""


def as_written_there(peer: Peer, tenant: str, body: Resource, there: Resource) -> Resource:
    """Return what is sent with its references written as in ``there``, where they name the same.

    A literal one and a logical one name the same where the literal is, by its link, the resource of ours that the other
    one identifies, also where it is gone there; or, for what is not ours, where both identify the same. Patient and
    drug are always as they are: these are never sent by their identifier alone. Two literals are never the same.
    """
    beside: dict[str, list[Resource]] = {}
    for element, reference in references.found(there):
        beside.setdefault(element, []).append(reference)

    def written(element: str, reference: Resource) -> Resource:
        if element in NEVER_LOGICAL:
            return reference
        for other in beside.get(element, ()):
            if _name_the_same(peer, tenant, element, reference, other):
                kept = {name: value for name, value in reference.items() if name not in _NAMING}
                return {**kept, **{name: other[name] for name in _NAMING if name in other}}
        return reference

    return references.changed(body, written)


def _name_the_same(peer: Peer, tenant: str, element: str, one: Resource, other: Resource) -> bool:
    if ("reference" in one) == ("reference" in other):
        return False
    literal, logical = (one, other) if "reference" in one else (other, one)
    key, place = references.identifier_of(logical), references.relative(literal["reference"], peer.endpoint.base)
    if key is None or place is None:
        return False
    if references.identifier_of(literal) not in {None, key}:
        return False
    type_ = place.type
    if type_ not in TYPES:
        return references.identifier_of(literal) == key and references.target_type(element, logical) in {"", type_}

    def are_one(tx: Tx) -> bool:
        link = links.by_remote(tx, peer.name, type_, place.id)
        named = stored_versions.by_identifier(tx, type_, *key)
        return link is not None and named is not None and link.aggregate == named.aggregate

    return peer.service.store.read(tenant, are_one)


def _worth_a_look(job: Job) -> tuple[Stored, ...]:
    type_, id_, name, ours = job.stored.type, job.stored.id, job.peer.name, job.row.aggregate

    def known(tx: Tx) -> tuple[tuple[Stored, ...], tuple[Row, ...]]:
        return stored_versions.history(tx, type_, id_), outbox.rows(tx, name, limit=10_000, aggregate=ours)

    kept, rows = job.peer.service.store.read(job.tenant, known)
    tried = {row.version for row in rows if row.attempt}
    return (*kept[:LATEST], *(one for one in kept[LATEST:] if one.version in tried))


def _as_sent(job: Job, stored: Stored) -> Resource | None:
    """Return a version as it is sent now, None where it cannot be."""
    try:
        resource = version_of(job.peer, job.tenant, stored.aggregate, stored.version)
    except Refused:
        return None
    body = outgoing(Crossing(job.peer, job.tenant, stored), resource, job.bound)
    return body if isinstance(body, dict) else None
