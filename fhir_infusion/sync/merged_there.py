"""Patients that a peer merged: which of its Patients is to be used, and whether an order followed one there (H10).

A Patient of theirs is not used any more where it is not active, or says that another one replaces it. That one is
taken in its place only where the identifier by which we know the patient is its own, and nothing contradicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from fhir_infusion.actions import identity
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync import ladder, references
from fhir_infusion.sync.obstacles import Blocked, Obstacle
from fhir_infusion.sync.replies import Found, Gone, Missing

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Trouble

AWAY: Final = Blocked("dead", "patient-merged-away")
"""The patient was merged there into one that does not carry our identifier, or cannot be the same person."""
PATIENT_GONE: Final = Blocked("dead", "patient-gone")
DUPLICATE: Final = Blocked("duplicate", "patient-duplicate")

_CHAIN: Final = 5
_ENOUGH: Final = 5

Key: TypeAlias = "tuple[str, str]"
Same: TypeAlias = Literal["same", "other"]


def usable(peer: Peer, found: ladder.One | ladder.Several, key: Key) -> str | Obstacle:
    """Return the id of the Patient to use, of those that a look by identifier found there."""
    if isinstance(found, ladder.One):
        try:
            patient = fhir_json.read(found.entry.text)
        except Refused:
            return AWAY
        return survivor(peer, patient, key) if key in identity.identifiers(patient) else AWAY
    ids: set[str] = set()
    for id_ in found.ids[:_ENOUGH]:
        there = peer.endpoint.read("Patient", id_)
        if not isinstance(there, Found):
            return DUPLICATE if isinstance(there, Missing | Gone) else there
        end = survivor(peer, there.resource, key)
        if not isinstance(end, str):
            return DUPLICATE if isinstance(end, Blocked) else end
        ids.add(end)
    return ids.pop() if len(ids) == 1 and len(found.ids) <= _ENOUGH else DUPLICATE


def survivor(peer: Peer, patient: Resource, key: Key) -> str | Obstacle:
    """Return the id of the Patient that took the place of one, or its own id where none did."""
    first, seen = patient, {str(patient.get("id", ""))}
    while patient.get("active") is False or identity.is_retired(patient):
        named = _replaced_by(peer, patient)
        if len(named) != 1 or named[0] in seen or len(seen) > _CHAIN:
            return AWAY
        seen.add(named[0])
        there = peer.endpoint.read("Patient", named[0]) if named[0] else Missing()
        if isinstance(there, Missing | Gone):
            return PATIENT_GONE
        if not isinstance(there, Found):
            return there
        patient = there.resource
    if patient is not first and (key not in identity.identifiers(patient) or identity.contradictions(first, patient)):
        return AWAY
    return str(patient.get("id", ""))


def _replaced_by(peer: Peer, patient: Resource) -> list[str]:
    """Return the ids of their Patients that replace one; "" for what is not theirs."""
    links = patient.get("link")
    found = []
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("type") == "replaced-by":
            other = link.get("other")
            text = str(other.get("reference", "")) if isinstance(other, dict) else ""
            named = references.relative(text, peer.endpoint.base)
            found.append(named.id if named is not None and named.type == "Patient" else "")
    return list(dict.fromkeys(found))


def followed(peer: Peer, before: Resource, now: Resource, key: Key | None) -> Same | Trouble:
    """Say whether a resource of theirs names another Patient only because that one took the place of the first.

    ``before`` and ``now`` are as they stand there, ``key`` the identifier by which we name the patient, if we do.
    """
    old, new = (_subject_of(peer, one) for one in (before, now))
    if not old or not new or key is None:
        return "other"
    there = peer.endpoint.read("Patient", old)
    if not isinstance(there, Found):
        return "other" if isinstance(there, Missing | Gone) else there
    end = survivor(peer, there.resource, key)
    if isinstance(end, str):
        return "same" if end == new else "other"
    return "other" if isinstance(end, Blocked) else end


def moves(peer: Peer, base: Resource, body: Resource, key: Key) -> str | Obstacle:
    """Say whether sending ``body`` would give what is there to another Patient: "" or ``merged`` where it may.

    ``base`` is what they had last. Theirs may name another Patient only where the first was merged into it.
    """
    old, new = (_subject_of(peer, one) for one in (base, body))
    if not old or not new or old == new:
        return ""
    there = peer.endpoint.read("Patient", old)
    if isinstance(there, Missing | Gone):
        return PATIENT_GONE
    if not isinstance(there, Found):
        return there
    end = survivor(peer, there.resource, key)
    if isinstance(end, str):
        return "merged" if end == new else Blocked("dead", "patient-differs")
    return end


def _subject_of(peer: Peer, resource: Resource) -> str:
    subject = resource.get("subject")
    text = str(subject.get("reference", "")) if isinstance(subject, dict) else ""
    named = references.relative(text, peer.endpoint.base)
    return named.id if named is not None and named.type == "Patient" else ""
