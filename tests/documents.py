"""The mapping documents in a directory of a test's own, to be changed there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from fhir_infusion.config import mappings_dir

if TYPE_CHECKING:
    from pathlib import Path


def base_documents(directory: Path) -> Path:
    """Copy the documents without overlays, which take long to prove; return the path of the one of orders in R4."""
    shutil.copytree(mappings_dir(), directory)
    for overlay in (directory / "overlays").iterdir():
        overlay.unlink()
    return directory / "r4" / "infusion-order.yaml"
