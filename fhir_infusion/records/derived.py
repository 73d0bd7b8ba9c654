"""What follows from the numbers of a record, so that words which say it contradict nothing.

The volume rate of a drug rate, the dose by weight, what a step runs, the total of a day, of a cycle or of all steps.
Worked out only for a text whose number the record does not hold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fhir_infusion.records.amounts import Amount, Dimension, amount, longest, of, ratio
from fhir_infusion.records.conversions import absolute, dose_of, rate_of, sizes
from fhir_infusion.records.findings import (
    VOLUME_RATE,
    concentration,
    ingredient_concentration,
    occasions,
    per_day,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Part = Mapping[str, Any]
Derived = Mapping[Dimension, Sequence[Fraction]]
"""Numbers in base units by what they are an amount of, in ascending order."""

_OF_TITRATION = ("start", "step", "floor", "ceiling")
_OF_DOSING = ("dose", "rate")
_OF_RANGES = ("dose_range", "rate_range")
_OF_STEP = ("max_rate", "max_per_administration")


def derived(record: Part) -> Derived:
    """Return all that follows from the numbers of a record."""
    found: dict[Dimension, set[Fraction]] = {}
    for made in _all(record):
        found.setdefault(made.dimension, set()).add(made.base)
    return {dimension: sorted(numbers) for dimension, numbers in found.items()}


def follows(numbers: Derived, said: Amount, rounding: Fraction) -> bool:
    """Return whether an amount is one of those that follow, rounded as it is written."""
    alike = numbers.get(said.dimension, ())
    at = bisect_left(alike, said.base - rounding)
    return at < len(alike) and alike[at] <= said.base + rounding


def _all(record: Part) -> Iterator[Amount]:
    strength = concentration(record)
    bodies = [size for unit in ("kg", "m2") for _, held in sizes(record, unit) if (size := of(held, unit))]
    yield from bodies
    yield from _of_preparation(record.get("preparation", {}))
    parts = record.get("steps", ()) or (record,)
    runs: list[Amount] = []
    for part in parts:
        lengths = [length for length in (longest(part.get("timing", {}).get("duration")),) if length is not None]
        counts = _counts(part.get("timing", {}))
        for made in _through([a for quantity in _quantities(part) for _, a in absolute(record, quantity)], strength):
            yield made
            yield from (Amount(made.base * count, made.dimension, "") for count in counts)
            yield from (made.times(by, power) for by in lengths if by.base for power in (1, -1))
            yield from (made.times(body, -1) for body in bodies if body.base)
        runs += _runs(part, lengths)
        total = amount(record.get("preparation", {}).get("total_volume"))
        yield from (total.times(by, -1) for by in lengths if total is not None and by.base)
    yield from _sums(parts, runs, strength)


def _through(made: Iterable[Amount], strength: Amount | None) -> Iterator[Amount]:
    for one in made:
        yield one
        if strength is not None and strength.base:
            yield one.times(strength)
            yield one.times(strength, -1)


def _quantities(part: Part) -> Iterator[Part]:
    """Yield the doses, rates and limits of a step or an administration."""
    for dosing in (*part.get("dosings", ()), *part.get("segments", ())):
        yield from (dosing[name] for name in _OF_DOSING if name in dosing)
        yield from (end for name in _OF_RANGES for end in dosing.get(name, {}).values() if isinstance(end, dict))
    yield from (part[name] for name in _OF_STEP if name in part)
    yield from (part["titration"][name] for name in _OF_TITRATION if name in part.get("titration", {}))
    yield from (part[name] for name in ("dose_given", "volume_given") if name in part)
    if "demand_dose" in part.get("patient_control", {}):
        yield part["patient_control"]["demand_dose"]


def _counts(timing: Part) -> set[Fraction]:
    """Return the numbers of times that a dose may be totalled over: in all, in a cycle, in a day."""
    found = {Fraction(occasions(timing)), Fraction(timing.get("count_max", 1)), per_day(timing) or Fraction(1)}
    bounds = amount(timing.get("bounds_length"))
    if bounds is not None and bounds.dimension == (("s", 1),):
        found |= {often * bounds.base / 86_400 for often in (per_day(timing),) if often}
    return found - {Fraction(1)}


def _runs(part: Part, lengths: Sequence[Amount]) -> Iterator[Amount]:
    for dosing in part.get("dosings", ()):
        rate = rate_of(dosing)
        if rate is not None and rate.dimension == VOLUME_RATE:
            yield from (rate.times(length) for length in lengths)
            return


def _sums(parts: Sequence[Part], runs: Sequence[Amount], strength: Amount | None) -> Iterator[Amount]:
    """Yield what all steps make together, in volume and in dose, each once and as often as it is given."""
    doses = [(held, part) for part in parts if (held := amount(dose_of(part.get("dosings", ()), {}))) is not None]
    for amounts in (
        runs,
        [held for held, _ in doses],
        [Amount(held.base * occasions(part.get("timing", {})), held.dimension, "") for held, part in doses],
    ):
        if len({held.dimension for held in amounts}) == 1:
            whole = Amount(sum((held.base for held in amounts), Fraction(0)), amounts[0].dimension, "")
            yield from _through([whole], strength)


def _of_preparation(preparation: Part) -> Iterator[Amount]:
    total = amount(preparation.get("total_volume"))
    final = ratio(preparation.get("final_concentration"))
    if final is not None:
        yield final
    drugs: dict[Dimension, Fraction] = {}
    for ingredient in preparation.get("ingredients", ()):
        found = ingredient_concentration(preparation, ingredient)
        if found is not None:
            yield found
            drugs[found.dimension] = drugs.get(found.dimension, Fraction(0)) + found.base
            if total is not None:
                yield found.times(total)
    for dimension, base in drugs.items():
        whole = Amount(base, dimension, "")
        yield whole
        if total is not None:
            yield whole.times(total)
