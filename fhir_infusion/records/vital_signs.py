"""The body weight, height and surface that come with a record as an ordinary Observation, for the arithmetic alone.

Other systems send LOINC 29463-7 and do not say which weight that is (actual, ideal, adjusted), so it is no typed
measurement of the record and stays residue. A dose that was calculated with pounds taken for kilograms is told
nevertheless: what is in the same resource and referred to is one of the weights that may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.findings import finding
from fhir_infusion.records.unit_words import contradict
from fhir_infusion.records.units import UCUM

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

LOINC: Final = "http://loinc.org"

KINDS: Final[Mapping[str, str]] = MappingProxyType({
    "29463-7": "actual-weight",
    "3141-9": "actual-weight",
    "8302-2": "height",
    "8277-6": "body-surface-area",
    "3140-1": "body-surface-area",
})  # fmt: skip
"""The kind of measurement that each code is counted as; a weight that is not said to be another is the actual one.

A surface is one of a formula (3140-1), or nothing says how it was found (8277-6).
"""

_NOT_VALID: Final = frozenset({"entered-in-error", "cancelled"})


def with_vital_signs(record: Part) -> Part:
    """Return a record with the vital signs of its contained Observations among the measurements, for arithmetic."""
    if "residue" not in record or "supporting" not in record:
        return record
    found = list(_vital_signs(record))
    return {**record, "measurements": [*record.get("measurements", ()), *found]} if found else record


def vital_sign_findings(record: Part) -> Iterator[Issue]:
    """Yield where the unit of a vital sign in words is another than its code: 150 lb with the code kg."""
    if "residue" not in record or "supporting" not in record:
        return
    for kind, quantity in _found(record):
        stands = quantity.get("system") == UCUM and {"code", "unit"} <= quantity.keys()
        if stands and contradict(quantity["code"], quantity["unit"]):
            said = f"the unit of the {kind.replace('-', ' ')} in words means something else than its code"
            yield finding("supporting", said, "measurement-unit", "text that means the code, or none")


def _vital_signs(record: Part) -> Iterator[dict[str, Any]]:
    for kind, quantity in _found(record):
        value = _value(quantity)
        if value is not None:
            yield {"kind": kind, "value": value}


def _found(record: Part) -> Iterator[tuple[str, Part]]:
    referred = {one.get("reference") for one in record["supporting"]}
    for entry in record["residue"]:
        held = entry.get("value")
        if entry.get("path") != "contained[]" or not isinstance(held, dict) or f"#{held.get('id')}" not in referred:
            continue
        kind = next((KINDS[code] for code in _codes(held) if code in KINDS), None)
        quantity = held.get("valueQuantity")
        if kind is not None and quantity is not None and held.get("status") not in _NOT_VALID:
            yield kind, quantity


def _codes(observation: Part) -> Iterator[str]:
    if observation.get("resourceType") == "Observation":
        for coding in observation.get("code", {}).get("coding", ()):
            if coding.get("system") == LOINC:
                yield str(coding.get("code"))


def _value(quantity: Part) -> dict[str, Any] | None:
    if quantity.get("system") != UCUM or "comparator" in quantity:
        return None
    return {"value": quantity["value"], "unit": quantity["code"]} if {"value", "code"} <= quantity.keys() else None
