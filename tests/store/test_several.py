"""Several processes that write one database: with SQLite those of one service, with PostgreSQL any.

Two stores in one process are as far apart as two processes: they share nothing but the database, and with SQLite the
lock that is taken before the fork.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from fhir_infusion.errors import Unavailable
from fhir_infusion.fhir.query import Criterion, Query, Wanted
from fhir_infusion.store import audit, open_reader, open_shared, open_store, outbox, owner, search, share, versions
from fhir_infusion.store.lock import Member, Turns
from tests.counts import count
from tests.store.helpers import MR, TENANT, draft, effect, put
from tests.store.test_search import BY_CHANGE


def now():
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgresql_server").emptied()


@pytest.fixture
def stores(url):
    """Two stores on one database."""
    with ExitStack() as closing_:
        held = share(url)
        if held is not None:
            closing_.callback(held.release)
        opened = []
        for _ in range(2):
            opened.append(open_store(url, now) if held is None else open_shared(held, now))
            closing_.callback(opened[-1].close)
        yield opened


def together(*works):
    """Run works at once, each in a thread; return what they returned, or raised."""
    start: threading.Barrier = threading.Barrier(len(works))
    done: list[Any] = [None] * len(works)

    def run(number, work):
        start.wait()
        try:
            done[number] = work()
        except Exception as failure:  # noqa: BLE001  it is what is looked at
            done[number] = failure

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_the_same_key_at_two_processes_makes_one_effect(stores):
    done = together(*[lambda store=store: store.transact(TENANT, effect("same")) for store in stores * 8])
    assert sorted(new for _, new in done) == [False] * 15 + [True]
    assert {stored.id for stored, _ in done} == {"id-same"}
    assert len(stores[0].read(TENANT, outbox.rows)) == 1
    assert stores[0].read(TENANT, audit.verify) == ()


def test_of_two_changes_from_one_version_at_two_processes_one_is_told_that_it_moved(stores):
    first = put(stores[0], "a")
    change = draft("a", "a", previous=first)
    done = together(
        *[lambda store=store: store.transact(TENANT, lambda tx: versions.put(tx, change)).version for store in stores]
    )
    assert sorted(map(str, done)) == ["", "2"]
    assert any(isinstance(one, versions.Moved) for one in done)


def test_who_asks_for_what_changed_since_misses_nothing_that_several_processes_write(stores, url):
    """L: a change of an earlier moment never becomes visible after one of a later moment was seen."""
    writing, last = threading.Event(), 0
    seen: set[str] = set()
    made = count(60, 2000)

    def write(store, half):
        for number in range(made):
            put(store, f"{half}-{number}")

    def follow():
        nonlocal last
        reader = open_reader(url, now)
        rounds = 0
        while True:
            ended = writing.is_set()
            since = Wanted("gt", start=last, end=last + 1)
            query = Query((Criterion("_lastUpdated", "lastUpdated", (since,)),), sort=BY_CHANGE)
            page = reader.read(TENANT, partial(search.page, type=MR, query=query, count=50))
            seen.update(entry.id for entry in page.entries)
            if page.entries:
                last = max(int(entry.last_updated.timestamp() * 1000 + 0.5) for entry in page.entries)
            rounds += 1
            if ended and page.after is None and not page.entries:
                reader.close()
                return rounds

    followed = []
    follower = threading.Thread(target=lambda: followed.append(follow()))
    follower.start()
    done = together(*[lambda store=store, half=half: write(store, half) for half, store in enumerate(stores)])
    writing.set()
    follower.join()
    assert done == [None, None]
    assert seen == {f"{half}-{number}" for half in range(2) for number in range(made)}
    assert followed[0] > 1


def test_tenants_of_one_group_are_written_apart_and_each_has_its_chain(stores):
    tenants = ("north", "south", "east")
    done = together(
        *[
            lambda store=store, tenant=tenant, n=n: store.transact(tenant, effect(f"{tenant}-{n}-{id(store)}"))[1]
            for store in stores
            for tenant in tenants
            for n in range(8)
        ]
    )
    assert done == [True] * 48
    for tenant in tenants:
        assert len(stores[0].read(tenant, outbox.rows)) == 16
        assert stores[0].read(tenant, audit.verify) == ()


def test_a_row_is_claimed_by_one_worker_and_of_a_resource_one_row_at_a_time(stores):
    for number in range(20):
        put_with_row(stores[0], f"r{number % 10}")
    claimed = []
    for _ in range(6):
        done = together(
            *[
                lambda store=store: store.transact(TENANT, lambda tx: outbox.claim(tx, "pharmacy", "w", 3, 60))
                for store in stores
            ]
        )
        claimed += [row for rows in done for row in rows]
    assert len(claimed) == 10
    assert {row.aggregate for row in claimed} == {f"{MR}/r{number}" for number in range(10)}
    assert {row.version for row in claimed} == {1}


def put_with_row(store, id_):
    def work(tx):
        stored = versions.put(tx, draft(id_, id_, previous=versions.current(tx, MR, id_)))
        return outbox.enqueue(tx, "pharmacy", stored.aggregate, stored.version, "hash", stop=False)

    return store.transact(TENANT, work)


@pytest.fixture
def shared(tmp_path):
    """SQLite's lock, held for several processes."""
    held = _shared(tmp_path)
    yield held
    held.release()


def _shared(folder):
    held = share(f"sqlite:///{folder / 'shared.db'}")
    assert held is not None
    return held


def test_none_but_those_that_share_the_lock_write_and_others_are_told_who_takes_work(shared):
    url = f"sqlite:///{shared.database}"
    with closing(open_shared(shared, now)) as one, closing(open_shared(shared, now)) as two:
        tokens = {store.announce("127.0.0.1:8080") for store in (one, two)}
        told = owner(url)
        assert told is not None
        assert (told.address, {told.token}) == ("127.0.0.1:8080", tokens)
        with pytest.raises(Unavailable, match="takes work at 127"):
            open_store(url, now)
        one.close()
        with pytest.raises(Unavailable, match="writes this database"):
            open_store(url, now)
        assert two.transact(TENANT, effect("a"))[1]


def test_what_one_of_several_processes_left_uncleanly_is_checked_at_the_next_start(tmp_path):
    held = _shared(tmp_path)
    process = multiprocessing.get_context("fork").Process(target=Member(held).abandon)
    process.start()
    process.join(30)
    held.release()
    after = _shared(tmp_path)
    assert after.held.unclean
    with closing(open_shared(after, now)) as store:
        assert store.transact(TENANT, effect("a"))[1]
    after.release()
    last = _shared(tmp_path)
    assert not last.held.unclean
    last.release()


def test_a_turn_to_write_is_waited_for_and_given_back_by_a_process_that_is_killed_in_it(shared):
    fork = multiprocessing.get_context("fork")
    holding, written = fork.Event(), threading.Event()

    def hold():
        with Turns(shared.database).turn():
            holding.set()
            time.sleep(60)

    process = fork.Process(target=hold)
    process.start()
    assert holding.wait(30)
    with closing(open_shared(shared, now)) as store:

        def write():
            store.transact(TENANT, effect("a"))
            written.set()

        writing = threading.Thread(target=write)
        writing.start()
        assert not written.wait(0.5)
        process.kill()
        process.join(30)
        assert written.wait(30)
        writing.join()


def test_only_one_process_is_alone(stores):
    one, two = stores
    with one.alone("pull peer") as first, one.alone("pull peer") as second, two.alone("pull other") as other:
        assert (first, second, other) == (True, False, True)
        assert _elsewhere(two, "pull peer", "pull third") == [False, True]
    assert _elsewhere(two, "pull peer") == [True]


def test_who_fails_while_it_is_alone_is_not_alone_any_more(stores):
    one, two = stores
    with pytest.raises(Unavailable), one.alone("pull peer"):
        raise Unavailable("the storage does not answer")
    assert _elsewhere(two, "pull peer") == [True]


def _elsewhere(store, *names):
    """Whether each name can be had in another process."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()

    def ask():
        found = []
        for name in names:
            with store.alone(name) as taken:
                found.append(taken)
        theirs.send(found)

    process = multiprocessing.get_context("fork").Process(target=ask)
    process.start()
    found = ours.recv() if ours.poll(30) else None
    process.join(30)
    return found
