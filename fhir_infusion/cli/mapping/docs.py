"""``fhir-infusion mapping docs``: the documents as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fhir_infusion.actions.mappings import described
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.mapping.options import mappings_option
from fhir_infusion.cli.options import overlay_option, release_option

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.config import Release


@click.command("docs")
@mappings_option
@release_option
@overlay_option
@click.option("--type", "fhir_type", help="One resource type only.")
@click.option("--html", "as_html", is_flag=True, help="A fragment of HTML instead of Markdown.")
def docs(mappings: Path | None, release: Release, overlay: str | None, fhir_type: str | None, as_html: bool) -> None:
    """Print the documents as tables for clinicians and engineers: both sides, rules, codes and what is left out.

    With --overlay what it changes is marked, and what would stand there without it is told.
    """
    from fhir_infusion.cli.translator import translator_for  # noqa: PLC0415  brings fhir.resources

    settings = load_settings(mappings=mappings)
    translator = translator_for(settings, overlay)
    accepted = sorted(translator.types)
    if fhir_type is not None and fhir_type not in accepted:
        raise click.UsageError(f"there is no mapping for this type; accepted: {', '.join(accepted)}")
    click.echo(described.text(translator, settings, release, overlay, fhir_type, as_html=as_html), nl=False)
