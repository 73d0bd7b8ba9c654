from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.records.formats import FORMATS, MAX_TEXT
from fhir_infusion.records.number import Spelled

ACCEPTED: dict[str, list[Any]] = {
    "string": ["a", "naïve", "two words", "a\tb\r\nc", "🩺", "\u00a0x", "x" * MAX_TEXT],
    "markdown": ["# a\n\n* b"],
    "code": ["a", "two words", "mL/h", "é"],
    "uri": ["urn:oid:1.2", "https://e.org/a?b=c", "x"],
    "canonical": ["https://e.org/a|1.0"],
    "key": ["~derived", "step-1"],
    "id": ["a", "A-1.b", "x" * 64],
    "date": ["1961", "1961-04", "1961-04-30", "2024-02-29"],
    "dateTime": ["2024", "2024-12", "2024-02-29", "2024-12-31T23:59:60Z", "2024-01-01T00:00:00.123456789+14:00"],
    "instant": ["2024-01-01T00:00:00Z"],
    "time": ["00:00:00", "23:59:59.5"],
    "decimal": [
        0,
        -5,
        10**18 - 1,
        Decimal("1.50"),
        Decimal("-0.1"),
        Spelled("1e3"),
        Spelled("0.00000001"),
        Decimal("0E-10"),
    ],
    "integer": [-1, 0, 2**31 - 1],
    "positiveInt": [1],
    "unsignedInt": [0, 7],
    "boolean": [True, False],
    "json": [None, "x", 1, Decimal("1.0"), [], {}, {"a": [{"b": None}]}],
}
REFUSED: dict[str, list[Any]] = {
    "string": ["", " ", "\n", "\x00", "a\x1fb", "\ud800", "x" * (MAX_TEXT + 1), 5, None, True],
    "markdown": [""],
    "code": ["", " a", "a ", "a  b", "a\tb", "a\u00a0\u00a0b", "x" * (MAX_TEXT + 1), 5],
    "uri": ["", "a b", "a\nb", 5, "x" * (MAX_TEXT + 1)],
    "canonical": [" "],
    "key": ["", "a b"],
    "id": ["", "x" * 65, "a_b", "a b", "é", 5],
    "date": ["61", "1961-4", "2023-02-29", "1961-13", "1961-04-31", "0000", "1961-04-30T10:00:00Z", 1961, "1961\n"],
    "dateTime": [
        "2024-01-01T10:00:00",
        "2024-01-01T10:00Z",
        "2024-01-01T24:00:00Z",
        "2024-02-30T10:00:00Z",
        "2024-01-01T10:00:00+14:30",
        0,
    ],
    "instant": ["2024-01-01", "2023-02-29T00:00:00Z", 5],
    "time": ["24:00:00", "10:00", "10:00:00Z", 5],
    "decimal": [
        "5",
        1.5,
        True,
        None,
        10**18,
        -(10**18),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+39"),
        Decimal("1E-39"),
        Decimal("1." + "2" * 18),
        Decimal("0E-50"),
        [],
    ],
    "integer": [2**31, 1.0, True, "1"],
    "positiveInt": [0, -1, True],
    "unsignedInt": [-1, Decimal(1)],
    "boolean": [0, 1, "true", None],
    "json": [1.5, {"a": 1.5}, [{"a": 1.5}], {1: "a"}, Decimal("NaN")],
}


def test_every_kind_has_examples():
    assert ACCEPTED.keys() == FORMATS.keys() == REFUSED.keys()


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in ACCEPTED.items() for value in values])
def test_a_value_in_fhir_s_format_is_accepted(kind, value):
    assert FORMATS[kind].accepts(value) is True


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in REFUSED.items() for value in values])
def test_a_value_in_another_format_is_refused(kind, value):
    assert not FORMATS[kind].accepts(value)


def test_every_kind_says_what_is_accepted():
    assert all(form.accepted for form in FORMATS.values())
