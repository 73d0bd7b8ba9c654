"""``fhir-infusion sync``: other FHIR servers, by hand. ``serve`` does the same all the time."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import reading_service, writing_service
from fhir_infusion.cli.compare import differences
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.owner import hand_over
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import conflicts
from fhir_infusion.sync.compare import content
from fhir_infusion.sync.status import status as status_of

if TYPE_CHECKING:
    from fhir_infusion.config import Settings
    from fhir_infusion.store.conflicts import Conflict


@click.group("sync")
def command() -> None:
    """Other FHIR servers, sections [remotes.NAME] of the settings: status, push, pull, conflicts, resolve, resume."""


@command.command("status")
@database_option
def status(database: str | None) -> None:
    """Tell how each remote stands, one JSON object a line: what waits, since when, and what needs a person."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for line in status_of(service):
            click.echo(fhir_json.write(line))


@command.command("push")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def push(database: str | None, names: tuple[str, ...]) -> int:
    """Send what waits for the remotes NAME, or for all that are pushed to."""
    return _sync(load_settings(database=database), names, "push")


@command.command("pull")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def pull(database: str | None, names: tuple[str, ...]) -> int:
    """Fetch what changed at the remotes NAME, or at all that are pulled from."""
    return _sync(load_settings(database=database), names, "pull")


@command.command("conflicts")
@database_option
def held(database: str | None) -> None:
    """List the changes on both sides that wait for a person, one JSON object a line: what and where, no values."""
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        for remote in settings.remotes:
            for one in service.store.read(remote.tenant, partial(conflicts.listed, endpoint=remote.name)):
                click.echo(fhir_json.write({"tenant": remote.tenant, **_shown(one)}))


@command.command("resolve")
@database_option
@click.option("--keep", type=click.Choice(["ours", "theirs"]), required=True, help="Whose state stands.")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@click.argument("conflict", metavar="ID")
def resolve(database: str | None, keep: str, reason: str, conflict: str) -> None:
    """Decide a conflict that `sync conflicts` shows: ours is sent there, or theirs is taken here."""
    from fhir_infusion.sync.resolve import resolve as decide  # noqa: PLC0415  brings requests

    settings = load_settings(database=database)
    work = {"client": f"command:{os.getuid()}", "conflict_id": conflict, "keep": keep, "reason": reason}
    answer = hand_over(settings, "/internal/resolve", work)
    if answer is None:
        with writing_service(settings) as service:
            answer = decide(service, **work)  # type: ignore[arg-type]  # click compared its values
    click.echo(fhir_json.write(answer))


@command.command("resume")
@database_option
@click.option("--reason", required=True, help="Why, for the audit trail.")
@click.argument("remote", metavar="NAME")
def resume(database: str | None, reason: str, remote: str) -> None:
    """Go on with a remote that was restored from a backup: all of it is read anew, and compared with what we know."""
    from fhir_infusion.sync.restored import resume as go_on  # noqa: PLC0415  brings the store's writer

    settings = load_settings(database=database)
    work = {"client": f"command:{os.getuid()}", "remote": settings.remote(remote).name, "reason": reason}
    answer = hand_over(settings, "/internal/resume", work)
    if answer is None:
        with writing_service(settings) as service:
            answer = go_on(service, **work)
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


def _sync(settings: Settings, names: tuple[str, ...], direction: str) -> int:
    chosen = names or tuple(one.name for one in settings.remotes if one.direction in {direction, "both"})
    if not chosen:
        raise click.UsageError(f"no section [remotes.NAME] of the settings is to {direction}")
    for name in chosen:
        settings.remote(name)
    done = _run(settings, chosen, direction)
    for line in done:
        click.echo(fhir_json.write(line))
    return REFUSED if any(one["trouble"] for line in done for one in line["pulled"]) else DONE


def _run(settings: Settings, names: tuple[str, ...], direction: str) -> list[dict[str, Any]]:
    """Sync in the process that writes the database, or here where none does."""
    from fhir_infusion.web.internal import run_sync  # noqa: PLC0415  brings Flask

    done = []
    for name in names:
        work = {"remote": name, "direction": direction}
        answer = hand_over(settings, "/internal/sync", work)
        if answer is None:
            with writing_service(settings) as service:
                answer = run_sync(service, **work)
        done.append(answer)
    return done
