"""What no feed shows: deleted without a trace, purged, dated wrongly. A round over all that is linked notices (F19)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import endpoints
from fhir_infusion.sync import restored, rounds
from tests.faults.invariants import check, demanded
from tests.faults.peer import Act, once
from tests.faults.rig import TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from tests.faults.peer import Asked, Peer

MR = "MedicationRequest"
MANY = 14
"""More than what came and was told last, which the feed itself looks for."""


def placed(rig: Rig, count: int = MANY) -> list[str]:
    """Place orders that arrive and are seen by a pull; return the ids there of the old ones, in the order of a round."""
    for number in range(count):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.pull()
    newest = {one["id"] for one in rig.there.all(MR)[-restored.LOOKS :]}
    return [id_ for id_ in linked(rig) if id_ not in newest]


def linked(rig: Rig) -> list[str]:
    """Return the ids there in the order in which a round asks for them."""
    links = [rig.link(MR, id_) for id_ in sorted(rig.ids())]
    return [link.remote_id for link in links if link is not None]


def next_round(rig: Rig) -> list[str]:
    """Let the time to the next round pass, and pull; return the troubles."""
    rig.clock.move(rounds.EVERY.total_seconds())
    rig.there.step(rounds.EVERY)
    return [one.trouble for one in rig.pull() if one.trouble]


def asked_for(rig: Rig) -> list[int]:
    """Return how many orders each search by ``_id`` asked for."""
    return [len(one.query["_id"].split(",")) for one in rig.there.asked if one.type == MR and "_id" in one.query]


def gone(rig: Rig) -> list[str]:
    """Return the ids there of the orders that have a tombstone."""
    links = [rig.link(MR, id_) for id_ in rig.ids()]
    return sorted(link.remote_id for link in links if link is not None and link.is_gone)


def paused(rig: Rig) -> str:
    return rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer"))


@pytest.mark.parametrize("is_purged", [False, True])
def test_f19_h8_an_old_order_that_was_deleted_without_a_trace_is_noticed_by_the_next_round(
    rig: Rig, *, is_purged: bool
) -> None:
    first, *_ = placed(rig)
    if is_purged:
        del rig.there.resources[MR, first]
    else:
        rig.there.delete(MR, first)
    rig.pull()
    assert gone(rig) == []
    assert next_round(rig) == []
    assert gone(rig) == [first]
    assert rig.alerts() == ["gone", "deleted-active", *(["vanished"] if is_purged else [])]
    next_round(rig)
    assert len(rig.alerts()) == (3 if is_purged else 2)
    assert not rig.there.writes(MR)[MANY:]
    check(rig)


def test_f19_twin_a_round_over_what_stands_changes_nothing(rig: Rig) -> None:
    placed(rig)
    before = [rig.link(MR, id_) for id_ in rig.ids()]
    reads = len([one for one in rig.there.asked if one.id])
    assert next_round(rig) == []
    assert [rig.link(MR, id_) for id_ in rig.ids()] == before
    assert (gone(rig), rig.alerts()) == ([], [])
    assert len([one for one in rig.there.asked if one.id]) == reads, "what is shown is not read as well"


def test_f19_several_that_were_deleted_long_ago_do_not_pause_the_peer(rig: Rig) -> None:
    old = placed(rig)[:3]
    for id_ in old:
        del rig.there.resources[MR, id_]
    next_round(rig)
    assert (gone(rig), paused(rig)) == (sorted(old), "")


def test_f14_where_nothing_is_there_any_more_nothing_is_believed_and_the_peer_is_paused(rig: Rig) -> None:
    placed(rig, 4)
    rig.there.lies.append(lambda one: Act(effect=False, status=404) if one.type == MR and one.id else None)
    rig.there.lies.append(
        lambda one: (
            Act(change=None, body=b'{"resourceType":"Bundle","type":"searchset"}', status=200)
            if "_id" in one.query
            else None
        )
    )
    next_round(rig)
    assert (gone(rig), paused(rig)) == ([], "all-missing")


def test_a_change_that_no_feed_shows_since_it_is_dated_long_ago_is_taken_by_the_round(rig: Rig) -> None:
    first, *_ = placed(rig)
    now = rig.there.resources[MR, first].now
    assert now is not None
    rig.there.put({**now, "note": [{"text": "seen"}]}, at=datetime(2020, 1, 1, tzinfo=UTC))
    rig.pull()
    assert notes(rig) == []
    next_round(rig)
    assert notes(rig) == ["seen"]


def notes(rig: Rig) -> list[str]:
    return [note["text"] for id_ in rig.ids() for note in rig.resource(MR, id_).get("note", [])]


def test_a_round_goes_on_with_each_pull_and_a_new_one_waits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 4)
    placed(rig, 10)
    for _ in range(5):
        rig.clock.move(1)
        rig.pull()
    assert asked_for(rig) == [4, 4, 2]
    next_round(rig)
    assert asked_for(rig) == [4, 4, 2, 4]


def test_a_round_goes_on_in_another_process(rig: Rig, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 4)
    placed(rig, 10)
    first = linked(rig)
    rig.restart(database)
    rig.pull()
    ids = [one.query["_id"].split(",") for one in rig.there.asked if one.type == MR and "_id" in one.query]
    assert ids == [first[:4], first[4:8]]


def test_a_server_that_will_not_be_asked_for_several_ids_is_asked_for_each_some_at_a_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "READS", 5)
    rig.there.lies.append(lambda one: Act(effect=False, status=400) if "_id" in one.query else None)
    ids = placed(rig)
    rig.there.delete(MR, ids[-1])
    reads = len(reads_of(rig))
    found = [(len(reads_of(rig)) - reads, gone(rig)) for _ in range(3) if next_round(rig) == []]
    assert found[-1][1] == [ids[-1]]
    assert {one.id for one in reads_of(rig)[reads:]} >= set(ids[5:])


def reads_of(rig: Rig) -> list[Asked]:
    return [one for one in rig.there.asked if one.type == MR and one.method == "GET" and one.id]


def test_f16_what_an_index_does_not_show_for_a_while_is_read_and_stands(rig: Rig) -> None:
    first, *_ = placed(rig)
    rig.there.resources[MR, first].visible_at = float("inf")
    assert next_round(rig) == []
    assert [one.id for one in reads_of(rig)][-1] == first
    assert (gone(rig), rig.alerts()) == ([], [])


def test_f20_one_that_cannot_be_read_is_told_and_keeps_none_behind_it_from_being_looked_at(rig: Rig) -> None:
    first, second, *_ = placed(rig)
    rig.there.resources[MR, first].visible_at = float("inf")
    rig.there.delete(MR, second)
    rig.there.lies.append(once(Act(effect=False, status=500), lambda one: one.id == first, times=100))
    assert next_round(rig) == ["round: status 500"]
    assert gone(rig) == []
    rig.clock.move(60)
    assert [one.trouble for one in rig.pull() if one.trouble] == []
    assert gone(rig) == [second]


@pytest.mark.parametrize("status", [500, 503])
def test_f20_a_round_that_was_refused_goes_on_where_it_was(rig: Rig, status: int) -> None:
    first, *_ = placed(rig)
    rig.there.delete(MR, first)
    rig.there.lies.append(once(Act(effect=False, status=status), lambda one: "_id" in one.query))
    assert len(next_round(rig)) >= 1
    assert gone(rig) == []
    rig.clock.move(60)
    rig.pull()
    assert gone(rig) == [first]


def test_what_a_filter_of_the_feed_leaves_out_is_looked_for_but_not_taken(there: Peer, database: str) -> None:
    with demanded(open_rig(there, database, Clock(), pull_filter="status=active"), asked=False) as rig:
        first, second, *_ = placed(rig)
        now = there.resources[MR, first].now
        assert now is not None
        there.put({**now, "status": "stopped", "note": [{"text": "seen"}]})
        there.delete(MR, second)
        next_round(rig)
        assert (notes(rig), gone(rig)) == ([], [second])


def test_a_part_of_an_administration_that_was_deleted_there_is_noticed(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    rig.settle()
    rig.pull()
    parts: list[Any] = rig.there.all("MedicationAdministration")
    for number in range(MANY):
        rig.place(order(f"B-{number}"))
    rig.settle()
    rig.there.delete("MedicationAdministration", parts[0]["id"])
    next_round(rig)
    assert "gone" in rig.alerts()
