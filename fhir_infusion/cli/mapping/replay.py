"""``fhir-infusion mapping replay``: what is stored, through changed documents, before they go live."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from fhir_infusion.actions.mappings.turning import changes
from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.mapping.options import FOLDER
from fhir_infusion.cli.options import database_option, operator, overlay_option, tenant_option
from fhir_infusion.cli.run import DONE, REFUSED, fault, tell
from fhir_infusion.errors import FhirInfusionError
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import TYPES
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fhir_infusion.actions.mappings.replay import Replayed
    from fhir_infusion.store.versions import Stored

LAST: Final = 1000
AT_ONCE: Final = 100
"""Versions whose values are noted and shown together."""


@click.command("replay")
@click.option("--mappings", required=True, type=FOLDER, help="The changed documents.")
@click.option("--last", type=click.IntRange(1), help=f"The newest N versions. [default: {LAST}, or all with --since]")
@click.option("--since", metavar="MOMENT", help="What was stored since then, such as 2026-05-01T08:00:00Z.")
@click.option("--type", "fhir_type", type=click.Choice(TYPES), help="One type only.")
@click.option("--values", is_flag=True, help="Show what differs: patient data. Who looks is in the audit trail.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, without values.")
@overlay_option
@tenant_option
@database_option
def replay(
    mappings: Path,
    last: int | None,
    since: str | None,
    fhir_type: str | None,
    values: bool,
    as_json: bool,
    overlay: str | None,
    tenant: str,
    database: str | None,
) -> int:
    """Read stored versions into records and write them again, by the documents in use and by those of --mappings.

    For each that is not the same: what changed, by path, and what is refused now or was refused before. Nothing is
    written, so it may run beside the service. Exit code 1 if anything is not the same, or the changed documents do not
    load. It does not ask their laws: `mapping check` does.
    """
    from fhir_infusion.actions.mappings import replay as replaying  # noqa: PLC0415  brings the store
    from fhir_infusion.cli.build import reading_store  # noqa: PLC0415  brings the store, too
    from fhir_infusion.cli.translator import translator_for, translator_in  # noqa: PLC0415  brings fhir.resources

    if values and as_json:
        raise click.UsageError("--json tells no values; leave out --values")
    settings = load_settings(database=database)
    wanted = replaying.Wanted(tenant, last or (LAST if since is None else None), fhir_type or "", _moment(since))
    counts: Counter[str] = Counter()
    with reading_store(settings) as store:
        old, new = translator_for(settings, overlay), translator_in(mappings, settings, overlay)
        one = partial(_attempt, counts, partial(replaying.replay, old=old, new=new, overlay=overlay))
        found = (done for stored in replaying.versions(store, wanted) if (done := one(stored)) is not None)
        told = (done for done in found if done.state != "same")
        while batch := list(islice(told, AT_ONCE)):
            if values:
                shown = "\n".join(f"{done.stored.aggregate}/{done.stored.version}" for done in batch)
                owner.do(settings, "note-shown", client=operator(), tenant=tenant, shown=shown)
            for done in batch:
                for line in [fhir_json.write(done.document()).decode()] if as_json else _lines(done, values=values):
                    click.echo(line)
    if not counts:
        tell("nothing was compared: nothing of this tenant is stored that was asked for")
    states = [state for state in (*replaying.STATES, "failed") if state == "same" or counts[state]]
    if as_json:
        click.echo(fhir_json.write({"summary": {state: counts[state] for state in states}}))
    else:
        click.echo(", ".join(f"{counts[state]} {state}" for state in states))
    return DONE if set(states) <= {"same", "refused"} else REFUSED


def _attempt(counts: Counter[str], attempt: Callable[[Stored], Replayed], stored: Stored) -> Replayed | None:
    """Replay one version and count what came of it; a fault of ours at one must not end the run."""
    try:
        done = attempt(stored)
    except FhirInfusionError:
        raise
    except Exception as error:  # noqa: BLE001  one version must not end the run
        tell(f"{stored.aggregate} version {stored.version}: {fault(error)}")
        counts["failed"] += 1
        return None
    counts[done.state] += 1
    return done


def _lines(done: Replayed, *, values: bool) -> Iterator[str]:
    yield f"{done.state} {done.stored.aggregate} version {done.stored.version}: {done.in_words()}"
    if values:
        for found in (done.read, done.written):
            if isinstance(found.left, dict) and isinstance(found.right, dict):
                for change in changes(found.left, found.right):
                    yield from (f"  {line}" for line in change.lines())


def _moment(text: str | None) -> int | None:
    """Return a moment in ms since 1970 UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("accepted is a moment such as 2026-05-01T08:00:00Z", param_hint="--since") from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
