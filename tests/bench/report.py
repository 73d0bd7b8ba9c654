"""What a run of the benchmark says: a table for people, JSON for machines."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from tests.bench.inputs import RELEASE, SHAPES
from tests.bench.measure import DIRECTIONS, HAND_MAP, STEPS, WHOLE, Timings

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

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

    return {
        "whole": {name: spent(name) for name in WHOLE},
        "steps": {name: round(timings.of(direction, name), 1) for name in STEPS[direction]},
        "mapping": {
            "compiled": spent("map"),
            "with residue, texts and ledger": spent("whole lens"),
            "by hand": spent(HAND_MAP),
        },
        "ratios": {
            "ours to naive": round(timings.of(direction, "naive") / timings.of(direction, "ours"), 1),
            "compiled mapping to mapping by hand": round(
                timings.of(direction, "map") / timings.of(direction, HAND_MAP), 2
            ),
            "whole lens to mapping by hand": round(
                timings.of(direction, "whole lens") / timings.of(direction, HAND_MAP), 2
            ),
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
        yield f"{direction:44} {'us':>9} {'per second':>11}"
        for name, spent in found["whole"].items():
            yield f"  {name + ', bytes to bytes':42} {spent['microseconds']:9.1f} {spent['per_second']:11,}"
        for name, microseconds in found["steps"].items():
            yield f"    {name:40} {microseconds:9.1f}"
        for name, spent in found["mapping"].items():
            yield f"  {'mapping alone, ' + name:42} {spent['microseconds']:9.1f} {spent['per_second']:11,}"
        for name, ratio in found["ratios"].items():
            yield f"  {name:42} {ratio:9}x"
    yield ""
    yield f"{report['checked']['results']} results checked"
