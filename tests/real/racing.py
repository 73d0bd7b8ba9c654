"""Worker processes that race: several on one PostgreSQL, all pushing to one server.

They run what ``fhir-infusion worker`` runs. They are forked from a process that has loaded the mappings, for eight that
load them side by side would spend a minute on that alone.
"""

from __future__ import annotations

import multiprocessing
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fhir_infusion.actions import place_order
from fhir_infusion.service import Service
from fhir_infusion.store import open_store, outbox
from fhir_infusion.sync.worker import Worker
from fhir_infusion.translator import Translator
from tests.faults.rig import CALLER, TENANT, library, order, settings_for
from tests.real.server import call

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from tests.real.server import Program, Reply

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.preloaded"])


def _service(base: str, database: str) -> Service:
    settings = settings_for(base, database, direction="push", deadline_seconds=20)
    store = open_store(database, _now, wait_seconds=30)
    return Service(store, Translator(library(), settings), _now, lambda: str(uuid.uuid4()), settings)


def _now() -> datetime:
    return datetime.now(UTC)


class Racers:
    """A database with orders to be sent, and processes that send them."""

    def __init__(self, base: str, database: str) -> None:
        """Prepare; ``base`` is the address of the server, ``database`` the URL of an empty one on PostgreSQL."""
        self._base = base
        self._database = database
        self._service = _service(base, database)
        self._processes: list[BaseProcess] = []

    def place(self, names: list[str], patients: int) -> None:
        """Place orders; so many patients share them, in turns, so that every process needs every patient at once."""
        for number, name in enumerate(names):
            record = order(name)
            record["patient"]["identifier"]["value"] = f"{names[0]}-{number % patients}"
            place_order.place(self._service, CALLER, record)

    def start(self, processes: int) -> None:
        """Let as many processes send as are asked for."""
        for _ in range(processes):
            process = _FORKS.Process(target=_work, args=(self._base, self._database), daemon=True)
            process.start()
            self._processes.append(process)

    def kill_one(self) -> None:
        """Kill one of them and start another."""
        self._processes.pop(0).kill()
        self.start(1)

    def left(self) -> int:
        """Return how many rows are not settled yet."""
        rows = self.rows()
        return sum(row.state in {"pending", "leased", "sent", "unknown"} for row in rows)

    def rows(self) -> tuple[outbox.Row, ...]:
        return self._service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer", limit=10_000))

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        self._service.store.close()


def _work(base: str, database: str) -> None:
    service = _service(base, database)
    Worker(service).start()
    threading.Event().wait()  # until killed


def posted_at_once(server: Program, times: int, system: str, value: str) -> list[Reply]:
    """Send one conditional create from so many threads at the same moment; return the answers."""
    body = {"resourceType": "Patient", "identifier": [{"system": system, "value": value}], "active": True}
    condition = {"If-None-Exist": f"identifier={system}|{value}"}
    together = threading.Barrier(times)
    answers: list[Reply] = []

    def post() -> None:
        together.wait()
        answers.append(call(f"{server.base}/Patient", "POST", body, condition))

    threads = [threading.Thread(target=post) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
