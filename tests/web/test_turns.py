"""Requests take turns: one at a time where they are short, and nobody waits long for one that is not."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhir_infusion.web import turns
from fhir_infusion.web.turns import Turns

LONG = 1000.0
"""Seconds that no test waits: where a turn lasts so long, only its end lets others go on."""


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST", LONG)
    monkeypatch.setattr(turns, "PATIENCE", LONG)


@pytest.mark.usefixtures("endless")
def test_of_many_at_once_one_works_at_a_time_and_all_have_their_turn():
    queue, at_work, most, done = Turns(), [], [], []

    def work(number: int) -> None:
        with queue.turn():
            at_work.append(number)
            most.append(len(at_work))
            time.sleep(0.001)
            at_work.remove(number)
            done.append(number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(200)))
    assert max(most) == 1
    assert sorted(done) == list(range(200))


@pytest.mark.usefixtures("endless")
def test_a_turn_ends_where_its_work_fails():
    queue = Turns()
    with pytest.raises(ZeroDivisionError), queue.turn():
        _ = 1 / 0
    with queue.turn():
        pass


def test_who_works_long_keeps_only_the_next_one_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "PATIENCE", LONG)
    queue, begun, end, after = Turns(), threading.Event(), threading.Event(), []

    def long_work() -> None:
        with queue.turn():
            begun.set()
            end.wait()

    slow = threading.Thread(target=long_work)
    slow.start()
    begun.wait()
    with queue.turn():  # the turn of the first is over by time, and is this one's now
        assert not end.is_set()
    monkeypatch.setattr(turns, "MOST", LONG)
    for _ in range(3):  # nobody waits for the first any more: with turns that never end this would
        with queue.turn():
            after.append(1)
    end.set()
    slow.join()
    assert len(after) == 3


def test_nobody_waits_for_ever_though_others_always_go_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "MOST", LONG)
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    queue = Turns()
    with queue.turn(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: queue.turn().__enter__()).result(timeout=60) is None


@pytest.mark.usefixtures("endless")
def test_who_went_ahead_without_a_turn_takes_none_from_its_holder(monkeypatch: pytest.MonkeyPatch):
    queue = Turns()
    with queue.turn():
        monkeypatch.setattr(turns, "PATIENCE", 0.0)
        with queue.turn():
            pass
        assert queue._holder is not None
