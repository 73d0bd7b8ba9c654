"""Comparing both sides as a whole, and putting right what differs: reliability 3.7.6."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest

from fhir_infusion.actions import delete_resource
from fhir_infusion.errors import Refused
from fhir_infusion.store import audit, endpoints, links, outbox
from fhir_infusion.sync import mending
from fhir_infusion.sync.listing import ListingError
from fhir_infusion.sync.reconcile import reconcile
from tests import exact_json
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import CALLER, ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.sync.standings import Standing

MR = "MedicationRequest"
MA = "MedicationAdministration"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer(page=3)
    one = open_rig(there, database, Clock())
    yield one
    one.close()
    there.close()


def compared(rig: Rig) -> list[Standing]:
    return [one for type_ in (MR, MA) for one in reconcile(rig.peer, TENANT, type_)]


def kinds(rig: Rig) -> dict[str, int]:
    return dict(Counter(one.kind for one in compared(rig)))


def unsettled(rig: Rig) -> list[Standing]:
    return [one for one in compared(rig) if not one.is_settled]


def repair(rig: Rig) -> dict[str, Any]:
    names = " ".join(one.name for one in unsettled(rig))
    return mending.mend(rig.service, "command:7", "peer", names, "after the outage")


def theirs(rig: Rig, order_id: str) -> dict[str, Any]:
    (one,) = [one for one in rig.there.all(MR) if {"system": ORDERS, "value": order_id} in one["identifier"]]
    return one


def of(rig: Rig, order_id: str) -> Standing:
    there, id_ = {one["id"] for one in rig.there.all(MR) if order_id in str(one["identifier"])}, ""
    try:
        id_ = rig.id_of(MR, order_id)
    except ValueError:
        id_ = "-"
    (one,) = [one for one in compared(rig) if one.theirs.partition("/")[2] in there or one.ours == f"{MR}/{id_}"]
    return one


def forget_rows(rig: Rig) -> None:
    """Lose the open outbox rows, as a restore of ours or a fault would."""
    for row in rig.rows():
        if row.state == "pending":
            rig.service.store.transact(TENANT, lambda tx: outbox.change(tx, row, {"state": "superseded"}))  # noqa: B023


def test_after_a_settled_exchange_both_sides_are_equal_and_nothing_was_written_to_find_out(rig: Rig) -> None:
    for number in range(7):
        rig.place(order(f"A-{number}.1"))
    rig.give(administration("G-1", "A-1.1", 5, "7.50"))
    minted = {
        "resourceType": MR,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"identifier": {"system": "urn:test:mrn", "value": "mrn-A-1"}},
        "requester": {"reference": "Practitioner/9"},
        "dosageInstruction": [{"text": "as told"}],
    }
    rig.accept(minted)
    rig.settle()
    rig.pull()
    writes, rows = len(rig.there.writes()), len(rig.rows())
    assert kinds(rig) == {"equal": 11}
    assert (len(rig.there.writes()), len(rig.rows())) == (writes, rows)


def test_what_a_peer_writes_otherwise_is_told_and_is_no_difference(rig: Rig) -> None:
    def rounded(body: dict[str, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", exact_json.loads(exact_json.dumps(body).replace("7.50", "7.5")))

    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(lambda asked: Act(change=rounded) if asked.type == MA and asked.writes else None)
    rig.give(administration("G-1", "A-1", "7.50"))
    rig.settle()
    told = [one for one in compared(rig) if one.kind != "equal"]
    assert [(one.kind, one.elements, one.is_settled, one.repair) for one in told] == [
        ("altered", ("dosage",), True, "")
    ]


def test_a_change_here_that_waits_is_pushed_and_one_whose_row_was_lost_is_told_again(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.settle()
    rig.amend(order("A-1", priority="stat"))
    forget_rows(rig)
    rig.amend(order("A-2", priority="stat"))
    rig.place(order("A-3"))
    rig.place(order("A-4"))
    row = rig.rows()[-1]
    rig.service.store.transact(TENANT, lambda tx: outbox.change(tx, row, {"state": "superseded"}))
    found = {number: of(rig, f"A-{number}") for number in range(1, 5)}
    assert {number: (one.kind, one.repair) for number, one in found.items()} == {
        1: ("unsent", "enqueue"),
        2: ("ours-newer", "push"),
        3: ("ours-newer", "push"),
        4: ("unsent", "enqueue"),
    }
    assert found[1].elements == ("priority",)
    assert repair(rig)["left"] == []
    assert kinds(rig) == {"equal": 4}
    assert theirs(rig, "A-1")["priority"] == "stat"


def test_what_changed_there_or_is_there_only_is_taken_by_way_of_the_inbox(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    changed = theirs(rig, "A-1")
    rig.there.put({**changed, "note": [{"text": "seen"}]})
    rig.there.put({**changed, "id": "new", "identifier": [{"system": "urn:theirs", "value": "T-1"}]}, "new")
    assert (of(rig, "A-1").kind, of(rig, "T-1").kind) == ("theirs-newer", "untaken")
    assert repair(rig)["kinds"] == {"theirs-newer": 1, "untaken": 1}
    assert kinds(rig) == {"equal": 2}
    assert rig.resource(MR, rig.id_of(MR, "A-1"))["note"] == [{"text": "seen"}]
    assert len(rig.all()) == 2


def test_changes_on_both_sides_are_merged_or_held_and_what_is_held_stays_a_difference(rig: Rig) -> None:
    for number in (1, 2):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.there.put({**theirs(rig, "A-1"), "note": [{"text": "seen"}]})
    there = theirs(rig, "A-2")
    rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": "theirs"}]})
    rig.amend(order("A-1", priority="stat"))
    rig.amend(order("A-2", steps=[{"step_id": "run", "text": "ours"}]))
    forget_rows(rig)
    assert (of(rig, "A-1").kind, of(rig, "A-2").kind) == ("differs", "differs")
    assert of(rig, "A-1").elements == ("note", "priority")
    repair(rig)
    assert of(rig, "A-1").kind == "equal"
    (conflict,) = rig.conflicts()
    held = of(rig, "A-2")
    assert (held.kind, held.code, held.repair) == ("held", conflict.conflict_id, "person")
    assert repair(rig)["left"] == [held.line()]
    assert len(rig.conflicts()) == 1


def test_h15_what_the_peer_keeps_otherwise_than_it_was_sent_is_held_for_a_person(rig: Rig) -> None:
    rig.there.lies.append(
        once(
            Act(change=lambda body: {**body, "dosageInstruction": [{"text": "another dose"}]}),
            lambda a: a.type == MR and a.writes,
        )
    )
    rig.place(order("A-1"))
    rig.settle()
    one = of(rig, "A-1")
    assert (one.kind, one.elements, one.repair) == ("differs", ("dosageInstruction",), "hold")
    repair(rig)
    (conflict,) = rig.conflicts()
    assert conflict.fields == ("altered",)
    assert of(rig, "A-1").kind == "held"


def test_f14_f19_what_is_gone_or_vanished_there_becomes_a_tombstone_with_an_alarm_and_is_never_created_again(
    rig: Rig,
) -> None:
    for number in (1, 2):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.there.delete(MR, theirs(rig, "A-1")["id"])
    del rig.there.resources[MR, theirs(rig, "A-2")["id"]]
    assert sorted(one.kind for one in unsettled(rig)) == ["gone", "vanished"]
    repair(rig)
    assert sorted(rig.alerts()) == ["deleted-active", "deleted-active", "gone", "gone", "vanished"]
    assert kinds(rig) == {"lost": 1, "deleted-active": 1}
    assert rig.there.all(MR) == []
    rig.there.put({"resourceType": MR, **order_like(rig, "A-1")}, "back")
    assert kinds(rig) == {"lost": 1, "deleted-active": 1, "unlinked": 1}
    rig.amend(order("A-1", status="stopped"))
    assert kinds(rig) == {"lost": 1, "tombstone": 1, "ours-newer": 1}
    rig.settle()
    assert theirs(rig, "A-1")["status"] == "stopped"
    assert kinds(rig) == {"lost": 1, "equal": 1}


def order_like(rig: Rig, order_id: str) -> dict[str, Any]:
    resource = rig.resource(MR, rig.id_of(MR, order_id))
    return {name: value for name, value in resource.items() if name not in {"id", "meta"}}


def test_one_of_theirs_with_our_identifier_is_linked_where_ours_has_no_link(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    aggregate = f"{MR}/{rig.id_of(MR, 'A-1')}"
    rig.service.store.transact(TENANT, lambda tx: links.forget(tx, "peer", aggregate))
    assert of(rig, "A-1").kind == "unlinked"
    writes = len(rig.there.writes())
    repair(rig)
    assert (of(rig, "A-1").kind, rig.conflicts()) == ("equal", [])
    assert len(rig.there.writes()) == writes


def test_f11_a_second_one_there_with_our_identifier_is_told_as_a_duplicate_and_left_to_a_person(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    there = theirs(rig, "A-1")
    rig.there.put(there, "second")
    (one,) = unsettled(rig)
    assert (one.kind, one.theirs, one.repair) == ("duplicate", f"{MR}/second", "person")
    assert repair(rig)["left"] == [one.line()]


def test_what_was_put_aside_or_quarantined_is_left_to_a_person(rig: Rig) -> None:
    rig.there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    rig.place(order("A-1"))
    rig.settle()
    rig.there.put({"resourceType": MR, "identifier": [{"value": "T-1"}]}, "bad")
    rig.pull()
    found = {one.kind: one for one in unsettled(rig)}
    assert {name: one.repair for name, one in found.items()} == {"put-aside": "person", "quarantined": "person"}
    assert found["put-aside"].code == "422"
    assert len(repair(rig)["left"]) == 2


def test_what_was_deleted_here_and_a_plan_that_nobody_is_told_of_are_no_differences(rig: Rig) -> None:
    rig.place(order("A-1", status="cancelled"))
    rig.settle()
    (id_,) = rig.ids()
    delete_resource.delete(rig.service, CALLER, MR, id_, "1")
    rig.place(order("A-2", intent="plan"))
    assert kinds(rig) == {"deleted-here": 1, "plan": 1}


def test_what_the_listing_skipped_is_asked_for_before_it_is_believed_missing(rig: Rig) -> None:
    for number in range(7):
        rig.place(order(f"A-{number}"))
    rig.settle()
    old = theirs(rig, "A-0")

    def touch(offset: int) -> None:
        if offset == 3:
            rig.there.put({**theirs(rig, "A-0"), **old})

    rig.there.between_pages = touch
    found = compared(rig)
    assert len({one.ours for one in found}) == len(found) == 7


def test_a_listing_that_ends_in_the_middle_is_an_error_and_nothing_is_said_to_be_missing(rig: Rig) -> None:
    for number in range(7):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.there.lies.append(lambda asked: Act(effect=False, status=500) if "_offset" in asked.query else None)
    with pytest.raises(ListingError):
        compared(rig)


def test_a_repair_needs_a_reason_names_and_a_remote_that_is_not_paused_and_stands_in_the_trail(rig: Rig) -> None:
    rig.place(order("A-1"))
    forget_rows(rig)
    name = unsettled(rig)[0].name
    for names, reason, status in ((name, " ", 422), ("ours:Patient/1", "x", 422), ("x", "x", 422)):
        with pytest.raises(Refused) as refusal:
            mending.mend(rig.service, "command:7", "peer", names, reason)
        assert refusal.value.status == status
    rig.service.store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    with pytest.raises(Refused) as refusal:
        mending.mend(rig.service, "command:7", "peer", name, "x")
    assert refusal.value.status == 409
    rig.service.store.transact(TENANT, lambda tx: endpoints.resume(tx, "peer", "command:7", "x"))
    mending.mend(rig.service, "command:7", "peer", name, "lost rows")
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    told = [(one.client, one.detail) for one in entries if one.action == "sync-repaired"]
    assert told == [("command:7", "peer: unsent: enqueue: lost rows")]
