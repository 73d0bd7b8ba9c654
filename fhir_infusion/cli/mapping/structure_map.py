"""``fhir-infusion mapping structure-map``: the documents as StructureMap resources, for documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fhir_infusion.actions.map_names import map_names, written_out
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.mapping.options import mappings_option
from fhir_infusion.cli.options import overlay_option, release_option
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.config import Release


@click.command("structure-map")
@mappings_option
@release_option
@overlay_option
def command(mappings: Path | None, release: Release, overlay: str | None) -> None:
    """Print the documents of a release as StructureMap resources, both directions, one on a line.

    They are for documentation, and say what they cannot say; `mapping concept-maps` prints the tables that they name.
    """
    from fhir_infusion.cli.translator import translator_for  # noqa: PLC0415  brings fhir.resources

    translator = translator_for(load_settings(mappings=mappings), overlay)
    for name in map_names(translator, release).values():
        if name.overlay == (overlay or ""):
            click.echo(fhir_json.write(written_out(translator, name)))
