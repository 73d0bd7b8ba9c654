"""Which tests run which lines: each test file recorded alone, in a child that loads the package anew."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import coverage
import pytest

from tests.mutants.children import Job, run
from tests.mutants.modules import forget

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

SECONDS: Final = 1800
"""Processor time that the recording of one test file may take."""

MANY: Final = 1000
"""Of a file with more tests than this only its lines are recorded, not which test runs which."""

OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "-p", "no:cov", "--no-header", "--tb=no")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One test file: seconds by test, those that fail unchanged, and the lines that run by module file.

    ``always`` are the lines that run on import or in a fixture, of which no one test can be named; ``hits`` are the
    tests by line, each as its position in ``seconds``.
    """

    seconds: Mapping[str, float]
    failed: Sequence[str]
    always: Mapping[str, Sequence[int]]
    hits: Mapping[str, Mapping[str, Sequence[int]]]

    def hitting(self, file: str, first: int, last: int) -> set[str] | None:
        """Return the tests that run one of the lines in their body; ``None`` where it does not run at all."""
        by_line = self.hits.get(file, {})
        names = list(self.seconds)
        tests = {names[test] for line in range(first, last + 1) for test in by_line.get(str(line), ())}
        ran = tests or any(first <= line <= last for line in self.always.get(file, ()))
        return tests if ran else None


class _Contexts:
    """Tells the recorder which test runs, and how long each takes."""

    def __init__(self, recorder: coverage.Coverage) -> None:
        self._recorder = recorder
        self._tells = True
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tells = len(session.items) <= MANY

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        begin = time.process_time()
        if self._tells:
            self._recorder.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            if self._tells:
                self._recorder.switch_context("")
            self.seconds[item.nodeid] = round(time.process_time() - begin, 4)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def record(
    root: Path,
    tests: Sequence[Path],
    names: Iterable[str],
    measured: Sequence[str],
    cache: Path,
    at_once: int,
    options: Sequence[str],
) -> Iterator[tuple[Path, Recorded]]:
    """Record each test file, or take from the cache what was recorded of the same texts."""
    digest = _digest(root, names)
    missing: list[Job] = []
    places: dict[int, tuple[Path, Path]] = {}
    for test in tests:
        place = cache / f"{hashlib.sha256(digest + (root / test).read_bytes() + bytes(test)).hexdigest()[:24]}.json"
        if place.exists():
            yield test, Recorded(**json.loads(place.read_text(encoding="utf-8")))
            continue
        job = Job(_recording(test, list(names), measured, options), SECONDS)
        places[id(job)] = test, place
        missing.append(job)
    cache.mkdir(parents=True, exist_ok=True)
    for job in run(missing, at_once):
        test, place = places[id(job)]
        result = job.scratch / "recorded.json"
        if job.answer not in {0, 1} or not result.exists():
            log = (job.scratch / "log").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"{test} could not be recorded ({job.answer}):\n{log[-2000:]}")
        place.write_bytes(result.read_bytes())
        yield test, Recorded(**json.loads(place.read_text(encoding="utf-8")))


def _digest(root: Path, names: Iterable[str]) -> bytes:
    """Name all that the recordings of every test file depend on."""
    top = sorted({name.partition(".")[0] for name in names} | {"mappings", "profiles", "tests"})
    files = [path for folder in top for path in sorted((root / folder).rglob("*")) if path.is_file()]
    digest = hashlib.sha256()
    for path in files:
        is_read = path.suffix in {".py", ".yaml", ".json", ".csv"} and not path.name.startswith("test_")
        if is_read and not {"target", "mutants"} & set(path.relative_to(root).parts):
            digest.update(bytes(path.relative_to(root)) + path.read_bytes())
    return digest.digest()


def _recording(test: Path, names: list[str], measured: Sequence[str], options: Sequence[str]) -> Any:
    def work(scratch: Path) -> int:
        forget(names)
        recorder = coverage.Coverage(
            data_file=None, include=list(measured), config_file=False, branch=False, messages=False
        )
        plugin = _Contexts(recorder)
        recorder.start()
        answer = int(pytest.main([*OPTIONS, *options, f"--basetemp={scratch / 'pytest'}", str(test)], plugins=[plugin]))
        recorder.stop()
        data = recorder.get_data()
        always: dict[str, list[int]] = defaultdict(list)
        hits: dict[str, dict[int, list[int]]] = {}
        positions = {name: position for position, name in enumerate(plugin.seconds)}
        for file in data.measured_files():
            name = str(Path(file).relative_to(Path.cwd()))
            hits[name] = {}
            for line, contexts in data.contexts_by_lineno(file).items():
                if "" in contexts:
                    always[name].append(line)
                if named := sorted(positions[context] for context in contexts if context):
                    hits[name][line] = named
        found = {"seconds": plugin.seconds, "failed": plugin.failed, "always": always, "hits": hits}
        (scratch / "recorded.json").write_text(json.dumps(found), encoding="utf-8")
        return answer

    return work
