"""Options that several commands on mapping documents share, and what they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.translator import Translator

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

mappings_option = click.option(
    "--mappings", type=FOLDER, help="The directory of the documents, instead of the shipped ones."
)
format_option = click.option(
    "--format", "site_format", metavar="NAME", help="The corpus is in this format, a site's own JSON."
)
corpus_argument = click.argument("files", nargs=-1, required=True, metavar="CORPUS...", type=click.Path(exists=True))


def known_format(translator: Translator, name: str) -> Format:
    """Return the format of ``--format``.

    Raises ``click.UsageError`` where there is none of this name.
    """
    known = translator.library.formats
    if name not in known:
        told = ", ".join(sorted(known)) or "none is there"
        raise click.UsageError(f"--format: '{name}' is no format; accepted: {told}")
    return known[name]
