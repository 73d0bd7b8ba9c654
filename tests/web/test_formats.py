"""``/api/formats/NAME``: a site's own JSON is stored, comes again without effect, and rows that come later are joined."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_infusion.config import mappings_dir
from fhir_infusion.mapping.document import read_yaml
from tests.web.conftest import Client, Json, exact, issues

LINES = "application/x-ndjson"


def sample(name: str) -> Any:
    text = (mappings_dir() / "formats" / f"{name}.yaml").read_text(encoding="utf-8")
    return json.loads(read_yaml(name, text)["samples"][0])


def results(reply: Any) -> list[Json]:
    assert reply.status_code == 200, reply.text
    found: list[Json] = exact(reply)["results"]
    return found


def test_each_drug_of_an_order_is_placed_and_read_again_as_the_site_s_json_and_as_fhir(client: Client):
    order = sample("ward-orders")
    first, second = results(client.post("/api/formats/ward-orders", order))
    assert [(one["status"], one["version"]) for one in (first, second)] == [(201, "1"), (201, "1")]
    assert first["record"]["order_id"] == "A-4711-1"
    site = json.loads(client.get(f"/api/orders/{first['id']}?format=ward-orders").text)
    assert site == {**order, "drugs": order["drugs"][:1]}
    resource = exact(client.get(f"/fhir/r5/MedicationRequest/{second['id']}"))
    assert resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["code"] == "mL/h"


def test_the_same_again_changes_nothing(client: Client):
    order = sample("ward-orders")
    before = results(client.post("/api/formats/ward-orders", order))
    again = results(client.post("/api/formats/ward-orders", order))
    assert [(one["status"], one["id"], one["version"]) for one in again] == [
        (200, one["id"], one["version"]) for one in before
    ]


def test_after_an_edit_in_fhir_nothing_stands_in_the_site_s_json_that_may_describe_what_was_before(client: Client):
    order = sample("ward-orders")
    first, _ = results(client.post("/api/formats/ward-orders", order))
    read = client.get(f"/fhir/r4/MedicationRequest/{first['id']}")
    resource = exact(read)
    resource["note"] = [{"text": "seen"}]
    written = client.put(f"/fhir/r4/MedicationRequest/{first['id']}", resource, if_match=read.headers["ETag"])
    site = {**order, "drugs": order["drugs"][:1]}
    assert json.loads(client.get(f"/api/orders/{first['id']}?format=ward-orders").text) == site
    resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 2
    client.put(f"/fhir/r4/MedicationRequest/{first['id']}", resource, if_match=written.headers["ETag"])
    site["drugs"] = [{**site["drugs"][0], "Dose": "2"}]
    del site["WardColour"]
    assert json.loads(client.get(f"/api/orders/{first['id']}?format=ward-orders").text) == site


def test_one_wrong_drug_is_refused_by_itself_and_its_value_is_not_told(client: Client):
    order = sample("ward-orders")
    order["drugs"][1]["Dose"] = "1.000,0"
    reply = client.post("/api/formats/ward-orders", order)
    stored, refused = results(reply)
    assert stored["status"] == 201
    assert refused["status"] == 400
    assert [issue["path"] for issue in refused["issues"]] == ["ward-orders.drugs.Dose"]
    assert "1.000,0" not in reply.text


@pytest.fixture
def rows() -> list[Json]:
    found: list[Json] = sample("pump-events")
    return found


def test_rows_that_come_later_become_the_next_version_of_the_administration(client: Client, rows: list[Json]):
    (first,) = results(client.post("/api/formats/pump-events", rows[:2]))
    assert (first["status"], first["record"]["status"]) == (201, "in-progress")
    (second,) = results(client.post("/api/formats/pump-events", rows[2:]))
    assert (second["status"], second["id"]) == (200, first["id"])
    assert second["record"]["status"] == "completed"
    assert [one["segment_id"] for one in second["record"]["segments"]] == ["1", "2", "3", "4", "5"]
    site = json.loads(client.get(f"/api/administrations/{first['id']}?format=pump-events").text)
    assert site == rows
    (again,) = results(client.post("/api/formats/pump-events", rows))
    assert (again["status"], again["version"]) == (200, second["version"])


def test_rows_out_of_order_and_by_lines_are_put_in_their_places(client: Client, rows: list[Json]):
    text = "\n".join(json.dumps(row) for row in reversed(rows))
    (one,) = results(client.post("/api/formats/pump-events", text, LINES))
    assert [segment["segment_id"] for segment in one["record"]["segments"]] == ["1", "2", "3", "4", "5"]
    (late,) = results(client.post("/api/formats/pump-events", [rows[1]]))
    assert (late["status"], late["version"]) == (200, one["version"])


def test_a_row_that_came_before_with_another_content_is_refused_and_nothing_is_changed(
    client: Client, rows: list[Json]
):
    (first,) = results(client.post("/api/formats/pump-events", rows[:3]))
    (refused,) = results(client.post("/api/formats/pump-events", [{**rows[1], "rate": "75.0"}]))
    assert refused["status"] == 422
    assert refused["issues"][0]["reason"] == "this row came before with another content"
    assert exact(client.get(f"/api/administrations/{first['id']}"))["version"] == first["version"]


def test_rows_of_another_patient_are_refused_though_the_run_is_the_same(client: Client, rows: list[Json]):
    results(client.post("/api/formats/pump-events", rows[:2]))
    reply = client.post("/api/formats/pump-events", [{**rows[2], "pat_no": "99"}])
    (refused,) = results(reply)
    assert refused["status"] == 422
    assert refused["issues"][0]["path"] == "[2].pat_no"


def test_the_answer_to_a_key_is_given_again(client: Client, rows: list[Json]):
    (first,) = results(client.post("/api/formats/pump-events", rows[:2], idempotency_key="k-1"))
    (again,) = results(client.post("/api/formats/pump-events", rows[:2], idempotency_key="k-1"))
    assert (again["status"], again["id"], again["version"]) == (201, first["id"], first["version"])


@pytest.mark.parametrize("header", ["if_none_exist", "if_none_match", "if_match"])
def test_h5_rows_under_a_condition_are_400_and_none_is_kept(client: Client, rows: list[Json], header: str):
    reply = client.post("/api/formats/pump-events", rows[:2], **{header: "*"})
    assert (reply.status_code, issues(reply)[0]["code"]) == (400, "not-supported")
    assert exact(client.get("/api/administrations"))["items"] == []


def test_an_unknown_format_is_not_found_and_those_there_are_are_named(client: Client):
    reply = client.post("/api/formats/nowhere", {})
    assert reply.status_code == 404
    assert "ward-orders" in exact(reply)["issues"][0]["accepted"]


def test_an_order_is_not_given_in_the_format_of_administrations(client: Client):
    first, _ = results(client.post("/api/formats/ward-orders", sample("ward-orders")))
    assert client.get(f"/api/orders/{first['id']}?format=pump-events").status_code == 422
    assert client.get(f"/api/orders/{first['id']}?format=nowhere").status_code == 422


@pytest.mark.parametrize("to", ["internal", "fhir", "ward-orders"])
def test_translate_takes_and_gives_formats_and_stores_nothing(client: Client, to: str):
    order = sample("ward-orders")
    done = json.loads(client.post("/api/translate", {"from": "ward-orders", "to": to, "input": order}).text)
    if to == "ward-orders":
        assert done["results"] == [order]
    else:
        assert len(done["results"]) == 2
    assert {"path": "ward-orders.drugs.Dose", "state": "mapped"}.items() <= next(
        line for line in done["ledger"] if line["path"] == "ward-orders.drugs.Dose"
    ).items()
    assert exact(client.get("/api/orders"))["items"] == []


def test_translate_gives_the_site_s_json_of_a_record(client: Client):
    order = sample("ward-orders")
    record = exact(client.post("/api/translate", {"from": "ward-orders", "to": "internal", "input": order}))["results"][
        0
    ]
    done = exact(client.post("/api/translate", {"to": "ward-orders", "input": record}))
    assert [drug["Dose"] for drug in done["results"][0]["drugs"]] == ["1,50"]


def test_rows_that_void_or_cancel_what_is_stored_make_its_next_version(client: Client):
    rows = sample("pump-events")
    keys = {"run_id": rows[0]["run_id"]}
    (first,) = results(client.post("/api/formats/pump-events", rows))
    void = {**keys, "seq": 6, "action": "VOID", "of": 2}
    (voided,) = results(client.post("/api/formats/pump-events", void))
    assert (voided["id"], voided["version"], voided["record"]["status"]) == (first["id"], "2", "completed")
    assert [one["segment_id"] for one in voided["record"]["segments"]] == ["1", "3", "4", "5"]
    (again,) = results(client.post("/api/formats/pump-events", void))
    assert (again["status"], again["version"]) == (200, "2")
    (reopened,) = results(client.post("/api/formats/pump-events", {**keys, "seq": 9, "action": "VOID", "of": 5}))
    assert (reopened["status"], [issue["path"] for issue in reopened["issues"]]) == (422, ["status"])
    (unknown,) = results(client.post("/api/formats/pump-events", {**keys, "seq": 7, "action": "VOID", "of": 17}))
    assert (unknown["status"], unknown.get("version", "")) == (422, "")
    (cancelled,) = results(client.post("/api/formats/pump-events", {**keys, "seq": 8, "action": "CANCEL"}))
    assert (cancelled["version"], cancelled["record"]["status"]) == ("3", "entered-in-error")
    resource = exact(client.get(f"/fhir/r4/MedicationAdministration/{first['id']}"))
    assert resource["status"] == "entered-in-error"
    back = json.loads(client.get(f"/api/administrations/{first['id']}?format=pump-events").text)
    assert [one["seq"] for one in back] == [1, 2, 3, 4, 5, 6, 8]


def test_a_row_that_voids_what_nobody_stored_is_refused(client: Client):
    (one,) = results(client.post("/api/formats/pump-events", {"run_id": "X", "seq": 6, "action": "VOID", "of": 5}))
    assert one["status"] == 422
