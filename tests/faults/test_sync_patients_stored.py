"""An order that says no more of its patient than where it is stored here, as EHRs send it: who that is goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, delete_resource
from tests.faults.persons import MR, PERSON, held, identifier, link, patient
from tests.faults.rig import CALLER, Rig, of_theirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.transact import Outcome

MA = "MedicationAdministration"
SUBJECT = {"reference": "Patient/here"}


def accept(rig: Rig, number: int, **members: Any) -> Outcome:
    return rig.accept(of_theirs(number, subject=SUBJECT, **members))


def given(outcome: Outcome) -> dict[str, Any]:
    return {
        "resourceType": MA,
        "status": "completed",
        "subject": SUBJECT,
        "medicationCodeableConcept": {"text": "dobutamine"},
        "request": {"reference": f"{MR}/{outcome.id}"},
        "effectiveDateTime": "2025-05-01T08:00:00+02:00",
        "dosage": {"dose": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}},
    }


def test_h10_the_patient_that_an_order_leads_to_is_created_there_once_with_all_that_says_who_it_is(rig: Rig):
    patient(rig, "here", "mrn-1")
    first = accept(rig, 1)
    accept(rig, 2)
    rig.accept(given(first))
    assert set(rig.settle()) == {"acked"}
    (made,) = rig.there.all("Patient")
    assert {name: made[name] for name in PERSON} == PERSON
    assert made["identifier"] == identifier("mrn-1")
    named = [one["subject"]["reference"] for one in (*rig.there.all(MR), *rig.there.all(MA))]
    assert named == [f"Patient/{made['id']}"] * 3
    assert [one["subject"] for one in rig.all()] == [SUBJECT] * 2


def test_h10_a_patient_of_that_number_there_is_the_one(rig: Rig):
    rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-1")}, "theirs")
    patient(rig, "here", "mrn-1")
    accept(rig, 1)
    assert rig.settle() == ["acked"]
    assert [one["subject"]["reference"] for one in rig.there.all(MR)] == ["Patient/theirs"]
    assert len(rig.there.all("Patient")) == 1


def test_i5_h10_what_is_changed_on_either_side_afterwards_reaches_the_other_and_moves_nobody(rig: Rig):
    patient(rig, "here", "mrn-1")
    made = accept(rig, 1)
    rig.settle()
    (theirs,) = rig.there.all(MR)
    rig.there.put({**theirs, "note": [{"text": "line on the left"}]}, theirs["id"])
    rig.pull()
    kept = rig.resource(MR, made.id)
    assert (kept["note"], kept["subject"]) == ([{"text": "line on the left"}], SUBJECT)
    stopped = {**kept, "status": "stopped"}
    accept_resource.update(rig.service, CALLER, "R4", made.id, stopped, kept["meta"]["versionId"])
    rig.settle()
    rig.pull()
    (after,) = rig.there.all(MR)
    assert (after["status"], after["note"], after["subject"]) == ("stopped", kept["note"], theirs["subject"])
    assert (held(rig), rig.alerts(), len(rig.there.all("Patient"))) == ([], [], 1)


@pytest.mark.parametrize(
    "store",
    [
        lambda rig: patient(rig, "here"),
        lambda rig: patient(rig, "here", "mrn-1", **link("other")),
        lambda rig: (patient(rig, "here", "mrn-1"), delete_resource.delete(rig.service, CALLER, "Patient", "here")),
        lambda _: None,
    ],
    ids=["without a number", "merged away", "deleted", "not here"],
)
def test_h10_an_order_whose_patient_cannot_be_named_is_not_sent(rig: Rig, store: Callable[[Rig], object]):
    store(rig)
    accept(rig, 1)
    assert rig.settle() == ["dead"]
    assert (rig.there.writes(), rig.alerts()) == ([], ["patient-unidentified"])
