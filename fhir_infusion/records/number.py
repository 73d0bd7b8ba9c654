"""Numbers with the spelling they came in, and the limits they must keep.

A number is an ``int`` or a ``decimal.Decimal``, never a float: FHIR gives meaning to trailing zeros ("the precision of
the decimal value has significance", https://hl7.org/fhir/R4/datatypes.html#decimal). ``Decimal`` keeps the digits
but not every spelling: it prints ``0.00000001`` as ``1E-8`` and ``1e3`` as ``1E+3``. Such a number is a ``Spelled``:
equal to its Decimal in every computation, and written as it was read.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Self

MAX_DIGITS: Final = 18
"""Most significant digits of a number (FHIR: "at least 18 digits")."""

MAX_EXPONENT: Final = 38
"""Largest power of ten, up or down, of a number's first digit: what SQL NUMERIC holds everywhere."""


class Spelled(Decimal):
    """A Decimal that carries a spelling other than its own ``str``; every result of arithmetic is a plain Decimal."""

    __slots__ = ("spelling",)
    spelling: str

    def __new__(cls, spelling: str) -> Self:
        """Make one from a JSON number as written.

        Raises:
            decimal.InvalidOperation: ``spelling`` is not a number.
        """
        made = super().__new__(cls, spelling)
        made.spelling = spelling
        return made

    def __str__(self) -> str:
        """Return the number as written."""
        return self.spelling

    def __repr__(self) -> str:
        """Return how to make it again."""
        return f"Spelled({self.spelling!r})"

    def __reduce__(self) -> tuple[type[Spelled], tuple[str]]:
        """Let pickle keep the spelling."""
        return Spelled, (self.spelling,)

    def __copy__(self) -> Spelled:
        """Return itself: immutable."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Spelled:
        """Return itself: immutable."""
        return self

    __hash__ = Decimal.__hash__


def from_spelling(text: str) -> Decimal:
    """Return the Decimal of a JSON number with a fraction or exponent, spelled so that writing gives ``text`` again.

    Raises:
        decimal.InvalidOperation: ``text`` is not a number.
    """
    number = Decimal(text)
    # 1E-8 is a Decimal's own spelling too, but one without a spelling of its own is written in plain digits.
    return number if str(number) == text and "E" not in text else Spelled(text)


def spelling_of(number: int | Decimal) -> str:
    """Return the JSON text of a number: as written where it was read, else in plain digits (never an exponent)."""
    if isinstance(number, Spelled):
        return number.spelling
    text = str(number)
    return format(number, "f") if "E" in text else text


def plain(number: Decimal) -> Decimal:
    """Return a computed number such that it is written in plain digits: 0.00000001, never 1E-8."""
    text = str(number)
    return Spelled(format(number, "f")) if "E" in text and not isinstance(number, Spelled) else number


def beyond_limits(text: str) -> str:
    """Return which limit a JSON number's text breaks, or the empty string.

    Looks at the text alone, so that no huge number is ever made.
    """
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if len(digits) > MAX_DIGITS:
        return f"more than {MAX_DIGITS} significant digits"
    if len(whole) + len(fraction) > MAX_DIGITS + MAX_EXPONENT:
        return f"more than {MAX_DIGITS + MAX_EXPONENT} digits"
    if len(exponent.lstrip("+-0")) > 3:
        return f"an exponent beyond {MAX_EXPONENT}"
    power = int(exponent or "0") + (len(whole) - 1 if whole.strip("0") else -1 - (len(fraction) - len(digits)))
    if abs(power) > MAX_EXPONENT and digits:
        return f"a power of ten beyond {MAX_EXPONENT}"
    return f"an exponent beyond {MAX_EXPONENT}" if abs(int(exponent or "0")) > 2 * MAX_EXPONENT else ""
