"""Each of our definitions is right FHIR, and is applied: a resource that breaks one is found.

A definition that the validator ignores would look the same as one that everything obeys; so for each extension three
faults are planted: a value of a type that it does not have, a part that it does not have, a place where it may not
stand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import guide_write
from tests.standard.hl7 import Finding, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "profiles").rglob("*.json"))
STAND_INS = sorted((ROOT / "tests" / "standard" / "definitions").rglob("*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def extensions() -> Iterator[tuple[Path, str]]:
    """Yield the file of each extension with each release that it is for."""
    for path in PROFILES + STAND_INS:
        definition = read(path)
        if definition["resourceType"] == "StructureDefinition" and definition["type"] == "Extension":
            folder = path.parent.name
            yield from ((path, release) for release in ("R4", "R5") if folder not in {"r4", "r5"} - {release.lower()})


ANYWHERE = {"Element", "Resource", "DomainResource"}
CASES = list(extensions())
BOUND = [case for case in CASES if not ANYWHERE & {each["expression"] for each in read(case[0])["context"]}]


def named(value: Path | str) -> str:
    return value if isinstance(value, str) else value.stem.removeprefix("StructureDefinition-")


def is_about_the_definition(finding: Finding) -> bool:
    """Leave out that the engine, given no package cache, cannot make the snapshot of a resource it is validating."""
    return not (finding.rule == "ERROR_GENERATING_SNAPSHOT" and "Unable to resolve package id" in finding.message)


def wrong_value(definition: dict) -> dict[str, object]:
    """Return a value of a type that the extension does not allow."""
    elements = definition["differential"]["element"]
    types = {
        each["code"]
        for element in elements
        if element["path"] == "Extension.value[x]" and element["id"] == "Extension.value[x]"
        for each in element.get("type", [])
    }
    return {"valueInteger": 1} if "integer" not in types else {"valueDate": "2024-03-01"}


def host(extension: dict[str, object], release: str) -> dict:
    """Put an extension on an order of that release."""
    concept = {"text": "dobutamine"}
    return {
        "resourceType": "MedicationRequest",
        "extension": [extension],
        "status": "active",
        "intent": "order",
        **({"medicationCodeableConcept": concept} if release == "R4" else {"medication": {"concept": concept}}),
        "subject": {"reference": "Patient/p1"},
    }


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_definition_of_ours_is_right_fhir(hl7: Hl7, path: Path):
    folder = path.parent.name
    for release in ("R4", "R5") if folder == "profiles" else (folder.upper(),):
        definition = read(path)
        if definition["resourceType"] == "StructureDefinition":
            definition["fhirVersion"] = {"R4": "4.0.1", "R5": "5.0.0"}[release]
        (found,) = hl7.validate([definition], release)
        assert [each for each in errors(found) if is_about_the_definition(each)] == [], release


def test_every_canonical_url_is_defined_once_and_named_like_its_file():
    seen = [(read(path)["url"], path) for path in PROFILES]
    assert len({url for url, _ in seen}) == len(seen)
    assert [path.name for url, path in seen if path.stem.partition("-")[2] != url.rsplit("/", 1)[-1]] == []
    assert all(url.startswith("https://w3id.org/fhir-infusion/") for url, _ in seen)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_guide_of_a_release_is_as_its_command_writes_it_and_lists_each_definition(release: str):
    assert guide_write.path_of(release).read_text(encoding="utf-8") == guide_write.written(release)
    listed = [one["reference"]["reference"] for one in guide_write.guide(release)["definition"]["resource"]]
    other = {"R4": "r5", "R5": "r4"}[release]
    mine = [read(path) for path in PROFILES if path.parent.name != other]
    named_there = [f"{one['resourceType']}/{one['id']}" for one in mine if one["resourceType"] != "ImplementationGuide"]
    assert sorted(listed) == sorted(named_there)


@pytest.mark.parametrize(("path", "release"), CASES, ids=named)
def test_an_extension_with_a_value_or_part_that_it_does_not_have_is_found(hl7: Hl7, path: Path, release: str):
    definition = read(path)
    wrong = {"url": definition["url"], **wrong_value(definition)}
    strange = {"url": definition["url"], "extension": [{"url": "no-such-part", "valueString": "x"}]}
    found = hl7.validate([host(wrong, release), host(strange, release)], release)
    # What is wrong with the place is another fault; this one must be found as well.
    inside = [[each for each in errors(one) if "CONTEXT" not in each.rule.upper()] for one in found]
    assert all(inside), inside


@pytest.mark.parametrize(("path", "release"), BOUND, ids=named)
def test_an_extension_in_a_place_where_it_may_not_stand_is_found(hl7: Hl7, path: Path, release: str):
    definition = read(path)
    slot = {"resourceType": "Slot", "extension": [{"url": definition["url"], **wrong_value(definition)}]}
    (found,) = hl7.validate([slot], release)
    assert any("CONTEXT" in each.rule.upper() for each in errors(found)), errors(found)
