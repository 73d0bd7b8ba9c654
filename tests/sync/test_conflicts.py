from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.sync.conflicts import Merge, merge, stop_of

BASE = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "priority": "routine",
    "subject": {"reference": "Patient/1"},
    "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 5, "code": "mg"}}]}],
    "note": [{"text": "first"}],
    "text": {"status": "generated", "div": "5 mg"},
}


def _changed(**members: object) -> dict:
    return {name: value for name, value in {**BASE, **members}.items() if value is not None}


def _merged(ours: dict, theirs: dict) -> Merge:
    return merge(BASE, ours, BASE, theirs)


DOSE_6 = [{"doseAndRate": [{"doseQuantity": {"value": 6, "code": "mg"}}]}]
DOSE_7 = [{"doseAndRate": [{"doseQuantity": {"value": 7, "code": "mg"}}]}]


@pytest.mark.parametrize(
    ("ours", "theirs", "taken", "held"),
    [
        # only they changed
        ({}, {}, (), ()),
        ({}, {"dosageInstruction": DOSE_6}, ("dosageInstruction",), ()),
        ({}, {"priority": "stat"}, ("priority",), ()),
        ({}, {"priority": None}, ("priority",), ()),
        ({}, {"status": "stopped"}, ("status",), ()),
        ({}, {"subject": {"reference": "Patient/2"}}, (), ("subject",)),
        ({}, {"note": [{"text": "first"}, {"text": "second"}]}, ("note",), ()),
        # both, apart
        ({"priority": "urgent"}, {"dosageInstruction": DOSE_6}, ("dosageInstruction",), ()),
        ({"dosageInstruction": DOSE_6}, {"priority": "stat"}, ("priority",), ()),
        (
            {"note": [{"text": "first"}, {"text": "ours"}]},
            {"note": [{"text": "first"}, {"text": "theirs"}]},
            ("note",),
            (),
        ),
        # both, the same
        ({"dosageInstruction": DOSE_6}, {"dosageInstruction": DOSE_6}, (), ()),
        ({"priority": "stat"}, {"priority": "stat"}, (), ()),
        # both, in the same place
        ({"dosageInstruction": DOSE_6}, {"dosageInstruction": DOSE_7}, (), ("clinical",)),
        ({"dosageInstruction": DOSE_6}, {"intent": "plan"}, (), ("clinical",)),
        ({"dosageInstruction": DOSE_6}, {"modifierExtension": [{"url": "u"}]}, (), ("clinical",)),
        ({"priority": "urgent"}, {"priority": "stat"}, (), ("priority",)),
    ],
)
def test_a_change_is_taken_where_only_they_made_it_and_held_where_both_did(
    ours: Any, theirs: Any, taken: tuple[str, ...], held: tuple[str, ...]
):
    merged = _merged(_changed(**ours), _changed(**theirs))
    assert (merged.taken, merged.held) == (taken, held)
    for name in taken:
        if name != "note":
            assert merged.resource.get(name) == _changed(**theirs).get(name)
    for name in ours:
        if not held and name not in taken:
            assert merged.resource.get(name) == _changed(**ours).get(name)


@pytest.mark.parametrize(
    ("owner", "ours", "theirs", "held"),
    [
        ("ours", {}, {"dosageInstruction": DOSE_6}, ("clinical",)),
        ("ours", {"dosageInstruction": DOSE_6}, {}, ()),
        ("ours", {"dosageInstruction": DOSE_6}, {"dosageInstruction": DOSE_6}, ()),
        ("ours", {}, {"priority": "stat", "status": "stopped"}, ()),
        ("theirs", {}, {"dosageInstruction": DOSE_6}, ()),
        ("theirs", {"dosageInstruction": DOSE_6}, {"priority": "stat"}, ("clinical",)),
        ("theirs", {"dosageInstruction": DOSE_6}, {"dosageInstruction": DOSE_6}, ()),
        ("theirs", {"priority": "stat", "status": "stopped"}, {"dosageInstruction": DOSE_6}, ()),
    ],
)
def test_h17_a_clinical_change_by_the_side_that_does_not_own_it_is_held(
    owner: Any, ours: Any, theirs: Any, held: tuple[str, ...]
):
    assert merge(BASE, _changed(**ours), BASE, _changed(**theirs), owner).held == held


def test_of_a_rendered_dosage_that_both_changed_ours_stays():
    ours, theirs = _changed(renderedDosageInstruction="6 mg"), _changed(renderedDosageInstruction="7 mg")
    merged = _merged(ours, theirs)
    assert (merged.taken, merged.held, merged.resource["renderedDosageInstruction"]) == ((), (), "6 mg")


def test_a_patient_whom_both_changed_is_held_though_theirs_was_merged_there():
    ours, theirs = _changed(subject={"reference": "Patient/2"}), _changed(subject={"reference": "Patient/3"})
    assert merge(BASE, BASE, BASE, theirs, may_move=True).resource["subject"] == {"reference": "Patient/3"}
    assert merge(BASE, ours, BASE, theirs, may_move=True).held == ("subject",)


def test_notes_of_both_sides_are_kept():
    ours, theirs = [{"text": "first"}, {"text": "ours"}], [{"text": "first"}, {"text": "theirs"}]
    assert _merged(_changed(note=ours), _changed(note=theirs)).resource["note"] == [*ours, {"text": "theirs"}]


def test_a_dose_that_both_changed_to_one_value_is_no_conflict_however_each_writes_it():
    six = [{"doseAndRate": [{"doseQuantity": {"value": Decimal("6.0"), "code": "mg"}}]}]
    merged = _merged(_changed(dosageInstruction=DOSE_6), _changed(dosageInstruction=six))
    assert (merged.held, merged.taken, merged.respelled) == ((), (), ("dosageInstruction",))
    assert merged.resource["dosageInstruction"] is DOSE_6


def test_a_note_that_one_side_took_away_is_not_brought_back_by_the_other():
    before = _changed(note=[{"text": "first"}, {"text": "second"}])
    less, more = _changed(note=[{"text": "first"}]), _changed(note=[*before["note"], {"text": "third"}])
    assert merge(before, before, before, less).resource["note"] == [{"text": "first"}]
    assert merge(before, less, before, more).resource["note"] == [{"text": "first"}, {"text": "third"}]


def test_an_identifier_is_one_whatever_else_each_side_says_of_it():
    ours = _changed(identifier=[{"system": "s", "value": "1", "use": "official"}])
    theirs = _changed(identifier=[{"system": "s", "value": "1"}, {"system": "s", "value": "2"}])
    merged = _merged(ours, theirs).resource["identifier"]
    assert merged == [{"system": "s", "value": "1", "use": "official"}, {"system": "s", "value": "2"}]


def test_a_profile_that_they_claim_is_kept_beside_ours():
    ours, theirs = _changed(meta={"profile": ["http://a"]}), _changed(meta={"profile": ["http://b"]})
    assert _merged(ours, theirs).resource["meta"] == {"profile": ["http://a", "http://b"]}


def test_a_security_label_is_never_dropped():
    ours = _changed(meta={"security": [{"system": "s", "code": "R"}]})
    theirs = _changed(meta={"versionId": "2", "security": [{"system": "s", "code": "V"}]})
    assert _merged(ours, theirs).resource["meta"] == {
        "security": [{"system": "s", "code": "R"}, {"system": "s", "code": "V"}]
    }


def test_narrative_that_describes_something_that_was_taken_does_not_stay():
    assert "text" not in _merged(BASE, _changed(dosageInstruction=DOSE_6, text={"div": "6 mg"})).resource
    assert "text" not in _merged(BASE, _changed(status="stopped", text={"div": "stopped"})).resource
    assert _merged(BASE, _changed(priority="stat")).resource["text"] == BASE["text"]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "outcome"),
    [
        ("active", "active", "stopped", "stopped"),
        ("active", "stopped", "active", "stopped"),
        ("active", "on-hold", "stopped", "stopped"),
        ("active", "stopped", "on-hold", "stopped"),
        ("active", "entered-in-error", "completed", "entered-in-error"),
        ("active", "completed", "entered-in-error", "entered-in-error"),
        ("active", "stopped", "entered-in-error", "entered-in-error"),
        ("draft", "active", "on-hold", "on-hold"),
        ("draft", "on-hold", "active", "on-hold"),
        ("active", "entered-in-error", "stopped", "entered-in-error"),
        ("active", "stopped", "completed", "held"),
        ("active", "completed", "stopped", "held"),
        ("active", "cancelled", "stopped", "cancelled"),
        ("on-hold", "on-hold", "active", "active"),
        ("on-hold", "stopped", "active", "stopped"),
        ("stopped", "stopped", "active", "held"),
        ("completed", "completed", "active", "held"),
        ("entered-in-error", "entered-in-error", "active", "held"),
        ("completed", "completed", "entered-in-error", "entered-in-error"),
        ("active", "on-hold", "completed", "held"),
        ("active", "completed", "active", "completed"),
        ("draft", "active", "cancelled", "cancelled"),
        ("active", "unknown", "on-hold", "held"),
        ("in-progress", "completed", "stopped", "held"),
        ("in-progress", "not-done", "completed", "held"),
    ],
)
def test_h8_the_stopping_status_stands_and_nothing_comes_back_to_life(base: str, ours: Any, theirs: Any, outcome: str):
    before = _changed(status=base)
    merged = merge(before, _changed(status=ours), before, _changed(status=theirs))
    assert ("held" if merged.held else merged.resource["status"]) == outcome


STATUSES = ("draft", "active", "on-hold", "completed", "stopped", "cancelled", "ended", "entered-in-error", "unknown")


def test_i4_no_combination_of_states_makes_a_stopped_order_active():
    for base, ours, theirs in itertools.product(STATUSES, repeat=3):
        before = _changed(status=base)
        merged = merge(before, _changed(status=ours), before, _changed(status=theirs))
        stopped = {"stopped", "cancelled", "entered-in-error"} & {
            ours if ours != base else "",
            theirs if theirs != base else "",
        }
        if stopped and not merged.held:
            assert merged.resource["status"] in {"stopped", "cancelled", "ended", "entered-in-error"}, (
                base,
                ours,
                theirs,
            )


def test_a_stop_is_sent_with_everything_else_as_it_is_there():
    ours = _changed(status="cancelled", statusReason={"text": "x"}, dosageInstruction=DOSE_6)
    theirs = _changed(dosageInstruction=DOSE_7)
    assert stop_of(ours, theirs) == {**theirs, "status": "cancelled", "statusReason": {"text": "x"}}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("active", "active"), ("stopped", "cancelled"), ("stopped", "completed"), ("completed", "active")],
)
def test_no_stop_is_sent_where_there_is_none_or_where_it_has_ended(ours: Any, theirs: Any):
    assert stop_of(_changed(status=ours), _changed(status=theirs)) is None


def test_what_was_an_error_is_told_of_what_has_ended_there_and_their_reason_goes_with_their_status():
    wrong = _changed(status="entered-in-error")
    theirs = _changed(status="completed", statusReason={"text": "given"})
    assert stop_of(wrong, theirs) == {**BASE, "status": "entered-in-error"}


def test_one_status_for_two_reasons_is_held():
    ours, theirs = (_changed(status="on-hold", statusReason={"text": why}) for why in ("fever", "no line"))
    assert _merged(ours, theirs).held == ("status",)
