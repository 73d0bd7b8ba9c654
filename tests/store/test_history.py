"""History in the store: every version, newest first, page by page, from an index."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from fhir_infusion.fhir.dates import Stretch
from fhir_infusion.store import history, versions
from fhir_infusion.store.history import Of
from fhir_infusion.store.tx import to_ms
from tests.store.helpers import MR, SYSTEM, TENANT, draft, put


def walked(store, of, size):
    found, before = [], None
    while True:
        page = store.read(TENANT, lambda tx, before=before: history.page(tx, of, size, before))
        found += [(one.id, one.version, one.deleted) for one in page.entries]
        if page.before is None:
            return found
        before = page.before


def bury(store, id):
    def work(tx):
        now = versions.current(tx, MR, id)
        assert now is not None
        gone = versions.Draft(MR, id, now.release, {}, {}, now.digest, (), now, deleted=True)
        return versions.put(tx, gone)

    return store.transact(TENANT, work)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_pages_of_any_size_hold_every_version_once_newest_first(store, size):
    put(store, "a")
    put(store, "b")
    bury(store, "a")
    everything = [("a", 2, True), ("b", 1, False), ("a", 1, False)]
    assert walked(store, Of(), size) == everything
    assert walked(store, Of(MR), size) == everything
    assert walked(store, Of(MR, "a"), size) == [everything[0], everything[2]]
    assert walked(store, Of("Patient"), size) == []


def test_a_deletion_has_no_text_and_nothing_finds_it_and_the_next_version_follows_it(store):
    put(store, "a", "ORD-1")
    gone = bury(store, "a")
    assert (gone.deleted, gone.text, gone.record, gone.version) == (True, "", "", 2)
    current = store.read(TENANT, lambda tx: versions.current(tx, MR, "a"))
    assert current == gone
    assert versions.alive(current) is None
    assert store.read(TENANT, lambda tx: versions.by_identifier(tx, MR, SYSTEM, "ORD-1")) == gone
    back = store.transact(TENANT, lambda tx: versions.put(tx, draft("a", "ORD-1", previous=gone)))
    assert (back.version, back.deleted, back.created) == (3, False, gone.created)
    assert store.read(TENANT, lambda tx: versions.current(tx, MR, "a")) == back


def test_a_version_is_current_from_its_moment_to_that_of_the_next(store, clock):
    first = put(store, "a")
    clock.move(seconds=10)
    second = bury(store, "a")
    one, two = to_ms(first.last_updated), to_ms(second.last_updated)

    def at(start, end):
        return [version for _, version, _ in walked(store, Of(at=Stretch(start, end)), 10)]

    assert at(one, one + 1) == [1]
    assert at(one - 5, one) == []
    assert at(two - 1, two) == [1]
    assert at(two, two + 1) == [2]
    assert at(one, two + 1) == [2, 1]
    assert [version for _, version, _ in walked(store, Of(since=two), 10)] == [2]


def test_a_history_is_read_from_an_index_without_sorting(store):
    if store._reading.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what is in the tables")
    seen = []
    event.listen(store._reading, "before_cursor_execute", lambda *arguments: seen.append(arguments[2:4]))
    put(store, "a")
    for of in (Of(), Of(MR), Of(MR, since=5), Of(at=Stretch(0, 5))):
        store.read(TENANT, lambda tx, of=of: history.page(tx, of, 10, 10**15))
    plans = []
    for statement, parameters in [one for one in seen if "FROM resources" in one[0]]:

        def explain(tx, statement=statement, parameters=parameters):
            return [row[3] for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]

        plans.append(" / ".join(store.read(TENANT, explain)))
    assert len(plans) == 4
    assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan], plans
