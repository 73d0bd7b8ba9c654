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
import time
from dataclasses import replace
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

import requests

from fhir_infusion.actions.condition import condition
from fhir_infusion.config import Remote, read_secret
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync import addresses, bundles, journal, looking, replies, tls
from fhir_infusion.sync.bundles import Write
from fhir_infusion.sync.gather import Gather
from fhir_infusion.sync.remote.reading import FAILURES, meaning, pieces
from fhir_infusion.sync.remote.watched import WatchedAdapter, watchdog
from fhir_infusion.sync.replies import Answer, Deleted, Doubtful, Found, Listed, Trouble, Unsent, Written
from fhir_infusion.sync.smart import Tokens

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from fhir_infusion.fhir.json import Resource

CONNECT_SECONDS: Final = 10.0
MEDIA_TYPE: Final = "application/fhir+json"
UNCACHED: Final = {"Cache-Control": "no-cache"}
"""What is asked verifies what was just written: what a proxy remembers is not wanted."""
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
MOVED: Final = frozenset({301, 308})

_Got = TypeVar("_Got", Answer | Unsent | Doubtful, requests.Response)


class Watch(Protocol):
    """Decides whether an endpoint is left alone."""

    def allows(self) -> bool:
        """Say whether a request may be sent now."""
        ...

    def saw(self, answer: Answer | Unsent | Doubtful) -> None:
        """Take note of how a request ended."""

    def hurries(self) -> bool:
        """Say whether what this thread asks is for a stop, which waits for nothing else."""
        ...


class Endpoint:
    """One FHIR server. Safe to use from several threads; every call ends within the remote's deadline.

    The deadline covers connecting, sending, waiting and reading. Only the resolver of names keeps its own time limits.
    """

    def __init__(self, remote: Remote, watch: Watch | None = None) -> None:
        """Prepare a session; nothing is sent yet. ``watch`` sees every answer, and may forbid the next request.

        Raises:
            SettingsError: the file of the secret, of a key or of certificates cannot be read.
        """
        tls.check_files(remote)
        self.name = remote.name
        self.release = remote.release
        self.base = remote.base_url.rstrip("/")
        self._remote = remote
        self._watch = watch
        self.takes_batches = False
        """Whether several writes may go in one Bundle; set by who has read what the server can."""
        self.gathered: frozenset[str] = frozenset()
        """The types of which several may be looked for in one search."""
        self._writes = Gather(self._together, most=remote.bundle_size)
        self._looks: dict[str, Gather[tuple[str, str], Listed | Trouble]] = {}
        self._secret = self._read_secret()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, WatchedAdapter())
        if remote.ca_file is not None:
            self._session.verify = str(remote.ca_file)
        if remote.cert_file is not None:
            self._session.cert = (str(remote.cert_file), str(remote.cert_key_file))
        self._tokens = Tokens(remote, self._once) if remote.auth == "smart" else None

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
        """Return the first page of a search."""
        return self._listed(self._url(type_), type_, parameters)

    def look(self, type_: str, system: str, value: str) -> Listed | Trouble:
        """Return the first page of what has an identifier; several threads look together where that is safe."""
        if type_ not in self.gathered:
            return looking.alone(self, type_, system, value)
        gather = self._looks.get(type_)
        if gather is None:
            gather = Gather(partial(looking.together, self, type_), most=self._remote.bundle_size)
            gather = self._looks.setdefault(type_, gather)
        return gather.ask((system, value), is_urgent=self._hurries())

    def _hurries(self) -> bool:
        return self._watch is not None and self._watch.hurries()

    def history(self, type_: str, parameters: Sequence[tuple[str, str]]) -> Listed | Trouble:
        """Return the first page of the history of a type, newest first."""
        return self._listed(self._url(type_, "_history"), type_, parameters)

    def _listed(self, url: str, type_: str, parameters: Sequence[tuple[str, str]]) -> Listed | Trouble:
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
        reply = self._ask("GET", f"{url}?{query}")
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

    def delete(self, type_: str, id_: str) -> Deleted | Trouble:
        """Delete a resource: of a probe, or a Subscription of ours, and no other."""
        reply = self._ask("DELETE", self._url(type_, id_))
        return replies.of_delete(reply) if isinstance(reply, Answer) else reply

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> Answer | Unsent | Doubtful:
        """Ask for what is no resource, at an address of this endpoint (``own``)."""
        return self._ask(method, url, headers)

    def stream(self, url: str, accept: str) -> requests.Response | Answer | Unsent | Doubtful:
        """Open a file of this endpoint (``own``): the head of its answer is here, its body is to be read.

        Who calls keeps the watchdog, and takes what ``requests`` raises: see ``streaming``.
        """
        return self._with_credentials(lambda known: self._open("GET", url, {"Accept": accept, **known}))

    # ------------------------------------------------------------------------------------------------ addresses

    def own(self, link: str) -> str | None:
        """Return the absolute URL of a link where it stays within this endpoint, else None.

        Compared are scheme, host and port as parsed, and whole path segments: ``https://fhir.example.evil`` begins
        with ``https://fhir.example`` but is another host, ``/fhir-admin`` begins with ``/fhir`` but is another path.
        """
        return addresses.own(self.base, link)

    def _url(self, *segments: str) -> str:
        return "/".join([self.base, *(quote(segment, safe="") for segment in segments)])

    # ----------------------------------------------------------------------------------------------- one request

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer | Unsent | Doubtful:
        if self._watch is not None and not self._watch.allows():
            return Unsent("left alone for now")
        since = time.monotonic()
        headers = {**UNCACHED, **(headers or {})} if method == "GET" else headers
        write = Write(method, url.removeprefix(self.base), headers or {}, body or b"")
        if self.takes_batches and write.fits:
            answer, is_own = self._writes.ask(write, is_urgent=self._hurries())
        else:
            answer, is_own = self._alone(write), True
        journal.note(method, write.path, write.headers, answer, since)
        if isinstance(answer, Answer) and answer.status in MOVED and self._is_elsewhere(write, answer):
            answer = Answer(NOT_FOUND, {})
        if self._watch is not None and is_own:
            self._watch.saw(answer)
        return answer

    def _is_elsewhere(self, write: Write, answer: Answer) -> bool:
        """Say whether a redirect says that a resource has another id now: a 404 for this one, and no fault of settings.

        It is not followed: what has another id is looked for by its identifier (``renamed``).
        """
        return addresses.leads_to_another(self.base, write.path, answer.headers.get("location", ""))

    def _together(self, writes: Sequence[Write]) -> list[tuple[Answer | Unsent | Doubtful, bool]]:
        """Send writes as one Bundle; return what came of each, and whether that is its own answer."""
        if len(writes) == 1 or not self.takes_batches:  # what waited while the first one was refused, too
            return [(self._alone(one), True) for one in writes]
        if sum(len(one.body) for one in writes) > bundles.MOST_BYTES:
            half = len(writes) // 2
            return [*self._together(writes[:half]), *self._together(writes[half:])]
        whole = self._alone(Write("POST", "", {"Prefer": "return=representation"}, bundles.batch_of(writes)))
        parts = bundles.answers_of(whole, writes) if isinstance(whole, Answer) else None
        if parts is not None:
            return [(self._trusted(one), True) for one in parts]
        if isinstance(whole, Answer) and whole.status in bundles.REFUSED:
            self.takes_batches = False
            return [(self._alone(one), True) for one in writes]
        if self._watch is not None:
            self._watch.saw(whole)  # once, not for each
        if isinstance(whole, Answer) and whole.status == 200:
            whole = Doubtful("unreadable answer")
        return [(whole, False)] * len(writes)

    def _trusted(self, answer: Answer | Doubtful) -> Answer | Doubtful:
        """Return an answer without a location that leaves the endpoint."""
        if isinstance(answer, Answer) and self.own(answer.headers.get("location", "")) is None:
            return replace(answer, headers={name: text for name, text in answer.headers.items() if name != "location"})
        return answer

    def _alone(self, write: Write) -> Answer | Unsent | Doubtful:
        """Send one request."""
        return self._authorized(write.method, self.base + write.path, write.headers, write.body or None)

    def _authorized(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer | Unsent | Doubtful:
        typed = {**headers, **({"Content-Type": MEDIA_TYPE} if body is not None else {})}
        return self._with_credentials(lambda known: self._once(method, url, {**typed, **known}, body))

    def _with_credentials(self, send: Callable[[dict[str, str]], _Got]) -> _Got | Answer | Unsent | Doubtful:
        """Send a request with credentials; once more with others where they are refused, for a 401 had no effect."""
        if self._tokens is not None:
            token = self._tokens.get()
            if not isinstance(token, str):
                return token
            got = send({"Authorization": f"Bearer {token}"})
            if not _is_unauthorized(got):
                return got
            fresh = self._tokens.get(refused=token)
            return send({"Authorization": f"Bearer {fresh}"}) if isinstance(fresh, str) else fresh
        got = send(self._authorization())
        if _is_unauthorized(got):
            secret = self._read_secret()
            if secret != self._secret:  # it was changed on disk
                self._secret = secret
                got = send(self._authorization())
        return got

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer | Unsent | Doubtful:
        seconds = float(self._remote.deadline_seconds)
        deadline = time.monotonic() + seconds
        sockets: list[socket.socket] = []
        try:
            with watchdog(seconds, sockets), self._open(method, url, headers, body) as response:
                return self._received(response, deadline)
        except FAILURES as error:
            return meaning(error, is_connected=bool(sockets))

    def _open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        """Send a request and return the head of its answer; the body is to be read, and the watchdog kept outside."""
        seconds = float(self._remote.deadline_seconds)
        return self._session.request(
            method,
            url,
            headers={"Accept": MEDIA_TYPE, "Accept-Encoding": "gzip", "User-Agent": "fhir-infusion", **headers},
            data=body,
            stream=True,
            allow_redirects=False,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
        )

    def _received(self, response: requests.Response, deadline: float) -> Answer:
        body = b"".join(pieces(response, deadline=deadline, most=self._remote.max_bytes))
        headers = {name.lower(): value for name, value in response.headers.items()}
        for name in ("location", "content-location"):
            if name in headers and self.own(headers[name]) is None:
                del headers[name]  # it says nothing about this endpoint; without it the caller verifies
        return Answer(response.status_code, headers, body)

    def _authorization(self) -> dict[str, str]:
        match self._remote.auth:
            case "bearer":
                return {"Authorization": f"Bearer {self._secret}"}
            case "basic":
                return {"Authorization": "Basic " + base64.b64encode(self._secret.encode()).decode()}
            case _:
                return {}

    def _read_secret(self) -> str:
        return read_secret(self._remote.token_file) if self._remote.token_file is not None else ""


def _is_unauthorized(got: Answer | Unsent | Doubtful | requests.Response) -> bool:
    """Say whether credentials were refused; where only the head is here, the connection is given back."""
    if isinstance(got, requests.Response):
        if got.status_code == UNAUTHORIZED:
            got.close()
        return got.status_code == UNAUTHORIZED
    return isinstance(got, Answer) and got.status == UNAUTHORIZED
