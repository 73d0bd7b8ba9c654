"""A corpus of resources: files and directories, Bundles taken entry by entry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.cli.run import tell
from fhir_infusion.cli.site_documents import documents
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.fields import ROOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fhir_infusion.mapping.formats.format import Format

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


def is_ours(value: Any) -> bool:
    """Whether a value is a record or a resource, not a document of a site."""
    return isinstance(value, dict) and (isinstance(value.get("resourceType"), str) or value.get("record") in ROOTS)


def site_corpus(one: Format, places: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield every document of a site with its label, and every record and resource that stands among them.

    What is not strict JSON is told and passed over.
    """
    for file in steps_bar(list(_files(places)), "files"):
        with open_source(str(file)) as source:
            for label, value in documents(one, source):
                if isinstance(value, Refused):
                    tell(f"{label}: {value.issues[0].reason}; passed over")
                    continue
                several = value if isinstance(value, list) else [value]
                for ours in filter(is_ours, several):
                    yield from resources_in(label, ours)
                theirs = [each for each in several if not is_ours(each)]
                if theirs:
                    yield label, theirs if isinstance(value, list) else value


def folders(places: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders that a corpus is made of, each with its name and what stands in it.

    A directory is the folders in it, and the files beside them one folder more; files given by name are one together.
    """
    files = [place for place in places if not Path(place).is_dir()]
    if files:
        yield "files", files
    for directory in (Path(place) for place in places if Path(place).is_dir()):
        inside = sorted(directory.iterdir())
        beside = [str(path) for path in inside if path.is_file() and path.suffix in SUFFIXES]
        if beside:
            yield directory.resolve().name, beside
        for path in inside:
            if path.is_dir():
                yield path.name, [str(path)]


def _files(places: Sequence[str]) -> Iterator[Path]:
    for place in map(Path, places):
        if place.is_dir():
            yield from sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        else:
            yield place
