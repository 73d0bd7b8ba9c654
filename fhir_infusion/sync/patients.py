"""The patient at a peer: found by identifier, or created from what an order, or the Patient here, knows of the person.

A patient is created only where the identifier is found nowhere there, and only with identifiers, name, birth date and
sex. One whom we created is taken by his id where no search shows him yet; where it is not known what became of a
create, the next one waits until a search would show him (F16), also in another process. Where two have the identifier
none is chosen (hazard H10): the row waits for a person; but where one was merged into the other there, that one is
taken (``merged_there``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import identity
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import patients_made, versions
from fhir_infusion.sync import ladder, merged_there
from fhir_infusion.sync.compare import is_answer_to_another
from fhir_infusion.sync.obstacles import Blocked, Obstacle
from fhir_infusion.sync.replies import (
    WITHOUT_EFFECT,
    Doubtful,
    Entry,
    Found,
    Gone,
    Missing,
    Rejected,
    Trouble,
    Unsent,
    Written,
)
from fhir_infusion.sync.shapes import named_in
from fhir_infusion.sync.verdicts import ANOTHER, HIDDEN_FOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored
    from fhir_infusion.sync.peer import Peer


IN_DOUBT: Final = "patient-in-doubt"
"""The code of a row that waits until it is known whether its patient was created."""


def find_or_create(
    peer: Peer, of: Callable[[], Resource], system: str, value: str, *, is_known_there: bool = False
) -> str | Obstacle:
    """Return the id of the patient there, or what stands in the way.

    ``of`` gives the Patient to be created where there is none. ``is_known_there``: they have a resource of this patient
    already, and a new one would be another person to them.
    """
    with peer.turn("Patient", system, value):  # two orders of one new patient must not make two patients
        known = peer.recall("Patient", system, value)
        if known is not None:
            return known
        found: ladder.One | ladder.Absent | ladder.Several | Written | Trouble
        found = ladder.look(peer.endpoint, "Patient", system, value)
        if isinstance(found, ladder.Absent):
            found = _not_shown(peer, system, value)
        if isinstance(found, ladder.One | ladder.Several):
            usable = merged_there.usable(peer, found, (system, value))
            if isinstance(usable, str):
                peer.learn(usable, "Patient", system, value)
            return usable
        if isinstance(found, ladder.Absent) and is_known_there:
            return Blocked("dead", "patient-identifier-gone")
        if isinstance(found, ladder.Absent):
            found = _created(peer, of(), system, value)
        id_ = _id_of(found)
        if isinstance(id_, str):
            peer.learn(id_, "Patient", system, value)
        return id_


def _not_shown(peer: Peer, system: str, value: str) -> ladder.One | ladder.Absent | Trouble:
    """Return the patient whom we created and no search shows yet, by his id; Absent where there is none such."""
    person = ladder.client_id(system, value)
    id_ = peer.service.store.read(peer.remote.tenant, lambda tx: patients_made.made(tx, peer.name, person))
    if not id_:
        return ladder.Absent()
    there = peer.endpoint.read("Patient", id_)
    if isinstance(there, Missing | Gone):
        return ladder.Absent()
    if not isinstance(there, Found):
        return there
    # By now the id may be another's, after a restore there, or the number corrected.
    is_his = (system, value) in named_in(there.text.encode())
    return ladder.One(Entry(there.stamp, there.text)) if is_his else ladder.Absent()


def _created(peer: Peer, patient: Resource, system: str, value: str) -> Written | ladder.Several | Trouble:
    rung = peer.rung("Patient")
    if not isinstance(rung, str):
        return rung
    if rung == "A":  # twice is once, by its id
        return _sent(peer, rung, patient, system, value)
    store, tenant, person = peer.service.store, peer.remote.tenant, ladder.client_id(system, value)
    if not store.transact(tenant, lambda tx: patients_made.ask(tx, peer.name, person, HIDDEN_FOR)):
        return Unsent("an earlier create of the patient is in doubt", IN_DOUBT)
    made = _sent(peer, rung, patient, system, value)
    if isinstance(made, Written) and made.stamp is not None:
        id_ = made.stamp.id
        store.transact(tenant, lambda tx: patients_made.keep(tx, peer.name, person, id_))
    elif isinstance(made, WITHOUT_EFFECT):
        store.transact(tenant, lambda tx: patients_made.forget(tx, peer.name, person))
    return made


def _sent(
    peer: Peer, rung: ladder.Rung, patient: Resource, system: str, value: str
) -> Written | ladder.Several | Trouble:
    made = ladder.create(peer.endpoint, rung, patient, system, value)
    return _his(peer, patient, made, (system, value)) if isinstance(made, Written) and made.stamp is not None else made


def _his(peer: Peer, patient: Resource, made: Written, key: tuple[str, str]) -> Written | Doubtful:
    """Return the answer where it speaks of the Patient that was sent; the next try finds him by identifier (H10).

    A server may answer the entries of a Bundle in another order, and what stands before it a request with the answer
    to another one.
    """
    there = ladder.left_by(peer.endpoint, "Patient", made)
    if not isinstance(there, Found):
        return Doubtful("read-back")
    return Doubtful(ANOTHER) if is_answer_to_another(patient, there.resource, *key) else made


def _id_of(found: ladder.One | ladder.Absent | ladder.Several | Written | Trouble) -> str | Obstacle:
    match found:
        case ladder.One():
            return found.entry.stamp.id
        case Written(stamp=stamp):
            # Without an id in the answer the next try finds it by identifier.
            return stamp.id if stamp is not None else Doubtful("no id in the answer")
        case ladder.Absent():
            return Doubtful("not there yet")
        case ladder.Several():
            return Blocked("duplicate", "patient-duplicate")
        case _:
            code = _BLOCKING.get(type(found))
            return Blocked("dead", code) if code else found


_BLOCKING: Final[dict[type, str]] = {
    Gone: "patient-gone",
    Rejected: "patient-rejected",
    Missing: "patient-rejected",
}


def patient_of(stored: Stored, system: str, value: str) -> Resource:
    """Return the Patient that a record knows of: identifiers, name, birth date and sex, nothing else."""
    known: dict[str, Any] = json.loads(stored.record).get("patient", {})
    identifiers = [known["identifier"]] if "identifier" in known else []
    kept = [_identifier(one) for one in [*identifiers, *known.get("other_identifiers", [])]]
    if not any((one.get("system"), one.get("value")) == (system, value) for one in kept):
        kept.insert(0, {"system": system, "value": value})
    patient: Resource = {"resourceType": "Patient", "identifier": kept}
    if "name" in known:
        patient["name"] = [{"text": known["name"]}]
    if "sex" in known:
        patient["gender"] = known["sex"]
    if "birth_date" in known:
        patient["birthDate"] = known["birth_date"]
    return patient


def identified_here(tx: Tx, id_: str) -> Resource | None:
    """Return the Patient here, with what another server is told of it; None where it has no identifier in use.

    One that was merged away is not who it is any more: what still refers to it waits for a person (hazard H10).
    """
    stored = versions.alive(versions.current(tx, "Patient", id_))
    patient = fhir_json.read_again(stored.text) if stored is not None else {}
    if identity.in_use(patient) is None or identity.is_retired(patient):
        return None
    return {name: patient[name] for name in _TOLD if name in patient}


_TOLD: Final = ("resourceType", "identifier", "name", "gender", "birthDate", "_birthDate")


def _identifier(known: dict[str, Any]) -> Resource:
    identifier: Resource = {name: known[name] for name in ("use", "system", "value", "period") if name in known}
    kind = known.get("type", {})
    codings = [
        {name: one[name] for name in ("system", "version", "code", "display") if name in one}
        for one in kind.get("codings", [])
    ]
    concept = {**({"coding": codings} if codings else {}), **({"text": kind["text"]} if "text" in kind else {})}
    return {**identifier, "type": concept} if concept else identifier
