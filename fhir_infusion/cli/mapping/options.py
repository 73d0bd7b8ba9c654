"""Options that several commands on mapping documents share."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

mappings_option = click.option(
    "--mappings", type=FOLDER, help="The directory of the documents, instead of the shipped ones."
)
