"""The thousandth page of a search costs what the first one does: counted in steps of the database, not in time."""

from __future__ import annotations

import pytest

from fhir_infusion.store import open_store
from tests.bench.search import LISTED, after_pages, fill, page, steps
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
