"""What the push to one peer costs: ``python -m tests.bench.sync [orders] [backlog]``. Prints one JSON object.

The peer is the lying server of the fault tests, honest here, in a process of its own, with a latency of 20 ms for each
request. Measured are the drain of orders (each with a new patient, then each with a known one, then a change of each),
the requests for each, how much the process grew, and how long a stop takes behind a backlog of other orders: on SQLite, and
on PostgreSQL where it is installed; the drain without batches, too.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fhir_infusion.cli import arenas
from fhir_infusion.store import outbox, standing
from fhir_infusion.sync import worker
from tests import postgresql
from tests.faults.peer import Act, Asked, Peer
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from fhir_infusion.store import Tx

LATENCY = 0.02
STOPS = 100


class Slow(Peer):
    """The same server, each of whose answers takes a while; it does not keep what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        # Of a batch the request waits, not each entry, which has no headers of HTTP.
        self.lies.append(lambda asked: Act(wait_seconds=LATENCY) if "host" in asked.headers else None)
        self.takes_batches = True

    def answer(self, asked: Asked) -> Any:
        answered = super().answer(asked)
        if len(self.asked) > 1000:
            with self._lock:
                self.total = getattr(self, "total", 0) + len(self.asked)
                self.asked.clear()
        return answered


def _serve(pipe: Connection) -> None:
    peer = Slow()
    pipe.send(peer.base)
    while pipe.recv() == "count":
        pipe.send(getattr(peer, "total", 0) + len(peer.asked))
    peer.close()


class Running(Clock):
    """A clock that runs."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


class _There:
    """The peer as the rig knows it: its address."""

    def __init__(self, base: str) -> None:
        self.base = base


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _drain(rig: Rig, pipe: Connection, rows: int) -> dict[str, float]:
    pipe.send("count")
    before, resident, begun, used = pipe.recv(), _resident(), time.monotonic(), time.process_time()
    rig.push()
    seconds, cpu = time.monotonic() - begun, time.process_time() - used
    pipe.send("count")
    return {
        "rows_per_second": round(rows / seconds, 1),
        "requests_per_row": round((pipe.recv() - before) / rows, 2),
        "cpu_ms_per_row": round(1000 * cpu / rows, 2),
        "grown_mb": round(_resident() - resident, 1),
    }


def _stop_behind(rig: Rig, name: str, backlog: int) -> dict[str, float]:
    """Return how many seconds stops take, the middle one and the last of a hundred, while so many other rows wait."""

    def fill(tx: Tx, first: int) -> None:
        for number in range(first, min(first + 1000, backlog)):
            outbox.enqueue(tx, "peer", f"MedicationRequest/none-{number}", 1, "hash", stop=False)

    for first in range(0, backlog, 1000):
        rig.service.store.transact(TENANT, partial(fill, first=first))
    runs = worker.Worker(rig.service)
    runs.start()
    took = []
    for number in range(STOPS):
        time.sleep(0.2)
        begun = time.monotonic()
        rig.amend(order(f"{name}-{number}", status="cancelled"))
        runs.wake()
        while rig.service.store.read(TENANT, lambda tx: standing.oldest(tx, "peer", "stop")) is not None:
            time.sleep(0.005)
        took.append(time.monotonic() - begun)
    waiting = rig.service.store.read(TENANT, lambda tx: standing.outgoing(tx, "peer", ("pending",)))
    runs.stop()
    took.sort()
    return {
        "median": round(took[STOPS // 2], 2),
        "p99": round(took[STOPS * 99 // 100], 2),
        "most": round(took[-1], 2),
        "still waiting behind": waiting.get("pending", 0),
    }


def _drains(rig: Rig, pipe: Connection, name: str, orders: int) -> dict[str, Any]:
    """Return what it costs to send so many orders of new patients, of known ones, and a change of each."""
    found = {}
    for number in range(orders):
        rig.place(order(f"{name}-{number}"))
    found["new patients"] = _drain(rig, pipe, orders)
    for number in range(orders):
        rig.place(order(f"{name}-{number % 50}.{number}") | {"patient": order(f"{name}-{number % 50}")["patient"]})
    found["known patients"] = _drain(rig, pipe, orders)
    for number in range(orders):
        rig.amend(order(f"{name}-{number}", status="on-hold"))
    found["changes"] = _drain(rig, pipe, orders)
    return found


def _on_postgresql(there: Peer, pipe: Connection, orders: int, backlog: int) -> dict[str, Any]:
    server = postgresql.Server()
    server.start()
    rig = open_rig(there, server.database(), Running())
    try:
        drained = _drains(rig, pipe, "N-pg", orders)
        return {"PostgreSQL": drained, "seconds of a stop, PostgreSQL": _stop_behind(rig, "N-pg", backlog)}
    finally:
        rig.close()
        server.stop()


def main(orders: int = 2000, backlog: int = 100_000) -> dict[str, Any]:
    """Run the bench and return what was measured."""
    arenas.few()  # as the commands do
    here, away = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(away,), daemon=True)
    process.start()
    found: dict[str, Any] = {"orders": orders, "backlog": backlog}
    with tempfile.TemporaryDirectory() as folder:
        there = cast("Peer", _There(here.recv()))
        alone = open_rig(there, Path(folder) / "alone.db", Running(), bundle_size=1)
        found["SQLite, without batches"] = _drains(alone, here, "N-alone", orders)
        alone.close()
        rig = open_rig(there, Path(folder) / "bench.db", Running())
        found["SQLite"] = _drains(rig, here, "N", orders)
        found["seconds of a stop, SQLite"] = _stop_behind(rig, "N", backlog)
        rig.close()
    if not postgresql.missing():
        found |= _on_postgresql(there, here, orders, backlog)
    here.send("end")
    process.join()
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(main(*map(int, sys.argv[1:])), indent=1))  # noqa: T201  the result
