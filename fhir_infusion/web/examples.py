"""Invented examples, for the workbench and ``fhir-infusion demo``: four to begin with, and those of all therapies.

The therapies are the golden folders of the tests, written into one file by ``python -m tests.examples_write``, one
record a line, so that each shows what the tests hold to be right. No person in them exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fhir_infusion.fhir import json as fhir_json

THERAPIES: Final = "therapies.ndjson"


@dataclass(frozen=True, slots=True)
class Example:
    """One record of a therapy. ``name`` is ``33-dobutamine-titration/order``, ``record`` as it is sent."""

    name: str
    record: dict[str, Any]

    @property
    def therapy(self) -> str:
        """The therapy in words, with the number of its row in the README: ``33 dobutamine titration``."""
        return self.name.partition("/")[0].replace("-", " ")

    @property
    def title(self) -> str:
        """What it is, in words: ``administration 1 day``."""
        return self.name.partition("/")[2].replace("-", " ")

    @property
    def kind(self) -> str:
        """``order`` or ``administration``."""
        return self.title.partition(" ")[0]

    @property
    def text(self) -> str:
        """The record as laid-out JSON."""
        return fhir_json.write_pretty(self.record).decode()


@cache
def texts() -> dict[str, str]:
    """Return the JSON texts of two orders, an administration and a FHIR resource by name, in order."""
    found = [item for item in _folder().iterdir() if item.name.endswith(".json")]
    return {
        item.name.removesuffix(".json"): item.read_text(encoding="utf-8")
        for item in sorted(found, key=lambda item: item.name)
    }


@cache
def therapies() -> dict[str, Example]:
    """Return the records of all therapies by name, therapy by therapy, orders before administrations."""
    lines = (_folder() / THERAPIES).read_text(encoding="utf-8").splitlines()
    found = (fhir_json.read_again(line) for line in lines)
    return {one["name"]: Example(one["name"], one["record"]) for one in found}


def _folder() -> Any:
    return files("fhir_infusion") / "web" / "workbench" / "examples"
