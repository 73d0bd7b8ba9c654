"""Units: what any text means is found or not, and what two of them mean can be compared and searched by."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from fhir_infusion.fhir import amounts
from fhir_infusion.records import units
from fhir_infusion.records.rates import is_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 140


def run(data: bytes) -> None:
    """Ask for everything that is made of a unit."""
    one, _, other = data.decode(errors="replace").partition(" ")
    for code in (one, other):
        assert units.is_ucum(code) or not (units.is_per_time(code) or units.is_time(code))
        is_rate({"unit": code})
        is_rate({"unit_text": code})
        units.in_words(code)
        value = {"value": 5, "unit": code, "code": code, "system": units.UCUM}
        assert all(span.low == span.high for span in amounts.spans(value, "Quantity"))
    there = units.convert(5, one, other)
    assert there is None or units.convert(there, other, one) == Fraction(5)
    assert not units.same_meaning(one, other) or there in {None, 5}


def corpus() -> Iterator[bytes]:
    """Give units that are used, and their parts in strange company."""
    known = ("mg", "ug/kg/min", "mL.h-1", "mg/(24.h)", "10*6.[iU]", "{tbl}", "mm[Hg]", "%", "mL/min/{1.73_m2}", "Ym99")
    words = ("milligrams per hour", "mcg/kg/min", "ml/hr", "µg", "IU", "mg/0")
    yield from (f"{one} {other}".encode() for one, other in zip(known, (*known[1:], "1"), strict=True))
    yield from (word.encode() for word in words)
