"""What a course holds that is no stretch at a rate: given at once, in a time that is a range, or on demand."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as chosen
from hypothesis import strategies as st

from fhir_infusion.records.course import Course, given, number, planned, spelled
from tests.golden_write import goldens
from tests.records.test_course import administration, bag, from_to, minutes, only, order, q, reasons, run, weight

Record = dict[str, Any]
D = Decimal
GOLDEN = {f"{one}": one for one in goldens()}


def sums(course: Course, kind: str, unit: str) -> list[tuple[object, object, object]]:
    """Minutes, and what has run by then at least and at most."""
    return [(one.at / 60, number(one.low, unit), number(one.high, unit)) for one in course.totals(kind)]


def capped(**more: Any) -> Record:
    per_kg = {"basis": "ordered", "dose": q(8, "mg/kg")}
    return {"dosings": [per_kg], "max_per_administration": q(800, "mg"), **minutes(60), **more}


def test_a_dose_that_a_cap_lowered_is_drawn_lowered():
    step = capped()
    step["dosings"].append({"basis": "calculated", "dose": q(800, "mg"), "rate": q(100, "mL/h")})
    course = only(planned(order(step, **bag(800, 100), **weight(104))))
    assert sums(course, "drug", "mg") == [(0, 0, 0), (60, 800, 800)]


def test_a_cap_stands_before_a_dose_per_kilogram_that_makes_more():
    heavy, light = (only(planned(order(capped(), **weight(size)))) for size in (104, 50))
    assert sums(heavy, "drug", "mg")[-1] == (60, 800, 800)
    assert sums(light, "drug", "mg")[-1] == (60, 400, 400)


def test_a_dose_without_a_time_is_given_at_once_and_it_is_told():
    course = only(planned(order({"dosings": [{"dose": q(5, "mg")}]}, **bag(50, 100))))
    assert [(one.path, one.is_at_once, one.said) for one in course.portions] == [("steps[0]", True, "5 mg at once")]
    assert sums(course, "drug", "mg") == [(0, 0, 0), (0, 5, 5)]
    assert sums(course, "volume", "mL")[-1] == (0, 10, 10)
    assert reasons(course) == [("steps[0]", "how long 5 mg takes is not stated: drawn as given at once")]


def test_a_time_that_is_a_range_is_drawn_from_the_fastest_to_the_slowest():
    timing = {"timing": {"duration": {"value": 30, "max": 60, "unit": "min"}}}
    course = only(planned(order({"dosings": [{"dose": q(600, "mg")}], **timing})))
    assert sums(course, "drug", "mg") == [(0, 0, 0), (30, 300, 600), (60, 600, 600)]
    assert course.portions[0].said == "600 mg in 30 min to 60 min"


def test_a_range_of_doses_is_drawn_in_the_unit_that_it_states():
    dosing = {"dose_range": {"low": q(210, "mg"), "high": q(350, "mg")}}
    course = only(planned(order({"dosings": [dosing], **minutes(120)})))
    assert (course.unit, sums(course, "drug", "mg")[-1]) == ("mg", (120, 210, 350))


def loading(**more: Any) -> Record:
    return {"sequence": 1, "dosings": [{"rate": q(60, "mL/h")}], **minutes(10), **more}


ONCE = {"count": 1, "duration": {"value": 10, "unit": "min"}}


def test_a_loading_dose_and_what_then_runs_on_are_one_course():
    steps = [loading(timing=ONCE), {"sequence": 2, "dosings": [{"rate": q(6, "mL/h")}]}]
    course = only(planned(order(*steps)))
    assert run(course) == [("steps[0]", 0, 10, (60,)), ("steps[1]", 10, None, (6,))]


def test_what_is_given_again_and_again_after_a_loading_dose_is_a_course_of_its_own():
    every = {"frequency": 1, "period": 12, "period_unit": "h", "duration": {"value": 10, "unit": "min"}}
    courses = planned(order(loading(timing=ONCE), loading(sequence=2, timing=every)))
    assert [one.steps for one in courses] == [(0,), (1,)]


def test_what_runs_on_for_a_stated_length_ends_with_it():
    bounds = {"timing": {"bounds_length": q(2, "h")}}
    assert run(only(planned(order({"dosings": [{"rate": q(6, "mL/h")}], **bounds})))) == [("steps[0]", 0, 120, (6,))]
    times = {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T09:30:00Z"}
    period = {"timing": {"bounds_period": times}}
    assert run(only(planned(order({"dosings": [{"rate": q(6, "mL/h")}], **period})))) == [("steps[0]", 0, 90, (6,))]


def test_doses_at_three_times_of_a_day_are_drawn_at_these_times():
    steps = [
        {"sequence": 1, "dosings": [{"dose": q(240, "mg")}], "timing": {"times_of_day": [time]}}
        for time in ("10:00:00", "14:00:00", "18:00:00")
    ]
    course = only(planned(order(*steps)))
    assert [one.first[0] / 3600 for one in course.portions] == [0, 4, 8]


def pump(*limits: Record, basal: int = 0, lockout: int = 8, **control: Any) -> Record:
    demand = {
        "sequence": 1,
        "role": "demand",
        "dosings": [{"dose": q(1, "mg")}],
        "max_per_period": list(limits),
        "patient_control": {"demand_dose": q(1, "mg"), "lockout": q(lockout, "min"), **control},
    }
    runs = {"sequence": 1, "role": "basal", "dosings": [{"rate": q(basal, "mg/h")}]}
    return order(*([runs] if basal else []), demand, **bag(50, 50))


def limit(milligrams: int, hours: int) -> Record:
    return {"numerator": q(milligrams, "mg"), "denominator": q(hours, "h")}


def test_demands_are_drawn_from_none_to_the_most_that_lockout_and_limit_allow():
    course = only(planned(pump(limit(20, 4), basal=1)))
    assert len(course.portions) == 16
    assert {one.is_demand for one in course.portions} == {True}
    assert sums(course, "drug", "mg")[-1] == (240, 4, 20)
    assert run(course) == [("steps[0]", 0, 240, (1,))]
    told = "demands may be made or not: drawn is from none to the most that lockout and limits allow in 4 h"
    assert reasons(course)[-1] == ("", told)


def test_without_a_limit_the_lockout_alone_allows_demands():
    course = only(planned(pump(lockout=60)))
    assert [one.first[0] / 60 for one in course.portions] == [0, 60, 120, 180]


def test_a_number_of_demands_in_a_period_is_kept():
    course = only(planned(pump(lockout=5, max_demands=3, max_demands_period=q(1, "h"))))
    assert [one.first[0] / 60 for one in course.portions] == [0, 5, 10]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lockout": None}, "demands of 1 mg are drawn only where a lockout is stated"),
        ({"lockout": q(1, "s")}, "its lockout of 1 s allows too many demands to draw"),
        ({"demand_dose": None}, "a step for the patient's demands has no demand dose that can be computed with"),
    ],
)
def test_demands_that_cannot_be_drawn_are_told(change: Record, reason: str):
    record = pump()
    control = {**record["steps"][0]["patient_control"], **change}
    record["steps"][0]["patient_control"] = {name: value for name, value in control.items() if value is not None}
    course = only(planned(record))
    assert (course.portions, reasons(course)[0]) == ((), ("steps[0]", reason))


@chosen(st.integers(1, 40), st.integers(1, 30), st.integers(1, 6), st.integers(0, 2))
def test_no_window_of_the_period_of_a_limit_holds_more_than_the_limit(most: int, lockout: int, hours: int, basal: int):
    course = only(planned(pump(limit(most, hours), limit(2 * most, 3 * hours), basal=basal, lockout=lockout)))
    times = [one.first[0] for one in course.portions]
    for length, milligrams in ((hours, most), (3 * hours, 2 * most)):
        for start in times:
            within = sum(1 for at in times if start <= at < start + length * 3600)
            assert within + basal * length <= milligrams
    assert all(later - at >= lockout * 60 for at, later in itertools.pairwise(times))


def test_a_bolus_is_given_at_once_and_is_added_to_what_runs():
    segments = [from_to(0, 60 - 1, rate=q(60, "mL/h")), from_to(20, 20, event="bolus", volume=q(5, "mL"))]
    course = given(administration(*segments))
    assert sums(course, "volume", "mL") == [(0, 0, 0), (20, 20, 20), (20, 25, 25), (59, 64, 64)]


def test_the_demands_of_a_shift_are_somewhere_in_it_and_all_there_at_its_end():
    course = given(GOLDEN["35-pca-morphine-basal/administration-shift"].record())
    assert sums(course, "drug", "mg") == [(0, 0, 0), (0, 0, 18), (720, 12, 30), (720, 30, 30)]
    assert sums(course, "volume", "mL")[-1] == (720, 30, 30)
    assert run(course) == [("segments[0]", 0, 720, (1,))]
    assert course.portions[-1].said == "18 mg on demand, at times that are not stated"


def test_demands_that_segments_hold_are_not_added_twice():
    course = given(GOLDEN["37-foscarbidopa-foslevodopa/administration-1-day"].record())
    assert sums(course, "volume", "mL")[-1] == (1440, D("9.18"), D("9.18"))
    assert course.unknown == ()


def test_an_amount_without_segments_has_run_within_its_time():
    course = given(GOLDEN["47-fluorouracil-push-46-hours/administration-2-push"].record())
    assert sums(course, "drug", "mg") == [(0, 0, 0), (0, 0, 700), (3, 0, 700), (3, 700, 700)]
    assert reasons(course) == [("segments", "no rate is stated: there is no segment")]


def test_where_the_drawing_makes_less_than_was_given_in_all_it_is_told():
    record = administration(from_to(0, 30, rate=q(60, "mL/h")), volume_given=q(50, "mL"))
    assert reasons(given(record)) == [("volume_given", "50 mL are stated in all; what is drawn makes 30 mL")]


def test_what_runs_on_demand_beside_a_rate_that_is_no_amount_is_told():
    counts = {"demand_counts": {"deliveries": 2, "delivered": q(2, "mg")}}
    record = administration(from_to(0, 30, rate=q(60, "mL/h")), **counts)
    assert reasons(given(record)) == [("demand_counts.delivered", "2 mg given on demand cannot be added to what ran")]


def test_a_number_without_an_end_says_that_it_is_rounded():
    millilitre_per_hour = Fraction(1, 3600) / 1_000_000
    assert spelled(millilitre_per_hour * Fraction(500, 3), "mL/h") == "≈ 166.667"
    assert spelled(millilitre_per_hour * Fraction(5, 4), "mL/h") == "1.25"
