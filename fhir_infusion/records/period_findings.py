"""Findings on limits of a period: 3 g in 24 h, 140 g in 28 days. What a patient demands is judged by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, exceeds, is_by_same, longest, per_body, rounded, shown, stated
from fhir_infusion.records.bag_findings import occasions_of
from fhir_infusion.records.comparisons import beyond_in, in_kind_of, is_beyond
from fhir_infusion.records.conversions import THROUGH, TIME, as_rate, dose_of
from fhir_infusion.records.equality import same
from fhir_infusion.records.findings import finding
from fhir_infusion.records.occurrences import times_in

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_ON_AND_ON: Final = frozenset({"continuous", "pca"})
"""Types of infusions that a dose does not end: it is that of a bag, or of a day."""


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
            found = _in_period(record, step, limit["numerator"], most, length)
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
    """The steps of a ramp are one dose, those at different times of a day are doses of one day.

    What they make together is not above the limit that each of them states.
    """
    for members in occasions_of(steps):
        if len(members) < 2 or not (_follow(members) or _are_apart(members)):
            continue
        position, first = members[0]
        for at, (limit, most, length) in enumerate(_limits(first)):
            doses = [amount(dose_of(step.get("dosings", ()), {})) for _, step in members]
            held = [dose for dose in doses if dose is not None and dose.dimension == most.dimension]
            if len(held) < len(members) or not all(_states(step, limit) for _, step in members):
                continue
            times = [times_in(step.get("timing", {}), length) for _, step in members]
            total = sum((dose.base * often for dose, often in zip(held, times, strict=True)), Fraction(0))
            whole = Amount(total, most.dimension, "")
            if exceeds(whole.base, most.base):
                said = _added(held, times, most.code)
                yield _issue(position, at, f"{said} makes {shown(whole, most.code)}", limit)


def _follow(members: Sequence[tuple[int, Part]]) -> bool:
    return len({step.get("sequence", position) for position, step in members}) == len(members)


def _are_apart(members: Sequence[tuple[int, Part]]) -> bool:
    """Return whether each step says its times of day, and no two say the same: these are no alternatives."""
    times = [time for _, step in members for time in step.get("timing", {}).get("times_of_day", (None, None))]
    return len(set(times)) == len(times)


def _added(doses: Sequence[Amount], times: Sequence[Fraction], code: str) -> str:
    if len(set(times)) == 1:
        return f"{rounded(times[0])} x ({' + '.join(shown(dose, code) for dose in doses)})"
    return " + ".join(f"{rounded(often)} x {shown(dose, code)}" for dose, often in zip(doses, times, strict=True))


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


def _in_period(record: Part, step: Part, limit: Part, most: Amount, length: Amount) -> str:
    """Return in words what a step makes in a period, where it is more than the most; a dose says it before a rate."""
    timing = step.get("timing", {})
    times = times_in(timing, length)
    alike = False
    for quantity, held in _doses(step):
        if held.dimension == most.dimension and is_by_same(quantity["unit"], most.code):
            alike = True
            total = Amount(held.base * times, held.dimension, "")
            if exceeds(total.base, most.base):
                return f"{rounded(times)} x {stated(quantity)} makes {shown(total, quantity['unit'])}"
    return "" if alike else _by_size(record, step, limit, times) or _running(record, step, limit, length.base, times)


def _by_size(record: Part, step: Part, limit: Part, times: Fraction) -> str:
    """Doses by weight, or a limit by weight, where whichever weight may be meant says so.

    Each dose is at most the cap of one administration.
    """
    cap = amount(step.get("max_per_administration"))
    for dosing in _runs(step):
        for quantity in (dosing.get("dose"), dosing.get("dose_range", {}).get("high")):
            by_size = quantity and (per_body(quantity.get("unit", "")) or per_body(limit["unit"]))
            pairs = in_kind_of(record, quantity, limit) if quantity and by_size else []
            made = [(how, _capped(one, cap, times), edge) for how, one, edge in pairs]
            if made and all(is_beyond(total, edge, over=True) for _, total, edge in made):
                how, total, edge = made[0]
                return f"{rounded(times)} x {how} makes {shown(total, edge.code)}"
    return ""


def _capped(dose: Amount, cap: Amount | None, times: Fraction) -> Amount:
    base = min(dose.base, cap.base) if cap is not None and cap.dimension == dose.dimension else dose.base
    return Amount(base * times, dose.dimension, "")


def _running(record: Part, step: Part, limit: Part, length: Fraction, times: Fraction) -> str:
    """What a rate makes; how long it runs is not known where a dose of another kind ends it, and no time is stated."""
    timing = step.get("timing", {})
    lasts, bounds = longest(timing.get("duration")), amount(timing.get("bounds_length"))
    if lasts is not None:
        time = min(length, lasts.base * times)
    elif record.get("infusion_type") not in _ON_AND_ON and any("dose" in one for one in step.get("dosings", ())):
        return ""
    else:
        time = min(length, bounds.base) if bounds is not None and bounds.dimension == TIME else length
    for dosing in _runs(step):
        rate = as_rate(dosing)
        found = None if rate is None else beyond_in(record, rate, limit, time)
        if found is not None:
            how, made = found
            through = THROUGH if how.endswith(THROUGH) else ""
            said = f"{how.removesuffix(THROUGH)} for {rounded(time / 3600)} h{through}"
            return f"{said} makes {shown(made, made.code or limit['unit'])}"
    return ""


def _runs(step: Part) -> list[Part]:
    """Return the dosings of a step that say what runs: not what was ordered where it was calculated."""
    dosings = step.get("dosings", ())
    calculated = any(dosing.get("basis") == "calculated" for dosing in dosings)
    return [dosing for dosing in dosings if not calculated or dosing.get("basis") != "ordered"]
