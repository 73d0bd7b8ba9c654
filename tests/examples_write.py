"""The examples of all therapies that are shipped: ``python -m tests.examples_write`` copies them from the golden folders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.examples import THERAPIES
from tests.golden_write import goldens

FILE: Final = Path(__file__).parents[1] / "fhir_infusion" / "web" / "workbench" / "examples" / THERAPIES


def lines() -> str:
    """Return the file: one record a line with its name, a therapy's orders before its administrations."""
    found = sorted(goldens(), key=lambda one: (one.path.parent.name, one.kind != "order", one.name))
    return "".join(fhir_json.write({"name": str(one), "record": one.record()}).decode() + "\n" for one in found)


if __name__ == "__main__":
    FILE.write_text(lines(), encoding="utf-8")
