"""Races through real server processes: one and two on SQLite, two on PostgreSQL."""

from __future__ import annotations

import http.client
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.counts import count
from tests.exact_json import dumps
from tests.faults.test_postgresql import SECONDS, cache, serving
from tests.fhir.kit import order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests import postgresql

__all__ = ["cache"]  # a fixture

SYSTEM = "urn:test:elsewhere"
AT_ONCE = 100
MR = "/fhir/r4/MedicationRequest"
Json = dict[str, Any]


class Connection:
    """A connection that stays open, as clients keep theirs."""

    def __init__(self, port: int) -> None:
        self._inner = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> tuple[int, Json]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = None if body is None else dumps(body)
        self._inner.request(method, path, sent, {"Content-Type": "application/fhir+json", **named})
        reply = self._inner.getresponse()
        return reply.status, json.loads(reply.read() or b"{}")

    def close(self) -> None:
        self._inner.close()


@contextmanager
def connected(port: int, number: int) -> Iterator[list[Connection]]:
    connections = [Connection(port) for _ in range(number)]
    try:
        yield connections
    finally:
        for one in connections:
            one.close()


@pytest.fixture(scope="module", params=["sqlite", "sqlite, two processes", "postgresql"])
def port(
    request: pytest.FixtureRequest,
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("races")
    url, processes = f"sqlite:///{folder}/store.db", 1 if request.param == "sqlite" else 2
    if request.param == "postgresql":
        server: postgresql.Server = request.getfixturevalue("postgresql_server")
        url = server.database()
    with serving(folder, cache, url, processes) as (found, _):
        yield found


@pytest.mark.timeout(7200)
def test_of_a_hundred_conditional_creates_of_one_identifier_at_once_exactly_one_creates_h5(port: int):
    """https://hl7.org/fhir/R4/http.html#ccreate; each sends another body, so that one is told from another."""
    with connected(port, AT_ONCE) as connections, ThreadPoolExecutor(AT_ONCE) as threads:
        for turn in range(count(20, 1000)):
            start = threading.Barrier(AT_ONCE)
            value = f"round-{turn}"

            def create(number: int, value: str = value, start: threading.Barrier = start) -> Any:
                identifier = [{"system": SYSTEM, "value": value}]
                body = {"resourceType": "Patient", "identifier": identifier, "name": [{"family": f"F{number}"}]}
                start.wait(SECONDS)
                status, answer = connections[number].ask(
                    "POST", "/fhir/r4/Patient", body, If_None_Exist=f"identifier={SYSTEM}|{value}"
                )
                return status, answer.get("id"), answer.get("name")

            answers = list(threads.map(create, range(AT_ONCE)))
            assert sorted(status for status, *_ in answers) == [200] * (AT_ONCE - 1) + [201]
            assert len({(id_, json.dumps(name)) for _, id_, name in answers}) == 1
            _, found = connections[0].ask("GET", f"/fhir/r4/Patient?identifier={SYSTEM}|{value}")
            (entry,) = found["entry"]
            assert (entry["resource"]["id"], entry["resource"]["meta"]["versionId"]) == (answers[0][1], "1")
        _, listed = connections[0].ask("GET", "/fhir/r4/Patient?_total=accurate&_count=1")
        assert listed["total"] == count(20, 1000)


LISTINGS = ("", "&_sort=authoredon", "&_sort=-authoredon,status", "&_sort=_id", "&patient=Patient/p1")
STANDING, NEW = 40, 60


@pytest.mark.timeout(7200)
def test_while_four_writers_change_data_a_reader_of_pages_misses_nothing_and_gets_nothing_twice(port: int):
    """What is listed stands from the beginning; its notes change all the time, and other orders are made."""
    days = [f"2024-01-{day + 1:02}" for day in range(7)]
    standing = {f"o{n:02}": order(id=f"o{n:02}", authoredOn=days[n % 7]) for n in range(STANDING)}
    ending = threading.Event()
    with connected(port, 5) as (reading, *writing):
        for name, body in standing.items():
            assert reading.ask("PUT", f"{MR}/{name}", body)[0] == 201
        with ThreadPoolExecutor(4) as threads:
            writers = [
                threads.submit(write, connection, number, standing, days, ending)
                for number, connection in enumerate(writing)
            ]
            try:
                for turn in range(count(20, 1000)):
                    ids = paged(reading, LISTINGS[turn % len(LISTINGS)])
                    assert len(set(ids)) == len(ids)
                    assert set(standing) <= set(ids)
            finally:
                ending.set()
            assert min(writer.result() for writer in writers) > 0


def write(
    connection: Connection, number: int, standing: dict[str, Json], days: list[str], ending: threading.Event
) -> int:
    """Change a quarter of what stands, each change after the version before it, and make some more; say how often."""
    dice = random.Random(number)
    mine = dict.fromkeys(sorted(standing)[number::4], 1)
    changes = 0
    while not ending.is_set():
        name = dice.choice(sorted(mine))
        body = {**standing[name], "note": [{"text": str(changes)}]}
        status, answer = connection.ask("PUT", f"{MR}/{name}", body, If_Match=f'W/"{mine[name]}"')
        assert status == 200, answer
        mine[name] += 1
        if changes < NEW:
            made = order(id=f"new-{number}-{changes}", authoredOn=dice.choice(days))
            assert connection.ask("PUT", f"{MR}/{made['id']}", made)[0] == 201
        changes += 1
    return changes


def paged(connection: Connection, listing: str) -> list[str]:
    ids: list[str] = []
    path = f"{MR}?_count=7{listing}"
    while path:
        status, bundle = connection.ask("GET", path)
        assert status == 200, bundle
        ids += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        parts = urlsplit(following[0]) if following else None
        path = f"{parts.path}?{parts.query}" if parts else ""
    return ids
