"""What the tests of the standard share: small right resources, ways to break them, and the published examples."""

from __future__ import annotations

import copy
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_infusion.fhir import json as fhir_json

EXAMPLES = Path(os.environ.get("FHIR_INFUSION_TEST_EXAMPLES") or Path(__file__).parents[3] / "shared" / "examples")
FILES = sorted(EXAMPLES.glob("*/*.json"))
needs_examples = pytest.mark.skipif(not FILES, reason=f"the published examples are not here: {EXAMPLES}")

UCUM = "http://unitsofmeasure.org"
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
GONE: Any = object()


def amount(value: Any = Decimal(5), unit: str = "mg") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def order(release: str = "R4", **changed: Any) -> dict[str, Any]:
    drug = {"concept": {"text": "dobutamine"}} if release == "R5" else {"text": "dobutamine"}
    resource: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": "o1",
        "status": "active",
        "intent": "order",
        "medication" if release == "R5" else "medicationCodeableConcept": drug,
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-05-01T10:00:00+02:00",
        "dosageInstruction": [
            {
                "sequence": 1,
                "text": "5 mg a day",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {"doseQuantity": amount(), "rateRatio": {"numerator": amount(), "denominator": amount()}}
                ],
            }
        ],
    }
    return resource | changed


def given(release: str = "R4", **changed: Any) -> dict[str, Any]:
    drug = {"concept": {"text": "dobutamine"}} if release == "R5" else {"text": "dobutamine"}
    resource: dict[str, Any] = {
        "resourceType": "MedicationAdministration",
        "id": "a1",
        "status": "completed",
        "medication" if release == "R5" else "medicationCodeableConcept": drug,
        "subject": {"reference": "Patient/p1"},
        "occurencePeriod" if release == "R5" else "effectivePeriod": {
            "start": "2024-05-01T10:00:00Z",
            "end": "2024-05-01T11:00:00Z",
        },
        "dosage": {"dose": amount(), "rateQuantity": amount(unit="mL/h")},
    }
    return resource | changed


def changed(resource: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the value at ``a/0/b`` set, or without it for GONE."""
    copied = copy.deepcopy(resource)
    node: Any = copied
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        node = node[step]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return copied


def containing(contained: list[dict[str, Any]], reference: str = "#m", **more: Any) -> dict[str, Any]:
    """Return an order whose drug is what it contains."""
    resource = order(contained=contained, medicationReference={"reference": reference}, **more)
    del resource["medicationCodeableConcept"]
    return resource


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every member and item below a node."""
    steps = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [place for key, value in steps for place in ((*path, key), *places(value, (*path, key)))]


def release_of(file: Path) -> str:
    return "R5" if "r5" in file.parent.name else "R4"


def read(file: Path) -> dict[str, Any]:
    return fhir_json.read(file.read_bytes())
