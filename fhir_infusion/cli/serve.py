"""``fhir-infusion serve``: the web service, with gunicorn."""

from __future__ import annotations

from functools import partial

import click

from fhir_infusion.cli import arenas, load_settings
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.config import check_start, is_loopback


@click.command("serve")
@click.option("--host", help="Address to serve on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on. [default: 8080]")
@click.option("--database", help="Where the data lie: sqlite:///PATH or postgresql://….")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that serve. [default: 1]")
@click.option("--overlay", help="The site's mapping overlay.")
def command(host: str | None, port: int | None, database: str | None, workers: int | None, overlay: str | None) -> int:
    """Serve /api, /fhir and the workbench until told to stop."""
    from fhir_infusion.cli.build import build_running, load_translator  # noqa: PLC0415  brings Flask, SQLAlchemy and the mappings
    from fhir_infusion.store import share  # noqa: PLC0415  brings SQLAlchemy
    from fhir_infusion.web.server import GRACEFUL_SECONDS, address_of, check_address, serve  # noqa: PLC0415  brings Flask and gunicorn

    arenas.few()
    settings = load_settings(host=host, port=port, database=database, workers=workers, overlay=overlay)
    check_start(settings)
    check_address(settings.host, settings.port)
    shown = address_of(settings.host, settings.port)
    if is_loopback(settings.host) and settings.tokens is None:
        tell(f"open to this machine only, for trying out; workbench: http://{shown}/workbench")
    if settings.workers == 1:
        ended_well = serve(settings, partial(build_running, settings))
    else:
        # Several processes share what is loaded and locked before they are forked.
        translator = load_translator(settings)
        held = share(settings.database, wait_seconds=GRACEFUL_SECONDS)
        build = partial(build_running, settings, translator=translator, held=held)
        ended_well = serve(settings, build)
        if held is not None:
            held.release()
    return DONE if ended_well else REFUSED
