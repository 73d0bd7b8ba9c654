"""An administration beside its order: above its limits, or a slip of ten; titration, vials and pauses are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from fhir_infusion.records.arithmetic import findings_of_order
from fhir_infusion.records.check import check
from tests.counts import count
from tests.generators import administrations, orders
from tests.records.found import BAG, CALCULATED, ORDERED, SNOMED, Record, given_, order, over, q, step, weight

VANCOMYCIN = order(
    step(
        {**ORDERED, "dose": q(15, "mg/kg")},
        {**CALCULATED, "dose": q(1250, "mg"), "rate": q(125, "mL/h")},
        timing=over(2),
    ),
    measurements=[weight(83)],
)
NOREPINEPHRINE = order(
    step(
        {"rate": q("0.1", "ug/kg/min")},
        titration={"start": q("0.1", "ug/kg/min"), "ceiling": q(1, "ug/kg/min")},
        max_rate=q(1, "ug/kg/min"),
    ),
    infusion_type="continuous",
    measurements=[weight(80)],
    preparation={"final_concentration": {"numerator": q(64, "ug"), "denominator": q(1, "mL")}},
)
CAPPED = order(step({**ORDERED, "dose": q(8, "mg/kg")}, max_per_administration=q(800, "mg")), measurements=[weight(96)])
ZOLEDRONIC = order(step({"dose": q(5, "mg")}, minimum_duration=q(15, "min")))
EITHER = order(
    step({"dose": q(300, "mg")}, minimum_duration=q(30, "min")),
    step({"dose": q(300, "mg")}, minimum_duration=q(1, "h")),
)
BY_IV = order(step({"dose": q(1, "mg")}, route={"codings": [{"system": SNOMED, "code": "47625008"}]}))
STRONGER = {"final_concentration": {"numerator": q(128, "ug"), "denominator": q(1, "mL")}}
BY_VOLUME = order(step({"rate": q(10, "mL/h")}, max_rate=q(20, "mL/h")), preparation=NOREPINEPHRINE["preparation"])


def took(minutes: int, **more: object) -> Record:
    return given_(when={"start": "2026-05-01T10:00:00Z", "end": f"2026-05-01T10:{minutes:02}:00Z"}, **more)


def by(code: str) -> Record:
    return {"codings": [{"system": SNOMED, "code": code}]}


def ran(value: int | str, unit: str, **more: object) -> Record:
    return given_(segments=[{"rate": q(value, unit), **more}])


STATES = [
    ({"status": "cancelled"}, {}, "something was given, and its order is cancelled"),
    ({"status": "entered-in-error"}, {"status": "stopped"}, "something was given, and its order is entered-in-error"),
    ({"status": "draft"}, {"status": "in-progress"}, "something was given, and its order is draft"),
    ({"status": "stopped"}, {"status": "in-progress"}, "it is running, and its order is stopped"),
    ({"status": "on-hold"}, {"status": "in-progress"}, "it is running, and its order is on-hold"),
    (
        {"status": "stopped", "status_changed_at": "2024-05-01T10:00:00Z"},
        {"when": {"start": "2024-05-01T12:30:00+02:00"}},
        "it began after its order was stopped",
    ),
]


@pytest.mark.parametrize(("state", "ran_so", "said"), STATES)
def test_what_runs_by_an_order_that_nothing_may_run_by_is_told(state, ran_so, said):
    told = findings_of_order(order(**state), given_(**ran_so))
    assert [(issue.rule, issue.path, issue.reason) for issue in told] == [("order-ended", "order", said)]


@pytest.mark.parametrize(
    ("state", "ran_so"),
    [
        ({"status": "stopped"}, {}),  # charted late, or stopped after it
        ({"status": "completed"}, {"status": "in-progress"}),
        ({"status": "cancelled"}, {"status": "not-done"}),
        ({"status": "cancelled"}, {"status": "entered-in-error"}),
        ({"status": "unknown"}, {"status": "in-progress"}),
        ({"status": "stopped", "status_changed_at": "2024-05-01"}, {"when": {"at": "2024-05-01T10:00:00Z"}}),
        ({"status": "stopped", "status_changed_at": "2024-05-01T10:00:00Z"}, {"when": {"start": "2024-05-01T09:30:00Z"}}),
    ],
)  # fmt: skip
def test_what_was_given_before_its_order_ended_is_not_told(state, ran_so):
    assert findings_of_order(order(**state), given_(**ran_so)) == ()


def test_rates_that_are_ratios_are_held_against_each_other():
    ten = {"numerator": q(80, "mL"), "denominator": q(8, "h")}
    ordered = order(step({"rate_ratio": ten}))
    record = given_(segments=[{"rate_ratio": {**ten, "numerator": q(800, "mL")}}])
    (told,) = findings_of_order(ordered, record)
    assert (told.path, told.reason) == (
        "segments[0].rate_ratio",
        "the rate is 100 mL/h; the largest ordered is 10 mL/h",
    )
    assert findings_of_order(ordered, given_(segments=[{"rate_ratio": ten}])) == ()


@pytest.mark.parametrize(
    ("ordered", "record", "path", "said"),
    [
        (VANCOMYCIN, given_(dose_given=q(12500, "mg")), "dose_given", "the dose given is 12500 mg; ordered is 15 mg/kg at 83 kg (actual weight), 1250 mg"),
        (VANCOMYCIN, given_(dose_given=q(1250, "ug")), "dose_given", "the dose given is 1250 ug; ordered is 15 mg/kg at 83 kg (actual weight), 1250 mg"),
        (VANCOMYCIN, ran(1250, "mL/h"), "segments[0].rate", "the rate is 1250 mL/h; the largest ordered is 125 mL/h"),
        (CAPPED, given_(dose_given=q(860, "mg")), "dose_given", "the dose given is 860 mg, above the limit of 800 mg ordered"),
        (CAPPED, given_(dose_total=q(860, "mg"), status="stopped"), "dose_total", "the dose given is 860 mg, above the limit of 800 mg ordered"),
        (NOREPINEPHRINE, ran(2, "ug/kg/min"), "segments[0].rate", "the rate is 2 ug/kg/min, above the limit of 1 ug/kg/min ordered"),
        (NOREPINEPHRINE, ran(750, "mL/h"), "segments[0].rate", "the rate, 750 mL/h of this preparation, makes 800 ug/min, above the limit of 1 ug/kg/min ordered"),
        (ZOLEDRONIC, took(5), "when", "it took 5 min; ordered is at least 15 min"),
        (EITHER, took(20), "when", "it took 20 min; ordered is at least 30 min, 1 h"),
        (BY_IV, given_(dose_given=q(1, "mg"), route=by("72607000")), "route", "the route is intrathecal; ordered is intravenous"),
        (BY_VOLUME, ran(30, "mL/h"), "segments[0].rate", "the rate is 30 mL/h, above the limit of 20 mL/h ordered"),
    ],
)  # fmt: skip
def test_what_is_beyond_the_order_is_told_with_both_numbers(ordered: Record, record: Record, path: str, said: str):
    assert check(ordered)
    assert check(record)
    told = findings_of_order(ordered, record)
    assert [(issue.rule, issue.path, issue.reason) for issue in told] == [("beyond-order", path, said)]


@pytest.mark.parametrize(
    ("ordered", "record"),
    [
        (VANCOMYCIN, given_(dose_given=q(1500, "mg"))),
        (VANCOMYCIN, given_(dose_given=q(100, "mg"), status="stopped")),
        (VANCOMYCIN, given_(dose_given=q(100, "mg"), part_of=[{"reference": "MedicationAdministration/1"}])),
        (VANCOMYCIN, given_(dose_given=q(0, "mg"), status="stopped")),
        (VANCOMYCIN, given_(dose_given=q(12500, "mg"), status="entered-in-error")),
        (VANCOMYCIN, given_(dose_given=q(250, "mL"))),
        (VANCOMYCIN, given_()),
        (VANCOMYCIN, ran(1250, "mL/h", event="bolus")),
        (VANCOMYCIN, ran(0, "mL/h", event="paused")),
        (VANCOMYCIN, given_(segments=[{"rate_ratio": {"numerator": q(250, "mL"), "denominator": q(2, "h")}}])),
        (CAPPED, given_(dose_given=q(800, "mg"))),
        (ZOLEDRONIC, took(15)),
        (BY_IV, given_(dose_given=q(1, "mg"), route=by("47625008"))),
        (BY_IV, given_(dose_given=q(1, "mg"), route=by("418114005"))),
        (BY_IV, given_(dose_given=q(1, "mg"), route={"text": "Intrathecal"})),
        (order(step({"dose": q(1, "mg")})), given_(dose_given=q(1, "mg"), route=by("72607000"))),
        (order(*BY_IV["steps"], step({"dose": q(1, "mg")}, route={"text": "as told"})), given_(dose_given=q(1, "mg"), route=by("72607000"))),
        (order(step({"dose": q(5, "mg")}, minimum_duration=q(1, "h"))), took(58)),
        (ZOLEDRONIC, took(5, status="stopped")),
        (ZOLEDRONIC, took(5, part_of=[{"reference": "MedicationAdministration/1"}])),
        (ZOLEDRONIC, given_(when={"start": "2026-05-01", "end": "2026-05-01"})),
        (EITHER, took(40)),
        (order(step({"dose": q(5, "mg")}, minimum_duration=q(15, "min")), step({"dose": q(5, "mg")})), took(5)),
        (NOREPINEPHRINE, ran(1, "ug/kg/min")),
        (NOREPINEPHRINE, given_(dose_given=q(50, "mg"))),
        (BY_VOLUME, ran(30, "mL/h") | {"preparation": STRONGER}),
        (order(), given_(dose_given=q(1, "g"))),
        (order(step({"dose": q(28, "mg")}), infusion_type="continuous"), given_(dose_given=q(1, "mg"))),
        (order(step({"rate": q(10, "mL/h")}, max_rate=q(20, "mL/h")), step({"rate": q(50, "mL/h")})), ran(90, "mL/h")),
        (order({"role": "demand", "patient_control": {"demand_dose": q(1, "mg")}}), given_(dose_given=q(24, "mg"))),
        (order(step({"dose": q(500, "mg")}, timing=over(1)), preparation=BAG), given_(dose_given=q(250, "mL"))),
    ],
)  # fmt: skip
def test_what_differs_for_a_good_reason_is_not_told(ordered: Record, record: Record):
    assert check(ordered)
    assert check(record)
    assert findings_of_order(ordered, record) == ()


@settings(max_examples=count(20, 2000))
@given(orders(), administrations())
def test_an_order_and_what_was_given_are_looked_at_and_never_touched(ordered: Record, record: Record):
    before = repr((ordered, record))
    assert all(
        issue.reason and issue.rule and issue.severity == "warning" for issue in findings_of_order(ordered, record)
    )
    assert repr((ordered, record)) == before
