"""A worker killed at each named step, and at random instants: reliability F2. Nothing lost, nothing doubled."""

from __future__ import annotations

import inspect
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store.failpoint import EXIT_STATUS
from tests.counts import count
from tests.faults.dying import POINTS
from tests.faults.invariants import check, end_of
from tests.faults.peer import Peer
from tests.faults.pushing import start
from tests.faults.rig import MRN, Clock, Rig, administration, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS = ("push.claimed", "push.sending", "push.answered", "push.before-commit", "push.committed")
PULL_STEPS = ("pull.page", "pull.move", "pull.applied")
EXPECTED = {"A-1": 1, "A-2": 1, "G-1": 1, "G-1#1": 1, "G-1#2": 1}
LEASE = 15
"""Seconds after which what a killed worker had claimed is free."""


def test_the_steps_at_which_a_process_dies_in_tests_are_steps_of_the_modules_that_they_are_said_to_be_of():
    assert {point for _, point in POINTS} == {*STEPS, *PULL_STEPS}
    assert [point for module, point in POINTS if f'reach("{point}")' not in inspect.getsource(module)] == []


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer(page=4)
    yield one
    one.close()


def _fill(there: Peer, database: Path) -> None:
    rig = open_rig(there, database, Clock())
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.close()
    there.clock = time.monotonic


def _goes_on(there: Peer, database: Path, offset: int) -> Rig:
    """Start again, so many seconds later, and push until nothing is open."""
    rig = open_rig(there, database, Clock())
    there.clock = time.monotonic
    rig.clock.at = datetime.now(UTC) + timedelta(seconds=offset)
    assert set(rig.settle()) <= {"acked"}
    return rig


def _ends(rig: Rig) -> dict[str, list[str]]:
    """Demand the eight invariants, close, and return what either side holds."""
    check(rig)
    end = end_of(rig)
    rig.close()
    return end


def _without_a_kill(database: Path, *, update_create: bool = False) -> dict[str, list[str]]:
    there = Peer(page=4, update_create=update_create)
    try:
        _fill(there, database)
        return _ends(_goes_on(there, database, LEASE))
    finally:
        there.close()


def _what_is_there(there: Peer) -> Counter[str]:
    resources = there.all("MedicationRequest") + there.all("MedicationAdministration")
    return Counter(one["identifier"][0]["value"] for one in resources)


@pytest.mark.parametrize(("step", "update_create"), [*((step, False) for step in STEPS), ("push.answered", True)])
def test_f2_a_worker_killed_at_a_named_step_loses_nothing_and_doubles_nothing(
    there: Peer, tmp_path: Path, step: str, update_create: object
) -> None:
    there.update_create = bool(update_create)
    database = tmp_path / "rig.db"
    _fill(there, database)
    process = start(there.base, database, 0, f"{step}:2")
    process.join(120)
    assert process.exitcode == EXIT_STATUS
    end = _ends(_goes_on(there, database, LEASE))
    assert end == _without_a_kill(tmp_path / "twin.db", update_create=bool(update_create))
    assert _what_is_there(there) == EXPECTED
    assert {one["meta"]["versionId"] for one in there.all("MedicationRequest")} == {"1"}
    assert len(there.all("Patient")) == 2


@pytest.mark.slow
def test_f2_a_worker_killed_at_random_instants_loses_nothing_and_doubles_nothing(there: Peer, tmp_path: Path) -> None:
    database = tmp_path / "rig.db"
    _fill(there, database)
    chance = random.Random(2)
    there.lies.append(lambda _: time.sleep(0.05))  # slow enough to be hit in the middle
    kills = count(20, 100)
    for number in range(kills):
        before = len(there.asked)
        process = start(there.base, database, LEASE * number)
        while len(there.asked) == before and process.is_alive():
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        process.join()
    there.lies.clear()
    end = _ends(_goes_on(there, database, LEASE * (kills + 1)))
    assert end == _without_a_kill(tmp_path / "twin.db")
    assert _what_is_there(there) == EXPECTED


@pytest.mark.parametrize("step", PULL_STEPS)
def test_f2_a_pull_killed_at_a_named_step_takes_everything_once(there: Peer, tmp_path: Path, step: str) -> None:
    database = tmp_path / "rig.db"
    patient = there.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": "mrn-9"}]})
    for number in range(10):
        there.put(of_theirs(number, subject={"reference": f"Patient/{patient['id']}"}))
    process = start(there.base, database, 0, f"{step}:2" if step != "pull.move" else step, pulls=True)
    process.join(120)
    assert process.exitcode == EXIT_STATUS
    rig = _goes_on(there, database, LEASE)
    rig.pull()
    values = [one["identifier"][0]["value"] for one in rig.all()]
    assert sorted(values) == [str(number) for number in range(10)]
    assert [one.received for one in rig.pull()] == [0, 0]
    _ends(rig)
