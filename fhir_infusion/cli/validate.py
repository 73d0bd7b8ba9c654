"""``fhir-infusion validate``: what is wrong with resources, as text or as OperationOutcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.options import files_argument, release_option
from fhir_infusion.cli.progress import bytes_bar
from fhir_infusion.cli.run import DONE, REFUSED, as_refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import validate
from fhir_infusion.web.problems import ALL_OK, outcome

if TYPE_CHECKING:
    from fhir_infusion.config import Release
    from fhir_infusion.errors import Issue


@click.command("validate")
@release_option
@click.option("--json", "as_json", is_flag=True, help="Print one OperationOutcome a line instead of text.")
@files_argument
def command(release: Release, files: tuple[str, ...], *, as_json: bool) -> int:
    """Check resources against base FHIR and our rules; exit code 1 if any has an error."""
    wrong = False
    with bytes_bar(files) as bar:
        for file in files:
            with open_source(file, bar.update) as source:
                for item in source.inputs:
                    issues = check(item.data, release)
                    wrong = wrong or any(issue.severity in {"fatal", "error"} for issue in issues)
                    if as_json:
                        click.echo(fhir_json.write(outcome(issues or (ALL_OK,))))
                        continue
                    for issue in issues or (ALL_OK,):
                        click.echo(f"{item.label}: {sentence(issue)}")
    return REFUSED if wrong else DONE


def check(data: bytes, release: Release) -> tuple[Issue, ...]:
    """Return everything found in one text, errors and warnings."""
    try:
        return tuple(validate(fhir_json.read(data), release))
    except Exception as error:  # noqa: BLE001  a fault at one line must not end the run
        return as_refused(error).issues


def sentence(issue: Issue) -> str:
    """Return one issue on one line: severity, rule, place, reason, what would be accepted."""
    rule = f" [{issue.rule}]" if issue.rule else ""
    place = f" {issue.path}:" if issue.path else ""
    accepted = f"; accepted: {issue.accepted}" if issue.accepted else ""
    return f"{issue.severity}{rule}{place} {issue.reason}{accepted}"
