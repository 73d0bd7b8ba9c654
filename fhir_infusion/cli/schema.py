"""``fhir-infusion schema``: the JSON Schema of a record, a report or a trace; the HTTP interface, for other tools."""

from __future__ import annotations

import click

from fhir_infusion.cli.reports import SCHEMAS
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.schemas import json_schema

RECORDS = ("InfusionOrder", "Administration")
HTTP = ("openapi", "http", "postman")


@click.command("schema")
@click.argument("name", type=click.Choice([*RECORDS, *SCHEMAS, *HTTP]))
def command(name: str) -> None:
    """Print a JSON Schema: InfusionOrder, Administration, report or trace; or the HTTP interface.

    That is `openapi`, its description; `http`, a file of requests for an editor; `postman`, a collection of them.
    """
    if name in HTTP:
        click.echo(_of_http(name), nl=False)
        return
    schema = json_schema(name) if name in RECORDS else SCHEMAS[name]
    click.echo(fhir_json.write_pretty(schema), nl=False)


def _of_http(name: str) -> str | bytes:
    from fhir_infusion.web import openapi, request_files  # noqa: PLC0415  brings every view of the service

    document = openapi.description()
    if name == "http":
        return request_files.http(document)
    return fhir_json.write_pretty(document if name == "openapi" else request_files.postman(document))
