"""The simulated server over HTTP: the standard library's, a thread for each connection.

For each request: its number and its fault from the request line alone; then its body; then all that is done, under one
lock; then the answer, as quickly or slowly as the fault has it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.asked import Answer, Asked, Sent, asked_of
from fhir_infusion.simulated.bundles import do_bundle
from fhir_infusion.simulated.export import Exports
from fhir_infusion.simulated.interactions import RIGHT, World, date_header, do
from fhir_infusion.simulated.ledger import Ledger, summary
from fhir_infusion.simulated.state import State, stranger
from fhir_infusion.simulated.telling import Telling, about
from fhir_infusion.simulated.turns import Fit, Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.simulated.interactions import Twist
    from fhir_infusion.simulated.scenario import Fault, Scenario

STATE_PATH: Final = "/_simulated/state"
MOST: Final = 64 * 1024 * 1024
"""A longer body is not read."""


class Simulator:
    """The server. ``clock`` gives seconds since 1970 and may be exchanged; ``ledger`` tells what happened."""

    def __init__(  # noqa: PLR0913  each is one thing that a test or a command chooses
        self,
        scenario: Scenario,
        release: str = "R4",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the port and begin to answer.

        Raises:
            OSError: the address cannot be had.
        """
        self.clock = clock
        self.ledger = ledger or Ledger()
        self._lock = threading.RLock()
        self._turns = Turns(scenario.faults, scenario.seed)
        self._exports = Exports()
        self._asked = 0
        self._began = clock()
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        shown = f"[{host}]" if ":" in host else host
        self.base = f"http://{shown}:{self._server.server_port}/fhir"
        self._world = World(State(self._seconds), scenario.ability, release, self.base)
        for number in range(scenario.ability.strangers):
            self.state.write(stranger(number, release), self.state.new_id("MedicationRequest"), "POST")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def _seconds(self) -> float:
        return self.clock()

    @property
    def state(self) -> State:
        """What it holds now."""
        return self._world.state

    def close(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def summary(self) -> dict[str, Any]:
        """Return how it stands: requests, faults told, and of each type how many identifiers stand how often."""
        with self._lock:
            return summary(self.state, self._asked, self._turns.told())

    # ---------------------------------------------------------------------------------------------- one request

    def answer(self, asked: Asked, read: Callable[[bool], bytes | None]) -> Answer | None:
        """Do one request; ``read`` reads the body, or half of it, and returns None where it is not whole.

        Returns None where nothing can be answered.
        """
        number, fault, telling = self._chosen(asked)
        body = read(telling.is_cut)
        if body is None:
            return None
        asked = replace(asked, body=body)
        if telling.pause:
            time.sleep(telling.pause)
        with self._lock:
            return self._done(number, asked, fault, telling)

    def _chosen(self, asked: Asked) -> tuple[int, Fault | None, Telling]:
        with self._lock:
            self._asked += 1
            seconds = self.clock() - self._began
            fit = Fit(self._asked, seconds, asked.method, asked.interaction, asked.type)
            fault = self._turns.next(fit)
            telling = about(fault, lambda: self._turns.draw(fault)) if fault is not None else Telling()
            return self._asked, fault, telling

    def _done(self, number: int, asked: Asked, fault: Fault | None, telling: Telling) -> Answer:
        moment = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        touched = telling.before(self._world, asked)
        told = None if touched is None else self._told(asked, telling)
        if told is None:  # it could not befall this request, which had no effect yet, and is done rightly
            if fault is not None:
                self._turns.give_back(fault)
            fault, told = None, self._right(asked, RIGHT)
        answer = replace(told, headers={"Date": date_header(self._world), **told.headers})
        self.ledger.note(number, moment, asked, answer, fault, touched or ())
        return answer

    def _told(self, asked: Asked, telling: Telling) -> Answer | None:
        if telling.instead is not None:
            return telling.instead(self._world)
        return telling.after(self._world, self._right(asked, telling.twist))

    def _right(self, asked: Asked, twist: Twist) -> Answer:
        match asked.interaction:
            case "batch":
                return do_bundle(self._world, asked)
            case "export":
                return self._exports.do(self._world, asked)
        return do(self._world, asked, twist)


def _handler(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement between head and body

        def do_GET(self) -> None:
            _serve(self, simulator)

        do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815  the names that http.server calls

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002  http.server's signature
            """Write nothing: the ledger tells all."""

    return Handler


def _serve(handler: BaseHTTPRequestHandler, simulator: Simulator) -> None:
    if handler.path == STATE_PATH:
        body = fhir_json.write(simulator.summary())
        _send(handler, Answer(200, {"Content-Type": "application/json"}, body))
        return
    headers = {name.lower(): value for name, value in handler.headers.items()}
    asked = asked_of(handler.command, handler.path, headers)
    answer = simulator.answer(asked, lambda is_cut: _body(handler, headers, is_cut=is_cut))
    if answer is None or answer.sent.close == "before":
        handler.close_connection = True
        return
    try:
        _send(handler, answer)
    except OSError:  # the client has gone
        handler.close_connection = True


def _body(handler: BaseHTTPRequestHandler, headers: dict[str, str], *, is_cut: bool) -> bytes | None:
    stated = headers.get("content-length", "0")
    length = int(stated) if stated.isascii() and stated.isdigit() else MOST + 1
    if length > MOST or "transfer-encoding" in headers:
        return None
    wanted = length // 2 if is_cut else length
    body = handler.rfile.read(wanted)
    return body if len(body) == wanted else None


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response_only(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if answer.status != 204:
        handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    _write(handler, answer.body, answer.sent)
    if answer.sent.close:
        handler.close_connection = True


def _write(handler: BaseHTTPRequestHandler, body: bytes, sent: Sent) -> None:
    """Write a body as quickly and as far as it is meant to travel."""
    if sent.first >= 0:
        # Less than all of it, however short it is, so that nobody takes what came for the whole.
        handler.wfile.write(body[: min(sent.first, max(0, len(body) - 1))])
        handler.wfile.flush()
        time.sleep(sent.stand)
    elif sent.piece:
        for start in range(0, len(body), sent.piece):
            handler.wfile.write(body[start : start + sent.piece])
            handler.wfile.flush()
            time.sleep(sent.drip)
    else:
        handler.wfile.write(body[: int(len(body) * sent.share)])
        handler.wfile.flush()
