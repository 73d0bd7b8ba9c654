"""Findings on the bag: what is in it, and whether the steps run what it holds.

A bag may hold more than is given: one that is changed by the clock, one that a bolus is taken from, one whose dose is
said to be a part. More than it holds never runs out of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, differ, of, ratio, shown, span, stated
from fhir_infusion.records.conversions import NOTHING, dose_of, is_pump_step, rate_in_words, rate_of
from fhir_infusion.records.equality import key_of
from fhir_infusion.records.findings import (
    VOLUME,
    VOLUME_RATE,
    active_ingredients,
    concentration,
    finding,
    ingredient_concentration,
    per_day,
)

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]
Members = Sequence[tuple[int, Part]]

_BY_DEMAND: Final = frozenset({"demand", "basal"})
_BY_THE_CLOCK: Final = frozenset({"continuous", "pca"})
_FROM_THE_BAG: Final = frozenset({"bolus", "loading"})
_DAY: Final = Fraction(86_400)
_SLIP: Final = 10
_WITHIN: Final = frozenset({"duration", "times_of_day"})


def bag_findings(record: Part) -> Iterator[Issue]:
    """Yield where the steps of one occasion run more than the bag holds, or less and nothing says why."""
    total = record.get("preparation", {}).get("total_volume")
    holds = amount(total)
    if total is None or holds is None or holds.dimension != VOLUME:
        return
    steps: Sequence[Part] = record.get("steps", ())
    runs = _Runs([_volume(step) for step in steps])
    for members in occasions_of(steps):
        yield from _bag(record, members, runs, total, holds)
    for position, step in enumerate(steps):
        if step.get("role") not in _BY_DEMAND:
            yield from _lowest(step, total, holds, f"steps[{position}]")
    yield from _dose_of_bag(record, steps, holds)


@dataclass
class _Runs:
    """What each step runs in all, where that is known."""

    of: Sequence[Amount | None]

    @cached_property
    def together(self) -> Fraction | None:
        """Return what all of them run, nothing where of one it is not known."""
        known = [run.base for run in self.of if run is not None]
        return sum(known, NOTHING) if len(known) == len(self.of) else None


def _lowest(step: Part, total: Part, holds: Amount, path: str) -> Iterator[Issue]:
    """Of a range of rates the lowest, for the shortest time, is not to run more than the bag holds either."""
    lasts = step.get("timing", {}).get("duration", {})
    time = of(lasts["value"], lasts["unit"]) if {"value", "unit"} <= lasts.keys() else None
    for dosing in step.get("dosings", ()) if time is not None else ():
        low = dosing.get("rate_range", {}).get("low")
        rate = amount(low)
        if time is None or low is None or rate is None or rate.dimension != VOLUME_RATE:
            continue
        makes = rate.times(time)
        if makes.base > holds.base and differ(makes.base, holds.base):
            said = f"the lowest rate, {stated(low)}, for {stated(lasts)} makes {shown(makes, total['unit'])}"
            yield finding(path, f"{said}; the preparation holds {stated(total)}", "rate-duration-volume")


def _dose_of_bag(record: Part, steps: Sequence[Part], holds: Amount) -> Iterator[Issue]:
    """A bag that is to run in a stated time at a rate that is not stated runs empty: it holds the dose, not ten."""
    strength = concentration(record)
    if strength is None or record.get("infusion_type") == "pca":
        return
    bag = holds.times(strength)
    doses = [(at, dose) for at, step in enumerate(steps) if (dose := dose_of(step.get("dosings", ()), {})) is not None]
    given = [held.base for _, dose in doses if (held := amount(dose)) is not None and held.dimension == bag.dimension]
    ramped = any(step.get("role") == "ramp" for step in steps)
    if not given or len(given) < len(doses) or not all(_empties(step, ramped=ramped) for step in steps):
        return
    if bag.base >= _SLIP * sum(given, NOTHING) > 0:
        at, dose = doses[0]
        reason = f"the dose is {stated(dose)}; the preparation holds {shown(bag, dose['unit'])}"
        yield finding(f"steps[{at}]", reason, "dose-of-bag")


def _empties(step: Part, *, ramped: bool) -> bool:
    """Return whether a step runs for a stated time, and how much of the bag that is no rate says but one of a ramp."""
    if step.get("role") in _BY_DEMAND:
        return False
    rates = any(rate_of(dosing) is not None or "rate_range" in dosing for dosing in step.get("dosings", ()))
    return step.get("role") == "ramp" if rates else ramped or "duration" in step.get("timing", {})


def occasions_of(steps: Sequence[Part]) -> list[list[tuple[int, Part]]]:
    """Return the steps that run from one bag together: same timing but for how long and at what time of day.

    Weeks 0, 2 and 6, then every 8 weeks, are two occasions with a bag each; the steps of a ramp are one.
    """
    if len(steps) == 1:
        return [[(0, steps[0])]] if steps[0].get("role") not in _BY_DEMAND else []
    found: dict[Hashable, list[tuple[int, Part]]] = {}
    for position, step in enumerate(steps):
        if step.get("role") in _BY_DEMAND:
            continue
        timing = {name: value for name, value in step.get("timing", {}).items() if name not in _WITHIN}
        found.setdefault(key_of(timing), []).append((position, step))
    return list(found.values())


def _bag(record: Part, members: Members, runs: _Runs, total: Part, holds: Amount) -> Iterator[Issue]:
    known = [(step, run) for position, step in members if (run := runs.of[position]) is not None]
    makes = Amount(sum((run.base for _, run in known), NOTHING), VOLUME, "")
    if not known or not differ(makes.base, holds.base):
        return
    if len(known) == 1 and is_pump_step(_pump(known[0][0]), makes.base, holds.base):
        return
    if makes.base < holds.base:
        sequences = {step.get("sequence", position) for position, step in members}
        whole = len(known) == len(members) == len(sequences)
        if not whole or _is_a_part(record, members, runs, holds):
            return
    path = f"steps[{members[0][0]}]" if len(members) == 1 else "steps"
    if len(known) == 1:
        said = f"{rate_in_words(_pump(known[0][0]))} for {stated(known[0][0]['timing']['duration'])} makes"
    else:
        said = f"the steps run {' + '.join(shown(run, total['unit']) for _, run in known)}, which makes"
    reason = f"{said} {shown(makes, total['unit'])}; the preparation holds {stated(total)}"
    yield finding(path, reason, "rate-duration-volume")


def _is_a_part(record: Part, members: Members, runs: _Runs, holds: Amount) -> bool:
    """Return whether the order says that these steps are not to empty the bag."""
    steps: Sequence[Part] = record.get("steps", ())
    if record.get("infusion_type") in _BY_THE_CLOCK or any(_runs_without_a_break(step) for _, step in members):
        return True
    if all(_makes_the_dose(record, step, runs.of[position]) for position, step in members):
        return True
    if len(members) == len(steps):
        return False
    if all(step.get("role") in _FROM_THE_BAG for _, step in members) and runs.together is None:
        return True  # the rest runs afterwards, for as long as it takes
    return runs.together is not None and not differ(runs.together, holds.base)


def _runs_without_a_break(step: Part) -> bool:
    """A day or longer, or as long as the period: the bag is changed by the clock."""
    timing = step.get("timing", {})
    duration = span(timing.get("duration"))
    return duration is not None and duration.base * max(per_day(timing) or 0, Fraction(1)) >= _DAY


def _makes_the_dose(record: Part, step: Part, run: Amount | None) -> bool:
    dose = dose_of(step.get("dosings", ()), {})
    held = amount(dose)
    if run is None or held is None:
        return False
    if held.dimension == VOLUME:
        return not differ(run.base, held.base)
    strength = concentration(record)
    return (
        strength is not None
        and run.makes(strength) == held.dimension
        and not differ(run.base * strength.base, held.base)
    )


def _pump(step: Part) -> Part:
    """Return the dosing of a step that says its volume rate."""
    return next(
        dosing for dosing in step["dosings"] if (rate := rate_of(dosing)) is not None and rate.dimension == VOLUME_RATE
    )


def _volume(step: Part) -> Amount | None:
    duration = span(step.get("timing", {}).get("duration"))
    for dosing in step.get("dosings", ()) if duration is not None else ():
        rate = rate_of(dosing)
        if duration is not None and rate is not None and rate.dimension == VOLUME_RATE:
            return rate.times(duration)
    return None


def preparation_findings(preparation: Part) -> Iterator[Issue]:
    """Yield what does not add up in the bag itself."""
    if not preparation:
        return
    total = amount(preparation.get("total_volume"))
    if total is not None and total.dimension == VOLUME and total.base:
        yield from _filled(preparation, total)
    final = ratio(preparation.get("final_concentration"))
    if final is not None:
        yield from _final(preparation, final)


def _filled(preparation: Part, total: Amount) -> Iterator[Issue]:
    """The volumes of the ingredients are not more than the bag holds, and make it full where nothing is filled up."""
    ingredients = preparation.get("ingredients", ())
    volumes = [(entry, held) for entry in ingredients if (held := _volume_in(entry, total)) is not None]
    if not volumes:
        return
    makes = Amount(sum((held for _, held in volumes), NOTHING), VOLUME, "")
    if not differ(makes.base, total.base) or (makes.base < total.base and len(volumes) < len(ingredients)):
        return
    unit = preparation["total_volume"]["unit"]
    parts = [shown(Amount(held, VOLUME, ""), unit) for _, held in volumes]
    said = f"the ingredients, {' + '.join(parts)}, make" if len(parts) > 1 else "the ingredient makes"
    holds = f"the preparation holds {stated(preparation['total_volume'])}"
    reason = f"{said} {shown(makes, unit)}; {holds}"
    if makes.base < total.base:
        reason += ", and nothing fills it up"
    yield finding("preparation.total_volume", reason, "ingredient-volumes")


def _volume_in(ingredient: Part, total: Amount) -> Fraction | None:
    """Return how much of the bag an ingredient is, where its amount is a volume."""
    held = amount(ingredient.get("amount"))
    if held is not None:
        return held.base if held.dimension == VOLUME else None
    strength = ingredient.get("strength", {})
    top = amount(strength.get("numerator"))
    share = ratio(strength) if top is not None and top.dimension == VOLUME else None
    return share.base * total.base if share is not None and not share.dimension else None


def _final(preparation: Part, final: Amount) -> Iterator[Issue]:
    """The final concentration is that of the one drug, or of several vials of it, or of any of several drugs."""
    made = [
        (entry, found)
        for entry in active_ingredients(preparation)
        if (found := ingredient_concentration(preparation, entry)) is not None
    ]
    if not made or any(found.dimension != final.dimension for _, found in made):
        return
    whole = made[0][1] if len(made) == 1 else _sum(made, final)
    if not differ(whole.base, final.base) or any(not differ(found.base, final.base) for _, found in made):
        return
    said = " + ".join(_in_words(preparation, entry) for entry, _ in made)
    top, bottom = preparation["final_concentration"]["numerator"], preparation["final_concentration"]["denominator"]
    per = of(bottom["value"], bottom["unit"])
    makes = f"{shown(whole.times(per), top['unit'])} per {stated(bottom)}" if per is not None else ""
    reason = f"{said} makes {makes}; the final concentration is {stated(top)} per {stated(bottom)}"
    yield finding("preparation.final_concentration", reason, "final-concentration")


def _sum(made: Sequence[tuple[Part, Amount]], final: Amount) -> Amount:
    return Amount(sum((found.base for _, found in made), NOTHING), final.dimension, "")


def _in_words(preparation: Part, ingredient: Part) -> str:
    if "strength" in ingredient:
        strength = ingredient["strength"]
        return f"{stated(strength['numerator'])} per {stated(strength['denominator'])}"
    return f"{stated(ingredient['amount'])} in {stated(preparation['total_volume'])}"
