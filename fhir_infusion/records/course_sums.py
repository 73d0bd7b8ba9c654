"""A course put together: its parts in their order, their doses of one kind, and the unit that the record states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import Amount
from fhir_infusion.records.course_parts import Course, Portion, Stretch
from fhir_infusion.records.course_rates import Unknown

if TYPE_CHECKING:
    from fhir_infusion.records.amounts import Dimension

Part = Mapping[str, Any]


def course_of(
    record: Part, stretches: list[Stretch], portions: list[Portion], unknown: list[Unknown], begins: str
) -> Course:
    """Return the course of these parts; doses of another kind than the first are told, and not added."""
    rates = [_per_time(one) for one in stretches]
    kind = next((kind for kind in (*rates, *(_kind(one) for one in portions)) if kind is not None), None)
    told = list(unknown)
    kept: list[Stretch] = []
    for one, own in zip(stretches, rates, strict=True):
        is_other = own not in {None, kind}
        kept.append(replace(one, drug=None) if is_other else one)
        told += [_other(one.path)] if is_other else []
    held: list[Portion] = []
    for portion in portions:
        is_other = _kind(portion) not in {None, kind}
        held.append(replace(portion, drug=None) if is_other else portion)
        told += [_other(portion.path)] if is_other else []
    return Course(
        tuple(sorted(kept, key=lambda one: one.start)),
        tuple(dict.fromkeys(told)),
        _unit(record, kind) if kind is not None else "",
        begins,
        tuple(sorted(held, key=lambda one: one.first)),
    )


def _per_time(stretch: Stretch) -> Dimension | None:
    """Return what a stretch is a rate of, ``None`` where it runs no drug that is known."""
    if stretch.drug is None or not stretch.drug.high:
        return None
    return Amount(stretch.drug.high, stretch.drug.dimension, "").makes(_SECOND)


_SECOND: Final = Amount(Fraction(1), (("s", 1),), "s")


def _kind(portion: Portion) -> Dimension | None:
    return portion.drug.dimension if portion.drug is not None and portion.drug.high else None


def _other(path: str) -> Unknown:
    return Unknown(path, "its dose is of another kind than that of the others: they are not added")


def _unit(record: Part, kind: Dimension) -> str:
    """Return the unit that the record states amounts of this drug in; empty where it has none."""
    for code in _codes(record):
        found = units.parse(code)
        if found is not None and found.dimension == kind:
            return code
    return ""


def _codes(record: Part) -> Iterator[str]:
    parts = [*record.get("steps", ()), record]
    dosings = [dosing for part in parts for dosing in part.get("dosings", ())]
    for holder in (record, *dosings, *record.get("segments", ())):
        yield from (holder[name].get("unit", "") for name in ("dose_given", "dose_total", "dose") if name in holder)
        yield holder.get("dose_range", {}).get("low", {}).get("unit", "")
    for part in record.get("steps", ()):
        yield part.get("patient_control", {}).get("demand_dose", {}).get("unit", "")
    preparation = record.get("preparation", {})
    for each in (
        preparation.get("final_concentration"),
        *(one.get("strength") for one in preparation.get("ingredients", ())),
    ):
        yield (each or {}).get("numerator", {}).get("unit", "")
    for holder in (*dosings, *record.get("segments", ())):
        yield holder.get("rate", {}).get("unit", "").partition("/")[0]
        yield holder.get("rate_ratio", {}).get("numerator", {}).get("unit", "")
