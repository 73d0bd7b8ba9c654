"""The service that takes orders and tells them to a peer, killed as a whole; and its database crashed under it.

Each kill comes while requests are answered. Nine of ten starts after it are forks of a process that has read the mapping
documents (``warm``): to read them was most of a start, and what a start finds is on disk.

Reliability F1 and F24, with the eight invariants, and a run without the fault that must end equally.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.counts import count
from tests.faults.invariants import CANARIES, check, end_of
from tests.faults.peer import Peer
from tests.faults.rig import Clock, Rig, open_rig
from tests.faults.ward import REMOTE, Ward
from tests.real.serving import Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests import postgresql

OPEN = "select count(*) from outbox where state in ('pending', 'leased', 'sent', 'unknown')"
RESUMED = 60
"""Within so many seconds of the last fault nothing waits any more, on a busy machine."""


def _waiting(url: str) -> int:
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            return int(connection.execute(OPEN).fetchall()[0][0])
    with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute(OPEN).fetchall()[0][0])


def _wards(serving: Serving) -> list[Ward]:
    wards = [Ward(serving, f"W{number}", count(4, 110)) for number in range(3)]
    for ward in wards:
        ward.start()
    return wards


def _ended(wards: list[Ward], serving: Serving) -> None:
    for ward in wards:
        ward.join(600)
        assert ward.failure is None, ward.failure
        assert not ward.is_alive()
    assert set(serving.statuses) <= {0, 200, 201, 412, 503}, serving.statuses
    eventually(lambda: not _waiting(serving.database), RESUMED)


def _checked(there: Peer, serving: Serving, wards: list[Ward]) -> dict[str, list[str]]:
    """Demand the eight invariants, and return what either side holds."""
    clock = Clock()
    rig = open_rig(there, serving.database, clock)
    try:
        clock.at = datetime.now(UTC) + timedelta(seconds=60)
        _acknowledged(rig, wards)
        check(rig)
        assert [line for ward in wards for line in ward.missing(rig)] == []
        logged = serving.log.read_text(encoding="utf-8")
        assert [canary for canary in CANARIES if canary in logged] == []
        return end_of(rig)
    finally:
        rig.close()


def _acknowledged(rig: Rig, wards: list[Ward]) -> None:
    known = [one.id for ward in wards for one in ward.known.values()]
    assert len(known) == len(set(known)) == 3 * count(4, 110)
    rig.acknowledged += [("MedicationRequest", id_, 1, "") for id_ in known]


def _until_answered(serving: Serving, wards: list[Ward], more: int) -> None:
    """Wait until so many more requests of the wards are answered, or they have no more."""
    answered = serving.statuses.total() - serving.statuses[0]
    end = time.monotonic() + 60
    while serving.statuses.total() - serving.statuses[0] < answered + more and any(ward.is_alive() for ward in wards):
        assert time.monotonic() < end, "nothing is answered"
        time.sleep(0.005)


def _with_kills(directory: Path, kills: int, processes: int = 1) -> dict[str, list[str]]:
    """Kill all of the service, or, of several processes, one every other time."""
    directory.mkdir()
    there, draw = Peer(), random.Random(kills)
    serving = Serving(directory, REMOTE.format(base=there.base), processes=processes, warm=True)
    busy = 0
    try:
        serving.start(cold=True)
        wards = _wards(serving)
        for number in range(kills):
            _until_answered(serving, wards, draw.randrange(1, 15))
            time.sleep(draw.uniform(0, 0.1))
            busy += any(ward.is_alive() for ward in wards)
            if processes > 1 and number % 2 == 0:
                os.kill(int(draw.choice(sorted(serving.workers()))), signal.SIGKILL)
            else:
                serving.kill()
                serving.start(cold=number % 10 == 9)
        assert busy >= kills * 3 // 4, busy  # a kill while nothing is written shows little
        _ended(wards, serving)
        serving.stop()
        return _checked(there, serving, wards)
    finally:
        serving.close()
        there.close()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_f1_a_service_that_is_killed_while_it_takes_and_tells_orders_ends_as_one_that_is_not_i1_to_i8(tmp_path: Path):
    whole = _with_kills(tmp_path / "whole", 0)
    assert _with_kills(tmp_path / "killed", count(3, 100)) == whole
    assert _with_kills(tmp_path / "two processes killed", count(4, 100), processes=2) == whole


def _with_crashes(directory: Path, url: str, crash: Callable[[], None], crashes: int) -> dict[str, list[str]]:
    directory.mkdir()
    there, draw = Peer(), random.Random(crashes)
    serving = Serving(directory, REMOTE.format(base=there.base), url, processes=2)
    with ExitStack() as stack:
        stack.callback(there.close)
        serving.start()
        stack.callback(serving.kill)
        for _ in range(2):
            worker = serving.run("worker")
            stack.callback(worker.wait)
            stack.callback(os.killpg, worker.pid, signal.SIGKILL)
        wards = _wards(serving)
        for _ in range(crashes):
            time.sleep(draw.uniform(0.5, 2.5))
            crash()
        _ended(wards, serving)
        assert not serving.statuses[0]
    return _checked(there, serving, wards)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_f24_a_database_that_crashes_under_a_service_and_two_workers_ends_as_one_that_does_not_i1_to_i8(
    crashing: postgresql.Server, tmp_path: Path
):
    ends = [
        _with_crashes(tmp_path / name, crashing.database(), lambda: crashing.restart("immediate"), crashes)
        for name, crashes in (("crashed", count(2, 20)), ("whole", 0))
    ]
    assert ends[0] == ends[1]
