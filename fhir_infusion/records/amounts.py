"""Amounts to compute with: exact, in base units, with the words to say them in.

Only what is UCUM, has a value and no comparator takes part. Everything is ``Fraction``; a number is rounded once, to
be shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.number import plain, spelling_of
from fhir_infusion.records.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE: Final = Fraction(5, 100)
"""How far two numbers that should be one may lie apart: rounding to vials, overfill and pump steps stay below it."""

LEAST_STEP: Final = Fraction(1, 20) / 1_000_000 / 3600
"""Half of 0.1 mL/h, in cubic metres per second: pumps are set in tenths, so a smaller rate is farther off than 5 %."""

GFR_CAP: Final = Fraction(125)
"""mL/min. Calvert's formula is not used with more (FDA, October 2010, carboplatin dosing)."""

_SHOWN: Final = 4
_MOST_SHOWN: Final = 12
_TWELVE: Final = Context(prec=12, rounding=ROUND_HALF_EVEN)


Dimension = tuple[tuple[str, int], ...]
"""Exponents of base units, sorted by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Amount:
    """An amount in base units, what it is an amount of, and the unit code it was stated in.

    Hashed as the object that it is, because to hash its fraction costs more than to multiply it; ``of`` gives the same
    object for the same quantity.
    """

    base: Fraction
    dimension: Dimension
    code: str

    def times(self, other: Amount, power: int = 1) -> Amount:
        """Return the product with another amount (``power`` -1: the quotient); its code says nothing more."""
        return _times(self, other, power)

    def makes(self, other: Amount, power: int = 1) -> Dimension:
        """Return what the product with another amount is an amount of, without computing it."""
        return _product(self.dimension, other.dimension, power)


@lru_cache(maxsize=8192)
def _times(left: Amount, right: Amount, power: int) -> Amount:
    base = left.base * right.base if power == 1 else left.base * right.base**power
    return Amount(base, _product(left.dimension, right.dimension, power), "")


@lru_cache(maxsize=4096)
def _product(left: Dimension, right: Dimension, power: int) -> Dimension:
    return units.multiply(Unit(Fraction(1), left), Unit(Fraction(1), right), power).dimension


def amount(quantity: Mapping[str, Any] | None) -> Amount | None:
    """Return what a record quantity amounts to, ``None`` where it takes no part in arithmetic."""
    if (
        not quantity
        or "value" not in quantity
        or "unit" not in quantity
        or "unit_system" in quantity
        or "comparator" in quantity
    ):
        return None
    return of(quantity["value"], quantity["unit"])


@lru_cache(maxsize=8192)
def of(value: Decimal | int | Fraction, code: str) -> Amount | None:
    """Return so much of a UCUM unit, ``None`` where the code is not UCUM."""
    unit = units.parse(code)
    return Amount(Fraction(value) * unit.factor, unit.dimension, code) if unit else None


def ratio(part: Mapping[str, Any] | None) -> Amount | None:
    """Return numerator per denominator of a record ratio: a concentration or a rate."""
    if not part:
        return None
    top, bottom = amount(part.get("numerator")), amount(part.get("denominator"))
    return top.times(bottom, -1) if top and bottom and bottom.base else None


def span(part: Mapping[str, Any] | None) -> Amount | None:
    """Return the length of a record span that has no upper limit."""
    return (
        of(part["value"], part["unit"]) if part and "value" in part and "unit" in part and "max" not in part else None
    )


def least(part: Mapping[str, Any] | None) -> Amount | None:
    """Return the length of a record span, the lower limit of one that is a range."""
    return of(part["value"], part["unit"]) if part and "value" in part and "unit" in part else None


def longest(part: Mapping[str, Any] | None) -> Amount | None:
    """Return the length of a record span, the upper limit of one that is a range."""
    return of(part.get("max", part["value"]), part["unit"]) if part and "value" in part and "unit" in part else None


def differ(left: Fraction, right: Fraction) -> bool:
    """Return whether two numbers that should be one lie farther apart than the tolerance allows."""
    # Over one denominator, in whole numbers: several times as fast as fractions that are reduced at each step.
    one, other = left.numerator * right.denominator, right.numerator * left.denominator
    return abs(one - other) * TOLERANCE.denominator > TOLERANCE.numerator * max(abs(one), abs(other))


def half_digit(value: Decimal | int, code: str) -> Fraction:
    """Return half of the last digit as it is written, in base units: how far a rounded number may be off."""
    unit = units.parse(code) or units.ONE
    last = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return unit.factor * Fraction(10) ** int(last) / 2


def exceeds(value: Fraction, limit: Fraction) -> bool:
    """Return whether a value is above a limit; a limit has no tolerance."""
    return value > limit


def shown(found: Amount, code: str) -> str:
    """Return an amount in words, in the unit of ``code``: ``90 mL``."""
    unit = units.parse(code) or units.ONE
    return f"{rounded(found.base / unit.factor)} {code}"


def stated(quantity: Mapping[str, Any]) -> str:
    """Return a record quantity in words, with its number as it was written."""
    return f"{spelling_of(quantity['value'])} {quantity['unit']}"


def rounded(value: Fraction) -> str:
    """Return a number in words, without needless zeros: all its digits, of one that has no end of them four.

    No digit before the point is left out: 10002 mg are above a limit of 10000 mg, and the words have to say so.
    """
    found, is_all = decimal_of(value)
    if not is_all or len(Decimal(found).as_tuple().digits) > _MOST_SHOWN:
        whole = len(str(abs(value.numerator) // value.denominator))
        context = Context(prec=max(_SHOWN, whole), rounding=ROUND_HALF_EVEN)
        found = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    text = format(found, "f") if isinstance(found, Decimal) else str(found)
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_of(value: Fraction) -> tuple[int | Decimal, bool]:
    """Return a fraction as a number, and whether it is the very one: what has no end is rounded to 12 digits."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        times = 0
        while rest % prime == 0:
            rest, times = rest // prime, times + 1
        places = max(places, times)
    if rest != 1:
        return plain(_TWELVE.divide(Decimal(value.numerator), Decimal(value.denominator))), False
    if not places:
        return value.numerator, True
    digits = value.numerator * 10**places // value.denominator
    return plain(Decimal(digits).scaleb(-places, Context(prec=len(str(digits)) + 1))), True


_OF_BODY: Final = re.compile(r"(?<=kg|m2)\{[^{}]*\}|(?<=kg-1|.m-2)\{[^{}]*\}")
"""Words beside the size of a body: ``mg/kg{ideal}``."""
_PER_BODY: Final = re.compile(
    r"/(?P<one>kg|m2)(?=[/.]|$)|\.(?P<two>kg-1|m-2)(?=[/.]|$)|/\((?P<three>kg|m2)\.(?P<time>\w+)\)"
)


@lru_cache(maxsize=1024)
def per_body(code: str) -> tuple[str, str] | None:
    """Return what a code is per (``kg`` or ``m2``) and the code without it: ``ug/kg/min`` -> (``kg``, ``ug/min``).

    UCUM writes the same in other ways, too: ``ug.kg-1.min-1``, ``ug/(kg.min)``, ``ug/kg{ideal}/min``.
    """
    plain = _OF_BODY.sub("", code)
    found = _PER_BODY.search(plain)
    if found is None:
        return None
    time = f"/{found['time']}" if found["time"] else ""
    body = found["one"] or found["two"] or found["three"]
    return "kg" if body.startswith("kg") else "m2", plain[: found.start()] + time + plain[found.end() :]


def is_by_same(code: str, other: str) -> bool:
    """Return whether two codes are per the same size of the body, or neither is per any: ``mg/kg`` and ``g/kg``."""
    one, two = per_body(code), per_body(other)
    return one is two if one is None or two is None else one[0] == two[0]
