"""Findings on limits: caps of a dose, of a rate, of a period, of a life; and patient-controlled analgesia."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, exceeds, per_body, shown, span, stated
from fhir_infusion.records.body_findings import as_kind, for_this_body
from fhir_infusion.records.findings import finding, per_day

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_DAY: Final = Fraction(86_400)

_ROUNDED: Final = Fraction(101, 100)
"""What is reckoned through a weight or a concentration may be above a limit by the steps of a pump."""


def limit_findings(record: Part) -> Iterator[Issue]:
    """Yield where steps go beyond their limits; the largest rate of one step holds for the ramp that it belongs to."""
    steps: Sequence[Part] = record.get("steps", ())
    for position, step in enumerate(steps):
        path = f"steps[{position}]"
        if "max_per_administration" in step:
            yield from _per_administration(step, path)
        if "titration" in step:
            yield from _titration(step, path)
        if "max_per_period" in step:
            yield from _per_period(steps, step, path)
        if "max_per_lifetime" in step:
            yield from _lifetime(step, path)
    yield from _ramp(record, steps)


def _doses(step: Part) -> Iterator[tuple[str, Part, Amount]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        for place, quantity in (
            ("dose", dosing.get("dose")),
            ("dose_range.high", dosing.get("dose_range", {}).get("high")),
        ):
            held = amount(quantity)
            if held is not None:
                yield f"dosings[{at}].{place}", quantity, held


def _above(what: str, quantity: Part, limit: Part | None) -> str:
    """Return the sentence where a quantity is above a limit of the same kind, else nothing."""
    held, most = amount(quantity), amount(limit)
    if (
        held is None
        or most is None
        or limit is None
        or held.dimension != most.dimension
        or not exceeds(held.base, most.base)
    ):
        return ""
    return f"{what} is {stated(quantity)}, above the limit of {stated(limit)}"


def _per_administration(step: Part, path: str) -> Iterator[Issue]:
    for place, quantity, _ in _doses(step):
        said = _above("the dose", quantity, step["max_per_administration"])
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


def _ramp(record: Part, steps: Sequence[Part]) -> Iterator[Issue]:
    limits = [step["max_rate"] for step in steps if "max_rate" in step]
    if not limits:
        return
    for position, step in enumerate(steps):
        own = [step["max_rate"]] if "max_rate" in step else limits if step.get("role") in {"ramp", "taper"} else []
        told = False
        for place, quantity in _rates(step):
            for limit in own:
                said = _above("the rate", quantity, limit)
                if said:
                    told = True
                    yield finding(f"steps[{position}].{place}", said, "max-rate")
                    break
        if not told:
            yield from _too_fast(record, step, own, f"steps[{position}]")


def _too_fast(record: Part, step: Part, limits: Sequence[Part], path: str) -> Iterator[Issue]:
    """A rate of another kind than its limit, or a dose and its duration: 1 g in 60 min is more than 10 mg/min.

    Told once a step, and only where it holds for whatever weight and way of reckoning may be meant.
    """
    for place, words, quantity, per in _speeds(step):
        for limit in limits:
            most = amount(limit)
            if most is None or (per is None and (held := amount(quantity)) and held.dimension == most.dimension):
                continue
            tops = [(stated(limit), most)] if per_body(limit["unit"]) is None else list(for_this_body(record, limit))
            pairs = [(how, made, top) for _, top in tops for how, made in as_kind(record, quantity, top.dimension, per)]
            if pairs and all(exceeds(made.base, top.base * _ROUNDED) for _, made, top in pairs):
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


def _titration(step: Part, path: str) -> Iterator[Issue]:
    titration = step["titration"]
    ceiling = titration.get("ceiling")
    if ceiling is None:
        return
    for name in ("start", "floor"):
        said = _above(f"the {name} of the titration", titration[name], ceiling) if name in titration else ""
        if said:
            yield finding(f"{path}.titration.{name}", said, "titration")
    said = _above("the ceiling of the titration", ceiling, step.get("max_rate"))
    if said:
        yield finding(f"{path}.titration.ceiling", said, "max-rate")
    for place, quantity in _rates(step):
        said = _above("the rate", quantity, ceiling)
        if said:
            yield finding(f"{path}.{place}", said, "titration")


def _per_period(steps: Sequence[Part], step: Part, path: str) -> Iterator[Issue]:
    for at, limit in enumerate(step.get("max_per_period", ())):
        most, length = amount(limit.get("numerator")), amount(limit.get("denominator"))
        if most is None or length is None or length.dimension != (("s", 1),) or not length.base:
            continue
        said = f"{stated(limit['numerator'])} in {stated(limit['denominator'])}"
        place = f"{path}.max_per_period[{at}]"
        demand = step.get("patient_control", {}).get("demand_dose")
        if demand is not None:
            yield from _demanded(steps, step, (most, length, said), place)
        else:
            yield from _scheduled(step, (most, length, said), place)


def _scheduled(step: Part, limit: tuple[Amount, Amount, str], place: str) -> Iterator[Issue]:
    most, length, said = limit
    often = per_day(step.get("timing", {}))
    for _, quantity, held in _doses(step):
        if held.dimension != most.dimension:
            continue
        # Whole administrations: every 12 h makes two in 24 h, every 5 days makes one in a day.
        times = max(Fraction(1), often * length.base / _DAY) if often is not None else Fraction(1)
        total = Amount(held.base * times, held.dimension, "")
        if exceeds(total.base, most.base):
            makes = f"{stated(quantity)} as often as stated makes {shown(total, quantity['unit'])}"
            yield finding(place, f"{makes}; the limit is {said}", "max-per-period")
    for _, quantity in _rates(step):
        rate = amount(quantity)
        run = rate.times(length) if rate else None
        if run is not None and run.dimension == most.dimension and exceeds(run.base, most.base):
            makes = f"{stated(quantity)} all that time makes {shown(run, most.code)}"
            yield finding(place, f"{makes}; the limit is {said}", "max-per-period")


def _demanded(steps: Sequence[Part], step: Part, limit: tuple[Amount, Amount, str], place: str) -> Iterator[Issue]:
    """Demands and the basal rate together: one demand must fit under the limit, and the limit must be reachable."""
    most, length, said = limit
    control = step["patient_control"]
    demand, lockout = amount(control["demand_dose"]), amount(control.get("lockout"))
    if demand is None or demand.dimension != most.dimension:
        return
    basal = _basal(steps, length, most)
    code = control["demand_dose"]["unit"]
    if exceeds(demand.base + basal, most.base):
        with_basal = f" and a basal rate that makes {shown(Amount(basal, most.dimension, ''), code)}" if basal else ""
        reason = f"one demand of {stated(control['demand_dose'])}{with_basal} is above the limit of {said}"
        yield finding(place, reason, "pca-limit")
        return
    if lockout is None or not lockout.base or lockout.dimension != (("s", 1),):
        return
    reach = Amount(demand.base * int(length.base / lockout.base) + basal, most.dimension, "")
    if exceeds(most.base, reach.base):
        how = f"{stated(control['demand_dose'])} at most every {stated(control['lockout'])}"
        yield finding(
            place, f"{how} makes {shown(reach, code)} at most, so the limit of {said} limits nothing", "pca-limit"
        )


def _basal(steps: Sequence[Part], length: Amount, most: Amount) -> Fraction:
    total = Fraction(0)
    for step in steps:
        if step.get("role") != "basal":
            continue
        for _, quantity in _rates(step):
            rate = amount(quantity)
            given = rate.times(length) if rate else None
            if given is not None and given.dimension == most.dimension:
                total += given.base
                break
    return total
