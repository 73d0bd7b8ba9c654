"""A worker in a process of its own, to be killed.

The processes are forked from a server that has loaded everything, so that a hundred of them cost no more than a few.
"""

from __future__ import annotations

import multiprocessing
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_infusion.service import Service
from fhir_infusion.store import failpoint, open_store, outbox
from fhir_infusion.sync import bulk, pull, sending
from fhir_infusion.sync.peer import Peer
from fhir_infusion.translator import Translator
from tests.faults.rig import TENANT, library, settings_for

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.faults.preloaded"])


def start(
    base: str,
    database: Path | str,
    offset: int,
    point: str = "",
    *,
    pulls: bool = False,
    loads: bool = False,
    beside: bool = False,
) -> BaseProcess:
    """Start a worker that dies at the failpoint ``point`` (``name`` or ``name:count``), where it comes there.

    ``database`` is the path of SQLite's file, or a URL. A worker ``beside`` another waits for what it holds by the
    clock of both: were it to put its own on, it would come past the leases of the other.
    """
    process = _SERVER.Process(target=_run, args=(base, str(database), offset, point, pulls, loads, beside), daemon=True)
    process.start()
    return process


def _run(base: str, database: str, offset: int, point: str, pulls: bool, loads: bool, beside: bool) -> None:  # noqa: FBT001  passed on by position
    """Push until nothing is due (and pull once, or load to the end, if asked), with a clock that is so many seconds ahead."""
    name, _, times = point.partition(":")
    vars(failpoint).update(_NAME=name, _left=int(times or 1))  # a process of its own reads them from the environment
    ahead = [timedelta(seconds=offset)]

    def clock() -> datetime:
        return datetime.now(UTC) + ahead[0]

    settings = settings_for(base, database if "://" in database else Path(database))
    store = open_store(settings.database, clock, wait_seconds=10)
    service = Service(store, Translator(library(), settings), clock, lambda: str(uuid.uuid4()), settings)
    peer = Peer(service, settings.remotes[0])
    for _ in range(200):
        sending.push_all(peer, TENANT)
        if not store.read(TENANT, lambda tx: outbox.waiting(tx, "peer")):
            break
        if beside:
            time.sleep(0.2)
        else:
            ahead[0] += timedelta(seconds=2)  # what waits for a later look is due by then
    if pulls:
        pull.pull(peer, TENANT)
    while loads and bulk.load(service, "peer", "")["state"] != "done":
        ahead[0] += timedelta(seconds=2)
    peer.close()
    store.close()
