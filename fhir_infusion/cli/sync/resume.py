"""``fhir-infusion sync resume``."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option, operator, reason_option
from fhir_infusion.fhir import json as fhir_json


@click.command("resume")
@database_option
@reason_option
@click.argument("remote", metavar="NAME")
def resume(database: str | None, reason: str, remote: str) -> None:
    """Go on with a remote that was restored from a backup: all of it is read anew, and compared with what we know."""
    settings = load_settings(database=database)
    name = settings.remote(remote).name
    click.echo(fhir_json.write(owner.do(settings, "resume", client=operator(), remote=name, reason=reason)))
