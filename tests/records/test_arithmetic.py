from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from fhir_infusion.records import amounts, units
from fhir_infusion.records.arithmetic import findings, findings_between, findings_of_order
from fhir_infusion.records.check import check
from fhir_infusion.records.parts import split
from tests.counts import count
from tests.generators import records
from tests.records.found import (
    AUC,
    BAG,
    CALCULATED,
    FOUND,
    ORDERED,
    SC,
    Record,
    given_,
    measure,
    order,
    over,
    pca,
    q,
    step,
    weight,
)
from tests.records.samples import DOBUTAMINE, GIVEN, changed


@pytest.mark.parametrize(("record", "rule", "path", "said"), FOUND)
def test_what_does_not_add_up_is_told_with_both_numbers(record, rule, path, said):
    assert check(record, as_sent=True)
    told = [(issue.rule, issue.path, issue.reason) for issue in findings(record)]
    assert (rule, path, said) in told
    assert all(issue.severity == "warning" and issue.status == 422 for issue in findings(record))


QUIET: list[Record] = [
    DOBUTAMINE,
    GIVEN,
    *split(GIVEN),
    order(),
    order(step({"rate": q(125, "mL/h")}, timing=over(2)), preparation=BAG),
    order(step({"rate": q(120, "mL/h")}, timing=over(125, "min")), preparation=BAG),
    order(step({"rate": q(30, "mL/h")}, timing=over(3), role="basal"), preparation=BAG),
    order(step({"rate": q(30, "mL/h")}, timing=over(3), sequence=1), step({"rate": q(30, "mL/h")}, sequence=2), preparation=BAG),
    order(step({"rate": q(30, "mL/h")}, timing={"duration": {"value": 3, "max": 9, "unit": "h"}}), preparation=BAG),
    order(step({"rate": q(30, "mg/h")}, timing=over(3)), preparation=BAG),
    order(
        step({"rate": q(125, "mL/h")}, timing=over(2, events=["2024-05-01"])),
        step({"rate": q(100, "mL/h")}, timing=over(150, "min", frequency=1, period=8, period_unit="wk")),
        step({"rate": q(100, "mL/h")}, timing=over(1, events=["2024-05-15"], times_of_day=["08:00:00"])),
        step({"rate": q(150, "mL/h")}, timing=over(1, events=["2024-05-15"], times_of_day=["09:00:00"])),
        preparation=BAG,
    ),
    order(step({"rate": q(12, "mL/h")}, {"rate": q(24, "mg/h")}), preparation=BAG),
    order(step({"rate": q(6, "mL/h")}, {"rate": q("2.5", "ug/kg/min")}), preparation=BAG, measurements=[weight(80)]),
    order(step({"rate": q(6, "mL/h")}, {"rate": q("2.5", "ug/kg/min")}), preparation=BAG),
    order(step({"rate": q(6, "mL/h")}, {"dose": q(5, "mg")}), preparation=BAG),
    order(step({"rate": q(12, "mL/h")}, {"rate": q(99, "mg/h")}), preparation={"ingredients": [{"drug": {"text": "a"}}, {"drug": {"text": "b"}}]}),
    order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(360, "mg")}), measurements=[weight(70)]),
    order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(300, "mg")}), measurements=[weight(70), weight(60, "ideal-weight")]),
    order(step({**ORDERED, "dose": q(8, "mg/kg")}, {**CALCULATED, "dose": q(800, "mg")}, max_per_administration=q(800, "mg")), measurements=[weight(112)]),
    order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(999, "mg")})),
    order(step({**ORDERED, "dose": q(5, "mg/m2")}, {**CALCULATED, "dose": q(999, "mg")})),
    order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(5, "mL")}), measurements=[weight(70)]),
    # Through 2 mg/mL it is 0.552 mL/h, of which the pump takes one digit.
    order(step({**ORDERED, "rate": q("0.23", "ug/kg/min")}, {**CALCULATED, "rate": q("0.6", "mL/h")}), preparation=BAG, measurements=[weight(80)]),
    order(step({"rate": q(0, "ug/min")}, titration={"start": q(30, "ug/min")})),
    order(measurements=[measure("height", 180, "cm"), weight(80), measure("body-surface-area", "1.79", "m2")]),
    order(step({"dose": q(1, "g"), "rate_range": {"high": q(8, "mg/min")}}, timing=over(2), max_rate=q(10, "mg/min"))),
    order(AUC, measurements=[measure("gfr", 140, "{score}")]),
    order(step({**ORDERED, "dose": q(5, "mg/mL")}, {**CALCULATED, "dose": q(999, "mg")}), measurements=[measure("gfr", 90, "mL/min")]),
    order(step({**ORDERED, "dose": q(5, "mg.min/mL")}, {**CALCULATED, "dose": q(999, "mL")}), measurements=[measure("gfr", 90, "mL/min")]),
    order(step({**ORDERED, "dose": q(5, "mg.min/mL")}, {**CALCULATED, "dose": q(575, "mg")}), measurements=[measure("gfr", 90, "mL/min/{1.73_m2}")]),
    order(step({**ORDERED, "dose": q(500, "mg")}, {"dose": q(1, "mg")})),
    order(step({**ORDERED, "dose": {"value": 5, "unit_text": "bags"}}, {**CALCULATED, "dose": q(1, "mg")})),
    order(step({"rate": q(10, "mL/h")}, max_rate=q(5, "mg/h"))),
    order(step({"rate": q(300, "mL/h")}, max_rate=q(10, "mg/min")), preparation=BAG),
    order(step({"rate": q(302, "mL/h")}, max_rate=q(10, "mg/min")), preparation=BAG),
    order(step({"dose": q(1, "g")}, timing=over(2), max_rate=q(10, "mg/min"))),
    order(step({"dose": q(1, "g")}, timing=over(0), max_rate=q(10, "mg/min"))),
    order(step({"dose": q(20, "mg/kg")}, timing=over(1), max_rate=q(10, "mg/min"))),
    order(step({"rate": q(30, "mL/h")}, max_rate=q("0.5", "mg/kg/h")), preparation=BAG, measurements=[weight(80), weight(150, "ideal-weight")]),
    order(step({"rate": q(10, "mL/h")}), step(max_rate=q(5, "mL/h"))),
    order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 5, "period_unit": "d"}, max_per_period=[{"numerator": q(1, "g"), "denominator": q(24, "h")}])),
    order(step({"dose": q(5, "mL")}, timing={"period": 0, "period_unit": "d"}, max_per_period=[{"numerator": q(1, "g"), "denominator": q(24, "h")}])),
    order(step({"dose": q(5, "g")}, max_per_period=[{"numerator": q(1, "g"), "denominator": q(1, "m2")}])),
    order(step({"dose": q(5, "g")}, max_per_lifetime={"value": 1, "unit_text": "bags"})),
    pca(q(20, "mg"), lockout=q(8, "min"), basal=q(1, "mg/h")),
    pca(q(28, "mL"), lockout=q(8, "min")),
    pca(q(20, "mg")),
    pca(q(20, "mg"), lockout=q(0, "min"), basal=q(1, "mL/h")),
    {**order(step({"dose": q(0, "mg")})), "status": "stopped"},
    order(preparation={**BAG, "final_concentration": {"numerator": q(2, "g"), "denominator": q(1, "L")}}),
    order(preparation={"total_volume": q(100, "mL"), "final_concentration": {"numerator": q(3, "mg"), "denominator": q(1, "mL")}, "ingredients": [{"drug": {"text": "a"}, "amount": q(200, "mg")}, {"drug": {"text": "b"}, "amount": q(500, "[iU]")}]}),
    order({"role": "demand", "patient_control": {"demand_dose": q(5, "mL"), "lockout": q(15, "min"), "max_demands": 4, "max_demands_period": q(1, "h")}}),
    order(preparation={**BAG, "final_concentration": {"numerator": q(2, "mL"), "denominator": q(1, "L")}}),
    order(preparation={"total_volume": q(2, "L"), "final_concentration": {"numerator": q(2, "g"), "denominator": q(1, "L")}, "ingredients": [{"drug": {"text": "a"}, "amount": q(1500, "mL")}, {"drug": {"text": "w"}, "quantity_sufficient": True}, {"drug": {"text": "b"}, "role": "base"}]}),
    order(measurements=[measure("height", 180, "cm"), weight(80), measure("body-surface-area", "2.00", "m2")]),
    order(step({"dose": q(500, "mg")}, text="0.5 g in 100 mL over 30 min, then 500 mg 1.2.3 mg of 20 drops; monitor every 15 min")),
    order(step({"dose": q(500, "mg")}, text="x" * 5000 + " 7 mg")),
    order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 1, "period_unit": "wk", "bounds_length": q(84, "d")}, text="1 g weekly, 12 g in all")),
    given_(dose_given=q(400, "mg"), when={"at": "2024-05-01T10:00:00Z"}, waste=[{"amount": q(150, "mg"), "time": "2024-05-01T09:50:00Z"}], preparation=BAG),
    order(step({"dose": q(500, "mg")}, text="500 mg of 5 mg/mL and 3 mg/mL, 8 mg/mL together"), preparation={"ingredients": [{"drug": {"text": name}, "strength": {"numerator": q(number, "mg"), "denominator": q(1, "mL")}} for name, number in (("a", 5), ("b", 3))]}),
    order(step({"dose": q(500, "mg")}, text="500 mg of 700 mg in the bag"), preparation={"total_volume": q(100, "mL"), "ingredients": [{"drug": {"text": name}, "amount": q(number, "mg")} for name, number in (("a", 500), ("b", 200))]}),
    order(step({"dose": q(10, "mg")}, timing={"frequency": 2, "period": 1, "period_unit": "d", "bounds_length": q(5, "d")}, text="10 mg, 100 mg in all")),
    # What all steps make together: doses, doses as often as they are given, runs in volume and by the preparation.
    order(step({"dose": q(100, "mg")}), step({"dose": q(400, "mg")}), rendered_instruction="500 mg in all"),
    order(step({"dose": q(100, "mg")}, timing={"count": 3}), step({"dose": q(400, "mg")}), rendered_instruction="700 mg in all"),
    order(step({"rate": q(10, "mL/h")}, timing=over(30, "min")), step({"rate": q(20, "mL/h")}, timing=over(1)), rendered_instruction="25 mL in all, which is 50 mg", preparation={"final_concentration": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}}),
    # Of two ingredients the one that is said to be inactive has no part in the dose.
    given_(dose_given=q(200, "mg"), volume_given=q(100, "mL"), preparation={"total_volume": q(100, "mL"), "ingredients": [{"drug": {"text": "x"}, "amount": q(200, "mg")}, {"drug": {"text": "y"}, "amount": q(9, "mg"), "is_active": False}]}),
    order(step({"dose": q(500, "mg")}, text="125 mL/h"), preparation={"final_concentration": {"numerator": q(5, "mg"), "denominator": q(1, "mL")}}),
    order(step({"rate": q(1, "mL/h")}, text="1 ml/hr = 60 mL per hour"[:8], route=SC)),
    order(step({"dose": q(5, "mg")}, route=SC, timing=over(24))),
    order(step({"dose": q(5, "mg")}, route=SC), infusion_type="continuous"),
    order(step({"dose": q(5, "mg")}, route=SC, minimum_duration=q(1, "h"))),
    order(step({"dose": q(5, "mg")}, route={"codings": [{"system": "urn:x", "code": "34206005"}], "text": "intravenous"})),
    given_(dose_given=q(5, "mg"), route={"text": "s.c."}, segments=[{"rate": q(1, "mL/h")}]),
    given_(dose_given=q(200, "mg"), volume_given=q(100, "mL"), preparation=BAG),
    given_(dose_given=q(200, "mg"), volume_given=q(100, "mg"), preparation=BAG),
    given_(dose_given=q(200, "mg"), volume_given=q(100, "mL"), preparation={"ingredients": [{"drug": {"text": "x"}, "strength": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}}]}),
    given_(status="not-done"),
    order(step({"rate": q(12, "mL/h")}, {"rate": q(24, "mg/h")}, {"dose": q(1, "mg")}), preparation=BAG),
    order(step({"rate": q(12, "mL/h")}, {"rate": q(5, "mg/kg/h")}), preparation=BAG),
    order(*pca(q(20, "mg"), lockout=q(8, "min"))["steps"], step(role="basal")),
    given_(dose_given=q(200, "mg"), volume_given=q(100, "mL"), preparation={"final_concentration": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}}),
    given_(demand_counts={"deliveries": 5}),
    given_(segments=[{"rate": q(1, "mL/h"), "start": "2024-05-01", "end": "2024-05-02", "volume": q(1, "mL")}]),
    given_(dose_given=q(10, "mg"), segments=[{"dose": q(5, "mL")}]),
    changed(changed(GIVEN, "segments.1.dose"), "representation"),  # one resource, whose dose is the total
    changed(changed(GIVEN, "segments.1", {"segment_id": "two", "event": "paused", "start": "2024-05-01T11:00:00Z", "rate": q(0, "mL/h")}), "dose_given.value", 20) | {"volume_given": q(10, "mL")},
]  # fmt: skip


@pytest.mark.parametrize("record", QUIET)
def test_what_adds_up_gives_no_finding(record):
    assert check(record)
    assert [issue for issue in findings(record) if issue.rule != "words-only"] == []


def test_what_passed_as_our_own_need_not_be_looked_at_again():
    assert findings(order(step({"dose": q(5, "TAB")})), as_sent=False) == ()


@settings(max_examples=count(80, 5000))
@given(records())
def test_findings_look_and_never_touch_and_never_fail(record):
    before = repr(record)
    assert all(
        issue.reason and issue.rule and issue.severity in {"warning", "information"} for issue in findings(record)
    )
    assert repr(record) == before


def test_a_record_without_its_name_is_told_by_what_only_an_order_has():
    nameless = {name: value for name, value in order(step({"dose": q(0, "mg")})).items() if name != "record"}
    assert [issue.rule for issue in findings(nameless)] == ["zero-dose"]


def test_a_parent_and_its_child_that_both_carry_a_dose_are_told():
    parent, child, other = split(GIVEN, "urn:x")
    told = findings_between([{**parent, "dose_given": q(60, "mg")}, child, other])
    assert [(position, issue.path, issue.rule) for position, issue in told] == [
        (1, "dose_given", "dose-twice"),
        (2, "dose_given", "dose-twice"),
    ]
    assert findings_between([parent, child, other]) == ()
    assert findings_between([child, other]) == ()


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("MedicationAdministration/p", True),
        ("https://example.org/fhir/MedicationAdministration/p/_history/2", True),
        ("urn:uuid:1", True),
        ("Procedure/p", False),
        ("MedicationAdministration/q", False),
        ("#p", False),
    ],
)
def test_a_parent_is_found_by_each_way_of_referring_to_it(reference, found):
    parent = given_(resource_id="p", dose_given=q(60, "mg"))
    child = given_(part_of=[{"display": "x"}, {"reference": reference}], dose_given=q(5, "mg"))
    assert [position for position, _ in findings_between([parent, child], ["urn:uuid:1", ""])] == [1] * found


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Fraction(1, 3), "0.3333"), (Fraction(90), "90"), (Fraction(25, 10), "2.5"), (Fraction(10**9), "1000000000"), (Fraction(1, 10**8), "0.00000001"), (Fraction(0), "0"),
     (Fraction(10002), "10002"), (Fraction("24690.5"), "24690.5"), (Fraction(100_000, 3), "33333"), (Fraction(-100_000, 3), "-33333"), (Fraction(1, 2**30), "0.0000000009313")],
)  # fmt: skip
def test_a_computed_number_is_shown_in_plain_digits(value, shown):
    assert amounts.rounded(value) == shown


def test_the_tolerance_is_five_percent_and_a_limit_has_none():
    assert not amounts.differ(Fraction(100), Fraction(95))
    assert amounts.differ(Fraction(100), Fraction(949, 10))
    assert amounts.exceeds(Fraction(100_001, 1000), Fraction(100))


@pytest.mark.parametrize(("code", "body"), [("ug/kg/min", ("kg", "ug/min")), ("mg/m2", ("m2", "mg")), ("mg", None), ("kg/m2", ("m2", "kg")), ("kg", None), ("mg.kg-1.h-1", ("kg", "mg.h-1")), ("mg.m-2", ("m2", "mg")), ("ug/(kg.min)", ("kg", "ug/min")), ("mg/kg{dry_wt}/h", ("kg", "mg/h")), ("mg/kg2", None)])  # fmt: skip
def test_what_a_dose_is_per_is_read_from_its_unit(code, body):
    assert amounts.per_body(code) == body


def demand_order(*demands: Record) -> Record:
    return order(*({"role": "demand", "patient_control": {"demand_dose": demand}} for demand in demands))


def served(**counts: Any) -> Record:
    return given_(demand_counts=counts)


@pytest.mark.parametrize(
    ("ordered", "record", "said"),
    [
        (demand_order(q(1, "mg")), served(deliveries=24, delivered=q(18, "mg")), ["24 deliveries of 1 mg, the demand dose ordered, make 24 mg; delivered is 18 mg"]),
        (demand_order(q(1, "mg")), served(deliveries=24, delivered=q(24, "mg")), []),
        (demand_order(q(1, "mg")), served(deliveries=24, delivered=q(12, "mL")) | {"preparation": BAG}, []),
        (demand_order(q(1, "mg")), served(deliveries=24, delivered=q(24, "mL")) | {"preparation": BAG}, ["24 deliveries of 1 mg, the demand dose ordered, make 12 mL; delivered is 24 mL"]),
        (demand_order(q(1, "mg")), served(deliveries=24, delivered=q(24, "mL")), []),
        (demand_order(q(1, "mg"), q(2, "mg")), served(deliveries=24, delivered=q(30, "mg")), []),
        (demand_order(), served(deliveries=24, delivered=q(30, "mg")), []),
        (demand_order(q(1, "mg")), given_(), []),
    ],
)  # fmt: skip
def test_deliveries_times_the_demand_dose_ordered_is_what_was_delivered(ordered, record, said):
    assert check(record)
    assert [issue.reason for issue in findings_of_order(ordered, record)] == said


def test_half_of_the_last_digit_is_in_base_units():
    one = units.parse("mL/h")
    assert one is not None
    assert amounts.half_digit(Decimal("2.5"), "mL/h") == one.factor * Fraction(1, 20)
    assert amounts.half_digit(3, "mL/h") == one.factor / 2
    assert amounts.half_digit(Decimal("1E+2"), "no unit") == 50


def test_a_dose_by_weight_in_words_is_held_against_one_by_weight_only():
    def told(unit: str) -> list[str]:
        return [issue.reason for issue in findings(order(step({"dose": q(6, unit)}, text="5 mg/kg")))]

    assert told("mg/kg") == ["the text says 5 mg/kg; the structure says 6 mg/kg"]
    assert told("mg/m2") == told("{vial}") == []
