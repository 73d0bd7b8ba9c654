"""What the laws share: lenses, generated records, published and golden resources, and ways to change a JSON value.

Chance comes from seeds that hypothesis draws, so every example is a pure function of a number that a failure prints.
"""

from __future__ import annotations

import functools
from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import strategies as st

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import validate
from fhir_infusion.records import parts
from fhir_infusion.records.examples import example
from fhir_infusion.records.number import from_spelling
from tests.golden_write import goldens, translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from fhir_infusion.mapping.lens import Lens

Json = dict[str, Any]
Place = tuple["str | int", ...]

TYPES: Final = {"InfusionOrder": "MedicationRequest", "Administration": "MedicationAdministration"}
RELEASES: Final = ("R4", "R5")
SEEDS: Final = st.integers(min_value=0, max_value=2**32)

each_record = pytest.mark.parametrize("record_type", TYPES)
each_release = pytest.mark.parametrize("release", RELEASES)


def lens(record_type: str, release: str) -> Lens:
    """Return a lens of the shipped documents."""
    return translator().lens(release, TYPES[record_type])


def records(record_type: str, seed: int) -> list[Json]:
    """Return the records of a seed in the form that becomes one resource each."""
    record = example(record_type, Random(seed), residue=False)
    record = _as_only_fhir_has_it(record, seed) or record
    return parts.split(record) if record_type == "Administration" else [record]


def _as_only_fhir_has_it(record: Json, seed: int) -> Json | None:
    """Return, for some seeds, a record as it comes from FHIR and our own JSON may not have it.

    A code beside the reference to a Medication of its own; a course of care instead of an encounter.
    """
    if seed % 10 == 1 and "preparation" not in record and "drug" in record:
        return {**record, "medication": {"reference": f"Medication/{seed}"}}
    if seed % 10 == 2 and record["record"] == "Administration":
        return {**record, "encounter": {"reference": f"EpisodeOfCare/{seed}", "type": "EpisodeOfCare"}}
    return None


def written(record_type: str, release: str, seed: int) -> Iterator[tuple[Json, Json]]:
    """Yield the records of a seed that the release can hold, each with the resource that it becomes."""
    for record in records(record_type, seed):
        try:
            yield record, lens(record_type, release).write(record).result
        except Refused:
            continue


def through_text(value: Json) -> Json:
    """Return a value as it is after it was written and read as JSON text."""
    return fhir_json.read(fhir_json.write(value))


@functools.cache
def golden_resources(release: str) -> tuple[Json, ...]:
    """Return every resource that the golden records become."""
    return tuple(each for golden in goldens() for each in translator().to_fhir(golden.record(), release).results)


def published() -> list[tuple[str, Path]]:
    """Return the published examples with their release, where they are here."""
    from tests.test_examples import FOLDERS, files, release_of  # noqa: PLC0415  skips as a whole where they are absent

    return [(release_of(folder), file) for folder in FOLDERS for file in files(folder)]


def record_type_of(resource: Json) -> str:
    """Return the record type that a resource becomes."""
    return next(name for name, fhir_type in TYPES.items() if fhir_type == resource["resourceType"])


# --- walking and changing ---------------------------------------------------------------------------------------------


def places(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every value inside a JSON value with its path, containers before what is in them."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name), member
        yield from places(member, (*path, name))


def at(value: Any, path: Iterable[str | int]) -> Any:
    """Return what stands at a path."""
    for name in path:
        value = value[name]
    return value


def changed(value: Json, path: Place, change: Callable[[Any], Any]) -> Json:
    """Return a copy with what stands at the path changed."""
    copy = deepcopy(value)
    holder = at(copy, path[:-1])
    holder[path[-1]] = change(holder[path[-1]])
    return copy


def without(value: Json, path: Place) -> Json:
    """Return a copy without what stands at the path."""
    copy = deepcopy(value)
    del at(copy, path[:-1])[path[-1]]
    return copy


def is_valid(resource: Json, release: str) -> bool:
    """Return whether validation lets a resource through to its lens."""
    return all(issue.severity not in {"error", "fatal"} for issue in validate(resource, release))


def vary(value: Json, dice: Random) -> Json:
    """Return a copy with one to three places dropped, doubled, moved, exchanged or said otherwise: many are still valid."""
    copy = deepcopy(value)
    for _ in range(dice.randrange(3) + 1):
        _vary_once(copy, dice)
    return copy


def _vary_once(value: Json, dice: Random) -> None:
    found = [path for path, _ in places(value) if path[-1] not in {"resourceType", "record"}]
    path = dice.choice(found)
    name: Any = path[-1]
    holder = at(value, path[:-1])
    kind = dice.randrange(5)
    if kind == 0:
        del holder[name]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(dice.randrange(len(holder) + 1), without_ids(holder[name]))
    elif kind == 2 and isinstance(holder, list):
        dice.shuffle(holder)
    elif kind == 3:
        # What stands under the same name elsewhere is often of the right type.
        others = [inner for where, inner in places(value) if where[-1] == name]
        holder[name] = without_ids(dice.choice(others))
    elif isinstance(holder[name], str):
        holder[name] = dice.choice((holder[name] + "x", "mL/h", "2024-05-06", "active", "example"))
    elif isinstance(holder[name], int | Decimal) and not isinstance(holder[name], bool):
        holder[name] = dice.choice((holder[name] + 1, from_spelling("2.50"), 3))


def without_ids(value: Any) -> Any:
    """Return a copy without element ids and record keys, which may stand once only."""
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if name != "id" and not name.endswith("_id")}
        return {name: without_ids(inner) for name, inner in kept.items()}
    return [without_ids(inner) for inner in value] if isinstance(value, list) else value
