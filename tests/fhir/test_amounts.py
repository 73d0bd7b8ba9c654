"""Numbers as sortable text, and amounts as ranges: nothing is rounded, nothing is a float."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.fhir.amounts import number, spans, unit_asked
from fhir_infusion.fhir.ordered import HIGHEST, LOWEST, ordered
from tests.counts import count

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**38), max_value=10**38)
factors = st.fractions(min_value=Fraction(1, 10**12), max_value=10**12, max_denominator=10**12)


@settings(max_examples=count(500, 20_000))
@given(decimals, decimals, factors, factors)
def test_texts_sort_as_the_numbers_do(left, right, factor, other):
    a, b = Fraction(left) * factor, Fraction(right) * other
    assert (ordered(a) < ordered(b), ordered(a) == ordered(b)) == (a < b, a == b)
    assert LOWEST < ordered(a) < HIGHEST


@settings(max_examples=count(300, 10_000))
@given(decimals, st.sampled_from([Fraction(1, 3600), Fraction(7, 3), Fraction(10) ** -24]))
def test_just_below_and_just_above_stand_beside_a_number_and_before_any_other(value, factor):
    at = Fraction(value) * factor
    near = abs(at) / 10**40 or Fraction(1, 10**40)
    texts = [ordered(at - near), ordered(at, -1), ordered(at), ordered(at, 1), ordered(at + near)]
    assert sorted(texts) == texts
    assert len(set(texts)) == 5


STATED = [
    ("5.4", Fraction("5.4"), Fraction("0.05")),
    ("100", Fraction(100), Fraction("0.5")),
    ("100.00", Fraction(100), Fraction("0.005")),
    ("1e2", Fraction(100), Fraction(5)),
    ("-0.50", Fraction("-0.5"), Fraction("0.005")),
]


@pytest.mark.parametrize(("text", "value", "half"), STATED)
def test_a_number_means_what_rounds_to_its_digits(text, value, half):
    assert number(text) == (value, half)


@pytest.mark.parametrize("text", ["", ".5", "5.", "+5", "1e", "1e999", "0x5", "\u0665", "nan", "1" * 41])
def test_what_is_no_number_is_none(text):
    assert number(text) is None


def ends(value, datatype="Quantity"):
    return {span.unit: (span.low, span.high) for span in spans(value, datatype)}


def test_a_quantity_is_found_under_each_way_to_name_its_unit():
    found = ends({"value": Decimal("1.50"), "unit": "Milligramm", "system": "http://unitsofmeasure.org", "code": "mg"})
    own, base = ordered(Fraction("1.5")), ordered(Fraction("0.0015"))
    assert found == {"": (own, own), "|mg": (own, own), "|Milligramm": (own, own), "=g1": (base, base)}


def test_a_comparator_leaves_one_end_open_and_a_range_has_two():
    assert ends({"value": 5, "comparator": "<"}) == {"": (LOWEST, ordered(Fraction(5), -1))}
    assert ends({"value": 5, "comparator": ">="}) == {"": (ordered(Fraction(5)), HIGHEST)}
    low, high = ({"value": value, "unit": "a"} for value in (1, 2))
    assert ends({"low": low, "high": high}, "Range")["|a"] == (ordered(Fraction(1)), ordered(Fraction(2)))
    assert ends({"high": high}, "Range")[""] == (LOWEST, ordered(Fraction(2)))
    assert ends({}, "Range") == {}


def test_a_unit_that_would_take_minutes_to_compute_is_none_of_ucum():
    assert unit_asked("http://unitsofmeasure.org", "Ym999999") == ("http://unitsofmeasure.org|Ym999999", Fraction(1))
