from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.sync import references
from fhir_infusion.sync.references import Relative

BASE = "https://fhir.example/r4"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Patient/7", Relative("Patient", "7")),
        ("Patient/7/_history/2", Relative("Patient", "7")),
        ("Patient/7#x", Relative("Patient", "7")),
        ("Patient/7/_history/2#x", Relative("Patient", "7")),
        (f"{BASE}/Patient/7", Relative("Patient", "7")),
        (f"{BASE}/Patient/7#x", Relative("Patient", "7")),
        (f"{BASE}-evil/Patient/7", None),
        ("https://other.example/Patient/7", None),
        ("#p", None),
        ("urn:uuid:0aaf1a3e-0000-4000-8000-000000000001", None),
        ("patient/7", None),
        ("Patient/../7", None),
        ("", None),
    ],
)
def test_a_literal_reference_names_a_resource_of_one_server_only(text: str, named: object):
    assert references.relative(text, BASE) == named


def test_every_reference_is_found_with_its_element_also_in_contained_resources_and_extensions():
    resource = {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "s", "value": "1", "assigner": {"display": "A", "reference": "Organization/1"}}],
        "subject": {"identifier": {"system": "mrn", "value": "7"}},
        "contained": [{"resourceType": "Medication", "id": "m", "manufacturer": {"reference": "Organization/2"}}],
        "extension": [{"url": "u", "valueReference": {"reference": "Device/3"}}],
        "reason": [{"concept": {"text": "x"}, "reference": {"reference": "Condition/4"}}],
    }
    assert [(element, one.get("reference", "logical")) for element, one in references.found(resource)] == [
        ("identifier", "Organization/1"),
        ("subject", "logical"),
        ("contained", "Organization/2"),
        ("extension", "Device/3"),
        ("reason", "Condition/4"),
    ]


@pytest.mark.parametrize(
    ("element", "reference", "type_"),
    [
        ("subject", {"reference": "Group/1"}, "Group"),
        ("subject", {"identifier": {"value": "1"}}, "Patient"),
        ("subject", {"type": "Group", "identifier": {"value": "1"}}, "Group"),
        ("performer", {"type": "http://hl7.org/fhir/StructureDefinition/Practitioner"}, "Practitioner"),
        ("performer", {"reference": "https://x.example/fhir/Organization/1/_history/2"}, "Organization"),
        ("performer", {"reference": "https://x.example/fhir/Organization/1#x"}, "Organization"),
        ("performer", {"display": "Dr"}, ""),
    ],
)
def test_the_type_of_a_target_is_what_the_reference_says_or_what_its_element_allows(
    element: str, reference: dict[str, Any], type_: str
):
    assert references.target_type(element, reference) == type_


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ({"identifier": {"system": "s", "value": "v"}}, ("s", "v")),
        ({"identifier": {"value": "v"}}, None),
        ({"identifier": {"system": "s"}}, None),
        ({"identifier": {"system": references.ELSEWHERE, "value": "Practitioner/7"}}, None),
        ({"reference": "Patient/7"}, None),
    ],
)
def test_a_target_is_named_by_system_and_value_together(reference: dict[str, Any], named: object):
    assert references.identifier_of(reference) == named


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("#p", True),
        ("urn:uuid:0aaf1a3e-0000-4000-8000-000000000001", True),
        (f"{BASE}/Patient/7", True),
        ("Patient/7", False),
        ("/Patient/7", False),
        ("Patient?identifier=urn:p|7", False),
        ("", False),
    ],
)
def test_h10_a_reference_that_means_another_resource_on_another_server_does_not_stand_alone(text: str, *, alone: bool):
    assert references.stands_alone(text) is alone
