"""A corpus of resources: files and directories, Bundles taken entry by entry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.cli.run import tell
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = {".json", ".ndjson", ".jsonl"}


def corpus(places: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every resource with its label; what is not strict JSON is told and passed over."""
    for file in steps_bar(list(_files(places)), "files"):
        with open_source(str(file)) as source:
            for item in source.inputs:
                try:
                    given = fhir_json.read(item.data)
                except Refused as error:
                    tell(f"{item.label}: {error.issues[0].reason}; passed over")
                    continue
                yield from resources_in(item.label, given)


def resources_in(label: str, given: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the resources of a Bundle, of Bundles in it too, or the resource itself: ``file#entry[0].entry[1]``."""
    entries = given.get("entry") if given.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list):
        yield label, given
        return
    for index, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            mark = "." if "#" in label else "#"
            yield from resources_in(f"{label}{mark}entry[{index}]", entry["resource"])


def pattern_of(path: str) -> str:
    """Return a path without what tells one element of a list from another."""
    return re.sub(r"\[[^\]]*\]", "[]", path)


def _files(places: Sequence[str]) -> Iterator[Path]:
    for place in map(Path, places):
        if place.is_dir():
            yield from sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        else:
            yield place
