"""``sync.trace``: what happened to one order, with each request that its peer saw, once and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import aside, attempts, endpoints, outbox
from fhir_infusion.sync import push
from fhir_infusion.sync.trace import Event, trace_of
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR, MA = "MedicationRequest", "MedicationAdministration"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    there = Peer()
    opened = open_rig(there, tmp_path / "rig.db", Clock())
    yield opened
    opened.close()
    there.close()


def traced(rig: Rig, order_: str = "A-1") -> tuple[Event, ...]:
    return trace_of(rig.service, TENANT, order_)


def asked(events: tuple[Event, ...]) -> list[str]:
    """Return method and type of each request in the trace."""
    return [
        " ".join(one.request.partition("?")[0].split()[:2]).rstrip("…") for event in events for one in event.requests
    ]


def seen(there: Peer) -> list[str]:
    """Return method and path of each request that the peer saw."""
    kept = {"Patient": "/"}
    return [f"{one.method} {one.type}" + (kept.get(one.type, f"/{one.id}") if one.id else "") for one in there.asked]


def test_a_day_of_trouble_is_told_in_order_with_each_request_once(rig: Rig):
    rig.there.lies = [
        once(RESET),
        once(DROP),
        once(CUT),
        once(Act(effect=False, status=503, headers={"Retry-After": "7"})),
    ]
    rig.place(order("A-1"))
    rig.settle()
    rig.clock.move(60)
    rig.give(administration("G-1", "A-1", 5, 6))
    rig.settle()
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    events = traced(rig)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert sorted(asked(events)) == sorted(seen(rig.there))
    # Several rows go at a time; of one resource, one.
    assert [one for one in asked(events) if MR in one] == [one for one in seen(rig.there) if MR in one]
    answers = [one.answer for event in events for one in event.requests]
    assert answers.count("503") == 1
    assert sum(answer.startswith("in doubt: ") for answer in answers) == 3
    mine = [event for event in events if event.resource.startswith(MR)]
    kinds = [(event.kind, event.version) for event in mine if event.kind in {"version", "queued", "now"}]
    assert kinds == [("version", 1), ("queued", 1), ("version", 2), ("queued", 2), ("now", 2)]
    assert "stopped, update by test" in [event.text for event in mine]
    assert mine[-1].text.endswith("with our version 2; version 2 is acked")
    assert len({event.resource for event in events if event.resource.startswith(MA)}) == 3


def test_a_trace_holds_nothing_of_the_patient_or_of_the_dose(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    told = repr(traced(rig))
    assert not [word for word in ("Jane", "Ito", "mrn-A-1", "1970", "dobutamine", "3616", "ug/kg/min") if word in told]


def test_what_a_peer_changed_and_what_was_held_is_told(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = rig.there.all(MR)
    rig.there.put({**remote, "dosageInstruction": [{**remote["dosageInstruction"][0], "text": "CANARY"}]})
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.settle(rounds=3)
    rig.pull()
    kinds = {event.kind: event for event in traced(rig)}
    assert {"received", "conflict-opened", "sync-alert"} <= set(kinds)
    assert kinds["received"].text.startswith("their version 2 of 2025-05-01T")
    assert "CANARY" not in repr(kinds)


def test_an_attempt_whose_process_died_is_told_with_what_it_had_asked(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    rig.place(order("A-1"))

    class Died(BaseException):
        pass

    def die(point: str) -> None:
        if point == "push.answered":
            raise Died

    monkeypatch.setattr(push, "reach", die)
    (row,) = rig.service.store.transact(TENANT, lambda tx: outbox.claim(tx, "peer", "w", 1, 9))
    with pytest.raises(Died):
        push.deliver(rig.peer, TENANT, row)
    monkeypatch.undo()
    (first,) = [event for event in traced(rig) if event.kind == "attempt"]
    assert first.text == "attempt 1: is on its way"
    assert first.requests[-1].request == "GET MedicationRequest?identifier,_count"
    rig.clock.move(60)
    rig.settle()
    texts = [event.text for event in traced(rig) if event.kind == "attempt"]
    assert texts == ["attempt 1: sent, and the process ended before an answer was noted", "attempt 2: acked"]


def test_a_claim_that_left_nothing_behind_is_told_as_such(rig: Rig):
    rig.place(order("A-1"))
    rig.service.store.transact(TENANT, lambda tx: outbox.claim(tx, "peer", "w", 1, 9))
    rig.clock.move(60)
    rig.settle()
    texts = [event.text for event in traced(rig) if event.kind == "attempt"]
    assert texts[0] == "attempt 1: nothing is known; the process ended before it wrote anything"
    assert texts[-1] == "attempt 2: acked"


def test_a_row_that_is_tried_again_by_hand_keeps_what_was_noted_before(rig: Rig):
    rig.there.lies = [once(Act(effect=False, status=422), lambda one: one.writes and one.type == MR)]
    rig.place(order("A-1"))
    rig.settle()
    (row,) = rig.rows()
    rig.service.store.transact(TENANT, lambda tx: aside.replay(tx, row.seq, "mended there", "command:7"))
    rig.settle()
    events = traced(rig)
    assert [e.text for e in events if e.kind == "attempt"] == ["attempt 1: dead (422)", "attempt 1: acked"]
    assert "outbox row 1 dead -> pending: mended there (by command:7)" in [event.text for event in events]


@pytest.mark.parametrize("name", ["id", "literal", "order_id", "identifier"])
def test_an_order_is_found_by_each_of_its_names(rig: Rig, name: str):
    rig.place(order("A-1"))
    (id_,) = rig.ids()
    names = {"id": id_, "literal": f"{MR}/{id_}", "order_id": "A-1", "identifier": f"{ORDERS}|A-1"}
    assert {event.resource for event in traced(rig, names[name])} == {f"{MR}/{id_}"}


def test_an_order_that_is_not_there_is_refused_with_what_would_be_accepted(rig: Rig):
    with pytest.raises(Refused) as refused:
        traced(rig, "none")
    (issue,) = refused.value.issues
    assert issue.accepted == "the id of an order, its order_id, or system|value of its identifier"


def test_attempts_of_one_row_are_kept_apart_by_their_claim(rig: Rig):
    rig.there.lies = [once(RESET, lambda one: one.writes and one.type == MR, times=2)]
    rig.place(order("A-1"))
    rig.settle()
    (id_,) = rig.ids()
    made = rig.service.store.read(TENANT, lambda tx: attempts.of(tx, f"{MR}/{id_}"))
    assert [one.attempt for one in made] == list(range(1, len(made) + 1))
    assert made[-1].state == "acked"


@pytest.mark.parametrize(
    ("is_lost", "said"), [(True, "not known there any more; `sync replay`"), (False, "deleted there")]
)
def test_what_is_not_there_any_more_is_not_said_to_be_there(rig: Rig, *, is_lost: bool, said: str):
    rig.place(order("A-1"))
    rig.settle()
    assert traced(rig)[-1].text.startswith("there as MedicationRequest/")
    (there,) = rig.there.all("MedicationRequest")
    if is_lost:
        del rig.there.resources["MedicationRequest", there["id"]]
    else:
        rig.there.delete("MedicationRequest", there["id"])
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert traced(rig)[-1].text.startswith(said)
    assert f"(it was MedicationRequest/{there['id']}), and not ended here" in traced(rig)[-1].text
    rig.amend(order("A-1", priority="stat", status="stopped"))
    assert "not ended here" not in traced(rig)[-1].text


def test_h18_what_holds_back_all_of_a_remote_is_told_with_an_order_that_waits(rig: Rig):
    rig.service.store.transact(TENANT, lambda tx: endpoints.note_trouble(tx, "peer", "unreachable"))
    rig.place(order("A-1"))
    assert traced(rig)[-1].text == "not known there; version 1 is pending; trouble with the remote: unreachable"
    rig.service.store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    assert traced(rig)[-1].text.endswith("; the remote is paused: restored, see `sync resume`")
