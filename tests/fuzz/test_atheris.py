"""libFuzzer looks for inputs at which we fail: nothing but ``Refused`` may leave, and no input may take long.

Each target of ``tests.fuzz.targets`` runs in a process of its own, guided by what of the package its inputs reach.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.records.number import beyond_limits
from tests.counts import chosen
from tests.fuzz.targets import planted

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
MINUTES = 10
RUNS = {"json": 4000, "search": 1500, "mapping": 300, "dates": 8000, "numbers": 8000, "tokens": 3000, "units": 4000}
"""In ``make test``, beyond the inputs to begin with: a few seconds each. ``make long`` takes ten minutes for each."""

MOST_SHOWN = 4000

pytestmark = [
    pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this platform or this Python"),
    pytest.mark.timeout(MINUTES * 60 + 600),
]


def fuzzed(target: str, folder: Path, options: Sequence[str], **variables: str) -> tuple[int, str, bytes]:
    """Fuzz in a child process; return its exit code, what it told, and the last input that it tried."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.child", target, str(folder), *options, "-timeout=60", "-rss_limit_mb=2048"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        check=False,
    )
    told = (done.stdout + done.stderr).decode(errors="replace")
    last = folder / "last"
    return done.returncode, told, last.read_bytes() if last.exists() else b""


@pytest.mark.parametrize("target", RUNS)
def test_no_input_makes_us_fail_or_dawdle(target: str, tmp_path: Path):
    is_long = chosen() == "long"
    options = [f"-max_total_time={MINUTES * 60}"] if is_long else [f"-runs={RUNS[target]}", "-seed=1"]
    code, told, last = fuzzed(target, tmp_path, options)
    assert code == 0, f"at this input, {tmp_path}/last:\n{last[:MOST_SHOWN]!r}\n{told[-MOST_SHOWN:]}"
    assert "Done " in told, told[-MOST_SHOWN:]


@pytest.mark.parametrize(
    ("fault", "reason"), [("raises", "ValueError: planted"), ("dawdles", "TooSlow: more than 1 s")]
)
def test_a_planted_fault_is_found_and_its_input_kept(fault: str, reason: str, tmp_path: Path):
    code, told, last = fuzzed("planted", tmp_path, ["-runs=200000", "-seed=1"], **{planted.FAULT: fault})
    assert code != 0
    assert reason in told
    assert beyond_limits(last.decode(errors="replace").strip())


def test_each_target_is_fuzzed():
    files = {path.stem for path in (ROOT / "tests" / "fuzz" / "targets").glob("[a-z]*.py")}
    assert files == {*RUNS, "planted"}
