"""The FHIR interface: read, vread, create, update, search, metadata."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from fhir_infusion.config import profiles_dir
from fhir_infusion.fhir.served import SERVED
from tests import conformance_table
from tests.exact_json import dumps
from tests.web.conftest import FHIR, Client, Json, exact, issues

MR = "/fhir/r4/MedicationRequest"
MA = "/fhir/r4/MedicationAdministration"
SYSTEM = "https://example.org/fhir-infusion/orders"


def without_meta(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in {"id", "meta"}}


def made(client: Client, resource: Json, **changes: object) -> Json:
    reply = client.post(MR, {**resource, **changes}, FHIR)
    assert reply.status_code == 201, reply.text
    body: Json = exact(reply)
    return body


def numbered(resource: Json, number: int, **changes: object) -> Json:
    return {**resource, "identifier": [{"system": SYSTEM, "value": f"ORD-{number}"}], **changes}


def test_a_created_resource_is_kept_to_the_digit_under_an_id_of_ours(client: Client, resource: Json):
    reply = client.post(MR, resource, FHIR)
    body = exact(reply)
    assert reply.status_code == 201
    assert without_meta(body) == resource
    assert '"value":400.0' in reply.text
    assert body["meta"]["versionId"] == "1"
    assert reply.headers["Location"] == f"http://localhost{MR}/{body['id']}/_history/1"
    assert (reply.headers["ETag"], reply.headers["Last-Modified"][-3:]) == ('W/"1"', "GMT")
    assert reply.headers["Content-Type"] == "application/fhir+json; fhirVersion=4.0; charset=utf-8"
    assert client.get(f"{MR}/{body['id']}").data == reply.data
    assert client.get(reply.headers["Location"]).data == reply.data


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [
        ("return=minimal", None),
        ("return=representation", "MedicationRequest"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("respond-async, return=OperationOutcome", "OperationOutcome"),
        ("return=nonsense", "MedicationRequest"),
        ("return=minimal, return=representation", None),
    ],
)
def test_prefer_decides_the_body_of_the_answer(client: Client, resource: Json, prefer: str, kind: str | None):
    reply = client.post(MR, resource, FHIR, prefer=prefer)
    assert reply.status_code == 201
    assert reply.headers["ETag"] == 'W/"1"'
    assert reply.data == b"" if kind is None else exact(reply)["resourceType"] == kind


def test_a_conditional_create_answers_with_what_is_there(client: Client, resource: Json):
    first = made(client, resource)
    # The header asks for what is there, whatever the body says.
    reply = client.post(MR, {**resource, "status": "draft"}, FHIR, if_none_exist=f"identifier={SYSTEM}|DEMO-3")
    assert (reply.status_code, exact(reply)) == (200, first)
    other = client.post(MR, numbered(resource, 9), FHIR, if_none_exist=f"identifier={SYSTEM}|ORD-9")
    assert other.status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        "identifier=",
        "identifier=|",
        f"identifier={SYSTEM}|a&b",
        f"identifier={SYSTEM}|a&nonsense=1",
        "_count=1",
        "_sort=_lastUpdated",
        "Patient?identifier=a|b",
        "http://other.example/fhir/r4/MedicationRequest?identifier=a|b",
        "http://localhost/fhir/r5/MedicationRequest?identifier=a|b",
        "identifier=%FF",
        "",
        "?",
        "nonsense",
    ],
)
def test_a_conditional_create_by_what_is_no_search_for_its_type_here_is_400(
    client: Client, resource: Json, header: str
):
    reply = client.post(MR, resource, FHIR, if_none_exist=header)
    assert reply.status_code == 400
    assert "entry" not in exact(client.get(MR))


def test_the_same_resource_again_is_200_and_another_under_its_identifier_422(client: Client, resource: Json):
    first = made(client, resource)
    again = client.post(MR, resource, FHIR)
    assert (again.status_code, exact(again)["id"]) == (200, first["id"])
    other = client.post(MR, {**resource, "priority": "stat"}, FHIR)
    assert other.status_code == 422


def test_an_update_makes_a_version_and_the_old_one_stays_readable(client: Client, resource: Json):
    first = made(client, resource)
    path = f"{MR}/{first['id']}"
    reply = client.put(path, {**resource, "id": first["id"], "priority": "stat"}, FHIR, if_match='W/"1"')
    assert (reply.status_code, reply.headers["ETag"]) == (200, 'W/"2"')
    assert exact(client.get(path))["priority"] == "stat"
    old = client.get(f"{path}/_history/1")
    assert (old.status_code, exact(old)) == (200, first)
    assert client.get(f"{path}/_history/3").status_code == 404
    assert client.get(f"{path}/_history/x").status_code == 404


def test_an_update_without_if_match_is_400_and_a_stale_one_412(client: Client, resource: Json):
    first = made(client, resource)
    path, changed = f"{MR}/{first['id']}", {**resource, "id": first["id"], "priority": "stat"}
    assert client.put(path, changed, FHIR).status_code == 400
    assert client.put(path, changed, FHIR, if_match='W/"2"').status_code == 412
    assert client.put(path, changed, FHIR, if_match='W/"1"').status_code == 200
    assert client.put(path, changed, FHIR, if_match='W/"1"').status_code == 412


def test_an_administration_is_not_overwritten_with_a_stale_version_and_never_moved_to_another_patient_h10_h17(
    client: Client,
):
    given = {
        "resourceType": "MedicationAdministration",
        "status": "in-progress",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/7"},
        "effectiveDateTime": "2026-01-01",
    }
    first = exact(client.post(MA, given, FHIR))
    path, changed = f"{MA}/{first['id']}", {**first, "status": "completed"}
    moved = client.put(path, {**first, "subject": {"reference": "Patient/8"}}, FHIR)
    assert (moved.status_code, issues(moved)[0]["code"], issues(moved)[0]["path"]) == (422, "business-rule", "patient")
    assert client.put(path, changed, FHIR).status_code == 200
    assert client.put(path, changed, FHIR, if_match='W/"1"').status_code == 412


def test_an_update_of_what_is_not_there_creates_it_under_the_clients_id(client: Client, resource: Json):
    reply = client.put(f"{MR}/of-the-client", {**resource, "id": "of-the-client"}, FHIR)
    assert (reply.status_code, exact(reply)["id"]) == (201, "of-the-client")
    assert reply.headers["Location"].endswith(f"{MR}/of-the-client/_history/1")


@pytest.mark.parametrize("change", [{}, {"id": "other"}])
def test_an_update_whose_id_is_not_that_of_the_address_is_400(client: Client, resource: Json, change: Json):
    reply = client.put(f"{MR}/mine", {**resource, **change}, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "MedicationRequest.id")


def test_a_reader_that_has_the_version_gets_304(client: Client, resource: Json):
    first = client.post(MR, resource, FHIR)
    path = f"{MR}/{exact(first)['id']}"
    reply = client.get(path, if_none_match='W/"1"')
    assert (reply.status_code, reply.data, reply.headers["ETag"]) == (304, b"", 'W/"1"')
    assert client.get(path, if_none_match='W/"0", W/"1"').status_code == 304
    assert client.get(path, if_modified_since=first.headers["Last-Modified"]).status_code == 304
    assert client.get(path, if_modified_since="Thu, 01 Jan 2015 00:00:00 GMT").status_code == 200
    assert client.get(path, if_none_match='W/"2"', if_modified_since=first.headers["Last-Modified"]).status_code == 200


def test_who_read_in_the_second_of_a_change_is_not_told_that_nothing_changed(client: Client, resource: Json):
    first = client.post(MR, resource, FHIR)
    path = f"{MR}/{exact(first)['id']}"
    stopped = client.put(path, {**exact(first), "status": "stopped"}, FHIR, if_match='W/"1"')
    second = stopped.headers["Last-Modified"]
    again = client.get(path, if_modified_since=second)
    assert (again.status_code, exact(again)["status"]) == (200, "stopped")
    later = format_datetime(parsedate_to_datetime(second) + timedelta(seconds=1), usegmt=True)
    assert client.get(path, if_modified_since=later).status_code == 304


@pytest.mark.parametrize("media", ["APPLICATION/FHIR+JSON", "Application/Json; Charset=UTF-8"])
def test_the_case_of_a_media_type_says_nothing(client: Client, resource: Json, media: str):
    reply = client.post(MR, resource, media, accept=media)
    assert reply.status_code == 201, reply.text
    path = f"{MR}/{exact(reply)['id']}"
    assert client.get(path, accept=media).status_code == 200
    assert client.get(f"{path}?_format={quote(media)}").status_code == 200


def test_a_change_on_condition_of_a_moment_is_400_so_that_no_condition_is_passed_over(client: Client):
    client.put("/fhir/r4/Patient/p", {"resourceType": "Patient", "id": "p"}, FHIR)
    moment = "Sun, 06 Nov 1994 08:49:37 GMT"
    body = {"resourceType": "Patient", "id": "p", "active": True}
    reply = client.put("/fhir/r4/Patient/p", body, FHIR, if_unmodified_since=moment)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "http.If-Unmodified-Since")
    assert client.delete("/fhir/r4/Patient/p", if_unmodified_since=moment).status_code == 400
    assert exact(client.get("/fhir/r4/Patient/p"))["meta"]["versionId"] == "1"


def test_what_was_written_in_one_release_is_read_in_the_others_with_equal_bodies(client: Client, resource: Json):
    first = made(client, resource)
    r5, again = (client.get(f"/fhir/r5/MedicationRequest/{first['id']}") for _ in range(2))
    assert r5.status_code == 200
    assert r5.data == again.data
    assert r5.headers["Content-Type"].startswith("application/fhir+json; fhirVersion=5.0")
    assert exact(r5)["medication"]["concept"]["text"] == "Fluconazole 400 mg in 200 mL"
    assert exact(client.get(f"/fhir/r4b/MedicationRequest/{first['id']}")) == first


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"ORD-1", "ORD-2", "ORD-3"}),
        ("identifier=ORD-1", {"ORD-1"}),
        (f"identifier={SYSTEM}|ORD-1", {"ORD-1"}),
        (f"identifier={SYSTEM}|ORD-1,{SYSTEM}|ORD-2", {"ORD-1", "ORD-2"}),
        ("identifier=other|ORD-1", set()),
        ("status=active", {"ORD-1", "ORD-3"}),
        ("status=active&identifier=ORD-3", {"ORD-3"}),
        ("patient=Patient/7", {"ORD-3"}),
        ("subject=Patient/7", {"ORD-3"}),
        ("patient=7", {"ORD-3"}),
        ("patient=http://localhost/fhir/r4/Patient/7", {"ORD-3"}),
        ("subject=Patient/8,http://localhost/fhir/r5/Patient/7", {"ORD-3"}),
        ("patient=http://localhost.example/fhir/r4/Patient/7", set()),
        ("patient:identifier=https://example.org/fhir-infusion/patients|DEMO-P3", {"ORD-1", "ORD-2"}),
        ("authoredon=2026-01-02", {"ORD-1", "ORD-2"}),
        ("authoredon=ge2026-02", {"ORD-3"}),
        ("authoredon=lt2026-01-02T07:00:00Z", {"ORD-1", "ORD-2"}),
        ("_lastUpdated=ge2020", {"ORD-1", "ORD-2", "ORD-3"}),
        ("_lastUpdated=gt2090", set()),
        ("_id=id-1", {"ORD-1"}),
        ("_id=id-1,id-2", {"ORD-1", "ORD-2"}),
        ("_id=nothing", set()),
    ],
)
def test_orders_are_found_by(client: Client, resource: Json, query: str, found: set[str]):
    made(client, numbered(resource, 1))
    made(client, numbered(resource, 2, status="on-hold"))
    made(client, numbered(resource, 3, subject={"reference": "Patient/7"}, authoredOn="2026-03-01"))
    reply = client.get(f"{MR}?{query}")
    assert reply.status_code == 200, reply.text
    bundle = exact(reply)
    entries = bundle.get("entry", [])
    assert {entry["resource"]["identifier"][0]["value"] for entry in entries} == found
    assert (bundle["type"], "total" in bundle) == ("searchset", False)
    for entry in entries:
        assert entry["search"] == {"mode": "match"}
        assert exact(client.get(entry["fullUrl"])) == entry["resource"]
    body = query.replace("+", "%2B")
    posted = client.post(f"{MR}/_search", body, "application/x-www-form-urlencoded")
    assert exact(posted).get("entry", []) == entries


def test_medication_dates_have_the_name_of_their_release(client: Client, resource: Json, administration: Json):
    made(client, {**resource, "dosageInstruction": [{"timing": {"event": ["2026-05-01"]}, "text": "once"}]})
    assert len(exact(client.get(f"{MR}?date=2026-05-01"))["entry"]) == 1
    assert client.get(f"{MR}?combo-date=2026-05-01").status_code == 400
    assert len(exact(client.get("/fhir/r5/MedicationRequest?combo-date=2026-05-01"))["entry"]) == 1
    assert client.get("/fhir/r5/MedicationRequest?date=2026-05-01").status_code == 400
    assert client.post("/api/administrations", administration).status_code == 201
    assert len(exact(client.get(f"{MA}?effective-time=2026-01-02"))["entry"]) >= 1
    assert len(exact(client.get("/fhir/r5/MedicationAdministration?date=ge2026-01-02"))["entry"]) == 3
    assert client.get("/fhir/r5/MedicationAdministration?effective-time=2026").status_code == 400


def test_a_page_follows_a_page_without_gap_or_repetition_and_links_tell_the_truth(client: Client, resource: Json):
    for number in range(5):
        made(client, numbered(resource, number))
    address, seen, selves = f"{MR}?status=active&_count=2", [], []
    while address:
        bundle = exact(client.get(address))
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        seen += [entry["resource"]["identifier"][0]["value"] for entry in bundle["entry"]]
        assert exact(client.get(links["self"])) == bundle
        selves.append(dict(parse_qsl(urlsplit(links["self"]).query)))
        address = links.get("next", "")
    assert seen == [f"ORD-{number}" for number in range(5)]
    assert [(query["status"], query["_count"]) for query in selves] == [("active", "2")] * 3


def test_a_search_by_post_is_paged_by_get(client: Client, resource: Json):
    for number in range(3):
        made(client, numbered(resource, number))
    first = exact(client.post(f"{MR}/_search?_count=2", "status=active", "application/x-www-form-urlencoded"))
    links = {link["relation"]: link["url"] for link in first["link"]}
    second = exact(client.get(links["next"]))
    assert len(first["entry"]) + len(second["entry"]) == 3


def test_what_is_passed_over_under_lenient_handling_is_not_in_the_self_link(client: Client, resource: Json):
    made(client, resource)
    query = f"{MR}?status=active&colour=red&_include=x"
    strict = client.get(query)
    assert (strict.status_code, issues(strict)[0]["code"]) == (400, "not-supported")
    lenient = client.get(query, prefer="handling=lenient")
    assert lenient.status_code == 200
    (self_link,) = [link["url"] for link in exact(lenient)["link"] if link["relation"] == "self"]
    assert dict(parse_qsl(urlsplit(self_link).query)) == {"status": "active", "_count": "50"}


def test_what_is_passed_over_under_lenient_handling_is_told_beside_what_is_found(client: Client, resource: Json):
    made(client, resource)
    found, told = exact(client.get(f"{MR}?foo=1&status=active", prefer="handling=lenient"))["entry"]
    assert (found["search"]["mode"], told["search"]["mode"]) == ("match", "outcome")
    (issue,) = told["resource"]["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "not-supported")
    assert len(exact(client.get(f"{MR}?status=active", prefer="handling=lenient"))["entry"]) == 1


def test_a_wrong_value_is_400_even_under_lenient_handling(client: Client):
    assert client.get(f"{MR}?authoredon=yesterday", prefer="handling=lenient").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["_count=-1", "_count=x", "_page=abc", "authoredon=2026-13", "authoredon=zz2026", "status:in=a", "_sort=patient"],
)
def test_a_search_that_is_not_understood_is_400(client: Client, query: str):
    reply = client.get(f"{MR}?{query}")
    assert (reply.status_code, exact(reply)["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_the_capability_statement_is_true(client: Client, release: str):
    reply = client.get(f"/fhir/{release}/metadata")
    statement = exact(reply)
    assert reply.status_code == 200
    assert statement["fhirVersion"] == {"r4": "4.0.1", "r4b": "4.3.0", "r5": "5.0.0"}[release]
    (rest,) = statement["rest"]
    topics = "Basic" if release == "r4" else "SubscriptionTopic"
    ours = ("StructureDefinition", "ValueSet", "CodeSystem", "OperationDefinition", "ConceptMap", "StructureMap")
    assert [one["type"] for one in rest["resource"]] == [*SERVED, "Subscription", topics, *ours]
    for one in rest["resource"][:2]:
        (profile,) = one["supportedProfile"]
        shipped = [json.loads(path.read_text()) for path in profiles_dir().glob("r?/StructureDefinition-*.json")]
        assert [each["type"] for each in shipped if each["url"] == profile] == [one["type"]]
        unknown = {"_id", "_lastUpdated", "identifier", "status", "patient", "subject"} - {
            parameter["name"] for parameter in one["searchParam"]
        }
        assert unknown == set()


INTERACTIONS = {
    "read": "GET /{fhir_type}/{resource_id}",
    "vread": "GET /{fhir_type}/{resource_id}/_history/{version}",
    "create": "POST /{fhir_type}",
    "update": "PUT /{fhir_type}/{resource_id}",
    "patch": "PATCH /{fhir_type}/{resource_id}",
    "delete": "DELETE /{fhir_type}/{resource_id}",
    "history-instance": "GET /{fhir_type}/{resource_id}/_history",
    "history-type": "GET /{fhir_type}/_history",
    "search-type": "GET /{fhir_type}",
    "history-system": "GET /_history",
    "transaction": "POST ",
    "batch": "POST ",
}


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_every_interaction_that_the_capability_statement_names_has_its_route(client: Client, release: str):
    statement = exact(client.get(f"/fhir/{release}/metadata"))
    documented = {
        f"{method.upper()} {path.removeprefix('/fhir/{release}')}"
        for path, methods in exact(client.get("/openapi.json"))["paths"].items()
        for method in methods
        if path.startswith("/fhir/")
    }
    (rest,) = statement["rest"]
    for one in rest["resource"]:
        assert {INTERACTIONS[each["code"]] for each in one["interaction"]} <= documented
        if one["type"] not in SERVED:
            continue
        conditional = {"conditionalCreate", "conditionalUpdate", *(["conditionalPatch"] if release == "r5" else [])}
        assert all(one[name] is True for name in conditional)
        assert (one["conditionalDelete"], one["readHistory"]) == ("single", True)
    assert {INTERACTIONS[each["code"]].rstrip("/") for each in rest["interaction"]} <= {
        each.rstrip("/") for each in documented
    }
    assert statement["patchFormat"] == ["application/json-patch+json", "application/fhir+json"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/r3/MedicationRequest", 404),
        ("/fhir/r4/Account", 404),
        ("/fhir/r4/Account/1", 404),
        ("/fhir/r4/MedicationRequest/none", 404),
        ("/fhir/r4/nothing/at/all/here", 404),
    ],
)
def test_what_is_not_served_is_an_operation_outcome(client: Client, path: str, status: int):
    reply = client.get(path)
    assert (reply.status_code, exact(reply)["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", f"{MR}/1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", f"{MR}/1/_history/1", "GET, HEAD"),
        ("DELETE", f"{MR}/1/_history", "GET, HEAD"),
        ("DELETE", "/api/orders/1", "GET, HEAD, PUT"),
        ("DELETE", "/api/orders", "GET, HEAD, POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("OPTIONS", MR, "DELETE, GET, HEAD, PATCH, POST, PUT"),
    ],
)
def test_a_method_that_is_not_offered_is_405_with_those_that_are(client: Client, method: str, path: str, allowed: str):
    reply = client.flask.open(path, method=method)
    assert (reply.status_code, reply.headers["Allow"]) == (405, allowed)


def test_head_is_get_without_the_body(client: Client, resource: Json):
    first = made(client, resource)
    reply = client.flask.head(f"{MR}/{first['id']}")
    assert (reply.status_code, reply.data, reply.headers["ETag"]) == (200, b"", 'W/"1"')
    assert int(reply.headers["Content-Length"]) == len(client.get(f"{MR}/{first['id']}").data)


def test_summing_doses_over_a_search_counts_each_milligram_once(client: Client, order: Json, administration: Json):
    client.post("/api/orders", order)
    client.post("/api/administrations", administration)
    bundle = exact(client.get(MA))
    doses = [
        entry["resource"]["dosage"]["dose"]["value"]
        for entry in bundle["entry"]
        if "dose" in entry["resource"].get("dosage", {})
    ]
    assert dumps(doses) == "[10.875]"


def test_segments_are_administrations_of_their_own_that_name_their_parent(client: Client, administration: Json):
    client.post("/api/administrations", administration)
    resources = [entry["resource"] for entry in exact(client.get(MA))["entry"]]
    parent, *children = resources
    assert "partOf" not in parent
    for child in children:
        assert child["partOf"][0]["identifier"]["value"] == "DEMO-2-A"
        assert child["dosage"]["rateQuantity"]["value"] in {2.50, 5.00}


def test_a_child_that_carries_a_dose_as_its_parent_does_is_told_to_who_posts_it(client: Client):
    dose = {"dose": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}}
    parent = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "morphine"},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2024-01-01T10:00:00Z",
        "dosage": dose,
    }
    made = exact(client.post("/fhir/r4/MedicationAdministration", parent, FHIR))
    child = {**parent, "partOf": [{"reference": f"MedicationAdministration/{made['id']}"}]}
    reply = client.post("/fhir/r4/MedicationAdministration", child, FHIR, prefer="return=OperationOutcome")
    assert reply.status_code == 201
    issue, unresolved = exact(reply)["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "business-rule")
    assert "both carry a dose" in dumps(issue)
    assert (unresolved["severity"], unresolved["code"]) == ("information", "not-found")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        *((method, "Patient/$foo") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
        ("GET", "$foo"),
        ("POST", "$foo"),
        ("GET", "Patient/7/$foo"),
        ("POST", "Patient/7/$foo/"),
        ("GET", "Patient/$everything"),
        ("GET", "Observation/7/$everything"),
    ],
)
def test_an_operation_that_there_is_not_is_404_and_told_as_one(client: Client, method: str, address: str):
    reply = client.flask.open(f"/fhir/r4/{address}", method=method, data="{}", content_type=FHIR)
    told = issues(reply)[0]
    assert (reply.status_code, told["code"]) == (404, "not-supported")
    assert told["reason"].startswith("there is no such operation here")


def test_an_operation_asked_for_by_a_method_that_it_has_not_is_405(client: Client):
    reply = client.put("/fhir/r4/Patient/7/$everything", {}, FHIR)
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
@pytest.mark.parametrize("query", conformance_table.REFUSED)
def test_a_search_that_the_conformance_page_calls_absent_is_400(client: Client, query: str, release: str):
    assert client.get(f"/fhir/{release}/{query}").status_code == 400
