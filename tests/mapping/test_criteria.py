"""Which slice an element of an array belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.mapping.criteria import classifier, classify, contained_by_id, followed, matches
from fhir_infusion.mapping.paths import parse_fhir
from tests.mapping.kit import KIT, lens_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.plan import FMember

CONTAINED: dict[str, dict[str, Any]] = {
    "m": {"resourceType": "Medication", "id": "m", "code": {"text": "x"}},
    "o": {"resourceType": "Observation", "id": "o"},
}


@pytest.mark.parametrize(
    ("path", "element", "hit"),
    [
        ("a[url=u]", {"url": "u"}, True),
        ("a[url=u]", {"url": "v"}, False),
        ("a[url=u]", {}, False),
        ("a[type.coding.code=c]", {"type": {"coding": [{"code": "b"}, {"code": "c"}]}}, True),
        ("a[type.coding.code=c]", {"type": {"coding": []}}, False),
        ("a[type.coding.code=c]", {"type": "c"}, False),
        ("a[when=MORN]", {"when": ["NIGHT", "MORN"]}, True),
        ("a[when=MORN]", {"when": ["NIGHT"]}, False),
        ("a[concept exists]", {"concept": {}}, True),
        ("a[concept exists]", {}, False),
        ("a[concept missing]", {}, True),
        ("a[concept missing]", {"concept": {}}, False),
        ("a[url=u,valueCode exists]", {"url": "u", "valueCode": "x"}, True),
        ("a[url=u,valueCode exists]", {"url": "u"}, False),
        ("a[->Medication]", {"reference": "#m"}, True),
        ("a[->Medication]", {"reference": "#o"}, False),
        ("a[->Medication]", {"reference": "#gone"}, False),
        ("a[->Medication]", {"reference": "Medication/m"}, False),
        ("a[->Medication]", {"reference": 5}, False),
        ("a[->Medication,code.text=x]", {"reference": "#m"}, True),
        ("a[->Medication,code.text=y]", {"reference": "#m"}, False),
    ],
)
def test_an_element_belongs_where_every_criterion_holds(path: str, element: Any, hit: bool):  # noqa: FBT001  a column of the table
    assert matches(parse_fhir(path)[0], element, CONTAINED) is hit


def test_a_reference_is_followed_only_into_a_contained_resource_of_the_type():
    assert followed({"reference": "#m"}, CONTAINED, "Medication") is CONTAINED["m"]
    assert followed({"reference": "#m"}, CONTAINED, "Observation") is None
    assert followed({"identifier": {}}, CONTAINED, "Medication") is None
    assert followed("#m", CONTAINED, "Medication") is None
    assert contained_by_id({"contained": [CONTAINED["m"], {"resourceType": "Patient"}]}) == {"m": CONTAINED["m"]}
    assert contained_by_id({}) == {}


def extensions(pairs: str) -> FMember:
    """Return what a document says of ``Extension.extension``."""
    text = f"""
mapping: group
between: {{internal: Group, fhir: Extension, release: R4}}
uses: [kit]
pairs:
{pairs}
  identifier: {{drop: true, why: w}}
"""
    return lens_of(text, "Extension", kit=KIT).plan.root.fobj.members["extension"]


SINGLES = """
  regimen: extension[url=regimen].valueString
  protocol: extension[url=protocol].valueString
  cycle: extension[url=cycle].valueInteger
  cycles: extension[url=cycles].valueInteger
  position: extension[url=position].valueInteger
  relation: extension[url=relation].valueCode
"""


def test_elements_go_to_their_slices_in_any_order_and_the_unknown_to_none():
    member = extensions(SINGLES)
    value = [{"url": "cycle", "valueInteger": 1}, {"url": "x"}, {"url": "regimen", "valueString": "r"}]
    assert classify(member, value, {}) == [2, -1, 0]
    assert classifier(member)(value, {}) == [2, -1, 0]


def test_a_second_element_of_a_single_slice_has_no_place():
    value = [{"url": "cycle", "valueInteger": 1}, {"url": "cycle", "valueInteger": 2}]
    member = extensions(SINGLES)
    assert classify(member, value, {}) == classifier(member)(value, {}) == [2, -1]


CODINGS = """
mapping: dosing
between: {internal: Dosing, fhir: Dosage.doseAndRate, release: R4}
uses: [kit]
pairs:
  basis: {fhir: "type.coding[system=urn:basis].code", codes: basis}
  basis_codings[]: type.coding[]
  basis_text: type.text
  dose: doseQuantity
  dose_range: doseRange
  rate: {fhir: rateQuantity, as: rate}
  rate_as_stated: {fhir: rateQuantity, as: not-rate}
  rate_range: rateRange
  rate_ratio: {drop: true, why: w}
  rate_text: {drop: true, why: w}
  calculated_from: {drop: true, why: w}
"""
BASIS = "codes: basis\nmap: {ordered: ordered, calculated: calculated}\n"


@pytest.mark.parametrize(
    ("coding", "slice_number"),
    [
        ({"system": "urn:basis", "code": "ordered"}, 0),
        ({"system": "urn:basis", "code": "ordered", "display": "Ordered", "id": "i"}, 0),
        ({"system": "urn:basis", "code": "measured"}, 1),
        ({"system": "urn:basis", "code": "ordered", "version": "2"}, 1),
        ({"system": "urn:basis", "code": "ordered", "_code": {}}, 0),
        ({"system": "urn:other", "code": "ordered"}, 1),
        ({"code": "ordered"}, 1),
    ],
)
def test_a_coding_that_its_slice_could_not_hold_wholly_belongs_to_the_rest(coding: dict[str, Any], slice_number: int):
    member = lens_of(CODINGS, "Dosage.doseAndRate", kit=KIT, basis=BASIS).plan.root.fobj.members["type"].obj
    assert member is not None
    array = member.members["coding"]
    assert classify(array, [coding], {}) == classifier(array)([coding], {}) == [slice_number]


USED = "codes: basis\nmap: {ordered: official, calculated: secondary}\n"
USES = """
mapping: dosing
between: {internal: Dosing, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
uses: [kit]
pairs:
  basis: {fhir: "identifier[system=urn:basis].use", codes: basis}
  basis_codings[]: {fhir: "identifier[]", pairs: {system: system, code: use, version: {drop: true, why: w}, display: {drop: true, why: w}, user_selected: {drop: true, why: w}}}
  basis_text: language
  dose: {drop: true, why: w}
  dose_range: {drop: true, why: w}
  rate: {drop: true, why: w}
  rate_as_stated: {drop: true, why: w}
  rate_range: {drop: true, why: w}
  rate_ratio: {drop: true, why: w}
  rate_text: {drop: true, why: w}
  calculated_from: {drop: true, why: w}
"""


@pytest.mark.parametrize(("use", "slice_number"), [("official", 0), ("old", 1), (None, 1)])
def test_an_element_whose_code_its_slice_does_not_know_belongs_to_the_rest(use: str | None, slice_number: int):
    array = lens_of(USES, "MedicationRequest", kit=KIT, basis=USED).plan.root.fobj.members["identifier"]
    element = {"system": "urn:basis", "value": "7"} if use is None else {"system": "urn:basis", "use": use}
    assert classify(array, [element], {}) == classifier(array)([element], {}) == [slice_number]
