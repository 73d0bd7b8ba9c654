"""``fhir-infusion serve``: the web service, with gunicorn."""

from __future__ import annotations

import click

from fhir_infusion.cli import arenas, load_settings
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.config import check_start, is_loopback


@click.command("serve")
@click.option("--host", help="Address to serve on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on. [default: 8080]")
@click.option("--database", help="Where the data lie: sqlite:///PATH or postgresql://….")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes, more than one with PostgreSQL only. [default: 1]"
)
@click.option("--overlay", help="The site's mapping overlay.")
def command(host: str | None, port: int | None, database: str | None, workers: int | None, overlay: str | None) -> int:
    """Serve /api, /fhir and the workbench until told to stop."""
    from fhir_infusion.cli.build import build_running, load_translator  # noqa: PLC0415  brings Flask, SQLAlchemy and the mappings
    from fhir_infusion.web.server import serve  # noqa: PLC0415  brings Flask and gunicorn

    arenas.few()
    settings = load_settings(host=host, port=port, database=database, workers=workers, overlay=overlay)
    check_start(settings)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    if is_loopback(settings.host) and settings.tokens is None:
        tell(f"open to this machine only, for trying out; workbench: http://{shown}:{settings.port}/workbench")
    # Several processes share what is loaded before they are forked; one alone would only have it twice.
    translator = load_translator(settings) if settings.workers > 1 else None
    ended_well = serve(settings, lambda address, wait: build_running(settings, address, wait, translator))
    return DONE if ended_well else REFUSED
