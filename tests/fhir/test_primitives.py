"""Which JSON values each primitive of FHIR takes; the quick answers never say yes where the careful ones say no."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from fhir_infusion.fhir.primitives import QUICK, fault, json_kind

RIGHT: list[tuple[str, list[Any]]] = [
    ("boolean", [True, False]),
    ("decimal", [0, -5, Decimal("1.50"), Decimal("-0"), 10**17]),
    ("integer", [0, -(2**31), 2**31 - 1]),
    ("unsignedInt", [0, 2**31 - 1]),
    ("positiveInt", [1, 2**31 - 1]),
    ("integer64", ["0", "-5", "9223372036854775807", "-9223372036854775808"]),
    ("string", ["x", " x ", "a\nb", "µ", "\u200b x"]),
    ("markdown", ["*x*\r\n\ty"]),
    ("code", ["x", "a b", "mg/(24.h)"]),
    ("id", ["a", "A-1.b", "x" * 64]),
    ("uri", ["x", "http://x.org/?a=b#c", "urn:x"]),
    ("url", ["http://x.org"]),
    ("canonical", ["http://x.org|1.0"]),
    ("oid", ["urn:oid:1.2.840.0"]),
    ("uuid", ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"]),
    ("base64Binary", ["YWJj", "YWI=", "YW\nJj"]),
    ("date", ["2024", "2024-02", "2024-02-29", "2000-02-29", "0001-01-01", "2024-04-30", "2024-12-31"]),
    (
        "dateTime",
        [
            "2024",
            "2024-05",
            "2024-05-01",
            "2024-05-01T10:00:00Z",
            "2024-05-01T23:59:60+14:00",
            "2024-05-01T10:00:00.123456789-13:59",
        ],
    ),
    ("instant", ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00.1+02:00"]),
    ("time", ["00:00:00", "23:59:60", "10:00:00.5"]),
]
WRONG: list[tuple[str, str, list[Any]]] = [
    ("boolean", "value", ["true", "no", 0, 1, Decimal(1), None]),
    ("decimal", "value", ["5", True, None, Decimal("NaN"), [], {}]),
    ("integer", "value", ["1", True, Decimal(1), 2**31, -(2**31) - 1]),
    ("unsignedInt", "value", [-1, 2**31]),
    ("positiveInt", "value", [0, -1, "1"]),
    ("integer64", "value", [5, "05", "-0", "9223372036854775808", "x"]),
    ("string", "value", [5, True, None, {}, "a\x00b", "\x1f"]),
    ("string", "structure", ["", " ", "\n\t", "\u00a0"]),
    ("code", "value", [" x", "x ", "a  b"]),
    ("id", "value", ["x" * 65, "a_b", "a b", "ä"]),
    ("uri", "value", ["a b", "x\n"]),
    ("oid", "value", ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"]),
    ("uuid", "value", ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520"]),
    ("base64Binary", "value", ["YWJ", "Y W", "µµµµ", "YWJj*", "Y===", 5]),
    ("date", "value", ["2023-02-29", "1900-02-29", "2024-13", "2024-00", "2024-04-31", "24", "0000", "2024-5-1", 2024]),
    (
        "dateTime",
        "value",
        [
            "2024-02-30",
            "2024-05-01T10:00Z",
            "2024-05-01T10:00:00",
            "2024-05-01T24:00:00Z",
            "2024-05-01T10:00:00+15:00",
            "2024-05-01T10:00:00+14:30",
            "2024-05-01 10:00:00Z",
            "2024-05T10:00:00Z",
            " 2024",
            1700000000,
        ],
    ),
    ("instant", "value", ["2024-05-01", "2024-05-01T10:00:00"]),
    ("time", "value", ["10:00", "24:00:00", "10:00:00Z"]),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in RIGHT for value in values])
def test_a_right_value_has_no_fault(kind, value):
    assert fault(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "code", "value"), [(kind, code, value) for kind, code, all_ in WRONG for value in all_]
)
def test_a_wrong_value_has_a_fault_that_says_what_is_accepted_and_not_the_value(kind, code, value):
    found = fault(kind, value)
    assert found is not None
    assert found.code == code
    assert found.accepted
    assert not isinstance(value, str) or len(value) < 5 or value not in found.reason + found.accepted


def quick(kind, value):
    try:
        return bool(QUICK[kind](value))
    except (TypeError, AttributeError):
        return False


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.decimals(allow_nan=False),
    st.text(),
    st.just([]),
    st.just({}),
    st.sampled_from([value for _, values in RIGHT for value in values]),
    st.sampled_from([value for _, _, values in WRONG for value in values]),
)


@each(st.sampled_from(sorted(QUICK)), json_values)
def test_law_a_quick_yes_is_never_wrong(kind, value):
    if quick(kind, value) and value != Decimal("NaN") and not (isinstance(value, Decimal) and not value.is_finite()):
        assert fault(kind, value) is None


@pytest.mark.parametrize(("kind", "values"), RIGHT)
def test_the_quick_answer_is_yes_for_what_is_usual(kind, values):
    assert quick(kind, values[0])


def test_kinds_of_json_values_are_named_in_words():
    values: list[Any] = [{}, [], True, "x", None, 5, Decimal(1)]
    kinds = ["an object", "an array", "a boolean", "a string", "null", "a number", "a number"]
    assert [json_kind(value) for value in values] == kinds
