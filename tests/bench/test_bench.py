"""The benchmark at a tiny count: every field of its report, and every result right. Its numbers are not judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.check import check
from tests.bench.inputs import RELEASE, SHAPES, inputs
from tests.bench.measure import DIRECTIONS, STEPS, WHOLE, Timings, measure
from tests.bench.report import as_json, as_table
from tests.golden_write import translator


@pytest.fixture(scope="module")
def timings() -> Timings:
    return measure(translator(), count=12, rounds=2, seed=7)


def test_every_direction_tells_every_number(timings: Timings):
    report = json.loads(json.dumps(as_json(timings, 12, 2, (1, 2))))
    assert set(report["directions"]) == set(DIRECTIONS)
    for direction, found in report["directions"].items():
        assert set(found["whole"]) == set(WHOLE)
        assert set(found["steps"]) == set(STEPS[direction])
        assert set(found["ratios"]) == {
            "ours to naive",
            "ours to naive, record unchecked",
            "compiled mapping to by hand, losing what it does not know",
            "compiled mapping to by hand, keeping it",
            "whole lens to by hand, losing what it does not know",
            "whole lens to by hand, keeping it",
        }
        assert all(spent["per_second"] > 0 for spent in (*found["whole"].values(), *found["mapping"].values()))
    assert {"python", "system", "processors"} == set(report["machine"])
    assert report["inputs"]["distinct"] == 12


def test_the_table_says_what_the_report_says(timings: Timings):
    report = as_json(timings, 12, 2, (1, 2))
    table = as_table(report)
    for direction in DIRECTIONS:
        assert direction in table
        assert f"{report['directions'][direction]['ratios']['ours to naive']}x" in table


def test_all_results_were_checked(timings: Timings):
    assert timings.results == 12 * len(DIRECTIONS) * len(WHOLE)
    assert len(timings.digests) == 2 * len(DIRECTIONS)


def test_inputs_are_distinct_right_and_of_every_shape():
    made = inputs(translator(), 4 * len(SHAPES), 3)
    assert len({one.fhir for one in made}) == len({one.internal for one in made}) == len(made)
    assert all(check(one.record) for one in made)
    assert {len(one.fhir) > 2000 for one in made} == {True}
    assert not {one.fhir for one in made} & {one.fhir for one in inputs(translator(), 24, 4)}


def test_the_arithmetic_of_the_inputs_holds():
    for one in inputs(translator(), 2 * len(SHAPES), 3):
        assert translator().to_internal(fhir_json.read(one.fhir), RELEASE).findings == ()


def test_a_wrong_result_is_found(monkeypatch: pytest.MonkeyPatch):
    def faulty(body: bytes) -> bytes:
        return body.replace(b'"mg"', b'"g"', 1)

    monkeypatch.setattr("tests.bench.measure.by_hand_to_fhir", faulty)
    with pytest.raises(AssertionError, match="by hand"):
        measure(translator(), count=2, rounds=1, seed=7)


def test_the_command_writes_its_report(tmp_path: Path):
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--count", "4", "--rounds", "2", "--json", str(file)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["checked"]["results"] == 4 * len(DIRECTIONS) * len(WHOLE)
    assert "to internal" in done.stdout
