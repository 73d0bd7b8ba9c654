"""The two processes of one ``serve``, each asked by name: a connection stays with the process that took it."""

from __future__ import annotations

import http.client
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.exact_json import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.real.serving import Serving

FHIR = "application/fhir+json"
SECONDS = 60


@dataclass(frozen=True)
class Said:
    """An answer: ``body`` is what its JSON means, None where it has none."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return loads(self.text) if self.text.startswith(("{", "[")) else None


class Side:
    """One process. A connection that it closes is not opened anew, for that might lead to the other one."""

    def __init__(self, port: int) -> None:
        self._inner = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._inner.connect()
        self._inner.auto_open = 0
        self._own = self._inner.sock.getsockname()[1]
        self._port = port

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        reply = self.opened(method, path, body, **headers)
        return Said(reply.status, {name.lower(): text for name, text in reply.getheaders()}, reply.read().decode())

    def opened(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        """Ask, and return the answer before its body is read."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        sent = body if body is None or isinstance(body, str) else dumps(body)
        self._inner.request(method, path, sent, {"Content-Type": FHIR, **named} if body is not None else named)
        return self._inner.getresponse()

    def process(self, among: set[str]) -> str:
        """Return which of these processes holds the other end of the connection, empty where none does yet."""
        socket = f"socket:[{self._inode()}]"
        for pid in among:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just died
                for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(FileNotFoundError):
                        if str(descriptor.readlink()) == socket:
                            return pid
        return ""

    def close(self) -> None:
        self._inner.close()

    def _inode(self) -> str:
        ends = f":{self._port:04X}", f":{self._own:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if (fields[1][-5:], fields[2][-5:]) == ends:
                return fields[9]
        return "0"


@contextmanager
def sides(serving: Serving, number: int = 2) -> Iterator[list[tuple[str, Side]]]:
    """Give the id of each process with a connection to it, in the order of the ids."""
    found: dict[str, Side] = {}
    others: list[Side] = []
    end = time.monotonic() + SECONDS
    try:
        while len(found) < number:
            assert time.monotonic() < end, "one process takes all connections"
            one = Side(serving.port)
            others.append(one)
            with suppress(OSError, http.client.HTTPException):  # it was taken by one that has just died
                one.ask("GET", "/health/live")
                if pid := one.process(serving.workers()):
                    found.setdefault(pid, one)
        yield sorted(found.items())
    finally:
        for one in others:
            one.close()
