"""``/api/orders`` and ``/api/administrations``: our own JSON."""

from __future__ import annotations

import pytest

from tests.web.conftest import Client, Json, exact, issues


def test_a_new_order_is_201_with_its_address_and_version(client: Client, order: Json):
    reply = client.post("/api/orders", order)
    assert reply.status_code == 201
    body = exact(reply)
    assert set(body) == {"id", "version", "record", "findings"}
    assert body["version"] == "1"
    assert body["record"] == order
    assert '"value":2.50' in reply.text
    assert reply.headers["ETag"] == 'W/"1"'
    assert reply.headers["Location"] == f"http://localhost/api/orders/{body['id']}"
    assert client.get(reply.headers["Location"]).status_code == 200


def test_the_record_member_may_be_left_out(client: Client, order: Json):
    del order["record"]
    reply = client.post("/api/orders", order)
    assert reply.status_code == 201
    assert exact(reply)["record"]["record"] == "InfusionOrder"


def test_the_same_order_again_is_200_with_the_current_state_and_no_new_version(client: Client, order: Json):
    first = exact(client.post("/api/orders", order))
    changed = {**order, "priority": "stat"}
    assert client.put(f"/api/orders/{first['id']}", changed, if_match='W/"1"').status_code == 200
    again = client.post("/api/orders", order)
    assert (again.status_code, again.headers["ETag"]) == (200, 'W/"2"')
    assert exact(again)["record"]["priority"] == "stat"
    assert exact(again)["id"] == first["id"]


def test_the_same_order_id_with_another_body_is_422(client: Client, order: Json):
    client.post("/api/orders", order)
    reply = client.post("/api/orders", {**order, "priority": "stat"})
    assert reply.status_code == 422
    assert issues(reply)[0]["path"] == "order_id"
    assert len(exact(client.get("/api/orders"))["items"]) == 1


def test_an_idempotency_key_makes_one_order_of_two_requests(client: Client, order: Json):
    del order["order_id"]
    first = client.post("/api/orders", order, idempotency_key="k-1")
    again = client.post("/api/orders", order, idempotency_key="k-1")
    other = client.post("/api/orders", order, idempotency_key="k-2")
    assert [first.status_code, again.status_code, other.status_code] == [201, 201, 201]
    assert exact(first) == exact(again)
    assert exact(first)["id"] != exact(other)["id"]
    changed = client.post("/api/orders", {**order, "priority": "stat"}, idempotency_key="k-1")
    assert changed.status_code == 422


@pytest.mark.parametrize("header", ["if_none_exist", "if_none_match", "if_match"])
def test_h5_a_condition_that_is_not_known_here_is_400_and_nothing_is_done(client: Client, order: Json, header: str):
    name = {"if_none_exist": "If-None-Exist", "if_none_match": "If-None-Match", "if_match": "If-Match"}[header]
    reply = client.post("/api/orders", order, **{header: "*"})
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, f"http.{name}")
    assert exact(client.get("/api/orders"))["items"] == []
    if header != "if_match":
        there = exact(client.post("/api/orders", order))["id"]
        changed = client.put(
            f"/api/orders/{there}", {**order, "priority": "stat"}, **{"if_match": 'W/"1"', header: "*"}
        )
        assert (changed.status_code, issues(changed)[0]["path"]) == (400, f"http.{name}")
        assert exact(client.get(f"/api/orders/{there}"))["version"] == "1"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä"])
def test_an_idempotency_key_that_is_none_is_400(client: Client, order: Json, key: str):
    assert client.post("/api/orders", order, idempotency_key=key).status_code == 400


def test_a_change_needs_the_version_that_was_read(client: Client, order: Json):
    made = exact(client.post("/api/orders", order))
    path, changed = f"/api/orders/{made['id']}", {**order, "priority": "stat"}
    missing = client.put(path, changed)
    assert (missing.status_code, issues(missing)[0]["path"]) == (400, "If-Match")
    assert client.put(path, changed, if_match='W/"9"').status_code == 412
    done = client.put(path, changed, if_match='W/"1"')
    assert (done.status_code, done.headers["ETag"]) == (200, 'W/"2"')
    stale = client.put(path, order, if_match='W/"1"')
    assert (stale.status_code, issues(stale)[0]["code"]) == (412, "conflict")


@pytest.mark.parametrize("value", ["*", 'W/"1", W/"2"', "1", '"', 'W/""'])
def test_an_if_match_that_names_no_single_version_is_400(client: Client, order: Json, value: str):
    made = exact(client.post("/api/orders", order))
    assert client.put(f"/api/orders/{made['id']}", order, if_match=value).status_code == 400


def test_a_strong_etag_names_the_version_as_well(client: Client, order: Json):
    made = exact(client.post("/api/orders", order))
    changed = {**order, "priority": "stat"}
    assert client.put(f"/api/orders/{made['id']}", changed, if_match='"1"').status_code == 200


def test_another_patient_on_an_existing_order_is_422(client: Client, order: Json):
    made = exact(client.post("/api/orders", order))
    order["patient"]["identifier"]["value"] = "DEMO-OTHER"
    reply = client.put(f"/api/orders/{made['id']}", order, if_match='W/"1"')
    assert reply.status_code == 422
    assert "DEMO-OTHER" not in reply.text


def test_a_reader_that_has_the_version_gets_304(client: Client, order: Json):
    made = client.post("/api/orders", order)
    path = f"/api/orders/{exact(made)['id']}"
    reply = client.get(path, if_none_match=made.headers["ETag"])
    assert (reply.status_code, reply.data) == (304, b"")
    assert client.get(path, if_none_match='W/"7"').status_code == 200


def test_what_is_not_there_is_404(client: Client, order: Json):
    assert client.get("/api/orders/none").status_code == 404
    assert client.put("/api/orders/none", order, if_match='W/"1"').status_code == 404
    made = exact(client.post("/api/orders", order))
    assert client.get(f"/api/administrations/{made['id']}").status_code == 404


def test_a_resource_of_fhir_is_told_where_it_is_taken_rather_than_each_of_its_members(client: Client):
    reply = client.post(
        "/api/orders", {"resourceType": "MedicationRequest", "status": "active", "subject": {"reference": "Patient/1"}}
    )
    (issue,) = exact(reply)["issues"]
    assert (reply.status_code, issue["path"]) == (400, "resourceType")
    assert issue["accepted"].startswith("the same at /fhir/r4/MedicationRequest")


def test_of_a_member_that_is_not_known_the_members_there_are_told(client: Client, order: Json):
    order["steps"][0]["timing"] = {"repeat": {"frequency": 1}}
    order["drug"] = "infliximab"
    order["colour"] = "red"
    order["caresetting"] = "clinic"
    told = {one["path"]: one["accepted"] for one in exact(client.post("/api/orders", order))["issues"]}
    assert {"frequency", "period", "period_unit", "duration"} <= set(told["steps[0].timing.repeat"].split(", "))
    assert told["drug"] == "a JSON object of concept_id, codings, text"
    assert told["colour"] == "what `fhir-infusion schema InfusionOrder` prints"
    assert told["caresetting"] == "care_setting, or what `fhir-infusion schema InfusionOrder` prints"


def test_a_unit_that_is_none_is_told_as_that_alone(client: Client, order: Json):
    order["steps"][0]["dosings"] = [{"rate": {"value": 5, "unit": "mL/uur"}}, {"rate": {"value": 5, "unit": "mL"}}]
    told = exact(client.post("/api/orders", order))["issues"]
    assert [(one["path"], one["rule"]) for one in told] == [
        ("steps[0].dosings[0].rate.unit", "ucum"),
        ("steps[0].dosings[1].rate.unit", "rate-per-time"),
    ]


def numbered(order: Json, number: int, **changes: object) -> Json:
    return {**order, "order_id": f"ORD-{number}", **changes}


def test_orders_are_found_by_order_id_patient_status_and_change(client: Client, order: Json):
    for number in range(3):
        client.post("/api/orders", numbered(order, number))
    client.post("/api/orders", numbered(order, 3, status="on-hold"))
    other = {**order["patient"], "identifier": {**order["patient"]["identifier"], "value": "DEMO-P9"}}
    client.post("/api/orders", numbered(order, 4, patient=other))

    def found(query: str) -> list[str]:
        return [item["record"]["order_id"] for item in exact(client.get(f"/api/orders?{query}"))["items"]]

    assert found("") == ["ORD-0", "ORD-1", "ORD-2", "ORD-3", "ORD-4"]
    assert found("order_id=ORD-1") == ["ORD-1"]
    assert found("status=on-hold") == ["ORD-3"]
    assert found("status=on-hold,active") == ["ORD-0", "ORD-1", "ORD-2", "ORD-3", "ORD-4"]
    assert found("patient=https://example.org/fhir-infusion/patients|DEMO-P9") == ["ORD-4"]
    assert found("changed_since=2099-01-01T00:00:00Z") == []
    assert len(found("changed_since=2020-01-01T00:00:00Z")) == 5


def test_who_refers_to_a_stored_patient_or_order_is_found_by_the_identifier_that_these_have(
    client: Client, order: Json
):
    numbers = "https://example.org/fhir-infusion/patients"
    person = {"resourceType": "Patient", "identifier": [{"system": numbers, "value": "DEMO-P7"}]}
    patient = {"reference": f"Patient/{exact(client.post('/fhir/r4/Patient', person, 'application/fhir+json'))['id']}"}
    placed = exact(client.post("/api/orders", numbered(order, 1, patient=patient)))
    orders = "https://example.org/fhir-infusion/orders"
    refers = ({"reference": f"MedicationRequest/{placed['id']}"}, {"identifier": {"system": orders, "value": "ORD-1"}})
    for number, reference in enumerate(refers):
        given: Json = {"record": "Administration", "administration_id": f"A-{number}", "status": "completed"}
        given |= {
            "drug": {"text": "infliximab"},
            "patient": patient,
            "when": {"start": "2026-01-05"},
            "order": reference,
        }
        assert client.post("/api/administrations", given).status_code == 201
    (found,) = exact(client.get(f"/api/orders?patient={numbers}|DEMO-P7"))["items"]
    assert found["record"]["order_id"] == "ORD-1"
    for query in (f"order={orders}|ORD-1", f"patient={numbers}|DEMO-P7"):
        items = exact(client.get(f"/api/administrations?{query}"))["items"]
        assert [item["record"]["administration_id"] for item in items] == ["A-0", "A-1"]


def test_a_number_alone_is_no_patient_and_no_order_rather_than_one_of_whom_nothing_is_found(client: Client):
    for address, path in (("orders?patient=DEMO-P7", "patient"), ("administrations?order=ORD-1", "order")):
        reply = client.get(f"/api/{address}")
        (issue,) = exact(reply)["issues"]
        assert (reply.status_code, issue["code"], issue["path"]) == (400, "invalid", path)
        assert issue["accepted"].startswith("a reference (")


def test_a_list_is_read_page_by_page_without_gap_or_repetition(client: Client, order: Json):
    for number in range(7):
        client.post("/api/orders", numbered(order, number))
    seen, address = [], "/api/orders?limit=3&status=active"
    pages = 0
    while address:
        body = exact(client.get(address))
        seen += [item["record"]["order_id"] for item in body["items"]]
        address, pages = body.get("next", ""), pages + 1
        # What arrives in between does not move what was there.
        client.post("/api/orders", numbered(order, 100 + pages, status="draft"))
    assert seen == [f"ORD-{number}" for number in range(7)]
    assert pages == 3


def test_a_page_token_opens_no_other_list(client: Client, order: Json):
    for number in range(3):
        client.post("/api/orders", numbered(order, number))
    token = exact(client.get("/api/orders?limit=1&status=active"))["next"].rpartition("page=")[2]
    assert client.get(f"/api/orders?limit=1&status=active&page={token}").status_code == 200
    assert client.get(f"/api/orders?limit=1&status=draft&page={token}").status_code == 400
    assert client.get(f"/api/orders?limit=1&page={token}").status_code == 400
    assert client.get(f"/api/administrations?limit=1&status=active&page={token}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "status=",
        "status=bogus",
        "status=active,bogus",
        "status=%00",
        "changed_since=yesterday",
        "page=x",
    ],
)
def test_a_query_that_is_not_understood_is_400_and_says_what_would_be(client: Client, query: str):
    reply = client.get(f"/api/orders?{query}")
    assert reply.status_code == 400
    assert exact(reply)["issues"][0].get("accepted")


def test_an_administration_with_rate_changes_is_one_record_here_and_several_in_fhir(
    client: Client, order: Json, administration: Json
):
    client.post("/api/orders", order)
    reply = client.post("/api/administrations", administration)
    assert reply.status_code == 201
    body = exact(reply)
    assert body["record"] == administration
    assert exact(client.get(f"/api/administrations/{body['id']}"))["record"] == administration
    assert len(exact(client.get("/api/administrations"))["items"]) == 1
    bundle = exact(client.get("/fhir/r4/MedicationAdministration"))
    assert len(bundle["entry"]) == 3
    assert client.post("/api/administrations", administration).status_code == 200


def test_an_order_posted_as_an_administration_is_400(client: Client, order: Json):
    reply = client.post("/api/administrations", order)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "record")


def test_findings_stand_in_the_answer_and_refuse_nothing(client: Client, order: Json):
    order["drug"] = order["preparation"] = None
    del order["drug"], order["preparation"]
    order["drug"] = {
        "codings": [
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "327361", "display": "adalimumab"}
        ],
        "text": "adalimumab",
    }
    reply = client.post("/api/orders", order)
    assert reply.status_code == 201
    assert exact(reply)["findings"]
    assert {one["severity"] for one in exact(reply)["findings"]} == {"warning"}
