"""The search parameters are those of HL7's definitions, and every path of theirs is one of the release."""

from __future__ import annotations

import pytest

from fhir_infusion.fhir.parameters import TYPES, parameters
from fhir_infusion.fhir.served import SERVED
from tests import search_parameters_write as write

KNOWN_TYPES = {
    "token": {"code", "Coding", "CodeableConcept", "Identifier", "ContactPoint", "boolean", "string", "is-true"},
    "reference": {"Reference"},
    "date": {"date", "dateTime", "instant", "Period", "Timing", "string"},
    "string": {"string", "HumanName", "Address", "Identifier"},
    "quantity": {"Quantity", "Age", "Duration", "Range"},
    "uri": {"uri", "canonical"},
}


OPEN = {"Condition": {"evidence-detail"}, "Observation": {"focus"}, "Provenance": {"entity", "target"}}
"""References that may be to anything."""


def test_the_file_is_what_the_definitions_say():
    missing = [release for release in ("R4", "R4B", "R5") if not jar_of(release).is_file()]
    if missing:
        pytest.skip(f"HL7's definitions of {', '.join(missing)} are not on this machine")
    assert write.TARGET.read_text(encoding="utf-8") == write.written(), (
        "python -m tests.search_parameters_write writes it"
    )


def jar_of(release: str):
    name = f"hapi-fhir-validation-resources-{release.lower()}"
    return write.REPOSITORY / "ca/uhn/hapi/fhir" / name / write.VERSION / f"{name}-{write.VERSION}.jar"


def test_every_type_that_is_served_has_parameters():
    assert set(SERVED) == TYPES == set(write.TYPES)


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("type_", sorted(TYPES))
def test_what_a_parameter_reads_can_be_compared_as_its_type_says(type_, release):
    known = parameters(type_, release)
    assert len({one.name for one in known}) == len(known)
    assert [(one.name, one.types()) for one in known if not one.types() <= KNOWN_TYPES[one.kind]] == []
    open_to_any = {one.name for one in known if one.kind == "reference" and not one.targets}
    assert open_to_any == OPEN.get(type_, set())


EXPRESSIONS = {
    "Patient.name.family": ["name.family:string"],
    "Patient.telecom.where(system='phone')": ["telecom[system=phone]:ContactPoint"],
    "(Patient.deceased as dateTime)": ["deceasedDateTime:dateTime"],
    "Patient.deceased.ofType(dateTime)": ["deceasedDateTime:dateTime"],
    "Patient.deceased.exists() and Patient.deceased != false": ["deceased:is-true"],
    "Patient.deceased": ["deceasedBoolean:boolean", "deceasedDateTime:dateTime"],
    "Person.name | Patient.name": ["name:HumanName"],
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_becomes_paths_of_json_names(expression):
    assert write.paths_of(expression, "Patient", "R4") == (EXPRESSIONS[expression], [])


def test_a_type_that_is_resolved_narrows_the_reference():
    found = write.paths_of("Encounter.subject.where(resolve() is Patient)", "Encounter", "R4")
    assert found == (["subject:Reference"], ["Patient"])


@pytest.mark.parametrize(
    "expression", ["Patient.colour", "Patient.name.first()", "Patient.name.where(use='x' or true)"]
)
def test_an_expression_that_cannot_be_read_stops_the_script(expression):
    with pytest.raises(write.Unreadable):
        write.paths_of(expression, "Patient", "R4")
