"""HTTP to one FHIR endpoint: the only place that uses ``requests``.

1. A URL is made of the configured base only; a link from a peer is followed only within the same origin and path.
2. One ``Session(trust_env=False)`` an endpoint: no proxies, no .netrc, no cookies; redirects are not followed.
3. ``requests`` has no total deadline (a peer that drips one byte a second holds it for ever): a watchdog cuts the
   connection at the deadline, and the body is read in pieces up to a cap on decoded bytes.
4. What comes back is a :mod:`~fhir_infusion.sync.replies` value; no exception of ``requests`` leaves this module.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import base64
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fhir_infusion.actions.condition import condition
from fhir_infusion.config import Remote, read_secret
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync import journal, replies
from fhir_infusion.sync.replies import Answer, Doubtful, Found, Listed, Trouble, Unsent, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_infusion.fhir.json import Resource

CONNECT_SECONDS: Final = 10.0
PIECE: Final = 64 * 1024
MEDIA_TYPE: Final = "application/fhir+json"


class Watch(Protocol):
    """Decides whether an endpoint is left alone."""

    def allows(self) -> bool:
        """Say whether a request may be sent now."""
        ...

    def saw(self, answer: Answer | Unsent | Doubtful) -> None:
        """Take note of how a request ended."""


class Endpoint:
    """One FHIR server. Safe to use from several threads; every call ends within the remote's deadline.

    The deadline covers connecting, sending, waiting and reading. Only the resolver of names keeps its own time limits.
    """

    def __init__(self, remote: Remote, watch: Watch | None = None) -> None:
        """Prepare a session; nothing is sent yet. ``watch`` sees every answer, and may forbid the next request.

        Raises:
            SettingsError: the secret's file cannot be read.
        """
        self.name = remote.name
        self.release = remote.release
        self.base = remote.base_url.rstrip("/")
        self._remote = remote
        self._watch = watch
        self._secret = self._read_secret()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount(self.base, WatchedAdapter())

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    # --------------------------------------------------------------------------------------------- interactions

    def capability(self) -> Resource | Trouble:
        """Return the CapabilityStatement."""
        reply = self._ask("GET", self.base + "/metadata")
        if not isinstance(reply, Answer):
            return reply
        found = replies.of_read(reply, "CapabilityStatement", "")
        return found.resource if isinstance(found, Found) else found

    def read(self, type_: str, id_: str) -> Found | Trouble:
        """Read the current version of one resource."""
        reply = self._ask("GET", self._url(type_, id_))
        return replies.of_read(reply, type_, id_) if isinstance(reply, Answer) else reply

    def search(self, type_: str, parameters: Sequence[tuple[str, str]]) -> Listed | Trouble:
        """Return the first page of a search. Cached results are not wanted: a search verifies what was just written."""
        return self._listed(self._url(type_), type_, parameters)

    def history(self, type_: str, parameters: Sequence[tuple[str, str]]) -> Listed | Trouble:
        """Return the first page of the history of a type, newest first."""
        return self._listed(self._url(type_, "_history"), type_, parameters)

    def _listed(self, url: str, type_: str, parameters: Sequence[tuple[str, str]]) -> Listed | Trouble:
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
        reply = self._ask("GET", f"{url}?{query}", {"Cache-Control": "no-cache"})
        return replies.of_search(reply, type_) if isinstance(reply, Answer) else reply

    def page(self, type_: str, link: str) -> Listed | Trouble:
        """Return the page that a next link leads to; a link out of the endpoint is not followed."""
        url = self.own(link)
        if url is None:
            return Doubtful("next link leaves the endpoint")
        reply = self._ask("GET", url)
        return replies.of_search(reply, type_) if isinstance(reply, Answer) else reply

    def create(self, resource: Resource, if_none_exist: tuple[str, str] | None = None) -> Written | Trouble:
        """Create a resource, where ``if_none_exist`` is given only if none has this identifier (system, value).

        ``identifier=system|value`` is the one condition that every server takes.
        """
        headers = {"Prefer": "return=representation"}
        if if_none_exist is not None:
            headers["If-None-Exist"] = condition(*if_none_exist)
        reply = self._ask("POST", self._url(resource["resourceType"]), headers, fhir_json.write(resource))
        return replies.of_write(reply, resource["resourceType"]) if isinstance(reply, Answer) else reply

    def update(self, resource: Resource, if_match: str = "") -> Written | Trouble:
        """Write a resource under its own id; without ``if_match`` only where the id is not taken yet."""
        type_, id_ = resource["resourceType"], resource["id"]
        headers = {"Prefer": "return=representation"}
        headers |= {"If-Match": if_match} if if_match else {"If-None-Match": "*"}
        reply = self._ask("PUT", self._url(type_, id_), headers, fhir_json.write(resource))
        return replies.of_write(reply, type_, id_) if isinstance(reply, Answer) else reply

    # ------------------------------------------------------------------------------------------------ addresses

    def own(self, link: str) -> str | None:
        """Return the absolute URL of a link where it stays within this endpoint, else None.

        Compared are scheme, host and port as parsed, and whole path segments: ``https://fhir.example.evil`` begins
        with ``https://fhir.example`` but is another host, ``/fhir-admin`` begins with ``/fhir`` but is another path.
        """
        try:
            url = urlsplit(urljoin(self.base + "/", link))
            base = urlsplit(self.base)
            same = _origin(url) == _origin(base)
        except ValueError:
            return None
        if not same or url.username or url.password or "\\" in link or any(ord(c) <= 32 for c in link):
            return None
        segments = [unquote(part) for part in url.path.split("/")]
        wanted = [unquote(part) for part in base.path.split("/") if part]
        if any(part in {".", ".."} or "/" in part for part in segments):
            return None
        return url.geturl() if [part for part in segments if part][: len(wanted)] == wanted else None

    def _url(self, *segments: str) -> str:
        return "/".join([self.base, *(quote(segment, safe="") for segment in segments)])

    # ----------------------------------------------------------------------------------------------- one request

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer | Unsent | Doubtful:
        if self._watch is not None and not self._watch.allows():
            return Unsent("left alone for now")
        since = time.monotonic()
        answer = self._once(method, url, headers or {}, body)
        if isinstance(answer, Answer) and answer.status == 401:
            fresh = self._read_secret()
            if fresh != self._secret:  # the secret was changed on disk: once more, for a 401 had no effect
                self._secret = fresh
                answer = self._once(method, url, headers or {}, body)
        journal.note(method, url.removeprefix(self.base), headers or {}, answer, since)
        if self._watch is not None:
            self._watch.saw(answer)
        return answer

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer | Unsent | Doubtful:
        seconds = float(self._remote.deadline_seconds)
        deadline = time.monotonic() + seconds
        sent = {"Accept": MEDIA_TYPE, "Accept-Encoding": "gzip", "User-Agent": "fhir-infusion", **headers}
        sent |= self._authorization()
        if body is not None:
            sent["Content-Type"] = MEDIA_TYPE
        try:
            with (
                watchdog(seconds),
                self._session.request(
                    method,
                    url,
                    headers=sent,
                    data=body,
                    stream=True,
                    allow_redirects=False,
                    timeout=(min(CONNECT_SECONDS, seconds), seconds),
                ) as response,
            ):
                return self._received(response, deadline)
        except requests.exceptions.ConnectTimeout:
            return Unsent("no connection in time")
        except requests.exceptions.SSLError:
            # The handshake raises it, and so does a connection that breaks later: not sure that nothing was sent.
            return Doubtful("TLS failed")
        except requests.exceptions.ConnectionError as error:
            return Unsent("no connection") if never_connected(error) else Doubtful("connection broken")
        except requests.exceptions.Timeout:
            return Doubtful("no answer in time")
        except (requests.exceptions.RequestException, OSError, ValueError):
            # urllib3's own errors while reading are wrapped by requests; OSError: the watchdog closed the socket.
            return Doubtful("connection broken")

    def _received(self, response: requests.Response, deadline: float) -> Answer | Doubtful:
        pieces, size = [], 0
        for piece in response.iter_content(PIECE):
            size += len(piece)
            if size > self._remote.max_bytes:
                return Doubtful("answer too long")
            if time.monotonic() > deadline:
                return Doubtful("no answer in time")
            pieces.append(piece)
        if time.monotonic() > deadline:
            return Doubtful("no answer in time")  # the watchdog ends a body of unknown length as if it were whole
        headers = {name.lower(): value for name, value in response.headers.items()}
        for name in ("location", "content-location"):
            if name in headers and self.own(headers[name]) is None:
                del headers[name]  # it says nothing about this endpoint; without it the caller verifies
        return Answer(response.status_code, headers, b"".join(pieces))

    def _authorization(self) -> dict[str, str]:
        match self._remote.auth:
            case "none":
                return {}
            case "bearer":
                return {"Authorization": f"Bearer {self._secret}"}
            case "basic":
                return {"Authorization": "Basic " + base64.b64encode(self._secret.encode()).decode()}

    def _read_secret(self) -> str:
        return read_secret(self._remote.token_file) if self._remote.token_file is not None else ""


def _origin(url: Any) -> tuple[str, str, int | None]:
    port = url.port if url.port is not None else {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme.lower(), (url.hostname or "").lower(), port


def never_connected(error: BaseException) -> bool:
    """Say whether an error tells that no connection was made: refused, no route, no such name."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen or not isinstance(one, BaseException):
            continue
        seen.add(id(one))
        if type(one).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}:
            return True
        pending += [getattr(one, "reason", None), one.__cause__, *one.args]
    return False


# -------------------------------------------------------------------------------------------------- the watchdog


_RUNNING: Final = threading.local()
"""``holder``: where this thread's request notes the socket that it runs on, so that the watchdog can cut it."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Cut the socket of the request that runs inside, ``seconds`` from now."""
    holder: list[socket.socket] = []
    _RUNNING.holder = holder
    timer = threading.Timer(seconds, _cut, (holder,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _RUNNING.holder = None


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
        """Send a request, having noted the socket."""
        _note(self)
        super().request(*args, **options)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = WatchedConnection  # pyright: ignore[reportAssignmentType]  urllib3's own class fails its protocol too


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = WatchedTlsConnection  # pyright: ignore[reportAssignmentType]  as in the class above


class WatchedAdapter(HTTPAdapter):
    """requests' transport without its retries: whether to send again is decided after verifying, never below."""

    def __init__(self, pools: Mapping[str, Any] | None = None) -> None:
        """Prepare; ``pools`` are the classes of the pools by scheme, where they are not those of this module."""
        self._pools = pools or {"http": _WatchedPool, "https": _WatchedTlsPool}
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=8)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dict(self._pools)
