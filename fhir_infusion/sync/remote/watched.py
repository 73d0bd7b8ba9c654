"""Connections of ``requests`` that can be cut: its transport has no total deadline.

A watchdog shuts the socket of a request down when its time is over, whatever it waits for.
"""

from __future__ import annotations

import socket
import ssl
import threading
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
    timer = threading.Timer(seconds, _cut, (holder,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _RUNNING.holder = outer  # a token is asked for within another request's time


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


class WatchedConnection(HTTPConnection):
    """A connection that the watchdog can cut."""

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
