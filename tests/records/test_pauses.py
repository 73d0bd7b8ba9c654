"""A pause that only the state says is read as one, marked, and not written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings

from fhir_infusion.records.check import check
from fhir_infusion.records.parts import undosed
from fhir_infusion.records.pauses import MARK, is_pause, marked, told, untold
from tests.counts import count
from tests.generators import administrations

Record = dict[str, Any]

ZERO = {"value": 0, "unit": "mL/h"}
RATIO = {"numerator": {"value": 0, "unit": "mL"}, "denominator": {"value": 1, "unit": "h"}}
ENTRY = {"release": "R4", "path": MARK, "value": True}


def on_hold(*segments: Record, **more: Any) -> Record:
    said = {"segments": list(segments)} if segments else {}
    return {
        "record": "Administration",
        "status": "on-hold",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "heparin"},
        "when": {"at": "2026-05-04T10:00:00Z"},
        **said,
        **more,
    }


PAUSES = {
    "rate zero": on_hold({"rate": ZERO}),
    "rate zero in words": on_hold({"rate": ZERO}, text="Paused for the scan."),
    "ratio of zero": on_hold({"rate_ratio": RATIO}),
    "no dosage": on_hold(),
    "rate zero after a dose": on_hold({"rate": ZERO}, dose_given={"value": 40, "unit": "mg"}),
    "a stretch that residue names": on_hold({"segment_id": "~1a2b", "rate": ZERO}),
}

NONE = {
    "it runs": on_hold({"rate": {"value": 5, "unit": "mL/h"}}),
    "less than something": on_hold({"rate": {**ZERO, "comparator": "<="}}),
    "no number": on_hold({"rate": {"unit": "mL/h"}}),
    "a duration of zero": on_hold({"rate_as_stated": {"value": 0, "unit": "min"}}),
    "a dose, no rate": on_hold(dose_given={"value": 40, "unit": "mg"}),
    "a route in words": on_hold(text="by the left arm"),
    "a dosage of which no field holds anything": on_hold(
        residue=[{"release": "R4", "path": "dosage.extension", "value": [{"url": "urn:x", "valueString": "y"}]}]
    ),
    "it says another event": on_hold({"rate": ZERO, "event": "started"}),
    "a part of ours": on_hold({"segment_id": "one", "start": "2026-05-04T10:00:00Z"}),
    "several stretches": on_hold({"rate": ZERO}, {"rate": ZERO}),
    "completed": {**on_hold({"rate": ZERO}), "status": "completed"},
    "not done": {**on_hold(), "status": "not-done"},
}


@pytest.mark.parametrize("record", PAUSES.values(), ids=PAUSES)
def test_an_administration_on_hold_at_rate_zero_or_without_dosage_is_paused(record: Record) -> None:
    before = deepcopy(record)
    read = marked(record, "R4")
    (segment,) = read["segments"]
    assert segment == {**(record.get("segments") or [{}])[0], "event": "paused"}
    assert read["residue"] == [ENTRY]
    assert check(read, as_sent=True)
    assert untold(read) == {**record, "residue": [ENTRY]}
    assert told(untold(read)) == read
    assert record == before


@pytest.mark.parametrize("record", NONE.values(), ids=NONE)
def test_what_does_not_say_that_nothing_runs_is_no_pause(record: Record) -> None:
    assert not is_pause(record)
    entry = {**record, "residue": [*record.get("residue", ()), ENTRY]}
    assert told(entry) is entry
    assert untold(entry) is entry


def test_a_pause_that_was_stated_is_written() -> None:
    stated = on_hold({"rate": ZERO, "event": "paused"})
    assert untold(stated) is stated


@pytest.mark.parametrize(
    "edit",
    [{"status": "completed"}, {"segments": [{"rate": {"value": 5, "unit": "mL/h"}, "event": "paused"}]}],
    ids=["state", "rate"],
)
def test_a_pause_is_written_once_the_state_no_longer_says_it(edit: Record) -> None:
    edited = {**marked(on_hold({"rate": ZERO}), "R4"), **edit}
    assert untold(edited) is edited


@given(administrations())
@settings(max_examples=count(100, 2000))
def test_of_any_administration_marking_and_leaving_out_give_back_what_was_there(record: Record) -> None:
    halted = {**record, "status": "on-hold", "representation": "single"}
    for one in (record, halted, undosed(halted)):
        if is_pause(one):
            read = marked(one, "R4")
            assert read["segments"][0]["event"] == "paused"
            bare = untold(read)
            assert {**bare, "residue": bare["residue"][:-1]} == {**one, "residue": list(one.get("residue", ()))}
        else:
            assert told(one) is one
            assert untold(one) is one
