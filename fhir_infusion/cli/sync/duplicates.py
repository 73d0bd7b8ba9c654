"""``fhir-infusion sync duplicates``: several resources there that carry one identifier of ours."""

from __future__ import annotations

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option, operator
from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.cli.sync.comparing import comparing
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync import duplicates
from fhir_infusion.sync.listing import ListingError


@click.command("duplicates")
@database_option
@click.option("--repair/--dry-run", default=False, show_default=True, help="End all but the one that is kept.")
@click.option("--reason", default="", help="Why, for the audit trail; goes with --repair.")
@click.argument("remote", metavar="NAME")
def command(database: str | None, repair: bool, reason: str, remote: str) -> int:
    """Find resources of a remote that carry one identifier of ours, one JSON object a line, without values.

    Kept is the oldest that equals ours; where none does, none is picked. The others are entered in error. Exit code 0
    where there are none left, 1 where there are.
    """
    if repair and not reason.strip():
        raise click.UsageError("--repair needs --reason TEXT, for the audit trail")
    settings = load_settings(database=database)
    found: list[tuple[str, bool]] = []
    is_whole = True
    with comparing(settings, remote) as peer:
        for type_ in peer.remote.types:
            try:
                listed = list(
                    steps_bar(duplicates.found_in_listing(peer, peer.remote.tenant, type_), f"{remote} {type_}")
                )
            except ListingError as stopped:
                tell(f"{type_} could not be listed: {stopped}")
                is_whole = False
                continue
            for aggregate in listed:
                one = duplicates.examine(peer, peer.remote.tenant, aggregate)
                if one is not None:
                    found.append((aggregate, one.keep is not None))
                    click.echo(fhir_json.write(one.line(remote)))
    left = len(found)
    for aggregate, may_be_ended in found if repair else ():
        if may_be_ended:
            answer = owner.do(settings, "undouble", client=operator(), remote=remote, resource=aggregate, reason=reason)
            click.echo(fhir_json.write({"repaired": answer}))
            left -= not answer.get("failed")
    return DONE if is_whole and not left else REFUSED
