"""One writer thread, commits in groups, each piece of work alone in its savepoint."""

import threading

import pytest

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import audit, open_store, outbox, versions
from tests.store.helpers import MR, SYSTEM, TENANT, draft, effect, put


class OwnError(Exception):
    pass


def test_what_a_piece_of_work_returns_is_returned_and_what_it_raises_is_raised(store):
    def raises(_tx):
        raise OwnError

    assert store.transact(TENANT, lambda tx: tx.tenant) == TENANT
    with pytest.raises(OwnError):
        store.transact(TENANT, raises)


def test_work_that_raises_midway_leaves_nothing_of_itself(store):
    def half(tx):
        effect("half")(tx)
        raise OwnError

    with pytest.raises(OwnError):
        store.transact(TENANT, half)
    assert store.read(TENANT, lambda tx: versions.by_identifier(tx, MR, SYSTEM, "half")) is None
    assert store.read(TENANT, outbox.rows) == ()
    assert store.read(TENANT, audit.entries) == ()
    assert store.read(TENANT, audit.verify) == ()


def test_a_failing_piece_is_rolled_back_alone_while_the_others_of_its_group_are_stored(store):
    """The first piece holds the thread until the others wait, so that these become one group."""
    inside, go_on = threading.Event(), threading.Event()
    outcomes = {}

    def hold(_tx):
        inside.set()
        go_on.wait(10)

    def fails(tx):
        effect("bad")(tx)
        raise OwnError

    def run(name, work):
        try:
            outcomes[name] = store.transact(TENANT, work)
        except OwnError:
            outcomes[name] = "refused"

    holder = threading.Thread(target=run, args=("hold", hold))
    holder.start()
    assert inside.wait(10)
    works = {"one": effect("one"), "bad": fails, "two": effect("two")}
    threads = [threading.Thread(target=run, args=item) for item in works.items()]
    for thread in threads:
        thread.start()
    while store._writer._jobs.qsize() < len(threads):
        pass
    go_on.set()
    for thread in (holder, *threads):
        thread.join()
    assert outcomes["bad"] == "refused"
    assert {outcomes[name][0].id for name in ("one", "two")} == {"id-one", "id-two"}
    assert {row.aggregate for row in store.read(TENANT, outbox.rows)} == {f"{MR}/id-one", f"{MR}/id-two"}
    assert store.read(TENANT, audit.verify) == ()


def test_sixteen_threads_that_post_the_same_key_make_one_effect(store):
    start = threading.Barrier(16)
    made = []

    def run():
        start.wait()
        made.append(store.transact(TENANT, effect("same")))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new for _, new in made) == [False] * 15 + [True]
    assert {stored.id for stored, _ in made} == {"id-same"}
    assert len(store.read(TENANT, outbox.rows)) == 1
    assert len(store.read(TENANT, audit.entries)) == 1


def test_of_two_changes_that_start_from_one_version_the_second_is_told_that_it_moved(store):
    first = put(store, "a")
    assert store.transact(TENANT, lambda tx: versions.put(tx, draft("a", "a", previous=first))).version == 2
    with pytest.raises(versions.Moved):
        store.transact(TENANT, lambda tx: versions.put(tx, draft("a", "a", previous=first)))
    assert [one.version for one in store.read(TENANT, lambda tx: versions.history(tx, MR, "a"))] == [2, 1]


def test_a_reader_cannot_write(store):
    with pytest.raises(Unavailable):
        store.read(TENANT, effect("by-reading"))
    assert store.read(TENANT, lambda tx: versions.by_identifier(tx, MR, SYSTEM, "by-reading")) is None


def test_a_reading_sees_one_snapshot_while_others_write(store):
    put(store, "a")

    def twice(tx):
        before = versions.current(tx, MR, "a")
        put(store, "a")
        return before, versions.current(tx, MR, "a")

    before, after = store.read(TENANT, twice)
    assert before == after
    assert store.read(TENANT, lambda tx: versions.current(tx, MR, "a")).version == 2


def test_a_piece_of_work_may_not_wait_for_another_one(store):
    with pytest.raises(RuntimeError):
        store.transact(TENANT, lambda _tx: store.transact(TENANT, lambda tx: tx.now))


def test_a_closed_store_takes_nothing(url, clock):
    store = open_store(url, clock)
    store.close()
    store.close()
    assert not store.healthy()
    with pytest.raises(Unavailable):
        store.transact(TENANT, lambda tx: tx.now)


def test_what_waits_is_finished_before_the_store_closes(url, clock):
    store = open_store(url, clock)
    done = []
    threads = [
        threading.Thread(target=lambda n=n: done.append(store.transact(TENANT, effect(f"last-{n}")))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    again = open_store(url, clock)
    assert len(again.read(TENANT, outbox.rows)) == len(done) == 8
    again.close()
