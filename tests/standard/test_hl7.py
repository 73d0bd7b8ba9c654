"""The judge itself: HL7's validator finds what is wrong, and only that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]  # the first start may fetch the validator

MG = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}


def order(**changes: object) -> dict:
    """A right R4 order: dobutamine 250 mg over 4 h, changed at the top."""
    base = {
        "resourceType": "MedicationRequest",
        "id": "order",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "3616"}],
            "text": "dobutamine",
        },
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [
            {
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
                "doseAndRate": [
                    {
                        "doseQuantity": {"value": 250, **MG},
                        "rateQuantity": {
                            "value": 62,
                            "unit": "mL/h",
                            "system": "http://unitsofmeasure.org",
                            "code": "mL/h",
                        },
                    }
                ],
            }
        ],
    }
    return {**base, **changes}


def administration(release: str = "R4", **changes: object) -> dict:
    """A right administration of 250 mg, changed at the top."""
    concept = {"text": "dobutamine"}
    base = {
        "resourceType": "MedicationAdministration",
        "id": "administration",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "dosage": {"dose": {"value": 250, **MG}},
        **(
            {"medicationCodeableConcept": concept, "effectiveDateTime": "2024-03-01T10:00:00+01:00"}
            if release == "R4"
            else {"medication": {"concept": concept}, "occurenceDateTime": "2024-03-01T10:00:00+01:00"}
        ),
    }
    return {**base, **changes}


R5_ORDER = {
    key: value for key, value in order(medication={"concept": {"text": "dobutamine"}}).items() if "Codeable" not in key
}
UNKNOWN_EXTENSION = [{"url": "https://hospital.example/unknown", "valueString": "x"}]

RIGHT = [
    ("R4", order()),
    ("R4", administration()),
    ("R4B", administration()),
    ("R5", R5_ORDER),
    ("R5", administration("R5")),
    ("R5", administration("R5", dosage={"text": "as the pump says"})),  # R5 is content with text, R4 is not
]

WRONG = [
    ("mad-1: neither dose nor rate", "R4", administration(dosage={"text": "as the pump says"}), "mad-1"),
    ("a status outside the binding", "R4", administration(status="given"), "given"),
    ("a status outside the binding", "R5", administration("R5", status="given"), "given"),
    ("a UCUM code that is none", "R4", administration(dosage={"dose": {"value": 1, **MG, "code": "mgg"}}), "mgg"),
    ("an intent outside the binding", "R4", order(intent="wish"), "wish"),
    ("no subject", "R4", {k: v for k, v in order().items() if k != "subject"}, "subject"),
    ("no drug", "R4", {k: v for k, v in order().items() if not k.startswith("medication")}, "medication"),
    ("an element that is not FHIR", "R4", order(rate="62 mL/h"), "rate"),
    ("a number as text", "R4", administration(dosage={"dose": {**MG, "value": "250"}}), "number"),
    ("an empty list", "R4", order(note=[]), "empty"),
    ("two effective times", "R4", administration(effectivePeriod={"start": "2024-03-01"}), "effective"),
    ("R4 shape in R5", "R5", administration(), "medicationCodeableConcept"),
    ("an unknown extension", "R4", order(extension=UNKNOWN_EXTENSION), "hospital.example/unknown"),
    ("an unknown extension", "R5", {**R5_ORDER, "extension": UNKNOWN_EXTENSION}, "hospital.example/unknown"),
    (
        "an end before the start",
        "R4",
        order(encounter={"identifier": {"period": {"start": "2024-03-02", "end": "2024-03-01"}}}),
        "per-1",
    ),
]


@pytest.mark.parametrize(("release", "resource"), RIGHT, ids=lambda value: value if isinstance(value, str) else "")
def test_a_right_resource_gives_no_error(hl7: Hl7, release: str, resource: dict):
    assert errors(hl7.validate([resource], release)[0]) == []


@pytest.mark.parametrize(("what", "release", "resource", "said"), WRONG, ids=[f"{w[1]}-{w[0]}" for w in WRONG])
def test_a_planted_fault_is_found(hl7: Hl7, what: str, release: str, resource: dict, said: str):
    found = errors(hl7.validate([resource], release)[0])
    assert any(said in f"{each.rule} {each.path} {each.message}" for each in found), (what, found)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_an_unknown_extension_is_accepted_where_it_is_allowed(hl7: Hl7, release: str):
    resource = {**(order() if release == "R4" else R5_ORDER), "extension": UNKNOWN_EXTENSION}
    assert errors(hl7.validate([resource], release, allow_unknown_extensions=True)[0]) == []
    assert errors(hl7.validate([resource], release)[0]) != []


def test_a_code_of_a_system_that_is_not_at_hand_is_a_warning_not_an_error(hl7: Hl7):
    found = hl7.validate([order()], "R4")[0]
    assert errors(found) == []
    assert any("rxnorm" in each.message for each in found)


def test_a_code_of_a_system_of_fhir_itself_is_checked(hl7: Hl7):
    system = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
    wrong = order(category=[{"coding": [{"system": system, "code": "inpatience"}]}])
    assert any("inpatience" in each.message for each in hl7.validate([wrong], "R4")[0])


def test_several_resources_are_answered_in_their_order(hl7: Hl7):
    given: list[dict | str | bytes] = [order(), order(status="nonsense"), administration(), "not JSON"]
    assert [bool(errors(found)) for found in hl7.validate(given, "R4")] == [False, True, False, True]


def test_text_is_judged_as_it_stands_with_its_line_breaks(hl7: Hl7):
    right = json.dumps(order(), indent=2)
    assert errors(hl7.validate([right, right.encode()], "R4")[0]) == []
    assert errors(hl7.validate([right.replace('"active"', '"act\\nive"')], "R4")[0]) != []


def test_in_one_bundle_a_reference_to_the_wrong_type_is_found(hl7: Hl7):
    patient = {"resourceType": "Patient", "id": "p1"}
    wrong = administration(request={"reference": "Patient/p1"})
    found = hl7.validate_together([patient, order(), wrong], "R4")
    assert [bool(errors(each)) for each in found] == [False, False, True], found
