"""An endpoint of a subscriber on loopback: keeps what arrives, and fails as it is told."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests import exact_json


@dataclass(frozen=True)
class Arrived:
    """One request as it came, and when."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    raw: bytes = b""


@dataclass
class Receiver:
    """``lies`` are used up one a request: a status, ``drop`` (taken, no answer) or seconds to wait before 200."""

    lies: deque[int | float | str] = field(default_factory=deque)
    always: int | float | str = 200
    arrived: list[Arrived] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.take(self)

            def do_PUT(self) -> None:
                outer.take(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = exact_json.loads(raw) if raw else None
        with self._lock:
            lie = self.lies.popleft() if self.lies else self.always
            if isinstance(lie, float):
                status, wait = 200, lie
            else:
                status, wait = (lie, 0.0) if isinstance(lie, int) else (0, 0.0)
            self.arrived.append(Arrived(handler.command, handler.path, headers, body, time.monotonic(), raw))
        if wait:
            time.sleep(wait)
        if not status:
            handler.close_connection = True
            return
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("Location", f"{self.url}/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def bundles(self, kind: str | None = None) -> list[Any]:
        """The notifications that came, of one kind where that is named."""
        found = [one.body for one in self.arrived if one.body and one.body.get("resourceType") == "Bundle"]
        return [one for one in found if kind in {None, kind_of(one)}]

    def numbers(self) -> list[int]:
        """The numbers of the events that came, in the order in which they came."""
        return [number for one in self.bundles("event-notification") for number in numbers_of(one)]


def kind_of(bundle: Any) -> str:
    """The kind of a notification, of each release."""
    first = bundle["entry"][0]["resource"]
    return str(first["type"] if "type" in first else _parameter(first, "type")["valueCode"])


def numbers_of(bundle: Any) -> list[int]:
    """The numbers of the events of a notification, of each release."""
    first = bundle["entry"][0]["resource"]
    if first["resourceType"] == "SubscriptionStatus":
        return [int(one["eventNumber"]) for one in first.get("notificationEvent", [])]
    return [
        int(part["valueString"])
        for one in first["parameter"]
        if one["name"] == "notification-event"
        for part in one["part"]
        if part["name"] == "event-number"
    ]


def _parameter(parameters: Any, name: str) -> Any:
    return next(one for one in parameters["parameter"] if one["name"] == name)


def until(meets: Any, seconds: float = 10.0) -> bool:
    """Wait until something holds; say whether it did in time."""
    end = time.monotonic() + seconds
    while not meets():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
