"""Findings on limits: caps of a dose, of a rate, of a period and of a life.

A limit has no tolerance where it is of the same kind as what it limits; through a weight or a concentration it may be
passed by 1 %, and what is passed is told only where it holds for every way of reckoning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, exceeds, longest, of, per_body, rounded, shown, span, stated
from fhir_infusion.records.comparisons import ROUNDED, above, are_alike, in_kind_of, is_beyond
from fhir_infusion.records.conversions import THROUGH
from fhir_infusion.records.demand_findings import demand_findings
from fhir_infusion.records.findings import concentration, finding, per_day
from fhir_infusion.records.ramp_findings import ramp_findings
from fhir_infusion.records.titration_findings import titration_findings

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_DAY: Final = Fraction(86_400)


def limit_findings(record: Part) -> Iterator[Issue]:
    """Yield where steps go beyond their limits; the largest rate of one step holds for the ramp that it belongs to."""
    steps: Sequence[Part] = record.get("steps", ())
    for position, step in enumerate(steps):
        path = f"steps[{position}]"
        if "max_per_administration" in step:
            yield from _per_administration(record, step, path)
        if "titration" in step:
            yield from titration_findings(record, step, path, _rates(step))
        if "patient_control" in step:
            yield from demand_findings(record, step, path)
        elif "max_per_period" in step:
            yield from _per_period(record, step, path)
        if "max_per_lifetime" in step:
            yield from _lifetime(step, path)
    yield from _max_rate(record, steps)
    yield from ramp_findings(record)


def _doses(step: Part) -> Iterator[tuple[str, Part, Amount]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        for place, quantity in (
            ("dose", dosing.get("dose")),
            ("dose_range.high", dosing.get("dose_range", {}).get("high")),
        ):
            held = amount(quantity)
            if held is not None:
                yield f"dosings[{at}].{place}", quantity, held


def _per_administration(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """Of a dose per kg the cap takes the rest; what was calculated, or stated as such, is not above it."""
    for place, quantity, _ in _doses(step):
        if per_body(quantity["unit"]) is None:
            said = above(record, "the dose", quantity, step["max_per_administration"])
            if said:
                yield finding(f"{path}.{place}", said, "max-per-administration")


def _lifetime(step: Part, path: str) -> Iterator[Issue]:
    most = amount(step.get("max_per_lifetime"))
    if most is None:
        return
    timing = step.get("timing", {})
    times = timing.get("count_max", timing.get("count", 1))
    for place, quantity, held in _doses(step):
        if held.dimension == most.dimension and exceeds(held.base * times, most.base):
            said = f"{times} x {stated(quantity)} is above the limit of a life, {stated(step['max_per_lifetime'])}"
            yield finding(f"{path}.{place}", said, "max-per-lifetime")


def _rates(step: Part) -> Iterator[tuple[str, Part]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        if "rate" in dosing:
            yield f"dosings[{at}].rate", dosing["rate"]
        high = dosing.get("rate_range", {}).get("high")
        if high:
            yield f"dosings[{at}].rate_range.high", high


def _max_rate(record: Part, steps: Sequence[Part]) -> Iterator[Issue]:
    limits = [step["max_rate"] for step in steps if "max_rate" in step]
    if not limits:
        return
    for position, step in enumerate(steps):
        own = [step["max_rate"]] if "max_rate" in step else limits if step.get("role") in {"ramp", "taper"} else []
        told = False
        for place, quantity in _rates(step):
            said = next((said for limit in own if are_alike(quantity, limit) and (said := _above(quantity, limit))), "")
            if said:
                told = True
                yield finding(f"steps[{position}].{place}", said, "max-rate")
        if not told:
            yield from _too_fast(record, step, own, f"steps[{position}]")


def _above(quantity: Part, limit: Part) -> str:
    return above({}, "the rate", quantity, limit)


def _too_fast(record: Part, step: Part, limits: Sequence[Part], path: str) -> Iterator[Issue]:
    """A rate of another kind than its limit, or a dose and its duration: 1 g in 60 min is more than 10 mg/min.

    Told once a step, and only where it holds for whatever weight and way of reckoning may be meant.
    """
    for place, words, quantity, per in _speeds(step):
        for limit in limits:
            if amount(limit) is None or (per is None and are_alike(quantity, limit)):
                continue
            pairs = in_kind_of(record, quantity, limit, per)
            if pairs and all(is_beyond(made, top, over=True) for _, made, top in pairs):
                how, made, top = pairs[0]
                told = f"{how}{words} makes {shown(made, top.code)}, above the limit of {stated(limit)}"
                yield finding(f"{path}.{place}", told, "max-rate")
                return


def _speeds(step: Part) -> Iterator[tuple[str, str, Part, Amount | None]]:
    """Yield each rate of a step, and each dose over its duration: place, words, quantity, and what it is per.

    Where a dose or rate was calculated, that is what runs.
    """
    duration = step.get("timing", {}).get("duration")
    length = span(duration)
    dosings = step.get("dosings", ())
    calculated = any(dosing.get("basis") == "calculated" for dosing in dosings)
    for at, dosing in enumerate(dosings):
        if calculated and dosing.get("basis") == "ordered":
            continue
        if "rate_ratio" in dosing:
            time = dosing["rate_ratio"]["denominator"]
            per = amount(time)
            if per is not None and per.base:
                yield f"dosings[{at}].rate_ratio", f" in {stated(time)}", dosing["rate_ratio"]["numerator"], per
        elif "dose" in dosing and length is not None and length.base and not dosing.keys() & {"rate", "rate_range"}:
            yield f"dosings[{at}].dose", f" in {stated(duration)}", dosing["dose"], length
        if "rate" in dosing:
            yield f"dosings[{at}].rate", "", dosing["rate"], None
        if "high" in dosing.get("rate_range", {}):
            yield f"dosings[{at}].rate_range.high", "", dosing["rate_range"]["high"], None


def _per_period(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """Dose x times, or rate x running time, in the period of a limit is not above it."""
    for at, limit in enumerate(step["max_per_period"]):
        most, length = amount(limit.get("numerator")), amount(limit.get("denominator"))
        if most is None or length is None or length.dimension != (("s", 1),) or not length.base:
            continue
        said = f"the limit is {stated(limit['numerator'])} in {stated(limit['denominator'])}"
        found = _in_period(record, step, most, length)
        if found:
            yield finding(f"{path}.max_per_period[{at}]", f"{found}; {said}", "max-per-period")


def _in_period(record: Part, step: Part, most: Amount, length: Amount) -> str:
    """Return in words what a step makes in a period, where it is more than the most; a dose says it before a rate."""
    timing = step.get("timing", {})
    times = _times(timing, length)
    unit = most.code
    alike = False
    for _, quantity, held in _doses(step):
        if held.dimension == most.dimension and per_body(quantity["unit"]) == per_body(unit):
            alike = True
            total = Amount(held.base * times, held.dimension, "")
            if exceeds(total.base, most.base):
                return f"{rounded(times)} x {stated(quantity)} makes {shown(total, quantity['unit'])}"
    if alike:
        return ""
    lasts = longest(timing.get("duration"))
    running = length.base if lasts is None else min(length.base, lasts.base * times)
    time = of(running, "s")
    if time is None:
        return ""
    for _, quantity in _rates(step):
        rate = amount(quantity)
        if rate is None or per_body(quantity["unit"]) is not None:
            continue
        run = rate.times(time)
        pairs = [("", run)] if run.dimension == most.dimension else _through(record, run, most)
        if pairs and all(exceeds(made.base, most.base * (ROUNDED if how else 1)) for how, made in pairs):
            how, made = pairs[0]
            return f"{stated(quantity)} for {rounded(running / 3600)} h{how} makes {shown(made, unit)}"
    return ""


def _through(record: Part, run: Amount, most: Amount) -> list[tuple[str, Amount]]:
    strength = concentration(record)
    if strength is None or not strength.base:
        return []
    powers = [power for power in (1, -1) if run.makes(strength, power) == most.dimension]
    return [(THROUGH, run.times(strength, power)) for power in powers]


def _times(timing: Part, length: Amount) -> Fraction:
    """Return how often a step is given in a length of time, at least once.

    Whole administrations: every 12 h makes two in 24 h, every 5 days makes one in a day. Never more than it is to be
    given in all, nor after its bounds.
    """
    bounds = amount(timing.get("bounds_length"))
    within = (
        min(length.base, bounds.base) if bounds is not None and bounds.dimension == length.dimension else length.base
    )
    often = per_day(timing)
    times = max(Fraction(1), often * within / _DAY) if often is not None else Fraction(1)
    cycle = longest(timing.get("cycle_length"))
    if often is None and cycle is not None and cycle.base and within >= cycle.base:
        times = len(timing.get("days_of_cycle", ())) * (within / cycle.base) or times
    count = timing.get("count_max", timing.get("count"))
    return times if count is None else min(times, Fraction(count))
