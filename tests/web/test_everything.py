"""``Patient/…/$everything``: the patient, the orders, what was given, and what these refer to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.store import include
from tests.web.conftest import FHIR, Client, exact, issues

Json = dict[str, Any]
ADDRESS = "/fhir/r4/Patient/p/$everything"


def put(client: Client, type_: str, id_: str, **members: Any) -> None:
    reply = client.put(f"/fhir/r4/{type_}/{id_}", {"resourceType": type_, "id": id_, **members}, FHIR)
    assert reply.status_code == 201, reply.text


@pytest.fixture
def there(client: Client) -> None:
    put(client, "Practitioner", "dr", name=[{"family": "Example"}])
    put(client, "Medication", "drug", code={"text": "dobutamine"})
    for patient in ("p", "other"):
        put(client, "Patient", patient, generalPractitioner=[{"reference": "Practitioner/dr"}])
        named = {
            "subject": {"reference": f"Patient/{patient}"},
            "medicationReference": {"reference": "Medication/drug"},
        }
        for number in range(3):
            put(
                client,
                "MedicationRequest",
                f"{patient}-o{number}",
                identifier=[{"value": f"{patient}-{number}"}],
                status="active",
                intent="order",
                requester={"reference": "Practitioner/dr"},
                **named,
            )
        put(
            client,
            "MedicationAdministration",
            f"{patient}-a",
            status="completed",
            effectiveDateTime="2026-01-02T10:00:00Z",
            request={"reference": f"MedicationRequest/{patient}-o0"},
            dosage={"dose": {"value": 5, "unit": "mg"}},
            **named,
        )


def told(bundle: Json) -> list[tuple[str, str]]:
    return [(one["search"]["mode"], one["fullUrl"].partition("/fhir/r4/")[2]) for one in bundle.get("entry", ())]


@pytest.mark.usefixtures("there")
def test_everything_of_a_patient_is_given_and_nothing_of_another(client: Client):
    found = told(exact(client.get(ADDRESS)))
    assert sorted(found) == sorted(
        [
            ("match", "Patient/p"),
            *(("match", f"MedicationRequest/p-o{number}") for number in range(3)),
            ("match", "MedicationAdministration/p-a"),
            ("include", "Medication/drug"),
            ("include", "Practitioner/dr"),
        ]
    )


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("release", ["r4", "r5"])
def test_what_orders_refer_to_comes_along_though_no_parameter_of_a_search_names_it(client: Client, release: str):
    kilograms = {"value": Decimal("70.10"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    subject, code = {"reference": "Patient/p"}, {"text": "body weight"}
    put(client, "Observation", "weight", status="final", code=code, subject=subject, valueQuantity=kilograms)
    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    put(client, "Condition", "why", subject=subject, clinicalStatus=active)
    put(client, "Patient", "named")
    put(
        client,
        "MedicationRequest",
        "dosed",
        status="active",
        intent="order",
        subject=subject,
        medicationCodeableConcept={"text": "dobutamine"},
        supportingInformation=[{"reference": "Observation/weight"}, {"reference": "Patient/named"}],
        reasonReference=[{"reference": "Condition/why"}, {"reference": "Condition/nowhere"}],
    )
    found = exact(client.get(f"/fhir/{release}/Patient/p/$everything"))["entry"]
    along = {f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in found}
    assert {"Observation/weight", "Condition/why", "Practitioner/dr"} < along
    assert "Patient/named" not in along
    assert [one["search"]["mode"] for one in found if one["resource"]["id"] == "weight"] == ["include"]


@pytest.mark.usefixtures("there")
def test_where_not_all_comes_along_the_answer_says_so(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(include, "MOST", 1)
    for name in ("a", "b"):
        put(client, "Location", name)
    told = [{"reference": "Location/a"}, {"reference": "Location/b"}]
    order = {"status": "active", "intent": "order", "medicationCodeableConcept": {"text": "x"}}
    put(client, "MedicationRequest", "p-x", subject={"reference": "Patient/p"}, supportingInformation=told, **order)
    entries = exact(client.get(ADDRESS))["entry"]
    assert entries[-1]["search"]["mode"] == "outcome"
    assert entries[-1]["resource"]["issue"][0]["code"] == "too-costly"


@pytest.mark.usefixtures("there")
def test_pages_follow_each_other_over_the_types(client: Client):
    address, seen, pages = f"{ADDRESS}?_count=2", [], 0
    while address:
        bundle = exact(client.get(address))
        pages += 1
        seen += [name for mode, name in told(bundle) if mode == "match"]
        address = {link["relation"]: link["url"] for link in bundle["link"]}.get("next", "")
    assert pages == 3
    assert seen == [
        "Patient/p",
        *(f"MedicationRequest/p-o{number}" for number in range(3)),
        "MedicationAdministration/p-a",
    ]


@pytest.mark.usefixtures("there")
def test_only_the_types_asked_for_are_given(client: Client):
    found = told(exact(client.get(f"{ADDRESS}?_type=MedicationAdministration,Medication")))
    assert sorted(found) == [("include", "Medication/drug"), ("match", "MedicationAdministration/p-a")]


@pytest.mark.usefixtures("there")
def test_what_did_not_change_since_is_left_out(client: Client):
    assert told(exact(client.get(f"{ADDRESS}?_since=2100-01-01T00:00:00Z"))) == [("match", "Patient/p")]


@pytest.mark.usefixtures("there")
def test_an_unknown_parameter_is_400_and_an_unknown_patient_404(client: Client):
    assert client.get(f"{ADDRESS}?start=2026").status_code == 400
    reply = client.get("/fhir/r4/Patient/none/$everything")
    assert (reply.status_code, issues(reply)[0]["code"]) == (404, "not-found")
