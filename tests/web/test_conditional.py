"""Conditional update, patch, delete and create: one match at most, the same rules as by id, and no second resource."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.web.conftest import FHIR, Client, Json, exact, issues, text_of

MR = "/fhir/r4/MedicationRequest"
PATIENT = "/fhir/r4/Patient"
SYSTEM = "https://example.org/fhir-infusion/orders"
MINE = f"{MR}?identifier={SYSTEM}|DEMO-3"
STAT = '[{"op":"add","path":"/priority","value":"stat"}]'


def patient(value: str = "1", **more: object) -> Json:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:p", "value": value}], **more}


def stored(client: Client, path: str) -> list[Json]:
    return [entry["resource"] for entry in exact(client.get(path)).get("entry", [])]


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_an_update_by_criteria_creates_once_and_updates_then(client: Client, release: str):
    path = f"/fhir/{release}/Patient?identifier=urn:p|1"
    first = client.put(path, patient(), FHIR)
    assert (first.status_code, first.headers["ETag"]) == (201, 'W/"1"')
    same = client.put(path, patient(), FHIR)
    assert (same.status_code, same.headers["ETag"]) == (200, 'W/"1"')
    changed = client.put(path, patient(birthDate="1970-01"), FHIR)
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert exact(changed)["id"] == exact(first)["id"]
    assert len(stored(client, f"/fhir/{release}/Patient")) == 1


def test_an_order_that_is_there_needs_if_match_by_criteria_too_but_may_be_repeated_h17(client: Client, resource: Json):
    first = client.put(MINE, resource, FHIR)
    assert first.status_code == 201
    again = client.put(MINE, resource, FHIR)
    assert (again.status_code, exact(again)) == (200, exact(first))
    changed = {**resource, "priority": "stat"}
    missing, stale = client.put(MINE, changed, FHIR), client.put(MINE, changed, FHIR, if_match='W/"7"')
    assert (missing.status_code, issues(missing)[0]["code"]) == (400, "required")
    assert (stale.status_code, issues(stale)[0]["code"]) == (412, "conflict")
    done = client.put(MINE, changed, FHIR, if_match='W/"1"')
    assert (done.status_code, done.headers["ETag"]) == (200, 'W/"2"')
    assert client.put(MINE, changed, FHIR, if_match='W/"1"').status_code == 412


def test_an_update_with_if_match_of_what_is_not_there_is_412(client: Client, resource: Json):
    assert client.put(MINE, resource, FHIR, if_match='W/"1"').status_code == 412
    assert stored(client, MR) == []


def test_of_several_matches_none_is_touched(client: Client):
    for number in ("1", "2"):
        assert client.post(PATIENT, patient(number, active=True), FHIR).status_code == 201
    path, before = f"{PATIENT}?identifier=urn:p|1,urn:p|2", stored(client, PATIENT)
    for reply in (client.put(path, patient("1"), FHIR), client.patch(path, STAT), client.delete(path)):
        assert (reply.status_code, issues(reply)[0]["code"]) == (412, "multiple-matches")
    several = client.post(PATIENT, patient("3"), FHIR, if_none_exist="identifier=urn:p|1,urn:p|2")
    assert several.status_code == 412
    assert stored(client, PATIENT) == before


def test_the_id_of_the_body_is_that_of_what_is_found_or_a_new_one(client: Client):
    path = f"{PATIENT}?identifier=urn:p|1"
    first = client.put(path, {**patient(), "id": "mine"}, FHIR)
    assert (first.status_code, exact(first)["id"]) == (201, "mine")
    assert client.put(path, {**patient(active=True), "id": "mine"}, FHIR).status_code == 200
    other = client.put(path, {**patient(), "id": "other"}, FHIR)
    assert (other.status_code, issues(other)[0]["path"]) == (400, "id")
    taken = client.put(f"{PATIENT}?identifier=urn:p|2", {**patient("2"), "id": "mine"}, FHIR)
    assert (taken.status_code, issues(taken)[0]["path"]) == (409, "id")
    assert exact(client.get(f"{PATIENT}/mine"))["identifier"] == patient()["identifier"]


def test_what_does_not_meet_its_own_criteria_is_422_since_repeated_it_would_be_doubled(client: Client):
    reply = client.put(f"{PATIENT}?identifier=urn:p|1", patient("2"), FHIR)
    assert (reply.status_code, issues(reply)[0]["code"]) == (422, "business-rule")
    assert stored(client, PATIENT) == []


def test_a_patch_by_criteria(client: Client, resource: Json):
    assert client.patch(MINE, STAT, if_match='W/"1"').status_code == 404
    assert client.post(MR, resource, FHIR).status_code == 201
    assert client.patch(MINE, STAT).status_code == 400
    assert client.patch(MINE, STAT, if_match='W/"7"').status_code == 412
    done = client.patch(f"{MINE}&status=active", STAT, if_match='W/"1"')
    assert (done.status_code, done.headers["ETag"], exact(done)["priority"]) == (200, 'W/"2"', "stat")


def test_a_deletion_by_criteria(client: Client, resource: Json):
    assert client.delete(MINE).status_code == 204
    first = exact(client.post(MR, {**resource, "status": "stopped"}, FHIR))
    assert client.delete(MINE).status_code == 400
    assert client.delete(MINE, if_match='W/"7"').status_code == 412
    assert client.delete(MINE, if_match='W/"1"').status_code == 204
    assert client.get(f"{MR}/{first['id']}").status_code == 410
    assert client.delete(MINE).status_code == 204


def test_a_deletion_by_criteria_obeys_the_rules_of_a_deletion(client: Client, resource: Json):
    assert client.post(MR, resource, FHIR).status_code == 201
    assert client.delete(MINE, if_match='W/"1"').status_code == 409


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?identifier=",
        "?identifier=|",
        "?nonsense=1",
        "?identifier:nonsense=1",
        "?_count=1",
        "?_sort=_lastUpdated",
        "?_page=x",
        "?_format=json",
        "?identifier=%FF",
        "?identifier=%00",
        f"?identifier={SYSTEM}|DEMO-3&_count=1",
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_criteria_that_cannot_be_searched_by_are_400_and_nothing_is_done(
    client: Client, resource: Json, query: str, *, lenient: bool
):
    assert client.post(MR, {**resource, "status": "stopped"}, FHIR).status_code == 201
    before, headers = stored(client, MR), {"prefer": "handling=lenient"} if lenient else {}
    replies = (
        client.put(MR + query, {**resource, "status": "stopped"}, FHIR, **headers),
        client.patch(MR + query, STAT, if_match='W/"1"', **headers),
        client.delete(MR + query, if_match='W/"1"', **headers),
    )
    assert [reply.status_code for reply in replies] == [400, 400, 400]
    assert stored(client, MR) == before


def test_criteria_where_none_belong_are_400_since_they_would_be_passed_over(client: Client, resource: Json):
    assert client.post(MINE, resource, FHIR).status_code == 400
    assert stored(client, MR) == []
    first = exact(client.post(MR, resource, FHIR))
    path = f"{MR}/{first['id']}?identifier={SYSTEM}|DEMO-3"
    assert client.put(path, first, FHIR, if_match='W/"1"').status_code == 400
    assert client.patch(path, STAT, if_match='W/"1"').status_code == 400
    assert client.post(f"{MR}?_format=json", resource, FHIR).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "identifier={}",
        "?identifier={}",
        "MedicationRequest?identifier={}",
        "/fhir/r4/MedicationRequest?identifier={}",
        "http://localhost/fhir/r4/MedicationRequest?identifier={}",
        "identifier={}&status=active",
        "patient:identifier=https://example.org/fhir-infusion/patients|DEMO-P3",
        "identifier=DEMO-3",
    ],
)
def test_a_conditional_create_takes_every_search_for_its_type(client: Client, resource: Json, header: str):
    first = client.post(MR, resource, FHIR)
    condition = header.format(quote(f"{SYSTEM}|DEMO-3", safe=""))
    other = {**resource, "identifier": [{"system": SYSTEM, "value": "other"}]}
    reply = client.post(MR, other, FHIR, if_none_exist=condition)
    assert (reply.status_code, exact(reply)) == (200, exact(first))


def test_a_reference_to_our_own_address_is_a_criterion_as_it_is_in_a_search(client: Client, resource: Json):
    order = {**resource, "subject": {"reference": "Patient/7"}}
    assert client.post(MR, order, FHIR).status_code == 201
    path = f"{MR}?subject=http://localhost/fhir/r4/Patient/7"
    assert client.patch(path, STAT, if_match='W/"1"').status_code == 200


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [("return=minimal", None), ("return=representation", "Patient"), ("return=OperationOutcome",) * 2],
)
def test_prefer_decides_the_body_of_the_answer(client: Client, prefer: str, kind: str | None):
    reply = client.put(f"{PATIENT}?identifier=urn:p|1", patient(), FHIR, prefer=prefer)
    assert reply.status_code == 201
    assert reply.data == b"" if kind is None else exact(reply)["resourceType"] == kind.removeprefix("return=")


@pytest.mark.parametrize(
    ("method", "path", "header"),
    [
        ("PUT", f"{PATIENT}/other", "If-None-Exist"),
        ("PUT", f"{PATIENT}?identifier=urn:p|2", "If-None-Exist"),
        ("PATCH", f"{PATIENT}/here", "If-None-Exist"),
        ("DELETE", f"{PATIENT}/here", "If-None-Exist"),
        ("PATCH", f"{PATIENT}/here", "If-None-Match"),
        ("PATCH", f"{PATIENT}?identifier=urn:p|1", "If-None-Match"),
        ("DELETE", f"{PATIENT}/here", "If-None-Match"),
        ("DELETE", f"{PATIENT}?identifier=urn:p|1", "If-None-Match"),
        ("POST", PATIENT, "If-Match"),
    ],
)
def test_h5_a_condition_where_none_belongs_is_400_and_nothing_is_done(
    client: Client, method: str, path: str, header: str
):
    client.put(f"{PATIENT}/here", patient(id="here"), FHIR)
    condition = {"If-None-Exist": "identifier=urn:p|1", "If-None-Match": "*", "If-Match": 'W/"1"'}[header]
    sent: dict[str, tuple[object, str]] = {
        "PUT": (patient("2", id="other") if "?" not in path else patient("2"), FHIR),
        "POST": (patient("2"), FHIR),
        "PATCH": ([{"op": "add", "path": "/active", "value": True}], "application/json-patch+json"),
        "DELETE": ("", FHIR),
    }
    body, media = sent[method]
    reply = client.flask.open(path, method=method, data=text_of(body), content_type=media, headers={header: condition})
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, f"http.{header}")
    assert [one["meta"]["versionId"] for one in stored(client, PATIENT)] == ["1"]


@pytest.mark.parametrize("header", ["if_none_exist", "if_none_match", "if_match"])
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_a_condition_upon_a_bundle_is_refused_for_each_entry_has_its_own(client: Client, kind: str, header: str):
    entry = {"resource": patient("1"), "request": {"method": "POST", "url": "Patient"}}
    condition = {header: {"if_none_exist": "identifier=urn:p|1", "if_none_match": "*", "if_match": 'W/"1"'}[header]}
    reply = client.post("/fhir/r4", {"resourceType": "Bundle", "type": kind, "entry": [entry]}, FHIR, **condition)
    assert reply.status_code == 400
    assert exact(client.get(f"{PATIENT}?_total=accurate"))["total"] == 0
