"""Connections of ``requests`` that can be cut: its transport has no total deadline.

A watchdog shuts the socket of a request down when its time is over, whatever it waits for. One thread watches over all
requests: a timer for each would be a thread for each, and to start one takes about as long as to send a small request.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RUNNING: Final = threading.local()
"""``holder``: where this thread's request notes the socket that it runs on, so that the watchdog can cut it."""


@contextmanager
def watchdog(seconds: float, sockets: list[socket.socket] | None = None) -> Iterator[None]:
    """Cut the socket of the request that runs inside, ``seconds`` from now; ``sockets`` gets it once connected."""
    holder = sockets if sockets is not None else []
    outer = getattr(_RUNNING, "holder", None)
    _RUNNING.holder = holder
    watched = _WATCH.begin(time.monotonic() + seconds, holder)
    try:
        yield
    finally:
        _WATCH.end(watched)
        _RUNNING.holder = outer  # a token is asked for within another request's time


class _Watch:
    """The thread that cuts, and what it watches over: by a number of its own, until when, and which sockets.

    Once ``end`` has returned nothing is cut any more: the connection may serve the next request by then.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[int, tuple[float, list[socket.socket]]] = {}
        self._numbers = itertools.count()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def begin(self, until: float, holder: list[socket.socket]) -> int:
        """Cut the sockets at a moment of ``time.monotonic``; return the number under which that is called off."""
        with self._changed:
            number = next(self._numbers)
            self._watched[number] = (until, holder)
            if self._thread is None or not self._thread.is_alive():  # a process that was forked has no such thread
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._wakes_at = until
                self._thread.start()
            elif until < self._wakes_at:
                self._changed.notify()
        return number

    def end(self, number: int) -> None:
        """Call it off. The thread is not woken for that: it finds nothing to cut, and looks when to wake again."""
        with self._changed:
            self._watched.pop(number, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for number, (until, holder) in list(self._watched.items()):
                    if until <= now:
                        del self._watched[number]
                        _cut(holder)
                moments = [until for until, _ in self._watched.values()]
                self._wakes_at = min(moments, default=now + _REST_SECONDS)
                self._changed.wait(self._wakes_at - now)


_REST_SECONDS: Final = 3600.0
"""How long the thread sleeps where there is nothing to watch over; it is woken before where there is."""
_WATCH: Final = _Watch()


def _cut(holder: list[socket.socket]) -> None:
    for sock in holder:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _note(connection: HTTPConnection) -> None:
    # The socket, not the connection: for an answer that ends with the connection, urllib3 lets go of the socket while
    # the body is still being read.
    holder = getattr(_RUNNING, "holder", None)
    if holder is not None and connection.sock is not None:
        holder.append(connection.sock)


class _Final(http.client.HTTPResponse):
    """An answer without those that announce it: ``http.client`` passes over 100 only.

    Taken for the answer, 102 or 103 would leave the real one on the connection, as that to the next request (H10).
    https://www.rfc-editor.org/rfc/rfc9110#section-15.2
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # its stub lacks it
            if not 101 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class WatchedConnection(HTTPConnection):
    """A connection that the watchdog can cut."""

    response_class = _Final

    def connect(self) -> None:
        """Connect, and note the socket."""
        super().connect()
        _note(self)

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, having noted the socket."""
        _note(self)
        super().request(*args, **options)


class WatchedTlsConnection(HTTPSConnection):
    """The same over TLS."""

    response_class = _Final

    def connect(self) -> None:
        """Connect, and note the socket."""
        super().connect()
        _note(self)

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, having noted the socket.

        Where the server has ended the connection already, its reason waits to be read.
        """
        _note(self)
        try:
            super().request(*args, **options)
        except ssl.SSLEOFError:
            if self.sock is not None:
                self.sock.settimeout(1)
                self.sock.recv(1)
            raise


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = WatchedConnection  # pyright: ignore[reportAssignmentType]  urllib3's own class fails its protocol too


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = WatchedTlsConnection  # pyright: ignore[reportAssignmentType]  as in the class above


class WatchedAdapter(HTTPAdapter):
    """requests' transport without its retries: whether to send again is decided after verifying, never below."""

    def __init__(self, pools: Mapping[str, Any] | None = None) -> None:
        """Prepare; ``pools`` are the classes of the pools by scheme, where they are not those of this module."""
        self._pools = pools or {"http": _WatchedPool, "https": _WatchedTlsPool}
        super().__init__(max_retries=0, pool_connections=2, pool_maxsize=20)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dict(self._pools)
