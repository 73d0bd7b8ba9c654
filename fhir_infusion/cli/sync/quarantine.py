"""``fhir-infusion sync quarantine`` and ``rewind``: what could not be taken, and reading a feed once more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option, operator, reason_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.cli.sync.comparing import in_parts
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import inbox

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.service import Service
    from fhir_infusion.store.inbox import Quarantined

MOST = 100_000


@click.group("quarantine")
def quarantine() -> None:
    """What was received and could not be taken."""


@quarantine.command("list")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def listed(database: str | None, names: tuple[str, ...]) -> None:
    """List the versions that could not be taken, one JSON object a line, with codes and without content."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for remote in [settings.remote(name) for name in names] or settings.remotes:
            for one in _all(service, remote):
                told = {"version": _name(one), "codes": one.codes, "received": one.received.isoformat()}
                click.echo(fhir_json.write({"remote": remote.name, **told}))


@quarantine.command("show")
@database_option
@click.argument("remote", metavar="NAME")
@click.argument("version", metavar="TYPE/ID/_history/VERSION")
def show(database: str | None, remote: str, version: str) -> None:
    """Show a version as it was received. Who looks is in the audit trail."""
    settings = load_settings(database=database)
    settings.remote(remote)
    answer = owner.do(settings, "show-quarantined", client=operator(), remote=remote, version=version)
    click.echo(fhir_json.write(answer))


@quarantine.command("retry")
@database_option
@reason_option
@click.argument("remote", metavar="NAME")
@click.argument("versions", nargs=-1, metavar="[TYPE/ID/_history/VERSION]...")
def retry(database: str | None, reason: str, remote: str, versions: tuple[str, ...]) -> int:
    """Try once more to take these versions, or all that could not be taken of a remote."""
    settings = load_settings(database=database)
    section = settings.remote(remote)
    names = list(versions)
    if not names:
        with reading_service(settings) as service:
            names = [_name(one) for one in _all(service, section)]
    left = 0
    if not names:
        click.echo(fhir_json.write({"remote": remote, "tried": 0, "taken": 0, "left": 0}))
    for part in in_parts(names):
        answer = owner.do(settings, "retry-quarantined", client=operator(), remote=remote, listed=part, reason=reason)
        click.echo(fhir_json.write(answer))
        left += int(answer["left"])
    return REFUSED if left else DONE


@click.command("rewind")
@database_option
@click.option("--type", "fhir_type", type=click.Choice(TYPES), required=True, help="The type whose feed is meant.")
@click.option("--to", required=True, help="The moment to read from, such as 2025-05-01T08:00:00Z.")
@reason_option
@click.argument("remote", metavar="NAME")
def rewind(database: str | None, fhir_type: str, to: str, reason: str, remote: str) -> None:
    """Read the feed of a type from an earlier moment on; what was taken already is not taken again."""
    settings = load_settings(database=database)
    settings.remote(remote)
    answer = owner.do(settings, "rewind", client=operator(), remote=remote, fhir_type=fhir_type, to=to, reason=reason)
    click.echo(fhir_json.write(answer))


def _all(service: Service, remote: Remote) -> tuple[Quarantined, ...]:
    return service.store.read(remote.tenant, partial(inbox.quarantined, endpoint=remote.name, limit=MOST))


def _name(one: Quarantined) -> str:
    return f"{one.type}/{one.id}/_history/{one.version}"
