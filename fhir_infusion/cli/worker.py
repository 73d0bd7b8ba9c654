"""``fhir-infusion worker``: keep other FHIR servers in step, without the web service."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue
from typing import Final

import click

from fhir_infusion.cli import arenas, load_settings
from fhir_infusion.cli.build import live_mappings, writing_service
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, tell
from fhir_infusion.errors import SettingsError
from fhir_infusion.store import owner

_END: Final = "end"
_RELOAD: Final = "reload"


@click.command("worker")
@database_option
def command(database: str | None) -> int:
    """Push and pull until told to stop. Where `serve` writes the database, its own worker does this already.

    SIGHUP has the mapping documents read anew, as in `serve`.
    """
    from fhir_infusion.sync.worker import Worker  # noqa: PLC0415  brings requests
    from fhir_infusion.web import collector, logs, mappings  # noqa: PLC0415  bring Flask

    settings = load_settings(database=database)
    if not settings.remotes:
        raise SettingsError("remotes: none is set; there is nothing to keep in step")
    found = owner(settings.database)
    if found is not None and found.address:
        tell(f"process {found.pid} serves this database and keeps it in step; nothing to do here")
        return DONE
    arenas.few()
    logs.configure(settings.log_level)
    words: SimpleQueue[str] = SimpleQueue()
    for number, word in ((signal.SIGTERM, _END), (signal.SIGINT, _END), (signal.SIGHUP, _RELOAD)):
        signal.signal(number, lambda *_, word=word: words.put(word))
    with writing_service(settings) as service:
        live = live_mappings(service)
        worker = Worker(service)
        worker.start()
        collector.set_aside()
        while words.get() == _RELOAD:
            # In a thread of its own: the proof takes seconds, and who says stop is not to wait for it.
            threading.Thread(target=mappings.reload, args=(live,), name="mappings", daemon=True).start()
        worker.stop()
    return DONE
