"""Two workers on one database, one of which sleeps past its lease: reliability F21. Each version arrives once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store import outbox
from tests.counts import count
from tests.faults.invariants import check, end_of
from tests.faults.peer import Act, Asked, Peer
from tests.faults.pushing import start
from tests.faults.rig import ORDERS, TENANT, Clock, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests import postgresql

NUMBER = 12
AHEAD = 15
"""Seconds by which the clock of the second worker is ahead: beyond the lease of the first."""
WAIT = 60.0


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer()
    one.clock = time.monotonic
    one.lies = [lambda asked: Act(wait_seconds=0.05) if asked.writes else None]
    yield one
    one.close()


def _orders(there: Peer) -> Counter[str]:
    return Counter(one["identifier"][0]["value"] for one in there.all("MedicationRequest"))


def _until(there: Peer, happened: int) -> None:
    """Wait until so many orders were asked to be created."""

    def is_create(asked: Asked) -> bool:
        return asked.writes and asked.type == "MedicationRequest"

    deadline = time.monotonic() + WAIT
    while sum(map(is_create, list(there.asked))) < happened and time.monotonic() < deadline:
        time.sleep(0.005)


def _ends(url: str, there: Peer) -> dict[str, list[str]]:
    """Demand the eight invariants, and that every row is acknowledged; return what either side holds."""
    clock = Clock()
    rig = open_rig(there, url, clock)
    clock.at = datetime.now(UTC) + timedelta(seconds=2 * AHEAD)
    assert {row.state for row in rig.service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer", limit=1000))} == {
        "acked"
    }
    check(rig)
    end = end_of(rig)
    rig.close()
    return end


def _filled(there: Peer, url: str) -> None:
    rig = open_rig(there, url, Clock())
    for number in range(NUMBER):
        rig.place(order(f"A-{number}"))
    rig.close()
    there.clock = time.monotonic


@pytest.fixture(scope="module")
def as_one_worker_leaves_it(postgresql_server: postgresql.Server) -> dict[str, list[str]]:
    """The twin: what either side holds where one worker tells it all, and nothing happens to it."""
    there, url = Peer(), postgresql_server.database()
    try:
        _filled(there, url)
        worker = start(there.base, url, 0)
        worker.join(WAIT)
        assert worker.exitcode == 0
        return _ends(url, there)
    finally:
        there.close()


@pytest.mark.parametrize("asleep", range(count(3, 20)))
def test_f21_a_worker_that_slept_past_its_lease_doubles_nothing_when_it_wakes(
    there: Peer, postgresql_server: postgresql.Server, as_one_worker_leaves_it: dict[str, list[str]], asleep: int
):
    url = postgresql_server.emptied()
    _filled(there, url)
    first = start(there.base, url, 0)
    _until(there, 2 + asleep)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = start(there.base, url, AHEAD)
        second.join(WAIT)
        assert second.exitcode == 0
        assert _orders(there) == {f"A-{number}": 1 for number in range(NUMBER)}
    finally:
        os.kill(first.pid, signal.SIGCONT)
    first.join(WAIT)
    assert first.exitcode == 0
    assert _orders(there) == {f"A-{number}": 1 for number in range(NUMBER)}
    assert {len(there.history("MedicationRequest", one["id"])) for one in there.all("MedicationRequest")} == {1}
    assert _ends(url, there) == as_one_worker_leaves_it
    assert {one["identifier"][0]["system"] for one in there.all("MedicationRequest")} == {ORDERS}


def test_f21_two_workers_at_once_tell_each_version_once(
    there: Peer, postgresql_server: postgresql.Server, as_one_worker_leaves_it: dict[str, list[str]]
):
    url = postgresql_server.emptied()
    _filled(there, url)
    workers = [start(there.base, url, 0, beside=True) for _ in range(2)]
    for worker in workers:
        worker.join(WAIT)
        assert worker.exitcode == 0
    assert _orders(there) == {f"A-{number}": 1 for number in range(NUMBER)}
    assert _ends(url, there) == as_one_worker_leaves_it
    creates = Counter(
        asked.body["identifier"][0]["value"]
        for asked in there.asked
        if asked.writes and asked.type == "MedicationRequest"
    )
    assert set(creates.values()) == {1}, "no version was sent by both"
