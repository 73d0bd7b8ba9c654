"""``Patient/$merge``: anybody may see what would follow, an operator does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.web.app import create_app
from fhir_infusion.web.tokens import add_token
from tests.web.conftest import FHIR, Client, Json, Make, exact, issues

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "/fhir/{}/Patient/$merge"
OWN = {"order_system": "https://h.example/orders", "administration_system": "https://h.example/administrations"}
PERSON: Json = {"name": [{"family": "Ito", "given": ["Jane"]}], "birthDate": "1970-01-02", "gender": "female"}


def asking(source: str = "old", target: str = "new", **more: Any) -> Json:
    named = [
        {"name": "source-patient", "valueReference": {"reference": f"Patient/{source}"}},
        {"name": "target-patient", "valueReference": {"reference": f"Patient/{target}"}},
    ]
    kinds = {"preview": "valueBoolean", "result_patient": "resource"}
    extra = [{"name": name.replace("_", "-"), kinds[name]: value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": [*named, *extra]}


def said(body: Json, name: str) -> list[Any]:
    return [
        next(value for key, value in one.items() if key != "name") for one in body["parameter"] if one["name"] == name
    ]


class Ward:
    """A service beyond loopback, with two patients and an order of one of them."""

    def __init__(self, client: Client, tokens: dict[str, str]) -> None:
        self.client, self.tokens = client, tokens

    def put(self, type_: str, id_: str, **members: Any) -> None:
        resource = {"resourceType": type_, "id": id_, **members}
        reply = self.client.put(
            f"/fhir/r4/{type_}/{id_}", resource, FHIR, authorization=f"Bearer {self.tokens['plain']}"
        )
        assert reply.status_code == 201, reply.text

    def merge(self, body: object, who: str = "operator", release: str = "r4") -> Any:
        return self.client.post(ADDRESS.format(release), body, FHIR, authorization=f"Bearer {self.tokens[who]}")

    def subject(self) -> str:
        reply = self.client.get("/fhir/r4/MedicationRequest/o", authorization=f"Bearer {self.tokens['plain']}")
        return str(exact(reply)["subject"]["reference"])


@pytest.fixture
def ward(make_service: Make, tmp_path: Path) -> Ward:
    path = tmp_path / "tokens.toml"
    path.touch()
    roles = (("operator", "default", True), ("plain", "default", False), ("elsewhere", "other", True))
    tokens = {name: add_token(path, name, tenant, "2026-01-02", operator=role)[1] for name, tenant, role in roles}
    one = Ward(Client(create_app(make_service(host="10.0.0.5", tokens=path, **OWN)).test_client()), tokens)
    one.put("Patient", "old", identifier=[{"system": "urn:mrn", "value": "1"}], **PERSON)
    one.put("Patient", "new", identifier=[{"system": "urn:mrn", "value": "2"}], **PERSON)
    order: Json = {"identifier": [{"value": "o-1"}], "status": "active", "intent": "order"}
    order["medicationCodeableConcept"] = {"text": "dobutamine"}
    one.put("MedicationRequest", "o", **order, subject={"reference": "Patient/old"})
    return one


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_a_preview_names_what_would_follow_and_only_an_operator_merges(ward: Ward, release: str):
    shown = ward.merge(asking(preview=True), "plain", release)
    body = exact(shown)
    assert (shown.status_code, said(body, "would-move")) == (200, [{"reference": "MedicationRequest/o"}])
    assert said(body, "input") == [asking(preview=True)]
    assert [one["type"] for one in said(body, "result")[0]["link"]] == ["replaces"]
    refused = ward.merge(asking(), "plain", release)
    assert (refused.status_code, [one["code"] for one in issues(refused)]) == (403, ["forbidden"])
    assert ward.merge(asking(preview=False), "plain", release).status_code == 403
    assert ward.merge(asking(), "elsewhere", release).status_code == 422
    assert ward.subject() == "Patient/old"
    done = ward.merge(asking(), "operator", release)
    assert (done.status_code, said(exact(done), "moved")) == (200, [{"reference": "MedicationRequest/o"}])
    assert ward.subject() == "Patient/new"
    assert ward.merge(asking(), "operator", release).status_code == 422


def test_an_order_that_names_a_part_of_a_patient_follows_too(ward: Ward):
    order: Json = {"identifier": [{"value": "o-2"}], "status": "active", "intent": "order"}
    order["medicationCodeableConcept"] = {"text": "dobutamine"}
    ward.put("MedicationRequest", "part", **order, subject={"reference": "Patient/old#x"})
    assert ward.merge(asking()).status_code == 200
    read = ward.client.get("/fhir/r4/MedicationRequest/part", authorization=f"Bearer {ward.tokens['plain']}")
    assert exact(read)["subject"]["reference"] == "Patient/new"


def test_patients_are_meant_by_identifiers_too_and_the_result_may_be_given(ward: Ward):
    def by(*values: str) -> Json:
        names = ("source-patient-identifier", "target-patient-identifier")
        given = zip(names, values, strict=True)
        named = [{"name": name, "valueIdentifier": {"system": "urn:mrn", "value": value}} for name, value in given]
        return {"resourceType": "Parameters", "parameter": named}

    assert [one["path"] for one in issues(ward.merge(by("1", "9")))] == [
        "Parameters.parameter.where(name='target-patient')"
    ]
    result = {"resourceType": "Patient", "id": "new", "identifier": [{"system": "urn:mrn", "value": "2"}], **PERSON}
    body = by("1", "2")
    whole = {
        **body,
        "parameter": [*body["parameter"], {"name": "result-patient", "resource": {**result, "active": True}}],
    }
    (kept,) = said(exact(ward.merge(whole)), "result")
    assert (kept["active"], [one["value"] for one in kept["identifier"]]) == (True, ["2", "1"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Parameters"}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "colour", "valueString": "red"}]}, 400),
        (asking(preview="true"), 400),
        ({**asking(), "parameter": [*asking()["parameter"], asking()["parameter"][0]]}, 400),
        (asking("http://elsewhere/Patient/new"), 422),
        (json.loads(json.dumps(asking()).replace("Patient/old", "http://elsewhere/Patient/old")), 400),
        (asking("old", "old"), 422),
        (asking("old", "none"), 422),
        (asking(result_patient={"resourceType": "Patient", "id": "old"}), 422),
        (asking(result_patient={"resourceType": "Patient", "id": "new", **PERSON}), 422),
        (asking(result_patient={"resourceType": "Patient", "id": "new", "colour": "red"}), 422),
        (asking(result_patient={"resourceType": "Observation"}), 400),
    ],
)
def test_what_cannot_be_merged_is_refused_and_changes_nothing(ward: Ward, body: Json, status: int):
    for preview in (False, True):
        sent = body
        if preview and "parameter" in body and not any(one["name"] == "preview" for one in body["parameter"]):
            sent = {**body, "parameter": [*body["parameter"], {"name": "preview", "valueBoolean": True}]}
        reply = ward.merge(sent)
        assert reply.status_code == status, reply.text
    assert ward.subject() == "Patient/old"
