"""The thousandth page of a search costs what the first one does: counted in steps of the database, not in time."""

from __future__ import annotations

import psycopg
import pytest

from fhir_infusion.store import few, open_store
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
    assert first < 400  # of them 200 to see that what is asked for is not few
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


RARE = (
    "status=entered-in-error&_sort=-_lastUpdated",
    "status=entered-in-error&_sort=-effective-time",
    "effective-time=ge2030&_sort=effective-time",
    "status=completed&code=none",
    "code=none&_sort=-_lastUpdated",
)


@pytest.mark.parametrize("database", ["given", "on_postgresql"])
def test_what_hardly_any_has_is_not_looked_for_among_all(request, database):
    """In the order that is asked for all 12,000 would be passed."""
    store, cost, most = request.getfixturevalue(database), steps, 50_000
    if database == "on_postgresql":
        cost, most = blocks, 100
    for asked in RARE:
        assert page(store, f"{million.MA}?{asked}", 50).entries == ()
        assert cost(store, f"{million.MA}?{asked}", 50) <= most, asked


def test_what_all_have_is_not_listed_and_sorted(filled, monkeypatch):
    """Of one system are all 2,600 identifiers."""
    monkeypatch.setattr(few, "FEW", 100)
    for asked in (
        "",
        "&status=active",
        "&_sort=-_lastUpdated",
        "&_sort=-authoredon",
        "&status=active&_sort=authoredon",
    ):
        assert len(page(filled, f"identifier=http://s|{asked}", 20).entries) == 20
        assert steps(filled, f"identifier=http://s|{asked}", 20) <= 20_000, asked


def by_number(number):
    """Orders of which every second names its patient by number only; of each hundred, one patient's."""
    who = {"system": "http://mrn", "value": str(number // 100)}
    return {
        "resourceType": "MedicationRequest",
        "id": f"o{number}",
        "status": "active",
        "intent": "order",
        "subject": {"identifier": who} if number % 2 else {"reference": f"Patient/{number // 100}"},
        "medicationCodeableConcept": {"text": "dobutamine"},
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def numbered(request, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('numbers')}/store.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_server").database()
    store = open_store(url, Clock())
    counted = blocks if request.param == "postgresql" else steps
    asked = [f"patient.identifier=http://mrn|2{more}" for more in OF_ONE_PATIENT]
    costs = []
    for first, last in ((0, 500), (500, 2000)):
        fill(store, last, first, by_number)
        if request.param == "postgresql":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ANALYZE")
        costs.append([counted(store, one, 50) for one in asked])
    yield store, costs
    store.close()


OF_ONE_PATIENT = (
    "",
    "&status=active",
    "&_lastUpdated=ge2020",
    "&_sort=-_lastUpdated",
    "&status=active&_sort=authoredon",
)


def test_what_one_patient_has_is_found_by_number_at_a_cost_that_does_not_grow_with_what_others_have(numbered):
    store, (before, after) = numbered
    for more, first, later in zip(OF_ONE_PATIENT, before, after, strict=True):
        found = page(store, f"patient.identifier=http://mrn|2{more}", 200).entries
        assert sorted(entry.id for entry in found) == [f"o{number}" for number in range(200, 300)]
        # There are four times as many; a tree that became one level higher costs some.
        assert later <= 2.2 * first, more
