"""Several processes on one PostgreSQL, and a PostgreSQL that crashes under them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir.search import Criterion, Query, Wanted
from fhir_infusion.store import audit, open_store, search
from tests.cli.test_serve import free_port
from tests.counts import count
from tests.faults.creating import SYSTEM
from tests.faults.rig import order
from tests.programs import ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests import postgresql

ROOT = Path(__file__).parents[2]
SECONDS = 120
THREADS = 50


def now() -> datetime:
    return datetime.now(UTC)


# -------------------------------------------------------------------------------------- one effect, many processes


@contextmanager
def creating(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.faults.creating", url, str(THREADS)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["exist", "key"])
def test_a_hundred_creates_at_two_processes_at_once_make_exactly_one_resource(
    postgresql_server: postgresql.Server, kind: str
):
    """If-None-Exist, and Idempotency-Key: https://hl7.org/fhir/R4/http.html#ccreate."""
    url = postgresql_server.emptied()
    rounds = count(20, 1000)
    with creating(url) as one, creating(url) as two:
        for process in (one, two):
            assert process.stdout
            assert process.stdout.readline() == "open\n"
        for number in range(rounds):
            for process in (one, two):
                assert process.stdin
                process.stdin.write(f"{kind} round-{number}\n")
                process.stdin.flush()
            answers = []
            for process in (one, two):
                assert process.stdout
                answers.append(process.stdout.readline().split())
            assert [answered for answered, *_ in answers] == [str(THREADS)] * 2
            # Under a key every one of them gets the first answer.
            expected = ["0", "1"] if kind == "exist" else [str(THREADS)] * 2
            assert sorted(created for _, created, *_ in answers) == expected
            assert answers[0][2:] == answers[1][2:]
            assert len(answers[0][2:]) == 1
        for process in (one, two):
            assert process.stdin
            process.stdin.close()
            assert process.wait(SECONDS) == 0
    store = open_store(url, now)
    for number in range(rounds):
        wanted = Criterion("identifier", "token", (Wanted(system=SYSTEM, value=f"round-{number}"),))
        page = store.read("default", partial(search.page, type="Patient", query=Query((wanted,)), count=5))
        assert len(page.entries) == 1
        assert page.entries[0].version == 1
    assert store.read("default", audit.verify) == ()
    assert len(store.read("default", lambda tx: audit.entries(tx, limit=10_000))) == rounds
    store.close()


# ---------------------------------------------------------------------------------------------- a database that crashes


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is noted that the documents were proven, which takes a while."""
    return tmp_path_factory.mktemp("cache")


@contextmanager
def serving(folder: Path, cache: Path, url: str, processes: int = 2) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    environment = {"XDG_CACHE_HOME": str(cache), "FHIR_INFUSION_DATABASE": url}
    log = folder / "log"
    with ours(log, "serve", "--port", str(port), "--workers", str(processes), **environment) as process:
        until = time.monotonic() + SECONDS
        # Each process says so once.
        while log.read_text().count('"serving"') < processes:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield port, process


class Client(threading.Thread):
    """Posts orders, each until it is acknowledged, and keeps every status that it sees."""

    def __init__(self, port: int, name: str, ending: threading.Event) -> None:
        super().__init__(name=name)
        self.port, self.ending = port, ending
        self.statuses: list[int] = []
        self.acknowledged: dict[str, str] = {}
        self.tried: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.ending.is_set():
            name = f"{self.name}-{number}"
            self.tried.append(name)
            while (status := self.post(name)) == 503:
                time.sleep(0.2)
            if status not in {200, 201}:
                return
            number += 1

    def post(self, name: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("POST", "/api/orders", json.dumps(order(name)), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            body: dict[str, Any] = json.loads(reply.read())
            if reply.status == 503:
                assert int(reply.headers["Retry-After"]) > 0
            self.statuses.append(reply.status)
            if reply.status in {200, 201}:
                self.acknowledged[name] = body["id"]
            return reply.status
        finally:
            connection.close()


@pytest.mark.timeout(900)
def test_f24_a_database_that_crashes_under_load_loses_nothing_that_was_acknowledged_and_clients_see_2xx_or_503(
    crashing: postgresql.Server, cache: Path, tmp_path: Path
):
    url = crashing.database()
    ending = threading.Event()
    with serving(tmp_path, cache, url) as (port, process):
        clients = [Client(port, f"c{number}", ending) for number in range(6)]
        for client in clients:
            client.start()
        for _ in range(count(3, 20)):
            time.sleep(1.5)
            crashing.restart("immediate")
        time.sleep(1.5)
        ending.set()
        for client in clients:
            client.join(SECONDS)
        statuses = [status for client in clients for status in client.statuses]
        assert set(statuses) <= {200, 201, 503}, (tmp_path / "log").read_text()[-4000:]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    acknowledged = {name: id_ for client in clients for name, id_ in client.acknowledged.items()}
    assert set(acknowledged) == {name for client in clients for name in client.tried}
    assert len(acknowledged) > 20
    store = open_store(url, now)
    listed: list[str] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        more = partial(search.page, type="MedicationRequest", query=Query(()), count=500, after=after)
        page = store.read("default", more)
        assert {entry.version for entry in page.entries} <= {1}
        listed += [entry.id for entry in page.entries]
        after = page.after
    assert sorted(listed) == sorted(acknowledged.values())
    assert store.read("default", audit.verify) == ()
    store.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_commands_work_beside_several_serving_processes(
    request: pytest.FixtureRequest, cache: Path, tmp_path: Path, kind: str
):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.db'}"
        said = {("db", "check"): "the database file is whole", ("audit", "verify"): "the audit trail is whole"}
    else:
        url = request.getfixturevalue("postgresql_server").emptied()
        said = {
            ("db", "check"): "the database server knows of no damage",
            ("db", "upgrade"): "the database is up to date",
            ("audit", "verify"): "the audit trail is whole",
        }
    with ExitStack() as stack:
        port, process = stack.enter_context(serving(tmp_path, cache, url))
        ending = threading.Event()
        client = Client(port, "one", ending)
        client.start()
        until = time.monotonic() + SECONDS
        while len(client.acknowledged) < 5:
            assert time.monotonic() < until
            time.sleep(0.05)
        ending.set()
        client.join()
        for arguments, answer in said.items():
            command = [sys.executable, "-m", "fhir_infusion", *arguments, "--database", url]
            ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{answer}\n", "")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
