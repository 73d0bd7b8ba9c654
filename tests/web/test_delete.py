"""Delete: a version of its own, refused where somebody may still act upon it, and final for orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Remote
from fhir_infusion.store import audit, outbox
from fhir_infusion.web.app import create_app
from tests.web.conftest import FHIR, Client, Json, Make, exact, issues

if TYPE_CHECKING:
    from fhir_infusion.service import Service

MR = "/fhir/r4/MedicationRequest"
MA = "/fhir/r4/MedicationAdministration"
SYSTEM = "https://example.org/fhir-infusion/orders"
ENDED = ("completed", "stopped", "cancelled", "entered-in-error")
RELEASES = ("r4", "r4b", "r5")


def created(client: Client, path: str, body: Json) -> Json:
    reply = client.post(path, body, FHIR)
    assert reply.status_code == 201, reply.text
    return exact(reply)  # type: ignore[no-any-return]  # an object


def ended(client: Client, resource: Json, status: str = "stopped") -> Json:
    return created(client, MR, {**resource, "status": status})


def given(**more: Any) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/7"},
        "effectiveDateTime": "2026-01-01",
        **more,
    }


@pytest.mark.parametrize("release", RELEASES)
def test_a_deletion_is_a_version_and_what_was_there_stays_readable(client: Client, resource: Json, release: str):
    first = ended(client, resource)
    path = f"/fhir/{release}/MedicationRequest/{first['id']}"
    reply = client.delete(path, if_match='W/"1"')
    assert (reply.status_code, reply.data, reply.headers["ETag"]) == (204, b"", 'W/"2"')
    for gone in (path, f"{path}/_history/2"):
        read = client.get(gone)
        assert (read.status_code, read.headers["ETag"], issues(read)[0]["code"]) == (410, 'W/"2"', "deleted")
        assert read.headers["Last-Modified"] == reply.headers["Last-Modified"]
    assert exact(client.get(f"{MR}/{first['id']}/_history/1")) == first
    assert client.get(f"/api/orders/{first['id']}").status_code == 410
    assert "entry" not in exact(client.get(MR))
    assert "entry" not in exact(client.get(f"{MR}?identifier={SYSTEM}|DEMO-3"))
    assert exact(client.get("/api/orders"))["items"] == []


def test_deleting_again_and_deleting_what_never_was_is_204_and_changes_nothing(
    client: Client, service: Service, resource: Json
):
    first = ended(client, resource)
    path = f"{MR}/{first['id']}"
    replies = [client.delete(path, if_match='W/"1"') for _ in range(2)]
    assert [(reply.status_code, reply.headers["ETag"]) for reply in replies] == [(204, 'W/"2"')] * 2
    assert client.delete(path).status_code == 204
    assert client.delete(f"{MR}/never-there").status_code == 204
    assert client.get(f"{MR}/never-there").status_code == 404
    actions = [entry.action for entry in service.store.read("default", audit.entries)]
    assert actions == ["create", "delete"]
    assert service.store.read("default", audit.verify) == ()


@pytest.mark.parametrize(
    ("prefer", "status", "kind"),
    [
        ("return=minimal", 204, None),
        ("return=representation", 204, None),
        ("return=OperationOutcome", 200, "OperationOutcome"),
    ],
)
def test_prefer_decides_the_answer_to_a_deletion(
    client: Client, resource: Json, prefer: str, status: int, kind: str | None
):
    first = ended(client, resource)
    reply = client.delete(f"{MR}/{first['id']}", if_match='W/"1"', prefer=prefer)
    assert reply.status_code == status
    assert reply.data == b"" if kind is None else exact(reply)["resourceType"] == kind


def test_an_order_is_deleted_only_by_who_read_it_h17(client: Client, resource: Json):
    first = ended(client, resource)
    path = f"{MR}/{first['id']}"
    missing, stale = client.delete(path), client.delete(path, if_match='W/"7"')
    assert (missing.status_code, issues(missing)[0]["code"]) == (400, "required")
    assert (stale.status_code, issues(stale)[0]["code"]) == (412, "conflict")
    assert client.delete(path, if_match="*").status_code == 400
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("status", ["active", "on-hold", "unknown"])
def test_an_order_that_has_not_ended_does_not_vanish_h6_h8(client: Client, resource: Json, status: str):
    first = created(client, MR, {**resource, "status": status})
    path = f"{MR}/{first['id']}"
    reply = client.delete(path, if_match='W/"1"')
    assert reply.status_code == 409
    assert "entered-in-error first" in issues(reply)[0]["reason"]
    stopped = client.put(path, {**first, "status": "entered-in-error"}, FHIR, if_match='W/"1"')
    assert stopped.status_code == 200
    assert client.delete(path, if_match='W/"2"').status_code == 204


@pytest.mark.parametrize("status", ["in-progress", "on-hold", "unknown"])
def test_an_administration_that_runs_does_not_vanish(client: Client, status: str):
    first = created(client, MA, given(status=status))
    assert client.delete(f"{MA}/{first['id']}").status_code == 409
    assert client.get(f"{MA}/{first['id']}").status_code == 200


@pytest.mark.parametrize("status", [*ENDED, "draft"])
def test_an_order_that_has_ended_or_not_begun_is_deleted(client: Client, resource: Json, status: str):
    first = ended(client, resource, status)
    assert client.delete(f"{MR}/{first['id']}", if_match='W/"1"').status_code == 204


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "MedicationRequest/{}"},
        {"reference": "MedicationRequest/{}#x"},
        {"identifier": {"system": SYSTEM, "value": "DEMO-3"}},
    ],
)
def test_what_was_given_keeps_its_order(client: Client, resource: Json, reference: Json):
    first = ended(client, resource)
    request = {
        name: value.format(first["id"]) if isinstance(value, str) else value for name, value in reference.items()
    }
    administration = created(client, MA, given(request=request, subject=resource["subject"]))
    refused = client.delete(f"{MR}/{first['id']}", if_match='W/"1"')
    assert (refused.status_code, issues(refused)[0]["code"]) == (409, "conflict")
    assert "(MedicationAdministration)" in issues(refused)[0]["reason"]
    assert client.delete(f"{MA}/{administration['id']}").status_code == 204
    assert client.delete(f"{MR}/{first['id']}", if_match='W/"1"').status_code == 204


@pytest.mark.parametrize("part", ["", "#x"])
def test_a_patient_is_not_deleted_under_an_order(client: Client, resource: Json, part: str):
    patient = created(client, "/fhir/r4/Patient", {"resourceType": "Patient", "birthDate": "1970-01"})
    order = ended(client, {**resource, "subject": {"reference": f"Patient/{patient['id']}{part}"}})
    path = f"/fhir/r4/Patient/{patient['id']}"
    assert client.delete(path).status_code == 409
    assert client.delete(f"{MR}/{order['id']}", if_match='W/"1"').status_code == 204
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 410


def test_an_administration_goes_with_its_segments_and_no_segment_alone(
    client: Client, service: Service, administration: Json
):
    reply = client.post("/api/administrations", {**administration, "status": "completed", "representation": "split"})
    assert reply.status_code == 201, reply.text
    parent = exact(reply)["id"]
    ids = [entry["resource"]["id"] for entry in exact(client.get(MA))["entry"]]
    assert len(ids) > 2
    segment = next(one for one in ids if one != parent)
    alone = client.delete(f"{MA}/{segment}")
    assert (alone.status_code, client.get(f"{MA}/{segment}").status_code) == (409, 200)
    assert client.delete(f"{MA}/{parent}", if_match='W/"1"').status_code == 204
    assert {client.get(f"{MA}/{one}").status_code for one in ids} == {410}
    assert client.get(f"/api/administrations/{parent}").status_code == 410
    assert "entry" not in exact(client.get(MA))
    deleted = [entry.id for entry in service.store.read("default", audit.entries) if entry.action == "delete"]
    assert sorted(deleted) == sorted(ids)


@pytest.mark.parametrize("changes", [{}, {"priority": "stat"}])
def test_the_identifier_of_a_deleted_order_makes_no_second_one_h5_h8(client: Client, resource: Json, changes: Json):
    first = ended(client, resource)
    assert client.delete(f"{MR}/{first['id']}", if_match='W/"1"').status_code == 204
    again = client.post(MR, {**resource, "status": "stopped", **changes}, FHIR)
    assert (again.status_code, issues(again)[0]["code"]) == (409, "deleted")
    elsewhere = client.put(f"{MR}/of-mine", {**resource, "id": "of-mine"}, FHIR)
    assert (elsewhere.status_code, issues(elsewhere)[0]["code"]) == (409, "deleted")
    conditional = client.post(MR, resource, FHIR, if_none_exist=f"identifier={SYSTEM}|DEMO-3")
    assert conditional.status_code == 409
    assert client.put(f"{MR}?identifier={SYSTEM}|DEMO-3", resource, FHIR).status_code == 409
    assert "entry" not in exact(client.get(MR))


def test_a_deleted_order_comes_back_only_for_who_names_its_deletion_and_as_it_was_h8_h19(
    client: Client, resource: Json
):
    first = ended(client, resource, "cancelled")
    path = f"{MR}/{first['id']}"
    assert client.delete(path, if_match='W/"1"').status_code == 204
    same = {**resource, "id": first["id"], "status": "cancelled"}
    assert client.put(path, same, FHIR).status_code == 410
    assert client.put(path, same, FHIR, if_match='W/"1"').status_code == 412
    active = client.put(path, {**same, "status": "active"}, FHIR, if_match='W/"2"')
    assert (active.status_code, issues(active)[0]["path"]) == (422, "status")
    moved = client.put(path, {**same, "subject": {"reference": "Patient/other"}}, FHIR, if_match='W/"2"')
    assert moved.status_code == 422
    assert client.get(path).status_code == 410
    back = client.put(path, same, FHIR, if_match='W/"2"')
    assert (back.status_code, back.headers["ETag"]) == (201, 'W/"3"')
    assert exact(client.get(path))["status"] == "cancelled"
    assert len(exact(client.get(f"{MR}?identifier={SYSTEM}|DEMO-3"))["entry"]) == 1
    # What was posted first finds it again.
    assert client.post(MR, {**resource, "status": "cancelled"}, FHIR).status_code == 200


def test_a_draft_comes_back_as_a_draft_h8(client: Client, resource: Json):
    first = ended(client, resource, "draft")
    path = f"{MR}/{first['id']}"
    assert client.delete(path, if_match='W/"1"').status_code == 204
    active = client.put(path, {**resource, "id": first["id"], "status": "active"}, FHIR, if_match='W/"2"')
    assert active.status_code == 422
    assert (
        client.put(path, {**resource, "id": first["id"], "status": "draft"}, FHIR, if_match='W/"2"').status_code == 201
    )


def test_what_comes_along_is_brought_back_by_a_plain_update(client: Client):
    sent = {"resourceType": "Patient", "id": "p", "birthDate": "1970-01"}
    path = "/fhir/r4/Patient/p"
    assert client.put(path, sent, FHIR).status_code == 201
    assert client.delete(path).status_code == 204
    back = client.put(path, sent, FHIR)
    assert (back.status_code, back.headers["ETag"]) == (201, 'W/"3"')
    assert client.get(path).status_code == 200
    assert [client.get(f"{path}/_history/{number}").status_code for number in (1, 2, 3)] == [200, 410, 200]


@pytest.mark.parametrize("status", ["completed", "entered-in-error"])
def test_an_administration_comes_back_with_its_segments(client: Client, administration: Json, status: str):
    whole = {**administration, "status": "completed", "representation": "split"}
    parent = exact(client.post("/api/administrations", whole))["id"]
    before = exact(client.get(f"/api/administrations/{parent}"))["record"]
    found = [entry["resource"] for entry in exact(client.get(MA))["entry"]]
    segment = next(one for one in found if one["id"] != parent)
    own = next(one for one in found if one["id"] == parent)
    assert client.delete(f"{MA}/{parent}").status_code == 204
    early = client.put(f"{MA}/{segment['id']}", segment, FHIR, if_match='W/"2"')
    assert early.status_code == 410
    reply = client.put(f"{MA}/{parent}", {**own, "status": status}, FHIR, if_match='W/"2"')
    assert reply.status_code == 201, reply.text
    again = [entry["resource"] for entry in exact(client.get(MA))["entry"]]
    assert sorted(one["id"] for one in again) == sorted(one["id"] for one in found)
    if status == "completed":
        assert exact(client.get(f"/api/administrations/{parent}"))["record"]["segments"] == before["segments"]
    else:
        assert {one["status"] for one in again} == {status}


def test_an_administration_may_be_recorded_for_an_order_that_was_deleted_and_says_so(client: Client, resource: Json):
    first = ended(client, resource)
    assert client.delete(f"{MR}/{first['id']}", if_match='W/"1"').status_code == 204
    body = given(request={"reference": f"MedicationRequest/{first['id']}"})
    reply = client.post(MA, body, FHIR, prefer="return=OperationOutcome")
    assert reply.status_code == 201
    assert "order that this administration carries out was deleted" in reply.text


def test_a_deletion_with_criteria_beside_an_id_is_400(client: Client, resource: Json):
    first = ended(client, resource)
    assert client.delete(f"{MR}/{first['id']}?status=active", if_match='W/"1"').status_code == 400
    assert client.get(f"{MR}/{first['id']}").status_code == 200


def test_a_draft_that_other_servers_know_is_cancelled_first(make_service: Make, resource: Json):
    service = make_service(remotes=(Remote(name="centre", base_url="http://127.0.0.1:1/fhir"),))
    client = Client(create_app(service).test_client(use_cookies=False))
    first = ended(client, resource, "draft")
    path = f"{MR}/{first['id']}"
    assert client.delete(path, if_match='W/"1"').status_code == 409
    assert client.put(path, {**first, "status": "cancelled"}, FHIR, if_match='W/"1"').status_code == 200
    assert client.delete(path, if_match='W/"2"').status_code == 204
    # The stop waits to be told; the deletion is told to nobody.
    rows = service.store.read("default", outbox.rows)
    assert [(row.version, row.state) for row in rows] == [(1, "superseded"), (2, "pending")]


@pytest.mark.parametrize("name", ["_history", "_search", "a b", "a%00b", "..%2f1", "a" * 65, "%C0%AF", "a'--"])
def test_what_is_no_id_is_not_deleted(client: Client, name: str):
    reply = client.delete(f"{MR}/{name}")
    assert reply.status_code in {400, 404}
    assert exact(reply)["resourceType"] == "OperationOutcome"


def test_a_type_and_everything_cannot_be_deleted(client: Client, resource: Json):
    first = ended(client, resource)
    assert client.delete(MR).status_code == 400
    assert client.delete("/fhir/r4").status_code in {404, 405}
    assert client.delete(f"{MR}/{first['id']}/_history").status_code == 405
    assert client.delete(f"{MR}/{first['id']}/_history/1").status_code == 405
    assert client.get(f"{MR}/{first['id']}").status_code == 200


def test_a_provenance_outlives_what_it_is_about(client: Client, resource: Json):
    first = ended(client, resource)
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": f"MedicationRequest/{first['id']}"}],
        "recorded": "2026-01-01T08:00:00Z",
        "agent": [{"who": {"display": "EHR"}}],
    }
    assert client.post("/fhir/r4/Provenance", provenance, FHIR).status_code == 201
    assert client.delete(f"{MR}/{first['id']}", if_match='W/"1"').status_code == 204


def test_our_own_json_tells_of_a_deletion_too_h5(client: Client, order: Json):
    sent = {**order, "status": "cancelled"}
    first = client.post("/api/orders", sent)
    assert first.status_code == 201, first.text
    path = f"/api/orders/{exact(first)['id']}"
    assert client.delete(f"{MR}/{exact(first)['id']}", if_match='W/"1"').status_code == 204
    assert client.post("/api/orders", sent).status_code == 409
    assert client.put(path, sent, if_match='W/"2"').status_code == 410
    assert (client.get(path).status_code, client.get(path).headers["ETag"]) == (410, 'W/"2"')
