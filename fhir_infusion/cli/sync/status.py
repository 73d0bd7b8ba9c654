"""``fhir-infusion sync status``."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.status import status as status_of


@click.command("status")
@database_option
def status(database: str | None) -> None:
    """Tell how each remote stands, one JSON object a line: what waits, since when, and what needs a person."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for line in status_of(service):
            click.echo(fhir_json.write(line))
