"""``$validate``: what would become of a resource, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.config import profiles_dir
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import profile_rules
from tests.web.conftest import FHIR, Client, exact, issues

Json = dict[str, Any]
MR = "/fhir/r4/MedicationRequest"
PROFILE = "https://w3id.org/fhir-infusion/StructureDefinition/infusion-order-r4"


def parameters(resource: Json, **others: str) -> Json:
    named = [{"name": name, "valueString": value} for name, value in others.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": resource}, *named]}


def stored(client: Client) -> int:
    return len(exact(client.get(MR)).get("entry", ()))


@pytest.mark.parametrize("wrap", [lambda resource: resource, parameters])
def test_what_is_right_is_told_to_be_right_and_is_not_stored(client: Client, resource: Json, wrap: Any):
    reply = client.post(f"{MR}/$validate", wrap(resource), FHIR)
    assert (reply.status_code, [one["severity"] for one in exact(reply)["issue"]]) == (200, ["information"])
    assert stored(client) == 0


def test_everything_that_is_wrong_is_told_with_status_200(client: Client, resource: Json):
    reply = client.post(f"{MR}/$validate", {**resource, "status": "bogus", "colour": "red"}, FHIR)
    assert reply.status_code == 200
    assert {one["path"] for one in issues(reply)} == {"MedicationRequest.status", "MedicationRequest.colour"}


def test_what_the_service_would_refuse_is_told_though_it_is_right_fhir(client: Client, resource: Json):
    reply = client.post(f"{MR}/$validate", {**resource, "doNotPerform": True}, FHIR)
    assert [one["severity"] for one in exact(reply)["issue"]] == ["error"]


def test_a_create_is_tried_and_undone(client: Client, resource: Json):
    client.post(MR, resource, FHIR)
    other = {**resource, "priority": "stat"}
    told = client.post(f"{MR}/$validate?mode=create", other, FHIR)
    assert "names another record" in issues(told)[0]["reason"]
    fresh = {**resource, "identifier": [{**resource["identifier"][0], "value": "ORD-99"}]}
    assert exact(client.post(f"{MR}/$validate?mode=create", fresh, FHIR))["issue"][0]["severity"] == "information"
    assert stored(client) == 1


def test_an_update_that_may_not_be_is_told(client: Client, resource: Json):
    made = exact(client.post(MR, resource, FHIR))
    moved = {**made, "subject": {"reference": "Patient/other"}}
    reply = client.post(f"{MR}/{made['id']}/$validate", parameters(moved, mode="update"), FHIR)
    assert [one["path"] for one in issues(reply)] == ["patient"]
    right = client.post(f"{MR}/{made['id']}/$validate", parameters(made, mode="update"), FHIR)
    assert [one["severity"] for one in exact(right)["issue"]] == ["information"]
    assert exact(client.get(f"{MR}/{made['id']}")) == made


def severities(reply: Any) -> list[str]:
    assert reply.status_code == 200
    return [one["severity"] for one in exact(reply)["issue"]]


def test_a_deletion_that_may_not_be_is_told_and_nothing_is_deleted(client: Client, resource: Json):
    made = exact(client.post(MR, resource, FHIR))
    address = f"{MR}/{made['id']}"
    asked = parameters(made, mode="delete")
    bare = {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}
    for reply in (
        client.get(f"{address}/$validate?mode=delete"),
        client.post(f"{address}/$validate?mode=delete", b"", FHIR),
        client.post(f"{address}/$validate", bare, FHIR),
        client.post(f"{address}/$validate", asked, FHIR),
    ):
        assert severities(reply) == ["error"]
        assert "has begun" in issues(reply)[0]["reason"]
    stopped = exact(client.put(address, {**made, "status": "stopped"}, FHIR, if_match='W/"1"'))
    assert severities(client.get(f"{address}/$validate?mode=delete")) == ["information"]
    assert exact(client.get(address)) == stopped
    assert severities(client.get(f"{MR}/none/$validate?mode=delete")) == ["information"]


def test_what_is_stored_is_judged_by_a_profile_that_is_named(client: Client, resource: Json):
    made = exact(client.post(MR, resource, FHIR))
    at = f"{MR}/{made['id']}/$validate"
    assert severities(client.get(f"{at}?mode=profile&profile={PROFILE}")) == ["information"]
    assert client.get(f"{MR}/none/$validate?mode=profile&profile={PROFILE}").status_code == 404
    assert client.get(f"{at}?mode=profile").status_code == 400
    assert client.post(f"{at}?mode=profile&profile={PROFILE}", made, FHIR).status_code == 400


@pytest.mark.parametrize("mode", ["update", "delete", "profile"])
def test_a_mode_that_asks_of_an_instance_needs_its_id(client: Client, resource: Json, mode: str):
    reply = client.post(f"{MR}/$validate?mode={mode}&profile={PROFILE}", resource, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "http.mode")


def test_what_is_stored_can_be_judged(client: Client, resource: Json):
    made = exact(client.post(MR, resource, FHIR))
    reply = client.get(f"{MR}/{made['id']}/$validate?profile={PROFILE}")
    assert [one["severity"] for one in exact(reply)["issue"]] == ["information"]
    assert client.get(f"{MR}/none/$validate").status_code == 404


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"identifier": [{"value": "1"}]}, "min"),
        ({"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "mg"}}]}]}, "inf-dose-unit"),
        (
            {
                "dosageInstruction": [
                    {
                        "doseAndRate": [
                            {
                                "rateQuantity": {
                                    "value": 30,
                                    "unit": "min",
                                    "system": "http://unitsofmeasure.org",
                                    "code": "min",
                                }
                            }
                        ]
                    }
                ]
            },
            "inf-rate-unit",
        ),
    ],
)
def test_the_rules_of_a_profile_are_asked_where_it_is_named(client: Client, resource: Json, change: Json, rule: str):
    wrong = {**resource, **change}
    for asked in (f"?profile={PROFILE}", ""):
        given = wrong if asked else {**wrong, "meta": {"profile": [f"{PROFILE}|0.1.0"]}}
        told = exact(client.post(f"{MR}/$validate{asked}", given, FHIR))["issue"]
        assert rule in [one["details"]["coding"][0]["code"] for one in told if "details" in one]


def test_an_unknown_profile_is_said_to_be_unknown(client: Client, resource: Json):
    reply = client.post(f"{MR}/$validate?profile=https://example.org/StructureDefinition/x", resource, FHIR)
    assert (reply.status_code, issues(reply)[0]["code"]) == (200, "not-supported")


def test_a_profile_in_a_version_that_is_not_here_is_said_to_be_unknown(client: Client, resource: Json):
    base = "http://hl7.org/fhir/StructureDefinition/MedicationRequest"
    for known in (f"{PROFILE}|0.1.0", f"{base}|4.0.1"):
        assert severities(client.post(f"{MR}/$validate?profile={known}", resource, FHIR)) == ["information"]
    for unknown in (f"{PROFILE}|9.0.0", f"{base}|3.0.2"):
        reply = client.post(f"{MR}/$validate?profile={unknown}&_pretty=true&_format=json", resource, FHIR)
        assert (reply.status_code, issues(reply)[0]["code"]) == (200, "not-supported")


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"resourceType": "Parameters"}, ""),
        ({"resourceType": "Parameters", "parameter": [{"name": "colour", "valueCode": "red"}]}, ""),
        ({"resourceType": "MedicationRequest"}, "?mode=fly"),
        ({"resourceType": "MedicationRequest"}, "?profil=https://example.org/StructureDefinition/x"),
    ],
)
def test_a_question_that_is_not_understood_is_400(client: Client, body: Json, query: str):
    assert client.post(f"{MR}/$validate{query}", body, FHIR).status_code == 400


def test_every_rule_of_the_shipped_profiles_is_read():
    shipped = [fhir_json.read(path.read_text("utf-8")) for path in profiles_dir().glob("r?/StructureDefinition-*.json")]
    rules = [rule for one in shipped for rule in profile_rules.read(one).rules]
    asked = [
        key
        for one in shipped
        for element in one["differential"]["element"]
        for key in [c["key"] for c in element.get("constraint", ())]
    ]
    assert sorted(rule.name for rule in rules if rule.name.startswith("inf-")) == sorted(asked)


def test_a_profile_that_demands_what_is_not_read_is_refused():
    sliced = {"id": "MedicationRequest.identifier:mrn", "path": "MedicationRequest.identifier", "min": 1}
    for element in (sliced, {"id": "X.y", "path": "X.y", "binding": {}}):
        with pytest.raises(ValueError, match="not read"):
            profile_rules.read(
                {"url": "u", "type": "X", "fhirVersion": "4.0.1", "differential": {"element": [element]}}
            )
