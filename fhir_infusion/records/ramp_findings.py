"""Findings on ramps and tapers: a ramp rises to its largest rate, and no taper runs faster than the plateau."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fhir_infusion.records.amounts import Amount, Dimension, amount, differ, span, stated
from fhir_infusion.records.bag_findings import occasions_of
from fhir_infusion.records.comparisons import are_alike, in_kind_of, kind_of
from fhir_infusion.records.findings import finding

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]
Rate = tuple[int, int, Part, Amount]
"""Position of the step, position of the dosing, the rate as stated, and as an amount."""


def ramp_findings(record: Part) -> Iterator[Issue]:
    """Yield where the steps of one occasion that are to rise fall, or a taper is faster than what it leads to."""
    steps: Sequence[Part] = record.get("steps", ())
    if not any(step.get("role") in {"ramp", "taper"} for step in steps):
        return
    for members in occasions_of(steps):
        ordered = sorted(members, key=lambda member: member[1].get("sequence", member[0]))
        if len({step.get("sequence", position) for position, step in ordered}) != len(ordered):
            continue  # steps that run together are alternatives
        rates = [(step, _rate(position, step)) for position, step in ordered]
        ramp = [(step, rate) for step, rate in rates if step.get("role") == "ramp"]
        yield from _rises([rate for _, rate in ramp if rate is not None])
        if len(ramp) > 1:
            yield from _reaches(record, *ramp[-1])
        yield from _tapers([(step, rate) for step, rate in rates if rate is not None])


def _rate(position: int, step: Part) -> Rate | None:
    for at, dosing in enumerate(step.get("dosings", ())):
        held = amount(dosing.get("rate"))
        if held is not None:
            return position, at, dosing["rate"], held
    return None


def _rises(ramp: Sequence[Rate]) -> Iterator[Issue]:
    for before, after in pairwise(ramp):
        if are_alike(before[2], after[2]) and after[3].base < before[3].base:
            said = f"the ramp falls from {stated(before[2])} to {stated(after[2])}"
            yield finding(f"steps[{after[0]}].dosings[{after[1]}].rate", said, "ramp")


def _reaches(record: Part, step: Part, rate: Rate | None) -> Iterator[Issue]:
    """The last rate of a ramp that says no end is the largest rate, where the step states one."""
    if rate is None or "titration" in step:
        return
    position, at, quantity, held = rate
    limit = step.get("max_rate")
    most = amount(limit)
    if limit is None or most is None or span(step.get("timing", {}).get("duration")) is not None:
        return
    if are_alike(quantity, limit):
        pairs = [(held, most)]
    else:
        pairs = [(made, edge) for _, made, edge in in_kind_of(record, quantity, limit)]
    if pairs and all(made.base < edge.base and differ(made.base, edge.base) for made, edge in pairs):
        said = f"the ramp ends at {stated(quantity)}, below its largest rate of {stated(limit)}"
        yield finding(f"steps[{position}].dosings[{at}].rate", said, "ramp")


def _tapers(rates: Sequence[tuple[Part, Rate]]) -> Iterator[Issue]:
    fastest: dict[tuple[Dimension, str], Rate] = {}
    for step, rate in rates:
        kind = kind_of(*rate[2:])
        if step.get("role") != "taper" and (kind not in fastest or rate[3].base > fastest[kind][3].base):
            fastest[kind] = rate
    for step, taper in rates:
        plateau = fastest.get(kind_of(*taper[2:])) if step.get("role") == "taper" else None
        if plateau is not None and taper[3].base > plateau[3].base:
            said = f"the taper runs at {stated(taper[2])}, faster than the plateau of {stated(plateau[2])}"
            yield finding(f"steps[{taper[0]}].dosings[{taper[1]}].rate", said, "ramp")
