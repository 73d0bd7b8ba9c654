"""A stop goes out within seconds, whatever else the worker does: other requests hang, a pull takes long, much waits."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store import outbox, standing
from fhir_infusion.sync import peer as sync_peer
from fhir_infusion.sync import push, sending, worker
from fhir_infusion.sync.gather import AT_ONCE
from tests.counts import count
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Asked, Peer
from tests.faults.rig import MRN, TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.verdicts import Verdict

WITHIN = count(short=30, long=2)
"""Seconds that a stop may take; at short counts other tests run beside it, and that it overtakes is what counts."""


class Running(Clock):
    """A clock that runs, and can be moved all the same."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        return self().timestamp()


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    with demanded(
        open_rig(there, database, Running(), deadline_seconds=20), asked=database.startswith("sqlite")
    ) as one:
        yield one


def _until(what: Callable[[], object], seconds: float = 60) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() < begun + seconds
        time.sleep(0.01)
    return time.monotonic() - begun


def _stopped(there: Peer, name: str) -> bool:
    return any(one["status"] == "cancelled" and _name(one) == name for one in there.all("MedicationRequest"))


def _name(resource: dict) -> str:
    return str(resource["identifier"][0]["value"])


def _names(body: dict) -> set[str]:
    """Return what a request writes: one resource, or those of a batch."""
    return {_name(one["resource"]) for one in body["entry"]} if "entry" in body else {_name(body)}


@pytest.mark.parametrize("in_batches", [False, True])
def test_f8_h6_a_stop_does_not_wait_for_other_orders_whose_requests_hang(rig: Rig, there: Peer, *, in_batches: bool):
    there.takes_batches = in_batches
    rig.place(order("S-1"))
    rig.push()
    slow = {f"A-{number}" for number in range(2 * rig.peer.remote.senders)}
    hanging = AT_ONCE if in_batches else rig.peer.remote.senders
    released = threading.Event()
    there.lies.append(lambda asked: Act(until=released) if asked.writes and _names(asked.body) & slow else None)
    for name in slow:
        rig.place(order(name))
    runs = worker.Worker(rig.service)
    runs.start()
    try:
        _until(lambda: sum(asked.writes and bool(_names(asked.body) & slow) for asked in there.asked) >= hanging)
        rig.amend(order("S-1", status="cancelled"))
        runs.wake()
        assert _until(lambda: _stopped(there, "S-1")) < WITHIN
        assert len(there.all("MedicationRequest")) == 1  # none of those that hang
    finally:
        there.lies.clear()
        released.set()
        runs.stop()
    assert "leased" not in rig.states()  # what was begun was ended, and nothing else was taken up
    assert "sent" not in rig.states()


def test_f8_h6_a_stop_does_not_wait_for_a_pull_that_takes_long(rig: Rig, there: Peer):
    rig.place(order("S-1"))
    rig.push()
    released = threading.Event()
    there.lies.append(
        lambda asked: Act(until=released) if "_lastUpdated" in asked.query or "_sort" in asked.query else None
    )
    runs = worker.Worker(rig.service)
    runs.start()
    try:
        _until(lambda: any("_sort" in asked.query for asked in there.asked))
        rig.amend(order("S-1", status="cancelled"))
        runs.wake()
        assert _until(lambda: _stopped(there, "S-1")) < WITHIN
    finally:
        there.lies.clear()
        released.set()
        runs.stop()


def _backlog(rig: Rig, rows: int) -> None:
    """Put rows into the outbox: versions that were never stored, each put aside when its turn comes."""

    def work(tx: Tx) -> None:
        for number in range(rows):
            outbox.enqueue(tx, "peer", f"MedicationRequest/none-{number}", 1, "hash", stop=False)

    rig.service.store.transact(TENANT, work)


def test_h6_asking_about_one_resource_does_not_read_what_waits_of_others(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    _backlog(rig, 600)
    read: list[int] = []
    rows_of = outbox.row_of

    def counted(values: Sequence[object]) -> outbox.Row:
        read.append(1)
        return rows_of(values)

    monkeypatch.setattr(outbox, "row_of", counted)
    aggregate = "MedicationRequest/none-599"
    assert rig.service.store.read(TENANT, lambda tx: outbox.has_any(tx, "peer", aggregate, ("pending",)))
    assert not rig.service.store.read(TENANT, lambda tx: outbox.has_any(tx, "peer", aggregate, ("leased", "sent")))
    rig.there.put(_theirs())
    rig.pull()
    assert read == []


def _theirs() -> dict:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"identifier": {"system": MRN, "value": "mrn-9"}},
    }


def test_l3_h6_a_stop_overtakes_a_large_backlog_within_seconds(rig: Rig, there: Peer):
    rig.place(order("S-1"))
    rig.push()
    rows = count(short=2_000, long=100_000)
    _backlog(rig, rows)
    runs = worker.Worker(rig.service)
    runs.start()
    try:
        _until(lambda: rig.service.store.read(TENANT, lambda tx: standing.outgoing(tx, "peer")).get("dead", 0) > 10)
        rig.amend(order("S-1", status="cancelled"))
        runs.wake()
        assert _until(lambda: _stopped(there, "S-1")) < WITHIN
        assert rig.service.store.read(TENANT, lambda tx: standing.outgoing(tx, "peer")).get("pending", 0)
    finally:
        runs.stop()


def test_f8_two_new_patients_are_created_side_by_side(rig: Rig, there: Peer):
    released = threading.Event()
    there.lies.append(lambda asked: Act(until=released) if asked.writes and _name(asked.body) == "mrn-A" else None)
    rig.place(order("A.1"))
    pushing = threading.Thread(target=rig.push)
    pushing.start()
    _until(lambda: any(asked.type == "Patient" and asked.writes for asked in there.asked))
    rig.place(order("B.1"))
    other = threading.Thread(target=rig.push)
    other.start()
    _until(lambda: len(there.all("MedicationRequest")) == 1)
    released.set()
    pushing.join()
    other.join()
    assert sorted(_name(one) for one in there.all("Patient")) == ["mrn-A", "mrn-B"]


def test_a_thread_sends_one_row_after_the_other_and_ends_when_none_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    threads = []
    deliver = push.deliver

    def noted(peer: sync_peer.Peer, tenant: str, row: Row) -> Verdict:
        threads.append(threading.current_thread())
        return deliver(peer, tenant, row)

    monkeypatch.setattr(sending, "deliver", noted)
    monkeypatch.setattr(sending, "REST_SECONDS", 0.2)
    for number in range(20):
        rig.place(order(f"N-{number}"))
    rig.push()
    assert rig.states() == ["acked"] * 20
    assert len(threads) == 20
    assert len(set(threads)) < 20
    _until(lambda: not any(one.is_alive() for one in threads))


def test_rows_that_take_longer_than_their_lease_are_kept_by_renewing_it(
    rig: Rig, there: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "LEASE_SECONDS", 3)
    there.lies.append(lambda asked: Act(wait_seconds=7) if asked.writes and asked.type == "MedicationRequest" else None)
    for number in range(4):
        rig.place(order(f"N-{number}"))
    rig.push()
    assert [(row.state, row.attempt, row.crashes) for row in rig.rows()] == [("acked", 1, 0)] * 4


def test_a_push_by_hand_ends_where_new_orders_come_all_the_time_and_all_of_before_is_there(
    rig: Rig, there: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "LATER_SECONDS", 0.2)
    before = [rig.place(order(f"A-{number}")).id for number in range(5)]
    numbers = iter(range(10_000))

    def another(asked: Asked) -> None:
        if asked.type == "MedicationRequest" and asked.writes:
            rig.place(order(f"B-{next(numbers)}"))

    there.lies.append(another)
    assert rig.push() >= len(before)
    there.lies.clear()
    states = {row.aggregate.partition("/")[2]: row.state for row in rig.rows()}
    assert {states[id_] for id_ in before} == {"acked"}
    assert "pending" in states.values()
