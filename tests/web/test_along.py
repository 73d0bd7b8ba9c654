"""What comes along with an order: kept as it was sent, read back in every release that can say it as it stands."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.fhir.served import ALONG
from tests.web.conftest import FHIR, Client, exact, issues

Json = dict[str, Any]

NAMED = {"reference": "Patient/p"}
SAMPLES: dict[str, Json] = {
    "Patient": {"name": [{"family": "Example"}], "birthDate": "1970-01"},
    "Practitioner": {"name": [{"family": "Example"}]},
    "PractitionerRole": {"practitioner": {"reference": "Practitioner/1"}},
    "Organization": {"name": "Example infusion centre"},
    "RelatedPerson": {"patient": NAMED},
    "Encounter": {"status": "in-progress", "class": {"code": "AMB"}},
    "EpisodeOfCare": {"status": "active", "patient": NAMED},
    "Medication": {"code": {"text": "dobutamine 250 mg in 250 mL"}},
    "MedicationDispense": {"status": "completed", "medicationCodeableConcept": {"text": "dobutamine"}},
    "Device": {"serialNumber": "P-1"},
    "Location": {"name": "Bay 1"},
    "Observation": {"status": "final", "code": {"text": "weight"}, "valueQuantity": {"value": 71, "unit": "kg"}},
    "Condition": {"code": {"text": "heart failure"}, "subject": NAMED},
    "CarePlan": {"status": "active", "intent": "plan", "subject": NAMED},
    "Provenance": {
        "target": [{"reference": "MedicationRequest/1"}],
        "recorded": "2026-01-01T08:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/1"}}],
    },
}


def test_there_is_a_sample_of_every_type():
    assert set(SAMPLES) == set(ALONG)


@pytest.mark.parametrize("kind", ALONG)
def test_it_is_created_read_changed_and_found_by_its_identifier(client: Client, kind: str):
    identifier = [{"system": "urn:example", "value": f"{kind}-1"}]
    sent = {"resourceType": kind, **SAMPLES[kind]}
    if kind != "Provenance":
        sent["identifier"] = identifier
    reply = client.post(f"/fhir/r4/{kind}", sent, FHIR)
    assert reply.status_code == 201
    stored = exact(reply)
    assert {name: value for name, value in stored.items() if name not in {"id", "meta"}} == sent
    path = f"/fhir/r4/{kind}/{stored['id']}"
    assert exact(client.get(path)) == stored
    changed = client.put(path, {**stored, "language": "en"}, FHIR)
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert exact(client.get(f"{path}/_history/1")) == stored
    if kind != "Provenance":
        found = exact(client.get(f"/fhir/r4/{kind}?identifier=urn:example|{kind}-1"))
        assert [entry["resource"]["id"] for entry in found["entry"]] == [stored["id"]]


def test_it_keeps_every_digit(client: Client):
    body = '{"resourceType":"Observation","status":"final","code":{"text":"w"},"valueQuantity":{"value":71.50}}'
    reply = client.post("/fhir/r4/Observation", body, FHIR)
    assert '"value":71.50}' in client.get(f"/fhir/r4/Observation/{exact(reply)['id']}").text


def test_what_is_right_in_another_release_too_is_read_there_as_it_stands(client: Client):
    made = exact(client.post("/fhir/r4/Patient", {"resourceType": "Patient", **SAMPLES["Patient"]}, FHIR))
    for release in ("r4b", "r5"):
        assert exact(client.get(f"/fhir/{release}/Patient/{made['id']}")) == made


def test_what_another_release_says_otherwise_is_406_and_names_where_to_read_it(client: Client):
    made = exact(client.post("/fhir/r4/Encounter", {"resourceType": "Encounter", **SAMPLES["Encounter"]}, FHIR))
    reply = client.get(f"/fhir/r5/Encounter/{made['id']}")
    assert reply.status_code == 406
    assert "reading it in R4 or R4B" in issues(reply)[0]["reason"]


def test_what_is_wrong_is_refused_with_its_place(client: Client):
    reply = client.post("/fhir/r4/Patient", {"resourceType": "Patient", "birthdate": "1970"}, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "Patient.birthdate")


def test_the_same_key_has_its_effect_once(client: Client):
    sent = {"resourceType": "Patient", **SAMPLES["Patient"]}
    replies = [client.post("/fhir/r4/Patient", sent, FHIR, idempotency_key="one") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert exact(replies[0]) == exact(replies[1])


def test_what_carries_an_identifier_already_is_not_created_again(client: Client):
    sent = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]}
    replies = [client.post("/fhir/r4/Patient", sent, FHIR, if_none_exist="identifier=urn:mrn|7") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 200]
    assert exact(replies[0])["id"] == exact(replies[1])["id"]


def test_a_reference_that_leads_nowhere_is_kept_and_told(client: Client, resource: Json):
    client.put("/fhir/r4/Patient/here", {"resourceType": "Patient", "id": "here"}, FHIR)
    for reference, told in (
        ("Patient/here", 0),
        ("Patient/absent", 1),
        ("Patient?identifier=urn:mrn|1", 1),
        ("urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9", 1),
        ("https://other.example.org/fhir/Patient/1", 0),
    ):
        sent = {**resource, "subject": {"reference": reference}, "identifier": [{"value": reference}]}
        reply = client.post("/fhir/r4/MedicationRequest", sent, FHIR, prefer="return=OperationOutcome")
        assert reply.status_code == 201
        found = [
            one for one in exact(reply)["issue"] if one["code"] == "not-found" and "subject" in one["expression"][0]
        ]
        assert [(one["severity"], one["expression"]) for one in found] == [
            ("information", ["MedicationRequest.subject.reference"])
        ] * told
        read = exact(client.get(reply.headers["Location"]))
        assert read["subject"]["reference"] == reference
