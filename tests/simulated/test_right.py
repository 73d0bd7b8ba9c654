"""Without faults it is a right server, so that what goes wrong is the fault's doing."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from fhir_infusion.fhir import elements
from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.simulated.statement import resource_types
from tests.simulated.client import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulated.client import There


def _entry(method: str, url: str, resource: str = "", **request: str) -> str:
    stated = json.dumps({"method": method, "url": url, **request})
    return f'{{"request":{stated}' + (f',"resource":{resource}' if resource else "") + "}"


def _bundle(kind: str, *entries: str) -> str:
    return f'{{"resourceType":"Bundle","type":"{kind}","entry":[{",".join(entries)}]}}'


def test_every_digit_is_kept_and_every_version(start: Callable[..., There]):
    there = start()
    created = there.place()
    assert (created.status, created.headers["etag"]) == (201, 'W/"1"')
    id_ = created.resource["id"]
    assert b'"value":1.50' in created.body
    changed = json.loads(ORDER % "1") | {"id": id_, "status": "stopped"}
    got = there.ask("PUT", f"MedicationRequest/{id_}", json.dumps(changed), If_Match='W/"1"')
    assert (got.status, got.headers["etag"], got.resource["meta"]["versionId"]) == (200, 'W/"2"', "2")
    first = there.ask("GET", f"MedicationRequest/{id_}/_history/1")
    assert (first.status, first.resource["status"]) == (200, "active")
    assert b'"value":1.50' in first.body
    assert created.headers["location"].endswith(f"/fhir/MedicationRequest/{id_}/_history/1")


def test_conditions_hold(start: Callable[..., There]):
    there = start()
    one = there.place("1", If_None_Exist="identifier=urn:o|1")
    two = there.place("1", If_None_Exist="identifier=urn:o%7C1")
    assert (one.status, two.status, two.resource["id"]) == (201, 200, one.resource["id"])
    there.place("1")
    assert there.place("1", If_None_Exist="identifier=urn:o|1").status == 412
    assert there.place("1", If_None_Exist="status=active").status == 400
    id_ = one.resource["id"]
    body = json.dumps(json.loads(ORDER % "1") | {"id": id_})
    assert there.ask("PUT", f"MedicationRequest/{id_}", body, If_Match='W/"7"').status == 412
    assert there.ask("PUT", f"MedicationRequest/{id_}", body, If_None_Match="*").status == 412
    assert there.ask("PUT", "MedicationRequest/other", body).status == 400
    assert there.ask("POST", "MedicationRequest", "{}").status == 400
    assert there.ask("POST", "Nothing", "{}").status == 404
    assert there.ask("PATCH", f"MedicationRequest/{id_}", "[]").status == 405


@pytest.mark.parametrize("allowed", [True, False])
def test_ids_are_taken_where_the_file_allows_it_and_the_statement_says_so(
    start: Callable[..., There], *, allowed: bool
):
    word = str(allowed).lower()
    there = start(
        f"server = {{ update_create = {word}, conditional_create = {word}, history = {word}, export = {word} }}"
    )
    body = json.dumps(json.loads(ORDER % "1") | {"id": "mine"})
    assert there.ask("PUT", "MedicationRequest/mine", body).status == (201 if allowed else 404)
    assert there.place("2", If_None_Exist="identifier=urn:o|2").status == (201 if allowed else 412)
    assert there.ask("GET", "MedicationRequest/_history").status == (200 if allowed else 404)
    assert there.ask("GET", "$export", Prefer="respond-async").status == (202 if allowed else 404)
    rest = there.ask("GET", "metadata").plain["rest"][0]
    one = next(each for each in rest["resource"] if each["type"] == "MedicationRequest")
    codes = {each["code"] for each in one["interaction"]}
    assert (one["updateCreate"], one["conditionalCreate"]) == (allowed, allowed)
    assert ({"history-type", "history-instance"} <= codes, "operation" in rest) == (allowed, allowed)


def test_searches_find_what_was_asked_for_and_pages_lead_to_the_end(start: Callable[..., There]):
    there = start("server = { page_size = 2 }")
    for number in range(5):
        there.at += 1
        there.place(str(number))
    assert [one["identifier"][0]["value"] for one in there.found("identifier=urn:o%7C1,urn:o%7C3,urn:x%7C0")] == [
        "1",
        "3",
    ]
    ids = [one["id"] for one in there.found("_sort=-_lastUpdated")]
    assert [one["id"] for one in there.found(f"_id={ids[0]}")] == [ids[0]]
    assert there.ask("GET", "MedicationRequest?patient=1").status == 400
    seen: list[Any] = []
    path = "MedicationRequest?_sort=_lastUpdated&_count=50"
    while path:
        page = there.ask("GET", path).plain
        seen += [entry["resource"]["identifier"][0]["value"] for entry in page["entry"]]
        assert page["total"] == 5
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix(there.simulator.base + "/") if following else ""
    assert seen == ["0", "1", "2", "3", "4"]
    since = there.found("identifier=urn:o%7C3")[0]["meta"]["lastUpdated"].replace("+", "%2B")
    later = there.ask("GET", f"MedicationRequest?_lastUpdated=ge{since}&_sort=_lastUpdated").plain
    assert [entry["resource"]["identifier"][0]["value"] for entry in later["entry"]] == ["3", "4"]
    counted = there.ask("GET", "MedicationRequest?_summary=count").plain
    assert (counted["total"], "entry" in counted) == (5, False)


def test_the_history_tells_each_version_and_each_deletion(start: Callable[..., There]):
    there = start()
    id_ = there.place().resource["id"]
    there.place("2")
    assert there.ask("DELETE", f"MedicationRequest/{id_}").status == 204
    assert there.ask("GET", f"MedicationRequest/{id_}").status == 410
    assert there.ask("GET", "MedicationRequest/999").status == 404
    told = there.ask("GET", "MedicationRequest/_history").plain["entry"]
    assert [each["request"]["method"] for each in told] == ["DELETE", "POST", "POST"]
    one = there.ask("GET", f"MedicationRequest/{id_}/_history").plain["entry"]
    assert [(each["request"]["method"], "resource" in each) for each in one] == [("DELETE", False), ("POST", True)]
    assert len(there.found()) == 1


def test_a_transaction_is_all_or_nothing_and_a_batch_each_for_itself(start: Callable[..., There]):
    there = start()
    patient = '{"resourceType":"Patient","identifier":[{"system":"urn:p","value":"1"}]}'
    order = (ORDER % "1")[:-1] + ',"subject":{"reference":"urn:uuid:a"}}'
    first = _entry("POST", "Patient", patient, ifNoneExist="identifier=urn:p|1")[:-1] + ',"fullUrl":"urn:uuid:a"}'
    good = _bundle("transaction", _entry("POST", "MedicationRequest", order), first)
    told = there.ask("POST", "", good).plain
    assert [each["response"]["status"] for each in told["entry"]] == ["201", "201"]
    patient_id = told["entry"][1]["resource"]["id"]
    assert there.found()[0]["subject"] == {"reference": f"Patient/{patient_id}"}
    again = there.ask("POST", "", good).plain
    assert [each["response"]["status"] for each in again["entry"]] == ["201", "200"]
    stale = json.dumps(json.loads(ORDER % "1") | {"id": "5"})
    bad = _entry("PUT", "MedicationRequest/5", stale, ifMatch='W/"9"')
    assert (
        there.ask("POST", "", _bundle("transaction", _entry("POST", "MedicationRequest", ORDER % "9"), bad)).status
        == 412
    )
    assert len(there.found()) == 2
    each = there.ask("POST", "", _bundle("batch", _entry("POST", "MedicationRequest", ORDER % "9"), bad)).plain["entry"]
    assert [one["response"]["status"] for one in each] == ["201", "412"]
    assert each[1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert len(there.found()) == 3


def test_everything_is_exported_as_ndjson(start: Callable[..., There]):
    there = start()
    there.place("1")
    there.place("2")
    begun = there.ask("GET", "$export?_type=MedicationRequest,Patient", Prefer="respond-async")
    place = begun.headers["content-location"].removeprefix(there.simulator.base + "/")
    assert (begun.status, there.ask("GET", place).status) == (202, 202)
    (output,) = there.ask("GET", place).plain["output"]
    lines = there.ask("GET", output["url"].removeprefix(there.simulator.base + "/")).body.splitlines()
    assert (output["type"], output["count"], len(lines)) == ("MedicationRequest", 2, 2)
    assert all(b'"value":1.50' in line for line in lines)
    assert there.ask("DELETE", place).status == 202
    assert there.ask("GET", place).status == 404


def test_its_state_tells_what_stands_once_and_what_more_often_and_its_log_names_nobody(start: Callable[..., There]):
    there = start()
    for value in ("secret-1", "secret-2", "secret-2"):
        there.place(value)
    told = json.loads(there.ask("GET", "/_simulated/state").body)
    assert told["types"]["MedicationRequest"] == {
        "resources": 3,
        "identifiers_once": 1,
        "identifiers_more_than_once": 1,
        "without_identifier": 0,
    }
    lines = there.simulator.ledger.lines
    assert [(line["method"], line["identifiers"], line["effect"], line["status"]) for line in lines] == [
        ("POST", [1], "created", 201),
        ("POST", [2], "created", 201),
        ("POST", [2], "created", 201),
    ]
    assert "secret" not in json.dumps(lines)


@pytest.mark.parametrize(("release", "version"), [("R4", "4.0.1"), ("R5", "5.0.0")])
def test_it_speaks_a_release(start: Callable[..., There], release: str, version: str):
    there = start("server = { strangers = 1 }", release)
    assert there.ask("GET", "metadata").plain["fhirVersion"] == version
    assert ("medication" in there.found()[0]) == (release == "R5")


@pytest.mark.slow
@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_list_of_resource_types_is_that_of_the_models(release: str):
    names = elements.type_names(release)
    known = {name for name in names if elements.is_resource_type(release, name)} | RELEASES[release].unmodelled
    assert set(resource_types(release)) == known


def test_a_client_that_goes_away_in_the_middle_has_done_nothing(start: Callable[..., There]):
    there = start()
    url = urlsplit(there.simulator.base)
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert there.simulator.summary()["types"] == {}
