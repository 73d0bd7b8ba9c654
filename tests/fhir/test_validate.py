"""What breaks base FHIR is answered with 400, what breaks a rule of safety with 422, and both with path and reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.collect import collect
from fhir_infusion.fhir.elements import ROOTS
from fhir_infusion.fhir.generate import checks, quick
from fhir_infusion.fhir.validate import demand_valid, prepare, validate
from tests.fhir.kit import (
    FILES,
    GONE,
    XHTML,
    amount,
    changed,
    containing,
    given,
    needs_examples,
    order,
    read,
    release_of,
)

D = "dosageInstruction/0"
Q = f"{D}/doseAndRate/0/doseQuantity"
T = f"{D}/timing/repeat"
MR, MA = order(), given()
MR_D = "MedicationRequest.dosageInstruction[0]"
MR_Q, MR_T = f"{MR_D}.doseAndRate[0].dose", f"{MR_D}.timing.repeat"
EXT: dict[str, Any] = {"url": "http://x.org/e", "valueString": "a"}


def ext(**value: Any) -> list[dict[str, Any]]:
    return [{"url": "http://x.org/e", **value}]


# resource, path of the change, new value, then what is answered: status, code, path, rule
BROKEN = [
    # unknown elements, cardinality, JSON types
    (MR, "foo", 1, 400, "structure", "MedicationRequest.foo", ""),
    (MR, "Jane Q. Public", 1, 400, "structure", "MedicationRequest.(unreadable name)", ""),
    (MR, f"{Q}/foo", 1, 400, "structure", f"{MR_Q}.foo", ""),
    (MR, "statusChanged", "2024", 400, "structure", "MedicationRequest.statusChanged", ""),
    (MR, "_subject", {"id": "x"}, 400, "structure", "MedicationRequest._subject", ""),
    (MR, "status", ["active"], 400, "structure", "MedicationRequest.status", ""),
    (MR, "subject", [{"reference": "Patient/1"}], 400, "structure", "MedicationRequest.subject", ""),
    (MR, "note", {"text": "x"}, 400, "structure", "MedicationRequest.note", ""),
    (MR, "note", [[{"text": "x"}]], 400, "structure", "MedicationRequest.note[0]", ""),
    (MR, "note", [], 400, "structure", "MedicationRequest.note", ""),
    (MR, "note", [None], 400, "value", "MedicationRequest.note[0]", ""),
    (MR, "note", ["x"], 400, "structure", "MedicationRequest.note[0]", ""),
    (MR, "subject", {}, 400, "structure", "MedicationRequest.subject", "ele-1"),
    (MR, "subject", "Patient/1", 400, "structure", "MedicationRequest.subject", ""),
    (MR, "status", None, 400, "value", "MedicationRequest.status", ""),
    (MR, "status", {"code": "active"}, 400, "structure", "MedicationRequest.status", ""),
    (MR, f"{D}/text", " ", 400, "structure", f"{MR_D}.text", ""),
    (MR, f"{D}/text", "", 400, "structure", f"{MR_D}.text", ""),
    (MR, f"{D}/text", 5, 400, "value", f"{MR_D}.text", ""),
    (MR, f"{D}/text", "a\x00b", 400, "value", f"{MR_D}.text", ""),
    (MR, f"{Q}/value", "5", 400, "value", f"{MR_Q}.value", ""),
    (MR, f"{Q}/value", None, 400, "value", f"{MR_Q}.value", ""),
    (MR, f"{Q}/value", True, 400, "value", f"{MR_Q}.value", ""),
    (MR, "doNotPerform", "no", 400, "value", "MedicationRequest.doNotPerform", ""),
    (MR, "doNotPerform", 0, 400, "value", "MedicationRequest.doNotPerform", ""),
    (MR, "authoredOn", 1700000000, 400, "value", "MedicationRequest.authoredOn", ""),
    (MR, "authoredOn", "2024-05-01T10:00:00", 400, "value", "MedicationRequest.authoredOn", ""),
    (MR, "authoredOn", "2024-02-30", 400, "value", "MedicationRequest.authoredOn", ""),
    (MR, "id", "x" * 65, 400, "value", "MedicationRequest.id", ""),
    (MR, "id", "a_b", 400, "value", "MedicationRequest.id", ""),
    # required, codes, choices
    (MR, "status", "bogus", 400, "code-invalid", "MedicationRequest.status", ""),
    (MR, "status", GONE, 400, "required", "MedicationRequest.status", ""),
    (MR, "intent", GONE, 400, "required", "MedicationRequest.intent", ""),
    (MR, "subject", GONE, 400, "required", "MedicationRequest.subject", ""),
    (MR, "medicationCodeableConcept", GONE, 400, "required", "MedicationRequest.medication", ""),
    (MR, "medicationReference", {"display": "x"}, 400, "structure", "MedicationRequest.medication", ""),
    (MR, "priority", "now", 400, "code-invalid", "MedicationRequest.priority", ""),
    (MR, f"{T}/periodUnit", "days", 400, "code-invalid", f"{MR_T}.periodUnit", ""),
    (MR, f"{T}/when", ["IMD"], 400, "code-invalid", f"{MR_T}.when[0]", ""),
    (MR, f"{T}/dayOfWeek", ["monday"], 400, "code-invalid", f"{MR_T}.dayOfWeek[0]", ""),
    (MR, f"{T}/frequency", 0, 400, "value", f"{MR_T}.frequency", ""),
    (MR, f"{T}/frequency", Decimal("1.0"), 400, "value", f"{MR_T}.frequency", ""),
    (MR, "identifier", [{"use": "x", "value": "1"}], 400, "code-invalid", "MedicationRequest.identifier[0].use", ""),
    (MR, "identifier", [{"system": "x", "value": "1"}], 400, "value", "MedicationRequest.identifier[0].system", ""),
    (MR, "text", {"div": f"<div {XHTML}>x</div>"}, 400, "required", "MedicationRequest.text.status", ""),
    (MR, f"{D}/doseAndRate/0/doseRange", {"low": amount()}, 400, "structure", MR_Q, ""),
    (MR, f"{D}/doseAndRate/0/rateQuantity", amount(), 400, "structure", f"{MR_D}.doseAndRate[0].rate", ""),
    (MA, "effectiveDateTime", "2024", 400, "structure", "MedicationAdministration.effective", ""),
    (MA, "effectivePeriod", GONE, 400, "required", "MedicationAdministration.effective", ""),
    # primitives and their twins
    (MR, "_authoredOn", {}, 400, "structure", "MedicationRequest.authoredOn", "ele-1"),
    (MR, "_authoredOn", [EXT], 400, "structure", "MedicationRequest.authoredOn", ""),
    (MR, "_authoredOn", {"value": 1}, 400, "structure", "MedicationRequest.authoredOn.value", ""),
    (MR, "_authoredOn", {"extension": EXT}, 400, "structure", "MedicationRequest.authoredOn.extension", ""),
    (MR, "_authoredOn", {"id": 5}, 400, "value", "MedicationRequest.authoredOn.id", ""),
    (MR, "_priority", {"id": "x"}, 400, "structure", "MedicationRequest.priority", "ele-1"),
    (MR, "_instantiatesUri", {"id": "x"}, 400, "structure", "MedicationRequest.instantiatesUri", ""),
    (MR, "_instantiatesUri", [None], 400, "value", "MedicationRequest.instantiatesUri[0]", ""),
    (MR, "_instantiatesUri", ["x"], 400, "structure", "MedicationRequest.instantiatesUri[0]", ""),
    (MR, "instantiatesUri", ["a", None], 400, "value", "MedicationRequest.instantiatesUri[1]", ""),
    # invariants
    (MR, f"{Q}/comparator", "<", 400, "invariant", MR_Q, "sqty-1"),
    (MR, f"{Q}/system", GONE, 400, "invariant", MR_Q, "qty-3"),
    (MR, f"{T}/periodUnit", GONE, 400, "invariant", MR_T, "tim-2"),
    (MR, f"{T}/duration", 1, 400, "invariant", MR_T, "tim-1"),
    (MR, f"{T}/period", -1, 400, "invariant", MR_T, "tim-5"),
    (MR, f"{T}/durationMax", 1, 400, "invariant", MR_T, "tim-7"),
    (MR, f"{T}/countMax", 1, 400, "invariant", MR_T, "tim-8"),
    (MR, f"{T}/offset", 1, 400, "invariant", MR_T, "tim-9"),
    (MR, f"{D}/doseAndRate/0/rateRatio", {"numerator": amount()}, 400, "invariant", f"{MR_D}.doseAndRate[0].rate", "rat-1"),
    (MR, "extension", ext(), 400, "invariant", "MedicationRequest.extension[0]", "ext-1"),
    (MR, "extension", ext(valueString="a", extension=[EXT]), 400, "invariant", "MedicationRequest.extension[0]", "ext-1"),
    (MR, "extension", [{"url": "x", "valueString": "a"}], 400, "value", "MedicationRequest.extension[0].url", ""),
    (MR, "extension", [{"valueString": "a"}], 400, "required", "MedicationRequest.extension[0].url", ""),
    (MR, "extension", ext(valueString="a", valueCode="b"), 400, "structure", "MedicationRequest.extension[0].value", ""),
    (MR, "extension", ext(valueCodeableReference={"concept": {"text": "x"}}), 400, "structure", "MedicationRequest.extension[0].valueCodeableReference", ""),
    (MA, "dosage", {"text": "x"}, 400, "invariant", "MedicationAdministration.dosage", "mad-1"),
    (MA, "effectivePeriod/start", "2024-05-01T13:00:00Z", 400, "invariant", "MedicationAdministration.effective", "per-1"),
    # references and what is contained
    (MR, "subject", {"reference": "#p"}, 400, "invariant", "MedicationRequest.subject.reference", "ref-1"),
    (MR, "subject", {"reference": "#"}, 400, "invariant", "MedicationRequest.subject.reference", "ref-1"),
    (MR, "subject", {"reference": "a b"}, 400, "value", "MedicationRequest.subject.reference", ""),
    (MR, "subject", {"reference": "Patient/1", "type": "Group"}, 400, "structure", "MedicationRequest.subject.type", ""),
    (MR, "contained", [{"resourceType": "Foo", "id": "m"}], 400, "structure", "MedicationRequest.contained[0].resourceType", ""),
    (MR, "contained", [{"id": "m"}], 400, "structure", "MedicationRequest.contained[0].resourceType", ""),
    (MR, "contained", ["x"], 400, "structure", "MedicationRequest.contained[0]", ""),
    (MR, "contained", {"id": "m"}, 400, "structure", "MedicationRequest.contained", ""),
    (MR, "contained", [{"resourceType": "Medication", "id": "m"}], 400, "invariant", "MedicationRequest.contained[0]", "dom-3"),
    (MR, "contained", [{"resourceType": "Medication", "id": ["m"]}], 400, "structure", "MedicationRequest.contained[0].id", ""),
    # right FHIR that is not taken
    (MR, "modifierExtension", [EXT], 422, "extension", "MedicationRequest.modifierExtension", "modifier-extension"),
    (MR, f"{D}/modifierExtension", [EXT], 422, "extension", f"{MR_D}.modifierExtension", "modifier-extension"),
    (MR, "implicitRules", "http://x.org", 422, "not-supported", "MedicationRequest.implicitRules", "implicit-rules"),
    (MR, "_implicitRules", {"extension": [EXT]}, 422, "not-supported", "MedicationRequest.implicitRules", "implicit-rules"),
    (MR, "doNotPerform", True, 422, "business-rule", "MedicationRequest.doNotPerform", "do-not-perform"),
    (MR, "subject", {"reference": "javascript:x"}, 422, "business-rule", "MedicationRequest.subject.reference", "safe-reference"),
    (MR, "subject", {"reference": "file:///x"}, 422, "business-rule", "MedicationRequest.subject.reference", "safe-reference"),
    (MR, "subject", {"reference": "data:x"}, 422, "business-rule", "MedicationRequest.subject.reference", "safe-reference"),
    (MR, "subject", {"reference": "Patient/../1"}, 422, "business-rule", "MedicationRequest.subject.reference", "safe-reference"),
    (MR, f"{Q}/value", -5, 422, "value", f"{MR_Q}.value", "not-negative"),
    (MR, f"{D}/maxDosePerPeriod", {"numerator": amount(-1), "denominator": amount()}, 422, "value", f"{MR_D}.maxDosePerPeriod.numerator.value", "not-negative"),
    (MR, "dispenseRequest", {"quantity": amount(-1)}, 422, "value", "MedicationRequest.dispenseRequest.quantity.value", "not-negative"),
    (MR, f"{Q}/unit", "m\u200bg", 422, "value", f"{MR_Q}.unit", "hidden-character"),
    (MR, f"{Q}/code", "m\u202eg", 422, "value", f"{MR_Q}.code", "hidden-character"),
    (MR, "medicationCodeableConcept", {"text": "dobu\u202etamine"}, 422, "value", "MedicationRequest.medication.text", "hidden-character"),
    (MR, f"{D}/text", "10\u200b mg", 422, "value", f"{MR_D}.text", "hidden-character"),
    (MR, "text", {"status": "generated", "div": f"<div {XHTML}><script/></div>"}, 422, "invariant", "MedicationRequest.text.div", "txt-1"),
    (MR, "text", {"status": "generated", "div": "<div>x</div>"}, 422, "invariant", "MedicationRequest.text.div", "txt-1"),
    (MA, "dosage/dose/value", 0, 422, "value", "MedicationAdministration.dosage.dose.value", "zero-dose"),
    (MA, "dosage/dose/value", Decimal("0.00"), 422, "value", "MedicationAdministration.dosage.dose.value", "zero-dose"),
    (MA, "dosage/dose/value", Decimal("-0.5"), 422, "value", "MedicationAdministration.dosage.dose.value", "not-negative"),
    (MA, "dosage/rateQuantity/value", -1, 422, "value", "MedicationAdministration.dosage.rate.value", "not-negative"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "place", "value", "status", "code", "path", "rule"), BROKEN)
def test_one_fault_gives_one_issue_with_its_place_and_what_is_accepted(base, place, value, status, code, path, rule):
    resource = changed(base, place, value)
    issues = validate(resource, "R4")
    assert (status, code, path, rule) in [(issue.status, issue.code, issue.path, issue.rule) for issue in issues]
    assert {issue.severity for issue in issues} == {"error"}
    assert all(issue.accepted for issue in issues)
    with pytest.raises(Refused) as caught:
        demand_valid(resource, "R4")
    assert caught.value.issues == issues


RIGHT = [
    ("R4", MR),
    ("R4B", MR),
    ("R5", order("R5")),
    ("R4", MA),
    ("R5", given("R5")),
    ("R5", order("R5", status="ended")),
    ("R5", changed(order("R5"), f"{T}/when", ["IMD"]) | {"reported": True}),
    ("R5", given("R5", dosage={"text": "x"})),
    ("R5", order("R5", medication={"reference": {"reference": "Medication/1"}})),
    ("R4", changed(MR, "subject", {"display": "x"})),
    ("R4", changed(MR, "subject", {"identifier": {"value": "7"}, "type": "Patient"})),
    ("R4", changed(MR, "subject", {"reference": "http://x.org/fhir/Patient/7/_history/1"})),
    ("R4", changed(MR, "subject", {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"})),
    ("R4", changed(MR, "authoredOn", "2024")),
    ("R4", changed(MR, Q, {"value": 5, "unit": "mg"})),
    ("R4", changed(MR, Q, {"extension": [EXT]})),
    ("R4", changed(MR, f"{Q}/value", 0)),
    ("R4", changed(MR, "doNotPerform", value=False)),
    ("R4", changed(MR, "_authoredOn", {"extension": [EXT]})),
    ("R4", changed(MR, "_status", {"id": "x"})),
    ("R4", changed(changed(MR, "status", GONE), "_status", {"extension": [EXT]})),
    ("R4", changed(changed(MR, "instantiatesUri", ["a", None]), "_instantiatesUri", [None, {"extension": [EXT]}])),
    ("R4", changed(MR, "_instantiatesUri", [{"extension": [EXT]}])),
    ("R4", changed(MR, "extension", ext(extension=[{"url": "part", "valueDecimal": Decimal("1.50")}]))),
    ("R4", changed(MR, "extension", ext(valueMeta={"tag": [{"code": "x"}]}))),
    ("R4", changed(MR, "extension", ext(valueQuantity={"value": -5, "comparator": "<"}))),
    ("R4", changed(MR, "extension", ext(_valueString={"extension": [EXT]}))),
    ("R4", changed(MR, "note", [{"text": "line\nline \u200f"}])),
    ("R4", changed(MR, "text", {"status": "generated", "div": f"<div {XHTML}>x <i>y</i></div>"})),
    ("R4", changed(MR, "detectedIssue", [{"reference": "DetectedIssue/1"}])),
    ("R4", given(status="not-done", dosage={"dose": amount(0)})),
    ("R4", given(status="on-hold", dosage={"dose": amount(0), "rateQuantity": amount(0)})),
    ("R4", given(status="entered-in-error", dosage={"dose": amount(0)})),
    ("R4", given(dosage={"dose": amount(), "rateQuantity": amount(0)})),
    ("R4", containing([{"resourceType": "Medication", "id": "m"}])),
    ("R4", containing([{"resourceType": "Medication", "id": "m", "meta": {"profile": ["http://x.org/p"]}}])),
    ("R4", containing([{"resourceType": "SubstancePolymer", "id": "s", "any": 1}, {"resourceType": "Medication", "id": "m"}], supportingInformation=[{"reference": "#s"}])),
    ("R4", containing([{"resourceType": "Medication", "id": "m"}, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": "#"}}])),
    ("R4", containing([{"resourceType": "Medication", "id": "m"}, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}], instantiatesUri=["#b"])),
    ("R4", {"resourceType": "Coverage", "status": "active", "beneficiary": {"display": "x"}, "payor": [{"display": "y"}]}),
    ("R4", {"resourceType": "Observation", "status": "final", "code": {"text": "t"}, "valueQuantity": {"value": -5}}),
]  # fmt: skip


@pytest.mark.parametrize(("release", "resource"), RIGHT)
def test_right_fhir_is_taken(release, resource):
    assert validate(resource, release) == collect(resource, release) == ()
    demand_valid(resource, release)


@pytest.mark.parametrize(("release", "resource"), RIGHT[:6])
def test_the_usual_is_known_quickly(release, resource):
    assert quick(resource, release)


@pytest.mark.parametrize(
    ("place", "value", "code", "path", "rule"),
    [
        (f"{D}/asNeededBoolean", True, "structure", f"{MR_D}.asNeededBoolean", ""),
        (f"{D}/maxDosePerPeriod", {"numerator": amount(), "denominator": amount()}, "structure", f"{MR_D}.maxDosePerPeriod", ""),
        ("medication", {}, "structure", "MedicationRequest.medication", "ele-1"),
        ("medicationCodeableConcept", {"text": "x"}, "structure", "MedicationRequest.medicationCodeableConcept", ""),
        ("subject", {"id": "x"}, "invariant", "MedicationRequest.subject", "ref-2"),
        ("status", "draft2", "code-invalid", "MedicationRequest.status", ""),
        ("extension", ext(valueInteger64=5), "value", "MedicationRequest.extension[0].value", ""),
        ("extension", ext(valueContributor={"type": "author", "name": "x"}), "structure", "MedicationRequest.extension[0].valueContributor", ""),
    ],
)  # fmt: skip
def test_r5_is_checked_by_its_own_structure(place, value, code, path, rule):
    found = [(issue.code, issue.path, issue.rule) for issue in validate(changed(order("R5"), place, value), "R5")]
    assert (code, path, rule) in found


def test_dos_1_and_mad_1_of_r5():
    not_needed = changed(changed(order("R5"), f"{D}/asNeeded", value=False), f"{D}/asNeededFor", [{"text": "x"}])
    assert [issue.rule for issue in validate(not_needed, "R5")] == ["dos-1"]
    assert [issue.rule for issue in validate(given("R5", dosage={"route": {"text": "x"}}), "R5")] == ["mad-1"]


def test_an_element_of_another_release_is_refused_with_a_hint_to_it():
    (issue,) = validate(changed(MR, "statusChanged", "2024"), "R4")
    assert "try --release R5" in issue.accepted
    (issue,) = validate(changed(order("R5"), "reportedBoolean", value=True), "R5")
    assert "try --release R4" in issue.accepted
    only_in_r5 = {"resourceType": "InventoryItem", "status": "active"}
    for resource, release in ((changed(MR, "bogus", "2024"), "R4"), (only_in_r5 | {"bogus": 1}, "R5")):
        (issue,) = validate(resource, release)
        assert "--release" not in issue.accepted


def test_a_reference_that_spells_another_type_is_a_warning_and_to_something_contained_an_error():
    spelled = changed(MR, "encounter", {"reference": "Practitioner/1"})
    (issue,) = validate(spelled, "R4")
    assert (issue.severity, issue.path, issue.rule) == ("warning", "MedicationRequest.encounter", "reference-target")
    assert issue.accepted == "Encounter"
    demand_valid(spelled, "R4")
    stated = changed(MR, "subject", {"type": "Practitioner", "display": "x"})
    assert [issue.severity for issue in validate(stated, "R4")] == ["warning"]
    inner = containing([{"resourceType": "Patient", "id": "m", "gender": "male"}])
    assert [(issue.severity, issue.path) for issue in validate(inner, "R4")] == [
        ("error", "MedicationRequest.medication.reference")
    ]
    concept = order("R5", medication={"reference": {"reference": "Patient/1"}})
    assert [issue.path for issue in validate(concept, "R5")] == ["MedicationRequest.medication.reference"]


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_a_subject_that_is_spelled_and_is_neither_patient_nor_group_is_an_error(release):
    for resource in (order(release), given(release)):
        (issue,) = validate({**resource, "subject": {"reference": "Practitioner/1"}}, release)
        assert (issue.severity, issue.status, issue.code) == ("error", 400, "structure")
        assert (issue.path, issue.rule) == (f"{resource['resourceType']}.subject", "reference-target")
        assert issue.accepted == "Patient, Group"
        for subject in ({"reference": "Group/1"}, {"reference": "urn:uuid:2b7b0a4e-7a3f-4f2e-9c2b-0d7c9a1f0001"}):
            assert validate({**resource, "subject": subject}, release) == ()
        elsewhere = {**resource, "subject": {"reference": "https://a.example/Practitioner/1"}}
        assert [issue.severity for issue in validate(elsewhere, release)] == ["warning"]


MEDICATION = {"resourceType": "Medication", "id": "m"}


@pytest.mark.parametrize(
    ("contained", "path", "rule"),
    [
        ([MEDICATION, MEDICATION], "MedicationRequest.contained[1].id", ""),
        (
            [{**MEDICATION, "contained": [{"resourceType": "Basic", "id": "b"}]}],
            "MedicationRequest.contained[0].contained[0]",
            "dom-2",
        ),
        ([{**MEDICATION, "meta": {"versionId": "1"}}], "MedicationRequest.contained[0].meta", "dom-4"),
        (
            [{**MEDICATION, "meta": {"lastUpdated": "2024-05-01T10:00:00Z"}}],
            "MedicationRequest.contained[0].meta",
            "dom-4",
        ),
        (
            [{**MEDICATION, "meta": {"security": [{"code": "x"}]}}],
            "MedicationRequest.contained[0].meta.security",
            "dom-5",
        ),
        ([{"resourceType": "Medication"}], "MedicationRequest.contained[0]", "dom-3"),
        (
            [{**MEDICATION, "implicitRules": "http://x.org"}],
            "MedicationRequest.contained[0].implicitRules",
            "implicit-rules",
        ),
        (
            [MEDICATION, order(id="o2", doNotPerform=True)],
            "MedicationRequest.contained[1].doNotPerform",
            "do-not-perform",
        ),
    ],
)
def test_what_is_contained_is_referred_to_and_claims_no_life_of_its_own(contained, path, rule):
    found = [(issue.path, issue.rule) for issue in validate(containing(contained), "R4")]
    assert (path, rule) in found


def test_all_issues_of_a_resource_are_found_at_once():
    resource = changed(changed(changed(MR, "status", "bogus"), "subject", GONE), f"{Q}/value", "5")
    found = sorted(issue.path for issue in validate(resource, "R4"))
    assert found == sorted(["MedicationRequest.status", "MedicationRequest.subject", f"{MR_Q}.value"])


@pytest.mark.parametrize(
    "resource",
    [
        None,
        [],
        "x",
        5,
        {},
        {"resourceType": 5},
        {"resourceType": "Foo"},
        {"resourceType": "Quantity"},
        {"resourceType": "DomainResource"},
    ],
)
def test_what_is_no_resource_is_structure(resource):
    (issue,) = validate(resource, "R4")
    assert (issue.status, issue.code) == (400, "structure")


def test_a_bundle_is_checked_entry_by_entry_each_with_what_it_contains():
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": changed(MR, "status", "x")}]}
    entries = [containing([MEDICATION]), MR, changed(MR, "subject", {"reference": "#m"}), inner, "x"]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
    bundle["entry"] = [{"resource": one} for one in entries]
    found = [(issue.path, issue.rule) for issue in validate(bundle, "R4")]
    assert found == [
        ("Bundle.entry[2].resource.subject.reference", "ref-1"),
        ("Bundle.entry[3].resource.entry[0].resource.status", ""),
        ("Bundle.entry[4].resource", ""),
    ]
    bundle["entry"] = [{"resource": containing([MEDICATION])}, {"resource": MR}]
    bundle["identifier"] = {"system": "urn:x", "value": "1"}
    assert quick(bundle, "R4")
    assert validate(bundle, "R4") == ()


def test_validators_can_be_made_ahead():
    for release in ("R4", "R5"):
        prepare(release)
        assert set(checks(release)) == set(ROOTS)
    with pytest.raises(KeyError):
        validate(MR, "R3")


@needs_examples
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_published_example_is_taken_unless_the_standard_forbids_it(file):
    resource = read(file)
    if resource["resourceType"] == "Extension":
        assert [issue.path for issue in validate(resource, "R4")] == ["resourceType"]  # a datatype, not a resource
        return
    errors = [(issue.path, issue.reason) for issue in validate(resource, release_of(file)) if issue.severity == "error"]
    # One link holds a line feed: uri is \S* (https://hl7.org/fhir/R4/datatypes.html#uri).
    forbidden = {"R4_MEDICATION_ADMINISTRATION_BUNDLE.json": [("Bundle.link[1].url", "not a uri")]}
    assert errors == forbidden.get(file.name, [])
