"""Quantities as they are searched: a range of sortable numbers in each unit in which one may ask.

https://hl7.org/fhir/R4/search.html#quantity. A quantity is kept under several units: none (a number asked for alone),
its code or unit as written, its system and code, and, where it is UCUM, its kind of thing in base units, so that 1 g is
found by 1000 mg. Values are ``Fraction``: nothing is rounded.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fhir_infusion.fhir.ordered import HIGHEST, LOWEST, ordered
from fhir_infusion.records import units

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY_UNIT: Final = ""

_NUMBER: Final = re.compile(r"-?(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]+))?(?:[eE](?P<power>[+-]?[0-9]{1,2}))?")
_MOST_DIGITS: Final = 40


class Span(NamedTuple):
    """A range of numbers in a unit, both ends belonging to it, as sortable text."""

    unit: str
    low: str
    high: str


class Stated(NamedTuple):
    """A number that is asked for, and half a unit of its last digit: 5.4 is 5.35 to 5.45."""

    value: Fraction
    half: Fraction


def number(text: str) -> Stated | None:
    """Return what a number as written says; None where it is no number."""
    found = _NUMBER.fullmatch(text)
    if found is None or len(found["whole"]) + len(found["part"] or "") > _MOST_DIGITS:
        return None
    power = int(found["power"] or 0)
    digits = len(found["part"] or "")
    # The standard's own example: 1e2 is 95 to 105, so that an exponent makes the number a digit more precise.
    precise = digits + 1 if found["power"] else digits
    return Stated(Fraction(text), Fraction(1, 2) * Fraction(10) ** (power - precise))


def unit_asked(system: str, code: str) -> tuple[str, Fraction]:
    """Return the unit under which a quantity is looked for, and what its numbers are multiplied by."""
    if not system:
        return (_as_written(code) if code else ANY_UNIT), Fraction(1)
    meaning = units.parse(code) if system == units.UCUM else None
    return (_in_base_units(meaning), meaning.factor) if meaning else (f"{system}|{code}", Fraction(1))


def spans(value: Any, datatype: str) -> Iterator[Span]:
    """Yield the ranges of a Quantity or Range that is right."""
    if datatype == "Range":
        yield from _range(value)
        return
    low, high = _ends(value)
    for unit, factor in _units_of(value):
        yield Span(unit, _text(low, factor, LOWEST), _text(high, factor, HIGHEST))


def _range(value: Any) -> Iterator[Span]:
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low and "value" not in high:
        return
    known = dict(_units_of(high)) | dict(_units_of(low))
    for unit, factor in known.items():
        ends = [(Fraction(end["value"]), 0) if "value" in end else None for end in (low, high)]
        yield Span(unit, _text(ends[0], factor, LOWEST), _text(ends[1], factor, HIGHEST))


def _ends(value: Any) -> tuple[tuple[Fraction, int] | None, tuple[Fraction, int] | None]:
    """Return the ends of a quantity: its value twice, or open on one side where a comparator says so."""
    at = Fraction(value["value"])
    match value.get("comparator", ""):
        case "<":
            return None, (at, -1)
        case "<=":
            return None, (at, 0)
        case ">":
            return (at, 1), None
        case ">=":
            return (at, 0), None
        case _:
            return (at, 0), (at, 0)


def _units_of(value: Any) -> Iterator[tuple[str, Fraction]]:
    system, code, unit = (value.get(name, "") for name in ("system", "code", "unit"))
    yield ANY_UNIT, Fraction(1)
    for written in dict.fromkeys(part for part in (code, unit) if part):
        yield _as_written(written), Fraction(1)
    if system and code:
        yield unit_asked(system, code)


def _text(end: tuple[Fraction, int] | None, factor: Fraction, otherwise: str) -> str:
    return otherwise if end is None else ordered(end[0] * factor, end[1])


def _as_written(code: str) -> str:
    return f"|{code}"


def _in_base_units(unit: units.Unit) -> str:
    return f"={' '.join(f'{base}{exponent}' for base, exponent in unit.dimension)}"
