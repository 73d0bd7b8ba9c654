"""Findings on limits: caps of a dose, of a rate and of a life.

A limit has no tolerance where it is of the same kind as what it limits; through a weight or a concentration it may be
passed by 1 %, and what is passed is told only where it holds for every way of reckoning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from fhir_infusion.records.amounts import (
    Amount,
    amount,
    exceeds,
    longest,
    per_body,
    rounded,
    shown,
    span,
    stated,
)
from fhir_infusion.records.comparisons import above, are_alike, beyond_in, in_kind_of, is_beyond
from fhir_infusion.records.conversions import TIME, as_rate
from fhir_infusion.records.demand_findings import Basal, demand_findings
from fhir_infusion.records.findings import finding
from fhir_infusion.records.occurrences import times_in
from fhir_infusion.records.period_findings import period_findings
from fhir_infusion.records.ramp_findings import ramp_findings
from fhir_infusion.records.titration_findings import titration_findings

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]


def limit_findings(record: Part) -> Iterator[Issue]:
    """Yield where steps go beyond their limits; the largest rate of one step holds for the ramp that it belongs to."""
    steps: Sequence[Part] = record.get("steps", ())
    basal = Basal(record)
    for position, step in enumerate(steps):
        path = f"steps[{position}]"
        if "max_per_administration" in step:
            yield from _per_administration(record, step, path)
        if "titration" in step:
            yield from titration_findings(record, step, path, chain(_rates(step), _ratios(step)))
        if "patient_control" in step:
            yield from demand_findings(record, step, path, basal)
        if "max_per_lifetime" in step:
            yield from _lifetime(record, step, path)
    yield from _max_rate(record, steps)
    yield from period_findings(record)
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
    """Of a dose per kg the cap takes the rest; what was calculated, or stated as such, is not above it.

    Where no dose can be held against the cap, what a rate makes in the time that it runs is.
    """
    cap = step["max_per_administration"]
    known = False
    for place, quantity, _ in _doses(step):
        alike = are_alike(quantity, cap)
        known = known or alike
        if alike or per_body(quantity["unit"]) is None:
            said = above(record, "the dose", quantity, cap)
            if said:
                known = True
                yield finding(f"{path}.{place}", said, "max-per-administration")
    duration = step.get("timing", {}).get("duration")
    length = longest(duration)
    if known or length is None:
        return
    for at, dosing in enumerate(step.get("dosings", ())):
        rate = as_rate(dosing)
        found = beyond_in(record, rate, cap, length.base) if rate and per_body(rate.get("unit", "")) is None else None
        if found is not None:
            how, made = found
            told = f"{how} for {rounded(length.base / 3600)} h makes {shown(made, made.code or cap['unit'])}"
            reason = f"{told}, above the limit of {stated(cap)}"
            yield finding(f"{path}.dosings[{at}]", reason, "max-per-administration")
            return


def _lifetime(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """A dose as often as it is to be given in all; of another kind than the limit (mg/kg, mg), through the body."""
    cap = step["max_per_lifetime"]
    most = amount(cap)
    if most is None:
        return
    times = _in_all(step.get("timing", {}))
    doses = list(_doses(step))
    alike = [entry for entry in doses if are_alike(entry[1], cap)]
    for place, quantity, held in alike:
        if exceeds(held.base * times, most.base):
            said = f"{times} x {stated(quantity)} is above the limit of a life, {stated(cap)}"
            yield finding(f"{path}.{place}", said, "max-per-lifetime")
    for place, quantity, _ in doses if not alike else ():
        pairs = [
            (how, Amount(made.base * times, made.dimension, ""), edge)
            for how, made, edge in in_kind_of(record, quantity, cap)
        ]
        if pairs and all(is_beyond(made, edge, over=True) for _, made, edge in pairs):
            how, made, edge = pairs[0]
            said = f"{times} x {how} makes {shown(made, edge.code)}, above the limit of a life, {stated(cap)}"
            yield finding(f"{path}.{place}", said, "max-per-lifetime")
            return


def _in_all(timing: Part) -> int:
    """Return how often a step is given in all: as is counted, else as often as it comes within its bounds."""
    count: int | None = timing.get("count_max", timing.get("count"))
    bounds = amount(timing.get("bounds_length"))
    if count is not None or bounds is None or bounds.dimension != TIME:
        return count or 1
    return int(times_in(timing, bounds))


def _rates(step: Part) -> Iterator[tuple[str, Part]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        if "rate" in dosing:
            yield f"dosings[{at}].rate", dosing["rate"]
        high = dosing.get("rate_range", {}).get("high")
        if high:
            yield f"dosings[{at}].rate_range.high", high


def _ratios(step: Part) -> Iterator[tuple[str, Part]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        rate = as_rate(dosing) if "rate_ratio" in dosing else None
        if rate is not None:
            yield f"dosings[{at}].rate_ratio", rate


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
    for place, words, quantity, per in _speeds(record, step, limits):
        for limit in limits:
            if amount(limit) is None or (per is None and are_alike(quantity, limit)):
                continue
            pairs = in_kind_of(record, quantity, limit, per)
            if pairs and all(is_beyond(made, top, over=True) for _, made, top in pairs):
                how, made, top = pairs[0]
                told = f"{how}{words} makes {shown(made, top.code)}, above the limit of {stated(limit)}"
                yield finding(f"{path}.{place}", told, "max-rate")
                return


def _speeds(record: Part, step: Part, limits: Sequence[Part]) -> Iterator[tuple[str, str, Part, Amount | None]]:
    """Yield each rate of a step, and each dose over its duration: place, words, quantity, and what it is per.

    Where a dose or rate was calculated, that is what runs. A dose with a rate beside it counts only where nothing says
    how much of the drug that rate is: 250 mL/h of a preparation that is not stated.
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
        elif "dose" in dosing and length is not None and length.base and not _is_known(record, dosing, limits):
            yield f"dosings[{at}].dose", f" in {stated(duration)}", dosing["dose"], length
        if "rate" in dosing:
            yield f"dosings[{at}].rate", "", dosing["rate"], None
        if "high" in dosing.get("rate_range", {}):
            yield f"dosings[{at}].rate_range.high", "", dosing["rate_range"]["high"], None


def _is_known(record: Part, dosing: Part, limits: Sequence[Part]) -> bool:
    """Return whether a dosing has a rate that can be held against one of the limits."""
    rates = [
        rate for rate in (dosing.get("rate"), dosing.get("rate_range", {}).get("high")) if amount(rate) is not None
    ]
    return any(are_alike(rate, limit) or in_kind_of(record, rate, limit) for rate in rates if rate for limit in limits)
