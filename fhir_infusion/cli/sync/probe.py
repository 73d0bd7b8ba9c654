"""``fhir-infusion sync probe`` and ``keys``."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.errors import SettingsError
from fhir_infusion.fhir import json as fhir_json


@click.command("probe")
@database_option
@click.option("--read-only", is_flag=True, help="Make nothing there.")
@click.argument("remote", metavar="NAME")
def probe(database: str | None, read_only: bool, remote: str) -> int:
    """Try out what a remote can do beside what it states, with Patients that are made for it and deleted again.

    The exit code is 1 where it cannot be asked, where something that is needed is missing, or where something is left.
    """
    settings = load_settings(database=database)
    name, way = settings.remote(remote).name, "read-only" if read_only else "whole"
    report = owner.do(settings, "probe", remote=name, way=way)
    click.echo(fhir_json.write(report))
    return REFUSED if report["trouble"] or report["needs"] or report["left"] else DONE


@click.command("keys")
@click.argument("remote", metavar="NAME")
def keys(remote: str) -> None:
    """Print the key set (JWKS) to register at a remote with auth = "smart": the public half of its key."""
    from fhir_infusion.sync.smart import public_keys  # noqa: PLC0415  brings cryptography

    settings = load_settings().remote(remote)
    if settings.auth != "smart":
        raise SettingsError(f"[remotes.{settings.name}] auth: {settings.auth}; keys are registered for smart")
    click.echo(fhir_json.write(public_keys(settings)))
