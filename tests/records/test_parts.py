from __future__ import annotations

from collections import Counter
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.records.check import check
from fhir_infusion.records.equality import same
from fhir_infusion.records.examples import example
from fhir_infusion.records.parts import child_status, is_split, join, split, undosed, with_total
from tests.counts import count
from tests.generators import administrations, split_administrations
from tests.records.samples import GIVEN, changed

SYSTEM = "urn:oid:1.2.3"
SINGLE = {name: value for name, value in GIVEN.items() if name != "representation"}


def dose(records):
    return sum((Fraction(record["dose_given"]["value"]) for record in records if "value" in record.get("dose_given", {})), Fraction(0))  # fmt: skip


def test_a_split_administration_is_a_parent_without_dosage_and_a_child_per_segment():
    parent, one, two = split(GIVEN, SYSTEM)
    assert parent == {
        "record": "Administration",
        "administration_id": "a-1",
        "order": {"reference": "MedicationRequest/1"},
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "dobutamine"},
        "when": {"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T12:00:00Z"},
        "dose_total": {"value": 60, "unit": "mg"},
        "volume_given": {"value": 30, "unit": "mL"},
        "segments": [
            {"segment_id": "one", "start": "2024-05-01T10:00:00Z"},
            {"segment_id": "two", "start": "2024-05-01T11:00:00Z"},
        ],
    }
    assert one["administration_id"] == "a-1#one"
    assert two == {
        "record": "Administration",
        "administration_id": "a-1#two",
        "part_of": [{"type": "MedicationAdministration", "identifier": {"system": SYSTEM, "value": "a-1"}}],
        "order": {"reference": "MedicationRequest/1"},
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "dobutamine"},
        "route": {"text": "intravenous"},
        "when": {"start": "2024-05-01T11:00:00Z", "end": "2024-05-01T12:00:00Z"},
        "dose_given": {"value": 40, "unit": "mg"},
        "volume_given": {"value": 20, "unit": "mL"},
        "segments": [{"event": "rate-changed", "rate": {"value": 20, "unit": "mL/h"}, "reason": {"text": "blood pressure"}}],
    }  # fmt: skip


@settings(max_examples=count(80, 5000))
@given(split_administrations(), st.sampled_from([SYSTEM, None]))
def test_splitting_and_joining_gives_the_record_back_and_the_parts_back(record, system):
    before = deepcopy(record)
    parts = split(record, system)
    assert len(parts) == len(record["segments"]) + 1
    whole = join(parts)
    assert same(whole, [record])
    assert same(split(whole[0], system), parts)
    assert same(record, before)


@settings(max_examples=count(40, 3000))
@given(st.lists(administrations(), min_size=1, max_size=3), st.integers(0, 1000))
def test_joining_does_not_mind_the_order_and_touches_no_stranger(records, seed):
    for position, record in enumerate(records):
        record["administration_id"] = f"a{position}"
    parts = [part for record in records for part in split(record, SYSTEM)]
    Random(seed).shuffle(parts)
    joined = join(parts)
    assert len(joined) == len(records)
    by_id = {record["administration_id"]: record for record in joined}
    assert all(same(by_id[record["administration_id"]], record) for record in records)


@settings(max_examples=count(40, 3000))
@given(split_administrations())
def test_adding_up_the_doses_of_the_parts_counts_each_milligram_once(record):
    shares = [segment["dose"] for segment in record["segments"] if "dose" in segment]
    once = dose([{"dose_given": share} for share in shares]) if shares else dose([record])
    assert dose(split(record, SYSTEM)) == once


@settings(max_examples=count(60, 3000))
@given(split_administrations())
def test_every_part_is_a_right_record_of_its_own(record):
    assert [check(part) for part in split(record, SYSTEM)] == [True] * (len(record["segments"]) + 1)


def test_the_dose_of_an_only_segment_is_the_dose_in_all_unless_nothing_was_given():
    alone = {**SINGLE, "segments": [GIVEN["segments"][0]]}
    del alone["dose_given"]
    dose = GIVEN["segments"][0]["dose"]
    assert with_total(alone) == {**alone, "dose_given": dose}
    for record in (
        GIVEN,
        SINGLE,
        {**alone, "representation": "split"},
        {**alone, "status": "not-done"},
        {**alone, "dose_total": dose},
        {**alone, "segments": GIVEN["segments"]},
        {**alone, "segments": [{**alone["segments"][0], "dose": {"value": 0, "unit": "mg"}}]},
        {**alone, "residue": [{"release": "R4", "path": "$no-total", "value": True}]},
    ):
        assert with_total(record) is record


def test_a_part_without_its_dosage_keeps_everything_else():
    _, _, part = split(GIVEN)
    marked = {"release": "R4", "path": "extension", "value": [{"url": "urn:x", "valueString": "y"}]}
    inside = {"release": "R4", "path": "dosage.extension", "value": [{"url": "urn:x", "valueString": "y"}]}
    kept = {name: value for name, value in part.items() if name not in {"dose_given", "route"}}
    kept["segments"] = [{name: value for name, value in part["segments"][0].items() if name != "rate"}]
    assert undosed({**part, "text": "20 mL/h", "residue": [marked, inside]}) == {**kept, "residue": [marked]}
    assert undosed({"segments": [{"rate": {"value": 1}}], "residue": [inside]}) == {}


def test_where_only_the_total_is_known_it_stays_on_the_parent():
    total_only = changed(changed(GIVEN, "segments.0.dose"), "segments.1.dose")
    parent, one, two = split(total_only)
    assert parent["dose_given"] == {"value": 60, "unit": "mg"}
    assert parent["route"] == one["route"] == two["route"]
    assert "dose_total" not in parent
    assert not any("dose_given" in child for child in (one, two))
    assert join([parent, one, two]) == [total_only]


def test_a_parent_without_dose_leaves_route_to_children_with_rates():
    rates_only = changed(changed(changed(GIVEN, "segments.0.dose"), "segments.1.dose"), "dose_given")
    parent, one, _ = split(rates_only)
    assert "route" not in parent
    assert one["route"] == {"text": "intravenous"}
    assert join(split(rates_only)) == [rates_only]


def test_a_child_without_dose_and_rate_has_no_dosage():
    paused = changed(GIVEN, "segments.1", {"segment_id": "two", "event": "paused", "start": "2024-05-01T11:00:00Z"})
    _, one, two = split(paused)
    assert "route" in one
    assert "route" not in two
    assert two["status"] == "on-hold"
    assert join(split(paused)) == [paused]


def test_why_a_segment_was_paused_or_stopped_is_the_reason_of_its_own_status():
    why = {"text": "vein swollen"}
    for event, status in (("paused", "on-hold"), ("stopped", "stopped")):
        halted = changed(changed(GIVEN, "segments.1.event", event), "segments.1.reason", why)
        _, one, two = split(halted)
        assert "status_reasons" not in one
        assert (two["status"], two["status_reasons"]) == (status, [why])
        assert all("reason" not in segment for segment in two["segments"])
        assert join(split(halted)) == [halted]


def test_why_a_rate_was_changed_is_no_reason_of_a_status():
    faster = changed(GIVEN, "segments.1.reason", {"text": "tolerated"})
    _, _, two = split(faster)
    assert "status_reasons" not in two
    assert two["segments"][0]["reason"] == {"text": "tolerated"}


def test_where_the_infusion_went_on_elsewhere_the_child_says_that_site():
    left, right = {"text": "left forearm"}, {"text": "right forearm"}
    moved = changed(changed(GIVEN, "body_site", left), "segments.1.body_site", right)
    parent, one, two = split(moved)
    assert "body_site" not in parent
    assert (one["body_site"], two["body_site"]) == (left, right)
    assert all("body_site" not in segment for segment in two["segments"])
    assert join(split(moved)) == [moved]
    first_unsaid = changed(GIVEN, "segments.1.body_site", right)
    assert join(split(first_unsaid)) == [first_unsaid]


def test_the_site_of_a_segment_without_dosage_stays_in_the_segment():
    paused = {"segment_id": "two", "event": "paused", "start": "2024-05-01T11:00:00Z", "body_site": {"text": "hand"}}
    moved = changed(GIVEN, "segments.1", paused)
    assert "body_site" not in split(moved)[2]
    assert join(split(moved)) == [moved]


def test_a_changed_segment_changes_its_own_child_only():
    before, after = split(GIVEN), split(changed(GIVEN, "segments.1.rate.value", 25))
    assert [same(left, right) for left, right in zip(before, after, strict=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("segment", "status", "own"),
    [
        ({"event": "paused", "end": "2024"}, "completed", "on-hold"),
        ({"event": "started", "end": "2024"}, "in-progress", "completed"),
        ({"event": "rate-changed"}, "in-progress", "in-progress"),
        ({"event": "rate-changed"}, "stopped", "stopped"),
        ({"event": "stopped"}, "stopped", "stopped"),
        ({"event": "completed"}, "in-progress", "completed"),
        ({"event": "paused"}, "entered-in-error", "entered-in-error"),
        ({"end": "2024"}, "not-done", "not-done"),
    ],
)
def test_a_child_s_status_follows_its_own_segment(segment, status, own):
    assert child_status(segment, status) == own


@pytest.mark.parametrize(
    "record",
    [SINGLE, changed(GIVEN, "representation", "single"), changed(GIVEN, "administration_id"), changed(GIVEN, "segments.0.segment_id"), changed(GIVEN, "segments")],
)  # fmt: skip
def test_a_record_that_is_not_to_be_split_stays_one(record):
    assert not is_split(record)
    assert split(record) == [record]
    assert join([record]) == [record]


def spoiled_parts():
    parent, one, two = split(GIVEN, SYSTEM)
    yield "a child is missing", [parent, one]
    yield "the parent is missing", [one, two]
    yield "a child is there twice", [parent, one, two, deepcopy(two)]
    yield "a child has another drug", [parent, changed(one, "drug.text", "dopamine"), two]
    yield (
        "a child has another number",
        [parent, changed(one, "drug", {"text": "dobutamine"}), changed(two, "status", "stopped")],
    )
    yield "a child has another route", [parent, changed(one, "route.text", "oral"), two]
    yield "the parent carries a dose too", [{**parent, "dose_given": {"value": 60, "unit": "mg"}}, one, two]
    yield "a child has no reference to its parent", [parent, changed(one, "part_of"), two]
    yield "a child is part of something else", [parent, changed(one, "part_of.0.identifier.value", "b-1"), two]
    yield "the parent's entry says more", [changed(parent, "segments.0.event", "started"), one, two]
    yield "a child says when otherwise", [parent, changed(one, "when", {"at": "2024"}), two]
    yield "a child was also done by another", [parent, {**one, "performers": [{"function": {"text": "x"}}]}, two]
    yield "a child has a note", [parent, {**one, "notes": [{"text": "x"}]}, two]


@pytest.mark.parametrize(("why", "parts"), list(spoiled_parts()), ids=[why for why, _ in spoiled_parts()])
def test_what_splitting_would_not_make_again_is_left_as_it_is(why, parts):
    assert join(parts) == parts, why


def test_parts_that_were_each_read_as_single_are_joined_and_strangers_stay_single():
    parts = [{**part, "representation": "single"} for part in split(GIVEN, SYSTEM)]
    stranger = {**SINGLE, "administration_id": "b-1", "representation": "single"}
    assert join([*parts, stranger]) == [GIVEN, stranger]
    assert join(parts[1:]) == parts[1:]


def test_who_changed_the_rate_performs_the_child_and_the_weight_is_there_to_compute_with():
    weight = [{"kind": "actual-weight", "value": {"value": 80, "unit": "kg"}}]
    record = changed(changed(GIVEN, "segments.1.performer", {"display": "nurse"}), "measurements", weight)
    parent, one, two = split(record)
    assert two["performers"] == [{"actor": {"display": "nurse"}}]
    assert not any("performer" in segment for segment in two["segments"])
    assert "performers" not in parent
    assert "performers" not in one
    assert parent["measurements"] == one["measurements"] == two["measurements"] == weight
    assert join([two, one, parent]) == [record]


def test_precision_tells_parts_apart():
    record = changed(GIVEN, "preparation", {"total_volume": {"value": Decimal("250.0"), "unit": "mL"}})
    parent, one, two = split(record)
    assert join([parent, one, two]) == [record]
    other = changed(one, "preparation.total_volume.value", Decimal(250))
    assert join([parent, other, two]) == [parent, other, two]


def test_ids_and_residue_of_children_survive_joining_and_splitting():
    parent, one, two = split(GIVEN, SYSTEM)
    entry = {"release": "R5", "path": "extension[]", "value": {"url": "x"}}
    parts = [
        {**parent, "resource_id": "p", "residue": [{"release": "R4", "path": "text", "value": {}}]},
        {**one, "resource_id": "c1"},
        {**two, "resource_id": "c2", "residue": [entry]},
    ]
    (whole,) = join(parts)
    assert [item["path"] for item in whole["residue"]] == [
        "text",
        "segments[one].id",
        "segments[two].id",
        "segments[two].extension[]",
    ]
    assert split(whole, SYSTEM) == parts
    assert check(whole)


def test_generated_administrations_are_split_with_and_without_segment_doses():
    kinds: Counter[str] = Counter()
    for seed in range(300):
        record = example("Administration", Random(seed))
        if record.get("representation") == "split":
            kinds["dose" if any("dose" in segment for segment in record["segments"]) else "total"] += 1
    assert min(kinds["dose"], kinds["total"]) >= 3
