"""HL7's validator finds no error in anything that the golden folders emit, held against our profiles.

It knows every extension in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import exact_json
from tests.golden_write import document, resources_of
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]

PROFILES = {"MedicationRequest": "infusion-order", "MedicationAdministration": "infusion-administration"}
GOLDEN = Path(__file__).parent.parent / "golden"
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
    given: Any = exact_json.loads(path.read_bytes())
    resources = resources_of(given)
    for resource in resources:
        assert "meta" not in resource
        profile = PROFILES[resource["resourceType"]]
        resource["meta"] = {
            "profile": [f"https://w3id.org/fhir-infusion/StructureDefinition/{profile}-{release.lower()}"]
        }
    (found,) = hl7.validate([document(resources)], release)
    assert errors(found) == []
