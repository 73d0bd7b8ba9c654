"""The element table says what HL7's StructureDefinitions say."""

from __future__ import annotations

import pytest

from fhir_infusion.fhir import elements
from fhir_infusion.fhir.elements import Element, is_resource_type, table, type_names, type_table
from fhir_infusion.fhir.releases import RELEASES, release_of, release_of_mime_version

EVERY = tuple(RELEASES)


def element(release: str, path: str) -> Element:
    owner, _, name = path.rpartition(".")
    return table(release)[owner][name]


# path, type, list, required, choice, targets
R4 = [
    ("MedicationRequest.id", "id", False, False, "", ()),
    ("MedicationRequest.status", "code", False, True, "", ()),
    ("MedicationRequest.medicationReference", "Reference", False, True, "medication", ("Medication",)),
    ("MedicationRequest.medicationCodeableConcept", "CodeableConcept", False, True, "medication", ()),
    ("MedicationRequest.supportingInformation", "Reference", True, False, "", ()),
    ("MedicationRequest.contained", "Resource", True, False, "", ()),
    ("MedicationRequest.dosageInstruction", "Dosage", True, False, "", ()),
    ("MedicationRequest.dispenseRequest", "MedicationRequest.dispenseRequest", False, False, "", ()),
    ("MedicationRequest.dispenseRequest.initialFill", "MedicationRequest.dispenseRequest.initialFill", False, False, "", ()),
    ("MedicationRequest.dispenseRequest.quantity", "SimpleQuantity", False, False, "", ()),
    ("MedicationRequest.dispenseRequest.expectedSupplyDuration", "Duration", False, False, "", ()),
    ("Dosage.doseAndRate", "Dosage.doseAndRate", True, False, "", ()),
    ("Dosage.doseAndRate.doseQuantity", "SimpleQuantity", False, False, "dose", ()),
    ("Dosage.doseAndRate.rateRatio", "Ratio", False, False, "rate", ()),
    ("Dosage.maxDosePerPeriod", "Ratio", False, False, "", ()),
    ("Timing.repeat", "Timing.repeat", False, False, "", ()),
    ("Timing.repeat.boundsPeriod", "Period", False, False, "bounds", ()),
    ("Timing.event", "dateTime", True, False, "", ()),
    ("MedicationAdministration.dosage.dose", "SimpleQuantity", False, False, "", ()),
    ("MedicationAdministration.effectivePeriod", "Period", False, True, "effective", ()),
    ("MedicationAdministration.performer.actor", "Reference", False, True, "", ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Device")),
    ("Ratio.denominator", "Quantity", False, False, "", ()),
    ("Range.low", "SimpleQuantity", False, False, "", ()),
    ("Observation.component.referenceRange", "Observation.referenceRange", True, False, "", ()),
    ("Bundle.entry.resource", "Resource", False, False, "", ()),
    ("Extension.url", "uri", False, True, "", ()),
    ("Extension.valueMeta", "Meta", False, False, "value", ()),
    ("Narrative.div", "xhtml", False, True, "", ()),
    ("Attachment.data", "base64Binary", False, False, "", ()),
    ("Extension.valueUuid", "uuid", False, False, "value", ()),
]  # fmt: skip
R5 = [
    ("MedicationRequest.medication", "CodeableReference", False, True, "", ("Medication",)),
    ("Dosage.maxDosePerPeriod", "Ratio", True, False, "", ()),
    ("Dosage.asNeeded", "boolean", False, False, "", ()),
    ("Ratio.denominator", "SimpleQuantity", False, False, "", ()),
    ("Extension.valueInteger64", "integer64", False, False, "value", ()),
    ("MedicationAdministration.occurenceTiming", "Timing", False, True, "occurence", ()),
]


@pytest.mark.parametrize(
    ("release", "row"),
    [
        *(("R4", row) for row in R4),
        *(("R4B", row) for row in R4[:-3] if "Meta" not in row[0]),
        *(("R5", row) for row in R5),
    ],
)
def test_an_element_has_the_type_cardinality_choice_and_targets_of_the_standard(release, row):
    path, type_, is_list, required, choice, targets = row
    found = element(release, path)
    assert (found.name, found.type, found.is_list) == (path.rpartition(".")[2], type_, is_list)
    assert (found.required, found.choice, found.targets) == (required, choice, targets)
    assert found.primitive == (type_ in elements.PRIMITIVES)
    assert found.path_name == (choice or found.name)


def test_r4_differs_from_its_models_in_the_values_of_an_extension():
    r4, r4b = table("R4")["Extension"], table("R4B")["Extension"]
    assert r4.keys() - r4b.keys() == {"valueMeta"}
    assert r4b.keys() - r4.keys() == {"valueCodeableReference", "valueRatioRange"}


def test_a_simple_quantity_is_a_quantity_without_comparator():
    for release in EVERY:
        both = table(release)
        assert both["Quantity"].keys() - both["SimpleQuantity"].keys() == {"comparator"}


CODED = [
    "MedicationRequest.status",
    "MedicationRequest.intent",
    "MedicationRequest.priority",
    "MedicationAdministration.status",
]
CODED += [
    "Medication.status",
    "Timing.repeat.durationUnit",
    "Timing.repeat.periodUnit",
    "Timing.repeat.dayOfWeek",
    "Address.use",
]
CODED += [
    "Timing.repeat.when",
    "Quantity.comparator",
    "Identifier.use",
    "Narrative.status",
    "HumanName.use",
    "ContactPoint.system",
]
CODED += ["Observation.status", "Encounter.status", "Bundle.type", "OperationOutcome.issue.code", "Patient.gender"]


@pytest.mark.parametrize("release", EVERY)
def test_every_required_binding_is_whole(release):
    for path in CODED:
        assert element(release, path).codes, path
    for name, members in table(release).items():
        for member in members.values():
            assert not {"+", "etc."}.intersection(member.codes), f"{name}.{member.name}"


def test_bindings_differ_where_the_releases_do():
    r4, r5 = "R4", "R5"
    assert set(element(r5, "MedicationRequest.status").codes) - set(element(r4, "MedicationRequest.status").codes) == {
        "ended"
    }
    assert set(element(r5, "Timing.repeat.when").codes) - set(element(r4, "Timing.repeat.when").codes) == {"IMD"}
    assert set(element(r5, "Quantity.comparator").codes) - set(element(r4, "Quantity.comparator").codes) == {"ad"}
    assert element(r4, "MedicationAdministration.status").codes == element(r5, "MedicationAdministration.status").codes
    assert element(r4, "Expression.language").codes == ()


def test_every_type_that_is_named_is_in_the_table():
    for release in EVERY:
        types = table(release)
        named = {member.type for members in types.values() for member in members.values() if not member.primitive}
        assert named - set(types) == {"Resource"}


def test_twins_stand_beside_every_primitive_but_ids_of_elements_and_the_url_of_an_extension():
    for members in table("R4").values():
        for member in members.values():
            wanted = member.primitive and (member.name != "id" or member.type == "id")
            assert member.extensible == (wanted and member is not table("R4")["Extension"]["url"])


def test_other_types_are_found_when_asked_for_and_unknown_ones_are_not():
    assert type_table("R4", "Coverage")["Coverage"]["class"].type == "Coverage.class"
    for name in ("Foo", "medicationrequest", "Coverage.class.x"):
        with pytest.raises(KeyError):
            type_table("R4", name)
    assert is_resource_type("R4", "Coverage")
    assert not any(is_resource_type("R4", name) for name in ("Quantity", "DomainResource", "Foo", "", "Bundle.entry"))
    assert {"Coverage", "Quantity", "SubstancePolymer"} <= type_names("R4")
    assert "Resource" not in type_names("R5")


def test_a_type_of_which_the_models_declare_something_unknown_is_not_guessed():
    from pydantic.fields import FieldInfo  # noqa: PLC0415  only here

    with pytest.raises(TypeError, match="not known"):
        elements._declared_type(FieldInfo(annotation=int))


def test_releases_are_found_by_name_and_mime_version():
    assert [release_of(name).path for name in EVERY] == ["r4", "r4b", "r5"]
    assert [release_of(name).version for name in EVERY] == ["4.0.1", "4.3.0", "5.0.0"]
    for version, name in (("4.0", "R4"), ("4.3", "R4B"), ("5.0", "R5")):
        found = release_of_mime_version(version)
        assert found is not None
        assert found.name == name
    assert release_of_mime_version("3.0") is None
    with pytest.raises(KeyError):
        release_of("STU3")
