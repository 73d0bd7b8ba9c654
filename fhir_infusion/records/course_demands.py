"""What a patient may demand: the doses that lockout and limits allow, at the earliest moments that they allow them.

A limit holds for demands and the basal rate together, so that in each of its periods the room for demands is what the
basal rate leaves of it. Served as early as they may be, the demands make the most that can have run by any moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import Amount, amount, stated
from fhir_infusion.records.conversions import as_kind
from fhir_infusion.records.course_parts import Portion, amounts
from fhir_infusion.records.course_rates import Unknown
from fhir_infusion.records.demand_findings import Basal, time_of

Part = Mapping[str, Any]

USUAL: Final = Fraction(4 * 3600)
"""How long demands are drawn where no limit names a period: the period that most limits are stated for."""

MOST_DEMANDS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Rule:
    """In any ``period`` (seconds) no more than ``most`` demands."""

    period: Fraction
    most: int


def horizon(steps: Sequence[Part]) -> Fraction:
    """Return for how many seconds the demands of an order are drawn: the longest period that a limit names."""
    named = [one.get("denominator") for step in steps for one in step.get("max_per_period", ())]
    named += [step.get("patient_control", {}).get("max_demands_period") for step in steps]
    found = [held.base for one in named if (held := time_of(one)) is not None]
    return max(found, default=USUAL)


def demands(order: Part, position: int, begins: Fraction, until: Fraction) -> tuple[list[Portion], list[Unknown]]:
    """Return the demands that a step allows from ``begins`` to ``until``, and what cannot be said of them."""
    step: Part = order["steps"][position]
    path, control = f"steps[{position}]", step.get("patient_control", {})
    dose, lockout = control.get("demand_dose"), time_of(control.get("lockout"))
    volume, drug, said = amounts(order, dose, dose)
    if volume is None and drug is None:
        return [], [Unknown(path, "a step for the patient's demands has no demand dose that can be computed with")]
    if lockout is None:
        return [], [Unknown(path, f"demands of {said} are drawn only where a lockout is stated")]
    rules, told = _rules(order, step, dose, path)
    times = _served(begins, until, lockout.base, rules)
    if len(times) > MOST_DEMANDS:
        return [], [Unknown(path, f"its lockout of {stated(control['lockout'])} allows too many demands to draw")]
    words = f"{said} on demand, at most every {stated(control['lockout'])}"
    return [Portion(path, (at, at), None, volume, drug, words) for at in times], told


def _rules(order: Part, step: Part, dose: Part, path: str) -> tuple[list[_Rule], list[Unknown]]:
    control = step["patient_control"]
    found: list[_Rule] = []
    unknown: list[Unknown] = []
    period = time_of(control.get("max_demands_period"))
    if "max_demands" in control and period is not None:
        found.append(_Rule(period.base, control["max_demands"]))
    for limit in step.get("max_per_period", ()):
        most, length = amount(limit.get("numerator")), time_of(limit.get("denominator"))
        one = _as(order, dose, most) if most is not None else None
        if most is None or length is None or not one:
            unknown.append(Unknown(path, "a limit of it cannot be computed with: without it more is drawn"))
            continue
        room = most.base - Basal(order).made_in(length, most)
        found.append(_Rule(length.base, max(0, int(room / one))))
    return found, unknown


def _served(begins: Fraction, until: Fraction, lockout: Fraction, rules: Sequence[_Rule]) -> list[Fraction]:
    """Return the earliest moments at which demands are served before ``until``."""
    times: list[Fraction] = []
    at = begins
    while at < until and len(times) <= MOST_DEMANDS:
        waits = [times[-rule.most] + rule.period for rule in rules if rule.most and len(times) >= rule.most]
        if any(not rule.most for rule in rules):
            break
        at = max([at, *waits])
        if at < until:
            times.append(at)
        at += lockout
    return times


def _as(order: Part, quantity: Part, wanted: Amount) -> Fraction | None:
    return next((made.base for _, made in as_kind(order, quantity, wanted.dimension)), None)
