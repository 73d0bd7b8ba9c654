"""The pull side against a peer that lies: reliability F15, F16, F10, F12, hazards H7, H8, H17."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.counts import count
from tests.faults.invariants import Ear, check
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import MRN, ORDERS, Clock, Rig, administration, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer(page=5)
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    one, ear = open_rig(there, database, Clock()), Ear()
    yield one
    check(one, ear)
    ear.close()
    one.close()


def _patient(there: Peer) -> dict[str, Any]:
    return there.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": "mrn-9"}]})


def _remote_order(patient: dict[str, Any], number: int) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient['id']}"}
    return of_theirs(number, subject=subject, dosageInstruction=[{"text": f"rate {number}"}])


def _texts(rig: Rig) -> list[str]:
    """Return the dosage texts of all our orders."""
    return sorted(one["dosageInstruction"][0]["text"] for one in rig.all())


def test_an_order_made_there_is_taken_with_its_patient_named(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    stored = there.put(_remote_order(patient, 1))
    rig.pull()
    assert _texts(rig) == ["rate 1"]
    (link,) = [rig.link("MedicationRequest", one) for one in rig.ids()]
    assert link is not None
    assert (link.remote_id, link.version_id) == (stored["id"], "1")
    ours = rig.resource("MedicationRequest", rig.ids()[0])
    assert ours["subject"] == {
        "reference": f"{there.base}/Patient/{patient['id']}",
        "identifier": {"system": MRN, "value": "mrn-9"},
    }
    assert rig.rows() == ()


def test_f15_many_rows_of_one_instant_over_many_pages_are_all_taken_once(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    there.tick = timedelta(0)
    for number in range(23):
        there.put(_remote_order(patient, number))
    rig.pull()
    assert _texts(rig) == sorted(f"rate {number}" for number in range(23))
    rig.pull()
    assert len(rig.ids()) == 23


def test_f15_rows_inserted_updated_and_deleted_between_pages_are_not_missed(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    stored = [there.put(_remote_order(patient, number)) for number in range(20)]
    seen: list[int] = []

    def disturb(offset: int) -> None:
        if seen.count(offset):
            return
        seen.append(offset)
        if offset == 5:
            there.delete("MedicationRequest", stored[0]["id"])  # everything after it moves up by one
        if offset == 10:
            there.put({**stored[1], "dosageInstruction": [{"text": "rate 1 changed"}]})
            there.put(_remote_order(patient, 100))

    there.between_pages = disturb
    rig.pull()
    wanted = {f"rate {number}" for number in range(2, 20)} | {"rate 1 changed", "rate 100"}
    assert wanted <= set(_texts(rig))


def test_f15_an_expired_next_link_begins_again_and_applies_nothing_twice(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    for number in range(12):
        there.put(_remote_order(patient, number))
    there.expire_pages = 1
    pulled = rig.pull()
    assert [one.trouble for one in pulled] == ["", ""]
    assert len(rig.ids()) == 12


def test_f15_a_pull_cut_between_pages_goes_on_at_the_next_link_or_from_the_start(
    rig: Rig, there: Peer, database: str
) -> None:
    patient = _patient(there)
    for number in range(12):
        there.put(_remote_order(patient, number))
    there.lies.append(once(Act(effect=False, status=500), lambda asked: asked.query.get("_offset") == "5"))
    assert rig.pull()[0].trouble == "status 500"
    there.expire_pages = 1
    rig.restart(database)
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert len(rig.ids()) == 12


def test_f16_a_row_that_becomes_visible_after_newer_ones_is_not_missed(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    late = there.put(_remote_order(patient, 1))
    there.resources["MedicationRequest", late["id"]].visible_at = rig.clock.seconds + 120
    there.put(_remote_order(patient, 2))
    rig.pull()
    assert _texts(rig) == ["rate 2"]
    rig.clock.move(120)
    rig.pull()
    assert _texts(rig) == ["rate 1", "rate 2"]


def test_f15_five_hundred_rows_of_one_instant_are_all_taken_once(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    there.tick, there.page_size = timedelta(0), 60
    for number in range(500):
        there.put(_remote_order(patient, number))
    assert [(one.received, one.trouble) for one in rig.pull()] == [(500, ""), (0, "")]
    assert _texts(rig) == sorted(f"rate {number}" for number in range(500))
    assert [one.received for one in rig.pull()] == [0, 0]


@pytest.mark.parametrize("seed", range(count(20, 500)))
def test_f16_rows_that_become_visible_at_random_up_to_two_minutes_late_are_not_missed(seed: int) -> None:
    chance = random.Random(seed)
    there = Peer(page=5)
    with tempfile.TemporaryDirectory() as folder:
        rig = open_rig(there, Path(folder) / "rig.db", Clock())
        patient = _patient(there)
        for number in range(12):
            late = chance.randint(1, 120)
            there.step(timedelta(seconds=late // 4))
            stored = there.put(_remote_order(patient, number))
            there.resources["MedicationRequest", stored["id"]].visible_at = rig.clock.seconds + late
            rig.clock.move(chance.randint(0, 40))
            if chance.random() < 0.6:
                rig.pull()
        rig.clock.move(121)
        rig.pull()
        assert _texts(rig) == sorted(f"rate {number}" for number in range(12))
        rig.close()
    there.close()


def test_f16_the_watermark_never_passes_the_date_of_the_first_page(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    there.put(_remote_order(patient, 1), at=datetime(2099, 1, 1, tzinfo=UTC))
    rig.pull()
    (since,) = _asked_since(rig, there)
    assert since < "2025-06"
    there.put(_remote_order(patient, 2))
    rig.pull()
    assert _texts(rig) == ["rate 1", "rate 2"]


def _asked_since(rig: Rig, there: Peer) -> list[str]:
    before = len(there.asked)
    rig.pull()
    asked = [one.query.get("_lastUpdated", "") for one in there.asked[before:] if one.type == "MedicationRequest"]
    return [one.removeprefix("ge") for one in asked]


def test_f15_the_question_is_ge_with_overlap_sorted_and_the_watermark_stays_where_a_page_failed(
    rig: Rig, there: Peer
) -> None:
    patient = _patient(there)
    there.put(_remote_order(patient, 1))
    rig.pull()
    before = _asked_since(rig, there)
    assert before == ["2025-04-30T23:55:00.002Z"]
    for number in range(2, 12):
        there.put(_remote_order(patient, number))
    there.lies.append(once(Act(effect=False, status=500), lambda asked: asked.query.get("_offset") == "5", times=3))
    assert rig.pull()[0].trouble
    there.lies.clear()
    there.expire_pages = 1
    rig.pull()
    assert len(rig.ids()) == 11


def test_our_own_write_comes_back_as_an_echo_and_changes_nothing(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5, 7))
    rig.settle()
    before = len(rig.rows())
    assert [one.received for one in rig.pull()] == [1, 3]
    assert len(rig.rows()) == before
    assert len(rig.ids("MedicationAdministration")) == 3


def test_a_change_made_there_becomes_a_new_version_here_and_is_not_sent_back(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({**remote, "status": "on-hold", "note": [{"text": "line lost"}]})
    rig.pull()
    (id_,) = rig.ids()
    ours = rig.resource("MedicationRequest", id_)
    assert (ours["status"], ours["note"], ours["meta"]["versionId"]) == ("on-hold", [{"text": "line lost"}], "2")
    assert ours["subject"] == {**ours["subject"], "identifier": {"system": MRN, "value": "mrn-A-1"}}
    assert "reference" not in ours["subject"]
    sent = len(there.writes())
    rig.settle()
    rig.pull()
    assert (len(there.writes()), rig.states()) == (sent, ["acked"])


def test_f12_changes_on_both_sides_apart_are_merged_and_reach_both(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({**remote, "note": [{"text": "line lost"}]})
    rig.amend(order("A-1", priority="stat"))
    rig.pull()  # before anything is pushed
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    ours = rig.resource("MedicationRequest", rig.ids()[0])
    assert [(one["priority"], one["note"]) for one in (remote, ours)] == [("stat", [{"text": "line lost"}])] * 2
    # What was taken from them is in each version since: no older version of ours was sent over it.
    assert [one and one.get("note") for one in there.history("MedicationRequest", remote["id"])] == [
        None,
        [{"text": "line lost"}],
        [{"text": "line lost"}],
    ]
    assert rig.states() == ["acked", "superseded", "acked"]


def test_h17_the_same_dose_changed_on_both_sides_is_held_for_a_person(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({**remote, "dosageInstruction": [{**remote["dosageInstruction"][0], "text": "theirs"}]})
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.pull()
    assert [one.fields for one in rig.conflicts()] == [("clinical",)]
    assert rig.resource("MedicationRequest", rig.ids()[0])["dosageInstruction"][0]["text"] == "ours"
    rig.settle(rounds=5)
    assert there.all("MedicationRequest")[0]["dosageInstruction"][0]["text"] == "theirs"
    assert rig.alerts().count("conflict") == 1


def test_a_conflict_that_is_met_when_sending_is_told_once(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({**remote, "dosageInstruction": [{**remote["dosageInstruction"][0], "text": "theirs"}]})
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.push()
    assert rig.states()[-1] == "conflict"
    rig.settle(rounds=3)
    assert rig.alerts().count("conflict") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "active"}, "status"),
        ({"status": "stopped", "subject": {"reference": "Patient/other"}}, "subject"),
    ],
)
def test_h8_h10_a_stopped_order_does_not_come_back_and_no_order_changes_its_patient(
    rig: Rig, there: Peer, change: dict[str, Any], field: str
) -> None:
    rig.place(order("A-1"))
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({**remote, **change})
    rig.pull()
    assert [one.fields for one in rig.conflicts()] == [(field,)]
    assert rig.resource("MedicationRequest", rig.ids()[0])["status"] == "stopped"


def test_an_administration_made_there_is_linked_to_our_order(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put(
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": {"text": "dobutamine"},
            "subject": remote["subject"],
            "request": {"reference": f"MedicationRequest/{remote['id']}"},
            "effectiveDateTime": "2025-05-01T10:00:00Z",
            "performer": [{"actor": {"reference": "Practitioner/5"}}],
        }
    )
    rig.pull()
    (id_,) = rig.ids("MedicationAdministration")
    ours = rig.resource("MedicationAdministration", id_)
    assert ours["request"] == {"reference": f"MedicationRequest/{rig.ids()[0]}"}
    assert ours["performer"] == [{"actor": {"reference": f"{there.base}/Practitioner/5"}}]


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(
            {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": None, "unit": "mg"}}]}]}, id="null dose"
        ),
        pytest.param({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, id="modifier"),
        pytest.param({"doNotPerform": True}, id="prohibition"),
        pytest.param({"status": "bogus"}, id="code"),
        pytest.param({"wrong": 1}, id="unknown element"),
    ],
)
def test_what_cannot_be_read_stands_in_quarantine_and_holds_back_no_other(
    rig: Rig, there: Peer, member: dict[str, Any]
) -> None:
    patient = _patient(there)
    bad = there.put({**_remote_order(patient, 1), **member})
    there.put(_remote_order(patient, 2))
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert _texts(rig) == ["rate 2"]
    assert [one.id for one in rig.quarantined()] == [bad["id"]]
    assert rig.alerts()[0].startswith("quarantined ")


def test_f10_a_page_that_is_no_json_is_trouble_and_not_the_end_of_the_feed(rig: Rig, there: Peer) -> None:
    patient = _patient(there)
    there.put(_remote_order(patient, 1))
    lie = Act(status=200, body=b"<html>maintenance</html>")
    there.lies.append(once(lie, lambda asked: asked.type == "MedicationRequest"))
    assert rig.pull()[0].trouble == "unreadable answer"
    rig.pull()
    assert _texts(rig) == ["rate 1"]


def test_f6_a_create_in_doubt_that_is_pulled_first_is_not_taken_as_anothers(rig: Rig, there: Peer) -> None:
    def is_order(asked: Asked) -> bool:
        return asked.writes and asked.type == "MedicationRequest"

    there.lies.append(once(Act(status=500), is_order))
    rig.place(order("A-1"))
    rig.push()
    rig.pull()
    assert len(rig.ids()) == 1
    assert rig.settle() == ["acked"]
    rig.pull()
    assert (len(rig.ids()), len(there.all("MedicationRequest")), rig.conflicts()) == (1, 1, [])


def test_an_order_with_our_identifier_that_is_there_already_is_linked_if_equal_and_held_if_not(
    rig: Rig, there: Peer
) -> None:
    patient = there.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": "mrn-A-1"}]})
    there.put({**_remote_order(patient, 1), "identifier": [{"system": ORDERS, "value": "A-1"}]})
    rig.place(order("A-1"))
    assert rig.settle(rounds=3) == ["conflict"]
    assert len(rig.conflicts()) == 1
    assert there.all("MedicationRequest")[0]["dosageInstruction"] == [{"text": "rate 1"}]


def test_f11_a_second_resource_with_the_identifier_of_ours_raises_an_alarm(rig: Rig, there: Peer) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all("MedicationRequest")
    there.put({name: value for name, value in remote.items() if name not in {"id", "meta"}})
    rig.pull()
    assert "quarantined ambiguous-identifier" in rig.alerts()
    assert len(rig.ids()) == 1


@pytest.mark.parametrize(("code", "waits"), [("transient", True), ("timeout", True), ("not-supported", False)])
def test_what_a_peer_says_it_left_out_is_told_and_read_again_where_it_may_come(
    rig: Rig, there: Peer, caplog: pytest.LogCaptureFixture, code: str, *, waits: bool
) -> None:
    patient = _patient(there)
    there.put(_remote_order(patient, 1))
    there.left_out = [code]
    with caplog.at_level("WARNING", logger="fhir_infusion.sync"):
        told = [one.trouble for one in rig.pull()]
    assert told == ([f"left out by the peer: {code}"] * 2 if waits else ["", ""])
    codes = [record.__dict__["code"] for record in caplog.records if "could not give" in record.message]
    assert codes == [code, code]
    assert _texts(rig) == ["rate 1"], "what came is taken"
    assert _asked_since(rig, there) == [""] if waits else _asked_since(rig, there) != [""]
    there.left_out = []
    there.put(_remote_order(patient, 2))
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert _texts(rig) == ["rate 1", "rate 2"]
