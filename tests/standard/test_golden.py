"""HL7's validator finds no error in anything that the golden folders emit, held against our profiles.

It knows every extension in it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import exact_json
from tests.golden_write import document, resources_of
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from tests.standard.hl7 import Finding, Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]

PROFILES = {"MedicationRequest": "infusion-order", "MedicationAdministration": "infusion-administration"}
GOLDEN = Path(__file__).parent.parent / "golden"
WARNINGS = list(csv.DictReader((GOLDEN.parent / "validator-warnings.csv").read_text(encoding="utf-8").splitlines()))
EMITTED = sorted(path for release in ("r4", "r5") for path in GOLDEN.glob(f"*/*.{release}.json"))


def test_the_golden_folders_emit_both_releases():
    folders = {path.name for path in GOLDEN.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert folders
    for release in ("r4", "r5"):
        emitting = {path.parent.name for path in EMITTED if path.name.endswith(f".{release}.json")}
        assert folders == emitting, f"{release}: {sorted(folders - emitting)} emit nothing"


@pytest.mark.parametrize("path", EMITTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_golden_folder_emits_has_no_error(hl7: Hl7, path: Path):
    release = path.suffixes[-2].removeprefix(".").upper()
    found = judged(hl7, path, release)
    assert errors(found) == []
    assert [one for one in found if not any(is_of(one, row) for row in WARNINGS)] == [], "tests/validator-warnings.csv"


@pytest.mark.parametrize("row", WARNINGS, ids=lambda row: row["about"].rsplit("/", 1)[-1])
def test_a_warning_that_is_let_pass_has_its_reason_and_is_still_seen(hl7: Hl7, row: dict[str, str]):
    assert len(row["reason"]) > 20
    path = GOLDEN / row["seen in"]
    assert any(is_of(one, row) for one in judged(hl7, path, path.suffixes[-2].removeprefix(".").upper()))


def judged(hl7: Hl7, path: Path, release: str) -> list[Finding]:
    """Return what the validator says of a file, each of its resources held against our profile."""
    given: Any = exact_json.loads(path.read_bytes())
    resources = resources_of(given)
    for resource in resources:
        assert "meta" not in resource
        profile = PROFILES[resource["resourceType"]]
        resource["meta"] = {
            "profile": [f"https://w3id.org/fhir-infusion/StructureDefinition/{profile}-{release.lower()}"]
        }
    (found,) = hl7.validate([document(resources)], release)
    return found


def is_of(finding: Finding, row: dict[str, str]) -> bool:
    """Say whether a finding is the warning that a row lets pass."""
    return finding.severity == "warning" and finding.rule == row["rule"] and row["about"] in finding.message
