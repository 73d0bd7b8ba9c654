"""Invented examples, for the workbench and ``fhir-infusion demo``: two orders, an administration, a FHIR resource."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def texts() -> dict[str, str]:
    """Return the JSON texts by name, in order; no person in them exists."""
    folder = files("fhir_infusion") / "web" / "workbench" / "examples"
    found = [item for item in folder.iterdir() if item.name.endswith(".json")]
    return {
        item.name.removesuffix(".json"): item.read_text(encoding="utf-8")
        for item in sorted(found, key=lambda item: item.name)
    }
