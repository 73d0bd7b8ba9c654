"""Placing and amending orders that come as our own JSON."""

import copy
import threading
from dataclasses import replace

import pytest

from fhir_infusion.actions import accept_resource, amend_order, find, place_order
from fhir_infusion.errors import Refused
from fhir_infusion.records.equality import same
from fhir_infusion.store import versions
from tests.actions.examples import (
    MR,
    ORDERS,
    TENANT,
    audited,
    body,
    changed,
    number,
    order,
    outbox_rows,
    quantity,
    request,
)


def refused(work, *arguments):
    with pytest.raises(Refused) as refusal:
        work(*arguments)
    (issue,) = refusal.value.issues
    return issue.status, issue.code


def test_an_order_is_stored_whole_told_to_the_endpoints_and_audited(service, caller):
    placed = place_order.place(service, caller, order())
    assert (placed.created, placed.version, placed.release) == (True, 1, "R4")
    assert same(placed.record, order())
    resource = body(placed)
    assert resource["id"] == placed.id
    assert resource["meta"] == {"versionId": "1", "lastUpdated": "2025-05-01T08:00:00.000Z"}
    assert resource["identifier"] == [{"system": ORDERS, "value": "ORD-1"}]
    assert '"value":5.0' in placed.text
    assert [(row.aggregate, row.version, row.lane) for row in outbox_rows(service)] == [
        (f"{MR}/{placed.id}", 1, "normal")
    ]
    assert len(outbox_rows(service, "centre")) == 1
    assert outbox_rows(service, "source") == ()
    assert audited(service) == [("create", placed.id, 1)]


def test_the_same_order_twice_is_one_order_and_answers_with_its_current_state_h5(service, caller):
    first = place_order.place(service, caller, order())
    amended = amend_order.amend(service, caller, first.id, order(status="on-hold"), "1")
    again = place_order.place(service, caller, order())
    assert (again.created, again.id, again.version, again.text) == (False, first.id, 2, amended.text)
    assert len(outbox_rows(service)) == 2


def test_the_same_order_id_with_another_body_is_refused(service, caller):
    place_order.place(service, caller, order())
    assert refused(place_order.place, service, caller, order(priority="stat")) == (422, "business-rule")
    other_spelling = order()
    other_spelling["steps"][0]["dosings"][0]["rate"]["value"] = 5
    assert refused(place_order.place, service, caller, other_spelling) == (422, "business-rule")
    assert len(outbox_rows(service)) == 1


def test_members_in_another_order_are_the_same_body(service, caller):
    place_order.place(service, caller, order())
    assert not place_order.place(service, caller, dict(reversed(order().items()))).created


def test_another_client_that_sends_the_same_order_finds_it(service, caller):
    first = place_order.place(service, caller, order())
    again = place_order.place(service, replace(caller, client="engine"), order())
    assert (again.created, again.id) == (False, first.id)


def test_an_idempotency_key_makes_an_order_without_identifier_repeatable(service, caller):
    keyed = replace(caller, key="k1", asked="one")
    first = place_order.place(service, keyed, order(None))
    again = place_order.place(service, keyed, order(None))
    assert (again.created, again.id, again.version) == (True, first.id, 1)
    other = order(None, priority="stat")
    assert refused(place_order.place, service, replace(keyed, asked="other"), other) == (422, "business-rule")
    other = place_order.place(service, replace(keyed, client="another"), order(None))
    assert other.created


def test_an_order_without_identifier_gets_one_that_is_searchable_and_in_no_read(service, caller):
    placed = place_order.place(service, caller, order(None))
    bound = service.store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, placed.id))
    assert bound is not None
    assert bound.minted
    assert bound.system == ORDERS
    assert bound.value not in placed.text
    for release in ("R4", "R4B", "R5"):
        assert bound.value not in find.read(service, caller, release, MR, placed.id).text
    assert "order_id" not in find.record(service, caller, MR, placed.id).record
    page = find.search(service, caller, "R4", MR, [("identifier", f"{bound.system}|{bound.value}")], 10)
    assert [entry.id for entry in page.entries] == [placed.id]
    listed = find.records(service, caller, MR, [("order_id", bound.value)], 10)
    assert [entry.id for entry in listed.entries] == [placed.id]


def test_the_minted_identifier_stays_searchable_after_an_amendment(service, caller):
    placed = place_order.place(service, caller, order(None))
    bound = service.store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, placed.id))
    amend_order.amend(service, caller, placed.id, order(None, status="on-hold"), "1")
    page = find.records(service, caller, MR, [("order_id", bound.value)], 10)
    assert [(entry.id, entry.version) for entry in page.entries] == [(placed.id, 2)]


def test_sixteen_clients_that_send_the_same_order_at_once_make_one_h5(service, caller):
    outcomes, start = [], threading.Barrier(16)

    def run():
        start.wait()
        outcomes.append(place_order.place(service, caller, order()))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.created for outcome in outcomes) == 1
    assert len({outcome.id for outcome in outcomes}) == 1
    assert len(outbox_rows(service)) == 1


def test_an_amendment_needs_the_version_that_is_there_h17(service, caller):
    placed = place_order.place(service, caller, order())
    held = order(status="on-hold")
    assert refused(amend_order.amend, service, caller, placed.id, held, None) == (400, "required")
    for stale in ("0", "2", "", "x"):
        assert refused(amend_order.amend, service, caller, placed.id, held, stale) == (412, "conflict")
    assert refused(amend_order.amend, service, caller, "nowhere", held, "1") == (404, "not-found")
    assert amend_order.amend(service, caller, placed.id, held, "1").version == 2
    assert refused(amend_order.amend, service, caller, placed.id, held, "1") == (412, "conflict")


def test_of_many_amendments_of_one_version_one_wins_f28(service, caller):
    placed = place_order.place(service, caller, order())
    outcomes, start = [], threading.Barrier(8)

    def run(number):
        start.wait()
        try:
            amended = amend_order.amend(service, caller, placed.id, order(priority="stat", notes=note(number)), "1")
            outcomes.append(amended.version)
        except Refused as refusal:
            outcomes.append(refusal.status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [2] + [412] * 7


def note(number):
    return [{"note_id": "n", "text": f"remark {number}"}]


def test_an_amendment_that_changes_nothing_makes_no_version_i5(service, caller):
    placed = place_order.place(service, caller, order())
    same_again = amend_order.amend(service, caller, placed.id, order(), "1")
    assert (same_again.version, same_again.text) == (1, placed.text)
    assert len(outbox_rows(service)) == 1
    assert audited(service) == [("create", placed.id, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"patient": {"identifier": {"system": "https://example.org/patients", "value": "MRN-2"}}},
        {"order_id": "ORD-2"},
    ],
)
def test_an_order_stays_the_order_it_is_h10(service, caller, change):
    placed = place_order.place(service, caller, order())
    assert refused(amend_order.amend, service, caller, placed.id, order() | change, "1") == (422, "business-rule")
    without = order()
    del without["order_id"]
    assert refused(amend_order.amend, service, caller, placed.id, without, "1") == (422, "business-rule")


def test_a_stopped_order_is_never_active_again_h8(service, caller):
    placed = place_order.place(service, caller, order())
    amend_order.amend(service, caller, placed.id, order(status="stopped"), "1")
    for status in ("active", "on-hold", "draft", "completed"):
        assert refused(amend_order.amend, service, caller, placed.id, order(status=status), "2") == (
            422,
            "business-rule",
        )
    assert amend_order.amend(service, caller, placed.id, order(status="entered-in-error"), "2").version == 3


@pytest.mark.parametrize("status", ["stopped", "cancelled", "entered-in-error"])
def test_a_stop_goes_into_its_own_lane_and_supersedes_what_was_not_sent_h6(service, caller, status):
    placed = place_order.place(service, caller, order())
    amend_order.amend(service, caller, placed.id, order(status=status), "1")
    assert [(row.version, row.lane, row.state) for row in outbox_rows(service)] == [
        (1, "normal", "superseded"),
        (2, "stop", "pending"),
    ]


@pytest.mark.parametrize("intent", ["proposal", "plan", "option"])
def test_what_is_no_order_is_stored_and_told_to_nobody(service, caller, intent):
    placed = place_order.place(service, caller, order(intent=intent))
    assert placed.created
    assert outbox_rows(service) == ()


def test_what_says_that_it_is_something_else_is_refused(service, caller):
    wrong = changed(order(), record="Administration")
    assert refused(place_order.place, service, caller, wrong) == (400, "value")
    without = order()
    del without["record"]
    assert place_order.place(service, caller, without).record["record"] == "InfusionOrder"


def test_an_id_in_the_posted_record_is_not_taken_for_ours(service, caller):
    placed = place_order.place(service, caller, order(resource_id="theirs"))
    assert placed.id != "theirs"
    assert body(placed)["id"] == placed.id
    assert "resource_id" not in placed.record


def test_nothing_is_stored_of_what_is_refused(service, caller):
    wrong = order()
    wrong["steps"][0]["dosings"][0]["rate"]["value"] = "5"
    with pytest.raises(Refused):
        place_order.place(service, caller, wrong)
    assert find.records(service, caller, MR, [], 10).entries == ()
    assert audited(service) == []


MARK = {"release": "R4", "path": "$as-sent", "value": True}


def with_rate(record, unit):
    return {**record, "steps": [{"step_id": "run", "dosings": [{"dosing_id": "d", "rate": quantity("5.0", unit)}]}]}


def test_a_caller_cannot_switch_off_the_rules_by_saying_that_a_record_was_read_from_fhir(service, caller):
    meddled = with_rate(order(residue=[MARK]), "drops/h")
    assert refused(place_order.place, service, caller, meddled) == (422, "code-invalid")


def test_what_came_by_fhir_may_be_amended_as_it_was_sent_and_not_made_worse(service, caller):
    sent = request()
    rate = sent["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
    rate |= {"unit": "drops/h", "code": "drops/h"}
    stored = accept_resource.create(service, caller, "R4", sent)
    assert MARK in stored.record["residue"]
    amended = amend_order.amend(service, caller, stored.id, {**stored.record, "priority": "stat"}, "1")
    assert (amended.version, body(amended)["priority"]) == (2, "stat")
    assert body(amended)["dosageInstruction"] == body(stored)["dosageInstruction"]
    worse = {**stored.record, "dispense": {"quantity": quantity("1", "buckets")}}
    with pytest.raises(Refused) as refusal:
        amend_order.amend(service, caller, stored.id, worse, "2")
    assert {(issue.status, issue.code) for issue in refusal.value.issues} == {(422, "code-invalid")}
    assert "dispense.quantity.unit" in {issue.path for issue in refusal.value.issues}


def test_an_order_whose_unit_was_edited_is_kept_and_sent_without_the_old_units_text_h9(service, caller):
    stored = accept_resource.create(service, caller, "R4", request())
    edited = with_unit_of_rate(stored.record, "mL/min")
    amended = amend_order.amend(service, caller, stored.id, edited, "1")
    assert (amended.version, amended.findings) == (2, ())
    assert amended.record["steps"][0]["dosings"][0]["rate"] == quantity("5.0", "mL/min")
    sent = {"value": number("5.0"), "system": "http://unitsofmeasure.org", "code": "mL/min"}
    assert body(amended)["dosageInstruction"][0]["doseAndRate"] == [{"rateQuantity": sent}]
    again = amend_order.amend(service, caller, stored.id, edited, "2")
    assert again.version == 2, "the same edit again is no change"
    copied = place_order.place(service, caller, with_unit_of_rate({**stored.record, "order_id": "ORD-2"}, "mL/min"))
    assert copied.record["steps"][0]["dosings"][0]["rate"] == quantity("5.0", "mL/min")


def with_unit_of_rate(record, unit):
    made = copy.deepcopy(record)
    made["steps"][0]["dosings"][0]["rate"]["unit"] = unit
    return made


def test_what_of_the_residue_does_not_go_back_is_told_as_a_warning(service, caller):
    planted = [{"release": "R4", "path": "_status~", "value": {"of": "0", "mark": {"id": "a"}}}]
    placed = place_order.place(service, caller, order(residue=planted))
    warnings = [(issue.severity, issue.path, issue.reason, issue.rule) for issue in placed.findings]
    assert warnings == [("warning", "_status", "the value that it stood beside was edited", "dropped")]
    amended = amend_order.amend(service, caller, placed.id, order(residue=planted, status="on-hold"), "1")
    assert [issue.rule for issue in amended.findings] == ["dropped"]


def test_an_amendment_tells_that_a_text_that_described_the_old_dose_was_left_out(service, caller):
    resource = {
        **body(place_order.place(service, caller, order())),
        "identifier": [{"system": ORDERS, "value": "ORD-2"}],
    }
    resource["dosageInstruction"][0]["text"] = "as charted"
    taken = accept_resource.create(service, caller, "R4", resource)
    record = find.record(service, caller, MR, taken.id).record
    record["steps"][0]["dosings"][0]["rate"]["value"] = 4
    amended = amend_order.amend(service, caller, taken.id, record, "1")
    assert "text" not in body(amended)["dosageInstruction"][0]
    assert "text" not in amended.record["steps"][0], "nor is it kept in the record, beside the new dose"
    assert "text" not in find.record(service, caller, MR, taken.id).record["steps"][0]
    assert ("steps[0].text", "dropped") in [(issue.path, issue.rule) for issue in amended.findings]
