"""What was given of each ingredient: strength times volume, exactly, or the reason why not."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.records.ingredients_given import as_json, in_words, ingredients_given

Record = dict[str, Any]
D = Decimal


def q(value: int | Decimal, unit: str, **more: Any) -> Record:
    return {"value": value, "unit": unit, **more}


def ingredient(numerator: Record, denominator: Record, name: str = "potassium acetate") -> Record:
    return {"drug": {"text": name}, "strength": {"numerator": numerator, "denominator": denominator}}


def administration(*ingredients: Record, **more: Any) -> Record:
    return {
        "record": "Administration",
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "mixture"},
        "when": {"at": "2026-03-01T08:00:00Z"},
        **({"preparation": {"ingredients": list(ingredients)}} if ingredients else {}),
        **more,
    }


def test_every_ingredient_is_its_strength_times_the_volume_given_with_the_sum_in_words():
    record = administration(
        ingredient(q(40, "meq"), q(250, "mL")),
        ingredient(q(D("7.50"), "mg"), q(1, "L"), "other"),
        dose_given=q(100, "mL"),
    )
    assert as_json(ingredients_given(record)) == {
        "amounts": [
            {
                "path": "preparation.ingredients[0]",
                "drug": "potassium acetate",
                "amount": {"value": 16, "unit": "meq"},
                "exact": True,
                "how": "40 meq per 250 mL x 100 mL = 16 meq",
            },
            {
                "path": "preparation.ingredients[1]",
                "drug": "other",
                "amount": {"value": D("0.75"), "unit": "mg"},
                "exact": True,
                "how": "7.50 mg per 1 L x 100 mL = 0.75 mg",
            },
        ],
        "not_computed": [],
    }


def test_a_number_without_end_is_rounded_and_said_to_be_about_that_much():
    found = ingredients_given(administration(ingredient(q(10, "mg"), q(3, "mL")), dose_given=q(1, "mL")))
    (one,) = found.amounts
    assert (one.value, one.exact) == (D("3.33333333333"), False)
    assert one.how == "10 mg per 3 mL x 1 mL = about 3.33333333333 mg"


def test_a_very_small_amount_is_written_in_plain_digits():
    found = ingredients_given(administration(ingredient(q(1, "ng"), q(1, "L")), dose_given=q(D("0.01"), "uL")))
    assert found.amounts[0].how == "1 ng per 1 L x 0.01 uL = 0.00000001 ng"


def test_the_volume_given_is_used_where_the_dose_is_one_of_the_drug():
    mixture = ingredient(q(2, "mg"), q(1, "mL"))
    found = ingredients_given(administration(mixture, dose_given=q(60, "mg"), volume_given=q(30, "mL")))
    assert [one.how for one in found.amounts] == ["2 mg per 1 mL x 30 mL = 60 mg"]


def test_one_volume_that_is_stated_twice_in_two_units_is_one_volume():
    mixture = ingredient(q(2, "mg"), q(1, "mL"))
    found = ingredients_given(administration(mixture, dose_given=q(D("0.25"), "L"), volume_given=q(250, "mL")))
    assert [one.value for one in found.amounts] == [500]


MIXTURE = ingredient(q(40, "meq"), q(250, "mL"))
AT = "preparation.ingredients[0]"


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        (administration(dose_given=q(1, "mL")), "preparation", "no ingredients are stated in the administration"),
        (administration(MIXTURE), "dose_given", "neither a dose nor a volume given is stated"),
        (
            administration(MIXTURE, dose_given=q(40, "meq")),
            "dose_given",
            "40 meq is not a volume, and no volume given is stated",
        ),
        (
            administration(MIXTURE, dose_given=q(250, "mL"), volume_given=q(240, "mL")),
            "volume_given",
            "two volumes are stated, 250 mL and 240 mL, and they are not the same",
        ),
        (
            administration(MIXTURE, dose_given={"value": 250, "unit_text": "cc"}),
            "dose_given",
            "its unit is not a UCUM code, and a unit is never guessed",
        ),
        (
            administration(MIXTURE, dose_given=q(1, "BAG", unit_system="https://example.org/units")),
            "dose_given",
            "its unit is not a UCUM code, and a unit is never guessed",
        ),
        (administration(MIXTURE, dose_given={"unit": "mL"}), "dose_given", "it has no value"),
        (
            administration(MIXTURE, dose_given=q(250, "ML")),  # UCUM: megalitres
            "dose_given",
            "250 ML is more than an infusion can be: the unit may not be the one that was meant",
        ),
        (
            administration(ingredient(q(40, "meq"), q(250, "ML")), dose_given=q(250, "mL")),
            f"{AT}.strength.denominator",
            "250 ML is more than an infusion can be: the unit may not be the one that was meant",
        ),
        (
            administration(MIXTURE, status="not-done", dose_given=q(250, "mL")),
            "status",
            "the status is not-done: nothing counts as given",
        ),
        (
            administration(MIXTURE, status="entered-in-error", dose_given=q(250, "mL")),
            "status",
            "the status is entered-in-error: nothing counts as given",
        ),
        (
            administration({"drug": {"text": "x"}, "amount": q(40, "meq")}, dose_given=q(250, "mL")),
            AT,
            "no strength per volume is stated",
        ),
        (
            administration(ingredient(q(1, "mg"), q(1, "{tbl}")), dose_given=q(250, "mL")),
            f"{AT}.strength.denominator",
            "the strength is per 1 {tbl}, which is not a volume",
        ),
        (
            administration(ingredient(q(1, "mg"), q(0, "mL")), dose_given=q(250, "mL")),
            f"{AT}.strength.denominator",
            "the strength is per 0 mL: nothing is per zero",
        ),
        (
            administration(ingredient(q(1, "mg", comparator="<"), q(1, "mL")), dose_given=q(250, "mL")),
            f"{AT}.strength.numerator",
            "it is a bound, not an amount",
        ),
        (
            administration(ingredient(q(1, "AMP", unit_system="urn:oid:1.2"), q(1, "mL")), dose_given=q(250, "mL")),
            f"{AT}.strength.numerator",
            "its unit is not a UCUM code, and a unit is never guessed",
        ),
    ],
)
def test_what_cannot_be_computed_is_told_with_its_place_and_the_reason(record: Record, path: str, reason: str):
    found = ingredients_given(record)
    assert found.amounts == ()
    assert [(one.path, one.reason) for one in found.unknown] == [(path, reason)]
    assert [bool(one.drug) for one in found.unknown] == [path.startswith(AT)]


def test_one_ingredient_that_cannot_be_computed_leaves_the_others():
    record = administration(MIXTURE, {"drug": {"codings": [{"display": "water"}]}}, dose_given=q(250, "mL"))
    assert in_words(ingredients_given(record)) == [
        "potassium acetate (preparation.ingredients[0]): 40 meq per 250 mL x 250 mL = 40 meq",
        "water (preparation.ingredients[1]): not computed: no strength per volume is stated",
    ]


NUMBERS = st.decimals(min_value="0.0001", max_value="100000", places=4)


@settings(max_examples=200)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_number_that_is_exact_is_the_quotient_and_any_other_is_within_half_of_its_last_digit(
    top: Decimal, bottom: Decimal, volume: Decimal
):
    record = administration(ingredient(q(top, "mg"), q(bottom, "mL")), dose_given=q(volume, "mL"))
    (one,) = ingredients_given(record).amounts
    wanted = Fraction(top) * Fraction(volume) / Fraction(bottom)
    off = abs(Fraction(one.value) - wanted)
    assert (off == 0) is one.exact
    assert off * 10**11 <= wanted
