"""A create whose answer was lost, that they changed before we could look, while ours went on: F6, F12."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import audit
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import TENANT, Clock, open_rig, order

if TYPE_CHECKING:
    from tests.faults.peer import Asked
    from tests.faults.rig import Rig

MR = "MedicationRequest"
SLOWER = {"steps": [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 4, "unit": "ug/kg/min"}}]}]}
THEIRS, OURS = {"text": "looked at"}, {"text": "asked the ward"}


def _writes(asked: Asked) -> bool:
    return asked.writes and asked.type == MR


def _lost(rig: Rig) -> None:
    """Let the answer to the next write be lost, after its effect."""
    rig.there.lies.append(once(Act(close="before"), when=_writes))


def _trail(rig: Rig) -> tuple[audit.AuditEntry, ...]:
    return tuple(rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1_000)))


def _remarked(rig: Rig) -> None:
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "note": [*there.get("note", []), THEIRS]})


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("amended", "stopped"), [(False, False), (True, False), (False, True), (True, True)])
def test_f6_f12_what_was_changed_here_since_it_was_created_in_doubt_and_their_remark_both_stand(
    rig: Rig, *, again: bool, amended: bool, stopped: bool
):
    _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    assert rig.states() == ["unknown"]
    _remarked(rig)
    if again:
        _lost(rig)
    changes = {"notes": [OURS]} if amended else {}
    if amended:
        rig.amend(order("A-1", **changes))
    if stopped:
        rig.amend(order("A-1", **changes, status="stopped"))
    rig.settle()
    rig.pull()
    rig.settle()
    (ours,), (theirs,) = rig.all(MR), rig.there.all(MR)
    told = sorted(one["text"] for one in [THEIRS, *([OURS] * amended)])
    assert sorted(one["text"] for one in ours["note"]) == sorted(one["text"] for one in theirs["note"]) == told
    assert ours["status"] == theirs["status"] == ("stopped" if stopped else "active")
    assert rig.conflicts() == []
    assert set(rig.states()) <= {"acked", "superseded"}


TAGGED = {"meta": {"tag": [{"system": "urn:test:tag", "code": "seen"}]}}


@pytest.mark.parametrize("theirs", [TAGGED, {"status": "stopped"}, {**TAGGED, "status": "stopped"}])
@pytest.mark.parametrize("slower", [False, True])
def test_i4_a_stop_is_sent_upon_a_create_in_doubt_that_they_changed_in_nothing_that_is_taken(
    rig: Rig, theirs: dict[str, Any], *, slower: bool
):
    _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    (there,) = rig.there.all(MR)
    rig.there.put({**there, **theirs})
    changes = SLOWER if slower else {}
    rig.amend(order("A-1", **changes, status="stopped"))
    rig.settle()
    (ours,), (after,) = rig.all(MR), rig.there.all(MR)
    assert ours["status"] == after["status"] == "stopped"
    assert after["dosageInstruction"] == ours["dosageInstruction"]
    assert set(rig.states()) <= {"acked", "superseded"}


def test_f6_what_they_added_to_a_create_in_doubt_and_is_not_taken_stays_there(rig: Rig):
    _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    (there,) = rig.there.all(MR)
    rig.there.put({**there, **TAGGED})
    rig.settle()
    (after,) = rig.there.all(MR)
    assert after["meta"]["tag"] == TAGGED["meta"]["tag"]
    assert set(rig.states()) <= {"acked", "superseded"}


def test_f6_i6_what_arrived_in_doubt_is_told_in_the_trail_though_both_stopped_it_before_it_was_found(rig: Rig):
    _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    _remarked(rig)
    rig.amend(order("A-1", status="stopped"))
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "status": "stopped"})
    rig.settle()
    rig.pull()
    told = [one.version for one in _trail(rig) if one.action == "sync-sent"]
    assert told == [1]
    assert {one["status"] for one in [*rig.all(MR), *rig.there.all(MR)]} == {"stopped"}


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("slower", [False, True])
def test_i4_a_stop_that_went_alone_upon_a_create_in_doubt_goes_in_full_once_the_patient_is_found_again(
    rig: Rig, *, is_lost: bool, slower: bool
):
    """The rest of the stop is no conflict, and what was created is never sent again: that made the order active."""
    _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    changes = SLOWER if slower else {}
    rig.amend(order("A-1", **changes, status="stopped"))
    rig.peer.forget()
    rig.there.lies.append(once(Act(effect=False, status=500), when=lambda asked: asked.type == "Patient"))
    if is_lost:
        _lost(rig)
    rig.settle()
    (ours,), (after,) = rig.all(MR), rig.there.all(MR)
    assert ours["status"] == after["status"] == "stopped"
    assert after["dosageInstruction"] == ours["dosageInstruction"]
    assert rig.conflicts() == []
    assert set(rig.states()) <= {"acked", "superseded"}


@pytest.mark.parametrize("status", [500, 503])
def test_h8_i1_nothing_is_written_to_the_id_of_a_create_in_doubt_while_it_cannot_be_read(database: str, status: int):
    """Their dose was written over, or what they deleted brought back: not every server heeds If-None-Match."""
    there = Peer(update_create=True)
    rig = open_rig(there, database, Clock())
    with demanded(rig, asked=database.startswith("sqlite")):
        there.lies.append(once(Act(close="before", hidden_for=30), when=_writes))
        rig.place(order("A-1"))
        rig.push()
        (made,) = there.all(MR)
        (instruction,) = made["dosageInstruction"]
        (rate,) = instruction["doseAndRate"]
        slower = {**rate, "rateQuantity": {**rate["rateQuantity"], "value": 4}}
        theirs = there.put({**made, "dosageInstruction": [{**instruction, "doseAndRate": [slower]}]})
        there.lies.append(once(Act(effect=False, status=status), when=lambda asked: asked.id == made["id"]))
        rig.settle()
        assert there.all(MR) == [theirs]
        (held,) = rig.conflicts()
        assert held.fields == ("identifier",)
    there.close()


@pytest.mark.parametrize("is_created", [False, True])
def test_i6_what_arrived_in_doubt_is_told_in_the_trail_though_a_stop_overtook_it(rig: Rig, *, is_created: bool):
    step = {"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 4, "unit": "ug/kg/min"}}]}
    if not is_created:
        _lost(rig)
    rig.place(order("A-1"))
    rig.push()
    if is_created:
        _lost(rig)
        rig.amend(order("A-1", steps=[step]))
        rig.push()
    rig.amend(order("A-1", steps=[step], status="stopped"))
    assert set(rig.settle()) <= {"acked", "superseded"}
    told = [one.version for one in _trail(rig) if one.action == "sync-sent"]
    assert told == ([1, 2, 3] if is_created else [1, 2])


@pytest.mark.parametrize("is_created", [False, True])
def test_i6_what_arrived_in_doubt_is_told_in_the_trail_though_a_later_version_says_the_same(
    rig: Rig, *, is_created: bool
):
    rig.place(order("A-1", priority="stat") if is_created else order("A-1"))
    if is_created:
        rig.settle()
    _lost(rig)
    if is_created:
        rig.amend(order("A-1"))
    rig.push()
    rig.amend(order("A-1", **SLOWER))
    rig.amend(order("A-1"))
    rig.amend(order("A-1", status="stopped"))
    assert set(rig.settle()) <= {"acked", "superseded"}
    told = [one.version for one in _trail(rig) if one.action == "sync-sent"]
    assert told == ([1, 2, 5] if is_created else [1, 4])


@pytest.mark.parametrize("is_created", [False, True])
def test_i1_a_security_label_that_they_set_upon_what_arrived_in_doubt_is_taken_and_stays(rig: Rig, *, is_created: bool):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    step = {"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 4, "unit": "ug/kg/min"}}]}
    if is_created:
        rig.place(order("A-1"))
        rig.push()
    _lost(rig)
    (rig.amend if is_created else rig.place)(order("A-1", **({"steps": [step]} if is_created else {})))
    rig.push()
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "meta": {**there["meta"], "security": [label]}})
    rig.settle()
    record = rig.record("A-1")
    rig.amend({**record, "status": "stopped"})
    assert set(rig.settle()) <= {"acked", "superseded"}
    for one in (*rig.all(MR), *rig.there.all(MR)):
        assert one["status"] == "stopped"
        assert one["meta"]["security"] == [label]
