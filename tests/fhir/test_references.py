"""References: what their text tells, and which are never kept."""

from __future__ import annotations

import pytest

from fhir_infusion.fhir import references


@pytest.mark.parametrize(
    "reference",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "vbscript:x",
        "file:///etc/passwd",
        "data:text/html,x",
        "../Patient/7",
        "Patient/../7",
        "http://x.org/a/%2e%2e/Patient/7",
        "http://x.org/%2E./b",
        "x/.%2e/",
    ],
)
def test_a_reference_that_runs_opens_or_climbs_is_unsafe(reference):
    assert references.is_unsafe(reference)
    assert not references.plain_literals(()).fullmatch(reference)


@pytest.mark.parametrize(
    "reference", ["Patient/7", "#a", "urn:uuid:x", "https://x.org/fhir/Patient/7", "Patient/a.b", "urn:data:x"]
)
def test_any_other_reference_is_kept(reference):
    assert not references.is_unsafe(reference)


@pytest.mark.parametrize(
    ("reference", "spelled"),
    [
        ("Patient/7", "Patient"),
        ("Patient/7/_history/2", "Patient"),
        ("http://x.org/fhir/Patient/7", "Patient"),
        ("https://x.org/Patient/7#a", "Patient"),
        ("urn:uuid:x", ""),
        ("#a", ""),
        ("http://x.org/patients/7", ""),
        ("Patient", ""),
        ("Patient/a_b", ""),
    ],
)
def test_the_type_of_a_target_is_known_where_the_reference_spells_it(reference, spelled):
    assert references.literal_type(reference) == spelled


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("Patient/7/_history/2", "Patient/7"),
        ("Patient/7#a", "Patient/7"),
        ("Patient/7/_history/2#a", "Patient/7"),
        ("https://x.org/fhir/Patient/7#a", "https://x.org/fhir/Patient/7"),
        ("https://x.org/words#a", "https://x.org/words#a"),
        ("urn:x:y#a", "urn:x:y#a"),
        ("#a", "#a"),
    ],
)
def test_a_reference_names_the_resource_and_no_version_or_part_of_it(reference: str, named: str):
    assert references.resource_named(reference) == named


def test_contained_resources_are_known_by_id_and_odd_ones_passed_over():
    contained = [{"id": "m", "resourceType": "Medication"}, {"id": 5, "resourceType": "X"}, {"id": "a"}, "x"]
    assert references.local_types({"contained": contained}) == {"m": "Medication"}
    assert references.local_types({"contained": "x"}) == references.local_types({}) == {}


def test_a_plain_literal_is_relative_and_to_a_target():
    to_patients, to_any = references.plain_literals(("Patient", "Group")), references.plain_literals(())
    for reference in ("Patient/7", "Group/a.b-c", "Patient/." + "x" * 63):
        assert to_patients.fullmatch(reference)
        assert to_any.fullmatch(reference)
    for reference in (
        "Device/7",
        "http://x.org/Patient/7",
        "Patient/a..b",
        "Patient/",
        "Patient/" + "x" * 65,
        "#x",
        "",
    ):
        assert not to_patients.fullmatch(reference)
    assert references.has_space("Patient/ 7")
