from __future__ import annotations

from typing import Any

from fhir_infusion.records.arithmetic import findings

LIMIT = {"value": 10, "unit": "mg/min"}


def told(*dosings: dict[str, Any]) -> list[str]:
    """Return the places at which the rate of a step of one hour is said to be above its limit."""
    record = {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "drug"},
        "steps": [
            {"dosings": list(dosings), "timing": {"duration": {"value": 1, "unit": "h"}}, "max_rate": LIMIT},
        ],
    }
    return [issue.path for issue in findings(record) if issue.rule == "max-rate"]


RATE = {"rate": {"value": 900, "unit": "mg/h"}}
DOSE = {"dose": {"value": 1, "unit": "g"}}


def test_a_step_whose_rate_and_whose_dose_over_its_duration_are_above_the_limit_is_told_of_once():
    assert told(RATE, DOSE) == ["steps[0].dosings[0].rate"]


def test_a_dose_over_its_duration_is_told_of_where_no_rate_is_above_the_limit():
    assert told(DOSE) == ["steps[0].dosings[0].dose"]
    assert told({"rate": {"value": 600, "unit": "mg/h"}}, DOSE) == ["steps[0].dosings[1].dose"]
    assert told({"rate": {"value": 600, "unit": "mg/h"}}) == []
