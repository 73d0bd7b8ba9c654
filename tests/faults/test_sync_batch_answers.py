"""Answers to a Bundle whose entries are not those that were asked for, or not in their order: F10, H10, H5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.peer import Asked, Peer
from tests.faults.rig import Rig, order
from tests.faults.test_sync_bundles import MR, NUMBER, amend, batching, bundles, is_slow, place
from tests.faults.test_sync_bundles import there as orders_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Entries = list[dict[str, Any]]

TURNED: dict[str, Callable[[Entries], Entries]] = {
    "turned round": lambda entries: entries[::-1],
    "one place on": lambda entries: [*entries[1:], *entries[:1]],
    "the first instead of each": lambda entries: entries[:1] * len(entries),
    "one fewer": lambda entries: entries[1:],
    "one more": lambda entries: [*entries, *entries[:1]],
}


class Turning(Peer):
    """It does what a Bundle asks for, and answers with the entries turned."""

    turned = ""
    brief = False
    """It answers without the resources: the locations alone say what was written."""

    def _batch(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        status, headers, body = super()._batch(asked)
        if body is not None and self.turned:
            entries = [{"response": one["response"]} for one in body["entry"]] if self.brief else body["entry"]
            body = {**body, "entry": TURNED[self.turned](entries)}
        return status, headers, body


@pytest.fixture
def turning() -> Turning:
    return Turning()


@pytest.fixture
def rig(turning: Turning, tmp_path: Path) -> Iterator[Rig]:
    with batching(turning, tmp_path) as opened:
        yield opened


def _each_is_linked_to_its_own(rig: Rig) -> None:
    there = {one["id"]: one["identifier"] for one in rig.there.all(MR)}
    assert orders_there(rig) == {f"A-{one}": 1 for one in range(NUMBER)}
    for id_ in rig.ids():
        link = rig.link(MR, id_)
        assert link is not None
        assert there[link.remote_id] == rig.resource(MR, id_)["identifier"]


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("turned", TURNED)
def test_f10_h10_h5_whatever_the_order_of_the_answers_each_order_is_there_once_and_linked_to_its_own(
    rig: Rig, turning: Turning, turned: str, *, brief: bool
):
    turning.turned, turning.brief = turned, brief
    turning.lies = [is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert bundles(rig)
    _each_is_linked_to_its_own(rig)
    assert all(len(turning.history(MR, one["id"])) == 1 for one in turning.all(MR))


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("turned", TURNED)
def test_f10_h10_whatever_the_order_of_the_answers_each_order_is_of_its_own_new_patient(
    rig: Rig, turning: Turning, turned: str, *, brief: bool
):
    turning.turned, turning.brief = turned, brief
    turning.lies = [is_slow]
    for number in range(NUMBER):
        rig.place(order(f"A-{number}"))
    assert set(rig.settle()) == {"acked"}
    assert bundles(rig)
    whose = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in turning.all("Patient")}
    assert sorted(whose.values()) == sorted(f"mrn-A-{number}" for number in range(NUMBER))
    told = {one["identifier"][0]["value"]: whose[one["subject"]["reference"]] for one in turning.all(MR)}
    assert told == {f"A-{number}": f"mrn-A-{number}" for number in range(NUMBER)}


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("turned", TURNED)
def test_f10_h10_h6_whatever_the_order_of_the_answers_each_stop_arrives_once_at_its_own(
    rig: Rig, turning: Turning, turned: str, *, brief: bool
):
    place(rig)
    rig.settle()
    turning.turned, turning.brief = turned, brief
    turning.lies = [is_slow]
    amend(rig)
    assert set(rig.settle()) == {"acked"}
    assert {one["status"] for one in turning.all(MR)} == {"stopped"}
    assert all(len(turning.history(MR, one["id"])) == 2 for one in turning.all(MR))
    _each_is_linked_to_its_own(rig)
