"""How a finding is told, and the numbers that several findings look for in a record."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.records.amounts import Amount, amount, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VOLUME: Final = (("m", 3),)
VOLUME_RATE: Final = (("m", 3), ("s", -1))


def finding(path: str, reason: str, rule: str, accepted: str = "", *, informs: bool = False) -> Issue:
    """Return a warning, a refusal (422) only where the settings say so, or what ``informs`` and never refuses."""
    if informs:
        return Issue("information", "informational", path, reason, accepted, rule, BREAKS_RULE)
    return Issue("warning", "business-rule", path, reason, accepted, rule, BREAKS_RULE)


def concentration(record: Mapping[str, Any]) -> Amount | None:
    """Return drug per volume of the preparation, where there is one drug and one answer."""
    preparation = record.get("preparation", {})
    final = ratio(preparation.get("final_concentration"))
    if final is not None:
        return final
    active = active_ingredients(preparation)
    return ingredient_concentration(preparation, active[0]) if len(active) == 1 else None


def ingredient_concentration(preparation: Mapping[str, Any], ingredient: Mapping[str, Any]) -> Amount | None:
    """Return an ingredient's amount per volume: as its strength says, else over the preparation's volume."""
    if "strength" in ingredient:
        return ratio(ingredient["strength"])
    total, held = amount(preparation.get("total_volume")), amount(ingredient.get("amount"))
    return held.times(total, -1) if held and total and total.base else None


def active_ingredients(preparation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the ingredients that a dose can be a dose of: not the base solution, nothing said to be inactive."""
    return [
        ingredient
        for ingredient in preparation.get("ingredients", ())
        if ingredient.get("role", "active") == "active"
        and ingredient.get("is_active") is not False
        and not ingredient.get("quantity_sufficient")
    ]


def weights(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Amount]]:
    """Yield the weights that a dose per kg may mean: the dosing weight alone where it is stated."""
    found = [
        (measurement["kind"], value, held)
        for measurement in record.get("measurements", ())
        if measurement.get("kind", "").endswith("-weight")
        and (value := used(measurement)) is not None
        and (held := amount(value)) is not None
    ]
    dosing = [entry for entry in found if entry[0] == "dosing-weight"]
    yield from dosing or found


def measured(record: Mapping[str, Any], *kinds: str) -> tuple[Mapping[str, Any], Amount] | None:
    """Return the first measurement of these kinds that can be computed with."""
    for kind in kinds:
        for measurement in record.get("measurements", ()):
            value = used(measurement) if measurement.get("kind") == kind else None
            held = amount(value)
            if value is not None and held is not None:
                return value, held
    return None


def used(measurement: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what doses are calculated with: the value that a measurement was counted as, else the value measured."""
    value: Mapping[str, Any] | None = measurement.get("value_used", measurement.get("value"))
    return value


def named_by(record: Mapping[str, Any], dosing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record with only the measurements that a dosing names, where it names what it was calculated from."""
    kinds = dosing.get("calculated_from")
    if not kinds:
        return record
    return {**record, "measurements": [one for one in record.get("measurements", ()) if one.get("kind") in kinds]}


def occasions(timing: Mapping[str, Any]) -> int:
    """Return on how many occasions a step is given in all, or in a cycle; 1 where the timing does not say."""
    named = max(len(timing.get(name, ())) for name in ("events", "days_of_cycle", "weeks"))
    return int(timing.get("count", named or 1))


def per_day(timing: Mapping[str, Any]) -> Fraction | None:
    """Return how often a day at most, where frequency and period say so."""
    if not timing.get("period") or "period_unit" not in timing:
        return None
    days = DAYS[timing["period_unit"]] * Fraction(timing["period"])
    return Fraction(timing.get("frequency_max", timing.get("frequency", 1))) / days


DAYS: Final[Mapping[str, Fraction]] = {
    "s": Fraction(1, 86_400),
    "min": Fraction(1, 1440),
    "h": Fraction(1, 24),
    "d": Fraction(1),
    "wk": Fraction(7),
    "mo": Fraction(487, 16),
    "a": Fraction(1461, 4),
}
