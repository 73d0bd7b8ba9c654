"""Our own database restored from a backup that was taken while it was written: F26 and hazards H6, H7, H19."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import audit
from tests import backups
from tests.counts import count
from tests.faults.invariants import check, rest
from tests.faults.peer import Peer
from tests.faults.rig import ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "MedicationRequest"
MA = "MedicationAdministration"


class Place:
    """A database with a rig on it, that can be put back to a backup."""

    def __init__(self, url: str, another: Callable[[], str], directory: Path) -> None:
        self.url = url
        self.another = another
        self.file = directory / "backup"
        self.there = Peer(page=200)
        self.rig = open_rig(self.there, url, Clock())

    def back_up(self) -> None:
        backups.taken(self.url, self.file)

    def restore(self) -> Rig:
        """Go on with the backup, as after a fire."""
        self.rig.close()
        self.rig = open_rig(self.there, backups.restored(self.file, self.url, self.another), self.rig.clock)
        return self.rig

    def close(self) -> None:
        self.rig.close()
        self.there.close()


@pytest.fixture
def place(database: str, another_database: Callable[[], str], tmp_path: Path) -> Iterator[Place]:
    one = Place(database, another_database, tmp_path)
    yield one
    one.close()


def identifiers(resources: list[dict[str, Any]]) -> list[str]:
    return sorted(i["value"] for one in resources for i in one["identifier"] if i["system"] == ORDERS)


def theirs(there: Peer, order_id: str) -> dict[str, Any]:
    (one,) = [one for one in there.all(MR) if {"system": ORDERS, "value": order_id} in one["identifier"]]
    return one


def ours(rig: Rig, order_id: str) -> dict[str, Any]:
    return rig.resource(MR, rig.id_of(MR, order_id))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_f26_a_backup_taken_under_load_and_restored_doubles_nothing_and_what_was_lost_comes_back(place: Place) -> None:
    rig, there = place.rig, place.there
    for number in range(10):
        rig.place(order(f"A-{number}"))
    rig.give(administration("G-1", "A-0", 5, "7.50"))
    rig.settle()
    rig.pull()
    ending, begun = threading.Event(), threading.Event()

    def load() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            rig.place(order(f"B-{number}"))
            rig.push()
            if number == count(10, 100):
                begun.set()

    worker = threading.Thread(target=load)
    worker.start()
    begun.wait(600)
    place.back_up()
    ending.set()
    worker.join()
    rig.amend(order("A-1", priority="stat"))
    rig.amend(order("A-2", status="stopped"))
    there.put({**theirs(there, "A-3"), "note": [{"text": "seen"}]})
    rig.pull()
    rig.place(order("C-1"))
    rig.change(administration("G-1", "A-0", 5, "7.50", 9))
    rig.settle()
    known_there = identifiers(there.all(MR))
    versions_there = sum(len(kept.versions) for kept in there.resources.values())
    assert "C-1" in known_there

    rig = place.restore()
    assert "C-1" not in identifiers(rig.all())
    rest(rig)
    # Nothing is doubled there, nothing is written there anew, and all that is known there is here once.
    assert identifiers(there.all(MR)) == known_there
    assert sorted(set(known_there)) == known_there
    assert sum(len(kept.versions) for kept in there.resources.values()) == versions_there
    assert identifiers(rig.all()) == known_there
    assert (ours(rig, "A-1")["priority"], ours(rig, "A-2")["status"]) == ("stat", "stopped")
    assert ours(rig, "A-3")["note"] == [{"text": "seen"}]
    assert (rig.conflicts(), rig.quarantined()) == ([], [])
    assert len(there.all(MA)) == len(rig.all(MA)) == 4
    check(rig, is_restored=True)
    # What came back is ours: its identifier names it, so that the sender's retry makes no second one.
    with pytest.raises(Refused) as refusal:
        rig.place(order("C-1"))
    assert (refusal.value.status, len(rig.all())) == (422, len(known_there))
    rig.amend(order("C-1", status="stopped"))
    rig.settle()
    assert theirs(there, "C-1")["status"] == "stopped"
    check(rig, is_restored=True)


def test_f26_h7_h19_a_change_that_waited_in_the_backup_does_not_win_over_what_was_sent_since(place: Place) -> None:
    rig, there = place.rig, place.there
    rig.place(order("D-1"))
    rig.place(order("D-2"))
    rig.settle()
    rig.amend(order("D-1", steps=[{"step_id": "run", "text": "second"}]))
    rig.amend(order("D-2", priority="stat"))
    rig.place(order("D-3"))
    place.back_up()  # three rows wait in it
    rig.settle()
    rig.amend(order("D-1", steps=[{"step_id": "run", "text": "third"}]))
    rig.amend(order("D-3", steps=[{"step_id": "run", "text": "other"}]))
    rig.settle()
    before = {one["id"]: one["meta"]["versionId"] for one in there.all(MR)}

    rig = place.restore()
    rest(rig)
    assert theirs(there, "D-1")["dosageInstruction"][0]["text"] == "third"
    assert theirs(there, "D-3")["dosageInstruction"][0]["text"] == "other"
    assert {one["id"]: one["meta"]["versionId"] for one in there.all(MR)} == before
    held = {conflict.aggregate for conflict in rig.conflicts()}
    assert held == {f"{MR}/{rig.id_of(MR, name)}" for name in ("D-1", "D-3")}
    check(rig, is_restored=True)


def test_f26_h6_a_stop_that_waited_in_the_backup_and_one_that_was_lost_both_stand(place: Place) -> None:
    rig, there = place.rig, place.there
    for number in (1, 2):
        rig.place(order(f"E-{number}"))
    rig.settle()
    rig.amend(order("E-1", status="stopped"))
    place.back_up()
    rig.amend(order("E-2", status="stopped"))
    rig.settle()
    rig = place.restore()
    rest(rig)
    assert [ours(rig, f"E-{number}")["status"] for number in (1, 2)] == ["stopped", "stopped"]
    assert [theirs(there, f"E-{number}")["status"] for number in (1, 2)] == ["stopped", "stopped"]
    assert rig.conflicts() == []
    check(rig, is_restored=True)


def test_f26_a_backup_is_whole_and_its_trail_too(place: Place) -> None:
    for number in range(5):
        place.rig.place(order(f"A-{number}"))
    place.rig.push()
    place.back_up()
    rig = place.restore()
    assert rig.service.store.read(TENANT, audit.verify) == ()
    assert len(rig.all()) == 5
