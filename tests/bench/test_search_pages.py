"""The thousandth page of a search costs what the first one does: counted in steps of the database, not in time."""

from __future__ import annotations

import pytest

from fhir_infusion.store import open_store
from tests.bench import million
from tests.bench.search import GIVEN, LISTED, after_pages, blocks, fill, page, steps
from tests.store.helpers import Clock


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('pages')}/store.db", Clock())
    fill(store, 2600)
    yield store
    store.close()


@pytest.mark.parametrize("asked", LISTED)
def test_the_thousandth_page_costs_what_the_first_does(filled, asked):
    after = after_pages(filled, asked, 1, 1000)
    assert len(page(filled, asked, 1, after).entries) == 1
    assert steps(filled, asked, 1, after) <= 1.5 * steps(filled, asked, 1)


def filled_with_given(url):
    open_store(url, Clock()).close()
    million.fill(url, 12_000)
    store = open_store(url, Clock())
    yield store
    store.close()


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('given')}/store.db"
    yield from filled_with_given(url)


@pytest.mark.parametrize(
    "asked", [asked.replace("2022-03-01", "2021").replace("2025-01-01", "2021-01-02") for asked in GIVEN]
)
def test_the_thousandth_page_of_what_was_given_costs_what_the_first_does(given, asked):
    asked = asked.replace("ge2022", "ge2021-01-01")
    after = after_pages(given, asked, 1, 1000)
    assert len(page(given, asked, 1, after).entries) == 1
    assert steps(given, asked, 1, after) <= 1.5 * steps(given, asked, 1)


@pytest.fixture(scope="module")
def on_postgresql(postgresql_server):
    url = postgresql_server.database()
    yield from filled_with_given(url)


@pytest.mark.parametrize(
    "asked", [asked.replace("2022-03-01", "2021").replace("2025-01-01", "2021-01-02") for asked in GIVEN]
)
def test_a_page_of_what_was_given_is_read_in_order_by_postgresql_and_a_later_one_costs_no_more(on_postgresql, asked):
    """Sorted first, or read whole, it would be thousands of blocks."""
    asked = asked.replace("ge2022", "ge2021-01-01")
    first = blocks(on_postgresql, asked, 5)
    assert first < 200
    assert blocks(on_postgresql, asked, 5, after_pages(on_postgresql, asked, 5, 60)) <= 1.5 * first


def test_postgresql_plans_each_page_by_the_values_that_it_is_asked_for(on_postgresql):
    """One plan for all values, which it takes after some pages if let, is that for a rare one."""
    after_pages(on_postgresql, f"{million.MA}?status=completed&_sort=-effective-time", 5, 20)
    asked = "SELECT sum(custom_plans), sum(generic_plans) FROM pg_prepared_statements"
    custom, generic = on_postgresql.read("default", lambda tx: tx.connection.exec_driver_sql(asked).one())
    assert (custom > 10, generic) == (True, 0)


@pytest.mark.parametrize("name", ["_lastUpdated", "effective-time"])
def test_what_is_asked_for_from_a_late_moment_on_is_not_read_from_the_beginning(given, name):
    early, late = (f"{million.MA}?{name}=ge{day}" for day in ("2021-01-02", "2021-01-20"))
    assert len(page(given, late, 50).entries) == 50
    assert steps(given, late, 50) <= 1.1 * steps(given, early, 50)


def test_a_later_page_of_what_is_sorted_for_one_patient_costs_no_more_than_the_first(given):
    """Few are left, which are all sorted; each key is worked out once."""
    asked = f"{million.MA}?patient=Patient/often&_sort=-effective-time,status"
    assert steps(given, asked, 50, after_pages(given, asked, 50, 20)) <= 1.1 * steps(given, asked, 50)
