"""Published examples: real resources that no one here wrote are translated, there and back, without a change.

They lie beside the project, in ``shared/examples`` next to its top folder, or where FHIR_INFUSION_TEST_EXAMPLES says;
they are not part of it. One folder per source; ``r5`` in a folder's name says the release, else it is R4.

A resource that is refused stands in refusals.csv with the path, the rule and the clause of the standard behind it.
"""

from __future__ import annotations

import csv
import functools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from fhir_infusion.cli.corpus import resources_in
from fhir_infusion.cli.roundtrip import judge
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.coverage import Coverage, coverage
from tests import exact_json
from tests.golden_write import translator
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.config import Release
    from fhir_infusion.mapping.trace import Line
    from tests.standard.hl7 import Hl7

Json = dict[str, Any]

EXAMPLES: Final = Path(
    os.environ.get("FHIR_INFUSION_TEST_EXAMPLES") or Path(__file__).parents[2] / "shared" / "examples"
)
FOLDERS: Final = sorted(path for path in EXAMPLES.glob("*") if path.is_dir())
REFUSALS: Final = Path(__file__).parent / "refusals.csv"

pytestmark = pytest.mark.skipif(not FOLDERS, reason=f"the published examples are not here: {EXAMPLES}")

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)

LEAST_MAPPED: Final = 95
"""Per cent of the element instances of a folder that are held in typed record fields."""


def release_of(folder: Path) -> Release:
    return "R5" if "r5" in folder.name else "R4"


@functools.cache
def files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.rglob("*.json")))


def label(file: Path) -> str:
    return file.relative_to(EXAMPLES).as_posix()


@functools.cache
def examples(folder: Path) -> tuple[tuple[str, Json], ...]:
    """Every resource of a folder that has a mapping, Bundle entries one by one, with its label."""
    found = (pair for file in files(folder) for pair in resources_in(label(file), fhir_json.read(file.read_bytes())))
    return tuple((name, resource) for name, resource in found if resource["resourceType"] in translator().types)


def refusals_of(folder: Path) -> Iterator[tuple[str, Issue]]:
    for name, resource in examples(folder):
        try:
            record = translator().to_internal(resource, release_of(folder)).results[0]
            translator().to_fhir(record, release_of(folder), as_sent=True)
        except Refused as refusal:
            yield from ((name, issue) for issue in refusal.issues)


def stated() -> list[dict[str, str]]:
    with REFUSALS.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def test_every_folder_holds_resources_with_a_mapping():
    assert {folder.name: len(examples(folder)) for folder in FOLDERS if not examples(folder)} == {}


@each_folder
def test_every_example_comes_back_equal_or_is_refused_by_name(folder: Path):
    lines = [
        line
        for file in files(folder)
        for line in judge(translator(), label(file), file.read_bytes(), release_of(folder))
    ]
    counts = Counter(line.partition(" ")[0] for line in lines)
    assert [line for line in lines if line.startswith("changed")] == []
    refused = {row["file"] for row in stated() if row["file"].startswith(folder.name + "/")}
    assert {line.split()[1].rstrip(":") for line in lines if line.startswith("refused")} == refused
    assert counts["same"] + counts["refused"] == len(examples(folder))


@each_folder
def test_an_independent_reader_finds_the_same_text_both_sides(folder: Path):
    refused = {row["file"] for row in stated()}
    compared = 0
    for file in files(folder):
        given = exact_json.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        assert isinstance(given, dict)
        for name, before in resources_in(label(file), given):
            if before.get("resourceType") not in translator().types or name in refused:
                continue
            read = fhir_json.read(exact_json.dumps(before).encode())
            record = translator().to_internal(read, release_of(folder)).results[0]
            # Through the text of the record: what is stored, posted and given back is JSON, not Python objects.
            again = fhir_json.read(fhir_json.write(record))
            (after,) = translator().to_fhir(again, release_of(folder), as_sent=True).results
            assert exact_json.loads(fhir_json.write(after)) == before, name
            compared += 1
    assert compared == len([name for name, _ in examples(folder) if name not in refused])


def test_the_table_of_refusals_is_exactly_what_is_refused():
    happened = {
        (name, issue.path, issue.rule or issue.code) for folder in FOLDERS for name, issue in refusals_of(folder)
    }
    assert happened == {(row["file"], row["path"], row["rule"]) for row in stated()}
    assert [row for row in stated() if not row["clause"].startswith("https://hl7.org/fhir/")] == []


@pytest.mark.hl7
@pytest.mark.timeout(1800)
@each_folder
def test_a_refusal_by_base_fhir_is_an_error_to_hl7s_validator_too(hl7: Hl7, folder: Path):
    structural = {name for name, issue in refusals_of(folder) if issue.status != BREAKS_RULE}
    for name, resource in examples(folder):
        if name in structural:
            # In a Bundle, because the validator judges the type of a reference only there.
            (found,) = hl7.validate_together([resource], release_of(folder), allow_unknown_extensions=True)
            assert errors(found), f"{name} is refused here, and HL7's validator has nothing against it"


@each_folder
def test_most_elements_of_a_folder_are_held_in_typed_fields(folder: Path):
    found = covered(folder)
    assert (found.changed, found.refused) == (0, 0)
    assert found.resources > 0
    assert found.states["mapped"] * 100 >= LEAST_MAPPED * found.states.total(), found.left


@each_folder
def test_most_infusion_elements_of_a_folder_are_held_in_typed_fields(folder: Path):
    states = covered(folder).infusion
    assert states.total() > 0
    assert states["dropped"] == 0
    assert states["mapped"] * 100 >= LEAST_MAPPED * states.total(), states


def covered(folder: Path) -> Coverage:
    release = release_of(folder)
    refused = {row["file"] for row in stated()}

    def judge(resource: Json) -> tuple[list[Line], bool]:
        lens = translator().lens(release, resource["resourceType"])
        read = lens.read(resource)
        return list(read.ledger.lines()), list(differences(resource, lens.write(read.result).result)) == []

    return coverage(judge, (resource for name, resource in examples(folder) if name not in refused))


@each_folder
def test_every_simple_value_of_an_example_has_exactly_one_ledger_line(folder: Path):
    for name, resource in examples(folder):
        told = translator().lens(release_of(folder), resource["resourceType"]).read(resource).ledger.lines()
        lines = [line for line in told if not line.path.endswith(".resourceType")]
        assert len({line.path for line in lines}) == len(lines), name
        assert len(lines) == simple_values(resource), name


def simple_values(value: Any) -> int:
    """Count the simple values in a JSON value, ``resourceType`` aside."""
    if isinstance(value, dict):
        return sum(simple_values(inner) for name, inner in value.items() if name != "resourceType")
    return sum(map(simple_values, value)) if isinstance(value, list) else 1


@each_folder
def test_through_the_other_release_and_back_the_record_is_the_same(folder: Path):
    """R4 -> record -> R5 -> record is the record, residue and derived keys aside."""
    release = release_of(folder)
    other = "R4" if release == "R5" else "R5"
    crossed = 0
    for name, resource in examples(folder):
        here = translator().lens(release, resource["resourceType"])
        there = translator().lens(other, resource["resourceType"])
        record = here.read(resource).result
        if name in NOT_IN_THE_OTHER_RELEASE:
            with pytest.raises(Refused) as refusal:
                there.write(record)
            assert [issue.path for issue in refusal.value.issues] == [NOT_IN_THE_OTHER_RELEASE[name]]
            continue
        back = there.read(there.write(record).result).result
        assert list(differences(bare(record), bare(back))) == [], name
        crossed += 1
    assert crossed > 0


NOT_IN_THE_OTHER_RELEASE: Final[dict[str, str]] = {}
"""Examples that the other release has no place for, and the element that it refuses, named."""


def test_the_overlay_of_jp_core_reads_place_line_pump_and_site_of_its_own_examples():
    (folder,) = (folder for folder in FOLDERS if folder.name == "jp-core-from-fsh")
    read: Counter[str] = Counter()
    for name, resource in examples(folder):
        lens = translator().lens("R4", resource["resourceType"], "jp-core")
        record = lens.read(resource).result
        assert list(differences(resource, lens.write(record).result)) == [], name
        for part in (record, *record.get("steps", ())):
            read["location"] += "location" in part
            read["line"] += "access" in part.get("vascular_access", {})
            read["pump"] += "device" in part.get("pump", {})
            read["side"] += bool(part.get("body_structure", {}).get("qualifiers"))
    assert read == {"location": 3, "line": 2, "pump": 1, "side": 4}
