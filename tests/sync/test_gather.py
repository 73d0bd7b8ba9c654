"""``sync.gather``: what is asked at a time is asked together, each gets its own reply, and nobody waits for company."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.sync.gather import Gather

if TYPE_CHECKING:
    from collections.abc import Sequence

WAIT = 10.0


class Asked:
    """Answers n with 10 n; the first question waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = threading.Event()
        self.begun = threading.Event()

    def __call__(self, questions: Sequence[int]) -> list[int]:
        self.groups.append(list(questions))
        self.begun.set()
        if len(self.groups) == 1:
            assert self.go.wait(WAIT)
        if -1 in questions:
            raise ValueError("asked for")
        return [10 * one for one in questions]


def queued(pool: ThreadPoolExecutor, gather: Gather[int, int], one: int, *, is_urgent: bool = False) -> Future[int]:
    """Ask, and return once it waits behind what is on its way."""
    before = len(gather._queue)
    asked = pool.submit(gather.ask, one, is_urgent=is_urgent)
    while len(gather._queue) == before:
        pass
    return asked


def test_who_comes_alone_goes_alone():
    gather: Gather[int, int] = Gather(list, most=5)
    assert [gather.ask(one) for one in (1, 2, 3)] == [1, 2, 3]


def test_who_comes_while_an_answer_is_awaited_goes_with_the_next():
    asked = Asked()
    gather = Gather(asked, most=3, at_once=1)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(gather.ask, 0)
        assert asked.begun.wait(WAIT)
        others = [queued(pool, gather, one) for one in range(1, 8)]
        asked.go.set()
        assert first.result(WAIT) == 0
        assert [one.result(WAIT) for one in others] == [10 * one for one in range(1, 8)]
    assert [len(group) for group in asked.groups] == [1, 3, 3, 1]
    assert gather.ask(9) == 90


def test_what_is_urgent_waits_for_nothing_takes_only_urgent_with_it_and_leaves_no_way_behind():
    asked = Asked()
    gather = Gather(asked, most=3, at_once=1)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(gather.ask, 0)
        assert asked.begun.wait(WAIT)
        others = [queued(pool, gather, one) for one in (1, 2)]
        assert pool.submit(gather.ask, 3, is_urgent=True).result(WAIT) == 30
        assert not first.done()
        assert (gather._leading, len(gather._queue)) == (1, 2)
        asked.go.set()
        assert [one.result(WAIT) for one in others] == [10, 20]
    assert asked.groups == [[0], [3], [1, 2]]


def test_what_is_urgent_goes_first_where_its_own_way_is_taken_too():
    asked, urgent = Asked(), Asked()
    gather: Gather[int, int] = Gather(
        lambda questions: (urgent if 9 in questions else asked)(questions), most=3, at_once=1
    )
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(gather.ask, 0)
        assert asked.begun.wait(WAIT)
        slow = pool.submit(gather.ask, 9, is_urgent=True)
        assert urgent.begun.wait(WAIT)
        waiting = [queued(pool, gather, one, is_urgent=one == 2) for one in (1, 2, 3)]
        urgent.go.set()
        assert (slow.result(WAIT), waiting[1].result(WAIT)) == (90, 20)
        assert not waiting[0].done()
        asked.go.set()
        assert (first.result(WAIT), waiting[0].result(WAIT), waiting[2].result(WAIT)) == (0, 10, 30)
    assert asked.groups == [[0], [2], [1, 3]]
    assert gather._leading == 0


def test_a_failure_is_told_to_all_that_were_asked_for_together_and_to_no_other():
    asked = Asked()
    gather = Gather(asked, most=2, at_once=1)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(gather.ask, 0)
        assert asked.begun.wait(WAIT)
        others = [queued(pool, gather, one) for one in (-1, 1, 2, 3)]
        asked.go.set()
        assert first.result(WAIT) == 0
        for failed in others[:2]:
            with pytest.raises(ValueError, match="asked for"):
                failed.result(WAIT)
        assert [one.result(WAIT) for one in others[2:]] == [20, 30]


def test_too_few_replies_are_a_failure_and_not_somebody_elses_reply():
    gather: Gather[int, int] = Gather(lambda _: [], most=5)
    with pytest.raises(ValueError, match="zip"):
        gather.ask(1)


def test_many_threads_get_each_its_own():
    gather: Gather[int, int] = Gather(lambda questions: [10 * one for one in questions], most=7)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(gather.ask, range(2000))) == [10 * one for one in range(2000)]
    assert gather._leading == 0
    assert not gather._queue
