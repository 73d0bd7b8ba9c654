"""Findings in an order: volume and time, dose and body, limits, patient-controlled analgesia, the bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fhir_infusion.records.amounts import Amount, amount, differ, least, longest, per_body, shown, stated
from fhir_infusion.records.bag_findings import bag_findings, preparation_findings
from fhir_infusion.records.body_findings import (
    body_findings,
    measurement_findings,
    surface_findings,
    twice_findings,
)
from fhir_infusion.records.conversions import (
    contradiction,
    dose_of,
    for_this_body,
    is_pump_step,
    rate_in_words,
    rate_of,
)
from fhir_infusion.records.crowds import with_few_doses, with_few_measurements
from fhir_infusion.records.findings import VOLUME_RATE, concentration, finding
from fhir_infusion.records.limit_findings import limit_findings

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]


def order_findings(record: Part) -> Iterator[Issue]:
    """Yield the findings in an order."""
    whole, record = record, with_few_measurements(record)
    bag = tuple(bag_findings(record))
    for position, full in enumerate(record.get("steps", ())):
        path, step = f"steps[{position}]", with_few_doses(full)
        yield from _rate_and_time(record, step, path, through=not bag)
        if len(step.get("dosings", ())) > 1:
            yield from _rates_agree(record, step, path)
            yield from body_findings(record, step, path)
            yield from twice_findings(step, path)
        yield from _zero(record, full, path)
    yield from limit_findings(record)
    yield from measurement_findings(whole)
    yield from surface_findings(record)
    yield from bag
    yield from preparation_findings(record.get("preparation", {}))


def _rate_and_time(record: Part, step: Part, path: str, *, through: bool) -> Iterator[Issue]:
    """Rate x duration is the dose; ``through`` the concentration too, where the bag was found to hold what runs.

    Of a range of rates, or of durations, the least makes no more than the dose, and the most no less.
    """
    timing = step.get("timing", {}).get("duration")
    shortest, lasts = least(timing), longest(timing)
    if timing is None or shortest is None or lasts is None:
        return
    dosings = step.get("dosings", ())
    for at, dosing in enumerate(dosings):
        low, high = _least_and_most(dosing)
        dose = dose_of(dosings, dosing) if low is not None or high is not None else None
        held = amount(dose)
        if held is None or dose is None:
            continue
        found = contradiction(record, low, shortest, held, through=through) if low is not None else None
        most = None
        if low is not high or "max" in timing:
            most = contradiction(record, high, lasts, held, through=through) if high is not None else None
            found = found if found is not None and found[2].base > held.base else None
            found = most if most is not None and most[2].base < held.base else found
        if found is not None:
            how, of, makes = found
            told = f"{how} for {_lasting(timing, most=found is most)}{of} makes {shown(makes, dose['unit'])}"
            yield finding(f"{path}.dosings[{at}]", f"{told}; the dose is {stated(dose)}", "rate-duration-dose")
            return


def _least_and_most(dosing: Part) -> tuple[Part | None, Part | None]:
    """Return the rate of a dosing as it is, or the two ends of a range as a rate each."""
    if "rate" in dosing or "rate_ratio" in dosing:
        return dosing, dosing
    limits = dosing.get("rate_range", {})
    low, high = ({"rate": limits[end]} if end in limits else None for end in ("low", "high"))
    return low, high


def _lasting(timing: Part, *, most: bool) -> str:
    return stated({"value": timing["max"], "unit": timing["unit"]} if most and "max" in timing else timing)


def _rates_agree(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """Concentration x volume rate is the dose rate, where both are stated; a dose rate per kg through the weight."""
    rates = [(at, dosing, found) for at, dosing in enumerate(step.get("dosings", ())) if (found := rate_of(dosing))]
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
            if stands and all(
                differ(makes.base, rate.base) and not is_pump_step(pump, makes.base, rate.base) for _, rate, _ in stands
            ):
                said, _, code = stands[0]
                place = f"{path}.dosings[{at}].{'rate' if 'rate' in dosing else 'rate_ratio'}"
                reason = f"{rate_in_words(pump)} of this preparation makes {shown(makes, code)}; the rate is {said}"
                yield finding(place, reason, "concentration-rate")


def _dose_rates(record: Part, dosing: Part) -> Iterator[tuple[str, Amount, str]]:
    """Yield what a rate may be for this patient: in words, as an amount, and the unit to show it in."""
    rate = rate_of(dosing)
    if rate is None:
        return
    if "rate" not in dosing:
        per = dosing["rate_ratio"]
        yield rate_in_words(dosing), rate, f"{per['numerator']['unit']}/{per['denominator']['unit']}"
    elif per_body(dosing["rate"]["unit"]) is None:
        yield rate_in_words(dosing), rate, dosing["rate"]["unit"]
    else:
        yield from ((how, made, made.code) for how, made in for_this_body(record, dosing["rate"]))


def _zero(record: Part, step: Part, path: str) -> Iterator[Issue]:
    if record["status"] not in {"active", "completed"}:
        return
    for at, dosing in enumerate(step.get("dosings", ())):
        if dosing.get("dose", {}).get("value") == 0:
            yield finding(f"{path}.dosings[{at}].dose", "a dose of 0 is ordered", "zero-dose", "more than zero")
