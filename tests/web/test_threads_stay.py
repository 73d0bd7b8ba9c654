"""The threads of the server stay with a client that goes on asking, and never keep others waiting for that."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.workers.gthread import TConn

from fhir_infusion import config
from fhir_infusion.web import quiet_worker
from fhir_infusion.web.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[quiet_worker.QuietWorker, list[str]]]:
    """A worker without its loop, and the threads that answered so far."""
    settings = config.load(None, {}, {"port": 0, "database": f"sqlite:///{tmp_path}/x.db"})
    app = Server(settings, lambda _address, _wait: pytest.fail("nothing is built here"))
    worker = quiet_worker.QuietWorker(1, 1, [], app, 30, app.cfg, app.cfg.logger_class(app.cfg))
    answered: list[str] = []

    def answer(_environ: object, start: Any) -> list[bytes]:
        answered.append(threading.current_thread().name)
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    worker.wsgi = answer
    worker.tpool = ThreadPoolExecutor(1)
    yield worker, answered
    worker.tpool.shutdown()
    worker.tmp.close()


def asked(worker: quiet_worker.QuietWorker, times: int) -> tuple[int, bool]:
    """Return how many of so many requests were answered before the connection was given back, and whether it was."""
    ours, theirs = socket.socketpair()
    answers: list[bytes] = []

    def ask() -> None:
        with theirs, suppress(ConnectionError):  # given back, it is closed here with what was not read
            for _ in range(times):
                theirs.sendall(REQUEST)
                answer = b""
                while not answer.endswith(b"ok"):
                    came = theirs.recv(4096)
                    if not came:
                        return
                    answer += came
                answers.append(answer)

    client = threading.Thread(target=ask)
    client.start()
    with ours:
        kept = worker.handle(TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2)))
    client.join()
    return len(answers), kept is True


def test_who_asks_again_at_once_is_answered_by_the_same_thread(server, monkeypatch):
    worker, answered = server
    monkeypatch.setattr(quiet_worker, "STAY_MILLISECONDS", 5_000)
    assert asked(worker, 3) == (3, False)  # until the client went
    assert answered == [threading.current_thread().name] * 3


def test_who_does_not_ask_again_is_given_back(server):
    worker, answered = server
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(REQUEST)
        assert worker.handle(TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))) is True
    assert len(answered) == 1


def test_nobody_stays_while_another_client_waits_for_a_thread(server, monkeypatch):
    worker, _ = server
    monkeypatch.setattr(quiet_worker, "STAY_MILLISECONDS", 5_000)
    gate = threading.Event()
    waiting = [worker.tpool.submit(gate.wait) for _ in range(2)]
    assert asked(worker, 2) == (1, True)
    gate.set()
    assert [one.result() for one in waiting] == [True, True]


def test_some_threads_are_free_for_a_new_client_however_many_stay(server, monkeypatch):
    worker, _ = server
    monkeypatch.setattr(quiet_worker, "STAY_MILLISECONDS", 5_000)
    for _ in range(worker.cfg.threads - quiet_worker.FREE_THREADS):
        assert worker._seats.acquire(blocking=False)
    assert asked(worker, 2) == (1, True)


def test_nobody_stays_in_a_server_that_ends(server, monkeypatch):
    worker, _ = server
    monkeypatch.setattr(quiet_worker, "STAY_MILLISECONDS", 5_000)
    worker.alive = False
    assert asked(worker, 2)[0] == 1
