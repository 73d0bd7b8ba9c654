"""Verdicts on short strings are kept, the same as the pattern gives, and never more than so many."""

from __future__ import annotations

import pytest

from fhir_infusion.fhir import primitives
from fhir_infusion.fhir.primitives import QUICK


@pytest.mark.parametrize("kind", ["code", "uri", "url", "canonical"])
@pytest.mark.parametrize(
    ("value", "codes", "addresses"),
    [
        ("mg", True, True),
        ("http://unitsofmeasure.org", True, True),
        ("two words", True, False),
        ("two  words", False, False),
        (" mg", False, False),
        ("mg\n", False, False),
        ("", False, False),
        ("ü", False, False),
        ("x" * 129, True, True),
        ("x" * 129 + " ", False, False),
    ],
)
def test_the_second_answer_is_the_first(kind: str, value: str, *, codes: bool, addresses: bool):
    wanted = codes if kind == "code" else addresses
    assert [bool(QUICK[kind](value)) for _ in range(3)] == [wanted] * 3


@pytest.mark.parametrize("value", [1, True, None, [], {}])
def test_what_is_no_string_is_never_taken(value: object):
    with pytest.raises(TypeError):
        QUICK["code"](value)


def test_long_strings_are_not_kept_and_the_others_are_bounded():
    verdicts = primitives._Verdicts("[a-z0-9]+")
    assert verdicts["x" * (primitives._OFTEN + 1)]
    assert dict(verdicts) == {}
    for number in range(3 * primitives._MANY):
        assert verdicts[f"x{number}"]
        assert len(verdicts) <= primitives._MANY
    assert not verdicts["X"]
    assert verdicts["x7"]
