"""The course of an infusion: how fast it runs when, and what has run by then, as planned and as given.

An order is a course for each occasion (the steps that run from one bag together, and what follows them directly), an
administration is one. Rates are taken as stated, through the patient's size and the concentration where these are
stated, or as a dose over its time; nothing is guessed, and what cannot be computed is told in words at its place. A
range, a titration, and a demand that may be made or not stay low and high. All arithmetic is exact, in base units
(``amounts.Amount``) and seconds; ``number`` gives the Decimal of a unit.
"""

from __future__ import annotations

from decimal import Context
from typing import TYPE_CHECKING, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import decimal_of
from fhir_infusion.records.course_given import given
from fhir_infusion.records.course_parts import Course, Held, Portion, Stretch, Total
from fhir_infusion.records.course_planned import planned
from fhir_infusion.records.course_rates import Flow, Unknown
from fhir_infusion.records.number import plain, spelling_of

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

__all__ = ["Course", "Flow", "Held", "Portion", "Stretch", "Total", "Unknown", "given", "number", "planned", "spelled"]


def number(base: Fraction, code: str) -> int | Decimal:
    """Return an amount in base units as a number of a UCUM unit; what has no end is rounded to 12 digits."""
    return _number(base, code)[0]


def spelled(base: Fraction, code: str) -> str:
    """Return an amount in base units as a number of a UCUM unit, to the last digit; what has no end begins with ≈."""
    found, is_all = _number(base, code)
    return spelling_of(found) if is_all else f"≈ {spelling_of(plain(_SIX.plus(found)))}"


_SIX: Final = Context(prec=6)


def _number(base: Fraction, code: str) -> tuple[int | Decimal, bool]:
    return decimal_of(base / (units.parse(code) or units.ONE).factor)
