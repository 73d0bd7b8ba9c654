"""``fhir-infusion db``: the database."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import clock, reading_store
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.store import dialect, open_store


@click.group("db")
def command() -> None:
    """The database: upgrade, check."""


@command.command("upgrade")
@database_option
def upgrade(database: str | None) -> None:
    """Make the database, or bring its tables up to date. `serve` does so too; here it is done while nothing runs."""
    open_store(load_settings(database=database).database, clock).close()
    click.echo("the database is up to date")


@command.command("check")
@database_option
def check(database: str | None) -> int:
    """Check the database file as a whole, beside a running service; exit code 1 where it is damaged."""
    with reading_store(load_settings(database=database)) as store:
        found = store.read("", lambda tx: dialect.complaints(tx.connection, whole=True))
    if found:
        click.echo(f"damaged: {len(found)} complaints; restore the database from a backup")
        return REFUSED
    click.echo("the database file is whole")
    return DONE
