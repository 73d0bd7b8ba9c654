"""What a course is made of: stretches at a rate, portions that ran at once or at a time that is not known, and sums.

All arithmetic is exact, in base units (``amounts.Amount``) and seconds from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import Amount, Dimension
from fhir_infusion.records.conversions import absolute
from fhir_infusion.records.course_rates import Flow, Unknown
from fhir_infusion.records.findings import VOLUME, concentration

Part = Mapping[str, Any]
Span = tuple[Fraction, Fraction]

NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time at one rate. ``start`` and ``end`` are seconds from the beginning; no ``end``: nobody says when it ends.

    ``volume`` and ``drug`` are ``None`` where they are not known. ``said`` is the rate in words, as it was reckoned.
    """

    path: str
    start: Fraction
    end: Fraction | None
    volume: Flow | None
    drug: Flow | None
    said: str


@dataclass(frozen=True, slots=True)
class Held:
    """An amount in base units: from ``low`` to ``high``, which are one where it is no range."""

    low: Fraction
    high: Fraction
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Portion:
    """An amount of which no one rate is known: given at once, in a time that is a range, or on demand.

    It has run at the earliest evenly over ``first``, at the latest over ``last`` (each its start and end in seconds;
    equal where it is given at once). No ``last``: it may not run at all, such as a dose that the patient may demand.
    """

    path: str
    first: Span
    last: Span | None
    volume: Held | None
    drug: Held | None
    said: str

    @property
    def is_at_once(self) -> bool:
        """Whether its moment is known, and takes no time."""
        return self.first == self.last and self.first[0] == self.first[1]

    @property
    def is_demand(self) -> bool:
        """Whether it is given only where the patient demands it."""
        return self.last is None


@dataclass(frozen=True, slots=True)
class Total:
    """What has run by a moment, in base units: ``low`` is ``high`` where it is no range. ``at`` is in seconds."""

    at: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class Course:
    """Stretches and portions in the order of their beginning.

    ``unit`` is the UCUM unit of the drug's amounts, empty for none. ``begins`` is the dateTime of the beginning, where
    one is stated. ``steps`` are the positions of the steps of the order that it is the course of. ``until`` is the
    moment to which demands are drawn that have no end, in seconds.
    """

    stretches: tuple[Stretch, ...]
    unknown: tuple[Unknown, ...] = ()
    unit: str = ""
    begins: str = ""
    portions: tuple[Portion, ...] = ()
    steps: tuple[int, ...] = ()
    until: Fraction | None = None

    @property
    def ends(self) -> Fraction | None:
        """The last end that is known, in seconds."""
        return max((one.end for one in self.stretches if one.end is not None), default=None)

    def totals(self, kind: str) -> tuple[Total, ...]:
        """Return what has run by each moment at which the rate changes: the ``volume`` or the ``drug``.

        A moment at which something is given at once stands there twice: before it, and after it. As far as it is
        known: it ends where a stretch begins whose rate or end is not.
        """
        stops = [one.start for one in self.stretches if one.end is None or getattr(one, kind) is None]
        stops += [one.first[0] for one in self.portions if getattr(one, kind) is None]
        until = min(stops, default=None)
        changes: dict[Fraction, _Change] = {}
        for one in self.stretches:
            flow: Flow | None = getattr(one, kind)
            if flow is not None and one.end is not None and (until is None or one.start < until):
                for at, sign in ((one.start, 1), (one.end, -1)):
                    change = changes.setdefault(at, _Change())
                    change.least += sign * flow.low
                    change.most += sign * flow.high
        for portion in self.portions:
            held: Held | None = getattr(portion, kind)
            if held is not None and (until is None or portion.first[0] < until):
                _run(changes, portion.last, held.low, is_high=False)
                _run(changes, portion.first, held.high, is_high=True)
        if changes and self.until is not None:
            changes.setdefault(self.until, _Change())
        return tuple(_added(changes, until))


@dataclass(slots=True)
class _Change:
    """What changes at a moment: the least and the largest rate, and what is given at once, at least and at most."""

    least: Fraction = field(default=NOTHING)
    most: Fraction = field(default=NOTHING)
    low: Fraction = field(default=NOTHING)
    high: Fraction = field(default=NOTHING)


def _run(changes: dict[Fraction, _Change], span: Span | None, held: Fraction, *, is_high: bool) -> None:
    """Add an amount that runs evenly over a time to one side of the sums."""
    if span is None:
        return
    start, end = (changes.setdefault(at, _Change()) for at in span)
    if start is end:
        if is_high:
            start.high += held
        else:
            start.low += held
        return
    rate = held / (span[1] - span[0])
    for change, sign in ((start, 1), (end, -1)):
        if is_high:
            change.most += sign * rate
        else:
            change.least += sign * rate


def _added(changes: Mapping[Fraction, _Change], until: Fraction | None) -> Iterator[Total]:
    """Yield what has run by each moment of a change."""
    low = high = least = most = reached = NOTHING
    for at in sorted(changes):
        if until is not None and at > until:
            return
        change = changes[at]
        low, high, reached = low + least * (at - reached), high + most * (at - reached), at
        yield Total(at, low, high)
        if change.low or change.high:
            low, high = low + change.low, high + change.high
            yield Total(at, low, high)
        least, most = least + change.least, most + change.most


def amounts(record: Part, low: Part | None, high: Part | None) -> tuple[Held | None, Held | None, str]:
    """Return an amount (or a range of two) as volume and as drug, as far as the concentration tells, and in words.

    All empty where it cannot be computed with, or may be several for this patient.
    """
    ends = [list(absolute(record, one or {})) for one in ((low,) if low is high else (low, high))]
    if not all(ends) or any(len({made.base for _, made in end}) > 1 for end in ends):
        return None, None, ""
    found = [end[0][1] for end in ends]
    said = " to ".join(dict.fromkeys(end[0][0] for end in ends))
    if found[0].dimension != found[-1].dimension:
        return None, None, ""
    strength = concentration(record)
    is_volume = found[0].dimension == VOLUME
    other = [one.times(strength, 1 if is_volume else -1) for one in found] if strength and strength.base else []
    volumes, drugs = (found, other) if is_volume else (other, found)
    is_one = bool(volumes) and volumes[0].dimension == VOLUME
    return _held(volumes) if is_one else None, _held(drugs), said


def _held(found: list[Amount]) -> Held | None:
    return Held(found[0].base, found[-1].base, found[0].dimension) if found else None


def given_at(record: Part, quantity: Part, path: str, spans: tuple[Span, Span], words: str) -> Portion | None:
    """Return an amount of a record as a portion that ran in these times, ``None`` where it cannot be computed with."""
    volume, drug, said = amounts(record, quantity, quantity)
    if volume is None and drug is None:
        return None
    return Portion(path, *spans, volume, drug, f"{said} {words}")
