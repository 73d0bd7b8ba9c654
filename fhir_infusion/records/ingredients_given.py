"""How much of each ingredient of a mixture was given: its strength times the volume given.

Some systems (Oracle Health among them) chart an infusion as the volume that ran in, and its mixture with the strength
of each ingredient; what the patient got of each is then a calculation. It is derived, so it is shown and never stored,
and no record and no resource holds it. All arithmetic is exact. What cannot be computed is told with the reason, and
nothing is assumed in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import amount, decimal_of, stated
from fhir_infusion.records.findings import VOLUME
from fhir_infusion.records.number import spelling_of
from fhir_infusion.records.statuses import NOT_GIVEN

if TYPE_CHECKING:
    from fhir_infusion.records.amounts import Amount

Part = Mapping[str, Any]

_MOST_VOLUME: Final = Fraction(1, 10)
"""100 L in cubic metres, more than a day of haemofiltration: ``ML`` is UCUM's megalitre, and hardly ever meant."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given of one ingredient. ``path`` is its place in the record, ``how`` the sum in words.

    ``exact`` tells whether the number is the very one, or was rounded because it has no end.
    """

    path: str
    drug: str
    value: int | Decimal
    unit: str
    exact: bool
    how: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be computed: the place in the record, the drug where it is one ingredient, and why."""

    path: str
    drug: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngredientsGiven:
    """What was computed, and what was not."""

    amounts: tuple[Given, ...] = ()
    unknown: tuple[Unknown, ...] = ()


def ingredients_given(administration: Part) -> IngredientsGiven:
    """Return what was given of each ingredient of an administration (one that ``check(…, as_sent=True)`` takes)."""
    if administration.get("status") in NOT_GIVEN:
        return _nothing("status", f"the status is {administration['status']}: nothing counts as given")
    ingredients = administration.get("preparation", {}).get("ingredients", ())
    if not ingredients:
        return _nothing("preparation", "no ingredients are stated in the administration")
    volume = _volume(administration)
    if isinstance(volume, Unknown):
        return IngredientsGiven(unknown=(volume,))
    found = [_given(f"preparation.ingredients[{at}]", one, volume) for at, one in enumerate(ingredients)]
    return IngredientsGiven(
        tuple(one for one in found if isinstance(one, Given)), tuple(one for one in found if isinstance(one, Unknown))
    )


def as_json(found: IngredientsGiven) -> dict[str, Any]:
    """Return what is told of it in JSON; an ingredient without a name in words has no ``drug``."""
    return {
        "amounts": [
            {
                "path": one.path,
                **_named(one.drug),
                "amount": {"value": one.value, "unit": one.unit},
                "exact": one.exact,
                "how": one.how,
            }
            for one in found.amounts
        ],
        "not_computed": [{"path": one.path, **_named(one.drug), "reason": one.reason} for one in found.unknown],
    }


def in_words(found: IngredientsGiven) -> list[str]:
    """Return a line for each ingredient: the sum, or why there is none."""
    return [
        *(f"{_title(one.drug, one.path)}: {one.how}" for one in found.amounts),
        *(f"{_title(one.drug, one.path)}: not computed: {one.reason}" for one in found.unknown),
    ]


def _named(drug: str) -> dict[str, str]:
    return {"drug": drug} if drug else {}


def _title(drug: str, path: str) -> str:
    return f"{drug} ({path})" if drug else path


def _nothing(path: str, reason: str) -> IngredientsGiven:
    return IngredientsGiven(unknown=(Unknown(path, "", reason),))


def _volume(administration: Part) -> Part | Unknown:
    """Return the volume given: the dose where that is a volume, or else the volume in all; never one of two."""
    held: dict[str, Part] = {
        name: administration[name] for name in ("dose_given", "volume_given") if name in administration
    }
    if not held:
        return Unknown("dose_given", "", "neither a dose nor a volume given is stated")
    told = {name: _amount(quantity) for name, quantity in held.items()}
    volumes = {name: one for name, one in told.items() if not isinstance(one, str) and one.dimension == VOLUME}
    if len({one.base for one in volumes.values()}) > 1:
        both = " and ".join(stated(held[name]) for name in volumes)
        return Unknown("volume_given", "", f"two volumes are stated, {both}, and they are not the same")
    for name, volume in volumes.items():
        too_much = _too_much(volume, held[name])
        return Unknown(name, "", too_much) if too_much else held[name]
    name, one = next(iter(told.items()))
    reason = one if isinstance(one, str) else f"{stated(held[name])} is not a volume, and no volume given is stated"
    return Unknown(name, "", reason)


def _given(path: str, ingredient: Part, volume: Part) -> Given | Unknown:
    """Numerator x volume / denominator, in the unit of the numerator."""
    drug = _drug(ingredient)
    strength = ingredient.get("strength")
    if strength is None:
        return Unknown(path, drug, "no strength per volume is stated")
    for name in ("numerator", "denominator"):
        if isinstance(told := _amount(strength.get(name, {})), str):
            return Unknown(f"{path}.strength.{name}", drug, told)
    top, bottom, ran = (amount(each) for each in (strength["numerator"], strength["denominator"], volume))
    assert top is not None  # noqa: S101  asked above
    assert bottom is not None  # noqa: S101  asked above
    assert ran is not None  # noqa: S101  asked by _volume
    per = stated(strength["denominator"])
    if bottom.dimension != VOLUME:
        return Unknown(f"{path}.strength.denominator", drug, f"the strength is per {per}, which is not a volume")
    if too_much := _too_much(bottom, strength["denominator"]):
        return Unknown(f"{path}.strength.denominator", drug, too_much)
    if not bottom.base:
        return Unknown(f"{path}.strength.denominator", drug, f"the strength is per {per}: nothing is per zero")
    unit = strength["numerator"]["unit"]
    factor = (units.parse(unit) or units.ONE).factor
    value, exact = decimal_of(top.base * ran.base / bottom.base / factor)
    makes = f"{'' if exact else 'about '}{spelling_of(value)} {unit}"
    how = f"{stated(strength['numerator'])} per {per} x {stated(volume)} = {makes}"
    return Given(path, drug, value, unit, exact, how)


def _drug(ingredient: Part) -> str:
    """Return the name of an ingredient in words: its text, or else the first display."""
    for holder in (ingredient.get("drug", {}), ingredient.get("reference", {})):
        displays = [coding["display"] for coding in holder.get("codings", ()) if "display" in coding]
        name: str = holder.get("text") or holder.get("display") or next(iter(displays), "")
        if name:
            return name
    return ""


def _amount(quantity: Part) -> Amount | str:
    """Return what a quantity amounts to, or why it cannot be computed with."""
    found = amount(quantity)
    if found is not None:
        return found
    if "value" not in quantity:
        return "it has no value"
    if "comparator" in quantity:
        return "it is a bound, not an amount"
    return "its unit is not a UCUM code, and a unit is never guessed"


def _too_much(volume: Amount, quantity: Part) -> str:
    """Return what speaks against a volume, or the empty string."""
    if volume.base <= _MOST_VOLUME:
        return ""
    return f"{stated(quantity)} is more than an infusion can be: the unit may not be the one that was meant"
