"""``fhir-infusion sync status``."""

from __future__ import annotations

from typing import Any, Final

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option
from fhir_infusion.cli.run import tell
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.advice import advice
from fhir_infusion.sync.status import status as status_of

_OF_PROBE: Final = ("rungs", "needs", "differs", "left")


@click.command("status")
@click.option("--whole", is_flag=True, help="With all that the last `sync probe` reported.")
@database_option
def status(database: str | None, *, whole: bool) -> None:
    """Tell how each remote stands, one JSON object a line: what waits, since when, and what needs a person.

    `next` names the commands to go on with where something needs a person.
    """
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        lines = status_of(service)
        if not lines:
            tell("there is no remote; a section [remotes.NAME] of the settings file makes one")
        for line in lines:
            told: dict[str, Any] = line if whole or line["can"] is None else {**line, "can": _chosen(line["can"])}
            first: dict[str, Any] = {"endpoint": line["endpoint"], "next": _next(line)}
            click.echo(fhir_json.write({**first, **told}))


def _chosen(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in _OF_PROBE if name in report}


def _next(line: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(one.command for one in advice(line) if one.command))
