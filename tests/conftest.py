"""What every test shares: the hypothesis profiles, and the fixtures that start real servers.

The short profile is derandomised, so that two runs of ``make test`` on one commit agree; the long one searches
anew each time and prints what reproduces a failure.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests import java, node, postgresql
from tests.counts import chosen, count
from tests.real.server import Hapi, Medplum
from tests.standard.hl7 import Hl7

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

settings.register_profile(
    "short",
    max_examples=25,
    deadline=None,  # two cores shared with servers make single examples late without any fault
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile(
    "long",
    max_examples=2000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(chosen())


def pytest_report_header() -> str:
    """Say in the log which counts the run has."""
    return f"fhir-infusion: {chosen()} counts ({count(25, 2000)} examples a property)"


LONGEST_FIRST = ("real", "bench", "faults", "laws", "standard")
"""Folders whose files take minutes: begun last, one of them would run alone while other processes have nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; within a folder the order stays."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent, len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Give each file to one process, and all of ``real`` to the same: its servers are started once."""

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # it ships no types
        def _split_scope(self, nodeid: str) -> str:
            return "tests/real" if nodeid.startswith("tests/real/") else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    """A running HAPI FHIR server; ``hapi.base`` is its URL. It is shared: take identifiers of your own."""
    if reason := java.missing():
        pytest.skip(reason)
    server = Hapi(Path(__file__).parent / "real" / "hapi", tmp_path_factory.mktemp("hapi"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def medplum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medplum]:
    """A running Medplum router; ``medplum.base`` is its URL. It is shared: take identifiers of your own."""
    if reason := node.missing():
        pytest.skip(reason)
    server = Medplum(Path(__file__).parent / "real" / "medplum", tmp_path_factory.mktemp("medplum"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def running_hapi(hapi: Hapi) -> Iterator[Hapi]:
    """The same server, for tests that stop or kill it: it runs again afterwards."""
    yield hapi
    if not hapi.is_running():
        hapi.kill()
        hapi.start()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """A running PostgreSQL server; take a database of your own from it."""
    yield from _postgresql()


@pytest.fixture
def crashing() -> Iterator[postgresql.Server]:
    """A PostgreSQL server that no other test has: it is crashed."""
    yield from _postgresql()


def _postgresql() -> Iterator[postgresql.Server]:
    if reason := postgresql.missing():
        pytest.skip(reason)
    server = postgresql.Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each kind of database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/store.db"
    server: postgresql.Server = request.getfixturevalue("postgresql_server")
    return server.emptied()


@pytest.fixture
def another_database(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Give the URL of one more database of the kind that the test has."""
    numbers = itertools.count(1)

    def another() -> str:
        if database.startswith("sqlite"):
            return f"sqlite:///{tmp_path}/data/another-{next(numbers)}.db"
        server: postgresql.Server = request.getfixturevalue("postgresql_server")
        return server.database()

    return another


@pytest.fixture(scope="session")
def hl7() -> Iterator[Hl7]:
    """HL7's validator for R4 and R5, offline, with our definitions."""
    if reason := java.missing():
        pytest.skip(reason)
    validator = Hl7()
    yield validator
    validator.close()
