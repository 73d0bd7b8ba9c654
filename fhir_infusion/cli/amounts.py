"""``fhir-infusion amounts``: how much of each ingredient of a mixture was given, with the sum behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.options import files_argument, overlay_option, release_option
from fhir_infusion.cli.progress import bytes_bar
from fhir_infusion.cli.run import DONE, REFUSED, as_refused, sentence, tell
from fhir_infusion.cli.translating import Task, translate_bundle, translate_one
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.ingredients_given import as_json, in_words, ingredients_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.cli.inputs import Input
    from fhir_infusion.config import Release

Record = dict[str, Any]


@click.command("amounts")
@release_option
@overlay_option
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object per administration instead of text.")
@files_argument
def command(release: Release, overlay: str | None, files: tuple[str, ...], *, as_lines: bool) -> int:
    """Compute what was given of each ingredient: its strength times the volume given.

    Input are administrations, as records, MedicationAdministrations or Bundles of these. What cannot be computed is
    told with the reason; exit code 1 if an input was refused.
    """
    from fhir_infusion.cli.translator import build_translator  # noqa: PLC0415  brings the mappings

    task = Task(build_translator(overlay), "internal", release, overlay)
    refused = False
    with bytes_bar(files) as bar:
        for file in files:
            with open_source(file, bar.update) as source:
                for item in source.inputs:
                    for label, found in _administrations(task, item):
                        if isinstance(found, Refused):
                            refused = True
                            for issue in found.issues:
                                tell(f"{label}: refused: {sentence(issue)}")
                        else:
                            _show(label, found, as_lines=as_lines)
    return REFUSED if refused else DONE


def _show(label: str, record: Record, *, as_lines: bool) -> None:
    found = ingredients_given(record)
    if as_lines:
        named = {"administration_id": record["administration_id"]} if "administration_id" in record else {}
        click.echo(fhir_json.write({"file": label, **named, **as_json(found)}))
        return
    for line in in_words(found):
        click.echo(f"{label}: {line}")


def _administrations(task: Task, item: Input) -> Iterator[tuple[str, Record | Refused]]:
    """Yield each administration of one input, or what was refused, with its label."""
    try:
        given = fhir_json.read(item.data)
        for label, record in _records(task, item.label, given):
            if isinstance(record, Refused) or record.get("record") == "Administration":
                yield label, record
            elif given.get("resourceType") != "Bundle":
                yield label, _no_administration()
    except Exception as error:  # noqa: BLE001  a fault at one line must not end the run
        yield item.label, as_refused(error)


def _records(task: Task, label: str, given: Record) -> Iterator[tuple[str, Record | Refused]]:
    if "resourceType" not in given:
        # Through FHIR, so that a record is judged by every rule that it is when it is sent.
        task.translator.to_fhir(given, task.release, overlay=task.overlay)
        yield label, given
    elif given["resourceType"] == "Bundle":
        for one in translate_bundle(task, label, given):
            if isinstance(one, tuple):
                yield one
            else:
                yield from ((label, record) for record in one.results)
    else:
        yield from ((label, record) for record in translate_one(task, label, given).results)


def _no_administration() -> Refused:
    accepted = "an administration: a record, a MedicationAdministration, or a Bundle of these"
    return Refused(Issue("error", "not-supported", "", "nothing was given by an order", accepted))
