"""What a server, or what stands before it, says of another resource than was asked for is believed nowhere: H5, H10, H15."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import duplicates
from fhir_infusion.sync.probe import probe
from tests import exact_json
from tests.faults.peer import Act, Asked, Peer, once
from tests.faults.persons import MR, OTHER, PERSON, identifier, link
from tests.faults.rig import MRN, Rig, of_theirs, order
from tests.faults.test_sync_bundles import NUMBER, amend, batching, bundles, is_slow, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# ------------------------------------------------------------------------------- others than the identifier asked for


def test_h10_a_server_that_does_not_search_by_identifier_has_no_orders_of_others_ended_as_duplicates(rig: Rig):
    rig.place(order("A-1"))
    rig.place(order("B-1"))
    rig.place(order("C-1"))
    rig.settle()
    rig.there._matching = lambda *_: rig.there.all(MR)  # type: ignore[method-assign]  # this one peer passes over what is asked
    found = duplicates.undouble(rig.service, "command:7", "peer", f"{MR}/{rig.ids()[0]}", "seen by the pharmacy")
    del rig.there._matching
    assert found == {"remote": "peer", "resource": f"{MR}/{rig.ids()[0]}"}
    assert {one["status"] for one in rig.there.all(MR)} == {"active"}


@pytest.mark.parametrize("way", ["in the body", "by the location"])
def test_h10_a_trial_that_is_answered_with_another_patient_leaves_him_alone(rig: Rig, way: str):
    theirs = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-9"), **PERSON})
    headers = {"Location": f"{rig.there.base}/Patient/{theirs['id']}/_history/1", "ETag": 'W/"1"'}
    body = exact_json.dumps(theirs).encode() if way == "in the body" else b""
    rig.there.lies = [lambda asked: Act(status=201, headers=headers, body=body) if asked.method == "POST" else None]
    probe(rig.service, "peer", "whole")
    assert rig.there.history("Patient", theirs["id"]) == [theirs]


@pytest.mark.parametrize("named", ["MRN-A-1", "Mrn-a-1"])
def test_h10_a_patient_whose_number_differs_in_capitals_is_not_ours(rig: Rig, named: str):
    theirs = rig.there.put({"resourceType": "Patient", "identifier": identifier(named), **OTHER})
    rig.there.lies = [
        lambda asked: (
            Act(body=_page(theirs))
            if asked.method == "GET" and asked.type == "Patient" and "identifier" in asked.query
            else None
        )
    ]
    rig.place(order("A-1"))
    rig.settle(rounds=4)
    assert all(one["subject"]["reference"] != f"Patient/{theirs['id']}" for one in rig.there.all(MR))
    rig.there.lies = []
    rig.clock.move(700)
    assert rig.settle() == ["acked"]


def _page(*resources: dict[str, Any]) -> bytes:
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return exact_json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


# --------------------------------------------------------------------------------------------- what is remembered


def test_h10_who_gave_it_being_the_patient_does_not_lead_around_the_look_whether_he_was_merged(rig: Rig):
    old = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-A-1"), **PERSON})
    new = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-N", "mrn-A-1"), **PERSON})
    rig.there.put({**old, "active": False, "identifier": identifier("mrn-A-1"), **link(new["id"])})
    rig.there.put({**new, "identifier": identifier("mrn-N")})
    patient = {"type": "Patient", "identifier": {"system": MRN, "value": "mrn-A-1"}}
    rig.accept(
        {
            "resourceType": MR,
            "identifier": [{"system": "urn:test:orders", "value": "A-1"}],
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "dobutamine"},
            "requester": patient,
            "subject": patient,
        }
    )
    rig.settle(rounds=4)
    assert (rig.there.all(MR), rig.rows()[0].last_error_code) == ([], "patient-merged-away")


# ---------------------------------------------------------------------------------------------- a stop that is sent alone


def _held(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "dosageInstruction": [{"text": "theirs"}]})
    rig.amend(
        order(
            "A-1",
            steps=[{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 7, "unit": "ug/kg/min"}}]}],
        )
    )
    rig.settle(rounds=3)
    assert len(rig.conflicts()) == 1


def _not_stopped(resource: dict[str, Any]) -> dict[str, Any]:
    return {**resource, "status": "active"}


def _upon(version: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.headers.get("if-match") == f'W/"{version}"'


@pytest.mark.parametrize("body", [None, b""])
def test_h6_h15_a_stop_beside_a_held_dose_that_a_server_takes_and_leaves_active_is_told(rig: Rig, body: bytes | None):
    _held(rig)
    rig.there.lies = [once(Act(change=_not_stopped, body=body), _upon(2))]
    rig.amend({**rig.record("A-1"), "status": "stopped"})
    rig.settle(rounds=6)
    assert (rig.there.all(MR)[0]["status"], rig.alerts()) == ("active", ["conflict", "altered status"])


@pytest.mark.parametrize("upon", [1, 2])
@pytest.mark.parametrize("headers", [{"ETag": 'W/"3"'}, {}])
def test_h6_h17_a_stop_beside_a_held_dose_that_was_not_done_and_is_answered_as_done_arrives(
    rig: Rig, upon: int, headers: dict[str, str]
):
    _held(rig)
    rig.there.lies = [once(Act(effect=False, status=200, headers=headers), _upon(upon))]
    rig.amend({**rig.record("A-1"), "status": "stopped"})
    rig.settle(rounds=6)
    (there,) = rig.there.all(MR)
    assert (there["status"], there["dosageInstruction"]) == ("stopped", [{"text": "theirs"}])
    assert (rig.states()[-1], len(rig.conflicts()), rig.alerts()) == ("acked", 1, ["conflict"])


def test_h17_what_is_changed_there_between_our_change_and_its_reading_back_is_not_lost(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()

    def changes(asked: Asked) -> Act | None:
        (there,) = rig.there.all(MR)
        if asked.method == "GET" and asked.id == there["id"] and there["meta"]["versionId"] == "2":
            rig.there.put({**there, "note": [{"text": "theirs"}]})
        return None

    rig.there.lies = [once(Act(body=b"")), changes]
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    rig.there.lies = []
    rig.pull()
    rig.settle()
    (there,) = rig.there.all(MR)
    assert (there["note"], there["priority"]) == ([{"text": "theirs"}], "stat")
    assert (rig.all()[0].get("note"), rig.alerts()) == ([{"text": "theirs"}], [])


# ------------------------------------------------------------------------------------------- refusals of another entry


class Mixing(Peer):
    """It does what a Bundle asks for, but for one entry, and answers each with what became of the one before it."""

    status = 0
    """What the first entry of each Bundle is answered with."""

    def _batch(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        status, headers, body = super()._batch(asked)
        if body is not None and self.status and len(body["entry"]) > 1:
            body["entry"] = [{"response": {"status": str(self.status)}}, *body["entry"][:-1]]
        return status, headers, body


@pytest.fixture
def mixing(tmp_path: Path) -> Iterator[Rig]:
    with batching(Mixing(), tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("status", [404, 410, 422])
def test_h6_h8_what_a_batch_answers_at_the_place_of_another_buries_no_order(mixing: Rig, status: int):
    place(mixing)
    mixing.settle()
    mixing.there.status = status  # type: ignore[attr-defined]  # it is a Mixing
    mixing.there.lies = [is_slow]
    amend(mixing)
    states = mixing.settle(rounds=20)
    assert bundles(mixing)
    assert set(states) == {"acked"}
    assert [one["status"] for one in mixing.there.all(MR)] == ["stopped"] * NUMBER
    assert "gone" not in mixing.alerts()


def test_h5_h8_a_create_that_is_answered_with_a_place_where_another_was_deleted_is_found_and_not_given_up(rig: Rig):
    other = rig.there.put(of_theirs(5))
    rig.there.delete(MR, other["id"])
    headers = {"Location": f"{rig.there.base}/{MR}/{other['id']}/_history/1", "ETag": 'W/"1"'}
    rig.there.lies = [once(Act(status=201, headers=headers, body=b""), lambda asked: asked.type == MR and asked.writes)]
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    rig.amend(order("A-1", status="stopped"))
    assert (rig.settle(), [one["status"] for one in rig.there.all(MR)]) == (["acked"] * 2, ["stopped"])


@pytest.mark.parametrize("status", [404, 410])
def test_h8_a_change_that_is_answered_with_gone_though_it_is_there_is_no_deletion(rig: Rig, status: int):
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies = [once(Act(effect=False, status=status))]
    rig.amend(order("A-1", status="stopped"))
    assert rig.settle() == ["acked", "acked"]
    assert (rig.there.all(MR)[0]["status"], rig.alerts()) == ("stopped", [])
