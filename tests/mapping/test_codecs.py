from __future__ import annotations

from decimal import Decimal
from itertools import chain, combinations

import pytest

from fhir_infusion.mapping.codecs import DECLINED, KEY, NAMED, PLAIN, QUANTITY, SKIPPED, UCUM, table
from fhir_infusion.mapping.runtime import usual_quantity

V = Decimal("2.50")
OTHER = "http://example.org/units"

BOTH_WAYS = {
    "a number with a UCUM code": ({"value": V, "system": UCUM, "code": "mg"}, {"value": V, "unit": "mg"}),
    "with words": (
        {"value": V, "unit": "milligram", "system": UCUM, "code": "mg"},
        {"value": V, "unit": "mg", "unit_text": "milligram"},
    ),
    "with a comparator": (
        {"value": V, "comparator": "<", "system": UCUM, "code": "mg"},
        {"value": V, "comparator": "<", "unit": "mg"},
    ),
    "with a comparator and words": (
        {"value": V, "comparator": ">=", "unit": "mg", "system": UCUM, "code": "mg"},
        {"value": V, "comparator": ">=", "unit_text": "mg", "unit": "mg"},
    ),
    "of another system": (
        {"value": V, "system": OTHER, "code": "TAB"},
        {"value": V, "unit": "TAB", "unit_system": OTHER},
    ),
    "of another system with words": (
        {"value": V, "unit": "tablet", "system": OTHER, "code": "TAB"},
        {"value": V, "unit_text": "tablet", "unit": "TAB", "unit_system": OTHER},
    ),
    "of a system without a code": ({"value": V, "system": OTHER}, {"value": V, "unit_system": OTHER}),
    "with words alone": ({"value": V, "unit": "tablet"}, {"value": V, "unit_text": "tablet"}),
    "a number alone": ({"value": V}, {"value": V}),
    "a code without a number": ({"system": UCUM, "code": "mg"}, {"unit": "mg"}),
    "words without a number": ({"unit": "some"}, {"unit_text": "some"}),
    "nothing": ({}, {}),
}


@pytest.mark.parametrize(("fhir", "internal"), BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_a_quantity_is_read_and_written_member_by_member(fhir, internal):
    assert QUANTITY.read(fhir) == internal
    assert QUANTITY.write(internal) == fhir


def test_a_code_without_a_system_is_read_as_the_unit_and_a_wrong_spelling_of_ucum_alone_is_repaired():
    assert QUANTITY.read({"value": V, "code": "mcg"}) == {"value": V, "unit": "mcg"}
    assert QUANTITY.read({"value": V, "system": OTHER, "code": "mcg"}) == {
        "value": V,
        "unit": "mcg",
        "unit_system": OTHER,
    }
    assert QUANTITY.read({"value": V, "system": UCUM, "code": "mcg"}) == {"value": V, "unit": "ug"}
    assert QUANTITY.read({"value": V, "comparator": "<", "system": UCUM, "code": "mcg"}) == {
        "value": V,
        "comparator": "<",
        "unit": "ug",
    }


def test_the_quick_reading_of_a_quantity_says_what_the_exact_one_says_or_nothing():
    whole = {"value": V, "comparator": "<", "unit": "mg", "system": UCUM, "code": "mg", "id": "q"}
    members = chain.from_iterable(combinations(whole, size) for size in range(len(whole) + 1))
    read = {names: usual_quantity({name: whole[name] for name in names}) for names in members}
    assert {names for names, found in read.items() if found is not None} == {
        ("value", "system", "code"),
        ("value", "unit", "system", "code"),
    }
    assert all(
        found == QUANTITY.read({name: whole[name] for name in names})
        for names, found in read.items()
        if found is not None
    )
    assert usual_quantity({"value": V, "system": UCUM, "code": "mcg"}) is None
    assert usual_quantity({"value": V, "system": OTHER, "code": "mg"}) is None


@pytest.mark.parametrize(("code", "is_rate"), [("mL/h", True), ("ug/kg/min", True), ("mL", False), ("h", False)])
def test_a_rate_and_what_is_none_are_each_taken_by_their_own_codec(code, is_rate):
    fhir, internal = {"value": V, "system": UCUM, "code": code}, {"value": V, "unit": code}
    taken, declined = (NAMED["rate"], NAMED["not-rate"]) if is_rate else (NAMED["not-rate"], NAMED["rate"])
    assert (taken.read(fhir), taken.write(internal)) == (internal, fhir)
    assert (declined.read(fhir), declined.write(internal)) == (DECLINED, DECLINED)


def test_a_code_table_goes_both_ways_and_declines_what_is_in_neither_column():
    codes = table("status", {"active": "A", "running": "A", "ended": "E"}, {"A": "active", "E": "ended"})
    assert [codes.write(code) for code in ("active", "running", "ended", "A")] == ["A", "A", "E", DECLINED]
    assert [codes.read(code) for code in ("A", "E", "active")] == ["active", "ended", DECLINED]
    assert codes.shared == {"running"}
    assert codes.name == "codes(status)"
    assert codes.accepts == "out: active, ended, running; in: A, E"
    assert QUANTITY.shared == frozenset()


def test_a_plain_value_is_itself_and_a_derived_key_is_not_written():
    assert PLAIN.read(V) is PLAIN.write(V) is V
    assert KEY.write("~1") is SKIPPED
    assert KEY.write(KEY.read("a-1")) == "a-1"
