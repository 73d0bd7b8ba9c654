"""The golden folders: what stands in them, and what our records become in FHIR.

``python -m tests.golden_write`` writes the FHIR files anew, for review in the difference of the commit; no test and no
CI job does. ``expect.yaml`` is written by hand and never here.
"""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fhir_infusion.config import Settings
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.translator import Translator, open_translator

GOLDEN: Final = Path(__file__).parent / "golden"
RELEASES: Final = ("R4", "R5")
RESOURCES: Final = {"order": "MedicationRequest", "administration": "MedicationAdministration"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Golden:
    """One record of a golden folder and the files that belong to it."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the record in ``expect.yaml`` and of its files."""
        return self.path.stem

    @property
    def kind(self) -> str:
        """``order`` or ``administration``: how the file's name begins."""
        return self.name.partition("-")[0]

    def fhir(self, release: str) -> Path:
        """Return the file that holds what it becomes in a release."""
        return self.path.with_name(f"{self.name}.{release.lower()}.json")

    def record(self) -> Json:
        """Return the record."""
        return fhir_json.read(self.path.read_bytes())

    def __str__(self) -> str:
        """Name it in a test."""
        return f"{self.path.parent.name}/{self.name}"


def folders() -> list[Path]:
    """Return every golden folder."""
    return sorted(path for path in GOLDEN.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))


def goldens() -> list[Golden]:
    """Return every record of every folder."""
    return [Golden(path) for folder in folders() for path in sorted(folder.glob("*.json")) if "." not in path.stem]


@functools.cache
def expectations(folder: Path) -> Json:
    """Return what was written by hand of a folder; every scalar is text."""
    text = (folder / "expect.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(text, yaml.BaseLoader))  # noqa: S506  BaseLoader makes text, lists and mappings only


def document(resources: list[Json]) -> Json:
    """Return one resource as it is, several as one Bundle."""
    if len(resources) == 1:
        return resources[0]
    entries = [{"fullUrl": full_url(resource), "resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def resources_of(given: Json) -> list[Json]:
    """Return what ``document`` was given."""
    return [entry["resource"] for entry in given["entry"]] if given["resourceType"] == "Bundle" else [given]


def full_url(resource: Json) -> str:
    """Return the URN of a resource that has an identifier and no place of its own."""
    identifier = resource["identifier"][0]
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identifier['system'] + '|' + identifier['value'])}"


@functools.cache
def translator() -> Translator:
    """Return the translator of the package, with the shipped documents and the default settings."""
    return open_translator(Settings())


def emitted(golden: Golden, release: str) -> bytes:
    """Return the FHIR file of a record, as the package makes it now."""
    translated = translator().to_fhir(golden.record(), release)
    return fhir_json.write_pretty(document(translated.results))


def main() -> None:
    """Write every FHIR file anew."""
    for golden in goldens():
        for release in RELEASES:
            golden.fhir(release).write_bytes(emitted(golden, release))


if __name__ == "__main__":
    main()
