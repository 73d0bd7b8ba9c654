"""What a run of the benchmark says: a table for people, JSON for machines."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from tests.bench.inputs import RELEASE, SHAPES
from tests.bench.measure import DIRECTIONS, HAND_KEEP, HAND_MAP, STEPS, UNCHECKED, WHOLE, Timings

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

LOSING: Final = "by hand, losing what it does not know"
KEEPING: Final = "by hand, keeping it"

LIBRARIES: Final = ("fhir.resources", "pydantic", "marshmallow", "msgspec")


def as_json(timings: Timings, count: int, rounds: int, sizes: tuple[int, int]) -> Json:
    """Return the whole report."""
    return {
        "what": "translation of infusion orders, bytes to bytes, one core",
        "release": RELEASE,
        "inputs": {"distinct": count, "shapes": list(SHAPES), "bytes": list(sizes)},
        "clock": "CPU time of the process; median of interleaved rounds",
        "rounds": rounds,
        "machine": {"python": platform.python_version(), "system": platform.system(), "processors": os.cpu_count()},
        "libraries": {name: version(name) for name in LIBRARIES},
        "directions": {direction: _direction(timings, direction) for direction in DIRECTIONS},
        "checked": {"results": timings.results, "digests": timings.digests},
    }


def _direction(timings: Timings, direction: str) -> Json:
    def spent(what: str) -> Json:
        microseconds = timings.of(direction, what)
        return {"microseconds": round(microseconds, 1), "per_second": round(1_000_000 / max(microseconds, 0.001))}

    def ratio(one: str, other: str, digits: int = 2) -> float:
        return round(timings.ratio(direction, one, other), digits)

    return {
        "whole": {name: spent(name) for name in WHOLE},
        "steps": {name: round(timings.of(direction, name), 1) for name in STEPS[direction]},
        "mapping": {
            "compiled": spent("map"),
            "with residue, texts and ledger": spent("whole lens"),
            LOSING: spent(HAND_MAP),
            KEEPING: spent(HAND_KEEP),
        },
        "ratios": {
            "ours to naive": ratio("naive", "ours", 1),
            f"ours to {UNCHECKED}": ratio(UNCHECKED, "ours", 1),
            f"compiled mapping to {LOSING}": ratio("map", HAND_MAP),
            f"compiled mapping to {KEEPING}": ratio("map", HAND_KEEP),
            f"whole lens to {LOSING}": ratio("whole lens", HAND_MAP),
            f"whole lens to {KEEPING}": ratio("whole lens", HAND_KEEP),
        },
    }


def as_table(report: Json) -> str:
    """Return the report as a table."""
    return "\n".join(_lines(report))


def _lines(report: Json) -> Iterator[str]:
    low, high = report["inputs"]["bytes"]
    yield f"{report['inputs']['distinct']} distinct orders, FHIR {report['release']} texts of {low} to {high} bytes, {report['clock']}"
    for direction, found in report["directions"].items():
        yield ""
        yield f"{direction:60} {'us':>9} {'per second':>11}"
        for name, spent in found["whole"].items():
            yield f"  {name + ', bytes to bytes':58} {spent['microseconds']:9.1f} {spent['per_second']:11,}"
        for name, microseconds in found["steps"].items():
            yield f"    {name:56} {microseconds:9.1f}"
        for name, spent in found["mapping"].items():
            yield f"  {'mapping alone, ' + name:58} {spent['microseconds']:9.1f} {spent['per_second']:11,}"
        for name, ratio in found["ratios"].items():
            yield f"  {name:58} {ratio:9}x"
    yield ""
    yield f"{report['checked']['results']} results checked"
