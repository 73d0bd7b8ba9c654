from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction

import pytest

from fhir_infusion.records import units
from fhir_infusion.records.rates import is_per_time, is_rate

UCUM = [
    "mg", "ug/kg/min", "mL/h", "ml/h", "mL.h-1", "/min", "mg/(24.h)", "10*6.[iU]", "{tbl}", "mg.min/mL", "mm[Hg]", "meq", "%", "1",
    "[iU]/kg/h", "mL/min/{1.73_m2}", "kg/m2", "g%", "U/h", "[drp]/min", "dar", "100/{cells}", "Kiby"[:2] + "By", "mg{dry}", "(mg)",
    "[USP'U]", "daL",
]  # fmt: skip
NOT_UCUM = ["mcg", "mL/hr", "IU", "mEq", "cc", "TAB", "tbl", "D", "mg/", "", " mg", "mg kg", "m/0", "x" * 65]
NO_UNIT_AT_ALL = ["Ym999", "Ym99.Ym99", "a999", "10*-999.ys999", "/(Ym20.Ym20)", "(10*99.10*99.10*99.10*99)"]


@pytest.mark.parametrize("code", UCUM)
def test_a_ucum_code_is_known(code):
    assert units.is_ucum(code)


@pytest.mark.parametrize("code", NOT_UCUM)
def test_what_is_not_ucum_is_not_known(code):
    assert not units.is_ucum(code)


@pytest.mark.parametrize("code", NO_UNIT_AT_ALL)
def test_a_power_that_no_unit_has_is_no_unit_and_never_a_number_too_long_to_be_written(code):
    assert units.parse(code) is None


@pytest.mark.parametrize(
    ("value", "code", "to", "result"),
    [
        (Decimal("2.50"), "mg", "ug", Fraction(2500)),
        (1, "mL/h", "mL/min", Fraction(1, 60)),
        (1, "mg/(24.h)", "ug/h", Fraction(1000, 24)),
        (Decimal("0.1"), "g/L", "mg/mL", Fraction(1, 10)),
        (1, "wk", "d", Fraction(7)),
        (3, "10*6.[iU]", "[iU]", Fraction(3_000_000)),
        (1, "mL", "cm3", Fraction(1)),
        (1, "[lb_av]", "g", Fraction("453.59237")),
        (5, "mL.h-1", "mL/h", Fraction(5)),
        (1, "mg/mL", "%", None),
        (1, "[iU]", "U", None),
        (1, "meq", "mmol", None),
        (1, "[drp]", "mL", None),
        (1, "mcg", "ug", None),
        (1, "ug", "mcg", None),
    ],
)
def test_conversion_is_exact_and_only_between_the_same_kind_of_thing(value, code, to, result):
    assert units.convert(value, code, to) == result


@pytest.mark.parametrize("code", ["mL/h", "/min", "mL.h-1", "ug/kg/min", "mg/(24.h)", "U/h", "[drp]/min"])
def test_a_rate_is_per_time(code):
    assert units.is_per_time(code)


@pytest.mark.parametrize("code", ["mg", "mg/m2", "min", "mg.min/mL", "U", "Hz", "nope"])
def test_what_is_not_per_time_is_no_rate(code):
    assert not units.is_per_time(code)


def test_only_a_plain_length_of_time_is_a_time():
    assert [units.is_time(code) for code in ("h", "min", "wk", "a", "/h", "mg", "x")] == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(("code", "repaired"), [("mcg", "ug"), ("mL/hr", "mL/h"), ("IU", "[iU]"), ("mEq", "meq"), ("cc", "mL"), ("mcg/kg/min", "ug/kg/min"), ("mEq/L", "meq/L"), ("IU/kg/hr", "[iU]/kg/h")])  # fmt: skip
def test_a_known_wrong_code_is_repaired(code, repaired):
    assert units.REPAIRS[code] == repaired


def test_a_repair_never_touches_ucum_and_always_gives_ucum():
    assert [code for code in units.REPAIRS if units.is_ucum(code)] == []
    assert [code for code in units.REPAIRS.values() if not units.is_ucum(code)] == []
    assert "units" not in units.REPAIRS


def test_every_repair_has_its_reason():
    assert all(reason for _, reason in units.REPAIRED.values())


def test_two_spellings_of_one_unit_mean_the_same():
    assert units.same_meaning("mL", "ml")
    assert units.same_meaning("x", "x")
    assert not units.same_meaning("mL", "L")
    assert not units.same_meaning("x", "y")


def test_words_are_all_ucum():
    assert [code for code in units.WORDS.values() if not units.is_ucum(code)] == []


@pytest.mark.parametrize(("unit", "verdict"), [("mL/hr", True), ("mg/hour", True), ("mL/(8.h)", True), ("mL.h-1", True), ("20 min", False), ("mg/m2", False), ("mg/month", True), ("mg/mol", False)])  # fmt: skip
def test_a_rate_is_known_by_code_or_by_words(unit, verdict):
    assert is_per_time(unit) is verdict
    assert is_rate({"unit_text": unit}) is verdict
    assert is_rate({"unit": unit, "unit_text": "mL/h"}) is verdict


@pytest.mark.parametrize(
    "unit", ["/" + " " * 20_000, "/(" + " " * 20_000, "/" + "1" * 20_000, "/1." + "1" * 20_000 + " " * 20_000]
)
def test_a_long_text_in_place_of_a_unit_is_judged_at_once(unit):
    begun = time.thread_time()
    assert not is_per_time(unit)
    assert time.thread_time() - begun < 1


def test_a_quantity_without_a_unit_is_no_rate():
    assert not is_rate({"value": 5})
