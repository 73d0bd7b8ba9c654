"""The audit chain finds what was done to it."""

import pytest

from fhir_infusion.store import audit, open_store
from tests.store.helpers import TENANT, effect, tamper


@pytest.fixture
def chain(url, clock):
    """A closed database with ten audit rows."""
    store = open_store(url, clock)
    for number in range(10):
        store.transact(TENANT, effect(f"e{number}"))
    assert store.read(TENANT, audit.verify) == ()
    store.close()
    return url


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM audit WHERE seq = 4", "row 4 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE seq = 10", "the chain does not end where it should: row 10"),
        ("DELETE FROM audit", "the chain does not end where it should: row 10"),
        ("UPDATE audit SET client = 'somebody else' WHERE seq = 4", "row 4 was edited"),
        ("UPDATE audit SET version = 2 WHERE seq = 10", "row 10 was edited"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", "row 1 was edited"),
        ("UPDATE audit SET seq = -seq WHERE seq IN (3, 4)", "row 3 was edited"),
        ("UPDATE audit SET digest = 'x' WHERE seq = 4", "row 5 does not follow the row before it"),
    ],
)
def test_a_row_that_was_deleted_edited_or_moved_is_found_p2(chain, clock, statement, complaint):
    # rows 3 and 4 change places in two steps: a database checks its key row by row, in an order of its own
    tamper(chain, statement, "UPDATE audit SET seq = 7 + seq WHERE seq < 0")
    store = open_store(chain, clock)
    assert complaint in store.read(TENANT, audit.verify)
    store.close()


def test_the_chain_goes_on_after_a_restart_and_is_one_for_each_tenant_p2(chain, clock):
    store = open_store(chain, clock)
    store.transact("north", effect("n"))
    store.transact(TENANT, effect("last"))
    assert [entry.seq for entry in store.read(TENANT, audit.entries)] == list(range(1, 12))
    assert [entry.seq for entry in store.read("north", audit.entries)] == [1]
    assert store.read(TENANT, audit.verify) == store.read("north", audit.verify) == ()
    store.close()


def test_a_row_names_who_did_what_to_which_version(store, clock):
    store.transact(TENANT, effect("one"))
    (entry,) = store.read(TENANT, audit.entries)
    assert (entry.at, entry.action, entry.client, entry.type, entry.id, entry.version) == (
        clock(),
        "create",
        "client",
        "MedicationRequest",
        "id-one",
        1,
    )


def test_the_newest_rows_come_first_page_by_page_and_narrowed_down_within_bounds(chain, clock, monkeypatch):
    store = open_store(chain, clock)

    def look(**asked):
        rows, left = store.read(TENANT, lambda tx: audit.newest(tx, **asked))
        return [row.seq for row in rows], left

    assert look(limit=4) == ([10, 9, 8, 7], 7)
    assert look(before=7, limit=4) == ([6, 5, 4, 3], 3)
    assert look(before=3, limit=4) == ([2, 1], None)
    (first,) = store.read(TENANT, lambda tx: audit.entries(tx, limit=1))
    assert look(about=(first.type, first.id), action=first.action) == ([1], None)
    assert look(action="no such") == ([], None)
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 4)
    assert look(about=(first.type, first.id)) == ([], 7)  # the next page looks on below
    assert look(before=3, about=(first.type, first.id)) == ([1], None)
    assert store.read("another", audit.newest) == ((), None)
    store.close()
