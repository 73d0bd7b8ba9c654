"""The rules of quantities, ranges and ratios, by where they stand.

What a quantity may be depends on its role: a dose has no comparator, a rate is per time, a length of time has a unit
of time. ``ROLES`` says the role of every quantity in a record, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.fields import table
from fhir_infusion.records.rates import is_rate
from fhir_infusion.records.rules import Broken, Part, Place, Rule, Rules, breaks_fhir, breaks_rule
from fhir_infusion.records.unit_slips import instead, meant
from fhir_infusion.records.unit_words import contradict

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("Timing", "bounds_length"): "time",
        ("Timing", "bounds_range"): "any",
        ("Dosing", "dose"): "amount",
        ("Dosing", "dose_range"): "amount",
        ("Dosing", "rate"): "rate",
        ("Dosing", "rate_range"): "rates",
        ("Dosing", "rate_as_stated"): "not-rate",
        ("PeriodLimit", "numerator"): "measure",
        ("PeriodLimit", "denominator"): "any",
        ("Titration", "start"): "rates",
        ("Titration", "step"): "change",
        ("Titration", "interval"): "time",
        ("Titration", "goal_range"): "any",
        ("Titration", "floor"): "rates",
        ("Titration", "ceiling"): "rates",
        ("PatientControl", "demand_dose"): "amount",
        ("PatientControl", "lockout"): "time",
        ("PatientControl", "max_demands_period"): "time",
        ("Step", "minimum_duration"): "time",
        ("Step", "minimum_gap"): "time",
        ("Step", "max_per_administration"): "amount",
        ("Step", "max_per_lifetime"): "amount",
        ("Step", "max_rate"): "rates",
        ("InitialFill", "quantity"): "amount",
        ("InitialFill", "duration"): "time",
        ("Dispense", "interval"): "time",
        ("Dispense", "quantity"): "amount",
        ("Dispense", "supply"): "time",
        ("Observation", "duration"): "time",
        ("Segment", "rate"): "rate",
        ("Segment", "rate_as_stated"): "not-rate",
        ("Segment", "dose"): "amount",
        ("Segment", "volume"): "amount",
        ("Waste", "amount"): "amount",
        ("Extravasation", "volume"): "amount",
        ("DemandCounts", "delivered"): "amount",
        ("Administration", "dose_given"): "amount",
        ("Administration", "dose_total"): "amount",
        ("Administration", "volume_given"): "amount",
        ("Administration", "infuse_over"): "length",
        ("Measurement", "value"): "measure",
        ("Ingredient", "amount"): "amount",
        ("Preparation", "total_volume"): "amount",
    }
)
"""The role of each quantity or range by its place. Ratios have none: their two quantities obey the rules of Ratio."""

Find = Callable[[Part, Place], Iterator[Broken]]
"""Finds the faults of one quantity; the place is that of the quantity."""

_SIMPLE: Final = "a plain amount without a comparator"


def _not_negative(quantity: Part, at: Place) -> Iterator[Broken]:
    if quantity.get("value", 0) < 0:
        yield breaks_rule((*at, "value"), "a negative amount cannot be given", "zero or more", "not-negative", "value")


def _no_comparator(quantity: Part, at: Place) -> Iterator[Broken]:
    if "comparator" in quantity:
        yield breaks_fhir((*at, "comparator"), "a comparator is not allowed here", _SIMPLE, "sqty-1")


def _amount(quantity: Part, at: Place) -> Iterator[Broken]:
    yield from _no_comparator(quantity, at)
    yield from _not_negative(quantity, at)


def _rate(quantity: Part, at: Place) -> Iterator[Broken]:
    yield from _amount(quantity, at)
    unit = quantity.get("unit")
    # Of a unit that is none there is nothing else to say.
    if not is_rate(quantity) and (unit is None or "unit_system" in quantity or units.is_ucum(unit)):
        accepted = "a unit per time such as mL/h, or the field rate_as_stated"
        yield breaks_rule(
            (*at, "unit"), "the unit of a rate is not per time", accepted, "rate-per-time", "code-invalid"
        )


def _rates(quantity: Part, at: Place) -> Iterator[Broken]:
    yield from _not_negative(quantity, at)
    yield from _change(quantity, at)


def _change(quantity: Part, at: Place) -> Iterator[Broken]:
    if quantity.keys() & {"unit", "unit_text"} and not is_rate(quantity):
        accepted = "a unit per time such as mL/h"
        yield breaks_rule(
            (*at, "unit"), "the unit of a rate is not per time", accepted, "rate-per-time", "code-invalid"
        )


def _not_rate(quantity: Part, at: Place) -> Iterator[Broken]:
    yield from _no_comparator(quantity, at)
    if is_rate(quantity):
        reason = "rate_as_stated holds only what is not per time"
        yield breaks_rule((*at, "unit"), reason, "the field rate", "rate-per-time", "code-invalid")


def _time(quantity: Part, at: Place) -> Iterator[Broken]:
    if "value" not in quantity and "unit_system" not in quantity:
        return
    unit = quantity.get("unit")
    if (
        "unit_system" in quantity
        or ("value" in quantity and unit is None)
        or (unit is not None and not units.is_time(unit))
    ):
        accepted = "a UCUM unit of time: s, min, h, d, wk, mo, a"
        yield breaks_fhir((*at, "unit"), "a length of time needs a unit of time", accepted, "drt-1")


def _own_time(quantity: Part, at: Place) -> Iterator[Broken]:
    if quantity.get("value", 0) < 0:
        yield breaks_rule(
            (*at, "value"), "a length of time cannot be negative", "zero or more", "not-negative", "value"
        )


def _length(quantity: Part, at: Place) -> Iterator[Broken]:
    """A length of time that others send as any Quantity."""
    yield from _time(quantity, at)
    yield from _own_time(quantity, at)


_BY_ROLE: Final[Mapping[str, tuple[Find | None, Find | None]]] = MappingProxyType(
    {
        # role: (asked of every record, asked of our own JSON besides)
        "amount": (_amount, None),
        "rate": (_rate, None),
        "rates": (_no_comparator, _rates),
        "change": (_no_comparator, _change),
        "not-rate": (_not_rate, None),
        "time": (_time, _own_time),
        "length": (None, _length),
        "measure": (None, _not_negative),
        "any": (None, None),
    }
)


def _is_plain(quantity: Part) -> bool:
    return "comparator" not in quantity and quantity.get("value", 0) >= 0


def _is_plain_rate(quantity: Part) -> bool:
    return "comparator" not in quantity and quantity.get("value", 0) >= 0 and is_rate(quantity)


def _is_plain_time(quantity: Part) -> bool:
    return "unit_system" not in quantity and quantity.get("value", 0) >= 0 and quantity.get("unit") in _TIMES


_TIMES: Final = frozenset({"s", "min", "h", "d", "wk", "mo", "a"})

_QUICK_BY_ROLE: Final = MappingProxyType(
    {
        "amount": "is_plain",
        "measure": "is_plain",
        "rate": "is_plain_rate",
        "rates": "is_plain_rate",
        "change": "is_plain_rate",
        "time": "is_plain_time",
        "length": "is_plain_time",
    }
)


def role_rules(type_name: str) -> tuple[Rule, ...]:
    """Return the rules of the quantities that stand directly in a record type, each in its role."""
    rules = []
    for (owner, name), role in ROLES.items():
        held = table()[owner][name].type
        quick = f"{name!r} not in part"
        if held == "Quantity" and role in _QUICK_BY_ROLE:
            quick += f" or {_QUICK_BY_ROLE[role]}(part[{name!r}])"
        for own in (False, True):
            find = _BY_ROLE[role][own]
            if owner == type_name and find is not None:
                rules.append(Rule((name,), _in_role(name, held, find), own, quick))
    return tuple(rules)


def _in_role(name: str, held: str, find: Find) -> Callable[[Part], Iterator[Broken]]:
    def find_in(part: Part) -> Iterator[Broken]:
        value = part.get(name, {})
        if held == "Quantity":
            if value:
                yield from find(value, (name,))
        else:
            for limit in value:
                yield from find(value[limit], (name, limit))

    return find_in


_HIDDEN: Final = frozenset(
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\ufeff"
)


def hides(text: str) -> bool:
    """Return whether text holds zero-width or direction-changing characters, which make it read as what it is not."""
    return not text.isascii() and not _HIDDEN.isdisjoint(text)


def _quantity(part: Part) -> Iterator[Broken]:
    unit, system = part.get("unit"), part.get("unit_system")
    if unit is not None and system == units.UCUM:
        yield breaks_fhir(("unit_system",), "UCUM is implied", "unit_system left out", "ucum-implied", "structure")
    for name in ("unit", "unit_text"):
        if name in part and hides(part[name]):
            yield breaks_rule((name,), "the unit holds invisible characters", "visible characters", "hidden", "value")


_SLIP: Final = "to UCUM, which tells upper from lower case, the unit is another than infusions are measured in"


def own_unit(part: Part) -> Iterator[Broken]:
    """Yield what is wrong with the unit of a quantity by itself, or with its words beside it."""
    unit = part.get("unit")
    if unit is None or "unit_system" in part:
        return
    if not units.is_ucum(unit):
        accepted = units.REPAIRS.get(unit) or instead(unit) or "a UCUM code, or unit_text alone where there is none"
        yield breaks_rule(("unit",), "the unit is not a UCUM code", accepted, "ucum", "code-invalid")
        return
    other = meant(unit)
    if other is not None:
        yield breaks_rule(("unit",), _SLIP, other, "unit-case", "code-invalid")
    if "unit_text" in part and contradict(unit, part["unit_text"]):
        reason = "the unit in words means something else than the unit's code"
        yield breaks_rule(("unit_text",), reason, "text that means the code, or none", "unit-text", "code-invalid")


def _range(part: Part) -> Iterator[Broken]:
    low, high = part.get("low", {}), part.get("high", {})
    for name in ("low", "high"):
        if "comparator" in part.get(name, {}):
            yield breaks_fhir((name, "comparator"), "a comparator is not allowed here", _SIMPLE, "sqty-1")
    if "value" in low and "value" in high and is_above(low, high):
        yield breaks_fhir((), "low is above high", "low at most high", "rng-2")


def is_above(low: Part, high: Part) -> bool:
    """Return whether one of two quantities with a value is certainly above the other."""
    if _unit(low) == _unit(high):
        return bool(low["value"] > high["value"])
    if "unit_system" in low or "unit_system" in high or not {"unit"} <= low.keys() & high.keys():
        return False
    return units.is_more(low["value"], low["unit"], high["value"], high["unit"])


def _unit(quantity: Part) -> tuple[Any, ...]:
    return (
        quantity.get("unit"),
        quantity.get("unit_system"),
        quantity.get("unit_text") if "unit" not in quantity else None,
    )


def _ratio(part: Part) -> Iterator[Broken]:
    if ("numerator" in part) != ("denominator" in part):
        yield breaks_fhir((), "a ratio needs both its parts", "numerator and denominator", "rat-1")


def _own_ratio(part: Part) -> Iterator[Broken]:
    yield from _not_negative(part.get("numerator", {}), ("numerator",))
    denominator = part.get("denominator", {})
    if denominator.get("value", 1) <= 0:
        yield breaks_rule(
            ("denominator", "value"), "nothing can be per zero or less", "more than zero", "per-zero", "value"
        )
    yield from _no_comparator(denominator, ("denominator",))


@lru_cache(maxsize=4096)
def _is_fine_unit(unit: str | None, text: str | None) -> bool:
    if unit is not None and (not units.is_ucum(unit) or hides(unit) or meant(unit) is not None):
        return False
    return text is None or not (hides(text) or (unit is not None and contradict(unit, text)))


_FINE_UNIT: Final = "'unit_system' not in part and is_fine_unit(part.get('unit'), part.get('unit_text'))"
_RATIO: Final = "'numerator' in part and 'denominator' in part"
_RATIO_PARTS: Final = ("numerator", "denominator")
_PLAIN_PARTS: Final = "is_plain(part['numerator']) and is_plain(part['denominator'])"
_OWN_RATIO: Final = f"{_RATIO} and {_PLAIN_PARTS} and part['denominator'].get('value', 1) > 0"
_RATIO_RULES: Final = (
    Rule(_RATIO_PARTS, _ratio, quick=_RATIO),
    Rule(_RATIO_PARTS, _own_ratio, own=True, quick=_OWN_RATIO),
)


QUANTITY_RULES: Final[Rules] = MappingProxyType(
    {
        "Quantity": (
            Rule(("unit", "unit_system", "unit_text"), _quantity, quick=_FINE_UNIT),
            Rule(("unit", "unit_text"), own_unit, own=True, quick=_FINE_UNIT),
        ),
        "Range": (Rule(("low", "high"), _range),),
        "Ratio": _RATIO_RULES,
        "PeriodLimit": _RATIO_RULES,
    }
)

QUANTITY_QUICK: Final[Mapping[str, object]] = MappingProxyType(
    {
        "is_plain": _is_plain,
        "is_plain_rate": _is_plain_rate,
        "is_plain_time": _is_plain_time,
        "is_fine_unit": _is_fine_unit,
    }
)
"""The names that the ``quick`` expressions of these rules use."""
