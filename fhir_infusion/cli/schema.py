"""``fhir-infusion schema``: the JSON Schema of a record, a report or a trace."""

from __future__ import annotations

import click

from fhir_infusion.cli.reports import SCHEMAS
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.schemas import json_schema

RECORDS = ("InfusionOrder", "Administration")


@click.command("schema")
@click.argument("name", type=click.Choice([*RECORDS, *SCHEMAS]))
def command(name: str) -> None:
    """Print a JSON Schema: InfusionOrder, Administration, report or trace."""
    schema = json_schema(name) if name in RECORDS else SCHEMAS[name]
    click.echo(fhir_json.write_pretty(schema), nl=False)
