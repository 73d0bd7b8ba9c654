"""Orders by several keys, page by page: everything once, in the order that Python gives, whatever changes meanwhile."""

import random
import threading

import pytest
from sqlalchemy import event

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.search import parse
from fhir_infusion.store import few, search
from tests.counts import count
from tests.store.finding import found, keep
from tests.store.helpers import MR, TENANT

LAST = (1, "")
STATUSES = ("active", "on-hold", "stopped", None)


def order(id_, written=None, status=None, codes=()):
    body = {"resourceType": MR, "id": id_, "intent": "order", "subject": {"reference": "Patient/1"}}
    body |= {"authoredOn": written} if written else {}
    body |= {"status": status} if status else {}
    body |= {"category": [{"coding": [{"code": code} for code in codes]}]} if codes else {}
    return body


def shuffled(seed, size):
    rng = random.Random(seed)
    days = [None, *(f"2024-0{month}-1{day}" for month in (1, 2, 3) for day in (1, 2))]
    return [
        order(f"o{n:02}", rng.choice(days), rng.choice(STATUSES), rng.sample("abc", rng.randint(0, 2)))
        for n in range(size)
    ]


def ranked(key, descending):
    """Return what Python sorts by: what has no value comes last either way."""

    def rank(one):
        if key == "_id":
            return (0, one["id"])
        if key == "category":
            codes = [coding["code"] for coding in one.get("category", [{"coding": []}])[0]["coding"]]
            value = (max if descending else min)(codes) if codes else None
        else:
            value = one.get({"authoredon": "authoredOn", "status": "status"}[key])
        return LAST if value is None else (0, value)

    return rank


def python_order(made, sort):
    found_ = list(made)
    for item in reversed(sort.split(",")):
        key, descending = item.removeprefix("-"), item.startswith("-")
        there = [one for one in found_ if ranked(key, descending)(one) != LAST]
        rest = [one for one in found_ if ranked(key, descending)(one) == LAST]
        there = sorted(there, key=ranked(key, descending), reverse=descending)
        found_ = [*there, *rest]
    return [one["id"] for one in found_]


SORTS = (
    "authoredon",
    "-authoredon",
    "status,authoredon",
    "-status,-authoredon",
    "category,-status,authoredon",
    "-category",
    "authoredon,-_id",
    "-_id",
    "status,_id",
)


@pytest.mark.parametrize("narrowed", ["", "&patient=1"])
@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_everything_once_in_the_order_asked_for(store, sort, size, narrowed):
    made = shuffled(sort, 25)
    keep(store, *made)
    ids = found(store, f"MedicationRequest?_sort={sort}{narrowed}", size=size)
    assert sorted(ids) == [one["id"] for one in made]
    # Among equals the order is that of creation, or its reverse where all keys are descending.
    keyed = {
        one["id"]: [ranked(item.removeprefix("-"), item.startswith("-"))(one) for item in sort.split(",")]
        for one in made
    }
    assert [keyed[id_] for id_ in ids] == [keyed[id_] for id_ in python_order(made, sort)]


def test_what_was_made_after_the_first_page_is_not_listed(store):
    keep(store, *(order(f"o{n}", f"2024-01-0{n + 1}") for n in range(6)))
    query = parse(MR, "R4", [("_sort", "authoredon")])
    first = store.read(TENANT, lambda tx: search.page(tx, MR, query, 3))
    keep(store, order("late", "2024-01-05"))
    rest = store.read(TENANT, lambda tx: search.page(tx, MR, query, 9, first.after))
    assert [one.id for one in (*first.entries, *rest.entries)] == [f"o{n}" for n in range(6)]


@pytest.mark.parametrize(
    "sort", ["", "_sort=authoredon", "_sort=-authoredon,status", "_sort=_id", "patient=1&_sort=-authoredon"]
)
def test_while_four_writers_change_data_nothing_is_missed_and_nothing_comes_twice(store, sort):
    """What is sorted by stays; all else of it changes, and others are made."""
    days = [f"2024-01-{n + 1:02}" for n in range(10)]
    made = [order(f"o{n:02}", days[n % 7], "active") for n in range(40)]
    keep(store, *made)
    if store._reading.dialect.name == "postgresql":
        # As autovacuum does a minute later: without figures of the tables its plans are guesses.
        store.transact(TENANT, lambda tx: tx.connection.exec_driver_sql("ANALYZE").close())
    stop = threading.Event()

    def write(number):
        rng = random.Random(number)
        for turn in range(100_000):
            if stop.wait(0.005):
                return
            mine = rng.choice(made[number::4])
            keep(
                store,
                {**mine, "note": [{"text": str(turn)}]},
                order(f"new-{number}-{turn}", rng.choice(days), "active"),
            )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(count(20, 200)):
            ids = paged(store, sort)
            assert len(set(ids)) == len(ids)
            assert {one["id"] for one in made} <= set(ids)
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def paged(store, asked, size=97):
    query = parse(MR, "R4", [pair.split("=") for pair in asked.split("&") if pair])
    ids: list[str] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        page = store.read(TENANT, lambda tx, after=after: search.page(tx, MR, query, size, after))
        ids += [one.id for one in page.entries]
        after = page.after
    return ids


def test_a_page_token_of_another_order_is_refused(store):
    keep(store, *(order(f"o{n}", "2024") for n in range(3)))
    by_date, plain = (parse(MR, "R4", sort) for sort in ([("_sort", "authoredon")], []))
    token = store.read(TENANT, lambda tx: search.page(tx, MR, by_date, 1)).after
    for query, after in (
        (plain, token),
        (by_date, (*token[:2], "7", *token[3:])),
        (by_date, token[:-1]),
        (by_date, (*token[:3], "x", *token[4:])),
    ):
        with pytest.raises(Refused) as refused:
            store.read(TENANT, lambda tx, query=query, after=after: search.page(tx, MR, query, 1, after))
        assert refused.value.status == 400


def plan(store, asked):
    """Return how the database reads the first page of a query, in its own words."""
    seen = []
    event.listen(store._reading, "before_cursor_execute", lambda *arguments: seen.append(arguments[2:4]))
    query = parse(MR, "R4", [pair.split("=") for pair in asked.split("&") if pair])
    store.read(TENANT, lambda tx: search.page(tx, MR, query, 50))
    statement, parameters = next(one for one in seen if one[0].startswith("SELECT versions"))

    def explain(tx):
        return [row[3] for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]

    return store.read(TENANT, explain)


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "patient=Patient/1",
        "identifier=http://s|7",
        "status=active",
        "status=active&authoredon=ge2024",
        "patient=Patient/1&status=active",
        "_sort=authoredon",
        "_sort=-authoredon",
        "_sort=status",
        "_sort=-_lastUpdated",
    ],
)
def test_a_page_is_read_in_its_order_from_an_index_without_a_scan_or_a_sort(store, asked, monkeypatch):
    monkeypatch.setattr(few, "FEW", 0)  # nothing is so few that it is sorted
    if store._reading.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what is in the tables: test_postgresql.py looks at full ones")
    keep(store, *shuffled(1, 30))
    steps = plan(store, asked)
    assert [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step] == []
