"""Findings on a titration: its start, floor, ceiling and step, the rates beside it, and the largest rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, exceeds, shown, stated
from fhir_infusion.records.comparisons import ROUNDED, above, are_alike, below, in_kind_of
from fhir_infusion.records.findings import finding

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_SLIP: Final = 10
"""How many times one number is another where a point or a prefix of the unit was set wrong."""


def titration_findings(record: Part, step: Part, path: str, rates: Iterator[tuple[str, Part]]) -> Iterator[Issue]:
    """Yield what lies outside the window of a titration, and a step that is wider than it."""
    titration = step["titration"]
    floor, ceiling = titration.get("floor"), titration.get("ceiling")
    place = f"{path}.titration"
    known = list(rates)
    yield from _slip(titration.get("start"), known, f"{place}.start")
    if floor is None and ceiling is None:
        return
    for name in ("start", "floor"):
        said = above(record, f"the {name} of the titration", titration.get(name), ceiling)
        if said:
            yield finding(f"{place}.{name}", said, "titration")
    said = below(record, "the start of the titration", titration.get("start"), floor)
    if said:
        yield finding(f"{place}.start", said, "titration")
    said = above(record, "the ceiling of the titration", ceiling, step.get("max_rate"))
    if said:
        yield finding(f"{place}.ceiling", said, "max-rate")
    for where, quantity in known:
        said = above(record, "the rate", quantity, ceiling) or below(record, "the rate", quantity, floor)
        if said:
            yield finding(f"{path}.{where}", said, "titration")
            break
    yield from _wide_step(record, titration, place)


def _slip(start: Part | None, rates: Sequence[tuple[str, Part]], place: str) -> Iterator[Issue]:
    """A rate may have been changed since the start, but hardly ten times: that is a slip of the point or the unit."""
    alike = [quantity for _, quantity in rates if start is not None and are_alike(quantity, start)]
    first = amount(start)
    held = [rate for quantity in alike if (rate := amount(quantity)) is not None and rate.base]
    if first is None or not first.base or not held:
        return
    if all(max(rate.base, first.base) >= _SLIP * min(rate.base, first.base) for rate in held) and start is not None:
        said = f"the start of the titration is {stated(start)}; the rate is {stated(alike[0])}"
        yield finding(place, said, "titration")


def _wide_step(record: Part, titration: Part, place: str) -> Iterator[Issue]:
    """One step is not more than the window from the floor, or the start, to the ceiling."""
    step, ceiling = titration.get("step"), titration.get("ceiling")
    name = "floor" if "floor" in titration else "start"
    low = titration.get(name)
    if step is None or low is None or ceiling is None:
        return
    wide, least = _reckoned(record, step, ceiling), _reckoned(record, low, ceiling)
    if wide is None or least is None or wide[2].dimension != least[2].dimension:
        return
    window = Amount(least[2].base - least[1].base, least[2].dimension, "")
    if window.base > 0 and exceeds(wide[1].base, window.base * ROUNDED):
        unit = wide[2].code
        makes = "" if wide[0] == stated(step) else f", which makes {shown(wide[1], unit)}"
        whole = f"from {stated(low)}, the {name}, to {stated(ceiling)} it is {shown(window, unit)}"
        yield finding(f"{place}.step", f"one step is {wide[0]}{makes}; {whole}", "titration")


def _reckoned(record: Part, quantity: Part, ceiling: Part) -> tuple[str, Amount, Amount] | None:
    """Return a quantity and the ceiling in one kind, where there is one way to reckon it."""
    held, high = amount(quantity), amount(ceiling)
    if held is not None and high is not None and are_alike(quantity, ceiling):
        return stated(quantity), held, high
    found = in_kind_of(record, quantity, ceiling)
    return found[0] if len(found) == 1 else None
