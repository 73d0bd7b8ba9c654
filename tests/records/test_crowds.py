"""A record of thousands of doses, steps, segments or measurements is looked at with work that grows with its length."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.crowds import MOST
from fhir_infusion.records.equality import key_of, same
from fhir_infusion.records.moments import seconds_between
from fhir_infusion.records.occurrences import _together
from tests.records.found import BAG, CALCULATED, ORDERED, order, q, step, weight
from tests.steps import steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

Record = dict[str, Any]


def of_dosings(count: int) -> Record:
    each = [
        {"basis": "ordered" if at % 2 else "calculated", "dose": q(at + 1, "mg"), "rate": q(at + 1, "mL/h")}
        for at in range(count)
    ]
    return order(step(*each), preparation=BAG)


def of_steps(count: int) -> Record:
    each = [
        step({"dose": q(at + 1, "mg")}, text=f"give {at + 7} mg/h", timing={"duration": {"value": 1, "unit": "h"}})
        for at in range(count)
    ]
    return order(*each, preparation=BAG)


def of_scales(count: int) -> Record:
    each = [
        step({"dose_range": {"low": q(at, "mg"), "high": q(at + 1, "mg")}}, text=f"{at}.25 mg") for at in range(count)
    ]
    return order(*each)


def of_weights(count: int) -> Record:
    each = [step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(999, "mg")}) for _ in range(count)]
    return order(
        *each, measurements=[{**weight(Decimal(at) / 100 + 1), "measurement_id": f"m{at}"} for at in range(count)]
    )


def of_timings(count: int) -> Record:
    limit = [{"numerator": q(100, "mg"), "denominator": q(24, "h")}]
    each = [
        step(
            {"dose": q(5, "mg"), "rate": q(5, "mL/h")},
            timing={"period": at + 1, "period_unit": "h", "duration": {"value": 1, "unit": "h"}},
            max_per_period=limit,
        )
        for at in range(count)
    ]
    return order(*each, preparation=BAG)


def of_ramps(count: int) -> Record:
    each = [step({"rate": q(at + 1, "mL/h")}, role="taper" if at % 2 else "ramp", sequence=at) for at in range(count)]
    return order(*each)


def of_events(count: int) -> Record:
    events = [f"2025-07-{at // 1440 + 1:02d}T{at // 60 % 24:02d}:{at % 60:02d}:00Z" for at in range(count)]
    limit = [{"numerator": q(100, "mg"), "denominator": q(24, "h")}]
    return order(step({"dose": q(5, "mg")}, timing={"events": events}, max_per_period=limit))


def of_demands(count: int) -> Record:
    limit = [{"numerator": q(40, "mg"), "denominator": q(4, "h")}]
    control = {"demand_dose": q(1, "mg"), "lockout": q(8, "min")}
    demand = {"role": "demand", "patient_control": control, "max_per_period": limit}
    return order(*[demand, step({"rate": q(1, "mg/h")}, role="basal")] * (count // 2))


LONG = [of_dosings, of_steps, of_scales, of_weights, of_timings, of_ramps, of_events, of_demands]


@pytest.mark.parametrize("made", LONG)
def test_ten_times_as_many_take_no_more_calls_for_each(made: Callable[[int], Record]):
    few, many = made(100), made(1_000)
    findings(few)
    assert steps_of(lambda: findings(many)) < 10 * 2 * steps_of(lambda: findings(few))


def plainly_together(events: list[str], within: int) -> int:
    apart = [[seconds_between(first, other) for other in events] for first in events]
    return max(sum(each is not None and 0 <= each < within for each in row) for row in apart)


MOMENTS = st.builds(
    lambda day, hour, rest, zone: f"2025-07-{day:02d}" + (f"T{hour:02d}:{rest}{zone}" if rest else ""),
    st.integers(1, 3),
    st.integers(0, 23),
    st.sampled_from(["00:00", "30:00", "00:00.5", "59:60", "00:00.0000001", ""]),
    st.sampled_from(["Z", "+02:00", "-11:00"]),
)


@given(st.lists(MOMENTS, min_size=1, max_size=9), st.sampled_from([1, 3600, 86_400, 200_000]))
def test_the_most_exact_times_in_a_period_are_those_that_a_look_at_each_with_each_finds(events: list[str], within: int):
    assert _together(events, Fraction(within)) == plainly_together(events, within)


VALUES = st.recursive(
    st.sampled_from([0, 1, True, False, Decimal("1.0"), Decimal("1.00"), "1", None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(VALUES, VALUES)
def test_values_have_one_key_where_they_are_the_same_and_nowhere_else(left: Any, right: Any):
    assert (key_of(left) == key_of(right)) == same(left, right)


@pytest.mark.parametrize(("count", "is_told"), [(MOST, False), (MOST + 1, True)])
def test_all_up_to_a_number_are_compared_and_beyond_it_that_not_all_are_is_told(count: int, *, is_told: bool):
    same = [{**CALCULATED, "dose": q(350, "mg")}] * (count - 1)
    record = order(step({**ORDERED, "dose": q(5, "mg/kg")}, *same), measurements=[weight(70)])
    record["steps"][0]["dosings"][-1] = {**CALCULATED, "dose": q(700, "mg")}
    rules = {issue.rule for issue in findings(record)}
    assert rules == ({"not-compared"} if is_told else {"calculated-dose", "two-amounts"})


def test_a_dose_beyond_the_number_is_compared_with_its_limit():
    record = order(step(*[{"dose": q(5, "mg")}] * 20, {"dose": q(50, "mg")}, max_per_administration=q(10, "mg")))
    found = [(issue.rule, issue.path) for issue in findings(record)]
    assert ("max-per-administration", "steps[0].dosings[20].dose") in found
