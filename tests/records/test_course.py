"""The course of an infusion: rates over time, what has run by then, and what cannot be said."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as chosen
from hypothesis import strategies as st

from fhir_infusion.records.amounts import amount, differ
from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.course import Course, given, number, planned
from tests.golden_write import Golden, goldens

Record = dict[str, Any]
D = Decimal
ML_H = Fraction(1, 3600) / 1_000_000


def q(value: int | Decimal, unit: str) -> Record:
    return {"value": value, "unit": unit}


def minutes(value: int) -> Record:
    return {"timing": {"duration": {"value": value, "unit": "min"}}}


def order(*steps: Record, **more: Any) -> Record:
    base = {"record": "InfusionOrder", "status": "active", "intent": "order", "patient": {"reference": "Patient/1"}}
    return {**base, "drug": {"text": "drug"}, "steps": list(steps), **more}


def bag(milligrams: int, millilitres: int) -> Record:
    ratio = {"numerator": q(milligrams, "mg"), "denominator": q(millilitres, "mL")}
    return {"preparation": {"total_volume": q(millilitres, "mL"), "final_concentration": ratio}}


def weight(*kilograms: int) -> Record:
    kinds = ("actual-weight", "ideal-weight")
    return {
        "measurements": [{"kind": kind, "value": q(one, "kg")} for kind, one in zip(kinds, kilograms, strict=False)]
    }


def only(courses: tuple[Course, ...]) -> Course:
    (course,) = courses
    return course


def run(course: Course) -> list[tuple[str, object, object, object]]:
    """Path, minutes from and to, and the rate in mL/h, low and high."""
    shown: list[tuple[str, object, object, object]] = []
    for one in course.stretches:
        ends = one.end / 60 if one.end is not None else None
        flow = one.volume
        rate = None if flow is None else tuple(dict.fromkeys((flow.low / ML_H, flow.high / ML_H)))
        shown.append((one.path, one.start / 60, ends, rate))
    return shown


def by(course: Course, kind: str, unit: str) -> list[tuple[object, object]]:
    """Minutes, and what has run by then."""
    return [(one.at / 60, number(one.high, unit)) for one in course.totals(kind) if one.low == one.high]


def reasons(course: Course) -> list[tuple[str, str]]:
    return [(one.path, one.reason) for one in course.unknown]


def test_the_steps_of_a_ramp_follow_each_other_and_add_up():
    steps = [{"sequence": at, "dosings": [{"rate": q(rate, "mL/h")}], **minutes(30)} for at, rate in ((2, 60), (1, 30))]
    course = only(planned(order(*steps, **bag(900, 45))))
    assert run(course) == [("steps[1]", 0, 30, (30,)), ("steps[0]", 30, 60, (60,))]
    assert by(course, "volume", "mL") == [(0, 0), (30, 15), (60, 45)]
    assert by(course, "drug", course.unit) == [(0, 0), (30, 300), (60, 900)]
    assert (course.unit, course.unknown) == ("mg", ())


def test_steps_of_one_number_run_together():
    steps = [{"sequence": 1, "dosings": [{"rate": q(rate, "mL/h")}], **minutes(60)} for rate in (10, 20)]
    course = only(planned(order(*steps)))
    assert run(course) == [("steps[0]", 0, 60, (10,)), ("steps[1]", 0, 60, (20,))]
    assert by(course, "volume", "mL") == [(0, 0), (60, 30)]


def test_a_rate_per_kilogram_needs_one_weight_and_the_concentration():
    step = {"dosings": [{"rate": q(D("2.5"), "ug/kg/min")}], **minutes(60)}
    course = only(planned(order(step, **bag(500, 250), **weight(80))))
    assert run(course) == [("steps[0]", 0, 60, (6,))]
    assert by(course, "drug", course.unit) == [(0, 0), (60, 12)]
    bare = only(planned(order(step, **bag(500, 250))))
    said = "2.5 ug/kg/min is per size of the patient, and no such measurement is stated"
    assert (bare.stretches, reasons(bare)) == ((), [("steps[0]", said)])
    two = only(planned(order(step, **bag(500, 250), **weight(80, 60))))
    said = "2.5 ug/kg/min is per size of the patient, and several that it may mean are stated"
    assert (two.stretches, reasons(two)) == ((), [("steps[0]", said)])
    undiluted = only(planned(order(step, **weight(80))))
    assert (undiluted.stretches[0].volume, undiluted.totals("volume")) == (None, ())


def test_a_dose_in_a_time_is_a_rate_and_a_dose_at_a_rate_is_a_time():
    spread = only(planned(order({"dosings": [{"dose": q(400, "mg")}], **minutes(120)}, **bag(400, 250))))
    assert run(spread) == [("steps[0]", 0, 120, (125,))]
    assert spread.stretches[0].said == "400 mg in 120 min"
    timed = only(planned(order({"dosings": [{"dose": q(1000, "mL"), "rate": q(100, "mL/h")}]})))
    assert run(timed) == [("steps[0]", 0, 600, (100,))]
    assert timed.stretches[0].said == "100 mL/h; 1000 mL takes 600 min"


def test_a_range_and_a_titration_stay_low_and_high():
    span = {"rate_range": {"low": q(50, "mL/h"), "high": q(75, "mL/h")}}
    ranged = only(planned(order({"dosings": [span], **minutes(60)})))
    assert run(ranged) == [("steps[0]", 0, 60, (50, 75))]
    total = ranged.totals("volume")[-1]
    assert (number(total.low, "mL"), number(total.high, "mL")) == (50, 75)
    titration = {"start": q(5, "mL/h"), "step": q(5, "mL/h"), "ceiling": q(20, "mL/h")}
    step = {"dosings": [{"rate": q(5, "mL/h")}], "titration": titration}
    titrated = only(planned(order(step)))
    assert run(titrated) == [("steps[0]", 0, None, (5, 20))]
    assert reasons(titrated) == [("steps[0]", "no time is stated: it runs until it is ended")]
    unlimited = only(planned(order({**step, "titration": {"start": q(5, "mL/h"), "step": q(5, "mL/h")}})))
    assert run(unlimited) == [("steps[0]", 0, None, (5,))]
    assert reasons(unlimited)[1][1].startswith("it is titrated, and no highest rate is stated")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"dosings": [{"rate_text": "as tolerated"}]}, "its rate is stated in words or in a unit that is not per time"),
        ({"dosings": [{}]}, "no rate is stated, and no dose with the time that it takes"),
        ({"dosings": [{"rate": {"value": 5, "unit_text": "drops"}}]}, "its rate cannot be computed with"),
        ({"role": "alternative", "dosings": [{"dose": q(1, "mg")}]}, "it is for another case, and not drawn"),
    ],
)
def test_what_cannot_be_computed_is_told_and_not_drawn(step: Record, reason: str):
    course = only(planned(order(step)))
    assert (course.stretches, course.portions) == ((), ())
    assert [(path, told[: len(reason)]) for path, told in reasons(course)] == [("steps[0]", reason)]


def test_after_a_step_without_an_end_nothing_is_known():
    steps = [{"sequence": 1, "dosings": [{"rate": q(5, "mL/h")}]}, {"sequence": 2, "dosings": [{"rate": q(9, "mL/h")}]}]
    course = only(planned(order(*steps)))
    assert [one.path for one in course.stretches] == ["steps[0]"]
    assert reasons(course)[-1] == ("steps[1]", "when it begins is not known: the step before it has no stated end")
    assert course.totals("volume") == ()


def administration(*segments: Record, **more: Any) -> Record:
    base = {"record": "Administration", "status": "completed", "patient": {"reference": "Patient/1"}}
    return {**base, "drug": {"text": "drug"}, "segments": list(segments), **more}


def from_to(start: int, end: int | None, **more: Any) -> Record:
    times = {name: f"2026-03-01T08:{at:02}:00Z" for name, at in (("start", start), ("end", end)) if at is not None}
    return {**times, **more}


def test_segments_run_from_the_first_and_a_pause_runs_nothing():
    rate = {"rate": q(60, "mL/h")}
    record = administration(
        from_to(0, 10, **rate),
        from_to(10, 20, event="paused"),
        from_to(20, 30, **rate),
        from_to(30, None, event="stopped"),
    )
    course = given(record)
    assert run(course)[1:] == [
        ("segments[1]", 10, 20, (0,)),
        ("segments[2]", 20, 30, (60,)),
        ("segments[3]", 30, 30, (0,)),
    ]
    assert by(course, "volume", "mL") == [(0, 0), (10, 10), (20, 10), (30, 20)]
    assert (course.begins, course.unknown) == ("2026-03-01T08:00:00Z", ())


def test_a_segment_that_still_runs_ends_what_is_known():
    course = given(administration(from_to(0, 10, rate=q(60, "mL/h")), from_to(10, None, rate=q(90, "mL/h"))))
    assert by(course, "volume", "mL") == [(0, 0), (10, 10)]
    assert reasons(course) == [("segments[1]", "no end is stated: how much of it ran is not known")]


@pytest.mark.parametrize("status", ["not-done", "entered-in-error"])
def test_what_was_not_given_has_no_course(status: str):
    course = given(administration(from_to(0, 10, rate=q(60, "mL/h")), status=status))
    assert (course.stretches, reasons(course)) == ((), [("status", f"the status is {status}: nothing counts as given")])


GIVEN = [one for one in goldens() if one.kind == "administration"]


@pytest.mark.parametrize("golden", GIVEN, ids=str)
def test_the_course_of_an_administration_reaches_what_it_says_was_given(golden: Golden):
    record = golden.record()
    course = given(record)
    for kind, name in (("volume", "volume_given"), ("drug", "dose_given")):
        totals, said = course.totals(kind), amount(record.get(name))
        if not totals or said is None or course.unknown or "demand_counts" in record or findings(record):
            continue
        unit = amount(q(1, course.unit))
        if kind == "drug" and (unit is None or said.dimension != unit.dimension):
            continue
        assert totals[-1].low == totals[-1].high
        assert not differ(totals[-1].high, said.base)


@pytest.mark.parametrize("golden", [one for one in goldens() if one.kind == "order"], ids=str)
def test_the_course_of_an_order_tells_of_every_step_once(golden: Golden):
    record = golden.record()
    courses = planned(record)
    assert sorted(at for course in courses for at in course.steps) == list(range(len(record["steps"])))
    told = {one.path for course in courses for one in course.stretches}
    told |= {one.path for course in courses for one in course.portions}
    told |= {one.path for course in courses for one in course.unknown if one.path}
    assert {path.partition(".")[0] for path in told} == {f"steps[{at}]" for at in range(len(record["steps"]))}


RATES = st.decimals(min_value=D("0.1"), max_value=D(999), places=1)
RAMPS = st.lists(st.tuples(RATES, st.integers(1, 600)), min_size=1, max_size=6)


@chosen(RAMPS)
def test_what_has_run_is_the_sum_of_rate_times_time_of_the_stretches(ramp: list[tuple[Decimal, int]]):
    steps = [
        {"sequence": at, "dosings": [{"rate": q(rate, "mL/h")}], **minutes(time)}
        for at, (rate, time) in enumerate(ramp)
    ]
    course = only(planned(order(*steps)))
    total = course.totals("volume")[-1]
    assert total.low == total.high == sum(Fraction(rate) * ML_H * time * 60 for rate, time in ramp)
    assert total.at == course.ends == 60 * sum(time for _, time in ramp)


@chosen(RAMPS, st.integers(1, 5000))
def test_the_course_agrees_with_what_the_arithmetic_finds_of_the_bag(ramp: list[tuple[Decimal, int]], holds: int):
    steps = [
        {"sequence": at, "dosings": [{"rate": q(rate, "mL/h")}], **minutes(time)}
        for at, (rate, time) in enumerate(ramp)
    ]
    record = order(*steps, preparation={"total_volume": q(holds, "mL")})
    runs = only(planned(record)).totals("volume")[-1].high
    found = [one for one in findings(record) if one.rule == "rate-duration-volume"]
    if found:
        assert differ(runs, Fraction(holds, 1_000_000))
    elif runs > Fraction(holds, 1_000_000) and len(ramp) > 1:
        assert not differ(runs, Fraction(holds, 1_000_000))


@chosen(RAMPS, st.integers(1, 500))
def test_the_dose_is_the_volume_times_the_concentration(ramp: list[tuple[Decimal, int]], milligrams: int):
    steps = [
        {"sequence": at, "dosings": [{"rate": q(rate, "mL/h")}], **minutes(time)}
        for at, (rate, time) in enumerate(ramp)
    ]
    course = only(planned(order(*steps, **bag(milligrams, 100))))
    for volume, drug in zip(course.totals("volume"), course.totals("drug"), strict=True):
        assert drug.high == volume.high * Fraction(milligrams, 1000) * 10_000_000 / 1000
