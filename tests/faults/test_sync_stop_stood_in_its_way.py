"""Stops that something stands in the way of: what is there is stopped all the same. Hazards H6, H8, invariant I4."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, find
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.worker import sync_now
from tests.faults.invariants import demanded
from tests.faults.peer import DROP, RESET, Act, once
from tests.faults.rig import CALLER, Clock, administration, open_rig, order
from tests.faults.test_sync_deleted_here import delete
from tests.faults.test_sync_merge import rate_of, rated
from tests.faults.test_sync_set_anew import unset
from tests.faults.test_sync_versionless import Versionless

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.peer import Asked
    from tests.faults.rig import Rig

MR, MA = "MedicationRequest", "MedicationAdministration"


def _writes(asked: Asked) -> bool:
    return asked.writes and asked.type == MR


def _updates(asked: Asked) -> bool:
    return asked.method == "PUT" and asked.type == MR


def _statuses(rig: Rig, type_: str = MR) -> list[str]:
    return [one["status"] for one in rig.there.all(type_)]


def _placed(rig: Rig, **members: Any) -> str:
    rig.place(order("A-1", **members))
    rig.settle()
    (id_,) = rig.ids()
    return id_


# --------------------------------------------------------------------------------------------- what was never told


@pytest.mark.parametrize("waits", [True, False])
def test_h6_i4_a_stop_that_was_never_told_is_told_though_the_order_was_deleted_here_since(rig: Rig, *, waits: bool):
    """The remote is out of the settings meanwhile; what waits for it from before is the order as it ran."""
    if waits:
        rig.there.lies.append(lambda _: RESET)
        rig.place(order("A-1"))
        rig.push()
        rig.there.lies.clear()
        (id_,) = rig.ids()
    else:
        id_ = _placed(rig)
    with unset(rig):
        rig.amend(order("A-1", status="stopped"))
        delete(rig, MR, id_)
    rig.clock.move(60)
    sync_now(rig.service, "peer")
    rig.settle()
    assert _statuses(rig) == ["stopped"]
    assert rig.rows()[-1].version == 2
    assert rig.alerts() == ["untold"]
    told = len(rig.rows())
    sync_now(rig.service, "peer")
    assert len(rig.rows()) == told


# ------------------------------------------------------------------------------------------------- what it waits for


def test_h6_a_stop_of_what_was_given_does_not_wait_for_its_order_which_the_server_cannot_take(rig: Rig):
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    rig.settle()
    rig.there.lies.append(lambda asked: Act(effect=False, status=500) if _updates(asked) else None)
    rig.amend(order("A-1", priority="stat"))
    rig.push()
    rig.change({**administration("G-1", "A-1", 5), "status": "entered-in-error"})
    rig.push()
    assert set(_statuses(rig, MA)) == {"entered-in-error"}
    assert rig.states()[3] == "unknown"


# ---------------------------------------------------------------------------------------------- a create in doubt


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_h6_i4_a_stop_after_a_create_that_the_server_shows_late_does_not_make_a_second_order(rig: Rig, seconds: float):
    """Nothing there keeps an order from being made twice; the first one would run on, known to nobody."""
    rig.there.conditional = False
    rig.there.lies.append(once(Act(close="before", hidden_for=seconds), _writes))
    rig.place(order("A-1"))
    rig.push()
    assert rig.states() == ["unknown"]
    rig.amend(order("A-1", status="stopped"))
    rig.settle(20, 1.0)
    assert _statuses(rig) == ["stopped"]
    assert rig.states() == ["superseded", "acked"]
    assert rig.alerts() == []


def test_h6_i4_a_stop_reaches_what_a_create_in_doubt_made_though_its_patient_cannot_be_told_now(rig: Rig):
    rig.there.lies.append(once(DROP, _writes))
    rig.place(order("A-1"))
    rig.push()
    (patient,) = rig.there.all("Patient")
    rig.there.put({**patient, "active": False})
    rig.clock.move(700)
    rig.amend(order("A-1", status="stopped"))
    rig.settle(8)
    assert (_statuses(rig), rig.states()) == (["stopped"], ["superseded", "acked"])
    assert rig.alerts() == ["patient-merged-away"]


# ------------------------------------------------------------------------------------------- what it says beside that


def test_h6_i4_a_stop_that_the_release_of_the_server_has_no_word_for_stops_what_is_there(rig: Rig):
    """R4 knows no order that is ended: to be told otherwise than by an alarm, it is stopped there."""
    id_ = _placed(rig)
    now = find.read(rig.service, CALLER, "R5", MR, id_)
    ended = {**fhir_json.read(now.text), "status": "ended"}
    accept_resource.update(rig.service, CALLER, "R5", id_, ended, str(now.version))
    rig.settle(5)
    assert (_statuses(rig), rig.states()) == (["stopped"], ["acked", "dead"])
    assert rig.alerts() == ["untranslatable"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 412, 413, 428, 451, 500])
def test_h6_i4_whatever_a_server_answers_to_what_else_a_stop_says_what_is_there_is_stopped(rig: Rig, status: int):
    rig.place(rated("1.50"))
    rig.settle()
    rig.there.lies.append(
        lambda asked: Act(effect=False, status=status) if _updates(asked) and "4.50" in str(asked.body) else None
    )
    rig.amend(rated("4.50", status="stopped"))
    rig.settle(8)
    (there,) = rig.there.all(MR)
    assert (there["status"], rate_of(there)) == ("stopped", "1.50")
    is_put_aside = status not in {403, 409, 412, 500}
    assert (rig.states()[-1] == "dead", "rejected" in rig.alerts()) == (is_put_aside, is_put_aside)
    rig.there.lies.clear()
    rig.clock.move(1000)
    rig.settle()
    assert is_put_aside or rate_of(rig.there.all(MR)[0]) == "4.50"  # it followed once nothing was in its way


def test_h6_a_stop_does_not_wait_until_patients_can_be_looked_for_again(rig: Rig):
    _placed(rig)
    rig.clock.move(700)
    rig.there.lies.append(lambda asked: Act(effect=False, status=500) if asked.type == "Patient" else None)
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.push()
    (there,) = rig.there.all(MR)
    assert (there["status"], "priority" in there, rig.states()[-1]) == ("stopped", False, "pending")
    rig.there.lies.clear()
    rig.settle()
    (there,) = rig.there.all(MR)
    assert (there["status"], there["priority"], rig.states()[-1]) == ("stopped", "stat", "acked")


@pytest.mark.parametrize("status", [302, 403, 404, 422, 500])
def test_h6_a_stop_is_sent_where_patients_are_refused_for_good(rig: Rig, status: int):
    """Credentials that do not allow to look for patients any more: each refusal has the whole server left alone."""
    _placed(rig)
    rig.clock.move(700)
    rig.there.lies.append(lambda asked: Act(effect=False, status=status) if asked.type == "Patient" else None)
    for number in range(5):  # others before it, until the server is left alone
        rig.place(order(f"B-{number}"))
    rig.push()
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.clock.move(1_000)
    rig.push()
    (there,) = [one for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-1"]
    assert (there["status"], "priority" in there) == ("stopped", False)
    rig.there.lies.clear()
    rig.settle(step=60)
    (there,) = [one for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-1"]
    assert there["status"] == "stopped"


def test_h6_a_stop_waits_as_long_as_a_server_that_is_throttled_asks_for(rig: Rig):
    _placed(rig)
    rig.clock.move(700)
    lie = Act(effect=False, status=503, headers={"Retry-After": "120"})
    rig.there.lies.append(lambda asked: lie if asked.type == "Patient" else None)
    rig.amend(order("A-1", status="stopped"))
    rig.push()
    asked = len(rig.there.asked)
    rig.clock.move(60)
    rig.push()
    assert (len(rig.there.asked), _statuses(rig)) == (asked, ["active"])


def test_h6_a_stop_does_not_wait_until_their_change_beside_it_can_be_read(rig: Rig):
    _placed(rig)
    (there,) = rig.there.all(MR)
    subject = {"reference": there["subject"]["reference"]}
    rig.there.put({**there, "subject": subject, "note": [{"text": "theirs"}]})
    rig.clock.move(700)
    rig.there.lies.append(lambda asked: Act(effect=False, status=500) if asked.type == "Patient" and asked.id else None)
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.push()
    (there,) = rig.there.all(MR)
    assert (there["status"], "priority" in there, there["note"]) == ("stopped", False, [{"text": "theirs"}])
    rig.there.lies.clear()
    rig.settle()
    (there,) = rig.there.all(MR)
    assert (there["status"], there["priority"], there["note"]) == ("stopped", "stat", [{"text": "theirs"}])


def test_h6_that_it_was_an_error_is_told_of_what_was_stopped_there_though_a_dose_beside_it_is_held(rig: Rig):
    rig.place(rated("1.50"))
    rig.settle()
    (there,) = rig.there.all(MR)
    slowly = [{**there["dosageInstruction"][0], "text": "slowly"}]
    rig.there.put({**there, "status": "stopped", "dosageInstruction": slowly})
    rig.amend(rated("4.50", status="entered-in-error"))
    rig.settle(8)
    (there,) = rig.there.all(MR)
    assert (there["status"], rate_of(there)) == ("entered-in-error", "1.50")
    assert [one.fields for one in rig.conflicts()] == [("clinical",)]


# ------------------------------------------------------------------------------------------------------ what is there


@pytest.mark.parametrize("is_held", [True, False])
def test_h6_h15_a_stop_that_a_server_takes_and_does_not_do_is_put_aside_with_an_alarm(rig: Rig, *, is_held: bool):
    rig.place(rated("1.50"))
    rig.settle()
    if is_held:
        rig.there.lies.append(
            lambda asked: Act(effect=False, status=422) if _updates(asked) and "4.50" in str(asked.body) else None
        )
    rig.there.lies.append(
        lambda asked: Act(change=lambda body: {**body, "status": "active"}) if _updates(asked) else None
    )
    rig.amend(rated("4.50" if is_held else "1.50", status="stopped"))
    rig.settle(5)
    assert (rig.states()[-1], rig.rows()[-1].last_error_code) == ("dead", "altered status")
    assert rig.alerts() == ["altered status"]


@pytest.mark.parametrize("status", [404, 410])
def test_h6_h8_a_stop_reaches_what_was_gone_there_and_is_back_under_its_id(rig: Rig, status: int):
    id_ = _placed(rig)
    (there,) = rig.there.all(MR)
    kept = rig.there.resources[MR, there["id"]]
    if status == 404:
        del rig.there.resources[MR, there["id"]]
    else:
        rig.there.delete(MR, there["id"])
    rig.amend(order("A-1", priority="stat"))
    rig.settle(5)
    rig.there.resources[MR, there["id"]] = kept
    if status == 410:
        rig.there.put(there)
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle(5)
    (there,) = rig.there.all(MR)
    assert (there["status"], "priority" in there, rig.states()[-1]) == ("stopped", False, "dead")
    assert rig.link_state(f"{MR}/{id_}") in {"lost", "gone"}


def test_h6_h10_a_stop_finds_its_order_where_another_has_its_id_by_now(rig: Rig):
    rig.place(order("A-1"))
    rig.place(order("B-1"))
    rig.settle()
    one, other = rig.there.all(MR)
    rig.there.put({**one, "id": other["id"]})
    rig.there.put({**other, "id": one["id"]})
    rig.amend(order("A-1", status="stopped"))
    rig.settle(8)
    found = {there["identifier"][0]["value"]: there["status"] for there in rig.there.all(MR)}
    assert found == {"A-1": "stopped", "B-1": "active"}


@pytest.mark.parametrize("is_linked", [True, False])
def test_i4_h6_a_stop_goes_to_each_that_carries_the_identifier_and_a_person_says_which_stays(
    rig: Rig, *, is_linked: bool
):
    rig.place(order("A-1.0", status="cancelled"))
    rig.settle()
    rig.there.double_create = not is_linked
    rig.place(order("A-1"))
    rig.settle()
    if is_linked:
        (there,) = [one for one in rig.there.all(MR) if one["status"] == "active"]
        for _ in range(2):
            rig.there.put({**there, "id": ""})
        del rig.there.resources[MR, there["id"]]
    assert _statuses(rig).count("active") == 2
    rig.amend(order("A-1", status="stopped"))
    rig.settle(5)
    assert sorted(_statuses(rig)) == ["cancelled", "stopped", "stopped"]
    assert rig.states()[-1] == "duplicate"
    assert rig.alerts()[-1] == "duplicate"


def test_h6_a_stop_that_is_sent_alone_reaches_a_server_without_versions(tmp_path: Path):
    there = Versionless()
    there.checks_match = False
    with demanded(open_rig(there, tmp_path / "ours.db", Clock())) as rig:
        rig.place(rated("1.50"))
        rig.settle()
        there.lies.append(
            lambda asked: Act(effect=False, status=422) if _updates(asked) and "4.50" in str(asked.body) else None
        )
        there.lies.append(
            lambda asked: (
                Act(effect=False, status=412) if _updates(asked) and "if-none-match" in asked.headers else None
            )
        )
        rig.amend(rated("4.50", status="stopped"))
        rig.settle(8)
        (one,) = there.all(MR)
        assert (one["status"], rate_of(one)) == ("stopped", "1.50")
    there.close()


# ---------------------------------------------------------------------------------------------------- on our own side


def test_h6_f20_a_stop_that_makes_us_fail_each_time_stops_what_is_there_before_it_is_put_aside(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    _placed(rig)

    def failing(*_: object) -> object:
        raise RecursionError

    monkeypatch.setattr("fhir_infusion.sync.preparing.outgoing", failing)
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle(12)
    (there,) = rig.there.all(MR)
    assert (there["status"], "priority" in there) == ("stopped", False)
    assert (rig.states()[-1], rig.rows()[-1].last_error_code) == ("dead", "crash-4")
    assert rig.alerts() == ["poison"]


def test_h6_a_stop_that_the_settings_kept_back_for_a_while_is_told_once_they_do_not(rig: Rig):
    _placed(rig)
    rig.amend(order("A-1", status="stopped"))
    whole = rig.peer.remote
    rig.peer.remote = replace(whole, resources=(MA,))
    rig.push()
    assert (rig.states(), _statuses(rig)) == (["acked", "superseded"], ["active"])
    rig.peer.remote = whole
    sync_now(rig.service, "peer")
    rig.settle()
    assert (_statuses(rig), rig.alerts()) == (["stopped"], ["untold"])
