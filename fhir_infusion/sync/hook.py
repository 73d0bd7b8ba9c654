"""HTTP to the endpoint of a subscription: an address that a client chose, so trusted with nothing.

As :mod:`~fhir_infusion.sync.remote`: a total deadline, a cap on what is read, no redirects, no proxies, no cookies.
The name is looked up and judged here at each connection, and connected to is the very address that was judged: a name
that leads elsewhere by the next look-up leads nowhere. Of an answer only the status and ``Retry-After`` are kept.
"""

from __future__ import annotations

import time
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from fhir_infusion.actions import endpoints
from fhir_infusion.sync.remote import CONNECT_SECONDS
from fhir_infusion.sync.remote.reading import FAILURES, CutError, meaning, pieces
from fhir_infusion.sync.remote.watched import WatchedAdapter, WatchedConnection, WatchedTlsConnection, watchdog
from fhir_infusion.sync.replies import Answer, Doubtful, Unsent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from fhir_infusion.config import Settings

_MOST_READ: Final = 64 * 1024
_KEPT: Final = ("retry-after",)


class Hook:
    """Sends to endpoints of subscriptions; the connections are kept until it is closed. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is sent yet."""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, WatchedAdapter(_pools(settings)))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer | Unsent | Doubtful:
        """Send one notification, and return how that ended within ``seconds``; the answer's body is not kept."""
        deadline = time.monotonic() + seconds
        sockets: list[socket.socket] = []
        sent = {"User-Agent": "fhir-infusion", "Accept": "*/*", **headers}
        try:
            with (
                watchdog(seconds, sockets),
                self._session.request(
                    method,
                    url,
                    headers=sent,
                    data=body or b"",
                    stream=True,
                    allow_redirects=False,
                    timeout=(min(CONNECT_SECONDS, seconds), seconds),
                ) as response,
            ):
                _pass_over(response, deadline)
                kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
                return Answer(response.status_code, kept, b"")
        except FAILURES as error:
            return meaning(error, is_connected=bool(sockets))


def _pass_over(response: requests.Response, deadline: float) -> None:
    """Read the body, so that the connection can be used again; what is too long or too slow ends the connection."""
    try:
        for _ in pieces(response, deadline=deadline, most=_MOST_READ):
            pass
    except CutError:
        response.close()


def _pools(settings: Settings) -> Mapping[str, Any]:
    """Return the pools whose connections lead only to where these settings allow."""

    class Plain(WatchedConnection):
        def _new_conn(self) -> socket.socket:
            return _judged(settings, self, super()._new_conn)

    class Tls(WatchedTlsConnection):
        def _new_conn(self) -> socket.socket:
            return _judged(settings, self, super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # pyright: ignore[reportAssignmentType]  urllib3's own class fails its protocol too

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls  # pyright: ignore[reportAssignmentType]  as in the class above it

    return {"http": PlainPool, "https": TlsPool}


def _judged(settings: Settings, connection: Any, connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect to an address that was judged; the certificate is still asked for the name."""
    name = connection._dns_host  # noqa: SLF001  urllib3 keeps the name to look up here, and has no other way in
    try:
        found = endpoints.addresses(settings, name, connection.port)
    except OSError as error:
        raise NewConnectionError(connection, "the address may not be connected to") from error
    for place, address in enumerate(found):
        connection._dns_host = address  # noqa: SLF001  as in the line above
        try:
            return connect()
        except NewConnectionError:
            if place == len(found) - 1:
                raise
        finally:
            connection._dns_host = name  # noqa: SLF001  as in the line above
    raise NewConnectionError(connection, "there is no address")
