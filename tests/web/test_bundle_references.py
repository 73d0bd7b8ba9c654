"""References between the entries of a Bundle where they are easily missed: none leads to another, or to nothing."""

from __future__ import annotations

import pytest

from tests.exact_json import dumps
from tests.web.conftest import FHIR, Client, Json, exact, issues
from tests.web.test_bundle import BASE, PATIENT, binary, bundle, entry, locations, total

OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}
WEIGHT = "urn:uuid:0e8b0c1e-5a5b-4b1e-9f0e-5a5b4b1e9f0e"


@pytest.mark.parametrize("criteria", ["", "_count=1", "_sort=_id", "_total=accurate", "_include=Patient:organization"])
def test_h10_a_conditional_reference_without_a_criterion_leads_to_nobody(client: Client, resource: Json, criteria: str):
    client.post(f"{BASE}/Patient", {"resourceType": "Patient", "active": True}, FHIR)
    order = {**resource, "subject": {"reference": f"Patient?{criteria}"}}
    reply = client.post(BASE, bundle(entry("POST", "MedicationRequest", order)), FHIR)
    assert (reply.status_code, issues(reply)[0]["code"]) == (400, "required")
    assert total(client)[1] == 0


@pytest.mark.parametrize(
    "operation",
    [
        '{"op":"add","path":"/supportingInformation","value":[{"reference":"REFERENCE"}]}',
        '{"op":"replace","path":"/supportingInformation/0/reference","value":"REFERENCE"}',
    ],
)
def test_what_a_json_patch_in_a_transaction_refers_to_is_the_other_entry(
    client: Client, resource: Json, operation: str
):
    order = {**resource, "supportingInformation": [{"reference": "Observation/another"}]}
    there = f"MedicationRequest/{exact(client.post(f'{BASE}/MedicationRequest', order, FHIR))['id']}"
    dose = '{"op":"replace","path":"/dosageInstruction/0/doseAndRate/0/doseQuantity/value","value":400.0}'
    patch = binary(f"[{operation.replace('REFERENCE', WEIGHT)},{dose}]")
    sent = (entry("POST", "Observation", OBSERVATION, WEIGHT), entry("PATCH", there, patch, ifMatch='W/"1"'))
    assert [
        one["response"]["status"][:3] for one in exact(client.post(BASE, bundle(*sent, kind="batch"), FHIR))["entry"]
    ] == [
        "201",
        "422",
    ]
    made, _ = locations(client.post(BASE, bundle(*sent), FHIR))
    now = client.get(f"{BASE}/{there}")
    assert exact(now)["supportingInformation"] == [{"reference": made}]
    assert '"value":400.0,' in now.text


@pytest.mark.parametrize("as_binary", [False, True])
def test_a_patch_in_which_a_reference_would_lead_nowhere_is_refused(client: Client, resource: Json, *, as_binary: bool):
    order = {**resource, "supportingInformation": [{"reference": "Observation/another"}]}
    there = f"MedicationRequest/{exact(client.post(f'{BASE}/MedicationRequest', order, FHIR))['id']}"
    parts: list[Json] = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "MedicationRequest.supportingInformation[0].reference"},
        {"name": "value", "valueString": WEIGHT},
    ]
    patch: Json = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    sent = {**binary(dumps(patch)), "contentType": FHIR} if as_binary else patch
    made = entry("POST", "Observation", OBSERVATION, WEIGHT)
    reply = client.post(BASE, bundle(made, entry("PATCH", there, sent, ifMatch='W/"1"')), FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (422, "Bundle.entry[1]")
    assert client.get(f"{BASE}/{there}").headers["ETag"] == 'W/"1"'
    parts[1]["valueString"] = "MedicationRequest.supportingInformation[0]"
    parts[2] = {"name": "value", "valueReference": {"reference": WEIGHT}}
    weight, _ = locations(client.post(BASE, bundle(made, entry("PATCH", there, patch, ifMatch='W/"1"')), FHIR))
    assert exact(client.get(f"{BASE}/{there}"))["supportingInformation"] == [{"reference": weight}]


@pytest.mark.parametrize("form", ["Parameters", "Parameters in a Binary", "JSON Patch"])
def test_h10_a_patch_in_a_batch_that_names_another_entry_is_refused(client: Client, resource: Json, form: str):
    there = f"MedicationRequest/{exact(client.post(f'{BASE}/MedicationRequest', resource, FHIR))['id']}"
    parts: list[Json] = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "MedicationRequest"},
        {"name": "name", "valueString": "instantiatesUri"},
        {"name": "value", "valueUri": WEIGHT},
    ]
    parameters: Json = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    patch = {
        "Parameters": parameters,
        "Parameters in a Binary": {**binary(dumps(parameters)), "contentType": FHIR},
        "JSON Patch": binary(dumps([{"op": "add", "path": "/instantiatesUri", "value": [WEIGHT]}])),
    }[form]
    patched = entry("PATCH", there, patch, ifMatch='W/"1"')
    sent = bundle(entry("POST", "Observation", OBSERVATION, WEIGHT), patched, kind="batch")
    made, refused = exact(client.post(BASE, sent, FHIR))["entry"]
    assert [one["response"]["status"][:3] for one in (made, refused)] == ["201", "422"]
    (issue,) = refused["response"]["outcome"]["issue"]
    assert "another entry" in issue["diagnostics"]
    assert WEIGHT not in dumps(refused)
    assert client.get(f"{BASE}/{there}").headers["ETag"] == 'W/"1"'
    alone = exact(client.post(BASE, bundle(patched, kind="batch"), FHIR))["entry"][0]["response"]
    assert alone["status"] == "200 OK", alone


@pytest.mark.parametrize("form", ["Parameters", "text in Parameters", "JSON Patch"])
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_h10_a_patch_that_names_by_its_own_id_what_is_created_under_another_is_refused(
    client: Client, resource: Json, kind: str, form: str
):
    order = {**resource, "supportingInformation": [{"reference": "Observation/another"}]}
    there = f"MedicationRequest/{exact(client.post(f'{BASE}/MedicationRequest', order, FHIR))['id']}"
    at = "MedicationRequest.supportingInformation[0]"
    reference, text = {"valueReference": {"reference": "Observation/1"}}, {"valueString": "Observation/1"}

    def parameters(path: str, value: Json) -> Json:
        parts = [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": path},
            {"name": "value", **value},
        ]
        return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}

    operation = {"op": "replace", "path": "/supportingInformation/0", "value": reference["valueReference"]}
    patch = {
        "Parameters": parameters(at, reference),
        "text in Parameters": parameters(f"{at}.reference", text),
        "JSON Patch": binary(dumps([operation])),
    }[form]
    patched = entry("PATCH", there, patch, ifMatch='W/"1"')
    reply = client.post(
        BASE, bundle(entry("POST", "Observation", {**OBSERVATION, "id": "1"}), patched, kind=kind), FHIR
    )
    if kind == "batch":
        assert [one["response"]["status"][:3] for one in exact(reply)["entry"]] == ["201", "422"]
    else:
        assert (reply.status_code, issues(reply)[0]["path"].startswith("Bundle.entry[1]")) == (422, True)
    assert client.get(f"{BASE}/{there}").headers["ETag"] == 'W/"1"'


def test_h10_a_part_of_another_entry_is_a_part_of_what_that_becomes(client: Client, resource: Json):
    order = {**resource, "subject": {"reference": f"{PATIENT}#x"}}
    sent = (entry("POST", "Patient", {"resourceType": "Patient"}, PATIENT), entry("POST", "MedicationRequest", order))
    alone = exact(client.post(BASE, bundle(*sent, kind="batch"), FHIR))["entry"]
    assert [one["response"]["status"][:3] for one in alone] == ["201", "422"]
    patient, made = locations(client.post(BASE, bundle(*sent), FHIR))
    assert exact(client.get(f"{BASE}/{made}"))["subject"]["reference"] == f"{patient}#x"


def test_h10_a_deletion_does_not_take_the_fullurl_of_what_is_made_instead(client: Client, resource: Json):
    client.put(f"{BASE}/Patient/gone", {"resourceType": "Patient", "id": "gone"}, FHIR)
    sent = bundle(
        entry("POST", "Patient", {"resourceType": "Patient"}, PATIENT),
        entry("POST", "MedicationRequest", {**resource, "subject": {"reference": PATIENT}}),
        {**entry("DELETE", "Patient/gone"), "fullUrl": PATIENT},
    )
    reply = client.post(BASE, sent, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "Bundle.entry[2].fullUrl")
    assert total(client)[1] == 0


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_h10_who_refers_by_its_own_id_to_what_is_created_under_another_is_refused(
    client: Client, resource: Json, kind: str
):
    client.put(f"{BASE}/Patient/1", {"resourceType": "Patient", "id": "1", "gender": "female"}, FHIR)
    patient = {"resourceType": "Patient", "id": "1", "gender": "male"}
    order = {**resource, "subject": {"reference": "Patient/1"}}
    sent = [entry("POST", "Patient", patient), entry("POST", "MedicationRequest", order)]
    reply = client.post(BASE, bundle(*sent, kind=kind), FHIR)
    if kind == "batch":
        assert [one["response"]["status"][:3] for one in exact(reply)["entry"]] == ["201", "422"]
    else:
        assert (reply.status_code, issues(reply)[0]["path"]) == (422, "Bundle.entry[1].resource.subject.reference")
    assert total(client)[1] == 0


def test_who_names_the_entry_or_copies_what_is_here_is_understood(client: Client, resource: Json):
    client.put(f"{BASE}/Patient/1", {"resourceType": "Patient", "id": "1"}, FHIR)
    before = exact(client.post(f"{BASE}/MedicationRequest", {**resource, "subject": {"reference": "Patient/1"}}, FHIR))
    of = {"priorPrescription": {"reference": f"MedicationRequest/{before['id']}"}}
    copy = {name: value for name, value in (before | of).items() if name != "identifier"}
    named = entry("POST", "Patient", {"resourceType": "Patient", "id": "1", "gender": "male"}, PATIENT)
    made = locations(client.post(BASE, bundle(named, entry("POST", "MedicationRequest", copy)), FHIR))[1]
    order = exact(client.get(f"{BASE}/{made}"))
    assert order["subject"]["reference"] == "Patient/1"
    assert order["priorPrescription"]["reference"] == f"MedicationRequest/{before['id']}"
