"""What is translated: orders of the golden therapies, each varied by its seed into one that no run has seen.

Identifiers, names, dates, texts and numbers differ. A factor scales the weight and every absolute amount, volume and
rate alike, so that the arithmetic of the order still holds and an order is as realistic as the one that it came from.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from tests.golden_write import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.translator import Translator

Json = dict[str, Any]

RELEASE: Final = "R4"
SHAPES: Final = (
    "12-abatacept-1000-mg",
    "12-abatacept-500-mg",
    "12-abatacept-750-mg",
    "26-vancomycin",
    "27-piperacillin-tazobactam-extended",
    "27-piperacillin-tazobactam-intermittent",
)
"""Golden folders whose order has the common shape: prepared in a bag, one or two steps, dose and rate."""

WORDS: Final = (
    "morning",
    "evening",
    "bedside",
    "chair",
    "infusion suite",
    "ward round",
    "handover",
    "pharmacy",
    "Übergabe",
)
SCALED: Final = frozenset({"mg", "g", "mL", "mL/h", "mg/min", "kg"})


@dataclass(frozen=True, slots=True)
class Input:
    """One order: its record, and the texts of both sides."""

    record: Json
    internal: bytes
    fhir: bytes


def inputs(translator: Translator, count: int, seed: int) -> list[Input]:
    """Return so many distinct orders; the FHIR texts are made by the translator, untimed."""
    return list(_inputs(translator, count, seed))


def _inputs(translator: Translator, count: int, seed: int) -> Iterator[Input]:
    shapes = [fhir_json.read((GOLDEN / name / "order.json").read_bytes()) for name in SHAPES]
    for number in range(count):
        record = varied(shapes[number % len(shapes)], Random(f"{seed}/{number}"), f"{seed}-{number}")
        (resource,) = translator.to_fhir(record, RELEASE).results
        yield Input(record, fhir_json.write(record), fhir_json.write(resource))


def varied(shape: Json, dice: Random, name: str) -> Json:
    """Return an order of this shape that differs in its identifiers, names, times, texts and numbers."""
    record = deepcopy(shape)
    factor = Decimal(80 + dice.randrange(41)) / 100
    _scale(record, factor)
    record["order_id"] = f"ORD-{name}"
    record["patient"]["identifier"]["value"] = f"MRN-{name}-{dice.randrange(10**6)}"
    record["patient"]["name"] = f"{dice.choice(('Pat', 'Fay', 'Sue', 'Dot'))} Invented {dice.randrange(10**6)}"
    record["patient"]["birth_date"] = f"19{40 + dice.randrange(60)}-0{1 + dice.randrange(9)}-{10 + dice.randrange(18)}"
    record["ordered_at"] = _moment(dice)
    record["prescriber"]["identifier"]["value"] = f"C-{dice.randrange(10**6)}"
    for measurement in record.get("measurements", ()):
        measurement["time"] = _moment(dice)
    for step in record["steps"]:
        step["text"] = "As charted: " + ", ".join(dice.choices(WORDS, k=2 + dice.randrange(6)))
        if "bounds_length" in step["timing"]:
            step["timing"]["bounds_length"]["value"] = 3 + dice.randrange(20)
    return record


def _moment(dice: Random) -> str:
    return f"2026-0{1 + dice.randrange(9)}-{10 + dice.randrange(18)}T{10 + dice.randrange(10)}:{10 + dice.randrange(49)}:00+01:00"


def _scale(value: Any, factor: Decimal, *, whole: bool = False) -> None:
    """Scale what is absolute; a ratio by its amount and volume alike, and not at all where it is per one."""
    if isinstance(value, list):
        for inner in value:
            _scale(inner, factor, whole=whole)
    elif isinstance(value, dict):
        if value.get("unit") in SCALED and "value" in value and not whole:
            value["value"] = value["value"] * factor
        per_one = isinstance(value.get("denominator"), dict) and value["denominator"]["value"] == 1
        for inner in value.values():
            _scale(inner, factor, whole=whole or per_one)
