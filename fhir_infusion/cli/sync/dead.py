"""``fhir-infusion sync dead``, ``replay`` and ``skip``: what was put aside, and what was told before."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option, operator, reason_option
from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.cli.sync.comparing import in_parts
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import aside, outbox
from fhir_infusion.sync import moments
from fhir_infusion.sync.inspecting import line_of
from fhir_infusion.sync.unset import unset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fhir_infusion.config import Remote, Settings
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row, State

_FINE = frozenset({"still-there", "older", "replayed", "sent-again", "changed-there"})


@click.group("dead")
def dead() -> None:
    """What was put aside and waits for a person, each by its state.

    dead: mend what `code` says, then `sync replay`; or `sync skip`. conflict: `sync conflicts`. duplicate: `sync
    duplicates`.
    """


@dead.command("list")
@database_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def listed(database: str | None, names: tuple[str, ...]) -> None:
    """List the outbox rows that were put aside, one JSON object a line, without content.

    Of a remote that no section of the settings names any more, also those that only wait.
    """
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        nobodys = unset(service)
        known = {name for _, name in nobodys}
        chosen = [settings.remote(name) for name in names if name not in known] if names else settings.remotes
        for remote in chosen:
            for row in _paged(service, remote.tenant, partial(_aside, remote.name, aside.ASIDE)):
                click.echo(fhir_json.write(line_of(remote.tenant, row)))
        for tenant, name in nobodys:
            for row in _waiting(service, tenant, name) if name in names or not names else ():
                click.echo(fhir_json.write(line_of(tenant, row)))


def _aside(endpoint: str, states: Sequence[State], tx: Tx, after: int) -> list[Row]:
    return aside.put_aside(tx, endpoint, states, after)


@dead.command("show")
@database_option
@click.argument("row", metavar="ROW", type=click.IntRange(1))
def show(database: str | None, row: int) -> None:
    """Show a row with the resource that it tells. Who looks is in the audit trail."""
    click.echo(fhir_json.write(owner.do(load_settings(database=database), "show-row", client=operator(), row=str(row))))


@click.command("replay")
@database_option
@click.option("--row", "rows", multiple=True, type=click.IntRange(1), help="This row; may be repeated.")
@click.option("--state", type=click.Choice(aside.ASIDE), help="All rows that were put aside so.")
@click.option("--from", "since", help="Versions that arrived there, written from this moment on; goes with --to.")
@click.option("--to", "until", help="And written before this moment.")
@reason_option
@click.argument("remote", metavar="NAME")
def replay(
    database: str | None,
    rows: Sequence[int],
    state: str | None,
    since: str | None,
    until: str | None,
    reason: str,
    remote: str,
) -> int:
    """Tell versions again, under the same identifiers.

    What arrived before is asked for first: nothing is written where the peer still has it, or deleted it. What it has
    lost (404) is sent again. Of each that is sent, `now` says what became of it; exit code 1 where one was put aside
    again, or could not be told.
    """
    settings = load_settings(database=database)
    section = settings.remote(remote)
    if bool(rows) + bool(state) + bool(since or until) != 1 or bool(since) != bool(until):
        raise click.UsageError("accepted is one of --row ROW, --state STATE, or --from MOMENT with --to MOMENT")
    numbers = list(rows) or _chosen(settings, section, state, since or "", until or "")
    counts: Counter[str] = Counter()
    is_aside = False
    for part in steps_bar(in_parts(numbers), f"{remote} replay"):
        answer = owner.do(settings, "replay", client=operator(), remote=remote, rows=part, reason=reason)
        counts.update({what: int(count) for what, count in answer["rows"].items()})
        for line in answer["told"]:
            is_aside = is_aside or line.get("now") in aside.ASIDE
            click.echo(fhir_json.write({"remote": remote, **line}))
    click.echo(fhir_json.write({"remote": remote, "rows": dict(sorted(counts.items()))}))
    return DONE if counts.keys() <= _FINE and not is_aside else REFUSED


@click.command("skip")
@database_option
@reason_option
@click.option("--unset", "gone", metavar="NAME", help="All that waits for a remote that no section names any more.")
@click.argument("rows", nargs=-1, type=click.IntRange(1), metavar="ROW...")
def skip(database: str | None, reason: str, gone: str | None, rows: Sequence[int]) -> None:
    """Give up rows that were put aside; they are kept, and never sent."""
    if bool(rows) == bool(gone):
        raise click.UsageError("accepted is one of ROW... or --unset NAME")
    settings = load_settings(database=database)
    for part in in_parts(rows or _of_unset(settings, gone or "")):
        answer: dict[str, Any] = owner.do(settings, "skip", client=operator(), rows=part, reason=reason)
        for line in answer["skipped"]:
            click.echo(fhir_json.write(line))


def _chosen(settings: Settings, remote: Remote, state: str | None, since: str, until: str) -> list[int]:
    """Return the numbers of the rows that an option asks for."""
    start, end = moments.at(since), moments.at(until)
    if not state and moments.NEVER in {start, end}:
        raise click.UsageError("--from and --to: accepted is a moment such as 2025-05-01T08:00:00Z")

    def told(tx: Tx, after: int) -> list[Row]:
        return aside.told_between(tx, remote.name, start, end, after)

    page = partial(_aside, remote.name, [one for one in aside.ASIDE if one == state]) if state else told
    with reading_service(settings) as service:
        return [row.seq for row in _paged(service, remote.tenant, page)]


def _of_unset(settings: Settings, name: str) -> list[int]:
    """Return the numbers of what waits for a remote that the settings do not name any more."""
    with reading_service(settings) as service:
        found = [row.seq for tenant, one in unset(service) if one == name for row in _waiting(service, tenant, one)]
    if not found:
        raise click.UsageError("nothing waits for a remote of this name that no section names; see `sync status`")
    return found


def _waiting(service: Service, tenant: str, endpoint: str) -> Iterator[Row]:
    return _paged(service, tenant, partial(_aside, endpoint, (*outbox.WAITING, *aside.ASIDE)))


def _paged(service: Service, tenant: str, page: Callable[[Tx, int], list[Row]]) -> Iterator[Row]:
    after = 0
    while rows := service.store.read(tenant, lambda tx: page(tx, after)):  # noqa: B023  called at once
        yield from rows
        after = rows[-1].seq
