"""What went wrong at a peer, or with us, and was put right, ends as if it had never gone wrong.

Each scenario runs twice, as it should be and harmed. Both are asked for the eight invariants, and both sides have to
hold the same in the end; what a person does about the fault (``sync resume``, ``replay``, ``duplicates --repair`` …)
is part of the harmed run.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import duplicates, inspecting, pull, replaying, restored
from fhir_infusion.sync.apply import apply
from fhir_infusion.sync.mending import mend
from fhir_infusion.sync.reconcile import reconcile
from fhir_infusion.sync.resolve import resolve
from tests import backups
from tests.faults.dying import dies_of
from tests.faults.invariants import TYPES, rest, twins
from tests.faults.peer import Act, once
from tests.faults.rig import TENANT, Rig, administration, of_theirs, order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fhir_infusion.store.inbox import Received
    from fhir_infusion.sync.apply import Applied
    from fhir_infusion.sync.peer import Peer as SyncPeer
    from tests.faults.invariants import Harmed

MR, MA = TYPES
WHO, WHY = "command:7", "asked their operators"


def theirs(rig: Rig, order_id: str) -> dict[str, Any]:
    (one,) = [one for one in rig.there.all(MR) if order_id in [known["value"] for known in one["identifier"]]]
    return one


def an_order_of_theirs(rig: Rig, number: int, **members: Any) -> dict[str, Any]:
    return rig.there.put(of_theirs(number, **members), f"t{number}")


def replayed(rig: Rig, *states: str) -> dict[str, int]:
    """Tell again what is in these states, as ``sync replay`` does; return what became of how many."""
    rows = " ".join(str(row.seq) for row in rig.rows() if row.state in states)
    counts: dict[str, int] = replaying.replay(rig.service, WHO, "peer", rows, WHY)["rows"]
    rig.settle()
    return counts


# ------------------------------------------------------------------------------------------------- faults of the peer


def created_twice(rig: Rig, *, is_harmed: bool) -> None:
    """F11: a conditional create succeeds twice; the second one is entered in error and then cleared away there."""
    rig.place(order("A-1"))
    rig.settle()
    rig.there.double_create = is_harmed
    rig.place(order("A-1.2"))
    rig.settle()
    rig.there.double_create = False
    rig.amend(order("A-1.2", priority="stat"))
    if is_harmed:
        (aggregate,) = duplicates.found_in_listing(rig.peer, TENANT, MR)
        (ended,) = duplicates.undouble(rig.service, WHO, "peer", aggregate, WHY)["end"]
        rig.there.delete(MR, ended.partition("/")[2])
    rig.settle()
    rig.pull()


def unknown_for_a_while(rig: Rig, *, is_harmed: bool, status: int = 404) -> None:
    """F14: an update and the read after it are answered as if nothing were there; it is, and replaying finds it."""
    rig.place(order("A-1"))
    rig.settle()
    lie = once(Act(effect=False, status=status), lambda asked: asked.method == "PUT" or asked.id != "", times=2)
    rig.there.lies += [lie] if is_harmed else []
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    if is_harmed:
        assert rig.states()[-1] == "dead"
        replayed(rig, "dead")
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle()


def not_known_there_any_more(rig: Rig, *, is_harmed: bool) -> None:
    """F14: what is to be updated is really lost there; who replays wants it there again."""
    rig.place(order("A-1"))
    rig.settle()
    if is_harmed:
        del rig.there.resources[MR, theirs(rig, "A-1")["id"]]
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    if is_harmed:
        assert replayed(rig, "dead") == {"replayed": 1}


def deleted_before_an_update(rig: Rig, *, is_harmed: bool) -> None:
    """F14: what is to be updated was deleted there, and stays so; everything beside it goes on."""
    for name in ("A-1", "A-2"):
        rig.place(order(name))
    rig.settle()
    if is_harmed:
        rig.there.delete(MR, theirs(rig, "A-1")["id"])
    for name in ("A-1", "A-2"):
        rig.amend(order(name, priority="stat"))
    rig.settle()


def drifting_pages(rig: Rig, *, is_harmed: bool) -> None:
    """F15: rows of one instant, on pages between which others appear and change, and whose links expire."""
    rig.there.page_size, rig.there.tick = 5, timedelta(0)
    for number in range(23):
        an_order_of_theirs(rig, number)
    rig.there.tick = timedelta(milliseconds=1)

    def change(offset: int) -> None:
        an_order_of_theirs(rig, offset, priority="stat")
        an_order_of_theirs(rig, 100 + offset)

    left = {5, 10, 15}

    def between(offset: int) -> None:
        if offset in left:
            left.remove(offset)
            change(offset)

    if is_harmed:
        rig.there.between_pages, rig.there.expire_pages = between, 1
    else:
        for offset in sorted(left):
            between(offset)
    for _ in range(2):
        rig.pull()
    assert not left


def clock_set(rig: Rig, *, is_harmed: bool, there: float = 0, here: float = 0) -> None:
    """F17: a clock is set, there or here, while both sides write."""
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.settle()
    rig.pull()
    if is_harmed:
        rig.there.step(timedelta(seconds=there))
        rig.clock.move(here)
    rig.there.put({**theirs(rig, "A-1"), "note": [{"text": "seen"}]})
    an_order_of_theirs(rig, 1)
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    rig.pull()
    rig.settle()
    an_order_of_theirs(rig, 1, status="stopped")
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle()
    rig.pull()


def restored_there(rig: Rig, *, is_harmed: bool) -> None:
    """F18: the peer goes back to before a change and two creates of ours; a person has them told again."""
    for name in ("A-1", "A-2"):
        rig.place(order(name))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "newer"}]))
    for name in ("A-3", "A-4"):
        rig.place(order(name))
    rig.settle()
    if is_harmed:
        rig.there.restore(backup)
        assert "paused" in rig.pull()[0].trouble
        restored.resume(rig.service, WHO, "peer", WHY)
        for _ in range(3):
            rig.there.step(timedelta(minutes=3))
            rig.clock.move(60)
            rig.pull()
        (conflict,) = rig.conflicts()
        resolve(rig.service, WHO, conflict.conflict_id, "ours", "their backup lost it")
        assert replayed(rig, "acked")["sent-again"] == 2
    rig.amend(order("A-2", priority="stat"))
    rig.settle()


def deleted_there(rig: Rig, *, is_harmed: bool) -> None:
    """F19: an order is deleted there; ours stays, and everything beside it goes on."""
    rig.there.keeps_history = True
    for name in ("A-1", "A-2"):
        rig.place(order(name))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.settle()
    rig.pull()
    if is_harmed:
        rig.there.delete(MR, theirs(rig, "A-1")["id"])
    rig.pull()
    rig.amend(order("A-2", priority="stat"))
    rig.settle()
    an_order_of_theirs(rig, 1)
    rig.pull()


def vanished_there(rig: Rig, *, is_harmed: bool) -> None:
    """F19: an order vanishes there without a word; a comparison finds it, and a person has it told again."""
    for name in ("A-1", "A-2"):
        rig.place(order(name))
    rig.settle()
    rig.pull()
    if is_harmed:
        del rig.there.resources[MR, theirs(rig, "A-1")["id"]]
        names = " ".join(one.name for one in reconcile(rig.peer, TENANT, MR) if one.repair)
        mend(rig.service, WHO, "peer", names, WHY)
        assert replayed(rig, "acked")["sent-again"] == 1
    rig.amend(order("A-1", priority="stat"))
    rig.settle()


def poison_in(rig: Rig, *, is_harmed: bool) -> None:
    """F20: at one of theirs we fail until it is put aside; once that is mended, it is tried again."""
    for number in range(6):
        an_order_of_theirs(rig, number)
    with pytest.MonkeyPatch.context() as patch:
        if is_harmed:

            def fail(peer: SyncPeer, tenant: str, received: Received) -> Applied:
                if received.id == "t3":
                    raise ValueError
                return apply(peer, tenant, received)

            patch.setattr(pull, "apply", fail)
        for _ in range(pull.TRIES + 1):
            rig.pull()
    assert [one.id for one in rig.quarantined()] == (["t3"] if is_harmed else [])
    for one in rig.quarantined():
        inspecting.retry_quarantined(rig.service, WHO, "peer", f"{one.type}/{one.id}/_history/{one.version}", WHY)
    rig.pull()


def poison_out(rig: Rig, *, is_harmed: bool) -> None:
    """F20: one of ours ends the process each time that it is sent; once that is mended, it is told again."""
    placed = [rig.place(order(f"A-{number}")).id for number in range(4)]
    for _ in range(15 if is_harmed else 0):
        dies_of(rig, f"{MR}/{placed[2]}")
    rig.settle()
    if is_harmed:
        assert sorted(rig.states()) == ["acked", "acked", "acked", "dead"]
        assert replayed(rig, "dead") == {"replayed": 1}
    rig.amend(order("A-2", priority="stat"))
    rig.settle()


FAULTS: list[tuple[str, Harmed, frozenset[str]]] = [
    ("f11 created twice", created_twice, frozenset()),
    ("f14 unknown for a while", unknown_for_a_while, frozenset()),
    ("f14 not known there any more", not_known_there_any_more, frozenset()),
    ("f14 deleted before an update", deleted_before_an_update, frozenset({"A-1"})),
    ("f15 drifting pages", drifting_pages, frozenset()),
    ("f17 their clock 10 min back", partial(clock_set, there=-600), frozenset()),
    ("f17 their clock 10 min forward", partial(clock_set, there=600), frozenset()),
    ("f17 our clock 10 min back", partial(clock_set, here=-600), frozenset()),
    ("f17 our clock 10 min forward", partial(clock_set, here=600), frozenset()),
    ("f18 restored there", restored_there, frozenset()),
    ("f19 deleted there", deleted_there, frozenset({"A-1"})),
    ("f19 vanished there", vanished_there, frozenset()),
    ("f20 poison in", poison_in, frozenset()),
    ("f20 poison out", poison_out, frozenset()),
]


@pytest.mark.parametrize(("scenario", "but"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
def test_what_went_wrong_and_was_put_right_ends_as_what_never_went_wrong_f11_f14_f15_f17_f18_f19_f20(
    tmp_path: Path, scenario: Harmed, but: frozenset[str]
) -> None:
    numbers = itertools.count()
    twins(lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db", scenario, but=but)


def test_our_database_put_back_to_a_backup_ends_as_one_that_was_not_f26(
    another_database: Callable[[], str], tmp_path: Path
) -> None:
    def put_back(rig: Rig, *, is_harmed: bool) -> None:
        for name in ("A-1", "A-2", "A-3"):
            rig.place(order(name))
        rig.give(administration("G-1", "A-1", 5, "7.50"))
        rig.settle()
        rig.pull()
        if is_harmed:
            backups.taken(rig.service.settings.database, tmp_path / "backup")
        rig.amend(order("A-1", priority="stat"))
        rig.amend(order("A-2", status="stopped"))
        rig.there.put({**theirs(rig, "A-3"), "note": [{"text": "seen"}]})
        rig.place(order("A-4"))
        rig.settle()
        rig.pull()
        if is_harmed:
            acknowledged = rig.acknowledged
            rig.restart(backups.restored(tmp_path / "backup", rig.service.settings.database, another_database))
            rig.acknowledged = acknowledged[:4]  # the rest came after it
        rest(rig)
        rig.amend(order("A-4", status="stopped"))
        rig.settle()

    twins(another_database, put_back, is_restored=True)
