"""The measurement that a dose names, and the value that it was counted as, are what the findings reckon with."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.records.arithmetic import findings

Json = dict[str, Any]


def order(dose: int, *measurements: Json, ordered: Json, **calculated: Any) -> Json:
    return {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"identifier": {"value": "1"}},
        "drug": {"text": "carboplatin"},
        "measurements": list(measurements),
        "steps": [
            {
                "dosings": [
                    {"basis": "ordered", "dose": ordered},
                    {"basis": "calculated", "dose": {"value": dose, "unit": "mg"}, **calculated},
                ]
            }
        ],
    }


def measurement(kind: str, value: int, unit: str, used: int | None = None) -> Json:
    counted = {} if used is None else {"value_used": {"value": used, "unit": unit}}
    return {"kind": kind, "value": {"value": value, "unit": unit}, **counted}


def rules(record: Json) -> list[str]:
    return [issue.rule for issue in findings(record)]


AUC = {"value": 5, "unit": "mg.min/mL"}
PER_KG = {"value": 10, "unit": "mg/kg"}
ACTUAL, IDEAL = measurement("actual-weight", 118, "kg"), measurement("ideal-weight", 75, "kg")


@pytest.mark.parametrize(
    ("used", "dose", "told"), [(None, 750, []), (125, 750, []), (100, 625, []), (100, 750, ["calculated-dose"])]
)
def test_calvert_takes_the_gfr_that_was_counted(used: int | None, dose: int, told: list[str]):
    assert rules(order(dose, measurement("gfr", 140, "mL/min", used), ordered=AUC)) == told


@pytest.mark.parametrize(
    ("named", "dose", "told"),
    [
        ((), 750, []),
        ((), 1180, []),
        (("ideal-weight",), 750, []),
        (("ideal-weight",), 1180, ["calculated-dose"]),
        (("actual-weight",), 750, ["calculated-dose"]),
        (("actual-weight",), 1180, []),
    ],
)
def test_of_several_weights_the_one_that_is_named_is_taken_and_any_where_none_is(
    named: tuple[str, ...], dose: int, told: list[str]
):
    said = {"calculated_from": list(named)} if named else {}
    assert rules(order(dose, ACTUAL, IDEAL, ordered=PER_KG, **said)) == told
