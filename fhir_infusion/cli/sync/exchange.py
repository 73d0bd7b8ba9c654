"""``fhir-infusion sync push`` and ``pull``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from fhir_infusion.config import Settings


@click.command("push")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def push(database: str | None, names: tuple[str, ...]) -> int:
    """Send what waits for the remotes NAME, or for all that are pushed to.

    It ends once all is sent that was due when it began, however much comes meanwhile; `waiting` is what is left.
    """
    return _sync(load_settings(database=database), names, "push")


@click.command("pull")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def pull(database: str | None, names: tuple[str, ...]) -> int:
    """Fetch what changed at the remotes NAME, or at all that are pulled from."""
    return _sync(load_settings(database=database), names, "pull")


def _sync(settings: Settings, names: tuple[str, ...], direction: str) -> int:
    chosen = names or tuple(one.name for one in settings.remotes if one.direction in {direction, "both"})
    if not chosen:
        raise click.UsageError(f"no section [remotes.NAME] of the settings is to {direction}")
    for name in chosen:
        settings.remote(name)
    done = [owner.do(settings, "sync", remote=name, direction=direction) for name in chosen]
    for line in done:
        click.echo(fhir_json.write(line))
    return REFUSED if any(one["trouble"] for line in done for one in line["pulled"]) else DONE
