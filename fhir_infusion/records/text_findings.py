"""Findings on words that contradict the structure beside them.

HL7's own examples hold such (medicationrequest0319: text 8 L/min, rate 50 mL/h). An amount in the text, with a unit
that is known for certain, that no quantity of the record equals is told, with the quantity of its kind that is there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import (
    TOLERANCE,
    Amount,
    Dimension,
    amount,
    half_digit,
    is_by_same,
    ratio,
    rounded,
    span,
    stated,
)
from fhir_infusion.records.derived import Derived, derived, follows
from fhir_infusion.records.fields import table
from fhir_infusion.records.findings import finding
from fhir_infusion.records.unit_words import COUNT, is_counted, just_units, meanings
from fhir_infusion.records.units import WORDS, in_words

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue
    from fhir_infusion.records.units import Unit

Part = Mapping[str, Any]

_COUNTS: Final = r"(?:(?:million|thousand|international|milli-?|mega-?) ?)?units?|m?u"
"""Units of activity; which ones (international units, enzyme units), a text hardly ever says."""

_UNIT: Final = "|".join((_COUNTS, *sorted((re.escape(word) for word in WORDS), key=len, reverse=True)))
_AMOUNT: Final = re.compile(
    # Of "10 000" and "2 500 mg" it is not certain which number is meant.
    rf"(?<![\w.,])(?<!\d\s)(\d{{1,12}}(?:[.,]\d{{1,12}})*|[.,]\d{{1,12}})\s?((?:{_UNIT})(?:\s?(?:/|\sper\s)\s?(?:{_UNIT}))*)(?![\w/])",
    re.IGNORECASE,
)
_LIMIT: Final = re.compile(
    r"\b(?:max(?:imum)?|up to|(?:do )?not (?:to )?exceed|titrate|increase|decrease|raise|lower|adjust)"
    r"(?:[ .:]{1,2}(?:dose|rate|of|is|by|in steps of)){0,3}[ .:]{1,2}\Z",
    re.IGNORECASE,
)
"""The words before an amount that say that it is a limit or a change."""
_LIMITS: Final = frozenset({"titration", "max_rate", "max_per_administration", "max_per_period", "max_per_lifetime"})
_TIME: Final = (("s", 1),)
_ACTIVITY: Final = (("m", -3), (COUNT, 1))
_MEASURED: Final = 2
"""Units/mL: up to so many are what a laboratory measures (anti-Xa), seldom a preparation."""
_BODY: Final = frozenset({"kg", "m2", "cm", "m", "[lb_av]"})
"""Units that a body is measured in, and that no dose is."""
_LONGEST: Final = 4096
"""Longer text is not searched: it is no dosage instruction."""


def text_findings(record: Part) -> Iterator[Issue]:
    """Yield the amounts in the dosage text that the structure neither holds nor makes."""
    texts = [(f"steps[{at}].text", step["text"]) for at, step in enumerate(record.get("steps", ())) if "text" in step]
    texts += [(name, record[name]) for name in ("rendered_instruction", "text") if name in record]
    held: Held | None = None
    made: Derived | None = None
    ranges: _Ranges | None = None
    for path, text in texts:
        told: list[tuple[Amount, str]] = []
        agreed: set[Dimension] = set()
        aside: set[Amount] = set()
        for match, found in amounts_said(text):
            number, unit = match.groups()
            if held is None:
                held = Held(amounts_of(record))
            alike = _contradicted(found, held)
            if alike:
                made = derived(record) if made is None else made
            if alike and made is not None and not _follows(made, found, _rounding(number, found)):
                ranges = _Ranges(record) if ranges is None else ranges
                if ranges.hold(found):
                    continue
                words = ", ".join(dict.fromkeys(map(_words, alike)))
                told.append((found, f"the text says {number} {unit}; the structure says {words}"))
                aside |= {found} if _LIMIT.search(text, 0, match.start()) else set()
            else:
                agreed.add(found.dimension)
        for found, reason in told:
            # A nomogram says many numbers of units, of which the structure says the one to begin with; and many a text
            # says how a rate is raised, and to what, of which the structure says nothing.
            known = found.dimension in agreed
            if not (known and (is_counted(found.dimension) or (found in aside and not _is_limited(record)))):
                yield finding(path, reason, "text-contradicts")


def amounts_said(text: str) -> Iterator[tuple[re.Match[str], Amount]]:
    """Yield the amounts in a text whose unit is known for certain, but the times, with where they stand."""
    for match in _AMOUNT.finditer(text) if len(text) <= _LONGEST else ():
        found = _said(*match.groups())
        if found is not None and found.dimension != _TIME:
            yield match, found


def _is_limited(record: Part) -> bool:
    """Return whether the structure says a limit or how a rate is raised: then the text is to say the same."""
    return any(not _LIMITS.isdisjoint(step) for step in record.get("steps", ()))


_Kind = tuple[Dimension, bool, str]


def _kind(found: Amount) -> _Kind:
    """Return what amounts of one kind with an amount in words have in common: of one without a dimension the code."""
    return found.dimension, found.code in _BODY, "" if found.dimension else found.code


class Held:
    """Amounts that a record says, each with its part; looked through once for each kind of amount that is asked for."""

    def __init__(self, held: Iterable[tuple[Amount, Part]]) -> None:
        """Keep the amounts."""
        self._held = list(held)
        self._kinds: dict[_Kind, tuple[Container[Fraction], list[Part]]] = {}

    def of_its_kind(self, found: Amount) -> tuple[Container[Fraction], list[Part]]:
        """Return what is of the same kind as an amount in words: the numbers in base units, and the parts.

        A body weight is one of the measurements and no dose; a dose by weight is no count, though both have no base.
        """
        kind = _kind(found)
        if kind not in self._kinds:
            alike = [*self._alike(found)]
            numbers = [held.base for held, _ in alike]
            # To hash a fraction costs more than to compare it with a few.
            self._kinds[kind] = numbers if len(numbers) < _FEW else frozenset(numbers), [part for _, part in alike]
        return self._kinds[kind]

    def _alike(self, found: Amount) -> Iterator[tuple[Amount, Part]]:
        dimension, is_body, _ = _kind(found)
        counted = is_counted(dimension)
        for held, part in self._held:
            same = (just_units(held.dimension) if counted else held.dimension) == dimension
            if same and (held.code in _BODY) == is_body and (dimension or is_by_same(found.code, held.code)):
                yield held, part

    @cached_property
    def rates(self) -> list[Part]:
        """Return the parts that are rates."""
        return [part for held, part in self._held if _is_rate(held)]


_FEW: Final = 16


def _contradicted(found: Amount, held: Held) -> list[Part]:
    """Return what the structure says of this kind, nothing where the text says the same.

    Only where the structure has something of the same kind: what it lacks altogether, the text merely adds.
    """
    numbers, alike = held.of_its_kind(found)
    if found.base in numbers:
        return []
    return alike if alike or found.code in _BODY or not _is_rate(found) else held.rates


class _Ranges:
    """The ranges of dose and rate that a record says."""

    def __init__(self, record: Part) -> None:
        """Keep both ends of each."""
        dosings = chain.from_iterable(step.get("dosings", ()) for step in record.get("steps", ()))
        self._ends = [
            [(held, end) for end in (part.get("low"), part.get("high")) if (held := amount(end)) is not None]
            for dosing in dosings
            for part in (dosing[name] for name in _RANGES if name in dosing)
        ]
        self._kinds: dict[_Kind, list[tuple[Fraction, Fraction]]] = {}

    def hold(self, found: Amount) -> bool:
        """Whether an amount lies in a range of its kind: of a sliding scale of 0 to 10 units a text says each."""
        kind = _kind(found)
        if kind not in self._kinds:
            self._kinds[kind] = _merged(self._of_its_kind(found))
        merged = self._kinds[kind]
        at = bisect_right(merged, found.base, key=itemgetter(0)) - 1
        return at >= 0 and found.base <= merged[at][1]

    def _of_its_kind(self, found: Amount) -> Iterator[tuple[Fraction, Fraction]]:
        for ends in self._ends:
            if len(ends) == 2 and len(Held(ends).of_its_kind(found)[1]) == 2:
                yield ends[0][0].base, ends[1][0].base


def _merged(ranges: Iterable[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """Return ranges in ascending order, as one where they meet."""
    merged: list[tuple[Fraction, Fraction]] = []
    for low, high in sorted((low, high) for low, high in ranges if low <= high):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


_RANGES: Final = ("dose_range", "rate_range")


def _is_rate(found: Amount) -> bool:
    return dict(found.dimension).get("s", 0) < 0


def _follows(made: Derived, found: Amount, rounding: Fraction) -> bool:
    """Return whether an amount follows from the numbers of the record; units of whichever activity are just units."""
    if not is_counted(found.dimension):
        return follows(made, found, rounding)
    alike = [dimension for dimension in made if just_units(dimension) == found.dimension]
    return any(follows(made, Amount(found.base, dimension, found.code), rounding) for dimension in alike)


def _rounding(number: str, said: Amount) -> Fraction:
    """Return how far a number that follows may be from the one in the text: half of its last digit, at most 5 %."""
    digits = Decimal(_plain(number))
    return min(said.base / Fraction(digits) * half_digit(digits, "1"), TOLERANCE * said.base) if digits else Fraction(0)


def _plain(number: str) -> str:
    """A comma before three digits divides thousands, any other comma is a decimal one."""
    return re.sub(r",(?=\d{3}(?:\D|$))", "", number).replace(",", ".")


@lru_cache(maxsize=4096)
def _said(number: str, unit: str) -> Amount | None:
    """Return an amount in words, with its unit as a code; per dL is what a laboratory says, never a preparation."""
    plain = _plain(number)
    codes = [WORDS.get(part.strip(), COUNT) for part in unit.lower().replace(" per ", "/").split("/")]
    meaning = in_words(unit) or _in_units(unit)
    if meaning is None or plain.count(".") > 1 or "dL" in codes:
        return None
    if meaning.dimension == _ACTIVITY and Decimal(plain) <= _MEASURED:
        return None
    return Amount(Fraction(Decimal(plain)) * meaning.factor, meaning.dimension, "/".join(codes))


def _in_units(text: str) -> Unit | None:
    """Return what units of activity mean in words, where that is one thing: ``mu`` may be a thousandth or a million."""
    ways = [one for one in meanings(text) if is_counted(one.dimension)]
    return ways[0] if len(ways) == 1 else None


def amounts_of(part: Part) -> Iterator[tuple[Amount, Part]]:
    """Yield every quantity, ratio and span of a record."""
    left = [part]
    while left:
        part = left.pop()
        held = ratio(part) if "numerator" in part else amount(part) or span(part) if "unit" in part else None
        if held is not None:
            yield held, part
        inner: list[Part] = []
        for name, member in part.items():
            if name not in _HOLDING:
                continue
            kind = type(member)
            if kind is dict:
                inner.append(member)
            elif kind is list:
                inner += [item for item in member if type(item) is dict]
        left += reversed(inner)


def _holding() -> frozenset[str]:
    """Return the names of the fields in which there is an amount at any depth; most of a record is names and codes."""
    types, found = table(), {"Quantity", "Span"}
    while more := {name for name, fields in types.items() if any(one.type in found for one in fields.values())} - found:
        found |= more
    return frozenset(one.name for fields in types.values() for one in fields.values() if one.type in found)


_HOLDING: Final = _holding()


def _words(part: Part) -> str:
    """Return a quantity, ratio or span in words."""
    if "numerator" in part:
        return f"{stated(part['numerator'])} per {stated(part['denominator'])}"
    return f"{rounded(Fraction(part['value']))} {part['unit']}" if amount(part) is None else stated(part)
