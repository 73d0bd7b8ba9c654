"""A subject that is one patient by its literal reference and another by its identifier is nobody's (hazard H10)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.web.conftest import FHIR, Client, Json, exact, issues
from tests.web.test_bundle import BASE, ORDER, PATIENT, bundle, entry

MRN = "urn:mrn"
OF_HIM = {"system": MRN, "value": "7"}
OF_HER = {"system": MRN, "value": "8"}


def patient(client: Client, id_: str, *identifiers: Json, **members: Any) -> None:
    body = {"resourceType": "Patient", "id": id_, "identifier": list(identifiers), **members}
    assert client.put(f"{BASE}/Patient/{id_}", body, FHIR).status_code in {200, 201}


@pytest.fixture
def of(client: Client, resource: Json) -> Any:
    """Post the order for a subject; two patients are here."""
    patient(client, "him", OF_HIM)
    patient(client, "her", OF_HER)

    def posted(subject: Json, release: str = "r4", **members: Any) -> Any:
        order = {**deepcopy(resource), "subject": subject, **members}
        return client.post(f"/fhir/{release}/MedicationRequest", order, FHIR)

    return posted


@pytest.mark.parametrize("part", ["", "#x", "/_history/1"])
def test_h10_an_order_that_names_one_patient_by_id_and_another_by_number_is_refused(of: Any, client: Client, part: str):
    reply = of({"reference": f"Patient/him{part}", "identifier": OF_HER})
    assert reply.status_code == 422
    (issue,) = issues(reply)
    assert (issue["code"], issue["path"]) == ("business-rule", "patient")
    assert "two-patients" in reply.text
    assert not {"7", "8", "him", "her"} & set(issue["reason"].split())
    assert exact(client.get(f"{BASE}/MedicationRequest?_summary=count"))["total"] == 0


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/him", "identifier": OF_HIM},
        {"reference": "Patient/him"},
        {"identifier": OF_HER},
        {"reference": "Patient/him", "identifier": {"system": "urn:insurance", "value": "8"}},
        {"reference": "Patient/unknown", "identifier": OF_HER},
        {"reference": "https://elsewhere.example.org/fhir/Patient/him", "identifier": OF_HER},
        {"reference": "Patient/him", "identifier": {"value": "8"}},
    ],
)
def test_twin_what_names_one_patient_or_cannot_be_compared_is_taken_as_it_came(of: Any, subject: Json):
    reply = of(subject)
    assert reply.status_code == 201
    assert exact(reply)["subject"] == subject


@pytest.mark.parametrize(("from_", "to", "kind"), [("him", "her", "replaced-by"), ("her", "him", "replaces")])
def test_two_numbers_of_one_person_who_was_merged_are_no_contradiction(
    of: Any, client: Client, from_: str, to: str, kind: str
):
    numbers = {"him": OF_HIM, "her": OF_HER}
    linked = [{"other": {"reference": f"Patient/{to}"}, "type": kind}]
    patient(client, "old", {"system": MRN, "value": "9"})
    body = {"resourceType": "Patient", "id": from_, "identifier": [numbers[from_]], "link": linked}
    now = client.get(f"{BASE}/Patient/{from_}").headers["ETag"]
    assert client.put(f"{BASE}/Patient/{from_}", body, FHIR, if_match=now).status_code == 200
    assert of({"reference": f"Patient/{from_}", "identifier": numbers[to]}).status_code == 201
    refused = of(
        {"reference": f"Patient/{from_}", "identifier": {"system": MRN, "value": "9"}}, identifier=[{"value": "other"}]
    )
    assert refused.status_code == 422


@pytest.mark.parametrize("first", ["order", "patient"])
def test_h10_in_a_transaction_the_patient_that_comes_along_counts_whichever_entry_is_first(
    client: Client, resource: Json, first: str
):
    order = {**deepcopy(resource), "subject": {"reference": PATIENT, "identifier": OF_HER}}
    made = [
        entry("POST", "MedicationRequest", order, ORDER),
        entry("POST", "Patient", {"resourceType": "Patient", "identifier": [OF_HIM]}, PATIENT),
    ]
    reply = client.post(BASE, bundle(*(made if first == "order" else reversed(made))), FHIR)
    assert reply.status_code == 422
    assert "two-patients" in reply.text
    assert exact(client.get(f"{BASE}/Patient?_summary=count"))["total"] == 0


def test_h6_h10_what_came_before_the_patient_who_contradicts_it_can_still_be_stopped(of: Any, client: Client):
    subject = {"reference": "Patient/late", "identifier": OF_HER}
    placed = of(subject)
    patient(client, "late", OF_HIM)
    order = exact(placed)
    stopped = {**order, "status": "stopped"}
    reply = client.put(f"{BASE}/MedicationRequest/{order['id']}", stopped, FHIR, if_match=placed.headers["ETag"])
    assert reply.status_code == 200
    assert exact(reply)["status"] == "stopped"


def test_h10_a_change_that_adds_the_literal_of_another_patient_is_refused(of: Any, client: Client):
    placed = of({"identifier": OF_HER})
    order = {**exact(placed), "subject": {"reference": "Patient/him", "identifier": OF_HER}}
    reply = client.put(f"{BASE}/MedicationRequest/{order['id']}", order, FHIR, if_match=placed.headers["ETag"])
    assert reply.status_code == 422


def test_h10_an_administration_is_asked_the_same(client: Client):
    patient(client, "him", OF_HIM)
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/him", "identifier": OF_HER},
        "effectiveDateTime": "2026-01-02T10:00:00Z",
        "dosage": {"dose": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}},
    }
    assert client.post(f"{BASE}/MedicationAdministration", given, FHIR).status_code == 422
