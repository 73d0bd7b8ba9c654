"""``fhir-infusion worker``: keep other FHIR servers in step, without the web service."""

from __future__ import annotations

import signal
import threading

import click

from fhir_infusion.cli import arenas, load_settings
from fhir_infusion.cli.build import writing_service
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, tell
from fhir_infusion.errors import SettingsError
from fhir_infusion.store import owner


@click.command("worker")
@database_option
def command(database: str | None) -> int:
    """Push and pull until told to stop. Where `serve` writes the database, its own worker does this already."""
    from fhir_infusion.sync.worker import Worker  # noqa: PLC0415  brings requests
    from fhir_infusion.web import logs  # noqa: PLC0415  beside its one use

    settings = load_settings(database=database)
    if not settings.remotes:
        raise SettingsError("remotes: none is set; there is nothing to keep in step")
    found = owner(settings.database)
    if found is not None and found.address:
        tell(f"process {found.pid} serves this database and keeps it in step; nothing to do here")
        return DONE
    arenas.few()
    logs.configure(settings.log_level)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with writing_service(settings) as service:
        worker = Worker(service)
        worker.start()
        ending.wait()
        worker.stop()
    return DONE
