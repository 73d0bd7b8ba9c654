"""``python -m tests.mutants``: change the code in one place at a time and see whether a test fails.

``make mutants`` runs it on a sample of mapping and records. Survivors are named with file:line and what was changed.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import io
import os
import sys
import tempfile
import time
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests.mutants import children, covered, operators, report
from tests.mutants.modules import dependents, modules
from tests.mutants.trial import stages, trial, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.mutants.children import Job
    from tests.mutants.covered import Recorded
    from tests.mutants.operators import Mutant

ROOT = Path(__file__).parents[2]
PACKAGE = "fhir_infusion"
SOURCES = ("fhir_infusion/mapping", "fhir_infusion/records")
TESTS = (
    "tests/records",
    "tests/mapping",
    "tests/mappings",
    "tests/test_golden.py",
    "tests/test_translator.py",
    "tests/house/test_docs.py",
)
LEFT_OUT = "records/example"
"""The maker of random records, for proofs and demonstrations: another sample is as good a sample. Asked for by name only."""

CLOCKED = ("faster", "takes_long")
"""Parts of names of tests that look at the time taken: they may fail beside other work without any mutant."""

CONTROLS = 2
"""Trials without a mutant, in which nothing may fail."""


@click.command()
@click.option("--count", default=400, show_default=True, help="How many mutants; 0 for all.")
@click.option("--module", default="", help="Only files with this in their path, such as mapping/residue.")
@click.option("--seed", default=1, show_default=True, help="Chooses the sample.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="How many at once.")
@click.option("--demand", default=0.0, help="Fail below so many per cent.")
@click.option("--patience", default=30, help="Seconds of processor time for loading, before a mutant hangs.")
@click.option("--root", default=ROOT, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--package", default=PACKAGE, help="The package to load; another one for the runner's own test.")
@click.option("--source", "sources", multiple=True, default=SOURCES, help="Folders to mutate, below the root.")
@click.option("--tests", multiple=True, default=TESTS, help="Test files or folders, below the root.")
@click.option("--equivalents", default=Path(__file__).parent / "equivalents.csv", type=click.Path(path_type=Path))
def main(
    count: int,
    module: str,
    seed: int,
    processes: int,
    demand: float,
    patience: int,
    root: Path,
    package: str,
    sources: Sequence[str],
    tests: Sequence[str],
    equivalents: Path,
) -> None:
    """Try a sample of mutants and name those that no test kills."""
    begin = time.monotonic()
    os.environ["FHIR_INFUSION_COUNT"] = "short"
    os.chdir(root)
    sys.path.insert(0, str(root))
    names = modules(root, package)
    chosen, population = _sample(_found(root, sources), equivalents, module, count, seed)
    click.echo(f"{len(chosen)} of {population} mutants, seed {seed}; which tests run which lines is recorded first")
    _warm(names)
    measured = [f"{root / source}/*" for source in sources]
    recorded = dict(
        covered.record(
            root, _test_files(root, tests), names, measured, root / "build" / "mutants", processes, _NOT_CLOCKED
        )
    )
    for failed in sorted(name for one in recorded.values() for name in one.failed):
        click.echo(f"fails without any mutant, so it is left out: {failed}")
    verdicts: dict[Mutant, str] = {}
    for mutant, found in _verdicts(chosen, root, names, recorded, processes, patience):
        verdicts[mutant] = found
        if found not in report.KILLED:
            click.echo(f"{found}: {mutant}")
        if len(verdicts) % 20 == 0:
            click.echo(f"{len(verdicts)} of {len(chosen)} tried, {report.rate(verdicts.values()):.0f} % killed")
    for line in report.lines(verdicts, population, seed, time.monotonic() - begin):
        click.echo(line)
    if report.rate(verdicts.values()) < demand:
        raise SystemExit(f"fewer than {demand:g} % of the mutants were killed")


_NOT_CLOCKED = ("-k", " and ".join(f"not {part}" for part in CLOCKED), "-m", "not hl7")
"""A test that starts HL7's validator takes minutes, of which its own process knows nothing."""


def _found(root: Path, sources: Sequence[str]) -> list[Mutant]:
    """Return every mutant of the sources."""
    files = [path for source in sources for path in sorted((root / source).rglob("*.py"))]
    return [
        mutant
        for path in files
        for mutant in operators.mutants(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]


def _sample(found: Sequence[Mutant], file: Path, module: str, count: int, seed: int) -> tuple[list[Mutant], int]:
    equivalent = report.equivalents(file, found)
    asked = [mutant for mutant in found if _is_asked(mutant, module) and mutant.key not in equivalent]
    return sampled(asked, count, seed), len(asked)


def sampled(asked: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return ``count`` mutants, all of them for 0, in an order that the seed draws.

    Each has a place of its own in that order, so that a change of the code, or an equivalent more, exchanges only what
    it touches of the sample.
    """
    drawn: list[tuple[bytes, Mutant]] = []
    alike: Counter[tuple[str, ...]] = Counter()
    for mutant in asked:
        alike[mutant.key] += 1
        place = "\0".join((str(seed), *mutant.key, str(alike[mutant.key])))
        drawn.append((hashlib.sha256(place.encode()).digest(), mutant))
    drawn.sort(key=itemgetter(0))
    return [mutant for _, mutant in (drawn[:count] if count else drawn)]


def _is_asked(mutant: Mutant, module: str) -> bool:
    return module in mutant.file and (LEFT_OUT not in mutant.file or LEFT_OUT in module)


def _test_files(root: Path, tests: Sequence[str]) -> list[Path]:
    """Return the test files, relative to the root as their tests are named."""
    found = [
        path
        for test in tests
        for path in (sorted((root / test).rglob("test_*.py")) if (root / test).is_dir() else [root / test])
    ]
    return [path.relative_to(root) for path in found]


def _warm(names: Mapping[str, Path]) -> None:
    """Load once, before the first fork, what most mutants leave as it is: pytest with its plugins and the package."""
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*covered.OPTIONS, "--rootdir", empty, "-c", os.devnull, empty])
    for name in names:
        if not name.endswith("__main__") and ".migrations." not in name:
            importlib.import_module(name)
    if "fhir_infusion.translator" in names:
        sys.modules["fhir_infusion.translator"].open_translator(sys.modules["fhir_infusion.config"].Settings())
    gc.collect()
    gc.freeze()  # children share what is there; none walks through it again


def _verdicts(
    chosen: Sequence[Mutant],
    root: Path,
    names: Mapping[str, Path],
    recorded: Mapping[Path, Recorded],
    processes: int,
    patience: int,
) -> Iterator[tuple[Mutant, str]]:
    by_path = {path.relative_to(root).as_posix(): name for name, path in names.items()}
    stale = dependents(names)
    left = {mutant: stages(mutant, recorded, _is_near) for mutant in chosen}
    waiting: list[tuple[Mutant, bool]] = [(mutant, False) for mutant in reversed(chosen)]
    waiting += [(mutant, True) for mutant in [one for one in chosen if left[one]][:CONTROLS]]
    running: dict[int, tuple[Mutant, bool]] = {}
    with children.Children(processes) as at_work:
        while waiting or running:
            while waiting and not at_work.is_full:
                mutant, is_control = waiting.pop()
                if not left[mutant]:
                    yield mutant, "runs in no test"
                    continue
                stage = left[mutant][0] if is_control else left[mutant].pop(0)
                path = root / mutant.file
                module = by_path[mutant.file]
                text = path.read_text(encoding="utf-8")
                tried = None if is_control else mutant
                job = children.Job(trial(tried, text, path, module, stale[module], stage.tests), stage.limit(patience))
                at_work.start(job)
                running[id(job)] = mutant, is_control
            for job in at_work.ended():
                mutant, is_control = running.pop(id(job))
                found = verdict(job.answer)
                if is_control:
                    _demand_green(job, found, mutant)
                elif found == "survived" and left[mutant]:
                    waiting.append((mutant, False))
                else:
                    yield mutant, found


def _demand_green(job: Job, found: str, mutant: Mutant) -> None:
    if found != "survived":
        log = (job.scratch / "log").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"the tests for {mutant.file}:{mutant.line} fail without a mutant:\n{log[-3000:]}")


def _is_near(mutant: Mutant, test: Path) -> bool:
    """Whether a test file stands where the mirror of the module's folder is."""
    return set(Path(mutant.file).parts[1:-1]) <= set(test.parts)


if __name__ == "__main__":
    main()
