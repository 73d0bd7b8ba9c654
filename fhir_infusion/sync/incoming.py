"""What a peer's resource becomes before we keep it: references as they are with us, our minted identifier taken out.

1. References to orders and administrations that are linked become ours.
2. The subject gets the patient's business identifier, read from that server where the reference does not say it.
3. Other relative references become absolute: ``Practitioner/9`` there is not our Practitioner/9.
4. What we sent as text instead of a literal reference is that literal again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import identity
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import PATIENT, TYPES
from fhir_infusion.store import links
from fhir_infusion.sync import references
from fhir_infusion.sync.compare import content
from fhir_infusion.sync.replies import Forbidden, Found, Gone, Missing, Rejected, Trouble

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.sync.peer import Peer


class _LaterError(Exception):
    """The peer cannot be asked now."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        super().__init__()


def incoming(peer: Peer, tenant: str, resource: Resource, minted: tuple[str, str] | None) -> Resource | Trouble:
    """Return a peer's resource in our form, without id; or why the peer could not be asked about the patient."""
    kept = content(resource, minted)
    if "text" in resource:
        kept["text"] = resource["text"]
    try:
        return references.changed(kept, lambda element, one: _kept(peer, tenant, element, one))
    except _LaterError as later:
        return later.trouble


def _kept(peer: Peer, tenant: str, element: str, reference: Resource) -> Resource:
    there = references.relative(str(reference.get("reference", "")), peer.endpoint.base)
    if there is None:
        return _restored(reference)
    if there.type in TYPES:
        link = peer.service.store.read(tenant, lambda tx: links.by_remote(tx, peer.name, there.type, there.id))
        if link is not None:
            return {**reference, "reference": link.aggregate}
    absolute = {**reference, "reference": f"{peer.endpoint.base}/{there.text}"}
    if there.type == PATIENT and element == "subject" and references.identifier_of(reference) is None:
        identifier = _patient_identifier(peer, there.id)
        if identifier is not None:
            absolute["identifier"] = identifier
    return absolute


def _restored(reference: Resource) -> Resource:
    """Undo what ``outgoing`` did to a literal reference without identifier."""
    identifier = reference.get("identifier")
    if not isinstance(identifier, dict) or identifier.get("system") != references.ELSEWHERE:
        return reference
    text = str(identifier.get("value", ""))
    literal = references.relative(text)
    if not text or references.stands_alone(text):
        return reference
    kept = {name: value for name, value in reference.items() if name != "identifier"}
    if literal is not None and kept.get("type") == literal.type:
        del kept["type"]
    return {"reference": text if literal is None else literal.text, **kept}


def names_two(peer: Peer, resource: Resource) -> bool | Trouble:
    """Say whether a subject there is one patient by its literal and another by its identifier, or why nobody can say.

    Which of the two is meant only a person can find out (hazard H10). Where patients are neither sent nor taken, they
    may be nothing that we are allowed to read, and the number counts; so it does where that is refused.
    """
    if peer.remote.direction == "pull" and PATIENT not in peer.remote.resources:
        return False
    subject: Any = resource.get("subject", {})
    there = references.relative(str(subject.get("reference", "")), peer.endpoint.base)
    if there is None or there.type != PATIENT:
        return False
    try:
        return identity.names_two(subject, there.id, partial(_patient, peer))
    except _LaterError as later:
        return False if isinstance(later.trouble, Forbidden) else later.trouble


def _patient_identifier(peer: Peer, id_: str) -> Resource | None:
    """Return the identifier by which a patient there is best known; None where it has none."""
    best = identity.in_use(_patient(peer, id_))
    return {"system": best[0], "value": best[1]} if best is not None else None


def _patient(peer: Peer, id_: str) -> Resource:
    """Return what a patient there is known by, which is remembered for a while; empty where nobody is."""
    known = peer.recall("patient there", id_)
    if known is not None:
        return fhir_json.read(known)
    found = peer.endpoint.read(PATIENT, id_)
    if isinstance(found, Found):
        patient: Resource = {name: found.resource[name] for name in ("identifier", "link") if name in found.resource}
        peer.learn(fhir_json.write(patient).decode(), "patient there", id_)
        return patient
    if isinstance(found, Missing | Gone | Rejected):
        return {}
    raise _LaterError(found)
