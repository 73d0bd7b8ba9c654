"""The course of an infusion: how fast it runs when, and what has run by then, as planned and as given.

An order is a course for each occasion (the steps that run from one bag together), an administration is one. Rates are
taken as stated, through the patient's size and the concentration where these are stated, or as a dose over its time;
nothing is guessed, and what cannot be computed is told in words at its place. A range or a titration stays one: low and
high. All arithmetic is exact, in base units (``amounts.Amount``) and seconds; ``number`` gives the Decimal of a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import Dimension, decimal_of, rounded, span, stated
from fhir_infusion.records.bag_findings import occasions_of
from fhir_infusion.records.conversions import dose_of
from fhir_infusion.records.course_rates import Flow, Rates, Unknown
from fhir_infusion.records.moments import seconds_between

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Course", "Flow", "Stretch", "Total", "Unknown", "given", "number", "planned"]

Part = Mapping[str, Any]

_NOTHING: Final = Fraction(0)
_HALTS: Final = frozenset({"paused", "stopped", "completed"})
"""Events after which nothing runs, where no rate says otherwise."""

_NOT_GIVEN: Final = frozenset({"not-done", "entered-in-error"})
_APART: Final = frozenset({"alternative", "demand"})


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
class Total:
    """What has run by a moment, in base units: ``low`` is ``high`` where it is no range. ``at`` is in seconds."""

    at: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class Course:
    """Stretches in the order of their beginning. ``unit`` is the UCUM unit of the drug's amounts, empty for none.

    ``begins`` is the dateTime of the beginning, where one is stated.
    """

    stretches: tuple[Stretch, ...]
    unknown: tuple[Unknown, ...] = ()
    unit: str = ""
    begins: str = ""

    @property
    def ends(self) -> Fraction | None:
        """The last end that is known, in seconds."""
        return max((one.end for one in self.stretches if one.end is not None), default=None)

    def totals(self, kind: str) -> tuple[Total, ...]:
        """Return what has run by each moment at which the rate changes: the ``volume`` or the ``drug``.

        As far as it is known: it ends where a stretch begins whose rate or end is not.
        """
        stops = [one.start for one in self.stretches if one.end is None or getattr(one, kind) is None]
        until = min(stops, default=None)
        known = [one for one in self.stretches if until is None or one.start < until]
        if not known:
            return ()
        changes: dict[Fraction, list[Fraction]] = {}
        for one in known:
            flow: Flow | None = getattr(one, kind)
            if flow is None or one.end is None:
                continue
            for at, sign in ((one.start, 1), (one.end, -1)):
                change = changes.setdefault(at, [_NOTHING, _NOTHING])
                change[0] += sign * flow.low
                change[1] += sign * flow.high
        return tuple(_added(changes, until))


def _added(changes: Mapping[Fraction, Sequence[Fraction]], until: Fraction | None) -> Iterator[Total]:
    """Yield what has run by each moment of a change, from the changes of the least and the largest rate."""
    low = high = least = most = reached = _NOTHING
    for at in sorted(changes):
        if until is not None and at > until:
            return
        low, high, reached = low + least * (at - reached), high + most * (at - reached), at
        yield Total(at, low, high)
        least, most = least + changes[at][0], most + changes[at][1]


def number(base: Fraction, code: str) -> int | Decimal:
    """Return an amount in base units as a number of a UCUM unit; what has no end is rounded to 12 digits."""
    return decimal_of(base / (units.parse(code) or units.ONE).factor)[0]


# ------------------------------------------------------------------------------------------------------- as planned


def planned(order: Part) -> tuple[Course, ...]:
    """Return the course of each occasion of an order that has the shape of a record."""
    steps: Sequence[Part] = order.get("steps", ())
    occasions = occasions_of(steps)
    drawn = {position for members in occasions for position, _ in members}
    rest = [[(position, step)] for position, step in enumerate(steps) if position not in drawn]
    return tuple(_occasion(order, members) for members in (*occasions, *rest))


def _occasion(order: Part, members: Sequence[tuple[int, Part]]) -> Course:
    stretches: list[Stretch] = []
    unknown: list[Unknown] = []
    begins: Fraction | None = _NOTHING
    for together in _in_turn(members):
        ends: list[Fraction | None] = []
        for position, step in together:
            path = f"steps[{position}]"
            if step.get("role") in _APART:
                unknown.append(Unknown(path, f"a step for {_WORDS[step['role']]} has no course of its own"))
                continue
            if begins is None:
                unknown.append(Unknown(path, "when it begins is not known: the step before it has no stated end"))
                continue
            made = _step(order, step, path, begins, unknown)
            ends.append(made.end if made is not None else None)
            stretches += [made] if made is not None else []
        begins = (
            None if begins is None or None in ends else max((end for end in ends if end is not None), default=begins)
        )
    return _course(order, stretches, unknown, "")


_WORDS: Final[Mapping[str, str]] = {"alternative": "another case", "demand": "the patient's demands"}


def _in_turn(members: Sequence[tuple[int, Part]]) -> Iterator[list[tuple[int, Part]]]:
    """Yield the steps that run together, one after the other; a step without a number follows the one before it."""
    groups: dict[int, list[tuple[int, Part]]] = {}
    for position, step in members:
        groups.setdefault(step.get("sequence", position), []).append((position, step))
    for key in sorted(groups):
        yield groups[key]


def _step(order: Part, step: Part, path: str, begins: Fraction, unknown: list[Unknown]) -> Stretch | None:
    found = Rates(order, path)
    for dosing in step.get("dosings", ()):
        found.take(dosing)
    found.titrated(step.get("titration", {}), step.get("max_rate"))
    timing = step.get("timing", {})
    duration = span(timing.get("duration"))
    length = duration.base if duration is not None else None
    dose = dose_of(step.get("dosings", ()), {})
    if length is None and dose is not None:
        length = found.time_for(dose)
    elif length is not None and length > 0:
        for dosing in step.get("dosings", ()):
            found.spread(dosing, length, stated(timing["duration"]))
    if found.is_empty:
        unknown += found.unknown or [Unknown(path, "no rate is stated, and no dose with the time that it takes")]
        return None
    if length is None:
        why = (
            "its time is a range"
            if "max" in timing.get("duration", {})
            else "no time is stated: it runs until it is ended"
        )
        unknown.append(Unknown(path, why))
    unknown += found.doubts
    return Stretch(path, begins, begins + length if length is not None else None, found.volume, found.drug, found.said)


# --------------------------------------------------------------------------------------------------------- as given


def given(administration: Part) -> Course:
    """Return the course of an administration that has the shape of a record."""
    status = administration.get("status")
    if status in _NOT_GIVEN:
        return Course((), (Unknown("status", f"the status is {status}: nothing counts as given"),))
    segments: Sequence[Part] = administration.get("segments", ())
    when = administration.get("when", {})
    if len(segments) == 1 and "start" not in segments[0]:
        whole = {name: administration[own] for name, own in _IN_ALL.items() if own in administration}
        segments = [{**{name: when[name] for name in ("start", "end") if name in when}, **whole, **segments[0]}]
    begins = next((segment["start"] for segment in segments if "start" in segment), "")
    stretches: list[Stretch] = []
    unknown: list[Unknown] = [] if segments else [Unknown("segments", "no rate is stated: there is no segment")]
    for position, segment in enumerate(segments):
        made = _segment(administration, segment, f"segments[{position}]", begins, unknown)
        stretches += [made] if made is not None else []
    return _course(administration, stretches, unknown, begins)


_IN_ALL: Final = {"dose": "dose_given", "volume": "volume_given"}


def _segment(record: Part, segment: Part, path: str, begins: str, unknown: list[Unknown]) -> Stretch | None:
    start = seconds_between(begins, segment["start"]) if begins and "start" in segment else None
    if start is None:
        unknown.append(Unknown(path, "no time of day says when it began"))
        return None
    end = seconds_between(begins, segment["end"]) if "end" in segment else None
    if end is not None and end < start:
        unknown.append(Unknown(path, "it ends before it begins"))
        return None
    found = Rates(record, path)
    found.take(segment)
    if found.is_empty and segment.get("event") in _HALTS and not segment.keys() & _RATED:
        found.halted(segment["event"])
    elif end is not None and end > start:
        for name in ("volume", "dose"):
            if name in segment:
                found.spread({"dose": segment[name]}, end - start, f"{rounded((end - start) / 60)} min")
    if found.is_empty:
        unknown += found.unknown or [Unknown(path, "no rate is stated, and no amount with the time that it took")]
        return None
    if end is None and segment.get("event") not in _HALTS:
        unknown.append(Unknown(path, "no end is stated: how much of it ran is not known"))
    if end is None and found.is_halted:
        end = start
    unknown += found.doubts
    return Stretch(path, start, end, found.volume, found.drug, found.said)


_RATED: Final = frozenset({"rate", "rate_ratio", "rate_as_stated", "rate_text", "dose", "volume"})


def _course(record: Part, stretches: list[Stretch], unknown: list[Unknown], begins: str) -> Course:
    drugs = [one.drug for one in stretches if one.drug is not None and one.drug.high]
    kind = drugs[0].dimension if drugs else ()
    kept: list[Stretch] = []
    for one in stretches:
        other = one.drug is not None and one.drug.high and one.drug.dimension != kind
        if other:
            unknown.append(Unknown(one.path, "its dose is of another kind than that of the others: they are not added"))
        kept.append(Stretch(one.path, one.start, one.end, one.volume, None if other else one.drug, one.said))
    ordered = tuple(sorted(kept, key=lambda one: one.start))
    return Course(ordered, tuple(dict.fromkeys(unknown)), _unit(record, kind) if kind else "", begins)


def _unit(record: Part, kind: Dimension) -> str:
    """Return the unit that the record states amounts of this drug in; empty where it has none."""
    for code in _codes(record):
        found = units.parse(f"{code}/s")
        if found is not None and found.dimension == kind:
            return code
    return ""


def _codes(record: Part) -> Iterator[str]:
    parts = [*record.get("steps", ()), record]
    dosings = [dosing for part in parts for dosing in part.get("dosings", ())]
    for holder in (record, *dosings, *record.get("segments", ())):
        yield from (holder[name].get("unit", "") for name in ("dose_given", "dose_total", "dose") if name in holder)
    preparation = record.get("preparation", {})
    for each in (
        preparation.get("final_concentration"),
        *(one.get("strength") for one in preparation.get("ingredients", ())),
    ):
        yield (each or {}).get("numerator", {}).get("unit", "")
    for holder in (*dosings, *record.get("segments", ())):
        yield holder.get("rate", {}).get("unit", "").partition("/")[0]
        yield holder.get("rate_ratio", {}).get("numerator", {}).get("unit", "")
