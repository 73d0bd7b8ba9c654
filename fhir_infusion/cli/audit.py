"""``fhir-infusion audit``: the audit trail."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import reading_store
from fhir_infusion.cli.options import database_option, tenant_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.store import audit


@click.group("audit")
def command() -> None:
    """The audit trail: one row an effect, each sealed by a hash over itself and the one before."""


@command.command("verify")
@database_option
@tenant_option
def verify(database: str | None, tenant: str) -> int:
    """Check that no row of the audit trail was changed, removed or moved; exit code 1 where one was."""
    with reading_store(load_settings(database=database)) as store:
        complaints = store.read(tenant, audit.verify)
    for complaint in complaints:
        click.echo(complaint)
    if not complaints:
        click.echo("the audit trail is whole")
    return REFUSED if complaints else DONE
