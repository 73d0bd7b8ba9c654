"""Small right records that tests change in one place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Record = dict[str, Any]

DOBUTAMINE: Record = {
    "record": "InfusionOrder",
    "order_id": "o-1",
    "status": "active",
    "intent": "order",
    "patient": {"identifier": {"system": "urn:oid:1.2.3", "value": "4711"}},
    "drug": {
        "codings": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "3616"}],
        "text": "dobutamine",
    },
    "preparation": {
        "total_volume": {"value": 250, "unit": "mL"},
        "ingredients": [{"drug": {"text": "dobutamine"}, "role": "active", "amount": {"value": 500, "unit": "mg"}}],
    },
    "measurements": [
        {"kind": "actual-weight", "value": {"value": Decimal("80.0"), "unit": "kg"}, "time": "2024-05-01"}
    ],
    "steps": [
        {
            "step_id": "s1",
            "sequence": 1,
            "role": "maintenance",
            "route": {"codings": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
            "timing": {"bounds_period": {"start": "2024-05-01T10:00:00Z"}},
            "dosings": [{"basis": "ordered", "rate": {"value": Decimal("2.50"), "unit": "ug/kg/min"}}],
            "titration": {
                "step": {"value": Decimal("2.5"), "unit": "ug/kg/min"},
                "interval": {"value": 10, "unit": "min"},
                "ceiling": {"value": 20, "unit": "ug/kg/min"},
            },
        }
    ],
}

GIVEN: Record = {
    "record": "Administration",
    "administration_id": "a-1",
    "representation": "split",
    "order": {"reference": "MedicationRequest/1"},
    "status": "completed",
    "patient": {"reference": "Patient/1"},
    "drug": {"text": "dobutamine"},
    "when": {"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T12:00:00Z"},
    "route": {"text": "intravenous"},
    "dose_given": {"value": 60, "unit": "mg"},
    "volume_given": {"value": 30, "unit": "mL"},
    "segments": [
        {
            "segment_id": "one",
            "event": "started",
            "start": "2024-05-01T10:00:00Z",
            "end": "2024-05-01T11:00:00Z",
            "rate": {"value": 10, "unit": "mL/h"},
            "dose": {"value": 20, "unit": "mg"},
            "volume": {"value": 10, "unit": "mL"},
        },
        {
            "segment_id": "two",
            "event": "rate-changed",
            "start": "2024-05-01T11:00:00Z",
            "end": "2024-05-01T12:00:00Z",
            "rate": {"value": 20, "unit": "mL/h"},
            "dose": {"value": 40, "unit": "mg"},
            "volume": {"value": 20, "unit": "mL"},
            "reason": {"text": "blood pressure"},
        },
    ],
}


def changed(record: Record, path: str, value: Any = ...) -> Record:
    """Return a copy with one place set, or taken away where no value is given; ``steps.0.text`` names a place."""
    names: list[str | int] = [int(name) if name.isdigit() else name for name in path.split(".")]
    made: Record = _changed(record, names, value)
    return made


def _changed(part: Any, names: list[str | int], value: Any) -> Any:
    name, *rest = names
    if isinstance(part, list):
        items = list(part)
        new = value if not rest else _changed(items[int(name)], rest, value)
        return [*items[: int(name)], *([] if new is ... else [new]), *items[int(name) + 1 :]]
    made = dict(part)
    if rest:
        made[name] = _changed(made.get(name, {}), rest, value)
    elif value is ...:
        del made[name]
    else:
        made[name] = value
    return made
