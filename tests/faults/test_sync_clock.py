"""A clock that steps back, a peer's or ours: nothing is missed, nothing waits for longer, no old state wins, and it is told (F17, H6, H7, H8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fhir_infusion.sync import worker
from tests.faults.dying import POINTS, kill
from tests.faults.peer import RESET, Act, once
from tests.faults.rig import Rig, of_theirs, order

MR = "MedicationRequest"
steps = pytest.mark.parametrize("back", [60, 600, 86_400])


def _their_order(rig: Rig, number: int) -> dict[str, Any]:
    return rig.there.put(of_theirs(number, dosageInstruction=[{"text": f"rate {number}"}]))


def _asks(rig: Rig) -> int:
    """Return how many single orders were read so far."""
    return len([one for one in rig.there.asked if (one.method, one.type) == ("GET", MR) and one.id])


@steps
def test_f17_h6_a_stop_that_a_peer_dates_before_what_we_know_is_taken_and_told(rig: Rig, back: int) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    asks = _asks(rig)
    rig.there.step(timedelta(seconds=-back))
    (theirs,) = rig.there.all(MR)
    rig.there.put({**theirs, "status": "stopped"})
    rig.pull()
    (id_,) = rig.ids()
    assert rig.resource(MR, id_)["status"] == "stopped"
    assert "peer-clock-back" in rig.alerts()
    assert _asks(rig) == asks + 1, "whether it is current is asked once"
    before = rig.alerts()
    for _ in range(3):
        rig.pull()
        rig.settle()
    assert (rig.alerts(), rig.resource(MR, id_)["status"], len(rig.rows())) == (before, "stopped", 1)
    assert len(rig.there.history(MR, theirs["id"])) == 2


@steps
def test_f17_a_new_order_is_taken_whose_peer_set_its_clock_back(rig: Rig, back: int) -> None:
    _their_order(rig, 1)
    rig.pull()
    rig.there.step(timedelta(seconds=-back))
    _their_order(rig, 2)
    rig.pull()
    rig.there.step(timedelta(seconds=1))
    _their_order(rig, 3)  # the clock still stands before the watermark
    rig.pull()
    rig.there.step(timedelta(seconds=3600))
    _their_order(rig, 4)
    rig.pull()
    assert len(rig.ids()) == 4
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert rig.alerts().count("peer-clock-back") == 2, "each of the two feeds tells it once"


def test_f17_a_new_order_is_taken_after_one_of_the_future_though_the_peer_does_not_say_what_time_it_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.there, "_date", dict)
    _their_order(rig, 1)
    rig.there.step(timedelta(days=30))
    _their_order(rig, 2)
    rig.pull()
    rig.there.step(timedelta(days=-30))
    _their_order(rig, 3)
    rig.pull()
    assert len(rig.ids()) == 3


@steps
def test_f17_a_new_order_is_taken_though_the_pull_that_met_the_step_failed_midway(
    rig: Rig, back: int, database: str
) -> None:
    _their_order(rig, 1)
    rig.pull()
    rig.there.step(timedelta(seconds=-back))
    rig.there.page_size = 2
    for number in range(2, 6):
        _their_order(rig, number)
    rig.there.expire_pages = 100
    assert any(one.trouble for one in rig.pull())
    rig.there.expire_pages = 0
    rig.restart(database)
    rig.pull()
    assert len(rig.ids()) == 5


def test_f17_h7_of_two_versions_that_came_together_the_later_date_does_not_win_over_the_current_one(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (theirs,) = rig.there.all(MR)

    def dosed(text: str) -> dict[str, Any]:
        return {**theirs, "dosageInstruction": [{**theirs["dosageInstruction"][0], "text": text}]}

    rig.there.put(dosed("old"))
    fetched: list[int] = []
    rig.there.page_size = 1
    rig.there.put({**theirs, "id": "other", "identifier": []}, "other")

    def change(offset: int) -> None:
        if not fetched:
            fetched.append(offset)
            rig.there.step(timedelta(seconds=-60))
            rig.there.put(dosed("new"))

    rig.there.between_pages = change
    rig.pull()
    rig.pull()
    ours = rig.resource(MR, rig.link_of(theirs["id"]))
    assert ours["dosageInstruction"][0]["text"] == "new"


# ------------------------------------------------------------------------------------------------------ our clock


ours_steps = pytest.mark.parametrize("back", [1800, 86_400])


def _stop_arrives(rig: Rig, back: int) -> None:
    rig.clock.move(-back)
    rig.amend(order("A-1", status="stopped"))
    rig.push()
    rig.clock.move(3)
    rig.settle(5)
    (theirs,) = rig.there.all(MR)
    assert (theirs["status"], rig.link_state(f"{MR}/{rig.ids()[0]}") != "") == ("stopped", True)


@ours_steps
def test_f17_h6_a_stop_goes_out_though_our_clock_went_back_while_the_peer_was_left_alone(rig: Rig, back: int) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(lambda _: RESET)
    rig.amend(order("A-1", priority="urgent"))
    for _ in range(5):
        rig.push()
        rig.clock.move(5)
    rig.there.lies.clear()
    assert rig.peer.circuit.open_until is not None
    _stop_arrives(rig, back)


@ours_steps
def test_f17_f9_h6_a_window_that_was_asked_for_ends_though_our_clock_went_back(rig: Rig, back: int) -> None:
    rig.place(order("A-1"))
    rig.settle()
    busy = Act(effect=False, status=503, headers={"Retry-After": "30"})
    rig.there.lies.append(once(busy))
    rig.amend(order("A-1", priority="urgent"))
    rig.push()
    assert not rig.peer.allows(anew=True)
    _stop_arrives(rig, back)


@ours_steps
def test_f17_what_a_dead_process_had_claimed_is_taken_up_though_our_clock_went_back(rig: Rig, back: int) -> None:
    rig.place(order("A-1"))
    kill(rig, *POINTS[1])
    assert rig.states() == ["sent"]
    rig.clock.move(-back)
    assert rig.settle(5) == ["acked"]
    assert len(rig.there.all(MR)) == 1


@ours_steps
def test_f17_the_next_pull_is_not_waited_for_longer_though_our_clock_went_back(rig: Rig, back: int) -> None:
    line = worker._Line(rig.peer)
    line._pull()
    rig.there.put(of_theirs(1))
    rig.clock.move(-back)
    line._pull()
    assert len(rig.all()) == 1
