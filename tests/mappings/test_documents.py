"""The shipped mapping documents: what they use is defined, what is defined is used, and what they write is right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import read_texts
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import elements
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import validate
from fhir_infusion.mapping import library
from fhir_infusion.records import check, equality, fields, units
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from fhir_infusion.mapping.library import Library
    from fhir_infusion.mapping.plan import FObj
    from tests.standard.hl7 import Hl7

ROOT = Path(__file__).parents[2]
OURS = "https://w3id.org/fhir-infusion/"
RELEASES = ("R4", "R5")
TYPES = {"InfusionOrder": "MedicationRequest", "Administration": "MedicationAdministration"}
# Of the extensions pack, and defined on MedicationAdministration in R4 and R5 themselves.
KNOWN_TO_THE_STANDARD = {
    "http://hl7.org/fhir/StructureDefinition/bodySite",
    "http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare",
}
FILLED = sorted((Path(__file__).parent / "filled").glob("*.json"))


@dataclass
class Definition:
    """An extension or sub-extension: the types that its value may have, and its sub-extensions by URL."""

    types: set[str] = field(default_factory=set)
    subs: dict[str, Definition] = field(default_factory=dict)


@pytest.fixture(scope="module")
def shipped() -> Library:
    """The shipped documents, loaded as the service loads them."""
    settings = {"order_system": "urn:oid:2.999.1", "administration_system": "urn:oid:2.999.2"}
    return library.load(
        read_texts(ROOT / "mappings", ".yaml"), {release: elements.table(release) for release in RELEASES}, settings
    )


def definitions(*folders: Path) -> dict[str, Definition]:
    """Return the extensions defined in the folders by URL."""
    found = {}
    for folder in folders:
        for path in folder.rglob("StructureDefinition-*.json"):
            content = json.loads(path.read_text())
            root = Definition()
            for element in content["differential"]["element"]:
                node = root
                for part in element["id"].split("."):
                    name, _, slice_name = part.partition(":")
                    if slice_name:
                        node = node.subs.setdefault(slice_name, Definition())
                    elif name == "value[x]":
                        node.types |= {kind["code"][0].upper() + kind["code"][1:] for kind in element.get("type", ())}
            found[content["url"]] = root
    return found


def used(fobj: FObj, inside: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every extension that a document reads and writes, as its URLs from the outside in, and its ``value[x]``."""
    for name, member in fobj.members.items():
        for part in member.slices:
            content = part.obj or (part.items.scope.fobj if part.items else None)
            url = next((criterion.value for criterion in part.step.criteria if criterion.path == ("url",)), None)
            if content is not None and name == "extension" and url is not None:
                urls = (*(inside if "/" not in url else ()), url)
                yield from ((urls, value) for value in content.members if value.startswith("value"))
                yield from used(content, urls)
            elif content is not None:
                yield from used(content)
        for inner in (
            member.obj,
            *(follow.obj for follow in member.follows.values()),
            *(i.scope.fobj for i in member.rest),
        ):
            if inner is not None:
                yield from used(inner)


def uses(shipped: Library, release: str) -> set[tuple[tuple[str, ...], str]]:
    """Return the extensions that the documents of a release use."""
    lenses = (shipped.lens(release, fhir_type) for fhir_type in TYPES.values())
    return {use for lens in lenses if lens is not None for use in used(lens.plan.root.fobj)}


def written(value: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every extension in a resource like :func:`used`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "extension":
                for extension in inner:
                    urls = (*(inside if "/" not in extension["url"] else ()), extension["url"])
                    yield from ((urls, member) for member in extension if member.startswith("value"))
                    yield from written(extension, urls)
            else:
                yield from written(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from written(inner)


def record_of(path: Path) -> dict[str, Any]:
    return fhir_json.read(path.read_bytes())


def as_fhir(shipped: Library, release: str, record: dict[str, Any]) -> dict[str, Any]:
    lens = shipped.lens(release, TYPES[record["record"]])
    assert lens is not None
    return lens.write(record).result


@pytest.mark.parametrize("release", RELEASES)
def test_every_extension_of_a_document_is_defined_with_the_type_it_is_used_with(shipped: Library, release: str) -> None:
    defined = definitions(ROOT / "profiles", ROOT / "tests" / "standard" / "definitions" / release.lower())
    faults = []
    found = uses(shipped, release)
    for urls, value in found:
        if urls[0] in KNOWN_TO_THE_STANDARD:
            continue
        node: Definition | None = defined.get(urls[0])
        for url in urls[1:]:
            node = node.subs.get(url) if node else None
        if node is None or value.removeprefix("value") not in node.types:
            faults.append((urls, value))
    assert faults == []
    assert len(found) > 100


OF_NOTIFICATIONS = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.",
)
"""What no mapping writes but notifications and topics do: standard/test_notifications.py has them judged."""


def test_every_extension_that_is_defined_is_used(shipped: Library) -> None:
    def flat(url: str, node: Definition, outer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
        urls = (*outer, url)
        yield from ((urls, "value" + kind) for kind in node.types)
        for name, sub in node.subs.items():
            yield from flat(name, sub, urls)

    in_use = set().union(*(uses(shipped, release) for release in RELEASES))
    ours = definitions(ROOT / "profiles")
    assert {use for url, node in ours.items() for use in flat(url, node)} - in_use == set()
    for release in RELEASES:
        stand_ins = definitions(ROOT / "tests" / "standard" / "definitions" / release.lower())
        mapped = {url for url in stand_ins if not url.startswith(OF_NOTIFICATIONS)}
        assert mapped <= {urls[0] for urls, _ in uses(shipped, release)}


def test_the_filled_records_are_right_records() -> None:
    assert len(FILLED) >= 4
    for path in FILLED:
        check.refuse(record_of(path))


@pytest.mark.parametrize("release", RELEASES)
def test_the_filled_records_together_fill_every_extension_of_ours(shipped: Library, release: str) -> None:
    found = set().union(*(set(written(as_fhir(shipped, release, record_of(path)))) for path in FILLED))
    wanted = {use for use in uses(shipped, release) if use[0][0].startswith(OURS)}
    assert wanted - found == set()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.stem)
def test_a_filled_record_comes_back_equal(shipped: Library, release: str, path: Path) -> None:
    record = record_of(path)
    lens = shipped.lens(release, TYPES[record["record"]])
    assert lens is not None
    back = lens.read(as_fhir(shipped, release, record)).result
    back.pop("residue", None)
    assert equality.same(back, record)


@pytest.mark.parametrize("release", RELEASES)
def test_our_validator_finds_no_fault_in_the_filled_records(shipped: Library, release: str) -> None:
    assert [validate(as_fhir(shipped, release, record_of(path)), release) for path in FILLED] == [()] * len(FILLED)


@pytest.mark.hl7
@pytest.mark.timeout(1800)  # the first start may fetch the validator
@pytest.mark.parametrize("release", ["R4", "R5"])
def test_hl7_finds_no_error_in_the_filled_records(shipped: Library, release: str, hl7: Hl7) -> None:
    texts = [fhir_json.write(as_fhir(shipped, release, record_of(path))) for path in FILLED]
    found = hl7.validate(texts, release)
    assert [errors(each) for each in found] == [[] for _ in texts]


@pytest.mark.hl7
@pytest.mark.timeout(1800)
def test_hl7_sees_a_wrong_value_in_an_extension_of_ours(hl7: Hl7) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/1"},
    }
    for wrong in (
        {"url": OURS + "StructureDefinition/care-setting", "valueCode": "moon"},
        {"url": OURS + "StructureDefinition/care-setting", "valueString": "home"},
        {"url": OURS + "StructureDefinition/dose-total", "valueQuantity": {"value": 1}},  # on administrations only
        {"url": OURS + "StructureDefinition/pump", "extension": [{"url": "chanel", "valueString": "A"}]},
    ):
        assert errors(hl7.validate([{**order, "extension": [wrong]}], "R4")[0]), wrong
    right = {"url": OURS + "StructureDefinition/care-setting", "valueCode": "home"}
    assert errors(hl7.validate([{**order, "extension": [right]}], "R4")[0]) == []


def test_our_code_systems_hold_exactly_the_codes_of_the_record() -> None:
    table = fields.table()
    places = {
        "care-setting": table["InfusionOrder"]["care_setting"],
        "infusion-type": table["InfusionOrder"]["infusion_type"],
        "step-role": table["Step"]["role"],
        "group-relation": table["Group"]["relation"],
        "ingredient-role": table["Ingredient"]["role"],
        "segment-event": table["Segment"]["event"],
        "measurement-kind": table["Measurement"]["kind"],
        "order-status": table["InfusionOrder"]["status"],
        "order-intent": table["InfusionOrder"]["intent"],
        "order-priority": table["InfusionOrder"]["priority"],
        "administration-status": table["Administration"]["status"],
        "dosing-basis": table["Dosing"]["basis"],
    }
    files = {path.stem.removeprefix("CodeSystem-"): path for path in (ROOT / "profiles").glob("CodeSystem-*.json")}
    codes = {name: list(place.codes) for name, place in places.items()} | {"unit-spelling": list(units.REPAIRED)}
    assert files.keys() == codes.keys()
    for name, path in files.items():
        assert [concept["code"] for concept in json.loads(path.read_text())["concept"]] == codes[name]


def test_an_ended_order_is_written_in_r5_and_refused_in_r4_with_the_codes_accepted(shipped: Library) -> None:
    order = {"record": "InfusionOrder", "status": "ended", "intent": "order", "patient": {"reference": "Patient/1"}}
    assert as_fhir(shipped, "R5", order)["status"] == "ended"
    with pytest.raises(Refused) as refused:
        as_fhir(shipped, "R4", order)
    (issue,) = refused.value.issues
    assert issue.path == "status"
    assert "stopped" in issue.accepted
    assert "ended" not in issue.accepted.partition("in:")[0]


@pytest.mark.parametrize("release", RELEASES)
def test_the_example_overlay_says_the_care_setting_as_the_site_does(shipped: Library, release: str) -> None:
    order = {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "care_setting": "home",
        "categories": [{"text": "oncology"}],
        "patient": {"reference": "Patient/1"},
    }
    lens = shipped.lens(release, "MedicationRequest", "example-site")
    assert lens is not None
    resource = lens.write(order).result
    codings = [coding for category in resource["category"] for coding in category.get("coding", ())]
    assert codings == [{"system": "https://fhir.example.org/CodeSystem/order-category", "code": "HH"}]
    assert "extension" not in resource
    back = lens.read(resource).result
    assert back["care_setting"] == "home"
    assert [category["text"] for category in back["categories"]] == ["oncology"]
    assert shipped.defaults["example-site"] == {"representation": "split"}


@pytest.mark.parametrize("release", RELEASES)
def test_the_overlay_of_jp_core_says_place_and_line_of_an_administration_as_that_guide_does(
    shipped: Library, release: str
) -> None:
    given = {
        "record": "Administration",
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "dobutamine"},
        "when": {"at": "2026-03-01T08:00:00Z"},
        "location": {"reference": "Location/ward"},
        "vascular_access": {"access": {"text": "peripheral"}, "lumen": "distal"},
    }
    lens = shipped.lens(release, "MedicationAdministration", "jp-core")
    assert lens is not None
    resource = lens.write(given).result
    jp_core = "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/"
    stated = {one["url"]: one for one in [*resource["extension"], *resource["dosage"]["extension"]]}
    assert stated[f"{jp_core}JP_MedicationAdministration_Location"]["valueReference"] == given["location"]
    assert stated[f"{jp_core}JP_MedicationDosage_Line"]["valueCodeableConcept"] == {"text": "peripheral"}
    back = lens.read(resource).result
    assert {name: back[name] for name in given if name != "when"} == {n: v for n, v in given.items() if n != "when"}
