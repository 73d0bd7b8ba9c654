"""The service as it runs, on a store of its own: the real documents, one endpoint to push to, one to pull from."""

import itertools

import pytest

from fhir_infusion.actions.caller import Caller
from fhir_infusion.config import Remote, Settings
from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.translator import open_translator
from tests.fresh import lay_down
from tests.store.helpers import Clock

SETTINGS = Settings(
    remotes=(
        Remote(name="pharmacy", base_url="http://127.0.0.1:1/fhir"),
        Remote(name="source", base_url="http://127.0.0.1:1/fhir", direction="pull"),
        Remote(name="centre", base_url="http://127.0.0.1:1/fhir", direction="push"),
    )
)


@pytest.fixture(scope="session")
def translator():
    return open_translator(SETTINGS)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service(database, clock, translator):
    numbers = itertools.count(1)
    store = open_store(lay_down(database), clock)
    yield Service(store, translator, clock, lambda: f"id-{next(numbers)}", SETTINGS)
    store.close()


@pytest.fixture
def caller():
    return Caller("default", "ehr")
