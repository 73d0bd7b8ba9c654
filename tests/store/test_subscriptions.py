"""Events are numbered without gaps or repeats, and one sender at a time holds a subscription."""

import threading
from dataclasses import replace

import pytest

from fhir_infusion.store import open_store, subscriptions, versions
from fhir_infusion.store.subscriptions import Subscription
from fhir_infusion.store.tx import to_ms
from tests.store.helpers import MR, TENANT, draft, put


def subscribed(store, id="s", **more):
    def work(tx):
        now = to_ms(tx.now)
        made = Subscription(
            tx.tenant, id, "R5", "active", MR, "ehr", "http://here/fhir/r5", "{}", "[]", 1, now, now, 0, 0, contacted=1
        )
        subscriptions.add(tx, replace(made, **{"is_open": 1, **more}))

    store.transact(TENANT, work)


def found(store, id="s"):
    return store.read(TENANT, lambda tx: subscriptions.find(tx, id))


def numbers(store, id="s"):
    return [event.number for event in store.read(TENANT, lambda tx: subscriptions.events(tx, id, 0, 10**9, 10**6))]


class Undone(Exception):
    """A piece of work that is rolled back after it had taken a number."""


def test_four_writers_in_two_processes_leave_no_gap_and_no_repeat(url, store, clock):
    subscribed(store)
    # Where other processes may write the same database there are two.
    stores = [store, open_store(url, clock)] if store.is_shared else [store]
    failures = []

    def write(writer):
        for number in range(25):

            def work(tx, name=f"{writer}-{number}", undone=number % 5 == 0):
                stored = versions.put(tx, draft(name, name))
                subscriptions.append(tx, "s", stored, stop=False)
                if undone:
                    raise Undone

            try:
                stores[writer % len(stores)].transact(TENANT, work)
            except Undone:
                continue
            except Exception as failure:  # noqa: BLE001  told by the test
                failures.append(failure)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for other in stores[1:]:
        other.close()
    assert failures == []
    assert numbers(store) == list(range(1, 81))
    assert found(store).events == 80


def test_numbers_go_on_after_a_restart(url, store, clock):
    subscribed(store)
    stored = put(store, "a")
    store.transact(TENANT, lambda tx: subscriptions.append(tx, "s", stored, stop=False))
    store.close()
    again = open_store(url, clock)
    again.transact(TENANT, lambda tx: subscriptions.append(tx, "s", stored, stop=True))
    assert (numbers(again), found(again).stops) == ([1, 2], 2)
    again.close()


def claimed(store, owner, *, alone=False, seconds=60):
    return store.transact(TENANT, lambda tx: subscriptions.claim(tx, "s", owner, seconds, alone=alone))


def test_one_sender_at_a_time_holds_a_subscription(store, clock):
    subscribed(store, is_open=0)
    assert claimed(store, "one/1").lease_owner == "one/1"
    assert claimed(store, "one/2") is None
    assert claimed(store, "two/1") is None
    clock.move(seconds=61)
    assert claimed(store, "two/1").lease_owner == "two/1"
    assert store.read(TENANT, lambda tx: subscriptions.held(tx, "s", "one/1")) is None


def test_the_lease_of_a_dead_process_is_void_where_only_one_writes(store):
    subscribed(store, is_open=0)
    assert claimed(store, "dead/1", alone=True) is not None
    assert claimed(store, "living/1", alone=True).lease_owner == "living/1"
    assert claimed(store, "living/2", alone=True) is None


def test_what_waits_is_not_due_and_is_once_its_time_is_over(store, clock):
    subscribed(store, events=2, sent=1, not_before=store.read(TENANT, lambda tx: to_ms(tx.now)) + 60_000)
    assert claimed(store, "one/1") is None
    clock.move(seconds=60)
    assert claimed(store, "one/1") is not None


def test_h6_f17_a_lease_and_a_wait_end_though_our_clock_went_back(store, clock):
    subscribed(store, events=2, sent=1)
    assert claimed(store, "dead/1") is not None
    clock.move(seconds=-3600)
    assert claimed(store, "two/1").lease_owner == "two/1"


@pytest.mark.parametrize(
    ("state", "due"),
    [
        ({}, False),
        ({"is_open": 0}, True),
        ({"events": 2, "sent": 1}, True),
        ({"events": 2, "sent": 1, "status": "off"}, False),
        ({"events": 2, "sent": 1, "not_before": 2**60}, True),  # no wait is so long: our clock went back
        ({"heartbeat": 5}, True),
        ({"heartbeat": 5, "contacted": 2**60}, False),
        ({"ends": 1}, True),
        ({"ends": 2**60}, False),
    ],
)
def test_what_is_due_is_found(store, state, due):
    subscribed(store, **state)
    assert bool(store.read("", subscriptions.due)) is due
    assert (claimed(store, "one/1") is not None) is due


def test_stops_come_first_and_what_fails_last(store):
    waits = {"events": 1}
    subscribed(store, "failing", failures=3, **waits)
    subscribed(store, "well", **waits)
    subscribed(store, "stop", stops=1, contacted=2, **waits)
    assert [one.subscription_id for one in store.read("", subscriptions.due)] == ["stop", "well", "failing"]


def test_what_is_deleted_is_gone_with_its_events(store):
    subscribed(store)
    stored = put(store, "a")
    store.transact(TENANT, lambda tx: subscriptions.append(tx, "s", stored, stop=False))
    store.transact(TENANT, lambda tx: subscriptions.forget(tx, "s"))
    assert (found(store), numbers(store)) == (None, [])
