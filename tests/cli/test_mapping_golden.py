"""``mapping test --golden``: what a site keeps of its inputs, and what they are to become."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.actions.mappings.golden import Ignored
from fhir_infusion.config import mappings_dir
from fhir_infusion.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

SHIPPED = mappings_dir() / "golden"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped example."""
    shutil.copytree(SHIPPED, tmp_path / "golden")
    return tmp_path / "golden"


def test_the_shipped_example_is_as_expected_both_ways_in_r4_and_r5_and_with_an_overlay(cli: Run):
    names = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*.json")}
    assert {"dobutamine.json", "dobutamine.r5.json", "fluconazole.r4.record.json"} <= names
    assert "our-categories/dobutamine.r4.json" in names
    ran = cli("mapping", "test", "--golden", SHIPPED)
    assert (ran.code, ran.out) == (0, "7 as expected, 0 not\n")


def test_a_difference_is_told_by_its_path_with_what_was_wanted_and_what_was_got(cli: Run, folder: Path):
    expected = folder / "dobutamine.r4.json"
    text = expected.read_text()
    assert '"value": 5.00,' in text
    expected.write_text(text.replace('"value": 5.00,', '"value": 5.0,').replace('"priority": "urgent",', ""))
    ran = cli("mapping", "test", "--golden", folder)
    assert ran.code == 1
    assert ran.lines == [
        "dobutamine.r4.json: differs, of dobutamine.json in R4",
        "  -dosageInstruction[0].doseAndRate[0].rateQuantity.value: 5.0",
        "  +dosageInstruction[0].doseAndRate[0].rateQuantity.value: 5.00",
        '  +priority: "urgent"',
        "6 as expected, 1 not",
    ]


def test_ignored_differences_are_counted_and_never_silent(cli: Run, folder: Path):
    expected = folder / "dobutamine.r5.json"
    expected.write_text(expected.read_text().replace('"Dr. Demo Invented"', '"Dr. D. Invented"').replace("5.00", "6"))
    wanted = "dosageInstruction[*].doseAndRate[*].*.value"
    ran = cli("mapping", "test", "--golden", folder, "--ignore", wanted, "--ignore", "dosageInstruction[*].text")
    assert (ran.code, ran.lines[-1]) == (0, "7 as expected, 0 not, 3 differences ignored")


def test_update_shows_what_differs_and_writes_what_is_got_where_asked(cli: Run, folder: Path):
    expected = folder / "dobutamine.r4.json"
    right = expected.read_bytes()
    expected.write_bytes(right.replace(b"urgent", b"routine"))
    (folder / "rate-change.r5.json").unlink()
    assert cli("mapping", "test", "--golden", folder).code == 1
    assert expected.read_bytes() != right
    ran = cli("mapping", "test", "--golden", folder, "--update")
    assert (ran.code, ran.lines[1:3]) == (0, ['  -priority: "routine"', '  +priority: "urgent"'])
    assert (expected.read_bytes(), ran.lines[-1]) == (right, "5 as expected, 1 updated")


def test_an_input_of_which_nothing_is_expected_yet_fails_until_it_is_written(cli: Run, folder: Path):
    for expected in (folder / "rate-change.r4.json", folder / "rate-change.r5.json"):
        expected.unlink()
    ran = cli("mapping", "test", "--golden", folder)
    assert (ran.code, ran.lines[:2]) == (
        1,
        [
            "rate-change.r4.json: nothing is expected yet, of rate-change.json in R4",
            "rate-change.r5.json: nothing is expected yet, of rate-change.json in R5",
        ],
    )
    assert cli("mapping", "test", "--golden", folder, "--update").code == 0
    assert (folder / "rate-change.r5.json").read_bytes() == (SHIPPED / "rate-change.r5.json").read_bytes()


def test_a_bundle_that_was_split_is_read_into_the_one_record_again(cli: Run, folder: Path):
    record = folder / "rate-change.r4.record.json"
    record.write_text('{"record": "Administration"}')
    assert cli("mapping", "test", "--golden", folder, "--update").code == 0
    assert b'"segment_id": "second"' in record.read_bytes()
    assert b'"records"' not in record.read_bytes()


def test_a_refusal_that_is_expected_is_as_expected_and_one_that_is_not_is_told(cli: Run, folder: Path):
    shutil.copy(folder / "wrong-status.r4.json", folder / "fluconazole.r4.json")
    ran = cli("mapping", "test", "--golden", folder)
    assert ran.code == 1
    assert '  +refused[0]: "MedicationRequest.status"' in ran.lines


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("odd.r6.json", "{}", "NAME.r4.record.json"),
        ("alone.r4.record.json", "{}", "alone.r4.json"),
        ("wrong.r4.json", '{"a": 1, "a": 2}', "wrong.r4.json"),
        ("golden.toml", "overlay = 7", "overlay"),
        ("golden.toml", 'overlay = "none-such"', "none-such"),
        ("golden.toml", 'releases = ["R6"]', "R4, R4B, R5"),
        ("golden.toml", 'ignore = ["a..b"]', "identifier[*].value"),
        ("golden.toml", "ignroe = []", "overlay, releases, ignore"),
        ("golden.toml", "overlay", "not TOML"),
    ],
)
def test_what_is_no_golden_folder_is_wrong_usage(cli: Run, folder: Path, file: str, text: str, told: str):
    (folder / file).write_text(text)
    ran = cli("mapping", "test", "--golden", folder)
    assert ran.code == 2
    assert told in ran.err


def test_a_folder_without_cases_and_options_without_a_folder_are_wrong_usage(cli: Run, tmp_path: Path):
    assert cli("mapping", "test", "--golden", tmp_path).code == 2
    assert cli("mapping", "test", "--update").code == 2
    assert cli("mapping", "test", "--ignore", "meta").code == 2


@pytest.mark.parametrize(
    ("pattern", "path", "is_ignored"),
    [
        ("meta", "meta.lastUpdated", True),
        ("meta.lastUpdated", "meta.versionId", False),
        ("met", "meta", False),
        ("identifier[*].value", "identifier[12].value", True),
        ("identifier[1].value", "identifier[2].value", False),
        ("*.text", "code.text", True),
        ("*.text", "a.code.text", False),
        ("**.display", "display", True),
        ("**.display", "drug.codings[0].display", True),
        ("**.display", "drug.codings[0].displayed", False),
        ("entry[*].**.url", "entry[0].resource.extension[3].url", True),
        ("a.**", "a.b[0].c", True),
        ("a.**", "ab.c", False),
    ],
)
def test_an_ignored_path_has_stars_for_names_indexes_and_ways(pattern: str, path: str, is_ignored: object):
    assert Ignored.of([pattern]).holds(path) is is_ignored


@pytest.mark.parametrize("path", ["", ".a", "a b", "a[", "a[x]", "a.[0]."])
def test_an_ignored_path_that_is_none_is_refused(path: str):
    with pytest.raises(SettingsError):
        Ignored.of([path])
