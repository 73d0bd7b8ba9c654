"""Clients that stall, drip, send half and go, or do not read: they are given up, and nobody waits for them for long."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.workers.gthread import TConn

from fhir_infusion.web import patience, quiet_worker
from tests.exact_json import loads
from tests.web.conftest import exact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.web.conftest import Client, Connect

POST = b"POST /fhir/r4/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
BODY = b'{"resourceType":"Patient","active":true}'
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def answered(theirs: socket.socket) -> tuple[int, str]:
    """Return the status and the issue code of the only answer; the connection has to end behind it."""
    whole = b""
    while piece := theirs.recv(65536):
        whole += piece
    head, _, body = whole.partition(b"\r\n\r\n")
    told: Any = loads(body)
    return int(head.split()[1]), told.get("issue", told.get("issues"))[0]["code"]


@pytest.mark.parametrize(
    "sent", [POST + b"Content-Length: 40\r\n\r\n{", CHUNKED + b"28\r\n{", POST, b"GET /fhir/r4/meta"], ids=repr
)
def test_f8_a_request_that_stalls_is_408_at_its_deadline(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, sent: bytes
):
    monkeypatch.setattr(patience, "READ_SECONDS", 0.3)
    theirs, done = connect()
    theirs.sendall(sent)
    assert answered(theirs) == (408, "timeout")
    assert done.result(10) is quiet_worker.CLOSED


def test_f8_a_request_that_drips_is_408_at_its_deadline(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patience, "READ_SECONDS", 0.5)
    theirs, _ = connect()
    theirs.sendall(POST + b"Content-Length: 100000\r\n\r\n")
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.02):
            try:
                theirs.sendall(b" ")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    assert answered(theirs) == (408, "timeout")
    ended.set()
    dripping.join()


def test_a_large_body_has_the_time_that_its_bytes_give_it(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patience, "READ_SECONDS", 0.3)
    monkeypatch.setattr(patience, "SLOWEST", 100)
    theirs, _ = connect()
    theirs.sendall(POST + b"Connection: close\r\nContent-Length: 240\r\n\r\n")
    for _ in range(4):
        time.sleep(0.15)
        theirs.sendall(b" " * 50)
    theirs.sendall(BODY)
    assert theirs.recv(65536).startswith(b"HTTP/1.1 201")


def test_f8_who_stalls_while_others_wait_for_a_thread_is_given_up_before_its_deadline(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(quiet_worker, "LINGER_SECONDS", 0.05)
    stalled = [connect()[0] for _ in range(2)]
    for one in stalled:
        one.sendall(POST + b"Content-Length: 40\r\n\r\n{")
    time.sleep(0.5)
    other, _ = connect()
    other.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert other.recv(65536).startswith(b"HTTP/1.1 200")
    assert any(answered(one) == (408, "timeout") for one in stalled[:1])


@pytest.mark.parametrize(
    "sent",
    [
        CHUNKED + b"28\r\n" + BODY + b"\r\n",
        CHUNKED + b"28\r\n" + BODY[:10],
        CHUNKED + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
        CHUNKED + b"28\r\n" + BODY + b"xx0\r\n\r\n",
        POST + b"Content-Length: 40\r\n\r\n" + BODY[:10],
    ],
    ids=["without its end", "cut in a chunk", "a size that is none", "a chunk that does not end", "cut"],
)
def test_f7_a_body_that_is_cut_or_wrong_in_its_chunks_is_400_and_stores_nothing(
    connect: Connect, client: Client, sent: bytes
):
    theirs, _ = connect()
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    assert answered(theirs) == (400, "incomplete")
    assert exact(client.get("/fhir/r4/Patient?_summary=count"))["total"] == 0


def test_a_new_connection_that_says_nothing_takes_no_thread(worker: quiet_worker.QuietWorker):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = time.monotonic()
        assert worker.handle(TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))) is quiet_worker.LATER
        assert time.monotonic() - before < 1


def test_a_client_that_does_not_read_its_answer_is_given_up(
    worker: quiet_worker.QuietWorker, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    def endless(_environ: object, start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        while True:
            yield b"x" * 65536

    worker.wsgi = endless
    monkeypatch.setattr(quiet_worker, "WRITE_SECONDS", 0.2)
    theirs, done = connect()
    theirs.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert done.result(10) is quiet_worker.CLOSED


def test_a_client_that_reads_a_large_answer_slowly_gets_all_of_it(
    worker: quiet_worker.QuietWorker, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    whole, ended = b"x" * 2_000_000, threading.Event()

    class Large(list[bytes]):
        close = staticmethod(ended.set)

    def large(_environ: object, start: Any) -> Large:
        start("200 OK", [("Content-Length", str(len(whole)))])
        return Large([whole])

    monkeypatch.setattr(worker.app, "_app", large)
    worker.load_wsgi()
    monkeypatch.setattr(quiet_worker, "WRITE_SECONDS", 0.5)
    theirs, _ = connect()
    theirs.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    got = b""
    while piece := theirs.recv(65536):
        got += piece
        time.sleep(0.05)
    assert got.partition(b"\r\n\r\n")[2] == whole
    assert ended.is_set()


def test_a_connection_that_its_client_leaves_open_is_closed_in_its_own_thread(
    worker: quiet_worker.QuietWorker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quiet_worker, "LINGER_SECONDS", 0.1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        conn = TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
        done: Future[Any] = worker.tpool.submit(worker.handle, conn)
        assert done.result(10) is quiet_worker.CLOSED
        assert ours.fileno() == -1
        worker.nr_conns = 1
        before = time.monotonic()
        worker.finish_request(conn, done)
        assert (worker.nr_conns, time.monotonic() - before < 0.1) == (0, True)
