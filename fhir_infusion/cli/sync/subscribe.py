"""``fhir-infusion sync subscribe``."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option, operator
from fhir_infusion.fhir import json as fhir_json


@click.command("subscribe")
@database_option
@click.option("--off", is_flag=True, help="Delete the Subscriptions again.")
@click.argument("remote", metavar="NAME")
def subscribe(database: str | None, off: bool, remote: str) -> None:
    """Have the remote NAME tell us when something changed there, so that it is fetched at once."""
    settings = load_settings(database=database)
    name, way = settings.remote(remote).name, "off" if off else "on"
    click.echo(fhir_json.write(owner.do(settings, "subscribe", client=operator(), remote=name, way=way)))
