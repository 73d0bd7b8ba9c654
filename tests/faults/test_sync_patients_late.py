"""Patients that a search at the peer shows late, or of whom it is not known whether they were created: F16, H10."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.peer import Act, Peer, once
from tests.faults.rig import Clock, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked
    from tests.faults.rig import Rig

MR = "MedicationRequest"
PATIENT = {"patient": order("A-1")["patient"]}


def _creates(asked: Asked) -> bool:
    return asked.writes and asked.type == "Patient"


@pytest.fixture(params=[True, False], ids=["conditional", "weak"])
def late(request: pytest.FixtureRequest, database: str) -> Iterator[Rig]:
    """A peer that takes no ids from us, with and without conditional creates."""
    there = Peer(conditional=request.param)
    rig = open_rig(there, database, Clock())
    there.clock = lambda: rig.clock.seconds
    yield rig
    rig.close()
    there.close()


def _are_of_one(rig: Rig) -> bool:
    (patient,) = rig.there.all("Patient")
    return {one["subject"]["reference"] for one in rig.there.all(MR)} == {f"Patient/{patient['id']}"}


@pytest.mark.parametrize("lie", [Act(status=500, hidden_for=5.0), Act(close="before", hidden_for=5.0)])
@pytest.mark.parametrize("is_new_process", [False, True])
def test_f16_h10_a_patient_whose_create_is_in_doubt_and_not_shown_yet_is_not_made_twice(
    late: Rig, lie: Act, *, is_new_process: bool
):
    late.there.lies.append(once(lie, _creates))
    late.place(order("A-1"))
    late.place(order("B-1", **PATIENT))
    late.push()
    if is_new_process:
        late.peer.forget()
    late.clock.move(2)
    late.push()
    assert "patient-in-doubt" in {row.last_error_code for row in late.rows()}
    assert set(late.settle(step=1.0)) == {"acked"}
    assert len(late.there.writes("Patient")) == 1
    assert _are_of_one(late)


def test_f16_h10_a_patient_who_was_created_and_is_shown_much_later_is_known_by_his_id(late: Rig):
    late.there.lies.append(once(Act(hidden_for=3_600.0), _creates))
    late.place(order("A-1"))
    assert late.settle() == ["acked"]
    late.clock.move(700)
    late.place(order("B-1", **PATIENT))
    late.amend(order("A-1", priority="stat"))
    assert set(late.settle()) == {"acked"}
    assert len(late.there.writes("Patient")) == 1
    assert _are_of_one(late)


def test_f6_h10_a_patient_whose_create_never_arrived_is_made_once_it_is_sure_that_he_is_not_there(late: Rig):
    late.there.lies.append(once(Act(effect=False, close="before"), _creates))
    late.place(order("A-1"))
    assert late.settle() == ["acked"]
    assert _are_of_one(late)


def test_h10_a_create_of_a_patient_that_was_refused_holds_back_no_other(late: Rig):
    late.there.lies.append(once(Act(effect=False, status=422), _creates))
    late.place(order("A-1"))
    late.push()
    assert late.states() == ["dead"]
    late.place(order("B-1", **PATIENT))
    late.push()
    assert late.states() == ["dead", "acked"]


def test_h10_a_patient_who_was_deleted_there_is_made_anew_for_an_order_that_is_new(late: Rig):
    late.place(order("A-1"))
    late.settle()
    (patient,) = late.there.all("Patient")
    late.there.delete("Patient", patient["id"])
    late.clock.move(700)
    late.place(order("B-1", **PATIENT))
    assert late.settle() == ["acked", "acked"]
    assert len(late.there.all("Patient")) == 1


def test_h10_an_id_that_is_another_patients_by_now_is_nobody_of_ours(late: Rig):
    late.place(order("A-1"))
    late.settle()
    (patient,) = late.there.all("Patient")
    late.there.put({**patient, "identifier": [{"system": "urn:test:mrn", "value": "mrn-other"}]})
    late.clock.move(700)
    late.place(order("B-1", **PATIENT))
    assert late.settle() == ["acked", "acked"]
    names = {one["subject"]["reference"] for one in late.there.all(MR)}
    assert (len(late.there.all("Patient")), len(names)) == (2, 2)
