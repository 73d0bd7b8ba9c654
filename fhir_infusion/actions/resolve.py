"""A record with what its references lead to: the patient's details, the drug and its preparation, the measurements.

What an EHR posts as resources of their own (a Medication, an Observation) is the same as what it could have contained
in its order, so it is read as if it were. The record that is stored stays as it is: what is referred to has versions of
its own, and may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import matching, transact, whole
from fhir_infusion.actions.condition import token_value
from fhir_infusion.actions.find import FoundRecord
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import search
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.records.arithmetic import findings as computed
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.errors import Issue
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

Json = dict[str, Any]

_SAME: Final = {"R4B": "R4"}
_SEX: Final = ("male", "female", "other", "unknown")


def resolved(service: Service, tx: Tx, stored: Stored) -> Json:
    """Return the record of an order or administration with what its references lead to, as far as that is here.

    Of an administration with segments that is the record of the resource itself. The result has no residue: it is to be
    read, not to be sent back.
    """
    record = _with_all(service, tx, stored)
    return {name: value for name, value in record.items() if name not in {"residue", "resource_id"}}


def _with_all(service: Service, tx: Tx, stored: Stored) -> Json:
    record = whole.part_of(stored)
    inlined = _inlined(tx, text.read(stored.text), stored.release)
    if inlined is not None:
        try:
            (record,) = service.translator.to_internal(inlined, stored.release).results
        except Refused:
            record = whole.part_of(stored)  # what is referred to is right by itself, but not within this
    return _with_patient(tx, record)


def read(service: Service, caller: Caller, type: str, id: str) -> FoundRecord:
    """Return the record of an order or administration with what its references lead to.

    Raises:
        Refused: 404 there is none, 410 it was deleted.
        Unavailable: the storage cannot be read.
    """

    def work(tx: Tx) -> FoundRecord:
        stored = transact.known(versions.current(tx, type, id), type)
        return FoundRecord(stored.type, stored.id, stored.version, stored.last_updated, resolved(service, tx, stored))

    return service.store.read(caller.tenant, work)


def findings(
    service: Service, tx: Tx, stored: Stored, resource: Json, known: Sequence[Issue], *, refuse: bool
) -> tuple[Issue, ...]:
    """Return what the arithmetic finds only with what an order or administration refers to; ``known`` is told already.

    ``resource`` is what ``stored`` says: most refer to nothing, and are not read again to see that.

    Raises:
        Refused: with each of them, where the settings refuse findings and ``refuse`` is set.
    """
    if stored.type not in MAPPED or not _outside(resource):
        return ()
    found = tuple(issue for issue in computed(_with_all(service, tx, stored), as_sent=True) if issue not in known)
    if refuse:
        service.translator.gate(found)
    return found


def _inlined(tx: Tx, resource: Json, release: str) -> Json | None:
    """Return a resource that contains what it refers to; None where nothing of that is here."""
    contained: list[Json] = list(resource.get("contained", ()))
    taken = {one.get("id") for one in contained}
    places: dict[str, str] = {}
    for reference in dict.fromkeys(_outside(resource)):
        type_, _, id_ = reference.partition("/")
        found = versions.current(tx, type_, id_)
        if found is None or found.deleted or _SAME.get(found.release, found.release) != _SAME.get(release, release):
            continue
        name = next(f"r{number}" for number in range(len(contained) + 1, 10_000) if f"r{number}" not in taken)
        taken.add(name)
        places[reference] = name
        bare = {key: value for key, value in text.read(found.text).items() if key not in {"id", "meta", "text"}}
        contained.append({**bare, "id": name})
    if not places:
        return None
    return {**_pointed(resource, places), "contained": contained}


def _outside(resource: Json) -> list[str]:
    """Return the literal references to a Medication or to Observations, as they stand."""
    medication = resource.get("medicationReference", resource.get("medication", {}).get("reference", {}))
    supporting = resource.get("supportingInformation", ())
    named = [str(one.get("reference", "")) for one in (medication, *supporting)]
    return [one for one in named if one.startswith(("Medication/", "Observation/")) and one.count("/") == 1]


def _pointed(node: Any, places: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_pointed(item, places) for item in node]
    if not isinstance(node, dict):
        return node
    rest = {name: _pointed(value, places) for name, value in node.items()}
    if isinstance(node.get("reference"), str) and node["reference"] in places:
        rest["reference"] = f"#{places[node['reference']]}"
    return rest


def _with_patient(tx: Tx, record: Json) -> Json:
    """Return a record whose patient says what the Patient that it refers to says, where it does not say it itself."""
    patient = record.get("patient", {})
    found = _patient_of(tx, patient)
    if found is None or found.deleted:
        return record
    there = text.read(found.text)
    details: Json = {}
    if name := _name(there):
        details["name"] = name
    if isinstance(there.get("birthDate"), str):
        details["birth_date"] = there["birthDate"]
    if there.get("gender") in _SEX:
        details["sex"] = there["gender"]
    return {**record, "patient": {**details, **patient}}


def _patient_of(tx: Tx, patient: Json) -> Stored | None:
    """Return the Patient that is referred to: by our literal reference, else the only one that has the identifier."""
    type_, _, id_ = str(patient.get("reference", "")).partition("/")
    if type_ == "Patient" and id_ and "/" not in id_:
        return versions.current(tx, type_, id_)
    named = patient.get("identifier", {})
    if not named.get("system") or not named.get("value"):
        return None
    criteria = search.parse("Patient", "R4", [("identifier", token_value(named["system"], named["value"]))])
    try:
        return matching.match(tx, "Patient", criteria)
    except Refused:
        return None  # several have it: none is picked


def _name(patient: Json) -> str:
    """Return the name of a patient as text: the one in use, else the first."""
    names = patient.get("name", ())
    chosen = next((one for one in names if one.get("use") in {"usual", "official"}), names[0] if names else {})
    parts = [*chosen.get("given", ()), chosen.get("family")]
    return str(chosen.get("text") or " ".join(part for part in parts if part))
