"""The endpoint over real sockets: deadlines, caps, cuts (reliability F6 to F8, F10)."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.config import Remote
from fhir_infusion.sync.remote import Endpoint
from fhir_infusion.sync.replies import Doubtful, Found, Unsent
from tests.faults.peer import CUT, DROP, Act, Peer, once

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}


def _endpoint(base: str, seconds: int = 1, cap: int = 1_000_000) -> Endpoint:
    return Endpoint(Remote("peer", base, deadline_seconds=seconds, max_bytes=cap))


class Raw:
    """A server of a few lines that answers each connection as the test says."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/fhir"

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self._serve(connection)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"


def _drip_head(connection: socket.socket) -> None:
    for byte in HEAD * 100:
        connection.send(bytes([byte]))
        time.sleep(0.05)


def _drip_body(connection: socket.socket) -> None:
    connection.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(1000):
        connection.send(b" ")
        time.sleep(0.05)


def _drip_until_closed(connection: socket.socket) -> None:
    connection.send(HEAD + b"Connection: close\r\n\r\n")
    for _ in range(1000):
        connection.send(b'{"resourceType":"MedicationRequest","id":"7"}   ')
        time.sleep(0.05)


def _stall(connection: socket.socket) -> None:
    connection.send(HEAD + b"Content-Length: 10\r\n\r\n{")
    time.sleep(30)


def _silent(connection: socket.socket) -> None:
    connection.recv(1)
    time.sleep(30)


@pytest.mark.parametrize("serve", [_drip_head, _drip_body, _drip_until_closed, _stall, _silent])
def test_f8_whatever_drips_or_stalls_ends_at_the_total_deadline(serve: Callable[[socket.socket], None]) -> None:
    raw = Raw(serve)
    endpoint = _endpoint(raw.base)
    begun = time.monotonic()
    assert isinstance(endpoint.read("MedicationRequest", "7"), Doubtful)
    assert 0.5 < time.monotonic() - begun < 15  # alone each would take 30 s or more
    endpoint.close()
    raw.close()


def test_f8_another_call_is_not_cut_by_the_watchdog_of_an_earlier_one(there: Peer) -> None:
    endpoint = _endpoint(there.base)
    stored = there.put(ORDER)
    begun = time.monotonic()
    while time.monotonic() - begun < 2.5:
        assert isinstance(endpoint.read("MedicationRequest", stored["id"]), Found)
        time.sleep(0.1)
    endpoint.close()


def test_f10_a_small_packed_body_that_unpacks_beyond_the_cap_is_cut_off() -> None:
    packed = gzip.compress(b" " * 50_000_000)

    def serve(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)

    raw = Raw(serve)
    endpoint = _endpoint(raw.base, seconds=10)
    assert endpoint.read("MedicationRequest", "7") == Doubtful("answer too long")
    endpoint.close()
    raw.close()


@pytest.mark.parametrize("lie", [DROP, CUT])
def test_f6_a_lost_or_cut_answer_is_a_doubt(there: Peer, lie: Act) -> None:
    there.lies.append(once(lie))
    endpoint = _endpoint(there.base)
    assert endpoint.create(ORDER) == Doubtful("connection broken")
    assert len(there.all("MedicationRequest")) == 1
    endpoint.close()


def test_a_peer_that_is_not_there_has_certainly_not_seen_the_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    endpoint = _endpoint(base)
    assert endpoint.create(ORDER) == Unsent("no connection")
    endpoint.close()


def test_a_name_that_does_not_resolve_has_certainly_not_seen_the_request() -> None:
    endpoint = _endpoint("https://fhir.invalid/r4")
    assert endpoint.create(ORDER) == Unsent("no connection")
    endpoint.close()


def test_no_text_of_an_error_leaves_the_endpoint(there: Peer, caplog: pytest.LogCaptureFixture) -> None:
    there.lies.append(
        once(
            Act(
                effect=False,
                status=422,
                body=b'{"resourceType":"OperationOutcome","issue":[{"code":"invalid","diagnostics":"CANARY"}]}',
            )
        )
    )
    endpoint = _endpoint(there.base)
    assert "CANARY" not in repr(endpoint.create(ORDER)) + caplog.text
    endpoint.close()


def _final(body: bytes) -> bytes:
    return HEAD + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
)
def test_f10_h10_what_comes_before_the_answer_is_none_and_the_answer_is_not_taken_for_that_of_the_next_request(
    interim: bytes,
) -> None:
    def serve(connection: socket.socket) -> None:
        for id_ in (b"7", b"8"):
            connection.send(interim * 2)
            time.sleep(0.2)
            connection.send(_final(b'{"resourceType":"MedicationRequest","id":"' + id_ + b'"}'))
            connection.recv(65536)

    raw = Raw(serve)
    endpoint = _endpoint(raw.base, seconds=5)
    found = [endpoint.read("MedicationRequest", id_) for id_ in ("7", "8")]
    assert [one.stamp.id if isinstance(one, Found) else one for one in found] == ["7", "8"]
    endpoint.close()
    raw.close()
