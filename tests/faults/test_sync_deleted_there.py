"""What a peer deleted is read from its history: a tombstone and an alarm, ours stays (F19, H8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync.resolve import resolve
from fhir_infusion.sync.status import gauges, status
from tests.faults.invariants import demanded
from tests.faults.peer import DROP, Act, Peer, once
from tests.faults.rig import ORDERS, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked

MR = "MedicationRequest"
MA = "MedicationAdministration"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer()
    there.keeps_history = True
    with demanded(open_rig(there, database, Clock()), asked=database.startswith("sqlite")) as one:
        yield one
    there.close()


def _placed(rig: Rig, *names: str, **members: Any) -> list[str]:
    """Place orders, bring them there, and return their ids over there."""
    for name in names:
        rig.place(order(name, **members))
    rig.settle()
    rig.pull()
    by_value = {one["identifier"][0]["value"]: one["id"] for one in rig.there.all(MR)}
    return [by_value[name] for name in names]


def _ladder(rig: Rig, name: str) -> str:
    link = rig.link(MR, rig.id_of(MR, name))
    assert link is not None
    return link.ladder


def test_f19_an_active_order_deleted_there_is_told_as_a_danger_and_ours_stays(rig: Rig) -> None:
    gone, stays = _placed(rig, "A-1", "A-2")
    rig.there.delete(MR, gone)
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert [_ladder(rig, name) for name in ("A-1", "A-2")] == ["gone", "B"]
    assert rig.alerts() == ["gone", "deleted-active"]
    assert rig.resource(MR, rig.id_of(MR, "A-1"))["status"] == "active"
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert [one["id"] for one in rig.there.all(MR)] == [stays], "it is not made again (H8)"
    alerts = rig.alerts()
    for _ in range(3):
        rig.pull()
        rig.settle()
    assert rig.alerts() == alerts


def test_f19_an_ended_order_deleted_there_is_told_without_danger(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1", status="completed")
    rig.there.delete(MR, id_)
    rig.pull()
    assert rig.alerts() == ["gone"]
    assert rig.resource(MR, rig.id_of(MR, "A-1"))["status"] == "completed"


def test_f19_what_was_given_arrives_where_the_stop_of_its_order_finds_it_deleted_and_its_create_was_in_doubt(
    rig: Rig,
) -> None:
    rig.there.update_create = True
    rig.place(order("A-1"))
    rig.there.lies = [once(DROP, lambda asked: asked.writes and asked.type == MR)]
    rig.push()
    (there,) = rig.there.all(MR)
    rig.there.delete(MR, there["id"])
    rig.give(administration("G-1", "A-1", 5))
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    assert [(row.aggregate.partition("/")[0], row.state) for row in rig.rows()] == [
        (MR, "superseded"),
        (MA, "acked"),
        (MA, "acked"),
        (MR, "dead"),
    ]
    assert rig.alerts() == ["gone"]
    assert rig.there.all(MR) == [], "it is not made again (H8)"
    named = {"type": MR, "identifier": {"system": ORDERS, "value": "A-1"}}
    assert [one["request"] for one in rig.there.all(MA)] == [named, named]


def test_f19_an_administration_deleted_there_is_told(rig: Rig) -> None:
    _placed(rig, "A-1")
    rig.give(administration("B-1", "A-1", 5))
    rig.settle()
    rig.pull()
    for one in rig.there.all(MA):
        rig.there.delete(MA, one["id"])
    rig.pull()
    assert set(rig.alerts()) == {"gone", "deleted-active"}
    assert {one["status"] for one in rig.all(MA)} == {"in-progress"}


def test_f19_what_was_deleted_between_pages_or_long_before_the_next_pull_is_found(rig: Rig) -> None:
    names = [f"A-{number}" for number in range(12)]
    ids = _placed(rig, *names)
    rig.there.page_size = 3
    for id_ in ids[:10]:
        rig.there.delete(MR, id_)
        rig.there.step(timedelta(hours=1))
    rig.pull()
    assert [_ladder(rig, name) for name in names] == ["gone"] * 10 + ["B"] * 2


def test_f19_what_was_deleted_and_made_again_is_no_tombstone(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1")
    (resource,) = rig.there.all(MR)
    rig.there.delete(MR, id_)
    rig.there.put(resource, id_)
    rig.pull()
    assert (_ladder(rig, "A-1"), rig.alerts()) == ("B", [])


def test_f19_a_history_that_cannot_be_read_is_trouble_and_read_again(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1")
    _placed(rig, "A-2", "A-3", "A-4")  # the newest would be missed in the feed
    rig.there.delete(MR, id_)

    def is_history(asked: Asked) -> bool:
        return asked.type == MR and asked.id == "_history"

    rig.there.lies.append(once(Act(status=500), is_history))
    assert rig.pull()[0].trouble == "history: status 500"
    assert _ladder(rig, "A-1") == "B"
    rig.clock.move(3600)
    rig.pull()
    assert _ladder(rig, "A-1") == "gone"


def test_f19_a_peer_without_history_is_not_asked_for_it(rig: Rig) -> None:
    rig.there.keeps_history = False
    _placed(rig, "A-1")
    assert not [one for one in rig.there.asked if one.id == "_history"]


def _counted(rig: Rig) -> tuple[Any, Any]:
    """Return how many are said to be active here and deleted there, by the status and by the metrics."""
    (line,) = status(rig.service)
    return line["deleted_active"], gauges(rig.service)['fhir_infusion_sync_deleted_active{endpoint="peer"}'][1]


def test_f19_h18_what_is_active_here_and_deleted_there_is_counted_until_it_ends_here(rig: Rig) -> None:
    active, _stays, unknown = _placed(rig, "A-1", "A-2", "A-4")
    (ended,) = _placed(rig, "A-3", status="completed")
    assert _counted(rig) == (0, 0)
    for id_ in (active, unknown, ended):
        rig.there.delete(MR, id_)
    rig.pull()
    assert _counted(rig) == (2, 2)
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert _counted(rig) == (2, 2)
    rig.amend(order("A-1", priority="stat", status="stopped"))
    assert _counted(rig) == (1, 1)
    rig.amend(order("A-4", status="unknown"))
    assert _counted(rig) == (1, 1), "of unknown nobody can say that it has ended"
    rig.amend(order("A-4", status="entered-in-error"))
    assert _counted(rig) == (0, 0)


def test_f14_h18_what_an_update_finds_deleted_there_is_told_as_a_danger_and_counted(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1")
    rig.there.delete(MR, id_)
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert rig.alerts() == ["gone", "deleted-active"]
    assert _counted(rig) == (1, 1)


def test_h18_what_was_deleted_there_while_it_waited_for_a_decision_is_told_as_a_danger_and_counted(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1")
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "dosageInstruction": [{"text": "theirs"}]}, id_)
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.pull()
    (conflict,) = rig.conflicts()
    rig.there.delete(MR, id_)
    assert resolve(rig.service, "command:7", conflict.conflict_id, "ours", "asked the ward")["kept"] == "gone there"
    assert rig.alerts()[-2:] == ["gone", "deleted-active"]
    assert _counted(rig) == (1, 1)


def _parent_there(rig: Rig) -> dict[str, Any]:
    (there,) = [one for one in rig.there.all(MA) if one["identifier"][0]["value"] == "B-1"]
    return there


def _given_in_doubt(rig: Rig) -> dict[str, Any]:
    """Give upon an order, lose the answer, have the order deleted there and hear of it; return what was given, there."""
    (id_,) = _placed(rig, "A-1")
    rig.there.lies.append(once(DROP, lambda asked: asked.writes and asked.type == MA))
    rig.give(administration("B-1", "A-1", 5))
    rig.push()
    there = _parent_there(rig)
    assert there["request"]["reference"] == f"{MR}/{id_}"
    assert next(row.state for row in rig.rows() if row.aggregate.startswith(MA)) == "unknown"
    rig.there.delete(MR, id_)
    rig.pull()
    assert _ladder(rig, "A-1") == "gone"
    return there


def test_f7_f19_what_was_given_and_is_in_doubt_is_known_again_though_its_order_is_gone_there(rig: Rig) -> None:
    there = _given_in_doubt(rig)
    rig.settle()
    assert (rig.conflicts(), set(rig.states())) == ([], {"acked"})
    assert _parent_there(rig) == there, "it is there as it was sent"
    rig.change(administration("B-1", "A-1", 5, 7))
    rig.settle()
    rig.pull()
    assert (rig.conflicts(), set(rig.states())) == ([], {"acked"})


def test_f7_f19_what_was_given_on_meanwhile_follows_what_is_in_doubt_though_its_order_is_gone_there(rig: Rig) -> None:
    _given_in_doubt(rig)
    rig.change(administration("B-1", "A-1", 5, 7))
    rig.settle()
    rig.pull()
    assert (rig.conflicts(), set(rig.states())) == ([], {"acked"})
    assert sorted(one["dosage"]["rateQuantity"]["value"] for one in rig.there.all(MA) if "dosage" in one) == [5, 7]


def test_f7_f19_a_remark_there_is_taken_over_a_change_in_doubt_of_which_the_order_is_gone(rig: Rig) -> None:
    (id_,) = _placed(rig, "A-1")
    rig.give(administration("B-1", "A-1", 5))
    rig.settle()
    rig.there.lies.append(once(DROP, lambda asked: asked.writes and asked.type == MA))
    rig.change({**administration("B-1", "A-1", 5), "status": "on-hold"})
    rig.push()
    there = _parent_there(rig)
    rig.there.delete(MR, id_)
    rig.there.put({**there, "note": [{"text": "theirs"}]}, there["id"])
    rig.pull()
    rig.change({**administration("B-1", "A-1", 5), "status": "in-progress"})
    rig.settle()
    rig.pull()
    assert rig.conflicts() == []
    kept = _parent_there(rig)
    assert (kept["status"], kept["note"]) == ("in-progress", [{"text": "theirs"}])


@pytest.mark.parametrize("how", ["literal", "logical"])
def test_f7_f19_h10_what_names_another_order_there_is_held_while_it_is_in_doubt(rig: Rig, how: str) -> None:
    (another,) = _placed(rig, "A-2")
    there = _given_in_doubt(rig)
    named: dict[str, dict[str, Any]] = {
        "literal": {"reference": f"{MR}/{another}"},
        "logical": {"identifier": {"system": ORDERS, "value": "A-2"}},
    }
    rig.there.put({**there, "request": {**there["request"], **named[how]}}, there["id"])
    rig.settle()
    assert len(rig.conflicts()) == 1
