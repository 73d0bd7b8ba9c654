from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import pytest

from fhir_infusion.records.number import Spelled, beyond_limits, from_spelling, plain, spelling_of

SPELLINGS = ["1.50", "1e3", "1E3", "1E-8", "1E+2", "0.00000001", "-0.0", "-0", "0e-5", "123456789.012345678", "2.50E-2"]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_number_is_written_as_it_was_read(text):
    number = from_spelling(text)
    assert spelling_of(number) == text
    assert number == Decimal(text)
    assert hash(number) == hash(Decimal(text))


def test_a_spelling_survives_copying_and_pickling_but_not_arithmetic():
    number = Spelled("1e3")
    assert [str(copy.copy(number)), str(copy.deepcopy(number)), str(pickle.loads(pickle.dumps(number)))] == ["1e3"] * 3  # noqa: S301  our own bytes
    assert repr(number) == "Spelled('1e3')"
    assert type(number + 1) is Decimal


def test_a_computed_number_is_written_in_plain_digits():
    assert spelling_of(Decimal("1E-8")) == "0.00000001"
    assert str(plain(Decimal("1E-8"))) == "0.00000001"
    assert plain(Decimal("1.5")) == Decimal("1.5")
    assert spelling_of(5) == "5"


@pytest.mark.parametrize(
    "text", ["0", "-1.5", "1e38", "1E-38", "0.000", "123456789012345678", "0." + "0" * 30 + "1", "0e5"]
)
def test_a_number_within_the_limits_is_taken(text):
    assert beyond_limits(text) == ""


@pytest.mark.parametrize(
    "text", ["1234567890123456789", "1." + "1" * 18, "1e39", "1e-39", "1e999999999", "0." + "0" * 60, "0e77"]
)
def test_a_number_beyond_the_limits_is_told(text):
    assert beyond_limits(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1234567890123456789", "more than 18 significant digits"),
        ("-0.1234567890123456789", "more than 18 significant digits"),
        ("0." + "0" * 56, "more than 56 digits"),
        ("1e1000", "an exponent beyond 38"),
        ("0e-1000", "an exponent beyond 38"),
        ("0e77", "an exponent beyond 38"),
        ("1e39", "a power of ten beyond 38"),
        ("-10e38", "a power of ten beyond 38"),
        ("0.01e-37", "a power of ten beyond 38"),
    ],
)
def test_the_limit_that_a_number_breaks_is_named(text, told):
    assert beyond_limits(text) == told


@pytest.mark.parametrize("text", ["-" + "9" * 18, "0." + "0" * 55, "0e76", "0e-76", "10e37", "0.01e-36", "-1e+038"])
def test_a_number_at_a_limit_is_taken(text):
    assert beyond_limits(text) == ""
