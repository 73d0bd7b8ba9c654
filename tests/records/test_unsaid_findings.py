"""What is given only in words is told once a record, for information; a text beside data is not."""

from __future__ import annotations

import pytest

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.check import check
from tests.records.found import IN_WORDS, Record, given_, order, q, step

DOSE = "the dose or rate is given only in words: nothing was compared with it"
GIVEN_DOSE = "what was given is said only in words: nothing was compared with it"
UNIT = "its unit has no UCUM code: nothing was compared with it"
NUMBER = "it has no number: nothing was compared with it"
LIMIT = "a limit is given only in words: no dose or rate was compared with it"

GRAM = step({"dose": q(1, "g")})
RATE: Record = {"dosings": [{"rate": q(5, "ug/kg/min")}]}


def told(record: Record) -> list[tuple[str, str]]:
    assert check(record, as_sent=True)
    found = [issue for issue in findings(record) if issue.rule == "words-only"]
    assert all(issue.severity == "information" for issue in found)
    return [(issue.path, issue.reason) for issue in found]


ONLY_IN_WORDS = [
    (IN_WORDS, "steps[0].text", DOSE),
    (order({"text": "as directed"}), "steps[0].text", DOSE),
    (order({"patient_instruction": "as told by the nurse"}), "steps[0].patient_instruction", DOSE),
    (order({"text": "2 g", "clinical_instruction": "over 30 min"}, {"text": "then 1 g"}), "steps[0].text", DOSE),
    (order(GRAM, {"text": "then 500 mg every 8 h"}), "steps[1].text", DOSE),
    (order(rendered_instruction="2 g daily"), "rendered_instruction", DOSE),
    (order(step({"rate_text": "slowly"})), "steps[0].dosings[0].rate_text", DOSE),
    (order(step({"dose": {"value": 5, "unit_text": "mg"}})), "steps[0].dosings[0].dose", UNIT),
    (order(step({"dose": {"value": 5, "unit": "385055001", "unit_system": "http://snomed.info/sct"}})), "steps[0].dosings[0].dose", UNIT),
    (order(step({"dose": {"unit": "mg"}})), "steps[0].dosings[0].dose", NUMBER),
    (order(step({"rate_range": {"low": q(1, "mL/h"), "high": {"value": 5}}})), "steps[0].dosings[0].rate_range.high", UNIT),
    (order({**GRAM, "max_per_administration": {"value": 2, "unit_text": "g"}}), "steps[0].max_per_administration", UNIT),
    (
        order({**GRAM, "max_per_period": [{"numerator": {"value": 4, "unit_text": "g"}, "denominator": q(24, "h")}]}),
        "steps[0].max_per_period[0].numerator",
        UNIT,
    ),
    (
        order({**GRAM, "max_per_period": [{"numerator": q(2, "g"), "denominator": q(1, "{dose}")}]}),
        "steps[0].max_per_period[0].denominator",
        "this limit is not one of a time: nothing was compared with it",
    ),
    (order({**GRAM, "text": "1 g, max 4 g in 24 h"}), "steps[0].text", LIMIT),
    (order({**GRAM, "text": "1 g. Maximum daily dose: 4 g"}), "steps[0].text", LIMIT),
    (order({**GRAM, "text": "1 g, do not exceed 4,000 mg"}), "steps[0].text", LIMIT),
    (order({**RATE, "text": "titrate by 1 mcg/kg/min, max 20 mcg/kg/min"}), "steps[0].text", LIMIT),
    (order({**RATE, "text": "not more than 20 mcg/kg/min", "max_per_administration": q(1, "g")}), "steps[0].text", LIMIT),
    (order(step({"rate": q(900, "[iU]/h")}, text="900 units/h, max 2000 units/h")), "steps[0].text", LIMIT),
]  # fmt: skip


@pytest.mark.parametrize(("record", "path", "reason"), ONLY_IN_WORDS)
def test_what_is_given_only_in_words_is_told_once(record: Record, path: str, reason: str):
    assert told(record) == [(path, reason)]


@pytest.mark.parametrize(
    "record",
    [
        order(),
        order(GRAM),
        order({**GRAM, "text": "1 g IV over 30 min, as directed", "patient_instruction": "call the nurse"}),
        order(GRAM, {"text": "then flush the line"}),
        order(GRAM, rendered_instruction="1 g IV"),
        order(step({"rate": q(5, "mL/h"), "rate_text": "5 mL an hour"})),
        order({**GRAM, "text": "1 g, max 4 g in 24 h", "max_per_period": [{"numerator": q(4, "g"), "denominator": q(24, "h")}]}),
        order({**GRAM, "text": "max 4 g", "max_per_administration": q(2, "g")}),
        order({**RATE, "text": "max 20 mcg/kg/min", "titration": {"ceiling": q(20, "ug/kg/min")}}),
        order(step({"rate_range": {"low": q(5, "mL/h"), "high": q(20, "mL/h")}}, text="max. rate 20 mL/h")),
        order(step({"rate": q(5, "mL/h")}, text="max 28 mL/h", max_per_period=[{"numerator": q(28, "mL"), "denominator": q(1, "h")}])),
        order(step({"rate": q(900, "[iU]/h")}, text="max 2000 units/h", max_rate=q(2000, "[iU]/h"))),
        order({**GRAM, "text": "maximum 3 times a day, over at most 30 min"}),
        order({"role": "demand", "text": "1 mg on demand", "patient_control": {"demand_dose": q(1, "mg")}}),
        order({"text": "5 mcg/kg/min and more", "titration": {"start": q(5, "ug/kg/min")}}),
        order(step({"dose": {"value": 20, "unit_text": "mL/h"}})),
        order(step({"rate_as_stated": {"value": 20, "unit_text": "min"}})),
    ],
)  # fmt: skip
def test_a_text_beside_data_and_what_another_finding_tells_is_not_told(record: Record):
    assert told(record) == []


GIVEN = [
    (given_(text="gave 500 mg over 1 h"), "text", GIVEN_DOSE),
    (given_(text="500 mg", status="in-progress"), "text", GIVEN_DOSE),
    (given_(segments=[{"segment_id": "1", "rate_text": "slowly"}]), "segments[0].rate_text", GIVEN_DOSE),
    (given_(dose_given={"value": 5, "unit_text": "mg"}), "dose_given", UNIT),
    (given_(volume_given={"value": 5, "unit_text": "mL"}, dose_given=q(5, "mg")), "volume_given", UNIT),
    (given_(dose_given={"unit": "mg"}), "dose_given", NUMBER),
    (given_(segments=[{"segment_id": "1", "rate": {"value": 5, "unit_text": "mL/h"}}]), "segments[0].rate", UNIT),
    (given_(segments=[{"segment_id": "1", "rate_ratio": {"numerator": {"value": 5, "unit_text": "mL"}, "denominator": q(1, "h")}}]), "segments[0].rate_ratio.numerator", UNIT),
    (given_(segments=[{"segment_id": "1", "dose": {"value": 2, "unit": "1", "unit_system": "urn:x"}}]), "segments[0].dose", UNIT),
]  # fmt: skip


@pytest.mark.parametrize(("record", "path", "reason"), GIVEN)
def test_what_was_given_is_told_where_only_words_say_it(record: Record, path: str, reason: str):
    assert told(record) == [(path, reason)]


@pytest.mark.parametrize(
    "record",
    [
        given_(text="gave 500 mg over 1 h", dose_given=q(500, "mg")),
        given_(text="gave 500 mg over 1 h", status="not-done"),
        given_(text="gave 500 mg over 1 h", status="entered-in-error"),
        given_(text="patient tolerated it well"),
        given_(text="500 mg", segments=[{"segment_id": "1", "rate": q(5, "mL/h")}]),
        given_(text="of 500 mg in all", dose_total=q(500, "mg")),
        given_(segments=[{"segment_id": "1", "rate_text": "slowly", "rate": q(5, "mL/h")}]),
        given_(segments=[{"segment_id": "1", "rate_text": "slowly", "volume": q(5, "mL")}]),
        given_(),
    ],
)
def test_an_administration_that_has_its_numbers_or_was_not_given_is_not_told(record: Record):
    assert told(record) == []


def test_only_the_first_that_is_given_in_words_is_told():
    words = [{"segment_id": str(at), "rate_text": "slowly"} for at in range(3)]
    assert told(given_(segments=words)) == [("segments[0].rate_text", GIVEN_DOSE)]
