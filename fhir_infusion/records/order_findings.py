"""Findings in an order: volume and time, dose and body, limits, patient-controlled analgesia, the bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, differ, per_body, ratio, shown, span, stated
from fhir_infusion.records.body_findings import body_findings, for_this_body, surface_findings
from fhir_infusion.records.equality import same
from fhir_infusion.records.findings import (
    VOLUME,
    VOLUME_RATE,
    active_ingredients,
    concentration,
    finding,
    ingredient_concentration,
)
from fhir_infusion.records.limit_findings import limit_findings

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_BY_DEMAND: Final = frozenset({"demand", "basal"})


def order_findings(record: Part) -> Iterator[Issue]:
    """Yield the findings in an order."""
    steps = record.get("steps", ())
    for position, step in enumerate(steps):
        path = f"steps[{position}]"
        yield from _rate_and_time(step, path)
        yield from _rates_agree(record, step, path)
        yield from body_findings(record, step, path)
        yield from _zero(record, step, path)
    yield from limit_findings(record)
    yield from surface_findings(record)
    yield from _bag_and_steps(record)
    yield from preparation_findings(record.get("preparation", {}))


def rate_of(dosing: Part) -> tuple[Amount, str] | None:
    """Return the rate of a dosing or segment and how it is written."""
    rate = _rate(dosing)
    return None if rate is None else (rate, _in_words(dosing))


def _rate(dosing: Part) -> Amount | None:
    rate = amount(dosing.get("rate"))
    return ratio(dosing.get("rate_ratio")) if rate is None else rate


def _in_words(dosing: Part) -> str:
    """Return the rate of a dosing that has one, in words."""
    if amount(dosing.get("rate")) is not None:
        return stated(dosing["rate"])
    return f"{stated(dosing['rate_ratio']['numerator'])} per {stated(dosing['rate_ratio']['denominator'])}"


def _rate_and_time(step: Part, path: str) -> Iterator[Issue]:
    """Rate x duration is the dose, where both are amounts of the same thing."""
    duration = span(step.get("timing", {}).get("duration"))
    if duration is None:
        return
    for at, dosing in enumerate(step.get("dosings", ())):
        rate, dose = _rate(dosing), amount(dosing.get("dose"))
        if rate is None or dose is None or rate.makes(duration) != dose.dimension:
            continue
        makes = rate.times(duration)
        if differ(makes.base, dose.base):
            told = f"{_in_words(dosing)} for {_length(step)} makes {shown(makes, dosing['dose']['unit'])}"
            said = f"{told}; the dose is {stated(dosing['dose'])}"
            yield finding(f"{path}.dosings[{at}]", said, "rate-duration-dose")


def _length(step: Part) -> str:
    return stated(step["timing"]["duration"])


def _bag_and_steps(record: Part) -> Iterator[Issue]:
    """What the steps of one occasion run is what the bag holds: never more; not less where all say how long."""
    total = record.get("preparation", {}).get("total_volume")
    holds = amount(total)
    if total is None or holds is None or holds.dimension != VOLUME:
        return
    for steps in _occasions(record.get("steps", ())):
        yield from _bag(steps, total, holds)


def _occasions(steps: Sequence[Part]) -> list[list[tuple[int, Part]]]:
    """Return the steps that run from one bag together: same timing but for how long and at what time of day.

    Weeks 0, 2 and 6, then every 8 weeks, are two occasions with a bag each; the steps of a ramp are one.
    """
    found: list[tuple[Part, list[tuple[int, Part]]]] = []
    for position, step in enumerate(steps):
        if step.get("role") in _BY_DEMAND:
            continue
        timing = {name: value for name, value in step.get("timing", {}).items() if name not in _WITHIN}
        for other, members in found:
            if same(other, timing):
                members.append((position, step))
                break
        else:
            found.append((timing, [(position, step)]))
    return [members for _, members in found]


_WITHIN: Final = frozenset({"duration", "times_of_day"})


def _bag(members: list[tuple[int, Part]], total: Part, holds: Amount) -> Iterator[Issue]:
    runs = [_volume(step) for _, step in members]
    known = [run for run in runs if run is not None]
    makes = known[0] if len(known) == 1 else Amount(sum((run.base for run in known), Fraction(0)), VOLUME, "")
    sequences = {step.get("sequence", position) for position, step in members}
    whole = len(known) == len(runs) and len(sequences) == len(members)
    if not known or not differ(makes.base, holds.base) or not (whole or makes.base > holds.base):
        return
    position, step = members[0]
    if len(members) == 1:
        rates = (found for dosing in step["dosings"] if (found := rate_of(dosing)))
        rate = next(found for found in rates if found[0].dimension == VOLUME_RATE)
        said = f"{rate[1]} for {_length(step)} makes {shown(makes, total['unit'])}"
    else:
        said = f"the rates and durations of the steps make {shown(makes, total['unit'])}"
    path = f"steps[{position}]" if len(members) == 1 else "steps"
    yield finding(path, f"{said}; the preparation holds {stated(total)}", "rate-duration-volume")


def _volume(step: Part) -> Amount | None:
    duration = span(step.get("timing", {}).get("duration"))
    for dosing in step.get("dosings", ()) if duration is not None else ():
        rate = _rate(dosing)
        if duration is not None and rate is not None and rate.dimension == VOLUME_RATE:
            return rate.times(duration)
    return None


def _rates_agree(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """Concentration x volume rate is the dose rate, where both are stated; a dose rate per kg through the weight."""
    rates = [(at, dosing, found) for at, dosing in enumerate(step.get("dosings", ())) if (found := _rate(dosing))]
    volumes = [entry for entry in rates if entry[2].dimension == VOLUME_RATE] if len(rates) > 1 else []
    strength = concentration(record) if volumes else None
    if strength is None:
        return
    for _, pump, volume_rate in volumes:
        makes = volume_rate.times(strength)
        for at, dosing, _ in rates:
            if dosing is pump or {pump.get("basis"), dosing.get("basis")} == {"ordered", "calculated"}:
                continue  # an ordered and a calculated rate are judged by body_findings
            stands = [entry for entry in _dose_rates(record, dosing) if entry[1].dimension == makes.dimension]
            if stands and all(differ(makes.base, rate.base) for _, rate, _ in stands):
                said, _, code = stands[0]
                place = f"{path}.dosings[{at}].{'rate' if 'rate' in dosing else 'rate_ratio'}"
                reason = f"{_in_words(pump)} of this preparation makes {shown(makes, code)}; the rate is {said}"
                yield finding(place, reason, "concentration-rate")


def _dose_rates(record: Part, dosing: Part) -> Iterator[tuple[str, Amount, str]]:
    """Yield what a rate may be for this patient: in words, as an amount, and the unit to show it in."""
    rate = rate_of(dosing)
    if rate is None:
        return
    if "rate" not in dosing:
        per = dosing["rate_ratio"]
        yield rate[1], rate[0], f"{per['numerator']['unit']}/{per['denominator']['unit']}"
    elif per_body(dosing["rate"]["unit"]) is None:
        yield rate[1], rate[0], dosing["rate"]["unit"]
    else:
        yield from ((how, made, made.code) for how, made in for_this_body(record, dosing["rate"]))


def _zero(record: Part, step: Part, path: str) -> Iterator[Issue]:
    if record["status"] not in {"active", "completed"}:
        return
    for at, dosing in enumerate(step.get("dosings", ())):
        if dosing.get("dose", {}).get("value") == 0:
            yield finding(f"{path}.dosings[{at}].dose", "a dose of 0 is ordered", "zero-dose", "more than zero")


def preparation_findings(preparation: Part) -> Iterator[Issue]:
    """Yield what does not add up in the bag itself."""
    total = amount(preparation.get("total_volume"))
    if total is None:
        return
    yield from _filled(preparation, total)
    final, active = ratio(preparation.get("final_concentration")), active_ingredients(preparation)
    if final is None or len(active) != 1 or "amount" not in active[0]:
        return
    made = ingredient_concentration(preparation, active[0])
    if made is not None and made.dimension == final.dimension and differ(made.base, final.base):
        held = f"{stated(active[0]['amount'])} in {stated(preparation['total_volume'])}"
        top, bottom = preparation["final_concentration"]["numerator"], preparation["final_concentration"]["denominator"]
        said = f"{held} is not {stated(top)} per {stated(bottom)}, the final concentration"
        yield finding("preparation.final_concentration", said, "final-concentration")


def _filled(preparation: Part, total: Amount) -> Iterator[Issue]:
    """The volumes of the ingredients are not more than the bag holds, and make it full where nothing is filled up."""
    ingredients = preparation.get("ingredients", ())
    volumes = [held for entry in ingredients if (held := amount(entry.get("amount"))) and held.dimension == VOLUME]
    if not volumes:
        return
    makes = Amount(sum((held.base for held in volumes), Fraction(0)), VOLUME, "")
    if makes.base > total.base and differ(makes.base, total.base):
        whole = preparation["total_volume"]
        said = f"the ingredients make {shown(makes, whole['unit'])}; the preparation holds {stated(whole)}"
        yield finding("preparation.total_volume", said, "ingredient-volumes")
