"""Findings on patient-controlled analgesia: what demand, lockout and basal rate allow, and what was delivered.

The demands that a lockout allows in a time are those that fit at its beginning: 0, 7, 14 … 56 min are nine in an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from fhir_infusion.records.amounts import Amount, Dimension, amount, differ, exceeds, shown, stated
from fhir_infusion.records.conversions import as_kind
from fhir_infusion.records.findings import finding

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_TIME = (("s", 1),)


def demand_findings(record: Part, step: Part, path: str, basal: Basal) -> Iterator[Issue]:
    """Yield what does not add up in a step that the patient controls."""
    control = step["patient_control"]
    if "lockout" not in control and "minimum_gap" in step:
        control = {**control, "lockout": step["minimum_gap"]}
    yield from _demand_dose(record, step, control, path)
    yield from _most_demands(control, path)
    for at, limit in enumerate(step.get("max_per_period", ())):
        most, length = amount(limit.get("numerator")), time_of(limit.get("denominator"))
        if most is not None and length is not None and "demand_dose" in control:
            with_basal = (most, length, basal.made_in(length, most))
            yield from _limited(record, control, limit, with_basal, f"{path}.max_per_period[{at}]")


def _demand_dose(record: Part, step: Part, control: Part, path: str) -> Iterator[Issue]:
    """The dose of the step is the dose of one demand."""
    if "demand_dose" not in control:
        return
    for at, dosing in enumerate(step.get("dosings", ())):
        held = amount(dosing.get("dose"))
        found = list(as_kind(record, control["demand_dose"], held.dimension)) if held is not None else []
        if found and held is not None and all(differ(made.base, held.base) for _, made in found):
            how, made = found[0]
            makes = "" if how == stated(control["demand_dose"]) else f", which is {shown(made, dosing['dose']['unit'])}"
            said = f"one demand is {how}{makes}; the dose is {stated(dosing['dose'])}"
            yield finding(f"{path}.dosings[{at}].dose", said, "demand-dose")


def _most_demands(control: Part, path: str) -> Iterator[Issue]:
    """A number of demands that the lockout does not allow limits nothing."""
    most, period, lockout = control.get("max_demands"), time_of(control.get("max_demands_period")), _lockout(control)
    if most is None or period is None or lockout is None:
        return
    allowed = ceil(period.base / lockout.base)
    if most > allowed:
        every = f"a lockout of {stated(control['lockout'])} allows {allowed} demands in"
        said = f"{every} {stated(control['max_demands_period'])}, so that the most, {most}, limits nothing"
        yield finding(f"{path}.patient_control.max_demands", said, "pca-limit")


def _limited(
    record: Part, control: Part, limit: Part, bounds: tuple[Amount, Amount, Fraction], place: str
) -> Iterator[Issue]:
    """Demands and the basal rate together: one demand must fit under the limit, and the limit must be reachable."""
    most, length, basal = bounds
    demand = next((made for _, made in as_kind(record, control["demand_dose"], most.dimension)), None)
    if demand is None:
        return
    said = f"the limit of {stated(limit['numerator'])} in {stated(limit['denominator'])}"
    unit, demanded = limit["numerator"]["unit"], stated(control["demand_dose"])
    beside = f" and a basal rate that makes {shown(Amount(basal, most.dimension, ''), unit)}" if basal else ""
    if exceeds(demand.base + basal, most.base):
        yield finding(place, f"one demand of {demanded}{beside} is above {said}", "pca-limit")
        return
    demands, bound = _demands(control, length)
    if demands is None:
        return
    reach = Amount(demand.base * demands + basal, most.dimension, "")
    if exceeds(most.base, reach.base):
        how = f"{demands} x {demanded} ({bound}){beside}"
        yield finding(place, f"{how} makes {shown(reach, unit)} at most, so {said} limits nothing", "pca-limit")


def _demands(control: Part, length: Amount) -> tuple[int | None, str]:
    """Return how many demands are served in a time at most, and what binds."""
    lockout, period = _lockout(control), time_of(control.get("max_demands_period"))
    found = [] if lockout is None else [(ceil(length.base / lockout.base), f"lockout {stated(control['lockout'])}")]
    if "max_demands" in control and period is not None:
        most = control["max_demands"] * ceil(length.base / period.base)
        found.append((most, f"{control['max_demands']} demands in {stated(control['max_demands_period'])}"))
    return min(found) if found else (None, "")


def _lockout(control: Part) -> Amount | None:
    return time_of(control.get("lockout"))


def time_of(quantity: Part | None) -> Amount | None:
    """Return a time that is longer than none."""
    held = amount(quantity)
    return held if held is not None and held.dimension == _TIME and held.base else None


class Basal:
    """What the basal rates of an order make together, reckoned once for each kind of amount that is asked for."""

    def __init__(self, record: Part) -> None:
        """Keep the order."""
        self._record = record
        self._rates: dict[Dimension, Fraction] = {}

    def made_in(self, length: Amount, most: Amount) -> Fraction:
        """Return what they make in a time, in the kind of a limit."""
        wanted = most.makes(length, -1)
        if wanted not in self._rates:
            steps = [step for step in self._record.get("steps", ()) if step.get("role") == "basal"]
            self._rates[wanted] = sum((self._rate(step, wanted) for step in steps), Fraction(0))
        return self._rates[wanted] * length.base

    def _rate(self, step: Part, wanted: Dimension) -> Fraction:
        for dosing in step.get("dosings", ()):
            quantity = dosing.get("rate", dosing.get("rate_range", {}).get("high"))
            if quantity is not None:
                for _, rate in as_kind(self._record, quantity, wanted):
                    return rate.base
        return Fraction(0)


def counts_findings(record: Part) -> Iterator[Issue]:
    """Yield what does not add up in the demands of an administration."""
    counts = record.get("demand_counts")
    if counts is None:
        return
    served, delivered, given = counts.get("deliveries"), counts.get("delivered"), record.get("dose_given")
    if served is not None and served > counts.get("attempts", served):
        said = f"{served} demands were served of {counts['attempts']} made"
        yield finding("demand_counts", said, "demand-counts")
    held, whole = amount(delivered), amount(given)
    if held is None or delivered is None:
        return
    if served is not None and bool(served) != bool(held.base):
        said = f"{served} demands were served, and {stated(delivered)} delivered by them"
        yield finding("demand_counts.delivered", said, "demand-counts")
    found = list(as_kind(record, delivered, whole.dimension)) if whole is not None else []
    if found and given is not None and whole is not None:
        beyond = [made for _, made in found if made.base > whole.base and differ(made.base, whole.base)]
        if len(beyond) == len(found):
            said = f"demands alone delivered {stated(delivered)}; in all {stated(given)} were given"
            yield finding("demand_counts.delivered", said, "demand-counts")


def demands_of_order(order: Part, record: Part) -> Iterator[Issue]:
    """Yield where what demands delivered is not the deliveries times the demand dose of the order."""
    counts = record.get("demand_counts", {})
    served, delivered = counts.get("deliveries"), amount(counts.get("delivered"))
    demands = [
        step["patient_control"]["demand_dose"]
        for step in order.get("steps", ())
        if "demand_dose" in step.get("patient_control", {})
    ]
    if not served or delivered is None or len(demands) != 1:
        return
    found = list(as_kind(record, demands[0], delivered.dimension))
    if found and all(differ(made.base * served, delivered.base) for _, made in found):
        _, made = found[0]
        makes = shown(Amount(made.base * served, made.dimension, ""), counts["delivered"]["unit"])
        how = f"{served} deliveries of {stated(demands[0])}, the demand dose ordered, make {makes}"
        said = f"{how}; delivered is {stated(counts['delivered'])}"
        yield finding("demand_counts.delivered", said, "demand-deliveries")
