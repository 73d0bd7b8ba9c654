"""A record of thousands of doses, steps, segments or measurements is looked at in time that grows with its length."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.crowds import MOST
from tests.records.found import BAG, CALCULATED, ORDERED, order, q, step, weight

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


@pytest.mark.parametrize("made", [of_dosings, of_steps, of_scales, of_weights])
def test_ten_times_as_many_take_no_longer_for_each(made: Callable[[int], Record]):
    def taken(count: int) -> float:
        record = made(count)
        begun = time.process_time()
        findings(record)
        return time.process_time() - begun

    taken(100)
    assert taken(2_000) < 10 * 4 * max(taken(200), 0.002)


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
