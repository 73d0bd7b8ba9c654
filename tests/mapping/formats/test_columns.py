"""Columns of a flat object that are elements of one list."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.actions.prove import samples_of
from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare
from fhir_infusion.mapping.formats.laws import prove_format
from tests.mapping.formats.kit import HEAD, built, complaints, dosed, records

SITE: dict[str, Any] = {
    "No": "1", "Pat": "7", "Drug": "Doxorubicin", "Per m2": "50", "Dose": "91", "Unit": "mg", "Wt": "71.50", "BSA": "1.82", "By": "N1",
}  # fmt: skip
SHAPE = """\
shape:
  No: text
  Pat: text
  Drug: text
  doses[]: {basis: text, value: decimal-text, unit: text}
  measured[]: {kind: text, unit: text, value: decimal-text, by: text}
"""
COLUMNS = """\
columns:
  doses:
    - {is: {basis: ordered, unit: mg/m2}, has: {value: Per m2}}
    - {is: {basis: calculated}, has: {value: Dose, unit: Unit}, with: [Per m2]}
    - {has: {value: Dose, unit: Unit}, without: [Per m2]}
  measured:
    - {is: {kind: actual-weight, unit: kg}, has: {value: Wt, by: By}}
    - {is: {kind: body-surface-area, unit: m2}, has: {value: BSA, by: By}}
"""
PAIRS = f"""\
pairs:
  order_id: No
  status: {{const: active}}
  intent: {{const: order}}
  patient.identifier.system: {{const: $patients}}
  patient.identifier.value: Pat
  drug.text: Drug
  steps[only].dosings[]:
    site: doses[]
    pairs: {{basis: basis, dose.value: value, dose.unit: unit}}
  measurements[]:
    site: measured[]
    pairs: {{kind: kind, value.value: value, value.unit: unit, text: by}}
rest: {{drop: true, why: the site has no member for it}}
samples:
  - |
    {json.dumps(SITE)}
  - |
    {json.dumps({**SITE, "Per m2": "", "Wt": None, "BSA": None, "By": ""})}
"""
DOCUMENT = HEAD + SHAPE + COLUMNS + PAIRS


def dosings(record: Any) -> list[Any]:
    return bare(record)["steps"][0]["dosings"]  # type: ignore[no-any-return]  # JSON


def test_an_ordered_dose_and_the_one_made_of_it_are_two_of_the_record_and_come_back():
    one = built(DOCUMENT)
    (record,) = records(one, SITE)
    assert dosings(record) == [
        {"basis": "ordered", "dose": {"value": 50, "unit": "mg/m2"}},
        {"basis": "calculated", "dose": {"value": 91, "unit": "mg"}},
    ]
    assert [each["kind"] for each in record["measurements"]] == ["actual-weight", "body-surface-area"]
    assert one.write([record]).values == [SITE]
    assert one.write([dosed(record, Decimal("60.0"))]).values == [{**SITE, "Per m2": "60.0"}]


@pytest.mark.parametrize("absent", [{}, {"Per m2": ""}, {"Per m2": None}])
def test_a_dose_alone_is_of_no_stated_basis(absent: dict[str, Any]):
    one = built(DOCUMENT)
    site = {name: value for name, value in SITE.items() if name != "Per m2"} | absent
    (record,) = records(one, site)
    assert dosings(record) == [{"dose": {"value": 91, "unit": "mg"}}]
    assert one.write([record]).values == [site]


def test_what_is_measured_by_nobody_and_nothing_measured_come_back_with_their_fillers():
    one = built(DOCUMENT)
    for site in ({**SITE, "By": ""}, {**SITE, "Wt": "", "BSA": None, "By": ""}, {**SITE, "Wt": ""}):
        assert one.write(records(one, site)).values == [site]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"Wt": "", "BSA": ""}, "small.By"),
        ({"Per m2": "50 mg"}, "small.Per m2"),
        ({"Dose": "9,1"}, "small.Dose"),
        ({"BSA": 1.82}, "small.BSA"),
    ],
)
def test_a_wrong_column_is_refused_with_its_own_name(changes: dict[str, Any], place: str):
    with pytest.raises(Refused) as told:
        built(DOCUMENT).read({**SITE, **changes})
    assert [issue.path for issue in told.value.issues] == [place]


def test_a_column_that_is_misspelt_is_refused_where_it_is_missing():
    site = {name.lower() if name == "Dose" else name: value for name, value in SITE.items()}
    with pytest.raises(Refused) as told:
        built(DOCUMENT).read(site)
    assert [(issue.path, issue.accepted) for issue in told.value.issues] == [
        ("small.dose", "Dose, or a name that is not so near to it")
    ]


def test_the_order_of_elements_in_a_record_is_none_of_the_columns():
    one = built(DOCUMENT)
    (record,) = records(one, SITE)
    turned = {**record, "measurements": record["measurements"][::-1]}
    assert one.write([turned]).values == [SITE]


UNIT = {"value": 1, "unit": "mg/m2"}


@pytest.mark.parametrize(
    "wrong",
    [
        [{"basis": "calculated", "dose": {"value": 91, "unit": "mg"}}],
        [{"basis": "ordered", "dose": {"value": 50, "unit": "mg/kg"}}],
        [{"basis": "ordered", "dose": UNIT}, {"dose": {"value": 91, "unit": "mg"}}],
        [{"basis": "ordered", "dose": UNIT}, {"basis": "ordered", "dose": UNIT}],
        [{"basis": "ordered", "dose": UNIT}, {"basis": "ordered", "dose": {**UNIT, "value": 2}}],
    ],
)
def test_a_record_that_the_columns_do_not_say_is_refused(wrong: list[Any]):
    one = built(DOCUMENT)
    (record,) = records(one, SITE)
    step = {**record["steps"][0], "dosings": wrong}
    with pytest.raises(Refused) as told:
        one.write([{**record, "steps": [step]}])
    assert [issue.path for issue in told.value.issues] == ["small.doses"]


def test_one_column_of_two_elements_says_the_same_of_both():
    one = built(DOCUMENT)
    (record,) = records(one, SITE)
    first, second = record["measurements"]
    with pytest.raises(Refused) as told:
        one.write([{**record, "measurements": [first, {**second, "text": "N2"}]}])
    assert [issue.path for issue in told.value.issues] == ["small.measured"]


def test_what_is_kept_stays_behind_with_an_edit_of_a_column():
    one = built(DOCUMENT)
    (record,) = records(one, {**SITE, "Total": "182 mg"})
    assert one.write([record]).values == [{**SITE, "Total": "182 mg"}]
    assert one.write([dosed(record, 60)]).values == [{**SITE, "Per m2": "60"}]


def test_the_laws_hold_for_columns():
    one = built(DOCUMENT)
    proof = prove_format(one, samples_of(one), random.Random, 150)
    assert proof.broken == ()
    assert proof.holds


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("  doses:\n", "  dosis:\n", "15: 'dosis' is no list of objects in the shape; accepted: one given with []"),
        ("value: Per m2}", "valu: Per m2}", "16: 'valu' is no member of 'doses[]' in the shape; accepted: basis, value, unit"),
        ("with: [Per m2]", "with: [Per kg]", "15: 'Per kg' is neither a column nor a member beside 'doses'; accepted: "),
        ("{value: Per m2}", "{}", "16: columns have one or more in `has`"),
        ("value: Wt", "value: No", "19: 'No' is a column of 'measured', and a member of the shape besides"),
    ],
)  # fmt: skip
def test_columns_that_are_wrong_are_told_with_their_place(right: str, wrong: str, told: str):
    assert f"formats/small.yaml:{told}" in "\n".join(complaints(DOCUMENT.replace(right, wrong)))
