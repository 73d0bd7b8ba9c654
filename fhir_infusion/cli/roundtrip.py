"""``fhir-infusion roundtrip``: each resource to a record and back, and whether anything changed.

One line a resource: ``same FILE`` | ``changed FILE: path …`` | ``refused FILE: path: why`` | ``skipped FILE: no mapping
for T`` | ``failed FILE: a fault of ours``. The entries of a Bundle are taken one by one and named ``FILE#entry[0]``.
Numbers are compared as written, arrays with their order, objects without.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from fhir_infusion.cli.corpus import resources_in
from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.options import files_argument, overlay_option, release_option
from fhir_infusion.cli.progress import bytes_bar
from fhir_infusion.cli.run import DONE, REFUSED, fault, tell
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import differences
from fhir_infusion.fhir.exact import name_in_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.config import Release
    from fhir_infusion.translator import Translator

MOST_PATHS: Final = 20
"""At most so many changed paths are named on a line."""


@click.command("roundtrip")
@release_option
@overlay_option
@files_argument
def command(release: Release, overlay: str | None, files: tuple[str, ...]) -> int:
    """Translate resources to records and back; exit code 1 if any came back changed or we failed."""
    from fhir_infusion.cli.translator import build_translator  # noqa: PLC0415  brings the mappings

    translator = build_translator(overlay)
    counts: Counter[str] = Counter()
    with bytes_bar(files) as bar:
        for file in files:
            with open_source(file, bar.update) as source:
                for item in source.inputs:
                    for line in judge(translator, item.label, item.data, release, overlay):
                        counts[line.partition(" ")[0]] += 1
                        click.echo(line)
    tell(", ".join(f"{counts[state]} {state}" for state in ("same", "changed", "refused", "skipped", "failed")))
    return REFUSED if counts["changed"] or counts["failed"] else DONE


def judge(
    translator: Translator, label: str, data: bytes, release: Release, overlay: str | None = None
) -> Iterator[str]:
    """Yield the line of one text, or of each entry of a Bundle."""
    try:
        given = fhir_json.read(data)
    except Refused as error:
        yield refused(label, error)
        return
    for place, resource in resources_in(label, given):
        try:
            line = _line(translator, place, resource, release, overlay)
        except Exception as error:  # noqa: BLE001  a fault at one resource must not end the run
            line = f"failed {place}: {fault(error)}"
        yield line


def _line(translator: Translator, label: str, resource: dict[str, Any], release: Release, overlay: str | None) -> str:
    fhir_type = resource.get("resourceType")
    if isinstance(fhir_type, str) and fhir_type not in translator.types:
        return f"skipped {label}: no mapping for {name_in_path(fhir_type)}"
    try:
        record = translator.to_internal(resource, release, overlay=overlay).results[0]
        back = translator.to_fhir(record, release, overlay, as_sent=True).results
    except Refused as error:
        return refused(label, error)
    if len(back) != 1:
        return f"changed {label}: it came back as {len(back)} resources"
    changed = list(differences(resource, back[0], str(fhir_type)))
    if not changed:
        return f"same {label}"
    more = f" and {len(changed) - MOST_PATHS} more" if len(changed) > MOST_PATHS else ""
    return f"changed {label}: {' '.join(changed[:MOST_PATHS])}{more}"


def refused(label: str, error: Refused) -> str:
    """Return the line of a refusal: the first reason, and how many more there are."""
    first = error.issues[0]
    more = f" (and {len(error.issues) - 1} more)" if len(error.issues) > 1 else ""
    return f"refused {label}: {first.path or 'the whole'}: {first.reason}{more}"
