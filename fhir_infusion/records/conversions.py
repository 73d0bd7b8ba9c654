"""What a dose or a rate is in another unit: for this patient, through this preparation, over this time.

An amount per kg becomes one by the patient's weight, a drug rate a volume rate by the concentration, and back.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import (
    LEAST_STEP,
    Amount,
    Dimension,
    amount,
    differ,
    half_digit,
    of,
    per_body,
    ratio,
    stated,
)
from fhir_infusion.records.findings import (
    VOLUME,
    VOLUME_RATE,
    active_ingredients,
    concentration,
    ingredient_concentration,
    measured,
    weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MASS: Final = (("g", 1),)
NOTHING: Final = Fraction(0)
THROUGH: Final = " of this preparation"


def rate_of(dosing: Mapping[str, Any]) -> Amount | None:
    """Return the rate of a dosing or segment."""
    rate = amount(dosing.get("rate"))
    return ratio(dosing.get("rate_ratio")) if rate is None else rate


def rate_in_words(dosing: Mapping[str, Any]) -> str:
    """Return the rate of a dosing or segment that has one, as it is written."""
    if amount(dosing.get("rate")) is not None:
        return stated(dosing["rate"])
    return f"{stated(dosing['rate_ratio']['numerator'])} per {stated(dosing['rate_ratio']['denominator'])}"


def pump_step(quantity: Mapping[str, Any] | None) -> Fraction:
    """Return how far a volume rate may be off because a pump takes no more digits, per second in base units."""
    held = amount(quantity)
    if quantity is None or held is None or held.dimension != VOLUME_RATE:
        return NOTHING
    return min(half_digit(quantity["value"], quantity["unit"]), LEAST_STEP)


def dose_of(dosings: Sequence[Mapping[str, Any]], beside: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the dose that a rate belongs to: its own, else the calculated one, else any; never one per kg or m2."""
    others = [dosing for dosing in dosings if "dose" in dosing]
    others.sort(key=lambda dosing: (dosing is not beside, dosing.get("basis") != "calculated"))
    for dosing in others:
        dose: Mapping[str, Any] = dosing["dose"]
        if amount(dose) is not None and per_body(dose["unit"]) is None:
            return dose
    return None


def for_this_body(record: Mapping[str, Any], quantity: Mapping[str, Any]) -> Iterator[tuple[str, Amount]]:
    """Yield what an amount per kg or per square metre makes for each size of this patient that it may mean."""
    per, rest = per_body(quantity["unit"]) or ("", "")
    absolute = of(quantity["value"], rest) if rest else None
    if absolute is not None:
        for said, size in sizes(record, per):
            yield f"{stated(quantity)} at {said}", Amount(absolute.base * size, absolute.dimension, rest)


def sizes(record: Mapping[str, Any], per: str) -> Iterator[tuple[str, Fraction]]:
    """Yield the patient's weights in kg or body surface in square metres, as stated and as a number."""
    if per == "kg":
        for kind, value, held in weights(record):
            size = units.convert(held.base, "g", "kg") if held.dimension == MASS else None
            if size is not None:
                yield f"{stated(value)} ({kind.replace('-', ' ')})", size
        return
    surface = measured(record, "body-surface-area")
    if surface is not None and surface[1].dimension == (("m", 2),):
        yield stated(surface[0]), surface[1].base


def absolute(record: Mapping[str, Any], quantity: Mapping[str, Any]) -> Iterator[tuple[str, Amount]]:
    """Yield what a quantity is for this patient, in words: itself, where it is not per kg or square metre."""
    held = amount(quantity)
    if held is None:
        return
    if per_body(quantity["unit"]) is None:
        yield stated(quantity), held
    else:
        yield from for_this_body(record, quantity)


def as_kind(
    record: Mapping[str, Any], quantity: Mapping[str, Any], wanted: Dimension, per: Amount | None = None
) -> Iterator[tuple[str, Amount]]:
    """Yield what a quantity (``per`` a time: a rate) may be for this patient as an amount of another kind, in words."""
    for how, size in absolute(record, quantity):
        made = size.times(per, -1) if per is not None else size
        if made.dimension == wanted:
            yield how, made
            continue
        strength = concentration(record)
        if strength is None or not strength.base:
            continue
        for power in (1, -1):
            if made.makes(strength, power) == wanted:
                yield f"{how}{THROUGH}", made.times(strength, power)


def runs(
    record: Mapping[str, Any], dosing: Mapping[str, Any], length: Amount, wanted: Dimension
) -> Iterator[tuple[str, str, Amount, Fraction]]:
    """Yield what the rate of a dosing or segment makes in a time, as an amount of the wanted kind.

    In words, what it is reckoned through, the amount, and how far it may be off because of the steps of a pump.
    """
    rounding = pump_step(dosing.get("rate")) * length.base
    rate = amount(dosing.get("rate"))
    per = ratio(dosing.get("rate_ratio")) if rate is None else None
    rates = absolute(record, dosing["rate"]) if rate is not None else ((rate_in_words(dosing), per),) if per else ()
    for how, found in rates:
        made = found.times(length)
        if made.dimension == wanted:
            yield how, "", made, rounding
            continue
        strength = concentration(record)
        if strength is None or not strength.base:
            continue
        for power in (1, -1):
            if made.makes(strength, power) == wanted:
                yield how, THROUGH, made.times(strength, power), rounding * strength.base**power


def is_of_a_part(record: Mapping[str, Any], whole: Fraction, part: Fraction, dimension: Dimension) -> bool:
    """Return whether one amount is of the mixture and the other of one ingredient, such as 10 mL of vitamins in 510 mL.

    Of drugs in one bag either may be meant: the dose of piperacillin beside a rate of piperacillin with tazobactam.
    """
    preparation = record.get("preparation", {})
    drugs = _concentrations(preparation, active_ingredients(preparation), dimension)
    total = sum(drugs, NOTHING)
    if dimension == VOLUME:
        shares = (*_concentrations(preparation, preparation.get("ingredients", ()), dimension), total)
        return any(not differ(whole * share, part) for share in shares)
    return len(drugs) > 1 and any(
        not differ(whole * drug, part * total) or not differ(whole * total, part * drug) for drug in drugs
    )


def _concentrations(
    preparation: Mapping[str, Any], ingredients: Sequence[Mapping[str, Any]], dimension: Dimension
) -> list[Fraction]:
    """Return how much of each ingredient is in a volume, of those whose amount has this dimension."""
    found = (ingredient_concentration(preparation, entry) for entry in ingredients)
    return [held.base for held in found if held is not None and held.makes(_ONE_VOLUME) == dimension]


_ONE_VOLUME: Final = Amount(Fraction(1), VOLUME, "")
