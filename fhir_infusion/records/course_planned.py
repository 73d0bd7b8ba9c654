"""The course of an order: one for each occasion, what follows directly put together, with what the patient may demand.

Steps of one timing run from one bag together. What runs once and is followed by what runs on until it is ended (a
loading dose, then maintenance) is one course, and so are the basal rate and the demands of a pump.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import amount, of, per_body, rounded, span, stated
from fhir_infusion.records.bag_findings import occasions_of
from fhir_infusion.records.conversions import absolute, dose_of
from fhir_infusion.records.course_demands import demands, horizon
from fhir_infusion.records.course_parts import NOTHING, Course, Portion, Stretch, amounts
from fhir_infusion.records.course_rates import Rates, Unknown
from fhir_infusion.records.course_sums import course_of
from fhir_infusion.records.findings import named_by
from fhir_infusion.records.moments import seconds_between

Part = Mapping[str, Any]
Members = list[tuple[int, Part]]

_OF_A_PUMP: Final = frozenset({"basal", "demand"})
_RUNS_ON: Final = frozenset({"bounds_period", "bounds_length", "duration", "code"})
"""All that is said of when something happens that is not given again and again."""


def planned(order: Part) -> tuple[Course, ...]:
    """Return the course of each occasion of an order that has the shape of a record."""
    steps: Sequence[Part] = order.get("steps", ())
    alone = [(at, step) for at, step in enumerate(steps) if step.get("role") == "alternative"]
    runs = [[(at, step) for at, step in members if (at, step) not in alone] for members in occasions_of(steps)]
    pump = [(at, step) for at, step in enumerate(steps) if step.get("role") in _OF_A_PUMP]
    found = list(_chained([members for members in (*runs, pump) if members]))
    if alone and found:
        found[-1] = [*found[-1], *alone]
    elif alone:
        found = [alone]
    return tuple(_occasion(order, members) for members in found)


def _chained(occasions: list[Members]) -> Iterator[Members]:
    """Yield the occasions by their number, what runs once with what then runs on."""
    ordered = sorted(occasions, key=_number)
    kept: Members = []
    for members in ordered:
        if kept and not (_follows(kept, members)):
            yield kept
            kept = []
        kept = [*kept, *members]
    if kept:
        yield kept


def _number(members: Members) -> int:
    return min(int(step.get("sequence", at)) for at, step in members)


def _follows(before: Members, members: Members) -> bool:
    numbered = all("sequence" in step for _, step in (*before, *members))
    return (
        numbered
        and max(step["sequence"] for _, step in before) < _number(members)
        and all(_is_once(step.get("timing", {})) for _, step in before)
        and all(step.get("timing", {}).keys() <= _RUNS_ON for _, step in members)
        and not any("events" in step.get("timing", {}) for _, step in before)
    )


def _is_once(timing: Part) -> bool:
    return timing.get("count") == 1 and not timing.keys() & {"count_max", "period", "frequency"}


def _occasion(order: Part, members: Members) -> Course:
    stretches: list[Stretch] = []
    portions: list[Portion] = []
    unknown: list[Unknown] = []
    begins: Fraction | None = NOTHING
    until = horizon([step for _, step in members]) if any(_is_demand(step) for _, step in members) else None
    stated_times = _times_of_day(members)
    for together in _in_turn(members):
        ends: list[Fraction | None] = []
        for position, step in together:
            path = f"steps[{position}]"
            begins = stated_times.get(position, begins)
            if step.get("role") == "alternative":
                unknown.append(Unknown(path, "it is for another case, and not drawn"))
            elif begins is None:
                unknown.append(Unknown(path, "when it begins is not known: the step before it has no stated end"))
            elif _is_demand(step):
                found, told = demands(order, position, begins, begins + (until or NOTHING))
                portions += found
                unknown += told
            else:
                stretch, portion, end = _step(order, step, path, begins, unknown)
                if stretch is not None and end is None and until is not None:
                    stretch = replace(stretch, end=begins + until)
                ends.append(end)
                stretches += [stretch] if stretch is not None else []
                portions += [portion] if portion is not None else []
        begins = (
            None if begins is None or None in ends else max((end for end in ends if end is not None), default=begins)
        )
    if until is not None:
        words = f"the most that lockout and limits allow in {rounded(until / 3600)} h"
        unknown.append(Unknown("", f"demands may be made or not: drawn is from none to {words}"))
    positions = tuple(sorted(position for position, _ in members))
    return replace(course_of(order, stretches, portions, unknown, ""), steps=positions, until=until)


def _times_of_day(members: Members) -> dict[int, Fraction]:
    """Return when each step begins after the first, where each states one time of day."""
    times = {at: step.get("timing", {}).get("times_of_day", ()) for at, step in members}
    if any(len(each) != 1 for each in times.values()):
        return {}
    seconds = {at: _seconds(each[0]) for at, each in times.items()}
    first = min(members, key=lambda one: (one[1].get("sequence", one[0]), seconds[one[0]]))[0]
    return {at: (each - seconds[first]) % _DAY for at, each in seconds.items()}


def _seconds(time: str) -> Fraction:
    hours, minutes, seconds = time.split(":")
    return Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)


_DAY: Final = Fraction(86_400)


def _is_demand(step: Part) -> bool:
    return step.get("role") == "demand"


def _in_turn(members: Members) -> Iterator[Members]:
    """Yield the steps that run together, one after the other; a step without a number follows the one before it."""
    groups: dict[int, Members] = {}
    for position, step in members:
        groups.setdefault(step.get("sequence", position), []).append((position, step))
    for key in sorted(groups):
        yield groups[key]


def _step(
    order: Part, step: Part, path: str, begins: Fraction, unknown: list[Unknown]
) -> tuple[Stretch | None, Portion | None, Fraction | None]:
    """Return how a step runs, as a stretch or as a portion, and when it ends; why not is added to ``unknown``."""
    found, dosings = Rates(order, path), _decisive(order, step)
    for dosing in dosings:
        found.take(dosing)
    found.titrated(step.get("titration", {}), step.get("max_rate"))
    length, words = _length(step.get("timing", {}))
    dose = dose_of(dosings, {})
    if length is None and dose is not None:
        length = found.time_for(dose)
    elif length is not None and length > 0:
        for dosing in dosings:
            found.spread(dosing, length, words)
    if found.is_empty:
        portion, end, why = _portion(order, step, path, begins, dosings)
        unknown += found.unknown or why
        return None, portion, end
    if length is None:
        is_range = "max" in step.get("timing", {}).get("duration", {})
        unknown.append(
            Unknown(path, "its time is a range" if is_range else "no time is stated: it runs until it is ended")
        )
    unknown += found.doubts
    end = begins + length if length is not None else None
    return Stretch(path, begins, end, found.volume, found.drug, found.said), None, end


def _decisive(order: Part, step: Part) -> list[Part]:
    """Return the statements so that a calculated amount stands before the one per kg or m2 that it was made of.

    The calculated one is what is given: rounded as the pharmacy rounds, and no more than a cap allows. Where there is
    none the cap of the step stands before a dose per kg that makes more. A rate per kg stays for its words.
    """
    dosings: Sequence[Part] = step.get("dosings", ())
    calculated = [one for one in dosings if one.get("basis") == "calculated"]
    kept: list[Part] = []
    after: list[Part] = []
    for one in dosings:
        names = {name for name in _PER_BODY if any(_says_of_body(one, other, name) for other in calculated)}
        kept.append(_capped(order, step, {name: value for name, value in one.items() if name not in names}))
        after += [{name: one[name]} for name in sorted(names & {"rate"})]
    return [*kept, *after]


def _capped(order: Part, step: Part, dosing: Part) -> Part:
    cap, dose = step.get("max_per_administration"), dosing.get("dose")
    most = amount(cap)
    if most is None or dose is None or per_body(dose.get("unit", "")) is None:
        return dosing
    made = [one for _, one in absolute(named_by(order, dosing), dose)]
    above = made and all(one.dimension == most.dimension and one.base > most.base for one in made)
    return {**dosing, "dose": cap} if above else dosing


_PER_BODY: Final = ("dose", "rate", "dose_range")


def _says_of_body(dosing: Part, calculated: Part, name: str) -> bool:
    if dosing is calculated or name not in dosing or name not in calculated:
        return False
    own, other = (one[name].get("low", {}) if name == "dose_range" else one[name] for one in (dosing, calculated))
    per, made = per_body(own.get("unit", "")), amount(other)
    left = of(1, per[1]) if per is not None else None
    return left is not None and made is not None and left.dimension == made.dimension


def _length(timing: Part) -> tuple[Fraction | None, str]:
    """Return how many seconds each time lasts, in words too: its duration, or the bounds of what runs on in them."""
    duration = span(timing.get("duration"))
    if duration is not None:
        return duration.base, stated(timing["duration"])
    bounds = amount(timing.get("bounds_length"))
    if timing.keys() <= _RUNS_ON and "duration" not in timing and bounds is not None:
        return bounds.base, stated(timing["bounds_length"])
    period = timing.get("bounds_period", {})
    if timing.keys() <= _RUNS_ON and "duration" not in timing and {"start", "end"} <= period.keys():
        lasts = seconds_between(period["start"], period["end"])
        return (lasts, "the time between its bounds") if lasts is not None and lasts > 0 else (None, "")
    return None, ""


def _portion(
    order: Part, step: Part, path: str, begins: Fraction, dosings: Sequence[Part]
) -> tuple[Portion | None, Fraction | None, list[Unknown]]:
    """Return a dose without a rate: in a time that is a range, or at once where no time is stated; and its end."""
    dose = dose_of(dosings, {}) or next((one["dose"] for one in dosings if "dose" in one), None)
    limits: Part = next((one["dose_range"] for one in dosings if "dose_range" in one), {})
    low, high = (dose, dose) if dose is not None else (limits.get("low"), limits.get("high"))
    volume, drug, said = amounts(order, low, high)
    if volume is None and drug is None:
        return None, None, [Unknown(path, "no rate is stated, and no dose with the time that it takes")]
    duration = step.get("timing", {}).get("duration", {})
    shortest = of(duration["value"], duration["unit"]) if {"value", "unit", "max"} <= duration.keys() else None
    longest = of(duration["max"], duration["unit"]) if shortest is not None else None
    if shortest is None or longest is None:
        at, least = (begins, begins), step.get("minimum_duration")
        words = f"in at least {stated(least)}" if amount(least) is not None and least is not None else "at once"
        why = [Unknown(path, f"how long {said} takes is not stated: drawn as given at once")]
        return Portion(path, at, at, volume, drug, f"{said} {words}"), begins, why
    words = f"{said} in {stated(duration)} to {stated({'value': duration['max'], 'unit': duration['unit']})}"
    first, last = (begins, begins + shortest.base), (begins, begins + longest.base)
    return Portion(path, first, last, volume, drug, words), None, []
