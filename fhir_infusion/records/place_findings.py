"""Findings on quantities that stand where another kind belongs: a rate where an amount, an amount where a rate belongs.

To confuse the two is a known class of error at pumps (ISMP), and published resources do: ``rateQuantity`` 60 mg/m2,
``doseQuantity`` 125 mL/h.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import ratio
from fhir_infusion.records.findings import finding
from fhir_infusion.records.rates import is_rate

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_AMOUNTS: Final = ("dose", "volume", "delivered", "dose_given", "dose_total", "volume_given")
_CAPS: Final = ("max_per_administration", "max_per_lifetime")


def place_findings(record: Part) -> Iterator[Issue]:
    """Yield each rate where an amount belongs, and what is no rate where one belongs."""
    for position, step in enumerate(record.get("steps", ())):
        path = f"steps[{position}]"
        for at, dosing in enumerate(step.get("dosings", ())):
            yield from _of_part(dosing, f"{path}.dosings[{at}].")
        yield from _of_amounts(step, _CAPS, f"{path}.")
        if "patient_control" in step:
            yield from _of_amounts(step["patient_control"], ("demand_dose",), f"{path}.patient_control.")
    for position, segment in enumerate(record.get("segments", ())):
        yield from _of_part(segment, f"segments[{position}].")
    yield from _of_amounts(record, _AMOUNTS, "")
    if "demand_counts" in record:
        yield from _of_amounts(record["demand_counts"], _AMOUNTS, "demand_counts.")


def _of_part(part: Part, path: str) -> Iterator[Issue]:
    if "rate_as_stated" in part:
        reason = "what stands where a rate belongs is not per time"
        yield finding(f"{path}rate_as_stated", reason, "rate-per-time", "a rate such as mL/h")
    if "rate_ratio" in part and _is_per_something_else(part["rate_ratio"]):
        reason = "what stands where a rate belongs is not per time"
        yield finding(f"{path}rate_ratio", reason, "rate-per-time", "an amount per time such as 1000 mL per 8 h")
    yield from _of_amounts(part, _AMOUNTS, path)
    if "dose_range" in part:
        yield from _of_amounts(part["dose_range"], ("low", "high"), f"{path}dose_range.")


def _is_per_something_else(part: Part) -> bool:
    """Return whether a ratio is of something, and not per time: 500 mg per 250 mL is a concentration."""
    found = ratio(part)
    return found is not None and dict(found.dimension).get("s", 0) >= 0


def _of_amounts(part: Part, names: tuple[str, ...], path: str) -> Iterator[Issue]:
    for name in names:
        if name in part and is_rate(part[name]):
            reason = "what stands where an amount belongs is per time"
            yield finding(f"{path}{name}", reason, "amount-per-time", "an amount such as mg, or the field of a rate")
