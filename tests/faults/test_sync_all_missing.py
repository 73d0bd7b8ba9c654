"""A server at which nothing is found any more, such as under a wrong address: F14. No order becomes a tombstone by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.sync import restored
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Peer
from tests.faults.rig import Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked

MR = "MedicationRequest"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer()
    there.keeps_history = True
    with demanded(open_rig(there, database, Clock()), asked=database.startswith("sqlite")) as one:
        for number in range(1, 5):
            one.place(order(f"A-{number}"))
        one.settle()
        yield one
    there.close()


def wrong_base(asked: Asked) -> Act | None:
    """Answer as a server does that has nothing of what is asked for by id."""
    return Act(effect=False, status=404) if asked.id and asked.id != "_history" else None


def ladders(rig: Rig) -> set[str]:
    return {link.ladder for id_ in rig.ids() if (link := rig.link(MR, id_)) is not None}


def test_f14_updates_that_all_meet_404_pause_the_peer_and_go_out_after_it_is_resumed(rig: Rig):
    rig.there.lies.append(wrong_base)
    for number in range(1, 5):
        rig.amend(order(f"A-{number}", priority="asap"))
    rig.settle(rounds=3)
    assert rig.alerts() == ["all-missing"]
    assert "gone" not in ladders(rig)
    assert "dead" not in rig.states()
    assert {one.trouble for one in rig.pull()} == {"paused: all-missing; see `fhir-infusion sync resume`"}
    rig.there.lies.clear()
    restored.resume(rig.service, "test", "peer", "the address was wrong")
    rig.pull()
    assert set(rig.settle()) == {"acked"}
    assert {one.get("priority") for one in rig.there.all(MR)} == {"asap"}
    assert len(rig.there.all(MR)) == 4


def test_f14_deletions_that_all_meet_404_pause_the_peer_and_make_no_tombstone(rig: Rig):
    for one in rig.there.all(MR):
        rig.there.delete(MR, one["id"])
    rig.there.lies.append(wrong_base)
    rig.pull()
    assert rig.alerts() == ["all-missing"]
    assert "gone" not in ladders(rig)


def test_f14_one_that_vanished_among_others_is_a_tombstone_as_ever(rig: Rig):
    first = rig.there.all(MR)[0]
    del rig.there.resources[MR, first["id"]]
    for number in range(1, 5):
        rig.amend(order(f"A-{number}", priority="asap"))
    states = rig.settle()
    assert (states.count("dead"), states.count("acked")) == (1, 7)
    assert rig.alerts() == ["gone", "deleted-active"]


def test_f14_a_404_is_not_believed_while_the_others_cannot_be_asked(rig: Rig):
    (first,) = [one for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-1"]
    del rig.there.resources[MR, first["id"]]
    rig.there.lies.append(
        lambda asked: (
            Act(effect=False, status=500) if asked.method == "GET" and asked.id not in {"", first["id"]} else None
        )
    )
    rig.amend(order("A-1", priority="asap"))
    rig.settle(rounds=2)
    assert "gone" not in ladders(rig)
    rig.there.lies.clear()
    rig.clock.move(3600)
    assert rig.settle()[-1] == "dead"
    assert rig.alerts() == ["gone", "deleted-active"]
