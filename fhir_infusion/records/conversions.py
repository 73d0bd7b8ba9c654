"""What a dose or a rate is in another unit: for this patient, through this preparation, over this time.

An amount per kg becomes one by the patient's weight, a drug rate a volume rate by the concentration, and back.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import (
    LEAST_STEP,
    Amount,
    Dimension,
    amount,
    decimal_of,
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
from fhir_infusion.records.number import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MASS: Final = (("g", 1),)
TIME: Final = (("s", 1),)
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


def as_rate(dosing: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the rate of a dosing as one quantity: of a range the highest, of 1000 mL per 8 h 125 mL/h."""
    if "rate" in dosing or "rate_range" in dosing:
        found: Mapping[str, Any] | None = dosing.get("rate", dosing.get("rate_range", {}).get("high"))
        return found
    parts = dosing.get("rate_ratio", {})
    top, bottom = amount(parts.get("numerator")), amount(parts.get("denominator"))
    if top is None or bottom is None or bottom.dimension != TIME or not bottom.base:
        return None
    rate = Fraction(parts["numerator"]["value"]) / Fraction(parts["denominator"]["value"])
    value, is_exact = decimal_of(rate)
    if not is_exact:
        value = plain(_NOT_ABOVE.divide(Decimal(rate.numerator), Decimal(rate.denominator)))
    return {"value": value, "unit": f"{top.code}/{bottom.code}"}


_NOT_ABOVE: Final = Context(prec=12, rounding=ROUND_DOWN)
"""2000 mL per 3 h is 666.666666666 mL/h: in 3 h no more than 2000 mL, for a limit has no tolerance."""


def is_pump_step(dosing: Mapping[str, Any], makes: Fraction, other: Fraction) -> bool:
    """Return whether what a volume rate makes is off by no more than the digits that a pump takes of the rate."""
    rate = amount(dosing.get("rate"))
    if rate is None or rate.dimension != VOLUME_RATE or not rate.base:
        return False
    step = min(half_digit(dosing["rate"]["value"], dosing["rate"]["unit"]), LEAST_STEP)
    return abs(makes - other) * rate.base <= makes * step


def dose_of(dosings: Sequence[Mapping[str, Any]], beside: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the dose that a rate belongs to: its own, else the calculated one, else any; never one per kg or m2."""
    found: Mapping[str, Any] | None = None
    for dosing in dosings:
        dose = dosing.get("dose")
        if dose is None or amount(dose) is None or per_body(dose["unit"]) is not None:
            continue
        if dosing is beside:
            own: Mapping[str, Any] = dose
            return own
        if found is None or dosing.get("basis") == "calculated":
            found = dose
    return found


def for_this_body(record: Mapping[str, Any], quantity: Mapping[str, Any]) -> Iterator[tuple[str, Amount]]:
    """Yield what an amount per kg or per square metre makes for each size of this patient that it may mean."""
    for said, made in _by_size(record, quantity):
        yield f"{stated(quantity)}{said}", made


def _by_size(record: Mapping[str, Any], quantity: Mapping[str, Any]) -> Iterator[tuple[str, Amount]]:
    per, rest = per_body(quantity["unit"]) or ("", "")
    absolute = of(quantity["value"], rest) if rest else None
    if absolute is not None:
        for said, size in sizes(record, per):
            yield f" at {said}", Amount(absolute.base * size, absolute.dimension, rest)


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
        found = through_volume(record, made, wanted)
        if found is not None:
            yield f"{how}{THROUGH}", found


def contradiction(
    record: Mapping[str, Any], dosing: Mapping[str, Any], length: Amount, held: Amount, *, through: bool = True
) -> tuple[str, str, Amount] | None:
    """Return what the rate of a dosing or segment makes in a time, where that is not an amount beside it.

    In words the rate, what it is reckoned through, and the amount. Both may be of the mixture or of one ingredient,
    and a rate may be rounded to what a pump takes; each way of reckoning (``through`` the concentration, too) has to
    contradict.
    """
    first = None
    for body, rate in _rates(record, dosing):
        made, how = rate.times(length), ""
        if made.dimension != held.dimension:
            found = through_volume(record, made, held.dimension) if through else None
            if found is None:
                continue
            made, how = found, THROUGH
        if (
            not differ(made.base, held.base)
            or is_pump_step(dosing, made.base, held.base)
            or is_of_a_part(record, made.base, held.base, held.dimension)
        ):
            return None
        first = first or (body, how, made)
    return (f"{rate_in_words(dosing)}{first[0]}", *first[1:]) if first is not None else None


def _rates(record: Mapping[str, Any], dosing: Mapping[str, Any]) -> Iterable[tuple[str, Amount]]:
    """Return what a rate is for this patient, with the size of the patient in words where it is per kg or m2."""
    rate = rate_of(dosing)
    if rate is None:
        return ()
    return (("", rate),) if per_body(rate.code) is None else _by_size(record, dosing["rate"])


def through_volume(record: Mapping[str, Any], made: Amount, wanted: Dimension) -> Amount | None:
    """Return an amount of drug as a volume of this preparation, or a volume as an amount of drug."""
    strength = concentration(record)
    if strength is None or not strength.base:
        return None
    power = 1 if made.dimension in {VOLUME, VOLUME_RATE} else -1
    return made.times(strength, power) if made.makes(strength, power) == wanted else None


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
