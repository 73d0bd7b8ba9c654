"""A worker in a process of its own, to be killed: ``python -m tests.faults.pushing BASE DATABASE OFFSET [pull]``.

Pushes until nothing is due (and pulls once, if asked), with a clock that is OFFSET seconds ahead; prints ``done``.
"""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fhir_infusion.service import Service
from fhir_infusion.store import open_store, outbox
from fhir_infusion.sync import pull, worker
from fhir_infusion.sync.peer import Peer
from fhir_infusion.translator import Translator
from tests.faults.rig import TENANT, library, settings_for


def main() -> None:
    """Run once."""
    base, database, offset, *rest = sys.argv[1:]
    ahead = [timedelta(seconds=float(offset))]

    def clock() -> datetime:
        return datetime.now(UTC) + ahead[0]

    settings = settings_for(base, Path(database))
    store = open_store(settings.database, clock, wait_seconds=10)
    service = Service(store, Translator(library(), settings), clock, lambda: str(uuid.uuid4()), settings)
    peer = Peer(service, settings.remotes[0])
    for _ in range(200):
        worker.push_all(peer, TENANT)
        if not store.read(TENANT, lambda tx: outbox.waiting(tx, "peer")):
            break
        ahead[0] += timedelta(seconds=2)  # what waits for a later look is due by then
    if rest == ["pull"]:
        pull.pull(peer, TENANT)
    peer.close()
    store.close()
    print("done")  # noqa: T201  the test waits for it


if __name__ == "__main__":
    main()
