"""Whether a quantity is beyond a limit, said in words with both numbers.

A limit of the same kind is exact. One of another kind (mL/h beside ug/kg/min) is reckoned through the patient's weight
and the concentration; that may be off by the steps of a pump, and counts only where every way of reckoning says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import Amount, Dimension, amount, exceeds, is_by_same, per_body, shown, stated
from fhir_infusion.records.conversions import TIME, as_kind, for_this_body

Part = Mapping[str, Any]

ROUNDED: Final = Fraction(101, 100)
"""What is reckoned through a weight or a concentration may be beyond a limit by the steps of a pump."""


def are_alike(quantity: Part, other: Part) -> bool:
    """Return whether two quantities can be compared as they are: mg/kg with g/kg, not with mg, nor with a count."""
    held, against = amount(quantity), amount(other)
    if held is None or against is None or held.dimension != against.dimension:
        return False
    return bool(held.dimension) or is_by_same(quantity["unit"], other["unit"])


def kind_of(quantity: Part, held: Amount) -> tuple[Dimension, str]:
    """Return what two quantities that are alike have in common; ``held`` is what the quantity amounts to."""
    per = per_body(quantity["unit"]) if not held.dimension else None
    return held.dimension, per[0] if per else ""


def above(record: Part, what: str, quantity: Part | None, limit: Part | None) -> str:
    """Return the sentence that a quantity is above a limit, else nothing."""
    return _beyond(record, what, quantity, limit, over=True)


def below(record: Part, what: str, quantity: Part | None, limit: Part | None) -> str:
    """Return the sentence that a quantity is below a limit, else nothing."""
    return _beyond(record, what, quantity, limit, over=False)


def _beyond(record: Part, what: str, quantity: Part | None, limit: Part | None, *, over: bool) -> str:
    held, bound = amount(quantity), amount(limit)
    if quantity is None or limit is None or held is None or bound is None:
        return ""
    side = "above the limit of" if over else "below the least of"
    if are_alike(quantity, limit):
        passed = exceeds(held.base, bound.base) if over else exceeds(bound.base, held.base)
        return f"{what} is {stated(quantity)}, {side} {stated(limit)}" if passed else ""
    pairs = in_kind_of(record, quantity, limit)
    if not pairs or not all(is_beyond(made, edge, over=over) for _, made, edge in pairs):
        return ""
    how, made, edge = pairs[0]
    return f"{what}, {how}, makes {shown(made, edge.code)}, {side} {stated(limit)}"


def is_beyond(made: Amount, edge: Amount, *, over: bool) -> bool:
    """Return whether a reckoned amount is beyond a limit by more than the steps of a pump."""
    more, less = (made, edge) if over else (edge, made)
    return exceeds(more.base, less.base) and exceeds(more.base, less.base * ROUNDED)


def in_kind_of(
    record: Part, quantity: Part, limit: Part, per: Amount | None = None
) -> list[tuple[str, Amount, Amount]]:
    """Return each way in which a quantity (``per`` a time: a rate) is of a limit's kind: in words, and both amounts."""
    bound = amount(limit)
    if bound is None:
        return []
    edges = [bound] if per_body(limit["unit"]) is None else [edge for _, edge in for_this_body(record, limit)]
    return [(how, made, edge) for edge in edges for how, made in as_kind(record, quantity, edge.dimension, per)]


def beyond_in(record: Part, quantity: Part, limit: Part, time: Fraction) -> tuple[str, Amount] | None:
    """Return what a rate makes in so many seconds, where it is more than a limit; in words what it is reckoned by."""
    rate, bound = amount(quantity), amount(limit)
    if rate is None or bound is None or not time:
        return None
    made = rate.times(Amount(time, TIME, ""))
    if made.dimension == bound.dimension and is_by_same(quantity["unit"], limit["unit"]):
        return (stated(quantity), made) if exceeds(made.base, bound.base) else None
    pairs = in_kind_of(record, quantity, limit, Amount(1 / time, (("s", -1),), ""))
    if not pairs or not all(is_beyond(made, edge, over=True) for _, made, edge in pairs):
        return None
    return pairs[0][0], Amount(pairs[0][1].base, pairs[0][1].dimension, pairs[0][2].code)
