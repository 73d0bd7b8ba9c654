"""A store of its own for each test, on each kind of database, with a clock that stands still."""

import pytest

from fhir_infusion.store import open_store
from tests.store.helpers import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def url(database):
    return database


@pytest.fixture
def store(url, clock):
    opened = open_store(url, clock)
    yield opened
    opened.close()
