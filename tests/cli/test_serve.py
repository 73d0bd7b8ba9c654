"""``serve`` as a process of its own: it answers, survives kill -9, ends in order, and refuses an unsafe start."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import base_documents
from tests.programs import ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Run

Texts = dict[str, str]

SECONDS = 90
"""Time to load and prove the mappings on a machine that does other things too."""


@dataclass
class Serving:
    """A service in a process group of its own."""

    process: subprocess.Popen[str]
    port: int
    database: str
    log: Path

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(
            method, path, body, {**sent, **{name.replace("_", "-"): text for name, text in headers.items()}}
        )
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, json.loads(text) if text.startswith("{") else text

    def wait(self) -> None:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            with suppress(OSError):
                if self.ask("GET", "/health/ready")[0] == 200:
                    return
            time.sleep(0.1)
        pytest.fail(self.log.read_text())


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "fhir_infusion", *arguments]
    return subprocess.run(
        program, env={**os.environ, **environment}, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int | None = None, **environment: str) -> Iterator[Serving]:
    port = port or free_port()
    database = f"sqlite:///{folder}/serve.db"
    log = folder / "log"
    with ours(log, "serve", "--port", str(port), "--database", database, **environment) as process:
        one = Serving(process, port, database, log)
        one.wait()
        yield one


@pytest.mark.timeout(600)
def test_a_service_answers_survives_kill_minus_nine_and_ends_in_order(tmp_path: Path, one_line: Texts):
    with serving(tmp_path) as first:
        assert first.ask("GET", "/health/live") == (200, {"status": "live"})
        status, made = first.ask("POST", "/api/orders", one_line["dobutamine"])
        assert status == 201
        _the_lock_is_told(first)
        os.killpg(first.process.pid, signal.SIGKILL)  # f1: everything at once, in the middle of serving
    with serving(tmp_path) as second:
        assert second.ask("GET", f"/api/orders/{made['id']}")[1]["record"] == made["record"]
        assert second.ask("POST", "/api/orders", one_line["dobutamine"])[0] == 200
        checked = command("db", "check", "--database", second.database)
        assert (checked.returncode, checked.stdout) == (0, "the database file is whole\n")
        audited = command("audit", "verify", "--database", second.database)
        assert (audited.returncode, audited.stdout) == (0, "the audit trail is whole\n")
        shown = command("demo", "--port", str(second.port))
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "201, stored" in shown.stdout
        refused = command("db", "upgrade", "--database", second.database)
        assert refused.returncode == 1
        assert "writes this database" in refused.stderr
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(SECONDS) == 0
        lines = second.log.read_text().splitlines()
        events = [json.loads(line)["event"] for line in lines if line.startswith("{")]
        assert {"serving", "request", "stopped"} <= set(events)
        assert "Otto Invented" not in second.log.read_text()
        assert "DEMO-" not in second.log.read_text()
    assert (tmp_path / "serve.db.lock").read_text() == ""


def _the_lock_is_told(one: Serving) -> None:
    owner = json.loads(Path(f"{one.database.removeprefix('sqlite:///')}.lock").read_text())
    assert owner["address"] == f"127.0.0.1:{one.port}"
    work = json.dumps({"remote": "none", "direction": "push"})
    assert one.ask("POST", "/internal/sync", work)[0] == 401
    assert one.ask("POST", "/internal/sync", work, Authorization=f"Bearer {owner['token']}")[0] == 422


@pytest.mark.timeout(600)
def test_sighup_has_documents_read_anew_without_a_restart_and_wrong_ones_left_alone(tmp_path: Path):
    directory = tmp_path / "mappings"
    document = base_documents(directory)
    with serving(tmp_path, FHIR_INFUSION_MAPPINGS=str(directory)) as one:
        before = one.ask("GET", "/api/mappings")[1]
        assert (before["overlays"], "proven" in before) == ([], True)
        document.write_text(document.read_text() + "# a word of the site\n")
        one.process.send_signal(signal.SIGHUP)
        after = _mappings(one, lambda told: told["digest"] != before["digest"])
        document.write_text("pears: {}")
        one.process.send_signal(signal.SIGHUP)
        refused = _mappings(one, lambda told: "failure" in told)
        assert refused["digest"] == after["digest"]
        assert "r4/infusion-order.yaml:1" in refused["failure"]["complaints"][0]
        assert one.ask("GET", "/health/ready")[0] == 200
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(SECONDS) == 0
        lines = [json.loads(line) for line in one.log.read_text().splitlines() if line.startswith("{")]
        told = [(line["event"], line.get("digest")) for line in lines if line["event"].startswith("mappings-")]
        assert told == [("mappings-exchanged", after["digest"]), ("mappings-refused", after["digest"])]
        assert sum(line["event"] == "serving" for line in lines) == 1
        assert (tmp_path / "serve.db.proven").read_text().count(after["digest"]) == 1


def _mappings(one: Serving, is_so: Callable[[Any], bool]) -> Any:
    """Wait until what is told of the documents is so."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        told = one.ask("GET", "/api/mappings")[1]
        if is_so(told):
            return told
        time.sleep(0.2)
    pytest.fail(one.log.read_text())


def test_what_is_not_http_gets_our_answer_without_a_word_of_it(tmp_path: Path):
    with serving(tmp_path) as one:
        begin = b"POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        both = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        for status, sent in (
            (400, b"GET /JaneQPatient\x01 X\r\n\r\n"),
            (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (431, begin + b"X-Note: JaneQPatient" + b"a" * 9000 + b"\r\n\r\n"),
            (431, begin + b"".join(b"X-%d: JaneQPatient\r\n" % number for number in range(200)) + b"\r\n"),
            # Two lengths of one body: a proxy in front may believe the other one, and see a second request in it.
            (400, begin + both + b"0\r\n\r\nGET /JaneQPatient HTTP/1.1\r\n\r\n"),
            (400, begin + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        ):
            with socket.create_connection(("127.0.0.1", one.port), timeout=SECONDS) as connection:
                connection.sendall(sent)
                reply = b"".join(iter(lambda: connection.recv(4096), b""))
            assert reply.startswith(b"HTTP/1.1 %d" % status), (sent[:200], reply)
            assert reply.count(b"HTTP/1.1 ") == 1
            assert b"application/problem+json" in reply
            assert b"JaneQPatient" not in reply
        whole = b"POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        with socket.create_connection(("127.0.0.1", one.port), timeout=SECONDS) as connection:
            connection.sendall(whole)
            connection.shutdown(socket.SHUT_WR)
            reply = b"".join(iter(lambda: connection.recv(4096), b""))
        assert reply.startswith(b"HTTP/1.1 400")
        assert b"incomplete" in reply
        assert one.ask("GET", "/health/live")[0] == 200
        assert "JaneQPatient" not in one.log.read_text()


OWN = {
    "FHIR_INFUSION_ORDER_SYSTEM": "https://h.example/orders",
    "FHIR_INFUSION_ADMINISTRATION_SYSTEM": "https://h.example/administrations",
}


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["--host", "0.0.0.0"], {}, "tokens"),  # noqa: S104  refused
        (["--host", "0.0.0.0"], OWN, "tokens"),  # noqa: S104  refused
        (["--host", "10.0.0.5"], {**OWN, "FHIR_INFUSION_TOKENS": "/no/such/file"}, "tokens"),
        (["--database", "mysql://x"], {}, "database"),
        (["--port", "70000"], {}, "port"),
        ([], {"FHIR_INFUSION_FINDNGS": "refuse"}, "no such setting"),
    ],
)
def test_an_unsafe_or_wrong_start_is_refused_with_two(arguments: list[str], environment: dict[str, str], told: str):
    ran = command("serve", *arguments, **environment)
    assert ran.returncode == 2
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_address_that_cannot_be_served_on_is_told_in_one_line(tmp_path: Path):
    (tmp_path / "tokens.toml").touch(0o600)
    own = {**OWN, "FHIR_INFUSION_TOKENS": str(tmp_path / "tokens.toml")}
    database = ("--database", f"sqlite:///{tmp_path}/serve.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = command("serve", "--port", str(port), *database)
    told = f"fhir-infusion: 127.0.0.1:{port}: another program serves there; accepted is another --port\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", told)
    ran = command("serve", "--host", "192.0.2.1", *database, **own)  # of RFC 5737: no machine has it
    told = "fhir-infusion: 192.0.2.1:8080: this machine has no such address; accepted is another --host\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", told)
    assert not (tmp_path / "serve.db").exists()


def test_a_first_start_says_that_it_proves_the_documents_and_a_second_one_does_not(tmp_path: Path):
    told = "fhir-infusion: the mapping documents are proven first, as after each change of them: up to a minute"
    for times in (1, 0):
        with serving(tmp_path) as one:
            assert one.log.read_text().count(told) == times, one.log.read_text()
            assert one.log.read_text().index('"event":"serving"') > times * one.log.read_text().find(told)
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(SECONDS) == 0
        one.log.unlink()


def test_a_second_service_on_the_same_database_does_not_start(tmp_path: Path):
    from fhir_infusion.cli.build import clock  # noqa: PLC0415  brings SQLAlchemy
    from fhir_infusion.store import open_store  # noqa: PLC0415  as above

    store = open_store(f"sqlite:///{tmp_path}/serve.db", clock)
    try:
        ran = command("db", "upgrade", "--database", f"sqlite:///{tmp_path}/serve.db")
    finally:
        store.close()
    assert ran.returncode == 1
    assert f"process {os.getpid()} writes this database" in ran.stderr


@pytest.mark.parametrize(("processes", "loaded"), [(1, 0), (2, 1)])
def test_what_several_processes_share_is_loaded_before_they_are_forked(
    cli: Run, monkeypatch: pytest.MonkeyPatch, processes: int, loaded: int
):
    before: list[object] = []
    monkeypatch.setattr("fhir_infusion.cli.build.load_translator", before.append)
    monkeypatch.setattr("fhir_infusion.web.server.serve", lambda _settings, _build: True)
    done = cli("serve", "--port", "0", "--workers", str(processes), "--database", "postgresql://infusions@/infusions")
    assert (done.code, len(before)) == (0, loaded)
