"""A server that gives new ids to what it has: found by our identifier, followed or held, and a stop gets through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.peer import Act
from tests.faults.rig import Rig, administration, order

if TYPE_CHECKING:
    from tests.faults.peer import Asked, Peer

MR, MA = "MedicationRequest", "MedicationAdministration"
both = pytest.mark.parametrize("status", [404, 410])


def _rated(value: int) -> list[dict[str, Any]]:
    rate = {"value": value, "unit": "ug/kg/min"}
    return [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}]


def _rate(resource: dict[str, Any]) -> str:
    return str(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"])


def _anew(there: Peer, status: int, type_: str = MR, **members: Any) -> list[dict[str, Any]]:
    """Give everything of a type another id there, with ``members`` changed; return it."""
    made = []
    for one in there.all(type_):
        made.append(there.put({**one, **members, "id": ""}))
        if status == 410:
            there.delete(type_, one["id"])
        else:
            del there.resources[type_, one["id"]]
    return made


@both
def test_h6_a_stop_reaches_an_order_that_has_another_id_there_by_now(rig: Rig, there: Peer, status: int):
    rig.place(order("A-1"))
    rig.settle()
    (made,) = _anew(there, status)
    rig.amend(order("A-1", status="stopped"))
    assert rig.settle() == ["acked", "acked"]
    assert [(one["id"], one["status"]) for one in there.all(MR)] == [(made["id"], "stopped")]
    assert rig.alerts() == [f"id-changed, now {made['id']} there"]
    assert rig.link_of(made["id"]) == rig.ids()[0]


@both
def test_a_pull_follows_to_the_other_id_and_what_is_changed_there_then_is_taken(rig: Rig, there: Peer, status: int):
    rig.place(order("A-1"))
    rig.settle()
    (made,) = _anew(there, status)
    rig.pull()
    assert (len(rig.all()), rig.quarantined()) == (1, [])
    assert rig.link_of(made["id"]) == rig.ids()[0]
    there.put({**made, "status": "on-hold"})
    rig.clock.move(60)
    rig.pull()
    assert [one["status"] for one in rig.all()] == ["on-hold"]
    assert rig.conflicts() == []


@both
def test_h17_h6_what_says_something_else_under_its_new_id_is_held_and_a_stop_goes_through(
    rig: Rig, there: Peer, status: int
):
    rig.place(order("A-1"))
    rig.settle()
    (sent,) = there.all(MR)
    rated = {**sent["dosageInstruction"][0]}
    rated["doseAndRate"] = [{"rateQuantity": {**rated["doseAndRate"][0]["rateQuantity"], "value": 9}}]
    (made,) = _anew(there, status, dosageInstruction=[rated])
    rig.amend(order("A-1", steps=_rated(7)))
    assert rig.settle()[-1] == "conflict"
    assert [_rate(one) for one in there.all(MR)] == ["9"]
    assert len(rig.conflicts()) == 1
    rig.amend(order("A-1", steps=_rated(7), status="stopped"))
    rig.settle()
    assert [(one["id"], one["status"], _rate(one)) for one in there.all(MR)] == [(made["id"], "stopped", "9")]
    assert rig.resource(MR, rig.ids()[0])["status"] == "stopped"


def test_h6_h8_a_stop_reaches_what_was_entered_once_more_after_it_was_known_to_be_deleted(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    (sent,) = there.all(MR)
    there.delete(MR, sent["id"])
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "dead"]
    there.put(sent, "again")
    rig.amend(order("A-1", priority="stat", status="stopped"))
    assert rig.settle()[-1] == "acked"
    assert [(one["id"], one["status"]) for one in there.all(MR)] == [("again", "stopped")]


def test_h5_where_two_have_the_identifier_none_is_followed(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    (made,) = _anew(there, 410)
    there.put(made, "second")
    rig.amend(order("A-1", status="on-hold"))
    assert rig.settle()[-1] == "duplicate"
    assert {one["status"] for one in there.all(MR)} == {"active"}
    assert "duplicate" in rig.alerts()


@pytest.mark.parametrize("status", [301, 308])
def test_h6_a_redirect_to_another_id_is_no_fault_of_the_settings_and_a_stop_gets_there(
    rig: Rig, there: Peer, status: int
):
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.settle()
    (old,) = [one["id"] for one in there.all(MR) if one["identifier"][0]["value"] == "A-1"]
    made = there.put(there.resources[MR, old].now, "moved")  # type: ignore[arg-type]  # it is there
    del there.resources[MR, old]

    def moved(asked: Asked) -> Act | None:
        location = {"Location": f"{there.base}/{MR}/{made['id']}"}
        return Act(effect=False, status=status, headers=location) if asked.id == old else None

    there.lies.append(moved)
    rig.amend(order("A-1", status="stopped"))
    rig.amend(order("A-2", priority="stat"))
    assert rig.settle() == ["acked"] * 4
    assert rig.peer.circuit.why == ""
    assert {one["id"]: one["status"] for one in there.all(MR)}["moved"] == "stopped"
    assert rig.alerts() == ["id-changed, now moved there"]


def test_a_redirect_to_another_id_at_which_nothing_of_ours_is_makes_nothing_anew(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    (sent,) = there.all(MR)
    there.delete(MR, sent["id"])
    there.lies.append(
        lambda asked: (
            Act(effect=False, status=301, headers={"Location": f"{there.base}/{MR}/none"})
            if asked.id == sent["id"]
            else None
        )
    )
    rig.amend(order("A-1", status="stopped"))
    assert rig.settle()[-1] == "dead"
    assert there.all(MR) == []


def test_an_id_that_changes_each_time_is_left_to_a_person(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()

    def again(asked: Asked) -> None:
        if asked.method == "PUT":
            _anew(there, 404)

    there.lies.append(again)
    rig.amend(order("A-1", status="stopped"))
    assert rig.settle()[-1] == "dead"
    assert rig.rows()[-1].last_error_code == "ids-change"
    assert rig.alerts()[-1] == "ids-change"
    there.lies.clear()
    rig.amend(order("A-1", status="stopped", notes=[{"text": "once more"}]))
    rig.settle()
    assert [one["status"] for one in there.all(MR)] == ["stopped"]


@pytest.mark.parametrize("is_pulled_first", [True, False])
def test_after_a_restore_with_new_ids_everything_is_found_again_and_nothing_is_made_twice(
    rig: Rig, there: Peer, *, is_pulled_first: bool
):
    for number in range(4):
        rig.place(order(f"A-{number}"))
    rig.give(administration("G-1", "A-1", 5))
    rig.settle()
    for type_ in (MR, MA):
        _anew(there, 404, type_)
    count = {type_: len(there.all(type_)) for type_ in (MR, MA)}
    there.step(timedelta(minutes=10))
    if is_pulled_first:
        rig.pull()
    rig.amend(order("A-0", status="stopped"))
    rig.change(administration("G-1", "A-1", 6))
    rig.settle()
    rig.pull()
    assert (rig.conflicts(), rig.quarantined(), len(rig.all())) == ([], [], 4)
    assert {alert.partition(",")[0] for alert in rig.alerts()} == {"id-changed"}
    assert {type_: len(there.all(type_)) for type_ in (MR, MA)} == count
    there_now = {one["identifier"][0]["value"]: one["status"] for one in there.all(MR)}
    assert there_now == {"A-0": "stopped", "A-1": "active", "A-2": "active", "A-3": "active"}
    assert [one["dosage"]["rateQuantity"]["value"] for one in there.all(MA) if "dosage" in one] == [6]
