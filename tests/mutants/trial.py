"""The trial of a mutant: its module is loaded changed, and the tests that run its lines are run until one fails.

A trial has two stages, so that most mutants cost little: the test files of the module's own part of the tree, then
those of everything else. In a stage, tests that run the line in their body go first, the cheap before the dear.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.mutants.children import OUT_OF_TIME
from tests.mutants.covered import OPTIONS
from tests.mutants.modules import Finder, forget
from tests.mutants.operators import mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.mutants.covered import Recorded
    from tests.mutants.operators import Mutant

BUDGET: Final = 8.0
"""Seconds of recorded tests that one stage runs at most: the rate that is told is one that more tests only raise."""

DEAR: Final = 3.0
"""A test that takes longer by itself is not run."""

_SHARED: Final = 1.0
"""A file with a test of so many seconds or more loads the whole library in it; its other tests then cost that too."""

_SURVIVES: Final = frozenset({0, 5})


@dataclass(frozen=True, slots=True)
class Stage:
    """The tests of one stage in their order."""

    tests: tuple[str, ...]
    seconds: float

    def limit(self, patience: int) -> int:
        """Return the processor time after which the mutant counts as hanging; ``patience`` is for loading."""
        return patience + int(3 * self.seconds)


def stages(mutant: Mutant, recorded: Mapping[Path, Recorded], near: Callable[[Mutant, Path], bool]) -> list[Stage]:
    """Return the stages of a mutant; none where no test runs its lines."""
    chosen: dict[bool, list[tuple[tuple[bool, bool, float], str]]] = {True: [], False: []}
    for test, one in recorded.items():
        hitting = one.hitting(mutant.file, mutant.first, mutant.last)
        if hitting is None:
            continue
        shared = max(one.seconds.values(), default=0.0) >= _SHARED
        for name, seconds in one.seconds.items():
            if seconds < DEAR and name not in one.failed:
                chosen[near(mutant, test)].append(((name not in hitting, shared, seconds), name))
    return [_within_budget(sorted(chosen[is_near])) for is_near in (True, False) if chosen[is_near]]


def _within_budget(tests: Iterable[tuple[tuple[bool, bool, float], str]]) -> Stage:
    names: list[str] = []
    spent = 0.0
    for (_, _, seconds), name in tests:
        if spent + seconds <= BUDGET:
            spent += seconds
            names.append(name)
    return Stage(tuple(names), spent)


class _Ordered:
    """Runs the tests of a stage only, in its order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )


def _load_once() -> None:
    """Let the shipped documents be loaded once in this process, not once in every test file."""
    translator = importlib.import_module("fhir_infusion.translator")
    load, kept = translator.load, dict[str, object]()

    def once(texts: Mapping[str, str], elements: object, settings: Mapping[str, str], *, overlays: object) -> object:
        if overlays is not None:
            return load(texts, elements, settings, overlays=overlays)
        key = json.dumps([dict(texts), dict(settings)], sort_keys=True)
        if key not in kept:
            kept[key] = load(texts, elements, settings)
        return kept[key]

    vars(translator)["load"] = once


def trial(
    mutant: Mutant | None, text: str, path: Path, module: str, stale: Iterable[str], tests: Sequence[str]
) -> Callable[[Path], int]:
    """Return the work of a child; without a mutant it is the control, in which every test must pass."""

    def work(scratch: Path) -> int:
        forget(stale)
        if mutant is not None:
            sys.meta_path.insert(0, Finder(module, path, mutated(text, mutant)))
        if "fhir_infusion.translator" in stale:
            _load_once()
        files = dict.fromkeys(name.partition("::")[0] for name in tests)
        arguments = [*OPTIONS, "-x", f"--basetemp={scratch / 'pytest'}", *files]
        return int(pytest.main(arguments, plugins=[_Ordered(tests)]))

    return work


def verdict(answer: int) -> str:
    """Return what an answer says: ``killed``, ``hangs`` (which counts as killed) or ``survived``."""
    if answer == OUT_OF_TIME:
        return "hangs"
    return "survived" if answer in _SURVIVES else "killed"
