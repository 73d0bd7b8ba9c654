"""``fhir-infusion db``: the database."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import clock, reading_store
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.store import dialect, open_store, postgresql


@click.group("db")
def command() -> None:
    """The database: upgrade, check."""


@command.command("upgrade")
@database_option
def upgrade(database: str | None) -> None:
    """Make the database, or bring its tables up to date. `serve` does so too; here it is done while nothing runs."""
    settings = load_settings(database=database)
    open_store(settings.database, clock, password_file=settings.database_password_file).close()
    click.echo("the database is up to date")


@command.command("check")
@database_option
def check(database: str | None) -> int:
    """Check the database as a whole, beside a running service; exit code 1 where it is damaged.

    SQLite reads the whole file. PostgreSQL tells what it knows: its pages are read by pg_amcheck.
    """
    settings = load_settings(database=database)
    with reading_store(settings) as store:
        found = store.read("", lambda tx: dialect.complaints(tx.connection, whole=True))
    if found and postgresql.is_url(settings.database):
        click.echo("\n".join(found))
        return REFUSED
    if found:
        click.echo(f"damaged: {len(found)} complaints; restore the database from a backup")
        return REFUSED
    shared = postgresql.is_url(settings.database)
    click.echo("the database server knows of no damage" if shared else "the database file is whole")
    return DONE
