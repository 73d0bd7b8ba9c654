"""Patients that a peer merged: an order follows where that is certain, and else stays where it is (hazard H10)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.invariants import demanded
from tests.faults.peer import Act, Peer, once
from tests.faults.persons import MR, OTHER, PERSON, identifier, link, subjects
from tests.faults.rig import Clock, Rig, of_theirs, open_rig, order


def subject_there(rig: Rig, type_: str = MR) -> str:
    (resource,) = rig.there.all(type_)
    return str(resource["subject"]["reference"])


# ------------------------------------------------------------------------------------------------- 7 and 8: at the peer


def _merged_there(rig: Rig, *values: str, **members: Any) -> tuple[str, str]:
    """Merge the one patient there into a new one; return the ids of both."""
    (old,) = rig.there.all("Patient")
    new = rig.there.put({"resourceType": "Patient", "identifier": identifier(*values), **PERSON, **members})
    rig.there.put({**old, "active": False, **link(new["id"])})
    rig.clock.move(700)  # what was known of the patient there is not believed any more
    return old["id"], new["id"]


def test_h10_an_order_goes_to_the_patient_that_theirs_was_merged_into_if_it_carries_our_number(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    old, new = _merged_there(rig, "mrn-N", "mrn-A-1")
    assert subject_there(rig) == f"Patient/{old}"
    rig.amend(order("A-1", priority="stat"))
    rig.place(order("A-1.2"))
    assert set(rig.settle()) == {"acked"}
    assert {one["subject"]["reference"] for one in rig.there.all(MR)} == {f"Patient/{new}"}
    assert rig.alerts() == ["patient-merged"]
    assert (len(rig.there.all("Patient")), subjects(rig)) == (2, [("", "mrn-A-1")] * 2)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("without our number", "patient-merged-away"),
        ("another person", "patient-merged-away"),
        ("not active, no link", "patient-merged-away"),
        ("survivor deleted", "patient-gone"),
        ("old one deleted", "patient-identifier-gone"),
    ],
)
def test_h10_h6_where_that_is_not_certain_the_order_stays_where_it_is_with_a_code_and_a_stop_goes(
    rig: Rig, case: str, code: str
):
    rig.place(order("A-1"))
    rig.settle()
    members = {"another person": OTHER}.get(case, {})
    old, new = _merged_there(rig, "mrn-N", *([] if case == "without our number" else ["mrn-A-1"]), **members)
    if case == "another person":
        (away,) = [one for one in rig.there.all("Patient") if one["id"] == new]
        rig.there.put({**away, "identifier": identifier("mrn-N")})
    if case == "not active, no link":
        (left,) = [one for one in rig.there.all("Patient") if one["id"] == old]
        rig.there.put({name: value for name, value in left.items() if name != "link"})
        rig.there.delete("Patient", new)
    if case in {"survivor deleted", "old one deleted"}:
        rig.there.delete("Patient", new)
    if case == "old one deleted":
        rig.there.delete("Patient", old)
    patients = len(rig.there.all("Patient"))
    rig.amend(order("A-1", priority="stat"))
    rig.settle(rounds=6)
    assert (rig.states()[-1], rig.rows()[-1].last_error_code) == ("dead", code)
    (there,) = rig.there.all(MR)
    assert ("priority" in there, there["subject"]["reference"], code in rig.alerts()) == (
        False,
        f"Patient/{old}",
        True,
    )
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle(rounds=6)
    (there,) = rig.there.all(MR)
    assert (there["status"], there["subject"]["reference"], "priority" in there) == ("stopped", f"Patient/{old}", False)
    assert len(rig.there.all("Patient")) == patients


def test_h10_a_number_that_another_patient_has_there_now_does_not_take_the_order_with_it(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    (old,) = rig.there.all("Patient")
    rig.there.put({**old, "identifier": identifier("mrn-N")})
    rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-A-1"), **OTHER})
    rig.clock.move(700)
    rig.amend(order("A-1", priority="stat"))
    rig.settle(rounds=6)
    assert (rig.states()[-1], rig.rows()[-1].last_error_code) == ("dead", "patient-differs")
    assert subject_there(rig) == f"Patient/{old['id']}"


# ---------------------------------------------------------------------------------------------- pulled: they moved it


@pytest.mark.parametrize("certain", [True, False])
def test_h10_what_they_moved_to_the_merged_patient_follows_and_else_a_person_decides(rig: Rig, certain: object):
    rig.place(order("A-1"))
    rig.settle()
    _, new = _merged_there(rig, "mrn-N", *(["mrn-A-1"] if certain else []))
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "subject": {**there["subject"], "reference": f"Patient/{new}"}, "priority": "stat"})
    rig.pull()
    ours = rig.resource(MR, rig.ids()[0])
    assert (ours.get("priority"), rig.alerts(), [one.fields for one in rig.conflicts()]) == (
        ("stat", ["patient-merged"], []) if certain else (None, ["conflict"], [("subject",)])
    )
    assert subjects(rig) == [("", "mrn-A-1")]
    writes = len(rig.there.writes(MR))
    rig.settle()
    rig.pull()
    assert (len(rig.there.writes(MR)), subject_there(rig)) == (writes, f"Patient/{new}")


@pytest.mark.parametrize("certain", [True, False])
def test_h10_an_order_of_theirs_follows_to_the_patient_that_theirs_was_merged_into(rig: Rig, certain: object):
    old = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-T"), **PERSON})
    theirs = {"resourceType": MR, "status": "active", "intent": "order", "medicationCodeableConcept": {"text": "x"}}
    rig.there.put({**theirs, "subject": {"reference": f"Patient/{old['id']}"}})
    rig.pull()
    assert subjects(rig) == [(f"{rig.there.base}/Patient/{old['id']}", "mrn-T")]
    _, new = _merged_there(rig, *(["mrn-T"] if certain else []), "mrn-N")
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "subject": {"reference": f"Patient/{new}"}})
    rig.pull()
    assert subjects(rig) == [(f"{rig.there.base}/Patient/{new if certain else old['id']}", "mrn-T")]
    assert (rig.alerts(), len(rig.conflicts())) == (["patient-merged"], 0) if certain else (["conflict"], 1)
    writes = len(rig.there.writes(MR))
    rig.settle()
    rig.pull()
    assert (len(rig.there.writes(MR)), subject_there(rig)) == (writes, f"Patient/{new}")


# ------------------------------------------------------------------------------------- two patients in one subject there


def _of_two(rig: Rig, **members: Any) -> dict[str, Any]:
    """Put an order there whose subject is one patient by its literal, and has the number of another."""
    there = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-1"), **PERSON, **members}, "him")
    subject = {"reference": f"Patient/{there['id']}", "identifier": identifier("mrn-2")[0]}
    return rig.there.put(of_theirs(1, subject=subject))


def test_h10_an_order_there_that_names_two_patients_is_put_aside_and_taken_once_it_names_one(rig: Rig):
    resource = _of_two(rig)
    rig.pull()
    assert (rig.ids(), rig.alerts()) == ([], ["quarantined two-patients"])
    rig.there.put({**resource, "subject": {**resource["subject"], "identifier": identifier("mrn-1")[0]}})
    rig.pull()
    assert [number for _, number in subjects(rig)] == ["mrn-1"]


def test_h10_where_the_patient_there_cannot_be_asked_the_order_waits(rig: Rig):
    resource = _of_two(rig)
    rig.there.lies.append(once(Act(effect=False, status=500), lambda one: one.type == "Patient"))
    rig.pull()
    assert (rig.ids(), rig.alerts()) == ([], [])
    rig.pull()
    assert (rig.ids(), rig.alerts()) == ([], ["quarantined two-patients"])
    assert len([one for one in rig.there.asked if one.type == "Patient"]) == 2
    assert resource["subject"]["reference"] == "Patient/him"


def test_h10_where_patients_may_not_be_read_the_number_of_an_order_counts(rig: Rig):
    _of_two(rig)
    rig.there.lies.append(lambda one: Act(effect=False, status=403) if one.type == "Patient" else None)
    rig.pull()
    assert [number for _, number in subjects(rig)] == ["mrn-2"]


def test_h10_a_remote_that_is_only_pulled_without_its_patients_is_not_asked_for_them(there: Peer, database: str):
    with demanded(open_rig(there, database, Clock(), direction="pull"), asked=False) as rig:
        _of_two(rig)
        rig.pull()
        assert [number for _, number in subjects(rig)] == ["mrn-2"]
        assert not [one for one in there.asked if one.type == "Patient"]


def test_h10_a_number_of_the_patient_that_theirs_was_merged_into_is_the_same_person(rig: Rig):
    rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-2"), **PERSON}, "her")
    _of_two(rig, **link("her"))
    rig.pull()
    assert [number for _, number in subjects(rig)] == ["mrn-2"]


def test_h10_a_patient_there_who_is_not_there_or_has_other_kinds_of_numbers_contradicts_nobody(rig: Rig):
    elsewhere = [{"system": "urn:insurance", "value": "mrn-1"}]
    rig.there.put({"resourceType": "Patient", "identifier": elsewhere, **PERSON}, "him")
    for number, id_ in ((1, "him"), (2, "nobody")):
        subject = {"reference": f"Patient/{id_}", "identifier": identifier("mrn-2")[0]}
        rig.there.put(of_theirs(number, subject=subject))
    rig.pull()
    assert ([number for _, number in subjects(rig)], rig.alerts()) == (["mrn-2"] * 2, [])
