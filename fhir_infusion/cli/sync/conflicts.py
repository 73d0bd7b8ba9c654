"""``fhir-infusion sync conflicts`` and ``resolve``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option, operator, reason_option
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import differences
from fhir_infusion.store import conflicts
from fhir_infusion.sync.compare import content

if TYPE_CHECKING:
    from fhir_infusion.store.conflicts import Conflict


@click.command("conflicts")
@database_option
def held(database: str | None) -> None:
    """List the changes on both sides that wait for a person, one JSON object a line: what and where, no values."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for remote in settings.remotes:
            for one in service.store.read(remote.tenant, partial(conflicts.listed, endpoint=remote.name)):
                click.echo(fhir_json.write({"tenant": remote.tenant, **_shown(one)}))


@click.command("resolve")
@database_option
@click.option("--keep", type=click.Choice(["ours", "theirs"]), required=True, help="Whose state stands.")
@reason_option
@click.argument("conflict", metavar="ID")
def resolve(database: str | None, keep: str, reason: str, conflict: str) -> None:
    """Decide a conflict that `sync conflicts` shows: ours is sent there, or theirs is taken here."""
    settings = load_settings(database=database)
    answer = owner.do(settings, "resolve", client=operator(), conflict_id=conflict, keep=keep, reason=reason)
    click.echo(fhir_json.write(answer))


def _shown(one: Conflict) -> dict[str, Any]:
    """Return a conflict without anything of its content: what they changed, by path, since both sides agreed."""
    before = fhir_json.read(one.base or one.ours)
    theirs = fhir_json.read(one.theirs)
    return {
        "id": one.conflict_id,
        "endpoint": one.endpoint,
        "resource": one.aggregate,
        "opened": one.opened.isoformat(),
        "groups": list(one.fields),
        "theirs": list(differences(content(before), content(theirs))),
    }
