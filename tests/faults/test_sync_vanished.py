"""What was linked and is gone over there: told once it is touched, by push or pull, and never made again (H8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import absent
from tests.faults.peer import DROP, Act, once
from tests.faults.rig import Rig, order

if TYPE_CHECKING:
    from tests.faults.peer import Asked

MR = "MedicationRequest"
both = pytest.mark.parametrize("status", [404, 410])


def _theirs(rig: Rig) -> dict[str, Any]:
    """Return the one order that is there."""
    (resource,) = rig.there.all(MR)
    return resource


def _vanish(rig: Rig, status: int, id_: str = "") -> None:
    id_ = id_ or _theirs(rig)["id"]
    if status == 410:
        rig.there.delete(MR, id_)
    else:
        del rig.there.resources[MR, id_]


def _is_flagged(rig: Rig) -> bool:
    """Say whether the link is a tombstone, an alarm stands in the trail, and no later change makes it again."""
    (id_,) = rig.ids()
    link = rig.link(MR, id_)
    alarms = set(rig.alerts())
    rig.amend({**order("A-1"), "status": rig.resource(MR, id_)["status"], "priority": "asap"})
    states = rig.settle()
    return link is not None and link.is_gone and "gone" in alarms and states[-1] == "dead"


@both
def test_f14_h8_a_linked_order_that_pull_asks_for_and_that_is_gone_is_flagged(rig: Rig, status: int):
    rig.place(order("A-1"))
    rig.settle()
    link = rig.link(MR, rig.ids()[0])
    assert link is not None
    # Another version of the same instant: which of the two is current has to be asked.
    rig.there.tick *= 0
    rig.there.put({**_theirs(rig), "note": [{"text": "seen"}]})
    rig.there.lies.append(
        once(Act(effect=False, status=status), lambda one: one.method == "GET" and one.id == link.remote_id)
    )
    rig.pull()
    _vanish(rig, status)
    assert _is_flagged(rig)
    assert rig.there.all(MR) == []
    assert [one.applied for one in rig.pull()] == [0, 0]


@both
def test_f14_h8_an_order_that_is_gone_when_only_its_stop_is_sent_is_flagged(rig: Rig, status: int):
    rig.place(order("A-1"))
    rig.settle()
    there = _theirs(rig)
    rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": "7 ug/kg/min"}]})
    changed = [{"step_id": "run", "dosings": [{"rate": {"value": 6, "unit": "ug/kg/min"}}]}]
    rig.amend(order("A-1", steps=changed))
    rig.settle()
    rig.amend(order("A-1", steps=changed, status="stopped"))
    puts: list[Asked] = []

    def gone(one: Asked) -> Act | None:
        """Vanish at the second PUT, which is theirs with our stop; the first meets their newer version."""
        puts.extend([one] if one.method == "PUT" else [])
        if len(puts) < 2:
            return None
        rig.there.lies.clear()
        _vanish(rig, status)
        return Act(status=status, effect=False)

    rig.there.lies.append(gone)
    assert rig.settle()[-1] == "dead"
    assert len(puts) == 2
    assert _is_flagged(rig)
    assert rig.there.all(MR) == []


def test_f14_h8_an_order_that_was_deleted_before_its_create_could_be_read_back_is_flagged(rig: Rig):
    head = {"Location": f"{rig.there.base}/{MR}/2/_history/1", "ETag": 'W/"1"'}
    bare = Act(status=201, body=b"", headers=head)
    rig.there.lies.append(once(bare, lambda one: one.method == "POST" and one.type == MR))

    def deleted(one: Asked) -> None:
        if one.method == "GET" and one.type == MR and one.id:
            rig.there.delete(MR, one.id)
            rig.there.lies.clear()

    rig.there.lies.append(deleted)
    rig.place(order("A-1"))
    assert rig.settle() == ["dead"]
    assert _is_flagged(rig)
    assert len([one for one in rig.there.asked if one.method == "POST" and one.type == MR]) == 1


@both
def test_f14_h8_a_create_in_doubt_that_was_pulled_and_is_gone_since_is_not_made_again(rig: Rig, status: int):
    rig.there.lies.append(once(DROP, lambda asked: asked.method == "POST" and asked.type == MR))
    rig.place(order("A-1"))
    rig.push()
    rig.pull()
    _vanish(rig, status)
    assert (rig.settle(), rig.there.all(MR)) == (["dead"], [])
    assert rig.alerts()[:2] == ["gone", "deleted-active"]


@both
def test_f14_h8_a_create_in_doubt_that_was_pulled_behind_many_others_and_is_gone_since_is_not_made_again(
    rig: Rig, status: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(absent, "AT_ONCE", 1)
    orders = [order(f"A-{number}") for number in (1, 2)]
    rig.there.lies += [once(DROP, lambda asked: asked.method == "POST" and asked.type == MR) for _ in orders]
    for one in orders:
        rig.place(one)
    rig.push()
    rig.pull()
    held = [one["id"] for one in rig.there.all(MR)]
    assert len(held) == len(orders)
    for id_ in held:
        _vanish(rig, status, id_)
    assert (rig.settle(), rig.there.all(MR)) == (["dead"] * len(held), [])
