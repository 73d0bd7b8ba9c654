"""How long checking a record takes: the generated check beside marshmallow, in microseconds of processor time.

``python -m tests.records.speed`` prints it; the records are different ones, none seen before in the timed run.
"""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.check import check
from fhir_infusion.records.examples import example
from fhir_infusion.records.schemas import order_schema
from tests.records.samples import DOBUTAMINE


def measure(number: int = 200) -> dict[str, float]:
    """Return microseconds a record: of generated orders (about 4 KB each) and of one typical order."""
    orders = [example("InfusionOrder", Random(seed)) for seed in range(number)]
    schema = order_schema()
    schema.validate(orders[0])
    typical = [DOBUTAMINE] * number
    found = {
        "check": _each(check, orders),
        "marshmallow": _each(schema.validate, orders[: number // 4]),
        "findings": _each(findings, orders),
        "check, typical order": _each(check, typical),
        "marshmallow, typical order": _each(schema.validate, typical[: number // 4]),
        "findings, typical order": _each(findings, typical),
        "example": _each(lambda seed: example("InfusionOrder", Random(seed)), list(range(number))),
    }
    return found | {"ratio": found["marshmallow"] / found["check"]}


def _each(function: Any, inputs: list[Any]) -> float:
    taken = []
    for _ in range(3):
        start = time.process_time()
        for each in inputs:
            function(each)
        taken.append(time.process_time() - start)
    return min(taken) / len(inputs) * 1_000_000


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))  # noqa: T201  its answer
