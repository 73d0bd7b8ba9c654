"""``fhir-infusion sync load``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from fhir_infusion.cli import load_settings, owner, progress
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.config import Settings

TROUBLES: Final = 8
"""So many in a row, and the command ends; the next one goes on from there."""


@click.command("load")
@database_option
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(["MedicationRequest", "MedicationAdministration"]),
    help="Load this type only; may be given twice.",
)
@click.argument("remote", metavar="NAME")
def load(database: str | None, types: tuple[str, ...], remote: str) -> int:
    """Take all that the remote NAME has by its bulk export: for the first time, where a pull by pages would take long.

    It may be interrupted at any time: the same command goes on from there.
    """
    settings: Settings = load_settings(database=database)
    section = settings.remote(remote)
    with owner.doing(settings) as do, progress.counting_bar(section.name) as bar:
        last = _to_its_end(do, section.name, ",".join(dict.fromkeys(types or section.types)), bar)
    click.echo(fhir_json.write(last))
    return DONE if last["state"] == "done" and not last["trouble"] else REFUSED


def _to_its_end(do: Callable[..., dict[str, Any]], name: str, types: str, bar: Any) -> dict[str, Any]:
    """Ask for step after step; return the last answer, with what all of them applied."""
    applied, troubles = 0, 0
    while True:
        step = do("load", remote=name, types=types)
        applied += step["applied"]
        bar.set_postfix_str(_told(step))
        bar.update(max(0, step["received"] + applied - bar.n))
        troubles = troubles + 1 if step["trouble"] else 0
        if step["state"] in {"done", "refused"} or troubles >= TROUBLES:
            return {**step, "applied": applied}
        time.sleep(float(step["wait_seconds"]))


def _told(step: dict[str, Any]) -> str:
    if step["state"] == "waiting":
        told = step["trouble"] or ("prepared there" + (f": {step['percent']} %" if step["percent"] is not None else ""))
        return f"{told}, asking again in {step['wait_seconds']} s"
    return f"{step['files_stored']} of {step['files']} files"
