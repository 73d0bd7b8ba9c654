"""Numbers as text that sorts as the numbers do, exactly: what a database compares instead of a float.

A value is sign, power of ten and digits: ``p50001`` + ``15`` is 1.5. Of a negative number all are complemented. Behind
them stands whether the value itself is meant, or what lies just below or above it, for bounds that do not belong to
their range. A number without an end (1 mL/h in mL per second) is cut after so many digits that two different values
differ before the cut: of at most 40 digits, in units whose factors have 20, their quotient has a denominator below
10**80, and so differs from 1 by more than 10**-80.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

LOWEST: Final = ""
"""Before every number."""

HIGHEST: Final = "~"
"""After every number."""

_DIGITS: Final = 150
_MIDDLE: Final = 50_000
_COMPLEMENT: Final = str.maketrans("0123456789", "9876543210")


def ordered(value: Fraction, side: int = 0) -> str:
    """Return a value as sortable text; ``side`` -1 is just below it, 1 just above it."""
    return f"{_magnitude(value)},{side + 1}"


def _magnitude(value: Fraction) -> str:
    if not value:
        return "o"
    exponent = _exponent(abs(value))
    # Cut, not rounded: the order of what is cut is kept.
    digits = str(int(abs(value) * Fraction(10) ** (_DIGITS - exponent))).rstrip("0")
    body = f"{exponent + _MIDDLE:05}{digits}"
    return f"p{body}" if value > 0 else f"n{body.translate(_COMPLEMENT)}~"


def _exponent(value: Fraction) -> int:
    """Return the power of ten above a positive value: 1 for 1 to 9.99."""
    guess = len(str(value.numerator)) - len(str(value.denominator))
    while value >= _power(guess):
        guess += 1
    while value < _power(guess - 1):
        guess -= 1
    return guess


def _power(exponent: int) -> Fraction:
    return Fraction(10) ** exponent
