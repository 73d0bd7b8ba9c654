"""What a resource becomes before it is sent: its references as they are on that server, a minted identifier written in.

1. What servers set themselves (id, versionId, lastUpdated, source, the tag SUBSETTED) is left out; a minted identifier
   is added.
2. References to orders and administrations of ours become literal by the link, or by looking for their identifier.
3. The patient is looked for by identifier, that of the reference or of the Patient here that it leads to, and created
   where there is none (``patients``).
4. Other references become literal where their identifier is found, else stay logical. A literal reference without
   identifier would name somebody else there: it is kept as text (``references.ELSEWHERE``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import identity
from fhir_infusion.fhir import subset
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import links, versions
from fhir_infusion.store.versions import Stored
from fhir_infusion.sync import ladder, patients, references
from fhir_infusion.sync.compare import SERVERS_OWN_META
from fhir_infusion.sync.obstacles import Blocked, Obstacle
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Gone, Missing, Rejected

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Bound


@dataclass(frozen=True, slots=True)
class Crossing:
    """Which stored version goes to which peer; whether they have it already, of the same patient."""

    peer: Peer
    tenant: str
    stored: Stored
    is_known_there: bool = False


class _ObstacleError(Exception):
    """Carries an obstacle out of the walk through the references."""

    def __init__(self, obstacle: Obstacle) -> None:
        self.obstacle = obstacle
        super().__init__()


NEVER_LOGICAL: Final = {"subject": "subject", "medicationReference": "medication", "medication": "medication"}
"""Who and what: where these cannot be resolved, nothing is sent."""


def outgoing(crossing: Crossing, resource: Resource, bound: Bound | None) -> Resource | Obstacle:
    """Return what is sent of a stored version, or what stands in the way. May create the patient at the peer."""
    body = {name: value for name, value in subset.unmarked(resource).items() if name != "id"}
    meta = {name: value for name, value in body.pop("meta", {}).items() if name not in SERVERS_OWN_META}
    if meta:
        body["meta"] = meta
    if bound is not None and bound.minted:
        minted = {"system": bound.system, "value": bound.value}
        body["identifier"] = [*body.get("identifier", []), minted]
    try:
        return references.changed(body, lambda element, one: _sent(crossing, element, one))
    except _ObstacleError as stop:
        return stop.obstacle


def _sent(crossing: Crossing, element: str, reference: Resource) -> Resource:
    """Return a Reference as it is written at the peer."""
    peer, text = crossing.peer, str(reference.get("reference", ""))
    literal = references.relative(text)
    there = references.relative(text, peer.endpoint.base)
    if there is not None and there != literal:
        return {**reference, "reference": there.text}  # it came from that server
    type_ = references.target_type(element, reference)
    key = references.identifier_of(reference)
    if type_ in TYPES:
        return _ours(crossing, type_, literal, key, reference)
    if element == "subject" and type_ == "Patient":
        return _subject(crossing, literal, key, reference)
    id_ = _looked_up(peer, type_, *key) if key is not None and type_ else None
    if id_ is not None:
        return _literal(reference, type_, id_)
    if text and not references.stands_alone(text) and key is None and element in NEVER_LOGICAL:
        raise _ObstacleError(Blocked("dead", f"{NEVER_LOGICAL[element]}-unresolved"))
    return _logical(reference, literal, key)


def _subject(
    crossing: Crossing, literal: references.Relative | None, key: tuple[str, str] | None, reference: Resource
) -> Resource:
    if key is not None:
        of = partial(patients.patient_of, crossing.stored, *key)
    elif references.stands_alone(str(reference.get("reference", ""))):
        return reference  # where absolute it says itself which server it means
    else:
        here = _patient_here(crossing, literal)
        key = identity.in_use(here) if here is not None else None
        if here is None or key is None:
            raise _ObstacleError(Blocked("dead", "patient-unidentified"))
        of = partial(dict, here)
    found = patients.find_or_create(crossing.peer, of, *key, is_known_there=crossing.is_known_there)
    if not isinstance(found, str):
        raise _ObstacleError(found)
    return _literal(reference, "Patient", found)


def _patient_here(crossing: Crossing, literal: references.Relative | None) -> Resource | None:
    """Return the Patient here that a reference without identifier leads to, None where it has none either."""
    if literal is None or literal.type != "Patient":
        return None
    id_ = literal.id
    return crossing.peer.service.store.read(crossing.tenant, lambda tx: patients.identified_here(tx, id_))


def _ours(
    crossing: Crossing,
    type_: str,
    literal: references.Relative | None,
    key: tuple[str, str] | None,
    reference: Resource,
) -> Resource:
    """Resolve a reference to an order or administration, which we may hold ourselves."""
    peer = crossing.peer

    def known(tx: Tx) -> tuple[str, tuple[str, str] | None]:
        stored = versions.current(tx, type_, literal.id) if literal is not None else None
        if stored is None and key is not None:
            stored = versions.by_identifier(tx, type_, *key)
        if stored is None:
            return "", key
        link = links.get(tx, peer.name, stored.aggregate)
        bound = versions.identifier_of(tx, type_, stored.id)
        named = (bound.system, bound.value) if bound is not None else key
        return (link.remote_id if link is not None and not link.is_gone else ""), named

    remote_id, named = peer.service.store.read(crossing.tenant, known)
    if not remote_id and named is not None:
        remote_id = _looked_up(peer, type_, *named, several=Blocked("duplicate", "target-duplicate")) or ""
    if remote_id:
        return _literal(reference, type_, remote_id)
    return _logical({"type": type_, **reference} if literal is not None else reference, literal, named)


def _looked_up(peer: Peer, type_: str, system: str, value: str, several: Blocked | None = None) -> str | None:
    """Return the id of what has an identifier there, None where nothing or more than one has it."""
    # Not under the key of `patients`: whether a Patient was merged is not looked at here.
    known = peer.recall("target", type_, system, value)
    if known is not None:
        return known
    found = ladder.look(peer.endpoint, type_, system, value)
    if isinstance(found, ladder.One):
        peer.learn(found.entry.stamp.id, "target", type_, system, value)
        return found.entry.stamp.id
    if isinstance(found, ladder.Several) and several is not None:
        raise _ObstacleError(several)
    if isinstance(found, ladder.Absent | ladder.Several | Missing | Gone | Rejected):
        return None  # a server without this type cannot be pointed into; the identifier says what is meant
    raise _ObstacleError(found)


def _literal(reference: Resource, type_: str, id_: str) -> Resource:
    return {**reference, "reference": f"{type_}/{id_}"}


def _logical(reference: Resource, literal: references.Relative | None, key: tuple[str, str] | None) -> Resource:
    """Return a Reference without a relative literal, which would name something else on that server."""
    text = str(reference.get("reference", ""))
    if not text or references.stands_alone(text):
        return reference
    kept = {name: value for name, value in reference.items() if name not in {"reference", "_reference"}}
    if key is not None:
        return kept if "identifier" in kept else {**kept, "identifier": {"system": key[0], "value": key[1]}}
    type_, text = ({"type": literal.type}, literal.text) if literal is not None else ({}, text)
    return {**type_, **kept, "identifier": {"system": references.ELSEWHERE, "value": text}}
