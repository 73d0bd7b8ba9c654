"""Options that several commands share, each declared once."""

from __future__ import annotations

import os

import click

from fhir_infusion.cli.inputs import STANDARD_INPUT

RELEASES = ("R4", "R4B", "R5")

release_option = click.option(
    "--release",
    type=click.Choice(RELEASES, case_sensitive=False),
    default="R4",
    show_default=True,
    help="The FHIR release; never guessed.",
)

overlay_option = click.option("--overlay", help="The name of a mapping overlay.")

tenant_option = click.option("--tenant", default="default", show_default=True, help="Whose data are meant.")

database_option = click.option("--database", help="Where the data lie: sqlite:///PATH or postgresql://….")


def _not_blank(_context: click.Context, _parameter: click.Parameter, reason: str) -> str:
    if not reason.strip():
        raise click.BadParameter("it is empty; the audit trail keeps why")
    return reason


reason_option = click.option("--reason", required=True, callback=_not_blank, help="Why, for the audit trail.")


def operator() -> str:
    """Return who gives this command, for the audit trail."""
    return f"command:{os.getuid()}"


def _or_standard_input(_context: click.Context, _parameter: click.Parameter, files: tuple[str, ...]) -> tuple[str, ...]:
    return files or (STANDARD_INPUT,)


files_argument = click.argument("files", nargs=-1, metavar="[FILE]...", callback=_or_standard_input)
