"""Peers that give no next links, or cap their pages: a full page is not taken for the end of the feed (F15)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import inbox
from fhir_infusion.sync.feed import fetch
from tests.faults.invariants import demanded
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, of_theirs, open_rig

if TYPE_CHECKING:
    from collections.abc import Iterator

MR = "MedicationRequest"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer(page=5000)
    there.gives_next = False
    with demanded(open_rig(there, database, Clock()), asked=database.startswith("sqlite")) as one:
        yield one
    there.close()


def _fill(rig: Rig, rows: int) -> None:
    for number in range(rows):
        _their_order(rig, number)


def _their_order(rig: Rig, number: int) -> dict[str, Any]:
    return rig.there.put(of_theirs(number))


def _fetched(rig: Rig) -> tuple[int, str]:
    """Read the feed, without applying what came; return how many were new, and the trouble."""
    fetched = fetch(rig.peer, TENANT, MR)
    return fetched.received, fetched.trouble


@pytest.mark.parametrize(("rows", "page"), [(450, 5000), (200, 5000), (130, 50), (120, 20)])
def test_f15_full_pages_without_next_link_are_read_on_to_the_end(rig: Rig, rows: int, page: int) -> None:
    rig.there.page_size = page
    _fill(rig, rows)
    assert _fetched(rig) == (rows, "")
    rig.there.step(timedelta(hours=1))
    _their_order(rig, rows)
    before = len(rig.there.asked)
    assert _fetched(rig) == (1, "")
    asked = [one.query["_lastUpdated"] for one in rig.there.asked[before:]]
    assert min(asked) > "ge2025-04-30T23:55:00.1", "the watermark has moved to the last row"


def test_f15_a_page_cut_below_what_was_asked_is_noticed_by_the_total(rig: Rig) -> None:
    rig.there.page_size = 7
    rig.there.gives_total = True
    _fill(rig, 30)
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert len(rig.ids()) == 30


def test_f15_more_rows_of_one_instant_than_a_page_are_asked_for_with_a_larger_page(rig: Rig) -> None:
    rig.there.tick = timedelta(0)
    _fill(rig, 500)
    assert _fetched(rig) == (500, "")
    assert _fetched(rig) == (0, "")


@pytest.mark.parametrize("gives_total", [True, False])
def test_f15_more_rows_of_one_instant_than_the_peer_gives_are_told_and_nothing_is_skipped(
    rig: Rig, *, gives_total: bool
) -> None:
    rig.there.page_size = 200 if not gives_total else 20
    rig.there.gives_total = gives_total
    rig.there.tick = timedelta(0)
    _fill(rig, 250)
    trouble = "more rows of one instant than a page holds"
    assert [_fetched(rig)[1] for _ in range(2)] == [trouble] * 2
    rig.there.page_size = 5000
    assert _fetched(rig)[1] == ""
    waiting = rig.service.store.read(TENANT, lambda tx: inbox.waiting(tx, "peer", MR, 1000))
    assert len(waiting) == 250


def test_f15_a_full_page_that_is_not_sorted_is_told_and_not_taken_for_the_end(rig: Rig) -> None:
    rig.there.sorts = False
    rig.there.page_size = 20
    rig.there.gives_total = True
    _fill(rig, 45)
    rig.there.put({**rig.there.all(MR)[3], "note": [{"text": "later"}]})
    assert rig.pull()[0].trouble == "a page without next link is not sorted"
    rig.there.gives_next = True
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert len(rig.ids()) == 45
