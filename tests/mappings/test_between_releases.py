"""Through the other release and back: what R4 lacks rides there in HL7's cross-version extensions, and comes back equal."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare, differences
from tests.golden_write import translator

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
TEXT = {"text": "as said"}
TARGET = {"reference": "Practitioner/1"}


def quantity(value: int, code: str) -> Json:
    return {"value": value, "system": UCUM, "code": code}


def order(**members: Any) -> Json:
    """Return an R5 order."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medication": {"concept": {"text": "vancomycin"}},
        "subject": {"reference": "Patient/1"},
        **members,
    }


def given(**members: Any) -> Json:
    """Return an R5 administration."""
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medication": {"concept": {"text": "vancomycin"}},
        "subject": {"reference": "Patient/1"},
        "occurenceDateTime": "2026-03-01T08:00:00Z",
        **members,
    }


LIMIT = {"numerator": quantity(4, "g"), "denominator": quantity(1, "d")}
OTHER_LIMIT = {"numerator": quantity(20, "g"), "denominator": quantity(1, "wk")}
TIMING = {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}

ONLY_R5 = {
    "the moment of the status": order(statusChanged="2026-03-01T08:00:00Z"),
    "who told of it": order(reported=True, informationSource=[TARGET, {"reference": "Patient/1"}]),
    "several performers": order(performer=[TARGET, {"reference": "PractitionerRole/2"}]),
    "a kind of device": order(device=[{"concept": {"text": "syringe pump"}}]),
    "the instruction in words": order(renderedDosageInstruction="1 g every 12 h"),
    "a period of effect": order(effectiveDosePeriod={"start": "2026-03-01", "end": "2026-03-08"}),
    "an instruction to the dispenser": order(
        dispenseRequest={"dispenserInstruction": [{"text": "protect from light"}]}
    ),
    "an aid to administer": order(dispenseRequest={"doseAdministrationAid": TEXT}),
    "a reason by reference and one by concept": order(
        reason=[{"concept": TEXT}, {"reference": {"reference": "Condition/1"}}]
    ),
    "a medication by reference": order(medication={"reference": {"reference": "Medication/1"}}),
    "the events of its life": order(eventHistory=[{"reference": "Provenance/1"}]),
    "as needed for two reasons": order(dosageInstruction=[{"asNeededFor": [TEXT, {"text": "fever"}]}]),
    "as needed for a reason": order(dosageInstruction=[{"asNeededFor": [TEXT]}]),
    "several limits of a period": order(dosageInstruction=[{"maxDosePerPeriod": [LIMIT, OTHER_LIMIT]}]),
    "one limit of a period": order(dosageInstruction=[{"maxDosePerPeriod": [LIMIT]}]),
    "when it was recorded": given(recorded="2026-03-01T08:05:00Z"),
    "less than its full potency": given(isSubPotent=True, subPotentReason=[TEXT]),
    "what it was based on": given(basedOn=[{"reference": "CarePlan/1"}]),
    "several categories": given(category=[TEXT, {"text": "home"}]),
    "a device by kind and one by reference": given(
        device=[{"concept": {"text": "syringe pump"}}, {"reference": {"reference": "Device/1"}}]
    ),
    "who gave it, by concept": given(performer=[{"actor": {"concept": {"text": "a trained relative"}}}]),
    "a reason by concept and one by reference": given(
        reason=[{"concept": TEXT}, {"reference": {"reference": "Condition/1"}}]
    ),
}


@pytest.mark.parametrize("name", ONLY_R5)
def test_what_only_r5_has_goes_through_r4_and_comes_back(name: str):
    resource = deepcopy(ONLY_R5[name])
    (record,) = translator().to_internal(deepcopy(resource), "R5").results
    (r4,) = translator().to_fhir(bare(record), "R4").results
    (again,) = translator().to_internal(r4, "R4").results
    assert list(differences(bare(record), bare(again))) == []
    (back,) = translator().to_fhir(bare(again), "R5").results
    assert list(differences(resource, back)) == []


@pytest.mark.parametrize("name", ONLY_R5)
def test_what_r4_says_of_it_is_right_and_comes_back_through_r5(name: str):
    (record,) = translator().to_internal(deepcopy(ONLY_R5[name]), "R5").results
    (r4,) = translator().to_fhir(bare(record), "R4").results
    (read,) = translator().to_internal(deepcopy(r4), "R4").results
    (r5,) = translator().to_fhir(bare(read), "R5").results
    (again,) = translator().to_internal(r5, "R5").results
    (back,) = translator().to_fhir(bare(again), "R4").results
    assert list(differences(r4, back)) == []


def test_the_events_of_an_order_are_no_issues_of_it():
    (record,) = translator().to_internal(ONLY_R5["the events of its life"], "R5").results
    (r4,) = translator().to_fhir(bare(record), "R4").results
    assert r4["eventHistory"] == [{"reference": "Provenance/1"}]
    assert "detectedIssue" not in r4


def test_a_limit_of_a_period_stands_in_the_element_of_r4_and_further_ones_beside_it():
    (record,) = translator().to_internal(ONLY_R5["several limits of a period"], "R5").results
    (r4,) = translator().to_fhir(bare(record), "R4").results
    (step,) = r4["dosageInstruction"]
    assert step.get("maxDosePerPeriod") == LIMIT
    assert [one["valueRatio"] for one in step["extension"]] == [OTHER_LIMIT]


def test_the_status_codes_of_an_administration_are_of_the_system_of_each_release():
    """R5 says the status in the same codes; the system behind them has another address (CodeSystem, not ValueSet)."""
    for status in ("in-progress", "not-done", "on-hold", "completed", "entered-in-error", "stopped", "unknown"):
        resource = given(status=status)
        (record,) = translator().to_internal(resource, "R5").results
        (r4,) = translator().to_fhir(bare(record), "R4").results
        assert (record["status"], r4["status"]) == (status, status)


def test_a_timing_alone_is_not_made_a_moment_for_r4_which_requires_one():
    resource = given(occurenceTiming=TIMING)
    del resource["occurenceDateTime"]
    (record,) = translator().to_internal(resource, "R5").results
    assert record["when"] == {"timing": {"frequency": 3, "period": 1, "period_unit": "d"}}
    (back,) = translator().to_fhir(bare(record), "R5").results
    assert list(differences(resource, back)) == []
    with pytest.raises(Refused) as refused:
        translator().to_fhir(record, "R4")
    assert [(issue.path, issue.code) for issue in refused.value.issues] == [
        ("MedicationAdministration.effective", "required")
    ]
