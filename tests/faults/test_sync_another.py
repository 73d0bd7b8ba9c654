"""What is somebody else's is never taken for ours: a new address, an id that another has, an answer about another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import endpoints
from fhir_infusion.sync.replaying import replay
from fhir_infusion.sync.restored import resume
from tests import exact_json
from tests.faults.peer import DROP, RESET, Act, Asked, Peer, once
from tests.faults.rig import MRN, ORDERS, TENANT, Clock, Rig, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR = "MedicationRequest"


def _rated(value: int) -> list[dict[str, Any]]:
    rate = {"value": value, "unit": "ug/kg/min"}
    return [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}]


def _rate(resource: dict[str, Any]) -> str:
    return str(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"])


def _why(rig: Rig) -> str:
    return rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer"))


# ----------------------------------------------------------------------------------------------------- a new address


@pytest.fixture
def elsewhere() -> Iterator[Peer]:
    """Another server, on which the id of our order is somebody else's, in the same version."""
    one = Peer()
    yield one
    one.close()


@pytest.fixture
def moved(there: Peer, elsewhere: Peer, tmp_path: Path) -> Iterator[Rig]:
    """Our side after ``base_url`` was changed to another server, with an order that the first one has."""
    first = open_rig(there, tmp_path / "ours.db", Clock())
    first.place(order("A-1"))
    first.settle()
    first.pull()
    (sent,) = there.all(MR)
    for _ in range(2):  # so that what is made there gets other ids than these
        elsewhere.put({"resourceType": "Patient"})
    elsewhere.put(of_theirs(5), sent["id"])
    first.close()
    rig = open_rig(elsewhere, tmp_path / "ours.db", first.clock)
    yield rig
    rig.close()


def test_h10_h17_at_a_new_address_nothing_is_sent_or_taken_until_a_person_says_so(moved: Rig, elsewhere: Peer):
    moved.amend(order("A-1", steps=_rated(7)))
    moved.amend(order("A-1", steps=_rated(7), status="stopped"))
    moved.settle(3)
    assert {one.trouble for one in moved.pull()} == {"paused: moved; see `fhir-infusion sync resume`"}
    assert (moved.states(), elsewhere.writes(), moved.alerts()) == (["acked", "superseded", "pending"], [], ["moved"])
    assert len(moved.all()) == 1


def test_h10_h17_where_it_is_another_server_an_id_is_not_ours_there_whether_told_or_read_first(
    moved: Rig, elsewhere: Peer
):
    moved.amend(order("A-1", steps=_rated(7), status="stopped"))
    moved.push()
    resume(moved.service, "command:7", "peer", "it is the new server")
    assert moved.settle() == ["acked", "dead"]
    assert elsewhere.writes(MR) == []
    moved.pull()
    assert [(one["status"], one["identifier"][0]["value"]) for one in elsewhere.all(MR)] == [("active", "5")]
    assert sorted(one["identifier"][0]["value"] for one in moved.all()) == ["5", "A-1"]
    assert [alert.partition(" ")[0] for alert in moved.alerts()][:2] == ["moved", "gone"]
    last = moved.rows()[-1].seq
    replay(moved.service, "command:7", "peer", str(last), "the new server is to have it")
    moved.settle()
    assert {one["identifier"][0]["value"]: one["status"] for one in elsewhere.all(MR)} == {
        "5": "active",
        "A-1": "stopped",
    }


def test_h10_what_is_read_there_first_is_new_here_and_ours_is_lost_there(moved: Rig, elsewhere: Peer):
    moved.pull()
    resume(moved.service, "command:7", "peer", "it is the new server")
    moved.pull()
    assert sorted(one["identifier"][0]["value"] for one in moved.all()) == ["5", "A-1"]
    assert moved.link_state(f"{MR}/{moved.id_of(MR, 'A-1')}") == "lost"
    moved.amend(order("A-1", steps=_rated(7)))
    moved.settle()
    assert [(one["identifier"][0]["value"], one["meta"]["versionId"]) for one in elsewhere.all(MR)] == [("5", "1")]
    (theirs,) = elsewhere.all(MR)
    elsewhere.put({**theirs, "status": "stopped"})
    moved.clock.move(60)
    moved.pull()
    assert {one["identifier"][0]["value"]: one["status"] for one in moved.all()} == {"5": "stopped", "A-1": "active"}


def test_where_it_is_the_same_server_under_a_new_name_all_goes_on_once_a_person_says_so(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    rig.service.store.transact(TENANT, lambda tx: endpoints.note_place(tx, "peer", "http://old.example:80/fhir"))
    rig.peer.is_placed = False
    rig.amend(order("A-1", steps=_rated(7)))
    rig.push()
    assert (_why(rig), rig.states()) == ("moved", ["acked", "pending"])
    resume(rig.service, "command:7", "peer", "it has a new name")
    rig.peer.is_placed = False
    assert rig.settle() == ["acked", "acked"]
    rig.pull()
    assert (_why(rig), [_rate(one) for one in there.all(MR)], rig.conflicts()) == ("", ["7"], [])


def test_an_address_at_which_nothing_was_linked_is_changed_without_a_word(there: Peer, tmp_path: Path, elsewhere: Peer):
    first = open_rig(there, tmp_path / "ours.db", Clock())
    first.pull()
    first.close()
    rig = open_rig(elsewhere, tmp_path / "ours.db", first.clock)
    elsewhere.put(of_theirs(1))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    rig.pull()
    assert (len(rig.all()), rig.alerts()) == (2, [])
    rig.close()


# ------------------------------------------------------------------------------------------ an answer about another


def _a_create(asked: Asked) -> bool:
    return asked.method == "POST" and asked.type == MR


@pytest.mark.parametrize("way", ["in the body", "by the location"])
def test_h10_a_create_that_is_answered_with_another_order_is_found_and_that_one_is_left_alone(
    rig: Rig, there: Peer, way: str
):
    other = there.put(of_theirs(5))
    location = {"Location": f"{there.base}/{MR}/{other['id']}/_history/1", "ETag": 'W/"1"'}
    body = exact_json.dumps(other).encode() if way == "in the body" else b""
    there.lies.append(once(Act(status=201, headers=location, body=body), _a_create))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    rig.amend(order("A-1", steps=_rated(7)))
    assert rig.settle() == ["acked", "acked"]
    ours, theirs = sorted(there.all(MR), key=lambda one: one["identifier"][0]["value"] == "5")
    assert (ours["identifier"][0]["value"], _rate(ours), ours["meta"]["versionId"]) == ("A-1", "7", "2")
    assert (theirs["id"], theirs["meta"]["versionId"]) == (other["id"], "1")


def test_h10_one_that_was_not_made_and_is_answered_with_another_is_put_aside_with_an_alarm(rig: Rig, there: Peer):
    other = there.put(of_theirs(5))
    lie = Act(effect=False, status=201, body=exact_json.dumps(other).encode())
    there.lies.append(once(lie, _a_create))
    rig.place(order("A-1"))
    assert (rig.settle(), rig.alerts(), len(there.all(MR))) == (["dead"], ["another-answered"], 1)
    replay(rig.service, "command:7", "peer", str(rig.rows()[0].seq), "asked its operators")
    assert rig.settle() == ["acked"]
    assert len(there.all(MR)) == 2


def test_h10_an_update_that_is_answered_with_another_of_that_id_is_read_back(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    (sent,) = there.all(MR)
    body = exact_json.dumps({**of_theirs(5), "id": sent["id"], "meta": {"versionId": "9"}}).encode()
    there.lies.append(once(Act(status=200, body=body), lambda asked: asked.method == "PUT"))
    rig.amend(order("A-1", steps=_rated(7)))
    assert (rig.settle(), rig.alerts(), rig.conflicts()) == (["acked", "acked"], [], [])


def test_h10_no_stop_goes_to_what_another_has_under_the_id_of_ours(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    (sent,) = there.all(MR)
    there.put({**of_theirs(5), "subject": {"identifier": {"system": MRN, "value": "mrn-9"}}}, sent["id"])
    rig.amend(order("A-1", status="stopped"))
    rig.settle(5)
    (now,) = there.all(MR)
    assert (now["status"], now["meta"]["versionId"]) == ("active", "2")
    assert [one.fields for one in rig.conflicts()] == [("subject",)]
    assert rig.states() == ["acked", "conflict"]


# --------------------------------------------------------------------------------------------------- a long silence


@pytest.mark.parametrize("what", ["create", "change"])
def test_f6_h6_what_was_changed_fifty_times_and_stopped_after_a_lost_answer_is_no_conflict(
    rig: Rig, there: Peer, what: str
):
    rig.place(order("A-1"))
    if what == "change":
        rig.settle()
        rig.amend(order("A-1", steps=_rated(99)))
    there.lies.append(once(DROP, lambda asked: asked.writes and asked.type == MR))
    rig.push()
    there.lies.append(lambda _: RESET)
    for number in range(50):
        rig.amend(order("A-1", steps=_rated(100 + number)))
    rig.amend(order("A-1", steps=_rated(149), status="stopped"))
    there.lies.clear()
    rig.clock.move(1000)
    assert set(rig.settle()) == {"acked", "superseded"}
    (now,) = there.all(MR)
    assert (now["status"], _rate(now), now["identifier"][0]["system"]) == ("stopped", "149", ORDERS)
    assert rig.conflicts() == []
