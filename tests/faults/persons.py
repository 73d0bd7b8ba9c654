"""Patients on our side, and whom our resources name: what the tests of merged patients share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import accept_resource
from fhir_infusion.store import audit, conflicts
from fhir_infusion.sync.resolve import Keep, resolve
from tests.faults.rig import CALLER, MRN, TENANT, Rig, order

if TYPE_CHECKING:
    from fhir_infusion.actions.transact import Outcome

MR = "MedicationRequest"
PERSON: dict[str, Any] = {"name": [{"text": "Jane Ito"}], "birthDate": "1970-01-02", "gender": "female"}
OTHER: dict[str, Any] = {"name": [{"text": "Max Roe"}], "birthDate": "1955-03-04", "gender": "male"}


def identifier(*values: str) -> list[dict[str, str]]:
    return [{"system": MRN, "value": value} for value in values]


def link(id_: str, kind: str = "replaced-by") -> dict[str, Any]:
    return {"link": [{"other": {"reference": f"Patient/{id_}"}, "type": kind}]}


def patient(rig: Rig, id_: str, *values: str, **members: Any) -> Outcome:
    """Write a Patient on our side."""
    said = {**PERSON, **members}
    listed = {"identifier": identifier(*values)} if values else {}
    resource = {"resourceType": "Patient", "id": id_, **listed, **said}
    return accept_resource.update(rig.service, CALLER, "R4", id_, resource)


def placed(order_id: str, id_: str, **members: Any) -> dict[str, Any]:
    """Return an order of a Patient here, that names the number as well."""
    made = order(order_id, **members)
    return {**made, "patient": {**made["patient"], "reference": f"Patient/{id_}"}}


def subjects(rig: Rig, type_: str = MR) -> list[tuple[str, str]]:
    """Return whom our resources name, by reference and identifier."""
    named = [one["subject"] for one in rig.all(type_)]
    return [(one.get("reference", ""), one.get("identifier", {}).get("value", "")) for one in named]


def held(rig: Rig) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.aggregate, one.fields) for one in rig.service.store.read(TENANT, conflicts.listed)]


def decide(rig: Rig, keep: Keep) -> dict[str, Any]:
    (one,) = rig.service.store.read(TENANT, conflicts.listed)
    return resolve(rig.service, "command:7", one.conflict_id, keep, "asked the ward")


def trail(rig: Rig, action: str) -> list[tuple[str, str, str]]:
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    return [(entry.client, entry.id, entry.detail) for entry in entries if entry.action == action]
