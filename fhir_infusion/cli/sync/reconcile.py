"""``fhir-infusion sync reconcile``: both sides compared as a whole, in this process; repairs by who writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli import load_settings, owner
from fhir_infusion.cli.options import database_option, operator
from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.cli.sync.comparing import comparing, in_parts
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import TYPES
from fhir_infusion.sync.listing import ListingError
from fhir_infusion.sync.reconcile import has_lost_its_data, reconcile
from fhir_infusion.sync.standings import WORTH_A_LINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.config import Settings
    from fhir_infusion.sync.peer import Peer


@click.command("reconcile")
@database_option
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, help="Only this type; may be repeated.")
@click.option("--repair/--dry-run", default=False, show_default=True, help="Put right what differs.")
@click.option("--reason", default="", help="Why, for the audit trail; goes with --repair.")
@click.argument("remote", metavar="NAME")
def command(database: str | None, types: Sequence[str], repair: bool, reason: str, remote: str) -> int:
    """Compare all that a remote has with what is here: one JSON object a line for what differs, then the counts.

    No values are told. Exit code 0 where both sides are equal, 1 where not.
    """
    if repair and not reason.strip():
        raise click.UsageError("--repair needs --reason TEXT, for the audit trail")
    settings = load_settings(database=database)
    with comparing(settings, remote) as peer:
        found = [_compare(peer, type_) for type_ in types or peer.remote.types]
    trouble = [one for one in found if one.trouble]
    if not repair:
        return REFUSED if trouble or any(one.unsettled for one in found) else DONE
    left = [line for one in found for line in _repair(settings, peer.name, one, reason)]
    return REFUSED if trouble or left else DONE


class _Compared:
    """What a comparison of one type found: counts by kind, and what can be repaired by name."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.kinds: Counter[str] = Counter()
        self.names: list[str] = []
        self.unsettled = 0
        self.trouble = ""


def _compare(peer: Peer, type_: str) -> _Compared:
    compared = _Compared(type_)
    vanished: list[str] = []
    try:
        for one in steps_bar(reconcile(peer, peer.remote.tenant, type_), f"{peer.name} {type_}"):
            compared.kinds[one.kind] += 1
            compared.unsettled += not one.is_settled
            if one.is_settled and one.kind not in WORTH_A_LINE:
                continue
            click.echo(fhir_json.write({"remote": peer.name, **one.line()}))
            if one.repair:
                (vanished if one.kind == "vanished" else compared.names).append(one.name)
    except ListingError as stopped:
        compared.trouble = str(stopped)
    if has_lost_its_data(compared.kinds):
        compared.trouble = "most of what was linked is not there: another server, or one that lost its data"
    else:
        compared.names += vanished
    told: dict[str, Any] = {"remote": peer.name, "type": type_, "kinds": dict(sorted(compared.kinds.items()))}
    equal = not compared.unsettled and not compared.trouble
    click.echo(fhir_json.write({**told, "equal": equal, **({"trouble": compared.trouble} if compared.trouble else {})}))
    return compared


def _repair(settings: Settings, remote: str, compared: _Compared, reason: str) -> list[Any]:
    """Have it repaired part by part; return what is left for a person."""
    kinds: Counter[str] = Counter()
    left: list[Any] = []
    if compared.trouble:
        tell(f"{compared.type} is not repaired: {compared.trouble}")
        return left
    for part in steps_bar(in_parts(compared.names), f"{remote} {compared.type} repairs"):
        answer = owner.do(settings, "mend", client=operator(), remote=remote, resources=part, reason=reason)
        kinds.update({kind: int(count) for kind, count in answer["kinds"].items()})
        left += answer["left"]
    kinds.subtract(Counter(one["kind"] for one in left))
    told: dict[str, Any] = {
        "remote": remote,
        "type": compared.type,
        "repaired": {kind: count for kind, count in sorted(kinds.items()) if count},
        "left": left,
    }
    click.echo(fhir_json.write(told))
    return left
