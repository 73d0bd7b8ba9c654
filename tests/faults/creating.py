"""A process that creates one resource from many threads at once, round by round; started by ``test_postgresql``.

Usage: creating.py DATABASE THREADS. Each line on standard input, ``exist VALUE`` (If-None-Exist) or ``key VALUE``
(Idempotency-Key), is a round; for each it prints how many were created, and the ids that were answered.
"""

from __future__ import annotations

import sys
import threading
import uuid
from datetime import UTC, datetime

from fhir_infusion.actions import accept_resource
from fhir_infusion.actions.caller import Caller
from fhir_infusion.config import Settings
from fhir_infusion.fhir import search
from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.translator import open_translator

SYSTEM = "urn:test:elsewhere"


def resource(value: str) -> dict[str, object]:
    """A right resource, which names nothing but what is asked for."""
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], "active": True}


def say(line: str) -> None:
    """Write one line to the process that started this one."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(database: str, threads: str) -> None:
    settings = Settings(database=database)
    store = open_store(database, lambda: datetime.now(UTC))
    service = Service(store, open_translator(settings), lambda: datetime.now(UTC), lambda: str(uuid.uuid4()), settings)
    say("open")
    for line in sys.stdin:
        kind, value = line.split()
        criteria = search.parse("Patient", "R4", [("identifier", f"{SYSTEM}|{value}")])
        exist = criteria if kind == "exist" else None
        caller = Caller("default", "test", value if kind == "key" else "")
        made: list[tuple[bool, str]] = []
        start = threading.Barrier(int(threads))

        def run(caller: Caller = caller, exist: search.Query | None = exist, value: str = value) -> None:
            start.wait()  # noqa: B023  every thread of a round has ended before the next begins
            outcome = accept_resource.create(service, caller, "R4", resource(value), exist)
            made.append((outcome.created, outcome.id))  # noqa: B023  as above

        running = [threading.Thread(target=run) for _ in range(int(threads))]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        answered = sorted({id_ for _, id_ in made})
        say(f"{len(made)} {sum(created for created, _ in made)} {' '.join(answered)}")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
