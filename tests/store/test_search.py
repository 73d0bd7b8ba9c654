"""Keyset listings: nothing skipped, nothing repeated, whatever changes in between."""

import random

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.search import Criterion, Entry, Query, SortKey, Wanted
from fhir_infusion.store import search
from fhir_infusion.store.tx import to_ms
from tests.counts import count
from tests.store.helpers import MR, SYSTEM, TENANT, put, resource


def ids(store, query, size=100):
    """Page through a listing; return the ids of each page."""
    pages: list[list[str]] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        page = store.read(TENANT, lambda tx, after=after: search.page(tx, MR, query, size, after))
        pages.append([entry.id for entry in page.entries])
        after = page.after
    return pages


def asked(*criteria, sort=()):
    return Query(tuple(criteria), sort)


BY_CHANGE = (SortKey("_lastUpdated", "lastUpdated"),)
NEWEST_FIRST = (SortKey("_lastUpdated", "lastUpdated", descending=True),)


def token(parameter, value, system=None):
    return Criterion(parameter, "token", (Wanted(system=system, value=value),))


@pytest.mark.parametrize("sort", [(), BY_CHANGE, NEWEST_FIRST])
@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_pages_hold_everything_once_and_in_order(store, sort, size):
    made = [put(store, f"r{n:02}").id for n in range(20)]
    pages = ids(store, asked(sort=sort), size)
    flat = [id_ for page in pages for id_ in page]
    assert flat == (made[::-1] if sort == NEWEST_FIRST else made)
    assert all(len(page) == size for page in pages[:-1])


def test_an_entry_that_changes_while_somebody_pages_is_neither_skipped_nor_repeated(store):
    rng = random.Random(1)
    for _ in range(count(20, 100)):
        prefix = f"x{rng.random()}-"
        made = [f"{prefix}{n}" for n in range(15)]
        for name in made:
            put(store, name, body=resource(patient=f"Patient/{prefix}"))
        query = asked(Criterion("patient", "reference", (Wanted(value=f"Patient/{prefix}"),)))
        seen: list[str] = []
        after: tuple[str, ...] | None = ()
        late = 0
        while after is not None:
            page = store.read(TENANT, lambda tx, after=after, query=query: search.page(tx, MR, query, 4, after))
            seen += [entry.id for entry in page.entries]
            after = page.after
            for name in rng.sample(made, 3):
                put(store, name, body=resource(patient=f"Patient/{prefix}", status="on-hold"))
            put(store, f"{prefix}late{late}", body=resource(patient=f"Patient/{prefix}"))
            late += 1
        assert seen == made


def test_a_feed_by_last_change_ends_at_the_bound_of_its_first_page_and_is_taken_up_from_there(store, clock):
    """Whoever asks again from the last moment seen has everything, however much changes while paging."""
    rng = random.Random(2)
    for n in range(20):
        clock.move(milliseconds=5)
        put(store, f"r{n}")
    copy: dict[str, int] = {}
    since = 0
    for _ in range(6):
        query = asked(Criterion("_lastUpdated", "lastUpdated", (Wanted("ge", start=since, end=since + 1),)))
        after: tuple[str, ...] | None = ()
        while after is not None:
            page = store.read(TENANT, lambda tx, after=after, query=query: search.page(tx, MR, query, 4, after))
            assert [entry.id for entry in page.entries] == list({entry.id: 0 for entry in page.entries})
            for entry in page.entries:
                copy[entry.id] = entry.version
                since = max(since, to_ms(entry.last_updated))
            after = page.after
            if rng.random() < 0.5:
                clock.move(milliseconds=rng.randint(0, 3))
                put(store, f"r{rng.randint(0, 25)}")
    query = asked(Criterion("_lastUpdated", "lastUpdated", (Wanted("ge", start=since, end=since + 1),)))
    for entry in store.read(TENANT, lambda tx: search.page(tx, MR, query, 100)).entries:
        copy[entry.id] = entry.version
    now = store.read(TENANT, lambda tx: search.page(tx, MR, asked(), 100)).entries
    assert copy == {entry.id: entry.version for entry in now}


def test_a_criterion_finds_the_current_state_only(store):
    put(store, "a")
    put(store, "b")
    put(store, "a", body=resource(status="on-hold"))
    assert ids(store, asked(token("status", "active"))) == [["b"]]
    assert ids(store, asked(token("status", "on-hold"))) == [["a"]]


def test_values_are_alternatives_and_parameters_must_all_hold(store):
    put(store, "a")
    put(store, "b", body=resource(status="on-hold"))
    put(store, "c", body=resource(status="stopped", patient="Patient/8"))
    either = Criterion("status", "token", (Wanted(value="active"), Wanted(value="stopped")))
    seven = Criterion("patient", "reference", (Wanted(value="Patient/7"),))
    assert ids(store, asked(either)) == [["a", "c"]]
    assert ids(store, asked(either, seven)) == [["a"]]


@pytest.mark.parametrize(
    ("system", "value", "found"),
    [
        (None, "a", ["a"]),
        (SYSTEM, "a", ["a"]),
        ("http://other", "a", []),
        ("", "a", []),
        (SYSTEM, None, ["a", "b"]),
        (None, "A", []),
        (None, "a' OR '1'='1", []),
        (None, "%", []),
    ],
)
def test_a_token_is_matched_exactly_by_system_and_value(store, system, value, found):
    put(store, "a")
    put(store, "b")
    assert ids(store, asked(token("identifier", value, system))) == [found]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        # Asked: the day from 100 to 200. The ranges of the resources are their names.
        ("eq", ["120-121", "100-200"]),
        ("ne", ["10-20", "50-150", "150-250", "300-400", "50-250"]),
        ("gt", ["150-250", "300-400", "50-250"]),
        ("lt", ["10-20", "50-150", "50-250"]),
        ("ge", ["120-121", "100-200", "150-250", "300-400", "50-250"]),
        ("le", ["10-20", "50-150", "120-121", "100-200", "50-250"]),
        ("sa", ["300-400"]),
        ("eb", ["10-20"]),
        ("ap", ["50-150", "120-121", "100-200", "150-250", "50-250"]),
    ],
)
def test_a_date_is_compared_as_a_range_as_the_standard_says(store, prefix, found):
    for name in ("10-20", "50-150", "120-121", "100-200", "150-250", "300-400", "50-250"):
        start, end = map(int, name.split("-"))
        put(store, name, extra=(Entry("authoredon", "date", start=start, end=end),))
    wanted = Criterion("authoredon", "date", (Wanted(prefix, start=100, end=200),))
    assert [sorted(some) for some in ids(store, asked(wanted))] == [sorted(found)]


def test_a_token_that_was_tampered_with_is_refused(store):
    for after in (("created", "1", "2"), ("created", "x", "1", "a"), ("elsewhere", "1", "1", "a")):
        with pytest.raises(Refused) as refusal:
            store.read(TENANT, lambda tx, after=after: search.page(tx, MR, asked(), 10, after))
        assert refusal.value.status == 400


def test_the_listing_of_one_patient_is_read_from_an_index_without_sorting(store):
    """A page costs the same wherever it stands: no scan, and no sort of all that match."""
    from sqlalchemy import event  # noqa: PLC0415  only to look at the statement

    if store._reading.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what is in the tables: test_postgresql.py looks at full ones")
    seen = []
    event.listen(store._reading, "before_cursor_execute", lambda *arguments: seen.append(arguments[2:4]))
    put(store, "a")
    seven = Criterion("patient", "reference", (Wanted(value="Patient/7"),))
    for query in (asked(), asked(sort=BY_CHANGE), asked(seven), asked(token("status", "active"))):
        ids(store, query)
    plans = []
    for statement, parameters in seen:
        if not statement.startswith("SELECT versions"):
            continue

        def explain(tx, statement=statement, parameters=parameters):
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return " / ".join(row[3] for row in rows)

        plans.append(store.read(TENANT, explain))
    assert len(plans) == 4
    assert not [plan for plan in plans if "SCAN" in plan]
    assert not [plan for plan in plans[:2] if "TEMP B-TREE" in plan]
