"""What is taken of a peer's change, by the settings of the remote and by how often: hazards H15, H17, faults F12."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, find
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.resolve import Keep, resolve
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import CALLER, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from tests.faults.peer import Asked

MR = "MedicationRequest"


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return Decimal(format(value.normalize(), "f")) if isinstance(value, Decimal) else value


def rated(value: str, **members: Any) -> dict[str, Any]:
    """Return the order with this rate, and with a remark on how to run it."""
    rate = {"value": fhir_json.read(f'{{"n":{value}}}')["n"], "unit": "ug/kg/min"}
    return order("A-1", steps=[{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}], **members)


def rate_of(resource: dict[str, Any]) -> str:
    return fhir_json.write(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"]).decode()


def _there(rig: Rig) -> dict[str, Any]:
    (resource,) = rig.there.all(MR)
    return resource


def _change_there(rig: Rig, text: str, **members: Any) -> None:
    there = _there(rig)
    rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": text}], **members})


def test_h15_i8_a_peer_that_rounds_and_edits_the_dosage_later_does_not_round_ours(rig: Rig):
    rig.there.lies.append(lambda asked: Act(change=rounded) if asked.type == MR and asked.writes else None)
    rig.place(rated("1.50"))
    assert rig.settle() == ["acked"]
    assert rate_of(_there(rig)) == "1.5"
    _change_there(rig, "slowly")
    rig.pull()
    ours = rig.resource(MR, rig.ids()[0])
    assert (ours["dosageInstruction"][0]["text"], rate_of(ours)) == ("slowly", "1.50")
    assert rig.alerts() == ["altered dosageInstruction:precision", "precision-kept dosageInstruction"]
    # It is not told back to them either, and a later change of ours goes out in our spelling.
    writes = len(rig.there.writes(MR))
    rig.settle()
    rig.pull()
    assert len(rig.there.writes(MR)) == writes
    rig.amend(rated("2.50"))
    rig.settle()
    assert rig.there.writes(MR)[-1].body["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"].text == (
        "2.50"
    )
    assert rig.conflicts() == []


@pytest.mark.parametrize("rounds", [True, False])
@pytest.mark.parametrize("later", ["", "7.50"])
def test_f6_f12_what_arrived_there_without_a_clear_answer_is_no_change_of_theirs(rig: Rig, later: str, *, rounds: bool):
    """Somebody there adds a remark before we can look: it was our dose that they remarked upon, and not another."""
    if rounds:
        rig.there.lies.append(lambda asked: Act(change=rounded) if asked.type == MR and asked.writes else None)
    rig.place(rated("1.50"))
    assert rig.settle() == ["acked"]
    rig.there.lies.insert(0, once(Act(close="before", change=rounded if rounds else None)))
    rig.amend(rated("4.60"))
    rig.push()
    assert rig.states() == ["acked", "unknown"]
    rig.there.put({**_there(rig), "note": [{"text": "looked at"}]})
    if later:
        rig.amend(rated(later))
    rig.settle()
    rig.pull()
    rig.settle()
    assert rig.conflicts() == []
    ours, wanted = rig.resource(MR, rig.ids()[0]), later or "4.60"
    assert (rate_of(ours), ours["note"]) == (wanted, [{"text": "looked at"}])
    assert (rate_of(_there(rig)), _there(rig)["note"]) == (wanted[: 3 if rounds else 4], [{"text": "looked at"}])
    assert set(rig.states()) <= {"acked", "superseded"}


@pytest.mark.parametrize("rounds", [True, False])
def test_f6_a_create_that_was_remarked_upon_before_we_could_look_is_ours(rig: Rig, *, rounds: bool):
    alter = rounded if rounds else None
    rig.there.lies.append(once(Act(close="before", change=alter), when=lambda asked: asked.writes and asked.type == MR))
    if rounds:
        rig.there.lies.append(lambda asked: Act(change=rounded) if asked.type == MR and asked.writes else None)
    rig.place(rated("1.50"))
    rig.push()
    assert rig.states() == ["unknown"]
    rig.there.put({**_there(rig), "note": [{"text": "looked at"}], "status": "on-hold"})
    rig.settle()
    rig.pull()
    rig.settle()
    assert rig.conflicts() == []
    ours = rig.resource(MR, rig.ids()[0])
    assert (rate_of(ours), ours["status"], ours["note"]) == ("1.50", "on-hold", [{"text": "looked at"}])
    assert len(rig.there.all(MR)) == 1
    assert set(rig.states()) <= {"acked", "superseded"}


def test_f6_h17_a_create_in_doubt_whose_dose_is_another_there_is_held_for_a_person(rig: Rig):
    rig.there.lies.append(once(Act(close="before"), when=lambda asked: asked.writes and asked.type == MR))
    rig.place(rated("1.50"))
    rig.push()
    _change_there(rig, "slowly")
    rig.settle()
    assert rig.states() == ["conflict"]
    assert [one.fields for one in rig.conflicts()] == [("identifier",)]


def test_what_a_server_of_another_release_wrote_stays_where_only_that_release_can_say_it(rig: Rig):
    """An R4 server's own extension is not seen by an R5 server, so a change made there does not remove it."""
    own = {"url": "https://example.org/fhir/StructureDefinition/own", "valueString": "kept"}
    rig.place(order("A-1"))
    (id_,) = rig.ids()
    accept_resource.update(
        rig.service, CALLER, "R4", id_, {**rig.resource(MR, id_), "extension": [own]}, "1", origin="an-r4-server"
    )
    in_r5 = fhir_json.read(find.read(rig.service, CALLER, "R5", MR, id_).text)
    assert own not in in_r5.get("extension", [])
    accept_resource.update(rig.service, CALLER, "R5", id_, {**in_r5, "priority": "urgent"}, "2", origin="an-r5-server")
    ours = rig.resource(MR, id_)
    assert (ours["priority"], ours["extension"]) == ("urgent", [own])
    in_r5 = fhir_json.read(find.read(rig.service, CALLER, "R5", MR, id_).text)
    assert (in_r5["priority"], in_r5.get("extension", [])) == ("urgent", [])


def _own(text: str) -> list[dict[str, Any]]:
    return [{"url": "https://example.org/fhir/StructureDefinition/own", "valueString": text}]


@pytest.mark.parametrize("origin", ["an-r5-server", ""], ids=["a server", "a client"])
@pytest.mark.parametrize("named", [True, False])
def test_h14_what_only_r4_says_below_an_element_outlives_an_edit_in_r5_or_is_told(
    rig: Rig, origin: str, *, named: bool
):
    step_id = {"step_id": "run"} if named else {}
    rig.place(order("A-1", steps=[{**step_id, "dosings": [{"rate": {"value": 5, "unit": "ug/kg/min"}}]}]))
    (id_,) = rig.ids()
    ours = rig.resource(MR, id_)
    (step,) = ours["dosageInstruction"]
    (dosing,) = step["doseAndRate"]
    rate = {**dosing["rateQuantity"], "extension": _own("by phone")}
    step = {**step, "extension": _own("step"), "doseAndRate": [{**dosing, "rateQuantity": rate}]}
    words = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">5 ug/kg/min</div>'}
    note = {"text": "seen", "extension": _own("note")}
    ours = {**ours, "dosageInstruction": [step], "note": [note], "text": words}
    accept_resource.update(rig.service, CALLER, "R4", id_, ours, "1")
    in_r5 = fhir_json.read(find.read(rig.service, CALLER, "R5", MR, id_).text)
    assert "example.org" not in str(in_r5)
    # Another note before that one: what stands below the others goes back.
    more = {**in_r5, "note": [{"text": "more"}, *in_r5["note"]]}
    told = accept_resource.update(rig.service, CALLER, "R5", id_, more, "2", origin=origin).findings
    assert [one for one in told if one.rule in {"other-release", "edited-extension"}] == []
    now = rig.resource(MR, id_)
    assert (now["note"], now["dosageInstruction"]) == ([{"text": "more"}, note], [step])
    assert "text" not in now  # it described what was before
    # Another rate: what stood below it is not put beside that, and is told by its place.
    in_r5 = fhir_json.read(find.read(rig.service, CALLER, "R5", MR, id_).text)
    in_r5["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"] = 7
    told = accept_resource.update(rig.service, CALLER, "R5", id_, in_r5, "3", origin=origin).findings
    (left,) = [one for one in told if one.rule == "other-release"]
    places = ["dosageInstruction.extension"] * (not named) + ["dosageInstruction.doseAndRate.rateQuantity.extension"]
    assert left.reason.partition("is another now: ")[2] == ", ".join(places)
    assert [one.path for one in told if one.rule == "edited-extension"] == ["dosageInstruction[run]"] * named
    (now_step,) = (now := rig.resource(MR, id_))["dosageInstruction"]
    assert now["note"] == [{"text": "more"}, note]
    assert now_step.get("extension") == (_own("step") if named else None)
    assert now_step["doseAndRate"][0]["rateQuantity"] == {**dosing["rateQuantity"], "value": 7}


def test_what_an_r5_server_changed_away_from_what_only_r4_says_raises_an_alarm(there: Peer, database: str):
    rig = open_rig(there, database, Clock(), release="R5")
    rig.place(order("A-1"))
    (id_,) = rig.ids()
    note = {"text": "seen", "extension": _own("note")}
    accept_resource.update(rig.service, CALLER, "R4", id_, {**rig.resource(MR, id_), "note": [note]}, "1")
    rig.settle()
    there.put({**_there(rig), "note": [{"text": "seen"}, {"text": "more"}]})
    rig.pull()
    assert (rig.resource(MR, id_)["note"], rig.alerts()) == ([note, {"text": "more"}], [])
    there.put({**_there(rig), "note": [{"text": "not seen"}]})
    rig.pull()
    assert (rig.resource(MR, id_)["note"], rig.alerts()) == ([{"text": "not seen"}], ["other-release"])
    rig.close()


# --------------------------------------------------------------------------------------------- who may change what


def owned(there: Peer, database: str, owner: str) -> Rig:
    one = open_rig(there, database, Clock(), owns_orders=owner)
    one.place(order("A-1"))
    one.settle()
    return one


def _text(resource: dict[str, Any]) -> str:
    return str(resource["dosageInstruction"][0].get("text", ""))


def _both(rig: Rig) -> tuple[str, str]:
    return _text(rig.resource(MR, rig.ids()[0])), _text(_there(rig))


def _said(text: str, **members: Any) -> dict[str, Any]:
    return order("A-1", steps=[{"step_id": "run", "text": text}], **members)


def _decide(rig: Rig, keep: Keep) -> None:
    (held,) = rig.conflicts()
    resolve(rig.service, "command:7", held.conflict_id, keep, "asked the ward")
    rig.settle()


@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_h17_a_dose_that_is_ours_is_not_changed_by_them_without_a_person(there: Peer, database: str, keep: Keep):
    rig = owned(there, database, "ours")
    before = _text(rig.resource(MR, rig.ids()[0]))
    _change_there(rig, "theirs")
    rig.pull()
    assert (_both(rig), rig.conflicts()[0].fields) == ((before, "theirs"), ("clinical",))
    _decide(rig, keep)
    assert (_both(rig), rig.conflicts()) == (((before if keep == "ours" else "theirs"),) * 2, [])
    rig.amend(_said("ours"))
    rig.settle()
    assert (_both(rig), rig.conflicts()) == (("ours", "ours"), [])
    rig.close()


@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_h17_a_dose_that_is_theirs_is_not_changed_by_us_without_a_person(there: Peer, database: str, keep: Keep):
    rig = owned(there, database, "theirs")
    before = _text(_there(rig))
    writes = len(rig.there.writes(MR))
    rig.amend(_said("ours"))
    assert rig.settle() == ["acked", "conflict"]
    assert (_both(rig), rig.conflicts()[0].fields) == (("ours", before), ("clinical",))
    assert len(rig.there.writes(MR)) == writes
    _decide(rig, keep)
    assert (_both(rig), rig.conflicts()) == (((before if keep == "theirs" else "ours"),) * 2, [])
    # What was decided once is no leave for the next change; theirs is taken as ever.
    rig.amend(_said("again"))
    rig.settle(rounds=3)
    assert len(rig.conflicts()) == 1
    _decide(rig, "theirs")
    _change_there(rig, "theirs")
    rig.pull()
    assert (_both(rig), rig.conflicts()) == (("theirs", "theirs"), [])
    rig.close()


def test_what_is_not_clinical_and_what_they_changed_flows_whoever_owns_it(there: Peer, database: str):
    rig = owned(there, database, "theirs")
    _change_there(rig, "theirs")
    record = find.record(rig.service, CALLER, MR, rig.ids()[0]).record
    rig.amend({**record, "priority": "stat"})
    rig.settle()
    assert (_both(rig), _there(rig)["priority"], rig.conflicts()) == (("theirs", "theirs"), "stat", [])
    rig.close()


@pytest.mark.parametrize("changed_there", [False, True])
def test_i4_h6_a_stop_goes_out_though_a_dose_beside_it_is_held(there: Peer, database: str, changed_there: object):
    rig = owned(there, database, "theirs")
    before = _text(_there(rig))
    rig.amend(_said("ours"))
    rig.settle(rounds=3)
    if changed_there:
        rig.there.put({**_there(rig), "priority": "stat"})
    rig.amend(_said("ours", status="stopped"))
    rig.settle(rounds=6)
    assert (_there(rig)["status"], _text(_there(rig)), len(rig.conflicts())) == ("stopped", before, 1)
    rig.close()


@pytest.mark.parametrize("keep", ["ours", "theirs"])
@pytest.mark.parametrize("is_read", [False, True])
def test_h17_i4_what_they_change_after_a_stop_of_ours_arrived_beside_a_held_dose_is_not_lost(
    rig: Rig, keep: Keep, *, is_read: bool
):
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    _change_there(rig, "theirs", note=[{"text": "first"}])
    rig.amend(_said("ours", status="stopped"))
    rig.settle(rounds=6)
    assert (_there(rig)["status"], _text(_there(rig)), len(rig.conflicts())) == ("stopped", "theirs", 1)
    if is_read:
        rig.pull()
    there = _there(rig)
    rig.there.put({**there, "note": [*there["note"], {"text": "second"}]})
    for _ in range(3):
        rig.pull()
        rig.settle(rounds=6)
    notes = [one["text"] for one in _there(rig)["note"]]
    assert (_there(rig)["status"], _text(_there(rig)), notes) == ("stopped", "theirs", ["first", "second"])
    assert [one.fields for one in rig.conflicts()] == [("clinical",)]
    with pytest.raises(Refused) as refused:
        _decide(rig, keep)
    assert refused.value.status == 409  # theirs is another than the one that was shown: it is held as it is now
    _decide(rig, keep)
    assert (_both(rig), rig.conflicts()) == ((keep, keep), [])
    assert (rig.resource(MR, rig.ids()[0])["status"], _there(rig)["status"]) == ("stopped", "stopped")


@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_h6_h8_a_stop_of_theirs_is_taken_though_a_dose_beside_it_is_held(rig: Rig, keep: Keep):
    rig.place(order("A-1"))
    rig.settle()
    _change_there(rig, "theirs", status="stopped")
    rig.amend(_said("ours"))
    rig.pull()
    ours = rig.resource(MR, rig.ids()[0])
    assert (ours["status"], _text(ours), [one.fields for one in rig.conflicts()]) == (
        "stopped",
        "ours",
        [("clinical",)],
    )
    rig.settle(rounds=3)
    _decide(rig, keep)
    assert (_both(rig), rig.conflicts()) == ((keep, keep), [])
    assert (rig.resource(MR, rig.ids()[0])["status"], _there(rig)["status"]) == ("stopped", "stopped")


def test_h6_a_stop_of_an_administration_goes_out_though_its_order_is_held(rig: Rig):
    rig.place(order("A-1"))
    given = administration("G-1", "A-1", 5)
    rig.give(given)
    rig.settle()
    _change_there(rig, "theirs")
    rig.amend(_said("ours"))
    rig.settle(rounds=3)
    assert [one.fields for one in rig.conflicts()] == [("clinical",)]
    rig.change({**given, "status": "stopped"})
    rig.settle(rounds=6)
    assert {one["status"] for one in rig.there.all("MedicationAdministration")} == {"stopped"}
    assert (_both(rig), len(rig.conflicts())) == (("ours", "theirs"), 1)


# --------------------------------------------------------------------------------------------- merging without end


def test_f12_the_third_merge_is_the_last_one_then_a_person_looks_at_it(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()

    def editor(asked: Asked) -> None:
        """Change it in the moment before each of our writes."""
        if asked.type == MR and asked.method == "PUT":
            there = _there(rig)
            rig.there.put({**there, "note": [*there.get("note", []), {"text": f"theirs {len(rig.there.asked)}"}]})

    rig.there.lies.append(editor)
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert [row.last_error_code for row in rig.rows()] == ["", "merged", "merged", "merged", "rounds"]
    assert [one.fields for one in rig.conflicts()] == [("rounds",)]
    assert len([one for one in rig.there.writes(MR) if one.method == "PUT"]) == 4
    assert "priority" not in _there(rig)
    # A person decides; then it goes on, and the count begins anew.
    rig.there.lies.clear()
    _decide(rig, "ours")
    notes = [one["text"] for one in rig.resource(MR, rig.ids()[0])["note"]]
    assert (_there(rig)["priority"], [one["text"] for one in _there(rig)["note"]]) == ("stat", notes)
    assert (rig.conflicts(), rig.states()[-1]) == ([], "acked")


def test_f12_i4_a_stop_goes_out_though_it_was_merged_too_often(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    edits = iter(range(4))

    def editor(asked: Asked) -> None:
        if asked.type == MR and asked.method == "PUT" and next(edits, None) is not None:
            there = _there(rig)
            rig.there.put({**there, "note": [*there.get("note", []), {"text": f"theirs {len(rig.there.asked)}"}]})

    rig.there.lies.append(editor)
    rig.amend(order("A-1", status="stopped"))
    rig.settle(rounds=20)
    assert (_there(rig)["status"], [one.fields for one in rig.conflicts()]) == ("stopped", [("rounds",)])
