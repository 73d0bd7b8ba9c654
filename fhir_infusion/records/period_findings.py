"""Findings on limits of a period: 3 g in 24 h, 140 g in 28 days. What a patient demands is judged by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, exceeds, longest, of, per_body, rounded, shown, stated
from fhir_infusion.records.bag_findings import occasions_of
from fhir_infusion.records.comparisons import ROUNDED
from fhir_infusion.records.conversions import THROUGH, dose_of, through_volume
from fhir_infusion.records.equality import same
from fhir_infusion.records.findings import finding, per_day

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_DAY: Final = Fraction(86_400)


def period_findings(record: Part) -> Iterator[Issue]:
    """Yield where dose x times, or rate x running time, of a step or of steps in a row is above a limit of a period."""
    steps: Sequence[Part] = record.get("steps", ())
    if not any("max_per_period" in step for step in steps):
        return
    told = False
    for position, step in enumerate(steps):
        if "demand_dose" in step.get("patient_control", {}):
            continue
        for at, (limit, most, length) in enumerate(_limits(step)):
            found = _in_period(record, step, most, length)
            if found:
                told = True
                yield _issue(position, at, found, limit)
    if not told:
        yield from _in_a_row(steps)


def _limits(step: Part) -> list[tuple[Part, Amount, Amount]]:
    found = []
    for limit in step.get("max_per_period", ()):
        most, length = amount(limit.get("numerator")), amount(limit.get("denominator"))
        if most is not None and length is not None and length.dimension == (("s", 1),) and length.base:
            found.append((limit, most, length))
    return found


def _issue(position: int, at: int, found: str, limit: Part) -> Issue:
    said = f"the limit is {stated(limit['numerator'])} in {stated(limit['denominator'])}"
    return finding(f"steps[{position}].max_per_period[{at}]", f"{found}; {said}", "max-per-period")


def _in_a_row(steps: Sequence[Part]) -> Iterator[Issue]:
    """The steps of a ramp are one dose: what they make together is not above the limit that each of them states."""
    for members in occasions_of(steps):
        if len({step.get("sequence", position) for position, step in members}) < max(2, len(members)):
            continue
        position, first = members[0]
        for at, (limit, most, length) in enumerate(_limits(first)):
            doses = [amount(dose_of(step.get("dosings", ()), {})) for _, step in members]
            held = [dose for dose in doses if dose is not None and dose.dimension == most.dimension]
            if len(held) < len(members) or not all(_states(step, limit) for _, step in members):
                continue
            times = _times(first.get("timing", {}), length)
            whole = Amount(sum((dose.base for dose in held), Fraction(0)) * times, most.dimension, "")
            if exceeds(whole.base, most.base):
                parts = " + ".join(shown(dose, most.code) for dose in held)
                yield _issue(position, at, f"{rounded(times)} x ({parts}) makes {shown(whole, most.code)}", limit)


def _states(step: Part, limit: Part) -> bool:
    return any(
        same([other["numerator"], other["denominator"]], [limit["numerator"], limit["denominator"]])
        for other, *_ in _limits(step)
    )


def _doses(step: Part) -> Iterator[tuple[Part, Amount]]:
    for dosing in step.get("dosings", ()):
        for quantity in (dosing.get("dose"), dosing.get("dose_range", {}).get("high")):
            held = amount(quantity)
            if held is not None and quantity is not None:
                yield quantity, held


def _in_period(record: Part, step: Part, most: Amount, length: Amount) -> str:
    """Return in words what a step makes in a period, where it is more than the most; a dose says it before a rate."""
    timing = step.get("timing", {})
    times = _times(timing, length)
    unit = most.code
    alike = False
    for quantity, held in _doses(step):
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
    for dosing in step.get("dosings", ()):
        quantity = dosing.get("rate", dosing.get("rate_range", {}).get("high"))
        rate = amount(quantity)
        if quantity is None or rate is None or per_body(quantity["unit"]) is not None:
            continue
        run = rate.times(time)
        how = "" if run.dimension == most.dimension else THROUGH
        made = through_volume(record, run, most.dimension) if how else run
        if made is not None and exceeds(made.base, most.base * (ROUNDED if how else 1)):
            return f"{stated(quantity)} for {rounded(running / 3600)} h{how} makes {shown(made, unit)}"
    return ""


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
