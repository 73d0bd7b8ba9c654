"""A body weight or height of LOINC is counted in the arithmetic; it is never a typed measurement of the record."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.units import UCUM
from fhir_infusion.records.vital_signs import with_vital_signs
from tests.records.found import CALCULATED, ORDERED, order, q, step, weight

WEIGHT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "w",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "valueQuantity": {"value": 70, "system": UCUM, "code": "kg"},
}


def with_observation(path: str = "contained[]", to: str = "#w", **changes: Any) -> dict[str, Any]:
    entry = {"release": "R4", "path": path, "value": {**deepcopy(WEIGHT), **changes}}
    return order(
        step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(772, "mg")}),
        supporting=[{"reference": to}],
        residue=[entry],
    )


def test_a_weight_that_is_contained_and_referred_to_is_counted():
    record = with_observation()
    before = deepcopy(record)
    assert with_vital_signs(record)["measurements"] == [{"kind": "actual-weight", "value": {"value": 70, "unit": "kg"}}]
    said = "5 mg/kg at 70 kg (actual weight) makes 350 mg; calculated is 772 mg"
    assert [issue.reason for issue in findings(record)] == [said]
    assert record == before


@pytest.mark.parametrize(
    "record",
    [
        order(),
        with_observation(path="category[]"),
        with_observation(to="#other"),
        with_observation(status="entered-in-error"),
        with_observation(status="cancelled"),
        with_observation(resourceType="Condition"),
        with_observation(code={"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}),
        with_observation(code={"coding": [{"system": "urn:x", "code": "29463-7"}]}),
        with_observation(code={"text": "weight"}),
        with_observation(valueQuantity={"value": 70, "unit": "kg"}),
        with_observation(valueQuantity={"value": 70, "system": UCUM, "code": "kg", "comparator": "<"}),
        with_observation(valueQuantity={"system": UCUM, "code": "kg"}),
    ],
)
def test_what_is_no_valid_weight_that_is_referred_to_is_not_counted(record: dict[str, Any]):
    assert with_vital_signs(record) is record
    assert findings(record) == ()


def test_a_dosing_weight_that_is_stated_stands_before_it():
    record = with_observation() | {"measurements": [weight("154.4", "dosing-weight")]}
    assert findings(record) == ()


def test_any_weight_that_makes_the_dose_is_enough():
    record = with_observation() | {"measurements": [weight("154.4", "ideal-weight")]}
    assert findings(record) == ()


@pytest.mark.parametrize(
    ("quantity", "is_told"),
    [
        ({"value": 154, "unit": "lb", "system": UCUM, "code": "kg"}, True),
        ({"value": 154, "unit": "lbs", "system": UCUM, "code": "kg"}, True),
        ({"value": 154, "unit": "g", "system": UCUM, "code": "kg"}, True),
        ({"value": 154, "unit": "kilograms", "system": UCUM, "code": "kg"}, False),
        ({"value": 154, "unit": "pounds", "system": UCUM, "code": "[lb_av]"}, False),
        ({"value": 154, "unit": "lb", "system": "urn:x", "code": "kg"}, False),
        ({"value": 154, "unit": "lb"}, False),
    ],
)
def test_pounds_that_stand_beside_the_code_of_kilograms_are_told(quantity, is_told):
    said = "the unit of the actual weight in words means something else than its code"
    told = [(issue.path, issue.reason) for issue in findings(with_observation(valueQuantity=quantity))]
    assert [one for one in told if one[0] == "supporting"] == ([("supporting", said)] if is_told else [])


@pytest.mark.parametrize("code", ["8277-6", "3140-1"])
def test_a_body_surface_is_counted_as_a_weight_is(code: str):
    surface = {"coding": [{"system": "http://loinc.org", "code": code}]}
    value = {"value": Decimal("1.82"), "unit": "m²", "system": UCUM, "code": "m2"}
    record = with_observation(code=surface, valueQuantity=value)
    kind = {"kind": "body-surface-area", "value": {"value": Decimal("1.82"), "unit": "m2"}}
    assert with_vital_signs(record)["measurements"] == [kind]
    record["steps"] = [step({**ORDERED, "dose": q(100, "mg/m2")}, {**CALCULATED, "dose": q(100, "mg")})]
    assert [issue.reason for issue in findings(record)] == ["100 mg/m2 at 1.82 m2 makes 182 mg; calculated is 100 mg"]
    record["steps"] = [step({**ORDERED, "dose": q(100, "mg/m2")}, {**CALCULATED, "dose": q(182, "mg")})]
    assert findings(record) == ()


def test_a_stated_body_surface_stands_before_that_of_an_observation():
    surface = {"coding": [{"system": "http://loinc.org", "code": "8277-6"}]}
    value = {"value": 1, "system": UCUM, "code": "m2"}
    stated = {"kind": "body-surface-area", "value": {"value": Decimal("1.82"), "unit": "m2"}}
    record = with_observation(code=surface, valueQuantity=value) | {"measurements": [stated]}
    record["steps"] = [step({**ORDERED, "dose": q(100, "mg/m2")}, {**CALCULATED, "dose": q(182, "mg")})]
    assert findings(record) == ()


def test_a_surface_of_an_observation_that_height_and_weight_do_not_make_is_told():
    surface = {"coding": [{"system": "http://loinc.org", "code": "3140-1"}]}
    value = {"value": Decimal("2.82"), "system": UCUM, "code": "m2"}
    sizes = [weight("70"), {"kind": "height", "value": {"value": 170, "unit": "cm"}}]
    record = with_observation(code=surface, valueQuantity=value) | {"measurements": sizes}
    record["steps"] = [step()]
    assert [issue.rule for issue in findings(record)] == ["body-surface"]
