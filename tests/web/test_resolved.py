"""What comes along feeds the record: the patient's details, the drug and its preparation, the measurements."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import FHIR, Client, exact

Json = dict[str, Any]
KIND = "https://w3id.org/fhir-infusion/CodeSystem/measurement-kind"
UCUM = "http://unitsofmeasure.org"
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Example", "given": ["Ada"], "use": "official"}],
    "birthDate": "1970-01",
    "gender": "female",
}
WEIGHT = {
    "resourceType": "Observation",
    "id": "w",
    "status": "final",
    "code": {"coding": [{"system": KIND, "code": "actual-weight"}]},
    "valueQuantity": {"value": 70, "unit": "kg", "system": UCUM, "code": "kg"},
}
DRUG = {"resourceType": "Medication", "id": "d", "code": {"text": "dobutamine"}}
ORDER = {
    "resourceType": "MedicationRequest",
    "identifier": [{"value": "O-1"}],
    "status": "active",
    "intent": "order",
    "medicationReference": {"reference": "Medication/d"},
    "subject": {"reference": "Patient/p"},
    "supportingInformation": [{"reference": "Observation/w"}],
    "dosageInstruction": [
        {
            "doseAndRate": [
                {
                    "type": {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/dose-rate-type", "code": "ordered"}
                        ]
                    },
                    "doseQuantity": {"value": 5, "unit": "mg/kg", "system": UCUM, "code": "mg/kg"},
                },
                {
                    "type": {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/dose-rate-type", "code": "calculated"}
                        ]
                    },
                    "doseQuantity": {"value": 500, "unit": "mg", "system": UCUM, "code": "mg"},
                },
            ]
        }
    ],
}


@pytest.fixture
def there(client: Client) -> None:
    for one in (PATIENT, WEIGHT, DRUG):
        assert client.put(f"/fhir/r4/{one['resourceType']}/{one['id']}", one, FHIR).status_code == 201


@pytest.mark.usefixtures("there")
def test_an_order_is_read_with_what_its_references_lead_to(client: Client):
    made = exact(client.post("/fhir/r4/MedicationRequest", ORDER, FHIR))
    found = exact(client.get(f"/api/orders/{made['id']}/resolved"))
    assert found["record"]["patient"] == {
        "name": "Ada Example",
        "birth_date": "1970-01",
        "sex": "female",
        "reference": "Patient/p",
    }
    assert found["record"]["drug"] == {"text": "dobutamine"}
    (weight,) = found["record"]["measurements"]
    assert (weight["kind"], weight["value"]) == ("actual-weight", {"value": 70, "unit": "kg", "unit_text": "kg"})
    assert found["version"] == "1"


@pytest.mark.usefixtures("there")
def test_the_order_that_is_stored_keeps_its_references(client: Client):
    made = exact(client.post("/fhir/r4/MedicationRequest", ORDER, FHIR))
    record = exact(client.get(f"/api/orders/{made['id']}"))["record"]
    assert "drug" not in record
    assert exact(client.get(f"/fhir/r4/MedicationRequest/{made['id']}"))["supportingInformation"] == [
        {"reference": "Observation/w"}
    ]


@pytest.mark.usefixtures("there")
def test_the_arithmetic_uses_the_weight_that_an_order_refers_to(client: Client):
    reply = client.post("/fhir/r4/MedicationRequest", ORDER, FHIR, prefer="return=OperationOutcome")
    told = " ".join(one["diagnostics"] for one in exact(reply)["issue"] if one["severity"] == "warning")
    assert "350" in told
    assert "500" in told


def test_the_arithmetic_uses_a_body_weight_that_does_not_say_which_it_is(client: Client):
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    assert client.put("/fhir/r4/Observation/w", {**WEIGHT, "code": code}, FHIR).status_code == 201
    reply = client.post("/fhir/r4/MedicationRequest", ORDER, FHIR, prefer="return=OperationOutcome")
    told = " ".join(one["diagnostics"] for one in exact(reply)["issue"] if one["severity"] == "warning")
    assert "5 mg/kg at 70 kg (actual weight) makes 350 mg; calculated is 500 mg" in told


def test_what_is_not_here_leaves_the_record_as_it_is(client: Client):
    made = exact(client.post("/fhir/r4/MedicationRequest", ORDER, FHIR))
    found = exact(client.get(f"/api/orders/{made['id']}/resolved"))["record"]
    assert found["patient"] == {"reference": "Patient/p"}
    assert "drug" not in found


@pytest.mark.usefixtures("there")
def test_an_administration_is_resolved_too_and_an_unknown_one_is_404(client: Client):
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationReference": {"reference": "Medication/d"},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-01-02T10:00:00Z",
        "dosage": {"dose": {"value": 5, "unit": "mg", "system": UCUM, "code": "mg"}},
    }
    made = exact(client.post("/fhir/r4/MedicationAdministration", given, FHIR))
    found = exact(client.get(f"/api/administrations/{made['id']}/resolved"))["record"]
    assert (found["drug"], found["patient"]["name"]) == ({"text": "dobutamine"}, "Ada Example")
    assert client.get("/api/administrations/none/resolved").status_code == 404
