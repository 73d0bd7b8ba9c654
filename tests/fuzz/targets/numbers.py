"""Two numbers: each is written as it was read, and their sortable texts sort as they do."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from fhir_infusion.fhir import amounts
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.ordered import ordered
from fhir_infusion.records import number

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 130

_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def run(data: bytes) -> None:
    """Read two numbers: each is written as it was read, and their sortable texts sort as they do."""
    both = data.decode(errors="replace").split(" ")[:2]
    for text in both:
        amounts.number(text)
        if _JSON_NUMBER.fullmatch(text) and not number.beyond_limits(text):
            kept = number.from_spelling(text)
            assert number.spelling_of(kept) == text
            assert number.from_spelling(number.spelling_of(kept * 1)) == kept
            assert number.plain(kept) == kept
            assert fhir_json.write({"a": kept}) == f'{{"a":{text}}}'.encode()
    stated = [found.value for found in map(amounts.number, both) if found is not None]
    for factor in (Fraction(1), Fraction(1, 3600), Fraction(10**18)):
        for one, other in pairwise(value * factor for value in stated):
            assert (ordered(one) < ordered(other)) is (one < other)
            assert (ordered(one, -1) < ordered(one)) is (ordered(one) < ordered(one, 1)) is True


def corpus() -> Iterator[bytes]:
    """Give numbers in every spelling, and at the limits."""
    known = (
        "0",
        "-0",
        "1.50",
        "1E-8",
        "1e3",
        "0.000000",
        "-12.340e-5",
        "123456789012345678",
        "1e38",
        "0e76",
        "9.99E+37",
    )
    yield from (f"{one} {other}".encode() for one, other in pairwise((*known, *known[::2])))
