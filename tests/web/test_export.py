"""``$export``: everything as it was when it was asked for, as lines, also after a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import export as exporting
from fhir_infusion.store import open_store
from fhir_infusion.web.app import create_app
from tests.exact_json import loads
from tests.web.conftest import FHIR, Client, exact, issues
from tests.web.test_fhir import numbered

if TYPE_CHECKING:
    from fhir_infusion.service import Service

Json = dict[str, Any]
MR = "/fhir/r4/MedicationRequest"
LATER = {"prefer": "respond-async", "accept": FHIR}


def begun(client: Client, query: str = "", release: str = "r4") -> str:
    reply = client.get(f"/fhir/{release}/$export{query}", **LATER)
    assert (reply.status_code, reply.data, "Content-Type" in reply.headers) == (202, b"", False)
    return reply.headers["Content-Location"]


def lines(client: Client, url: str) -> list[Any]:
    reply = client.get(url)
    assert (reply.status_code, reply.content_type) == (200, "application/fhir+ndjson")
    return [loads(line) for line in reply.data.splitlines()]


def files(client: Client, status: str) -> dict[str, list[Json]]:
    return {one["type"]: lines(client, one["url"]) for one in exact(client.get(status))["output"]}


def test_an_export_gives_everything_as_it_was_when_it_was_asked_for(client: Client, resource: Json):
    made = [exact(client.post(MR, numbered(resource, number), FHIR)) for number in range(3)]
    patient = exact(client.post("/fhir/r4/Patient", {"resourceType": "Patient", "active": True}, FHIR))
    status = begun(client)
    client.post(MR, numbered(resource, 9), FHIR)
    client.put(f"/fhir/r4/Patient/{patient['id']}", {**patient, "active": False}, FHIR)
    found = files(client, status)
    assert found["Patient"] == [patient]
    assert sorted(one["id"] for one in found["MedicationRequest"]) == sorted(one["id"] for one in made)
    assert files(client, status) == found
    manifest = exact(client.get(status))
    assert manifest["request"].endswith("/fhir/r4/$export")
    assert (manifest["requiresAccessToken"], manifest["error"], manifest["deleted"]) == (False, [], [])
    assert manifest["transactionTime"].endswith("Z")


def test_an_export_goes_on_after_a_restart(service: Service, client: Client, resource: Json):
    made = exact(client.post(MR, resource, FHIR))
    status = begun(client)
    client.put(f"{MR}/{made['id']}", {**made, "priority": "stat"}, FHIR, if_match='W/"1"')
    service.store.close()
    again = replace(service, store=open_store(service.settings.database, service.clock))
    try:
        found = files(Client(create_app(again).test_client(use_cookies=False)), status)
    finally:
        again.store.close()
    assert found == {"MedicationRequest": [made]}


def test_many_resources_come_each_once(client: Client):
    for number in range(450):
        client.put(f"/fhir/r4/Location/l{number}", {"resourceType": "Location", "id": f"l{number}"}, FHIR)
    found = files(client, begun(client, "?_type=Location"))["Location"]
    assert sorted(one["id"] for one in found) == sorted(f"l{number}" for number in range(450))


def test_only_the_types_and_changes_asked_for_are_given(client: Client, resource: Json):
    client.post(MR, resource, FHIR)
    client.post("/fhir/r4/Patient", {"resourceType": "Patient", "active": True}, FHIR)
    moment = exact(client.get(begun(client)))["transactionTime"]
    later = exact(client.post("/fhir/r4/Patient", {"resourceType": "Patient", "active": False}, FHIR))
    assert set(files(client, begun(client, "?_type=MedicationRequest"))) == {"MedicationRequest"}
    assert files(client, begun(client, f"?_since={moment}")) == {"Patient": [later]}


@pytest.mark.parametrize("query", ["?_type=Patient,Patient", "?_type=Patient&_type=Patient"])
def test_a_type_that_is_named_twice_has_one_file(client: Client, query: str):
    client.post("/fhir/r4/Patient", {"resourceType": "Patient", "active": True}, FHIR)
    assert [one["type"] for one in exact(client.get(begun(client, query)))["output"]] == ["Patient"]


def test_what_the_release_cannot_say_is_told_in_the_file_of_errors(client: Client):
    encounter = {"resourceType": "Encounter", "status": "in-progress", "class": {"code": "AMB"}}
    client.post("/fhir/r4/Encounter", encounter, FHIR)
    status = begun(client, release="r5")
    manifest = exact(client.get(status))
    assert files(client, status)["Encounter"] == []
    ((outcome,),) = [lines(client, one["url"]) for one in manifest["error"]]
    assert outcome["resourceType"] == "OperationOutcome"
    assert "reading it in R4" in outcome["issue"][0]["diagnostics"]


def test_a_cancelled_export_is_gone(client: Client, resource: Json):
    client.post(MR, resource, FHIR)
    status = begun(client)
    url = exact(client.get(status))["output"][0]["url"]
    assert client.flask.delete(status).status_code == 202
    assert [client.get(status).status_code, client.get(url).status_code] == [404, 404]
    assert client.flask.delete(status).status_code == 404


def test_an_export_is_asked_for_by_parameters_too(client: Client, resource: Json):
    client.post(MR, resource, FHIR)
    body = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "MedicationRequest"}]}
    reply = client.post("/fhir/r4/$export", body, FHIR, **LATER)
    assert set(files(client, reply.headers["Content-Location"])) == {"MedicationRequest"}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("?_type=Basic", "http._type"),
        ("?_since=yesterday", "http._since"),
        ("?_since=2026", "http._since"),
        ("?_since=2026-01-01T00:00:00Z&_since=2026-01-03T00:00:00Z", "http._since"),
        ("?_outputFormat=csv", "http._outputFormat"),
        ("?_typeFilter=x", ""),
    ],
)
def test_an_export_that_is_not_understood_is_400(client: Client, query: str, path: str):
    reply = client.get(f"/fhir/r4/$export{query}", **LATER)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, path)


def test_a_parameter_that_is_not_known_is_passed_over_where_that_is_allowed(client: Client):
    reply = client.get("/fhir/r4/$export?_typeFilter=x", prefer="respond-async, handling=lenient")
    assert reply.status_code == 202


def test_an_export_that_would_have_to_be_answered_at_once_is_400(client: Client):
    assert client.get("/fhir/r4/$export").status_code == 400


@pytest.mark.parametrize("address", ["$export-status/none", "$export-file/none/Patient", "$export-file/none/errors"])
def test_an_export_that_there_is_not_is_404(client: Client, address: str):
    assert client.get(f"/fhir/r4/{address}").status_code == 404


def test_no_file_of_errors_is_listed_where_the_release_can_say_everything(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    client.put("/fhir/r5/Patient/p", {"resourceType": "Patient", "id": "p", "active": True}, FHIR)
    status = begun(client)
    manifest = exact(client.get(status))
    assert (manifest["error"], [one["type"] for one in manifest["output"]]) == ([], ["Patient"])
    # Of more than is looked through it is listed, and is not empty all the same.
    monkeypatch.setattr(exporting, "_LOOKED_THROUGH", 0)
    ((listed,),) = [lines(client, one["url"]) for one in exact(client.get(status))["error"]]
    assert (listed["resourceType"], listed["issue"][0]["severity"]) == ("OperationOutcome", "information")
