"""Batch and transaction: references between entries, any order, all or nothing, once."""

from __future__ import annotations

import base64
import threading
from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.actions import second_opinion
from fhir_infusion.store import Store
from fhir_infusion.web.fhir import bundle as bundling
from tests import exact_json
from tests.web.conftest import FHIR, Client, exact, issues

Json = dict[str, Any]
PATIENT, ORDER, DRUG, GIVEN = (f"urn:uuid:00000000-0000-4000-8000-00000000000{number}" for number in range(4))
BASE = "/fhir/r4"


def entry(method: str, url: str, resource: Json | None = None, full_url: str = "", **request: str) -> Json:
    made: Json = {"request": {"method": method, "url": url, **request}}
    return {**({"fullUrl": full_url} if full_url else {}), **({"resource": resource} if resource else {}), **made}


def bundle(*entries: Json, kind: str = "transaction") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


@pytest.fixture
def whole(resource: Json) -> Json:
    """A patient, a drug, an order and what was given of it, the last first."""
    order = deepcopy(resource)
    order["subject"] = {"reference": PATIENT}
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationReference": {"reference": DRUG},
        "subject": {"reference": PATIENT},
        "request": {"reference": ORDER},
        "effectiveDateTime": "2026-01-02T10:00:00Z",
        "dosage": {"dose": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}},
    }
    named = [{"system": "urn:mrn", "value": "7"}]
    return bundle(
        entry("POST", "MedicationAdministration", given, GIVEN),
        entry("POST", "MedicationRequest", order, ORDER),
        entry("POST", "Medication", {"resourceType": "Medication", "code": {"text": "dobutamine"}}, DRUG),
        entry(
            "POST",
            "Patient",
            {"resourceType": "Patient", "identifier": named},
            PATIENT,
            ifNoneExist="identifier=urn:mrn|7",
        ),
    )


def locations(reply: Any) -> list[str]:
    return [one["response"].get("location", "").partition("/_history")[0] for one in exact(reply)["entry"]]


def total(client: Client) -> list[int]:
    kinds = ("MedicationAdministration", "MedicationRequest", "Medication", "Patient")
    return [len(exact(client.get(f"{BASE}/{kind}")).get("entry", ())) for kind in kinds]


@pytest.mark.parametrize("address", [BASE, f"{BASE}/"])
def test_a_transaction_keeps_all_and_its_references_lead_to_what_was_made(client: Client, whole: Json, address: str):
    reply = client.post(address, whole, FHIR)
    assert reply.status_code == 200
    answer = exact(reply)
    assert answer["type"] == "transaction-response"
    assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created"] * 4
    given, order, drug, patient = locations(reply)
    read = exact(client.get(f"{BASE}/{given}"))
    assert read["subject"]["reference"] == patient
    assert read["request"]["reference"] == order
    assert read["medicationReference"]["reference"] == drug
    assert exact(client.get(f"{BASE}/{order}"))["subject"]["reference"] == patient


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread in which each resource is read, checked and asked a second opinion about."""
    names: list[str] = []
    monkeypatch.setattr(second_opinion, "ask", lambda *_: names.append(threading.current_thread().name))
    return names


def test_the_resources_of_a_transaction_are_read_before_it_so_that_others_wait_for_writing_only(
    client: Client, whole: Json, readers: list[str]
):
    whole["entry"][1]["request"]["ifNoneExist"] = "identifier=http://example.org|no-other"
    assert client.post(BASE, whole, FHIR).status_code == 200
    assert readers == [threading.current_thread().name] * 4
    assert client.post(BASE, whole, FHIR).status_code == 200
    assert len(readers) == 4, "what had its effect before is not read again"


def test_what_changes_after_a_transaction_was_read_is_seen_by_it_all_the_same(
    client: Client, whole: Json, readers: list[str], monkeypatch: pytest.MonkeyPatch
):
    transact, patient = Store.transact, whole["entry"][3]["resource"]
    made: list[str] = []

    def beaten(store: Store, tenant: str, work: Any) -> Any:
        monkeypatch.setattr(Store, "transact", transact)
        made.append(exact(client.post(f"{BASE}/Patient", patient, FHIR))["id"])
        return transact(store, tenant, work)

    monkeypatch.setattr(Store, "transact", beaten)
    given, order, _, found = locations(client.post(BASE, whole, FHIR))
    assert found == f"Patient/{made[0]}"
    assert readers[-2:] == ["store-writer"] * 2, "what refers to that patient is read again"
    for one in (given, order):
        assert exact(client.get(f"{BASE}/{one}"))["subject"] == {"reference": found}


def test_one_entry_that_is_refused_undoes_all_and_is_named(client: Client, whole: Json):
    whole["entry"][0]["resource"]["status"] = "bogus"
    reply = client.post(BASE, whole, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "Bundle.entry[0].resource.status")
    assert total(client) == [0, 0, 0, 0]


def test_a_transaction_that_is_sent_again_has_its_effect_once(client: Client, whole: Json):
    first, second = (client.post(BASE, whole, FHIR) for _ in range(2))
    assert second.status_code == 200
    assert locations(first) == locations(second)
    assert [one["response"]["status"] for one in exact(second)["entry"]] == ["200 OK"] * 4
    assert total(client) == [1, 1, 1, 1]


def test_under_a_key_any_transaction_has_its_effect_once_and_another_body_is_422(client: Client):
    sent = bundle(entry("POST", "Patient", {"resourceType": "Patient", "active": True}))
    replies = [client.post(BASE, sent, FHIR, idempotency_key="k") for _ in range(2)]
    assert locations(replies[0]) == locations(replies[1])
    other = bundle(entry("POST", "Patient", {"resourceType": "Patient", "active": False}))
    assert client.post(BASE, other, FHIR, idempotency_key="k").status_code == 422
    assert total(client)[3] == 1


def test_what_is_there_by_its_condition_is_referred_to_and_not_made_again(client: Client, whole: Json):
    there = exact(
        client.post(
            f"{BASE}/Patient",
            {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]},
            FHIR,
        )
    )
    reply = client.post(BASE, whole, FHIR)
    assert exact(reply)["entry"][3]["response"]["status"] == "200 OK"
    order = exact(client.get(f"{BASE}/{locations(reply)[1]}"))
    assert order["subject"]["reference"] == f"Patient/{there['id']}"


def test_an_order_that_is_there_is_not_made_again_though_the_transaction_is_another(client: Client, whole: Json):
    client.post(BASE, whole, FHIR)
    order = locations(client.post(BASE, whole, FHIR))[1]
    del whole["entry"][0]
    reply = client.post(BASE, whole, FHIR)
    assert locations(reply)[0] == order
    assert total(client) == [1, 1, 2, 1]


def test_an_order_that_says_something_else_in_another_transaction_is_refused(client: Client, whole: Json):
    client.post(BASE, whole, FHIR)
    whole["entry"][1]["resource"]["priority"] = "stat"
    reply = client.post(BASE, whole, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (422, "Bundle.entry[1]")
    assert total(client) == [1, 1, 1, 1]


def test_a_conditional_reference_is_replaced_by_the_one_that_it_finds(client: Client, resource: Json):
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "8"}]}
    there = exact(client.post(f"{BASE}/Patient", patient, FHIR))
    order = {**resource, "subject": {"reference": "Patient?identifier=urn:mrn|8"}}
    reply = client.post(BASE, bundle(entry("POST", "MedicationRequest", order)), FHIR)
    assert exact(client.get(f"{BASE}/{locations(reply)[0]}"))["subject"]["reference"] == f"Patient/{there['id']}"


def test_a_conditional_reference_that_finds_none_or_several_is_412(client: Client, resource: Json):
    order = {**resource, "subject": {"reference": "Patient?identifier=urn:mrn|9"}}
    sent = bundle(entry("POST", "MedicationRequest", order))
    assert client.post(BASE, sent, FHIR).status_code == 412
    for _ in range(2):
        patient = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "9"}]}
        client.post(f"{BASE}/Patient", patient, FHIR)
    assert client.post(BASE, sent, FHIR).status_code == 412


def test_references_relative_to_a_foreign_base_lead_to_the_entries_too(client: Client, resource: Json):
    base = "https://ehr.example.org/fhir"
    order = {**resource, "subject": {"reference": "Patient/p1"}}
    reply = client.post(
        BASE,
        bundle(
            entry("POST", "MedicationRequest", order, f"{base}/MedicationRequest/o1"),
            entry("POST", "Patient", {"resourceType": "Patient", "active": True}, f"{base}/Patient/p1"),
        ),
        FHIR,
    )
    made, patient = locations(reply)
    assert exact(client.get(f"{BASE}/{made}"))["subject"]["reference"] == patient


def test_two_entries_that_mean_one_resource_are_refused(client: Client):
    patient = {"resourceType": "Patient", "id": "p", "active": True}
    put = entry("PUT", "Patient/p", patient)
    reply = client.post(BASE, bundle(put, {**put, "resource": {**patient, "active": False}}), FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, "Bundle.entry[1]")
    create = entry("POST", "Patient", {"resourceType": "Patient"}, ifNoneExist="identifier=urn:mrn|1")
    assert client.post(BASE, bundle(create, create), FHIR).status_code == 400
    assert total(client)[3] == 0


def test_two_orders_of_one_business_identifier_in_a_transaction_are_refused(client: Client, resource: Json):
    reply = client.post(
        BASE, bundle(entry("POST", "MedicationRequest", resource), entry("POST", "MedicationRequest", resource)), FHIR
    )
    assert reply.status_code == 409
    assert total(client)[1] == 0


def test_updates_reads_and_searches_see_what_was_done_before_them(client: Client):
    patient = {"resourceType": "Patient", "id": "p", "active": True}
    reply = client.post(
        BASE,
        bundle(
            entry("GET", "Patient?_id=p"),
            entry("GET", "Patient/p"),
            entry("PUT", "Patient/p", patient),
        ),
        FHIR,
    )
    searched, read, put = exact(reply)["entry"]
    assert put["response"]["status"] == "201 Created"
    assert read["resource"]["active"] is True
    assert [one["resource"]["id"] for one in searched["resource"]["entry"]] == ["p"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("address", ["Patient/p", "Patient/p/_history/1", "Patient?_id=p", "Patient/p/_history"])
def test_a_head_is_answered_as_a_get_without_its_resource(client: Client, kind: str, address: str):
    client.put(f"{BASE}/Patient/p", {"resourceType": "Patient", "id": "p"}, FHIR)
    sent = bundle(*(entry(method, address) for method in ("GET", "HEAD")), kind=kind)
    got, headed = exact(client.post(BASE, sent, FHIR))["entry"]
    assert got.pop("resource")
    assert headed == got
    assert got["response"]["status"] == "200 OK"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_a_head_does_not_find_is_told_as_of_a_get(client: Client, method: str):
    sent = bundle(entry(method, "Patient/none"), kind="batch")
    (got,) = exact(client.post(BASE, sent, FHIR))["entry"]
    assert (got["response"]["status"], list(got)) == ("404 Not Found", ["response"])
    assert got["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert client.post(BASE, sent | {"type": "transaction"}, FHIR).status_code == 404


def test_a_read_that_fails_undoes_a_transaction(client: Client):
    patient = {"resourceType": "Patient", "id": "p", "active": True}
    reply = client.post(BASE, bundle(entry("PUT", "Patient/p", patient), entry("GET", "Patient/other")), FHIR)
    assert reply.status_code == 404
    assert client.get(f"{BASE}/Patient/p").status_code == 404


def test_a_stale_version_undoes_a_transaction(client: Client, resource: Json):
    made = exact(client.post(f"{BASE}/MedicationRequest", resource, FHIR))
    changed = {**made, "priority": "urgent"}
    other = entry("PUT", "Patient/p", {"resourceType": "Patient", "id": "p"})
    for stale, status in (("", 400), ('W/"7"', 412), ('W/"1"', 200)):
        condition = {"ifMatch": stale} if stale else {}
        sent = bundle(other, entry("PUT", f"MedicationRequest/{made['id']}", changed, **condition))
        reply = client.post(BASE, sent, FHIR)
        assert reply.status_code == status
        assert total(client)[3] == (1 if status == 200 else 0)


def test_every_entry_of_a_batch_stands_alone(client: Client, resource: Json):
    reply = client.post(
        BASE,
        bundle(
            entry("POST", "MedicationRequest", resource),
            entry("POST", "MedicationRequest", {**resource, "status": "bogus"}),
            entry("GET", "Patient/none"),
            {"resource": {"resourceType": "Patient"}, "request": {"method": "POST"}},
            entry("POST", "../x", {"resourceType": "Patient"}),
            entry("GET", "MedicationRequest?status=active"),
            kind="batch",
        ),
        FHIR,
    )
    assert reply.status_code == 200
    answer = exact(reply)
    assert answer["type"] == "batch-response"
    states = [one["response"]["status"].partition(" ")[0] for one in answer["entry"]]
    assert states == ["201", "400", "404", "400", "400", "200"]
    assert [one["response"]["outcome"]["resourceType"] for one in answer["entry"][1:5]] == ["OperationOutcome"] * 4
    assert len(answer["entry"][5]["resource"]["entry"]) == 1


FAULTS = {  # what stands in the text, what instead, and where it is told
    "null": ('"active"', "null", "resource.status"),
    "an empty text": ('"active"', '""', "resource.status"),
    "an empty object": ('"active"', "{}", "resource.status"),
    "an empty array": ('"active"', "[]", "resource.status"),
    "half of a surrogate pair": ('"active"', r'"\ud800"', "resource.status"),
    "a control character": ('"active"', r'"\u0000"', "resource.status"),
    "a number without bounds": ('"active"', "1e99999", "resource.status"),
    "a number of too many digits": ('"active"', "1" * 19, "resource.status"),
    "a property that stands twice": ('"active"', '"active","status":"stopped"', "resource.status"),
    "too deep": ('"active"', f"{'[' * 40}1{']' * 40}", "resource.status" + "[0]" * 31),
    "too many elements": ('"active"', f"[{'1,' * 20_000}1]", "resource"),
    "no entry": ("", "null", ""),
    "an entry of nothing": ("", "{}", ""),
    "an entry that is an empty array": ("", "[]", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_json_of_fhir_holds_is_told_at_its_entry_and_keeps_no_other_of_a_batch_from_being_done(
    client: Client, resource: Json, fault: str
):
    right, wrong, path = FAULTS[fault]
    del resource["identifier"]  # so that each is an order of its own
    sent = bundle(*(entry("POST", "MedicationRequest", resource) for _ in range(3)), kind="batch")
    each = [exact_json.dumps(one) for one in sent["entry"]]
    each[1] = each[1].replace(f'"status": {right}', f'"status": {wrong}') if right else wrong
    body = exact_json.dumps({**sent, "entry": ["HERE"]}).replace('"HERE"', ",".join(each))
    for _ in range(2):
        reply = client.post(BASE, body, FHIR, idempotency_key="the-same-batch")
        assert reply.status_code == 200, reply.text
        answers = exact(reply)["entry"]
        assert [one["response"]["status"].partition(" ")[0] for one in answers] == ["201", "400", "201"]
        (issue,) = answers[1]["response"]["outcome"]["issue"]
        assert issue["expression"] == [f"Bundle.entry[1]{'.' if path else ''}{path}"]
        assert total(client)[1] == 2
    as_one = body.replace('"batch"', '"transaction"')
    assert client.post(BASE, as_one, FHIR).status_code == 400
    assert total(client)[1] == 2


def test_what_no_json_of_fhir_holds_beside_the_entries_refuses_a_batch(client: Client, resource: Json):
    sent = bundle(entry("POST", "MedicationRequest", resource), kind="batch")
    beside: tuple[Json, ...] = ({"entry": []}, {"timestamp": None}, {"meta": {}})
    for wrong in beside:
        assert client.post(BASE, {**sent, **wrong}, FHIR).status_code == 400
    assert total(client)[1] == 0


def test_who_refers_to_an_entry_of_a_batch_that_is_no_json_of_fhir_is_told_that_it_cannot(
    client: Client, resource: Json
):
    patient = entry("POST", "Patient", {"resourceType": "Patient", "name": []}, PATIENT)
    order = entry("POST", "MedicationRequest", {**resource, "subject": {"reference": PATIENT}})
    reply = client.post(BASE, bundle(patient, order, kind="batch"), FHIR)
    assert [one["response"]["status"][:3] for one in exact(reply)["entry"]] == ["400", "422"]
    assert total(client)[1] == 0


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ({"resourceType": "Bundle"}, "Bundle.type"),
        (bundle(entry("GET", "Patient/1"), kind="collection"), "Bundle.type"),
        (bundle({"request": {"method": "POST", "url": "Patient"}}), "Bundle.entry[0].resource"),
        (bundle(entry("FLY", "Patient/1")), "Bundle.entry[0].request.method"),
        (bundle(entry("GET", "https://other.example.org/Patient/1")), "Bundle.entry[0].request.url"),
        (bundle(entry("DELETE", "Patient/1", {"resourceType": "Patient"})), "Bundle.entry[0].resource"),
        ({**bundle(), "entry": ["x"]}, "Bundle.entry[0]"),
        ({**bundle(), "entry": 5}, "Bundle.entry"),
        ({**bundle(kind="batch"), "entry": {"a": 1}}, "Bundle.entry"),
    ],
)
def test_a_bundle_that_is_not_understood_is_400_with_its_place(client: Client, sent: Json, path: str):
    reply = client.post(BASE, sent, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, path)


def test_an_empty_transaction_does_nothing(client: Client):
    reply = client.post(BASE, {"resourceType": "Bundle", "type": "transaction"}, FHIR)
    assert exact(reply) == {"resourceType": "Bundle", "type": "transaction-response"}


def test_what_was_made_is_in_the_answer_where_it_is_asked_for(client: Client, whole: Json):
    answer = exact(client.post(BASE, whole, FHIR, prefer="return=representation"))
    assert [one["resource"]["resourceType"] for one in answer["entry"]][:2] == [
        "MedicationAdministration",
        "MedicationRequest",
    ]


def test_a_dose_keeps_every_digit_through_a_transaction(client: Client):
    body = (
        '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation",'
        '"status":"final","code":{"text":"w"},"valueQuantity":{"value":1.50}},"request":{"method":"POST","url":"Observation"}}]}'
    )
    reply = client.post(BASE, body, FHIR)
    assert '"value":1.50}' in client.get(f"{BASE}/{locations(reply)[0]}").text


@pytest.mark.parametrize("release", ["r4b", "r5"])
def test_a_transaction_is_taken_in_every_release(client: Client, release: str):
    sent = bundle(entry("POST", "Patient", {"resourceType": "Patient", "active": True}, PATIENT))
    reply = client.post(f"/fhir/{release}", sent, FHIR)
    assert client.get(f"/fhir/{release}/{locations(reply)[0]}").status_code == 200


def binary(text: str) -> Json:
    data = base64.b64encode(text.encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def test_what_is_deleted_patched_and_found_by_criteria_goes_together(client: Client):
    for name in ("gone", "patched", "moved"):
        client.put(f"{BASE}/Location/{name}", {"resourceType": "Location", "id": name, "name": name}, FHIR)
    named = [{"system": "urn:l", "value": "1"}]
    reply = client.post(
        BASE,
        bundle(
            entry("GET", "Location?name=new"),
            entry("PATCH", "Location/patched", binary('[{"op":"replace","path":"/name","value":"new"}]')),
            entry(
                "PATCH",
                "Location/moved",
                {
                    "resourceType": "Parameters",
                    "parameter": [
                        {
                            "name": "operation",
                            "part": [
                                {"name": "type", "valueCode": "replace"},
                                {"name": "path", "valueString": "Location.name"},
                                {"name": "value", "valueString": "new"},
                            ],
                        }
                    ],
                },
            ),
            entry(
                "PUT", "Location?identifier=urn:l|1", {"resourceType": "Location", "identifier": named, "name": "new"}
            ),
            entry("DELETE", "Location/gone"),
        ),
        FHIR,
    )
    assert reply.status_code == 200, reply.text
    searched, *writes = exact(reply)["entry"]
    assert [one["response"]["status"].partition(" ")[0] for one in writes] == ["200", "200", "201", "204"]
    assert len(searched["resource"]["entry"]) == 3
    assert client.get(f"{BASE}/Location/gone").status_code == 410


def test_a_patch_that_cannot_be_applied_undoes_what_was_deleted_before_it(client: Client):
    for name in ("gone", "patched"):
        client.put(f"{BASE}/Location/{name}", {"resourceType": "Location", "id": name}, FHIR)
    reply = client.post(
        BASE,
        bundle(
            entry("DELETE", "Location/gone"),
            entry("PATCH", "Location/patched", binary('[{"op":"remove","path":"/name"}]')),
        ),
        FHIR,
    )
    assert (reply.status_code, issues(reply)[0]["path"].partition(".r")[0]) == (422, "Bundle.entry[1]")
    assert client.get(f"{BASE}/Location/gone").status_code == 200


def test_criteria_that_find_several_undo_a_transaction(client: Client):
    for name in ("a", "b"):
        named = [{"system": "urn:l", "value": "2"}]
        client.put(f"{BASE}/Location/{name}", {"resourceType": "Location", "id": name, "identifier": named}, FHIR)
    sent = entry("PUT", "Location?identifier=urn:l|2", {"resourceType": "Location", "name": "x"})
    other = entry("PUT", "Patient/p", {"resourceType": "Patient", "id": "p"})
    reply = client.post(BASE, bundle(other, sent), FHIR)
    assert reply.status_code == 412
    assert client.get(f"{BASE}/Patient/p").status_code == 404


def test_an_order_in_a_transaction_is_deleted_only_with_its_version(client: Client, resource: Json):
    made = exact(client.post(f"{BASE}/MedicationRequest", {**resource, "status": "completed"}, FHIR))
    address = f"MedicationRequest/{made['id']}"
    assert client.post(BASE, bundle(entry("DELETE", address)), FHIR).status_code == 400
    reply = client.post(BASE, bundle(entry("DELETE", address, ifMatch='W/"1"')), FHIR)
    assert exact(reply)["entry"][0]["response"]["status"] == "204 No Content"
    assert client.get(f"{BASE}/{address}").status_code == 410


def test_a_bundle_reads_no_more_once_its_answers_are_too_large_but_does_what_it_asks_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bundling, "MOST_TOLD", 1000)
    client.put(f"{BASE}/Patient/p", {"resourceType": "Patient", "id": "p", "name": [{"text": "x" * 600}]}, FHIR)
    entries = [entry("GET", "Patient/p") for _ in range(3)]
    made = entry("POST", "Patient", {"resourceType": "Patient"})
    told = exact(client.post(BASE, bundle(*entries, made, kind="batch"), FHIR))["entry"]
    assert [one["response"]["status"][:3] for one in told] == ["200", "200", "413", "201"]
    assert told[2]["response"]["outcome"]["issue"][0]["code"] == "too-costly"
    refused = client.post(BASE, bundle(made, *entries), FHIR)
    assert (refused.status_code, issues(refused)[0]["path"]) == (413, "Bundle.entry[3]")
    assert exact(client.get(f"{BASE}/Patient?_summary=count"))["total"] == 2


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_a_read_upon_condition_of_a_moment_is_304_where_nothing_changed_since(client: Client, kind: str):
    assert client.put(f"{BASE}/Patient/p", {"resourceType": "Patient", "id": "p"}, FHIR).status_code == 201
    moments = ("2099-01-01T00:00:00Z", "2020-01-01T00:00:00.123+01:00", "0001-01-01T00:00:00+14:00")
    asked = [entry("GET", "Patient/p", ifModifiedSince=moment) for moment in moments]
    reply = exact(client.post(BASE, bundle(*asked, kind=kind), FHIR))
    assert [one["response"]["status"] for one in reply["entry"]] == ["304 Not Modified", "200 OK", "200 OK"]
