"""The golden therapies: what a record becomes in FHIR, what a stranger reads there, and what comes back.

The stored FHIR files are compared digit for digit and in list order; `tests.golden_reader`, which imports nothing of the
package, must find in them what `expect.yaml` says; and the way back gives the record. The last tests plant faults and see
that the comparisons above notice them.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records import parts
from tests import golden_reader as reader
from tests.golden_pieces import Number
from tests.golden_write import (
    RELEASES,
    RESOURCES,
    Golden,
    emitted,
    expectations,
    folders,
    goldens,
    resources_of,
    translator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]

GOLDENS = goldens()
ROWS = set(range(1, 50))
"""The rows of the clinical scope that have a folder: the number before the first hyphen."""

each_golden = pytest.mark.parametrize("golden", GOLDENS, ids=str)
each_release = pytest.mark.parametrize("release", RELEASES)


def differences(left: Any, right: Any, path: str = "") -> list[str]:
    """Return where two JSON values differ as written: numbers digit for digit, lists in order, objects in any."""
    if type(left) is not type(right):
        return [f"{path}: {left!r:.60} is not {right!r:.60}"]
    if isinstance(left, dict):
        alone = [f"{path}.{name}: only on one side" for name in sorted(left.keys() ^ right.keys())]
        shared = [differences(left[name], right[name], f"{path}.{name}") for name in left if name in right]
        return alone + [line for lines in shared for line in lines]
    if isinstance(left, list) and len(left) == len(right):
        pairs = enumerate(zip(left, right, strict=True))
        return [line for index, (one, two) in pairs for line in differences(one, two, f"{path}[{index}]")]
    return [] if left == right else [f"{path}: {left!r:.60} is not {right!r:.60}"]


def written(value: Any) -> Any:
    """Return a value of the package as the independent reader parses its text."""
    return reader.parse(fhir_json.write(value).decode())


def stored(golden: Golden, release: str) -> list[Json]:
    """Return the stored resources of a record, numbers as text."""
    return resources_of(reader.parse(golden.fhir(release).read_text(encoding="utf-8")))


def read_by_a_stranger(golden: Golden, resources: list[Json]) -> Json:
    """Return what the independent reader finds."""
    if golden.kind == "order":
        (resource,) = resources
        return reader.order(resource)
    return reader.administration(resources)


def said(found: Any) -> Any:
    """Return what the reader found as plain text, as expect.yaml holds it."""
    if isinstance(found, dict):
        return {name: said(value) for name, value in found.items()}
    return [said(value) for value in found] if isinstance(found, list) else str(found)


def expected(golden: Golden) -> Json:
    """Return what expect.yaml says of a record."""
    return dict(expectations(golden.path.parent)[golden.kind + "s"][golden.name])


def back(resources: list[Json], release: str) -> Json:
    """Return the one record that FHIR resources of the package give."""
    read = [translator().to_internal(resource, release).results[0] for resource in resources]
    (record,) = parts.join(read)
    return {name: value for name, value in record.items() if name != "residue"}


# ------------------------------------------------------------------------------------------------------- the folders


def test_every_row_in_scope_has_a_folder():
    assert {int(folder.name.partition("-")[0]) for folder in folders()} == ROWS


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_folder_says_what_it_is_whence_its_numbers_come_and_what_each_record_must_say(folder: Path):
    told = expectations(folder)
    assert "never clinical advice" in told["about"]
    assert told["source"].strip()
    assert told["why"].strip()
    records = {golden.name: golden.kind for golden in GOLDENS if golden.path.parent == folder}
    for kind in RESOURCES:
        assert {name for name, own in records.items() if own == kind} == told[kind + "s"].keys()
    assert told.get("findings", {}).keys() <= records.keys()


def test_every_fhir_file_belongs_to_a_record_and_every_record_has_its_files():
    found = {path for folder in folders() for path in folder.glob("*.json") if "." in path.stem}
    assert found == {golden.fhir(release) for golden in GOLDENS for release in RELEASES}


@each_golden
def test_patients_and_places_are_invented(golden: Golden):
    text = golden.path.read_text(encoding="utf-8")
    systems = set(re.findall(r'"system": "([^"]+)"', text))
    assert all(
        system.startswith(
            (
                "https://example.org/",
                "http://snomed.info/sct",
                "http://loinc.org",
                "http://www.nlm.nih.gov/research/umls/rxnorm",
                "http://terminology.hl7.org/",
            ),
        )
        for system in systems
    )
    assert "Invented" in golden.record()["patient"]["name"]


# ------------------------------------------------------------------------------------------------------ there and back


@each_release
@each_golden
def test_a_record_becomes_the_stored_fhir_digit_for_digit(golden: Golden, release: str):
    now = reader.parse(emitted(golden, release).decode())
    assert differences(now, reader.parse(golden.fhir(release).read_text(encoding="utf-8"))) == []
    assert {resource["resourceType"] for resource in resources_of(now)} == {RESOURCES[golden.kind]}


@each_release
@each_golden
def test_a_stranger_reads_in_the_fhir_what_was_expected(golden: Golden, release: str):
    assert differences(said(read_by_a_stranger(golden, stored(golden, release))), expected(golden)) == []


@each_release
@each_golden
def test_fhir_comes_back_as_the_record(golden: Golden, release: str):
    record = golden.record()
    given = [
        fhir_json.read(fhir_json.write(one)) for one in resources_of(fhir_json.read(golden.fhir(release).read_bytes()))
    ]
    assert differences(written(back(given, release)), written(record)) == []


@each_golden
def test_r4_to_record_to_r5_to_record_is_the_record(golden: Golden):
    record = golden.record()
    first = back(translator().to_fhir(record, "R4").results, "R4")
    second = back(translator().to_fhir(first, "R5").results, "R5")
    assert differences(written(second), written(record)) == []


@each_release
@each_golden
def test_nothing_is_dropped_or_refused_on_the_way(golden: Golden, release: str):
    out = translator().to_fhir(golden.record(), release)
    assert {line.state for line in out.lines} <= {"mapped", "carried"}
    assert all(
        line.state in {"mapped", "carried"}
        for resource in out.results
        for line in translator().to_internal(resource, release).lines
    )


@each_release
@each_golden
def test_the_findings_are_exactly_those_expected(golden: Golden, release: str):
    found = [finding.reason for finding in translator().to_fhir(golden.record(), release).findings]
    wanted = expectations(golden.path.parent).get("findings", {}).get(golden.name, [])
    assert len(found) == len(wanted)
    assert all(words in reason for words, reason in zip(wanted, found, strict=True))


# ---------------------------------------------------------------------------------------------- planted faults are seen


def places(node: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """Yield (object, key) of every member called ``name``."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield node, key
            yield from places(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from places(value, name)


def change_a_dose(resources: list[Json]) -> bool:
    """Make the first dose ten times as large."""
    for resource in resources:
        for name in ("doseQuantity", "dose"):
            for owner, key in places(resource, name):
                owner[key]["value"] = Number(owner[key]["value"] + "0")
                return True
    return False


def change_a_rate(resources: list[Json]) -> bool:
    """Take the first rate per day, or per hour where it is per day."""
    for resource in resources:
        for owner, key in places(resource, "rateQuantity"):
            amount, per = owner[key]["code"].rsplit("/", 1)
            owner[key]["code"] = f"{amount}/{'h' if per == 'd' else 'd'}"
            return True
    return False


def reorder(name: str) -> Callable[[list[Json]], bool]:
    """Turn a list round."""

    def fault(resources: list[Json]) -> bool:
        for resource in resources:
            for owner, key in places(resource, name):
                alike = [{member: value for member, value in one.items() if member != "id"} for one in owner[key]]
                if alike != alike[::-1]:
                    owner[key].reverse()
                    return True
        return False

    return fault


def drop_a_zero(resources: list[Json]) -> bool:
    """Write 1.50 as 1.5: the first trailing zero of a dose, rate, total volume or strength."""
    for resource in resources:
        for inside in ("doseQuantity", "dose", "rateQuantity", "strength", "strengthRatio"):
            for owner, key in places(resource, inside):
                for found, value in places(owner[key], "value"):
                    if re.fullmatch(r"\d+\.\d*0", found[value]):
                        found[value] = Number(found[value][:-1].removesuffix("."))
                        return True
    return False


def lose_the_last_step(resources: list[Json]) -> bool:
    """Keep all steps but the last."""
    steps = resources[0].get("dosageInstruction", [])
    if len(steps) > 1:
        steps.pop()
        return True
    return False


FAULTS = {
    "a dose times ten": (change_a_dose, 40),
    "another unit of rate": (change_a_rate, 40),
    "steps reordered": (reorder("dosageInstruction"), 8),
    "ingredients reordered": (reorder("ingredient"), 40),
    "a trailing zero lost": (drop_a_zero, 4),
    "the last step lost": (lose_the_last_step, 8),
}


@each_release
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen_by_the_comparison_and_by_the_stranger(name: str, release: str):
    plant, least = FAULTS[name]
    planted = 0
    for golden in GOLDENS:
        right = stored(golden, release)
        wrong = copy.deepcopy(right)
        if not plant(wrong):
            continue
        planted += 1
        assert differences(wrong, right), golden
        try:
            found = read_by_a_stranger(golden, wrong)
        except reader.Unreadable:
            continue
        assert found != expected(golden), golden
    assert planted >= least


def test_a_number_and_its_text_are_not_the_same():
    assert differences(reader.parse('{"value": 1}'), reader.parse('{"value": "1"}'))
    assert differences(reader.parse('{"value": 1.50}'), reader.parse('{"value": 1.5}'))
    assert differences(reader.parse('{"a": [1, 2]}'), reader.parse('{"a": [2, 1]}'))
    assert differences(reader.parse('{"a": [1], "b": 2}'), reader.parse('{"b": 2, "a": [1]}')) == []


def test_the_reader_refuses_what_does_not_say_one_thing():
    two_rates = {"rateQuantity": {"value": "1"}, "rateRatio": {}}
    with pytest.raises(reader.Unreadable):
        reader.doses({"doseAndRate": [two_rates]})
    with pytest.raises(reader.Unreadable):
        reader.quantity({"value": "1", "code": "mg", "system": "http://example.org/units"})
    with pytest.raises(reader.Unreadable):
        reader.total(
            [{"status": "completed", "dosage": {"dose": {"value": "1", "unit": unit}}} for unit in ("mg", "g")]
        )


def test_a_dose_entered_in_error_is_not_counted():
    dose = {"value": "5", "unit": "mg"}
    given = [{"status": status, "dosage": {"dose": dose}} for status in ("completed", "entered-in-error", "stopped")]
    assert reader.total(given) == "10 mg"
