"""Administrations: one record, several resources, one transaction."""

from dataclasses import replace

import pytest

from fhir_infusion.actions import accept_resource, find, place_order, record_administration
from fhir_infusion.errors import Refused
from fhir_infusion.records.equality import same
from fhir_infusion.store import versions
from fhir_infusion.translator import open_translator
from tests.actions.examples import (
    MA,
    MR,
    ORDERS,
    PATIENT,
    TENANT,
    administration,
    audited,
    body,
    changed,
    given,
    number,
    order,
    outbox_rows,
    quantity,
)


@pytest.fixture
def placed(service, caller):
    place_order.place(service, caller, order())
    return record_administration.place(service, caller, administration())


def resources(service, caller, release="R4"):
    """Return all administrations as FHIR, oldest first: the parent, then its children."""
    return [body(entry) for entry in find.search(service, caller, release, MA, [], 100).entries]


def versions_of(found):
    return [int(resource["meta"]["versionId"]) for resource in found]


def test_rate_changes_become_a_parent_and_a_child_for_each_that_come_back_as_one(service, caller, placed):
    assert placed.created
    assert same(placed.record, administration())
    assert same(find.record(service, caller, MA, placed.id).record, administration())
    parent, *children = resources(service, caller)
    assert "dosage" not in parent
    assert [child["dosage"]["rateQuantity"]["value"] for child in children] == [2.5, 5, 7.5]
    assert len(audited(service)) == 5


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_summing_the_doses_of_a_search_counts_each_milligram_once(service, caller, release):
    found = resources(service, caller, release)
    assert sum(one["dosage"]["dose"]["value"] for one in found if "dosage" in one) == number("15.0")


def test_order_administration_and_segments_go_out_in_this_order(service, placed):
    rows = outbox_rows(service)
    order_aggregate, parent, *children = [row.aggregate for row in rows]
    assert parent == f"{MA}/{placed.id}"
    assert len(children) == 3
    assert [row.depends_on for row in rows] == ["", order_aggregate, parent, parent, parent]


def test_an_order_is_found_by_its_reference_too(service, caller):
    ordered = place_order.place(service, caller, order())
    by_id = {"type": MR, "reference": f"{MR}/{ordered.id}"}
    record_administration.place(service, caller, administration(order=by_id))
    assert outbox_rows(service)[1].depends_on == f"{MR}/{ordered.id}"


def test_a_change_of_one_segment_makes_versions_of_that_child_and_the_parent_only(service, caller, placed):
    edited = administration(rates=("2.5", "5.1", "7.50"))
    outcome = record_administration.amend(service, caller, placed.id, edited, "1")
    assert outcome.version == 2
    assert same(outcome.record, edited)
    assert versions_of(resources(service, caller)) == [2, 1, 2, 1]


def test_a_segment_more_makes_one_child_more(service, caller, placed):
    longer = administration(rates=("2.5", "5.0", "7.50", "10.0"))
    outcome = record_administration.amend(service, caller, placed.id, longer, "1")
    assert same(outcome.record, longer)
    assert versions_of(resources(service, caller)) == [2, 1, 1, 1, 1]


def test_a_removed_segment_is_entered_in_error_and_never_revived(service, caller, placed):
    shorter = administration(rates=("2.5", "5.0"))
    outcome = record_administration.amend(service, caller, placed.id, shorter, "1")
    assert same(outcome.record, shorter)
    found = resources(service, caller)
    assert versions_of(found) == [2, 1, 1, 2]
    assert [one["status"] for one in found] == ["completed"] * 3 + ["entered-in-error"]
    listed = find.records(service, caller, MA, [], 10).entries
    assert [entry.id for entry in listed] == [placed.id]
    with pytest.raises(Refused, match="removed before"):
        record_administration.amend(service, caller, placed.id, administration(), "2")
    assert outbox_rows(service)[-1].lane == "stop"


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize(
    ("edited", "wanted"),
    [
        (administration(rates=("2.5", "5.0")), "7.5"),
        (administration(representation="single", dose_given=quantity("15.0", "mg")), "15.0"),
        (
            administration(
                segments=[
                    {**segment, "segment_id": f"n{segment['segment_id']}"} for segment in administration()["segments"]
                ]
            ),
            "15.0",
        ),
    ],
)
def test_a_search_that_does_not_ask_for_the_status_counts_each_milligram_once_after_segments_went(
    service, caller, placed, edited, wanted, release
):
    """A child that we enter in error ourselves has no dosage; its earlier version has."""
    outcome = record_administration.amend(service, caller, placed.id, edited, "1")
    assert same(outcome.record, edited)
    found = resources(service, caller, release)
    assert sum(one["dosage"]["dose"]["value"] for one in found if "dose" in one.get("dosage", {})) == number(wanted)
    gone = [one for one in found if one["status"] == "entered-in-error"]
    assert gone
    assert not any("dosage" in one for one in gone)
    earlier = [body(find.vread(service, caller, release, MA, one["id"], "1")) for one in gone]
    assert all("dose" in one["dosage"] for one in earlier)
    again = record_administration.amend(service, caller, placed.id, edited, "2")
    assert again.version == 2, "the same again is no change"


def test_an_administration_that_a_client_enters_in_error_stays_as_it_was_sent(service, caller):
    first = accept_resource.create(service, caller, "R4", given())
    wrong = given(id=first.id, status="entered-in-error")
    changed_to = accept_resource.update(service, caller, "R4", first.id, wrong, "1")
    assert body(changed_to)["dosage"] == given()["dosage"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "entered-in-error"},
        {"drug": {"text": "dopamine"}},
        {"order": {"type": MR, "identifier": {"system": ORDERS, "value": "ORD-2"}}},
    ],
)
def test_what_holds_for_the_whole_goes_to_every_child_at_once(service, caller, placed, change):
    edited = administration(**change)
    outcome = record_administration.amend(service, caller, placed.id, edited, "1")
    assert same(outcome.record, edited)
    found = resources(service, caller)
    assert versions_of(found) == [2, 2, 2, 2]
    for one in found:
        if "status" in change:
            assert one["status"] == "entered-in-error"
        if "drug" in change:
            assert one["medicationCodeableConcept"] == {"text": "dopamine"}
        if "order" in change:
            assert one["request"]["identifier"]["value"] == "ORD-2"


@pytest.mark.parametrize(
    "change",
    [
        {"status": "entered-in-error"},
        {"medicationCodeableConcept": {"text": "dopamine"}},
    ],
)
def test_a_parent_that_is_changed_as_fhir_takes_its_children_with_it(service, caller, placed, change):
    parent = resources(service, caller)[0]
    accept_resource.update(service, caller, "R4", placed.id, changed(parent, **change), "1")
    found = resources(service, caller)
    assert versions_of(found) == [2, 2, 2, 2]
    for one in found:
        assert {name: one[name] for name in change} == change
    whole = find.record(service, caller, MA, placed.id).record
    assert whole["representation"] == "split"
    assert [segment["rate"]["value"] for segment in whole["segments"]] == [number(n) for n in ("2.5", "5.0", "7.50")]


def test_a_child_that_is_changed_as_fhir_gives_its_parent_a_new_version(service, caller, placed):
    child = resources(service, caller)[1]
    child["dosage"]["rateQuantity"]["value"] = number("2.6")
    accept_resource.update(service, caller, "R4", child["id"], child, "1")
    assert versions_of(resources(service, caller)) == [2, 2, 1, 1]
    whole = find.record(service, caller, MA, placed.id)
    assert whole.version == 2
    assert whole.record["segments"][0]["rate"]["value"] == number("2.6")
    with pytest.raises(Refused) as refusal:
        record_administration.amend(service, caller, placed.id, administration(), "1")
    assert refusal.value.status == 412


@pytest.mark.parametrize("which", [0, 1], ids=["whole", "segment"])
@pytest.mark.parametrize("origin", ["", "pharmacy"])
def test_an_administration_stays_with_its_patient_h10(service, caller, placed, which, origin):
    one = changed(resources(service, caller)[which], subject={"reference": "Patient/8"})
    with pytest.raises(Refused) as refusal:
        accept_resource.update(service, caller, "R4", one["id"], one, "1", origin=origin)
    (issue,) = refusal.value.issues
    assert (issue.status, issue.code, issue.path, issue.rule) == (422, "business-rule", "patient", "subject-fixed")
    assert issue.accepted.endswith("enter this administration in error and record a new one")
    other = administration(patient={"identifier": {"system": "https://example.org/patients", "value": "MRN-2"}})
    with pytest.raises(Refused, match="the patient of an administration cannot change"):
        record_administration.amend(service, caller, placed.id, other, "1")
    assert versions_of(resources(service, caller)) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"medicationCodeableConcept": {"text": "dopamine"}}, "drug"),
        ({"request": {"reference": "MedicationRequest/9"}}, "order"),
        ({"context": {"reference": "Encounter/9"}}, "encounter"),
    ],
)
def test_a_segment_that_would_say_another_thing_than_its_administration_is_refused(
    service, caller, placed, change, field
):
    child = changed(resources(service, caller)[1], **change)
    with pytest.raises(Refused) as refusal:
        accept_resource.update(service, caller, "R4", child["id"], child, "1")
    (issue,) = refusal.value.issues
    assert (issue.status, issue.code, issue.path, issue.rule) == (422, "business-rule", field, "segment")
    assert issue.accepted == "what the administration says; change that one, and its segments change with it"
    assert versions_of(resources(service, caller)) == [1, 1, 1, 1]
    assert same(find.record(service, caller, MA, placed.id).record, administration())


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize(
    ("change", "path"),
    [({"subject": {"reference": "Patient/8"}}, "patient"), ({"medicationCodeableConcept": {"text": "x"}}, "drug")],
)
def test_a_segment_that_arrives_and_says_another_thing_than_its_administration_is_refused(
    service, caller, change, path
):
    late = changed(resources(service, caller)[1], **change)
    late["identifier"][0]["value"] = "ADM-1#late"
    with pytest.raises(Refused) as refusal:
        accept_resource.create(service, caller, "R4", late)
    assert [(issue.status, issue.path) for issue in refusal.value.issues] == [(422, path)]
    assert len(resources(service, caller)) == 4


@pytest.mark.usefixtures("placed")
def test_parts_that_arrive_one_by_one_as_fhir_are_one_administration_too(service, caller):
    parts = resources(service, caller)
    for part in parts:
        for identifier in part["identifier"]:
            identifier["value"] = identifier["value"].replace("ADM-1", "ADM-9")
        for reference in part.get("partOf", ()):
            reference["identifier"]["value"] = "ADM-9"
        del part["id"], part["meta"]
    made = [accept_resource.create(service, caller, "R4", part) for part in parts]
    whole = find.record(service, caller, MA, made[0].id)
    assert whole.record["representation"] == "split"
    assert len(whole.record["segments"]) == 3
    assert whole.version == 2
    listed = find.records(service, caller, MA, [("administration_id", "ADM-9")], 10).entries
    assert [entry.id for entry in listed] == [made[0].id]


@pytest.mark.usefixtures("placed")
def test_a_segment_is_amended_with_its_administration_and_not_by_itself(service, caller):
    child = resources(service, caller)[1]["id"]
    with pytest.raises(Refused, match="as a whole") as refusal:
        record_administration.amend(service, caller, child, administration(), "1")
    assert refusal.value.status == 422


def test_amending_with_the_same_makes_no_version_i5(service, caller, placed):
    outcome = record_administration.amend(service, caller, placed.id, administration(), "1")
    assert (outcome.version, outcome.created) == (1, False)
    assert versions_of(resources(service, caller)) == [1, 1, 1, 1]


def test_the_same_administration_twice_is_one(service, caller, placed):
    again = record_administration.place(service, caller, administration())
    assert (again.created, again.id) == (False, placed.id)
    assert same(again.record, administration())
    with pytest.raises(Refused) as refusal:
        record_administration.place(service, caller, administration(rates=("2.5",)))
    assert refusal.value.status == 422


def test_nothing_of_a_change_is_stored_where_one_part_is_refused(service, caller, placed):
    wrong = administration(
        rates=("2.6", "5.0", "7.50"), order={"type": MR, "reference": f"{MR}/{_plan(service, caller)}"}
    )
    with pytest.raises(Refused) as refusal:
        record_administration.amend(service, caller, placed.id, wrong, "1")
    assert refusal.value.status == 422
    assert versions_of(resources(service, caller)) == [1, 1, 1, 1]


def _plan(service, caller):
    return place_order.place(service, caller, order("PLAN-1", intent="plan")).id


def test_only_an_order_can_be_carried_out(service, caller):
    reference = {"type": MR, "reference": f"{MR}/{_plan(service, caller)}"}
    with pytest.raises(Refused, match="no order") as refusal:
        record_administration.place(service, caller, administration(order=reference))
    assert refusal.value.status == 422


def test_an_administration_for_another_patient_than_its_order_is_a_finding_h10(service, caller):
    place_order.place(service, caller, order())
    other = {"identifier": {**PATIENT["identifier"], "value": "MRN-2"}}
    outcome = record_administration.place(service, caller, administration(patient=other))
    assert [finding.rule for finding in outcome.findings if finding.path == "patient"] == ["order-patient"]


UNKNOWN = [
    {"type": MR, "identifier": {"value": "NO-SUCH"}},
    {"type": MR, "reference": f"{MR}/no-such"},
]


@pytest.mark.parametrize("reference", UNKNOWN)
def test_an_order_that_is_not_here_is_told_and_never_refused(service, caller, reference):
    strict = replace(service, translator=open_translator(replace(service.settings, findings="refuse")))
    outcome = record_administration.place(strict, caller, administration(order=reference))
    assert [(one.rule, one.path, one.severity) for one in outcome.findings] == [("order-unknown", "order", "warning")]


ELSEWHERE = [
    {"type": MR, "identifier": {"system": "urn:example:elsewhere", "value": "1"}},
    {"type": MR, "reference": f"https://elsewhere.example/fhir/{MR}/1"},
    {"display": "by word of mouth"},
]


@pytest.mark.parametrize("reference", ELSEWHERE)
def test_an_order_of_another_system_is_not_expected_here(service, caller, reference):
    assert record_administration.place(service, caller, administration(order=reference)).findings == ()


def test_where_findings_are_refused_one_beside_the_order_stores_nothing(service, caller):
    place_order.place(service, caller, order())
    placed = record_administration.place(service, caller, administration())
    other = {"identifier": {**PATIENT["identifier"], "value": "MRN-2"}}
    strict = replace(service, translator=open_translator(replace(service.settings, findings="refuse")))
    before = versions_of(resources(service, caller))
    with pytest.raises(Refused) as refusal:
        record_administration.place(strict, caller, administration(administration_id="OTHER", patient=other))
    assert [(issue.rule, issue.status) for issue in refusal.value.issues] == [("order-patient", 422)]
    assert versions_of(resources(service, caller)) == before
    assert placed.version == 1


def test_what_demands_delivered_is_told_where_it_is_not_the_demand_dose_ordered(service, caller):
    control = {"demand_dose": quantity("0.20", "mg"), "lockout": quantity("8", "min")}
    place_order.place(
        service, caller, order(steps=[{"step_id": "demand", "role": "demand", "patient_control": control}])
    )
    plain = {"representation": "single", "dose_given": quantity("9", "mg"), "segments": []}
    counts = {"attempts": 28, "deliveries": 25, "delivered": quantity("6", "mg")}
    record = administration(**plain, demand_counts=counts)
    del record["segments"]
    told = record_administration.place(service, caller, record)
    said = "25 deliveries of 0.20 mg, the demand dose ordered, make 5 mg; delivered is 6 mg"
    assert [(issue.rule, issue.path, issue.reason) for issue in told.findings] == [
        ("demand-deliveries", "demand_counts.delivered", said)
    ]
    right = {**record, "demand_counts": {**counts, "delivered": quantity("5.00", "mg")}}
    assert record_administration.amend(service, caller, told.id, right, "1").findings == ()


def test_an_administration_without_rate_changes_is_one_resource(service, caller):
    record = administration(
        segments=[], representation="single", dose_given=quantity("10.0", "mg"), order={"display": "by telephone"}
    )
    del record["segments"]
    outcome = record_administration.place(service, caller, record)
    assert same(outcome.record, record)
    assert len(resources(service, caller)) == 1


def test_becoming_a_single_resource_enters_every_segment_in_error(service, caller, placed):
    record = administration(representation="single", dose_given=quantity("15.0", "mg"))
    del record["segments"]
    record_administration.amend(service, caller, placed.id, record, "1")
    assert [one["status"] for one in resources(service, caller)] == ["completed"] + ["entered-in-error"] * 3
    assert same(find.record(service, caller, MA, placed.id).record, record)


def test_what_came_from_an_endpoint_is_not_told_to_it_but_what_follows_from_it_is(service, caller, placed):
    before = len(outbox_rows(service)), len(outbox_rows(service, "centre"))
    parent = changed(resources(service, caller)[0], status="entered-in-error")
    accept_resource.update(service, caller, "R4", placed.id, parent, origin="pharmacy")
    new = outbox_rows(service)[before[0] :]
    assert [row.aggregate == f"{MA}/{placed.id}" for row in new] == [False] * 3
    assert len(outbox_rows(service, "centre")) - before[1] == 4


def test_fhir_administrations_that_are_single_stay_so(service, caller):
    made = accept_resource.create(service, caller, "R4", given())
    assert len(resources(service, caller)) == 1
    assert service.store.read(TENANT, lambda tx: versions.children(tx, made.id)) == ()


DOSE = {"value": number("5.0"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
TWICE = "the administration and the one that it is part of both carry a dose: adding them up counts twice"


def dosed(**more):
    return given(dosage={"dose": DOSE}, **more)


def test_a_child_that_came_as_fhir_and_carries_a_dose_as_its_parent_does_is_told(service, caller):
    parent = accept_resource.create(service, caller, "R4", dosed())
    assert parent.findings == ()
    child = dosed(partOf=[{"reference": f"{MA}/{parent.id}"}])
    told = accept_resource.create(service, caller, "R4", child)
    assert [(issue.path, issue.rule, issue.reason) for issue in told.findings] == [("dose_given", "dose-twice", TWICE)]
    assert body(told)["dosage"] == child["dosage"]
    again = accept_resource.update(service, caller, "R4", told.id, {**child, "id": told.id, "status": "completed"}, "1")
    assert [issue.rule for issue in again.findings] == ["dose-twice"]
    rate_only = accept_resource.create(service, caller, "R4", given(partOf=[{"reference": f"{MA}/{parent.id}"}]))
    assert rate_only.findings == ()


def test_a_parent_that_gets_a_dose_beside_those_of_its_segments_is_told(service, caller, placed):
    parent = resources(service, caller)[0]
    told = accept_resource.update(service, caller, "R4", placed.id, {**parent, "dosage": {"dose": DOSE}}, "1")
    assert {issue.rule for issue in told.findings} == {"dose-twice"}


def test_an_administration_of_our_own_that_is_part_of_another_with_a_dose_is_told(service, caller):
    place_order.place(service, caller, order())
    whole = {"representation": "single", "dose_given": quantity("15.0", "mg")}
    first = record_administration.place(service, caller, administration(**whole))
    assert first.findings == ()
    part_of = [{"identifier": {"value": "ADM-1"}}]
    second = administration("ADM-2", rates=("5.0",), part_of=part_of, **{**whole, "dose_given": quantity("5.0", "mg")})
    told = record_administration.place(service, caller, second)
    assert [(issue.path, issue.rule) for issue in told.findings] == [("dose_given", "dose-twice")]
    amended = record_administration.amend(service, caller, told.id, {**second, "notes": [{"text": "x"}]}, "1")
    assert [issue.rule for issue in amended.findings] == ["dose-twice"]


def test_a_text_that_told_of_the_old_rate_is_not_kept_beside_the_new_one_h14(service, caller):
    sent = given(dosage={**given()["dosage"], "text": "5 mL an hour"}, identifier=[{"system": "urn:x", "value": "A-7"}])
    taken = accept_resource.create(service, caller, "R4", sent)
    record = find.record(service, caller, MA, taken.id).record
    assert record["text"] == "5 mL an hour"
    record["segments"][0]["rate"]["value"] = 4
    record["when"] = {"at": "2025-05-01T08:30:00Z"}
    amended = record_administration.amend(service, caller, taken.id, record, "1")
    assert "text" not in body(amended)["dosage"]
    assert "text" not in find.record(service, caller, MA, taken.id).record
    assert ("text", "dropped") in [(issue.path, issue.rule) for issue in amended.findings]
