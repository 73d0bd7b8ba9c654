"""``fhir-infusion sync conflicts``, ``conflict show`` and ``resolve``."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option, operator, reason_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import conflicts
from fhir_infusion.sync.shown import summary

DEFAULT_TENANT = "default"


@click.command("conflicts")
@database_option
def held(database: str | None) -> None:
    """List the changes on both sides that wait for a person, one JSON object a line: what and where, no values."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for tenant in service.store.read(DEFAULT_TENANT, conflicts.tenants):
            for one in service.store.read(tenant, conflicts.listed):
                click.echo(fhir_json.write({"tenant": tenant, **summary(one)}))


@click.command("resolve")
@database_option
@click.option("--keep", type=click.Choice(["ours", "theirs"]), required=True, help="Whose state stands.")
@reason_option
@click.argument("name", metavar="ID")
def resolve(database: str | None, keep: str, reason: str, name: str) -> int:
    """Decide a conflict that `sync conflicts` shows: ours is sent there, or theirs is taken here.

    Exit code 1 where the other side has deleted it meanwhile (`"kept":"gone there"`): then neither is done.
    """
    settings = load_settings(database=database)
    answer = owner.do(settings, "resolve", client=operator(), conflict_id=name, keep=keep, reason=reason)
    click.echo(fhir_json.write(answer))
    return DONE if answer["kept"] == keep else REFUSED


@click.group("conflict")
def conflict() -> None:
    """One of the changes that wait for a person."""


@conflict.command("show")
@database_option
@click.argument("name", metavar="ID")
def show(database: str | None, name: str) -> None:
    """Show a conflict with what each side says: it holds patient data, and the audit trail keeps who read it."""
    answer = owner.do(load_settings(database=database), "show-conflict", client=operator(), conflict_id=name)
    click.echo(fhir_json.write(answer))
