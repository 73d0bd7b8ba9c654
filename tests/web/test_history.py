"""History of a resource, of a type and of everything: newest first, stable while data change, in every release."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from fhir_infusion.actions import accept_resource, history
from fhir_infusion.actions.caller import Caller
from fhir_infusion.store import text
from fhir_infusion.store.history import Of
from tests.counts import count
from tests.web.conftest import FHIR, Client, Json, Make, exact, issues

if TYPE_CHECKING:
    from fhir_infusion.service import Service

MR = "/fhir/r4/MedicationRequest"
RELEASES = ("r4", "r4b", "r5")
HOST = "http://localhost"


def entries(client: Client, path: str) -> list[Json]:
    """Every entry, over all pages."""
    found: list[Json] = []
    while path:
        reply = client.get(path)
        assert reply.status_code == 200, reply.text
        bundle = exact(reply)
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "history")
        found += bundle.get("entry", [])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        path = links.get("next", "").removeprefix(HOST)
    return found


def told(entry: Json) -> tuple[str, str, str, str]:
    return (
        entry["request"]["method"],
        entry["request"]["url"],
        entry["response"]["status"],
        entry["response"]["etag"],
    )


def lived(client: Client, resource: Json) -> str:
    """An order that was made, changed, deleted and brought back; its id."""
    first = exact(client.post(MR, {**resource, "status": "draft"}, FHIR))
    path, draft = f"{MR}/{first['id']}", {**resource, "id": first["id"], "status": "draft"}
    assert client.put(path, {**draft, "priority": "stat"}, FHIR, if_match='W/"1"').status_code == 200
    assert client.delete(path, if_match='W/"2"').status_code == 204
    assert client.put(path, draft, FHIR, if_match='W/"3"').status_code == 201
    return str(first["id"])


@pytest.mark.parametrize("release", RELEASES)
def test_the_history_of_a_resource_tells_what_was_done_newest_first(client: Client, resource: Json, release: str):
    name = lived(client, resource)
    base = f"/fhir/{release}/MedicationRequest/{name}"
    found = entries(client, f"{base}/_history")
    place = f"MedicationRequest/{name}"
    assert [told(entry) for entry in found] == [
        ("PUT", place, "201", 'W/"4"'),
        ("DELETE", place, "204", 'W/"3"'),
        ("PUT", place, "200", 'W/"2"'),
        ("POST", "MedicationRequest", "201", 'W/"1"'),
    ]
    assert ["resource" in entry for entry in found] == [True, False, True, True]
    assert {entry["fullUrl"] for entry in found} == {f"{HOST}{base}"}
    for entry in found:
        if "resource" in entry:
            version = entry["resource"]["meta"]["versionId"]
            assert entry["response"]["lastModified"] == entry["resource"]["meta"]["lastUpdated"]
            assert entry["resource"] == exact(client.get(f"{base}/_history/{version}"))
    moments = [entry["response"]["lastModified"] for entry in found]
    assert moments == sorted(moments, reverse=True)


def test_the_numbers_in_a_history_are_spelled_as_they_were_sent(client: Client, resource: Json):
    first = exact(client.post(MR, resource, FHIR))
    assert '"value":400.0' in client.get(f"{MR}/{first['id']}/_history").text


def test_the_history_of_a_type_and_of_everything(client: Client, resource: Json):
    name = lived(client, resource)
    patient = exact(client.post("/fhir/r4/Patient", {"resourceType": "Patient", "birthDate": "1970-01"}, FHIR))
    orders = entries(client, f"{MR}/_history")
    assert [entry["response"]["etag"] for entry in orders] == [f'W/"{number}"' for number in (4, 3, 2, 1)]
    everything = entries(client, "/fhir/r4/_history")
    assert everything[0]["fullUrl"] == f"{HOST}/fhir/r4/Patient/{patient['id']}"
    assert everything[1:] == orders
    assert orders[0]["fullUrl"].endswith(name)
    assert entries(client, "/fhir/r4/MedicationAdministration/_history") == []


def test_since_and_at_narrow_a_history_down(client: Client, resource: Json):
    name = lived(client, resource)
    path = f"{MR}/{name}/_history"
    everything = entries(client, path)
    moment = {entry["response"]["etag"][3:-1]: entry["response"]["lastModified"] for entry in everything}

    def versions(query: str) -> list[str]:
        return [entry["response"]["etag"][3:-1] for entry in entries(client, f"{path}?{query}")]

    assert versions(f"_since={moment['3']}") == ["4", "3"]
    assert versions("_since=2020") == ["4", "3", "2", "1"]
    assert versions("_since=2090-01-01T00:00:00Z") == []
    assert versions(f"_at={moment['2']}") == ["2"]
    assert versions("_at=2026") == ["4", "3", "2", "1"]
    assert versions("_at=2020") == []
    assert versions("_at=2090") == ["4"]
    assert versions(f"_since={moment['2']}&_at=2026&_count=1") == ["4", "3", "2"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("_since=yesterday", "invalid"),
        ("_since=", "invalid"),
        ("_since=2026&_since=2025", "invalid"),
        ("_at=2026-02-30", "invalid"),
        ("_at=ge2026", "invalid"),
        ("_count=-1", "invalid"),
        ("_count=0", "invalid"),
        ("_count=x", "invalid"),
        ("_page=forged", "invalid"),
        ("_sort=status", "not-supported"),
        ("_list=x", "not-supported"),
        ("patient=7", "not-supported"),
        ("_since=%FF", "invalid"),
        ("_since=%00", "invalid"),
    ],
)
def test_what_a_history_does_not_know_is_400(client: Client, query: str, code: str):
    for path in (f"{MR}/_history", "/fhir/r4/_history"):
        reply = client.get(f"{path}?{query}")
        assert (reply.status_code, issues(reply)[0]["code"]) == (400, code)


def test_the_history_of_what_never_was_is_404_and_that_of_a_type_that_is_not_served_too(client: Client):
    assert client.get(f"{MR}/nothing/_history").status_code == 404
    assert client.get("/fhir/r4/Basic/_history").status_code == 404
    assert client.get("/fhir/r3/_history").status_code == 404


def test_a_page_token_opens_only_the_history_it_was_made_for(client: Client, resource: Json):
    name = lived(client, resource)
    bundle = exact(client.get(f"{MR}/{name}/_history?_count=1"))
    token = bundle["link"][1]["url"].partition("_page=")[2]
    assert client.get(f"{MR}/{name}/_history?_count=2&_page={token}").status_code == 200
    for other in (f"{MR}/_history", "/fhir/r4/_history", f"/fhir/r5/MedicationRequest/{name}/_history"):
        assert client.get(f"{other}?_count=1&_page={token}").status_code == 400
    assert client.get(f"{MR}/{name}/_history?_count=1&_since=2020&_page={token}").status_code == 400
    assert client.get(f"{MR}/{name}/_history?_count=1&_page={quote(token[:-2])}AA").status_code == 400


def test_what_this_release_cannot_say_stands_as_an_outcome_at_its_place(client: Client):
    order = {
        "resourceType": "MedicationRequest",
        "status": "ended",
        "intent": "order",
        "medication": {"concept": {"text": "dobutamine"}},
        "subject": {"reference": "Patient/7"},
    }
    first = exact(client.post("/fhir/r5/MedicationRequest", order, FHIR))
    (entry,) = entries(client, f"{MR}/{first['id']}/_history")
    assert "resource" not in entry
    assert told(entry) == ("POST", "MedicationRequest", "406", 'W/"1"')
    outcome = entry["response"]["outcome"]
    assert outcome["resourceType"] == "OperationOutcome"
    assert "reading it in R5" in outcome["issue"][0]["diagnostics"]
    (said,) = entries(client, f"/fhir/r5/MedicationRequest/{first['id']}/_history")
    assert said["resource"]["status"] == "ended"


def test_two_versions_of_one_resource_are_each_translated(client: Client, resource: Json):
    first = exact(client.post(MR, resource, FHIR))
    changed = {**resource, "id": first["id"], "priority": "stat"}
    assert client.put(f"{MR}/{first['id']}", changed, FHIR, if_match='W/"1"').status_code == 200
    newest, oldest = entries(client, f"/fhir/r5/MedicationRequest/{first['id']}/_history")
    assert (newest["resource"]["priority"], "priority" in oldest["resource"]) == ("stat", "priority" in resource)


def patient(number: int) -> Json:
    return text.read(f'{{"resourceType":"Patient","identifier":[{{"system":"urn:p","value":"{number}"}}]}}')


def walked(service: Service, caller: Caller, of: Of, size: int) -> list[tuple[str, int]]:
    found, before = [], None
    while True:
        page = history.page(service, caller, "R4", of, size, before)
        found += [(event.id, event.version) for event in page.events]
        if page.before is None:
            return found
        before = page.before


def test_paging_while_others_write_misses_nothing_and_repeats_nothing(make_service: Make):
    service, caller = make_service(), Caller("default", "ehr")
    chance = random.Random(7)
    for _ in range(count(5, 40)):
        made = [accept_resource.create(service, caller, "R4", patient(number)).id for number in range(6)]
        before = set(walked(service, caller, Of("Patient"), 500))
        stop = threading.Event()

        def write(names: list[str] = made, stop: threading.Event = stop) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                body: dict[str, Any] = {**patient(number), "id": names[number % len(names)]}
                accept_resource.update(service, caller, "R4", str(body["id"]), body)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        found = walked(service, caller, Of("Patient"), chance.randint(1, 4))
        stop.set()
        for thread in threads:
            thread.join()
        assert len(found) == len(set(found))
        assert before <= set(found)


def test_another_tenant_has_another_history_p8(make_service: Make):
    service = make_service()
    made = accept_resource.create(service, Caller("mine", "ehr"), "R4", patient(1))
    assert walked(service, Caller("mine", "ehr"), Of(), 10) == [(made.id, 1)]
    assert walked(service, Caller("other", "ehr"), Of(), 10) == []


@pytest.mark.parametrize("release", RELEASES)
def test_a_summary_or_some_elements_of_each_version_go_on_from_page_to_page(
    client: Client, resource: Json, release: str
):
    for number in range(3):
        sent = {**resource, "id": "o", "priority": ("stat", "asap", "urgent")[number]}
        match = {"if_match": f'W/"{number}"'} if number else {}
        assert client.put(f"{MR}/o", sent, FHIR, **match).status_code < 300
    at = f"/fhir/{release}/MedicationRequest"
    for path in (f"{at}/o/_history?_count=2", f"{at}/_history?_count=2"):
        told = entries(client, f"{path}&_elements=priority")
        assert [one["resource"]["priority"] for one in told] == ["urgent", "asap", "stat"]
        assert {"dosageInstruction" in one["resource"] for one in told} == {False}
    for path in (f"{at}/o/_history?_count=1", f"{at}/_history?_count=1", f"/fhir/{release}/_history?_count=1"):
        told = entries(client, f"{path}&_summary=true")
        assert len(told) == 3
        assert {one["resource"]["meta"]["tag"][-1]["code"] for one in told} == {"SUBSETTED"}
        assert {"dosageInstruction" in one["resource"] for one in told} == {False}
        assert client.get(f"{path}&_summary=count").status_code == 400
    assert client.get(f"{at}/_history?_elements=nothing").status_code == 400
    assert client.get(f"/fhir/{release}/_history?_elements=status").status_code == 400
