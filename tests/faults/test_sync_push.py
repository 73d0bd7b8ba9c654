"""The push side against a peer that lies, over real sockets: reliability F6 to F14 and hazards H5, H6, H8, H15."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import peer as sync_peer
from fhir_infusion.sync import pull, retry, sending, status
from fhir_infusion.sync.replies import Answer
from tests.faults.invariants import Ear, check, demanded
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import ADMINISTRATIONS, ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked

# Which rung of the create ladder the peer offers.
LADDERS: dict[str, dict[str, Any]] = {
    "A": {"update_create": True},
    "B": {"conditional": True},
    "C": {"conditional": False},
}


@pytest.fixture(params=sorted(LADDERS))
def rig(request: pytest.FixtureRequest, database: str) -> Iterator[Rig]:
    there, ear = Peer(**LADDERS[request.param]), Ear()
    one = open_rig(there, database, Clock())
    yield one
    if request.param == "B":  # once for each test: what is asked costs as much as most of them
        check(one, ear)
    ear.close()
    one.close()
    there.close()


def _order_writes(asked: Asked) -> bool:
    return asked.writes and asked.type == "MedicationRequest"


PATIENT_9 = {"system": "urn:test:mrn", "value": "mrn-9"}


def an_order(subject: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an order of FHIR that has no identifier."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": subject,
        **more,
    }


def _exactly_one(rig: Rig, order_id: str) -> dict[str, Any]:
    found = [
        one for one in rig.there.all("MedicationRequest") if {"system": ORDERS, "value": order_id} in one["identifier"]
    ]
    assert len(found) == 1
    return found[0]


def test_an_order_reaches_the_peer_once_with_its_patient_and_every_digit(rig: Rig) -> None:
    placed = order("A-1")
    placed["steps"][0]["dosings"][0]["rate"]["value"] = 5
    rig.place(placed)
    assert rig.settle() == ["acked"]
    (patient,) = rig.there.all("Patient")
    assert {name: patient[name] for name in ("identifier", "name", "birthDate", "gender")} == {
        "identifier": [{"system": "urn:test:mrn", "value": "mrn-A-1"}],
        "name": [{"text": "Jane Ito"}],
        "birthDate": "1970-01-02",
        "gender": "female",
    }
    there = _exactly_one(rig, "A-1")
    assert there["subject"]["reference"] == f"Patient/{patient['id']}"
    assert rig.alerts() == []


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(DROP, id="reply lost"),
        pytest.param(CUT, id="reply cut"),
        pytest.param(Act(status=500), id="500 after effect"),
        pytest.param(Act(status=502, body=b"<html>bad gateway</html>"), id="502 with a page"),
        pytest.param(Act(status=504), id="504"),
        pytest.param(Act(status=200, body=b"<html>welcome</html>"), id="a page with 200"),
        pytest.param(Act(status=201, body=b""), id="201 without anything"),
        pytest.param(Act(status=201, body=b"{}"), id="201 with an empty object"),
        pytest.param(Act(status=409), id="409 after effect"),
    ],
)
def test_f6_f10_f13_a_create_that_happened_without_a_clear_answer_is_found_not_repeated(rig: Rig, lie: Act) -> None:
    rig.there.lies.append(once(lie, _order_writes))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    _exactly_one(rig, "A-1")
    assert len(rig.there.writes("MedicationRequest")) == 1


@pytest.mark.parametrize("lie", [DROP, CUT, Act(status=500), Act(status=201, body=b"")])
def test_f6_the_patient_is_not_doubled_either(rig: Rig, lie: Act) -> None:
    rig.there.lies.append(once(lie, lambda asked: asked.writes and asked.type == "Patient"))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    assert len(rig.there.all("Patient")) == 1


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(RESET, id="request lost"),
        pytest.param(Act(effect=False, status=500), id="500 without effect"),
        pytest.param(Act(effect=False, status=409), id="409 race"),
        pytest.param(Act(effect=False, status=503, headers={"Retry-After": "1"}), id="503"),
    ],
)
def test_f7_a_create_that_did_not_happen_is_sent_again(rig: Rig, lie: Act) -> None:
    rig.there.lies.append(once(lie, _order_writes))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    _exactly_one(rig, "A-1")


@pytest.mark.parametrize(
    "lie", [DROP, CUT, Act(status=500), Act(status=200, body=b"<html>"), Act(status=200, body=b"")]
)
def test_f6_an_update_without_a_clear_answer_is_not_repeated(rig: Rig, lie: Act) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(once(lie, _order_writes))
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "acked"]
    there = _exactly_one(rig, "A-1")
    assert (there["priority"], there["meta"]["versionId"]) == ("stat", "2")


def test_f7_a_create_in_doubt_is_known_again_though_its_prescriber_came_there_meanwhile(rig: Rig) -> None:
    rig.there.lies.append(once(DROP, _order_writes))
    named = {"system": "urn:test:staff", "value": "7"}
    (resource,) = rig.service.translator.to_fhir(order("A-1"), "R4").results
    rig.accept({**resource, "requester": {"type": "Practitioner", "identifier": named}})
    rig.push()
    sent = _exactly_one(rig, "A-1")
    assert "reference" not in sent["requester"]
    rig.there.put({"resourceType": "Practitioner", "identifier": [named]})
    assert rig.settle() == ["acked"]
    assert _exactly_one(rig, "A-1") == sent


def test_f7_an_update_that_was_lost_is_sent_again(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(once(RESET, _order_writes))
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "acked"]
    assert _exactly_one(rig, "A-1")["meta"]["versionId"] == "2"


def test_f8_a_drip_of_one_byte_at_a_time_ends_at_the_total_deadline(database: str) -> None:
    there = Peer()
    with demanded(open_rig(there, database, Clock(), deadline_seconds=1)) as rig:
        there.lies.append(once(Act(drip_seconds=0.2), _order_writes))
        rig.place(order("A-1"))
        begun = time.monotonic()
        rig.push()
        # The whole reply would take minutes at this pace; how busy the machine is must not decide.
        assert time.monotonic() - begun < 60
        assert rig.states() == ["unknown"]
        assert rig.settle() == ["acked"]
        _exactly_one(rig, "A-1")
        assert len(there.writes("MedicationRequest")) == 1
    there.close()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30), ("Thu, 01 May 2025 08:00:30 GMT", 30), ("1000000000", 900)]
)
def test_f9_no_request_is_sent_inside_the_window(rig: Rig, status: int, header: str, seconds: int) -> None:
    rig.there.lies.append(once(Act(effect=False, status=status, headers={"Retry-After": header}), _order_writes))
    rig.place(order("A-1"))
    rig.push()
    before = len(rig.there.asked)
    for _ in range(10):
        rig.clock.move(seconds / 10 - 0.1)
        rig.push()
    assert len(rig.there.asked) == before
    rig.clock.move(3)
    assert rig.settle() == ["acked"]
    _exactly_one(rig, "A-1")


def test_f11_a_peer_that_creates_twice_is_found_out_at_once_and_nothing_more_is_sent(database: str) -> None:
    there = Peer()
    rig = open_rig(there, database, Clock())
    rig.place(order("B-1"))
    rig.settle()  # the patient is there
    there.double_create = True
    rig.place(order("B-1.2"))
    assert rig.settle() == ["acked", "duplicate"]
    assert "duplicate" in rig.alerts()
    sent = len(there.writes())
    rig.amend(order("B-1.2", priority="stat"))
    rig.settle(rounds=5)
    assert len(there.writes()) == sent
    rig.close()
    there.close()


def test_f11_of_two_patients_with_one_identifier_none_is_picked(rig: Rig) -> None:
    for _ in range(2):
        rig.there.put({"resourceType": "Patient", "identifier": [{"system": "urn:test:mrn", "value": "mrn-A-1"}]})
    rig.place(order("A-1"))
    assert rig.settle() == ["duplicate"]
    assert rig.there.writes() == []
    assert rig.alerts() == ["patient-duplicate"]
    assert status.status(rig.service)[0]["patients_aside"] == 1


def test_f16_a_create_that_becomes_visible_late_is_not_sent_twice(database: str) -> None:
    there = Peer(conditional=False)
    rig = open_rig(there, database, Clock())
    there.lies.append(once(Act(status=500, hidden_for=4.0), _order_writes))
    rig.place(order("A-1"))
    assert rig.settle(step=1.0) == ["acked"]
    assert len(there.writes("MedicationRequest")) == 1
    rig.close()
    there.close()


def test_f12_a_change_made_there_meanwhile_is_merged_not_overwritten(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    rig.there.put({**there, "note": [{"text": "seen by pharmacy"}]})
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "superseded", "acked"]
    there = _exactly_one(rig, "A-1")
    assert (there["priority"], there["note"], there["meta"]["versionId"]) == (
        "stat",
        [{"text": "seen by pharmacy"}],
        "3",
    )
    assert rig.resource("MedicationRequest", rig.id_of("MedicationRequest", "A-1"))["note"] == there["note"]


def test_f12_the_same_dose_changed_on_both_sides_is_held_and_neither_is_overwritten(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    theirs = [{**there["dosageInstruction"][0], "text": "7 ug/kg/min"}]
    rig.there.put({**there, "dosageInstruction": theirs})
    rig.amend(order("A-1", steps=[{"step_id": "run", "dosings": [{"rate": {"value": 6, "unit": "ug/kg/min"}}]}]))
    assert rig.settle() == ["acked", "conflict"]
    assert _exactly_one(rig, "A-1")["dosageInstruction"] == theirs
    (conflict,) = rig.conflicts()
    assert (conflict.fields, rig.alerts().count("conflict") >= 1) == (("clinical",), True)
    sent = len(rig.there.writes())
    rig.amend(order("A-1", steps=[{"step_id": "run", "dosings": [{"rate": {"value": 8, "unit": "ug/kg/min"}}]}]))
    rig.settle(rounds=5)
    assert len(rig.there.writes()) == sent


def test_f12_i4_a_stop_flows_while_everything_else_is_held(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    theirs = [{**there["dosageInstruction"][0], "text": "7 ug/kg/min"}]
    rig.there.put({**there, "dosageInstruction": theirs})
    changed = [{"step_id": "run", "dosings": [{"rate": {"value": 6, "unit": "ug/kg/min"}}]}]
    rig.amend(order("A-1", steps=changed))
    rig.settle()
    rig.amend(order("A-1", steps=changed, status="stopped"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    assert (there["status"], there["dosageInstruction"]) == ("stopped", theirs)
    assert len(rig.conflicts()) == 1


def test_f13_a_409_to_if_match_is_read_as_a_stale_version(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    rig.there.put({**there, "note": [{"text": "seen"}]})
    rig.there.lies.append(once(Act(effect=False, status=409), _order_writes))
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "superseded", "acked"]
    there = _exactly_one(rig, "A-1")
    assert (there["priority"], there["note"]) == ("stat", [{"text": "seen"}])


@pytest.mark.parametrize("status", [404, 410])
def test_f14_h8_what_was_deleted_there_is_never_created_again(rig: Rig, status: int) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    if status == 410:
        rig.there.delete("MedicationRequest", there["id"])
    else:
        del rig.there.resources["MedicationRequest", there["id"]]
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "dead"]
    rig.amend(order("A-1", priority="asap"))
    assert rig.settle() == ["acked", "dead", "dead"]
    assert rig.there.all("MedicationRequest") == []
    assert set(rig.alerts()) == {"gone", "deleted-active"}


def test_f14_a_create_whose_answer_was_lost_and_that_was_deleted_since_stays_deleted(database: str) -> None:
    there = Peer(update_create=True)
    with demanded(open_rig(there, database, Clock())) as rig:
        there.lies.append(once(DROP, _order_writes))
        rig.place(order("A-1"))
        rig.push()
        there.delete("MedicationRequest", _exactly_one(rig, "A-1")["id"])
        assert rig.settle() == ["dead"]
        assert there.all("MedicationRequest") == []
    there.close()


@pytest.mark.parametrize("status", [400, 422, 405])
def test_what_a_peer_refuses_is_put_aside_at_once_with_codes_only(rig: Rig, status: int) -> None:
    body = (
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invariant","diagnostics":"CANARY"}]}'
    )
    rig.there.lies.append(once(Act(effect=False, status=status, body=body), _order_writes))
    rig.place(order("A-1"))
    assert rig.settle() == ["dead"]
    assert rig.rows()[0].last_error_code == f"{status} invariant"
    assert len(rig.there.writes("MedicationRequest")) == 1


def test_h15_what_the_peer_altered_silently_is_told(rig: Rig) -> None:
    def rounded(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "dosageInstruction": [{"text": "something else"}]}

    rig.there.lies.append(once(Act(change=rounded), _order_writes))
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    assert rig.alerts() == ["altered dosageInstruction"]


def test_h6_a_stop_overtakes_what_was_not_sent_and_arrives_as_the_whole_state(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.amend(order("A-1", priority="stat"))
    rig.amend(order("A-1", priority="stat", status="cancelled"))
    rig.place(order("B-1"))
    states = rig.settle()
    assert states == ["superseded", "superseded", "acked", "acked"]
    there = _exactly_one(rig, "A-1")
    assert (there["status"], there["priority"], there["meta"]["versionId"]) == ("cancelled", "stat", "1")


@pytest.mark.parametrize("lie", [DROP, RESET])
def test_h6_a_stop_after_a_create_in_doubt_ends_stopped_and_single(rig: Rig, lie: Act) -> None:
    rig.there.lies.append(once(lie, _order_writes))
    rig.place(order("A-1"))
    rig.push()
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    assert _exactly_one(rig, "A-1")["status"] == "stopped"


def test_versions_arrive_in_order_and_each_is_seen(rig: Rig) -> None:
    rig.place(order("A-1"))
    for one in ("on-hold", "active"):
        rig.amend(order("A-1", status=one))
    assert rig.settle() == ["acked"] * 3
    there = _exactly_one(rig, "A-1")
    assert [one and one["status"] for one in rig.there.history("MedicationRequest", there["id"])] == [
        "active",
        "on-hold",
        "active",
    ]


def test_an_administration_follows_its_order_and_its_segments_are_linked(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.settle()
    there = _exactly_one(rig, "A-1")
    by_id = {one["identifier"][0]["value"]: one for one in rig.there.all("MedicationAdministration")}
    assert sorted(by_id) == ["G-1", "G-1#1", "G-1#2"]
    assert {one["request"]["reference"] for one in by_id.values()} == {f"MedicationRequest/{there['id']}"}
    parent = f"MedicationAdministration/{by_id['G-1']['id']}"
    assert [by_id[name]["partOf"][0]["reference"] for name in ("G-1#1", "G-1#2")] == [parent, parent]
    assert "dosage" not in by_id["G-1"]
    assert by_id["G-1#2"]["dosage"]["rateQuantity"]["value"].text == "7.50"
    assert by_id["G-1"]["identifier"] == [{"system": ADMINISTRATIONS, "value": "G-1"}]
    assert {row.state for row in rig.rows()} == {"acked"}


def test_f13_an_administration_waits_for_the_stop_that_stands_in_for_the_create_of_its_order(rig: Rig) -> None:
    """The stop came after what was given, and the create before it is superseded."""
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    rig.amend(order("A-1", status="stopped"))
    rig.there.lies = [once(Act(effect=False, status=409), lambda one: one.writes and one.type == "MedicationRequest")]
    rig.settle()
    there = _exactly_one(rig, "A-1")
    assert there["status"] == "stopped"
    given = rig.there.all("MedicationAdministration")
    assert len(given) == 2
    assert {one["request"].get("reference") for one in given} == {f"MedicationRequest/{there['id']}"}


def test_a_rate_change_sends_the_changed_and_the_new_segment_only(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    rig.settle()
    rig.change(administration("G-1", "A-1", 5, 7))
    rig.settle()
    versions = {
        one["identifier"][0]["value"]: one["meta"]["versionId"] for one in rig.there.all("MedicationAdministration")
    }
    assert versions == {"G-1": "2", "G-1#1": "2", "G-1#2": "1"}


def test_an_order_without_identifier_of_its_own_is_sent_with_a_minted_one(rig: Rig) -> None:
    resource = an_order({"identifier": PATIENT_9})
    outcome = rig.accept(resource)
    assert rig.settle() == ["acked"]
    (there,) = rig.there.all("MedicationRequest")
    assert there["identifier"][0]["system"] == ORDERS
    assert "identifier" not in rig.resource("MedicationRequest", outcome.id)


@pytest.mark.parametrize("reference", ["Patient/7", "Patient/7#x", "/Patient/7", "Patient/7?x=1", "fhir/Patient/7"])
def test_h10_a_patient_without_identifier_is_never_sent(rig: Rig, reference: str) -> None:
    resource = an_order({"reference": reference})
    rig.accept(resource)
    assert rig.settle() == ["dead"]
    assert rig.there.writes() == []
    assert rig.alerts() == ["patient-unidentified"]


@pytest.mark.parametrize("reference", ["Encounter/7", "Encounter/7#x", "/Encounter/7", "Encounter/7?x=1"])
def test_h10_what_is_relative_here_leads_to_nothing_else_there_and_is_ours_again(rig: Rig, reference: str) -> None:
    resource = an_order({"identifier": PATIENT_9}, encounter={"reference": reference})
    made = rig.accept(resource)
    assert rig.settle() == ["acked"]
    (there,) = rig.there.all("MedicationRequest")
    assert "reference" not in there["encounter"]
    rig.there.put({**there, "priority": "stat"}, there["id"])
    rig.pull()
    ours = rig.resource("MedicationRequest", made.id)
    assert ours["priority"] == "stat"
    assert ours["encounter"]["reference"] == reference


def test_i5_a_second_and_third_run_write_nothing(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5, 7))
    rig.settle()
    rig.pull()
    sent, rows = len(rig.there.writes()), len(rig.rows())
    for _ in range(3):
        rig.clock.move(60)
        rig.settle()
        rig.pull()
    assert (len(rig.there.writes()), len(rig.rows())) == (sent, rows)


@pytest.mark.parametrize("how", ["another process", "a restart"])
def test_f9_the_window_holds_for_other_processes_on_the_database_and_after_a_restart(
    there: Peer, database: str, how: str
) -> None:
    rig = open_rig(there, database, Clock())
    there.lies.append(once(Act(effect=False, status=429, headers={"Retry-After": "60"}), _order_writes))
    rig.place(order("A-1"))
    rig.push()
    asked = len(there.asked)
    if how == "a restart":
        rig.restart(database)
    other = sync_peer.Peer(rig.service, rig.peer.remote, draw=lambda: 1.0)
    rig.place(order("B-1"))
    rig.clock.move(50)
    assert sending.push_all(other, TENANT) == 0
    assert {one.trouble for one in pull.pull(other, TENANT)} == {"left alone for now"}
    assert len(there.asked) == asked
    rig.clock.move(12)
    sending.push_all(other, TENANT)
    assert len(there.all("MedicationRequest")) == 2
    other.close()
    rig.close()


def test_f9_an_answer_to_what_left_before_the_window_does_not_end_it(rig: Rig) -> None:
    rig.peer.saw(Answer(429, {"retry-after": "60"}))
    rig.peer.saw(Answer(200, {}))
    assert not rig.peer.allows()
    rig.clock.move(62)
    assert rig.peer.allows()
    rig.peer.saw(Answer(200, {}))
    assert rig.peer.circuit == retry.CLOSED
