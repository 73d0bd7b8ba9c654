"""A FHIR server that lies: a small threaded one in memory, scripted to fail the way real ones do.

It keeps every version, counts every request, and does what its ``lies`` say. A lie is a function that takes the request and
either returns None (behave) or an :class:`Act`; ``once`` makes one that tells its lie a number of times.

    DROP            do it, then close without an answer           (lost reply)
    CUT             do it, answer the head and half of the body   (truncated)
    RESET           do nothing, close                              (request lost)
    STATUS(n)       answer n, with or without the effect
    DRIP            do it, then one byte at a time
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from tests import exact_json

if TYPE_CHECKING:
    import ssl


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    type: str
    id: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = 0.0

    @property
    def writes(self) -> bool:
        return self.method in {"POST", "PUT"}


@dataclass(frozen=True)
class Act:
    """How to lie: ``effect`` says whether the request is carried out all the same."""

    effect: bool = True
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    close: str = ""
    drip_seconds: float = 0.0
    change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    hidden_for: float = 0.0
    cut: int = 0
    """With ``close="half"``: so many bytes of the body are sent, half of it where this is 0."""
    wait_seconds: float = 0.0
    """For so long it does nothing; other requests go on."""
    until: threading.Event | None = None
    """It does nothing until this is set, a minute at most."""


DROP = Act(close="before")
RESET = Act(effect=False, close="before")
CUT = Act(close="half")
Lie = Callable[[Asked], Act | None]


def once(act: Act, when: Callable[[Asked], bool] = lambda asked: asked.writes, times: int = 1) -> Lie:
    """Return a lie that is told ``times`` times, then no more."""
    left = [times]

    def lie(asked: Asked) -> Act | None:
        if left[0] and when(asked):
            left[0] -= 1
            return act
        return None

    return lie


@dataclass
class Kept:
    """The versions of one resource, oldest first; None is a deletion."""

    versions: list[dict[str, Any] | None]
    visible_at: float = 0.0

    @property
    def now(self) -> dict[str, Any] | None:
        return self.versions[-1]


class Peer:
    """The server. ``resources`` is what it holds; ``asked`` every request; ``lies`` what it does wrong."""

    def __init__(
        self,
        *,
        update_create: bool = False,
        conditional: bool = True,
        page: int = 50,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.resources: dict[tuple[str, str], Kept] = {}
        self._numbered: dict[tuple[Any, Any], dict[tuple[str, str], None]] = {}
        """Of each identifier the resources that ever had it, so that a search need not look through all."""
        self.asked: list[Asked] = []
        self.lies: list[Lie] = []
        self.written: set[tuple[str, str, str]] = set()
        self.update_create = update_create
        self.conditional = conditional
        self.double_create = False
        self.smart: dict[str, Any] = {}
        self.checks_match = True
        self.keeps_all = False  # delete does nothing
        self.stated: dict[str, Any] = {}  # in place of what is so
        self.page_size = page
        self.expire_pages = 0
        self.gives_next = True
        self.sorts = True
        self.shown: dict[tuple[str, str], dict[str, Any]] = {}
        self.gives_total = False
        self.keeps_history = False
        self.takes_batches = False
        self.deletions: list[tuple[datetime, str, str]] = []
        self.left_out: list[str] = []
        self.between_pages: Callable[[int], None] | None = None
        self.tick = timedelta(milliseconds=1)
        self._moment = datetime(2025, 5, 1, tzinfo=UTC)
        self._next = 0
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/fhir"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # ------------------------------------------------------------------------------------- what a test does to it

    def put(self, resource: dict[str, Any], id_: str = "", at: datetime | None = None) -> dict[str, Any]:
        """Create or change a resource as somebody else would; return it with id and meta."""
        with self._lock:
            type_ = resource["resourceType"]
            id_ = id_ or resource.get("id") or self._new_id()
            kept = self.resources.setdefault((type_, id_), Kept([]))
            self._moment += self.tick
            meta = {
                **resource.get("meta", {}),
                "versionId": str(len(kept.versions) + 1),
                "lastUpdated": (at or self._moment).isoformat(timespec="milliseconds"),
            }
            stored = {**resource, "id": id_, "meta": meta}
            kept.versions.append(stored)
            for one in stored.get("identifier", []):
                self._numbered.setdefault((one.get("system"), one.get("value")), {})[type_, id_] = None
            return stored

    def delete(self, type_: str, id_: str) -> None:
        with self._lock:
            self.resources[type_, id_].versions.append(None)
            self._moment += self.tick
            self.deletions.append((self._moment, type_, id_))

    def step(self, by: timedelta) -> None:
        """Set the clock of this server forward, or back."""
        with self._lock:
            self._moment += by

    def backup(self) -> dict[tuple[str, str], Kept]:
        """Return what it holds now, to be restored later."""
        with self._lock:
            return {key: Kept(list(kept.versions), kept.visible_at) for key, kept in self.resources.items()}

    def restore(self, backup: dict[tuple[str, str], Kept]) -> None:
        """Be as it was at the backup; the clock goes on."""
        with self._lock:
            self.resources = {key: Kept(list(kept.versions), kept.visible_at) for key, kept in backup.items()}

    def all(self, type_: str) -> list[dict[str, Any]]:
        """Return the current resources of a type."""
        with self._lock:
            return [kept.now for (one, _), kept in self.resources.items() if one == type_ and kept.now is not None]

    def history(self, type_: str, id_: str) -> list[dict[str, Any] | None]:
        with self._lock:
            return list(self.resources[type_, id_].versions)

    def writes(self, type_: str = "") -> list[Asked]:
        """Return the requests that wanted to change something."""
        with self._lock:
            return [asked for asked in self.asked if asked.writes and type_ in {"", asked.type}]

    # ----------------------------------------------------------------------------------------------- how it works

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None, Act | None]:
        with self._lock:
            self.asked.append(asked)
            act = next((found for lie in self.lies if (found := lie(asked)) is not None), None)
        if act is not None and act.wait_seconds:
            time.sleep(act.wait_seconds)
        if act is not None and act.until is not None:
            act.until.wait(60)
        if act is not None and not act.effect:
            return act.status, dict(act.headers), None, act
        status, headers, resource = self._do(asked, act)
        if act is not None and act.status:
            status, headers = act.status, dict(act.headers)
        return status, headers, resource, act

    def _do(  # noqa: PLR0911  each return is one kind of request
        self, asked: Asked, act: Act | None
    ) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        if asked.type == "metadata":
            return 200, {}, self._statement()
        if asked.type == ".well-known":
            return (200, {}, self.smart) if self.smart else (404, {}, None)
        with self._lock:
            match asked.method:
                case "POST" if not asked.type:
                    return self._batch(asked)
                case "POST":
                    return self._create(asked, act)
                case "PUT":
                    return self._update(asked, act)
                case "DELETE":
                    return self._deleted(asked)
                case _ if asked.id == "_history":
                    return self._history(asked)
                case _ if asked.id:
                    return self._read(asked)
                case _:
                    return self._search(asked)

    def _create(self, asked: Asked, act: Act | None) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        condition = asked.headers.get("if-none-exist", "")
        if condition and self.conditional and not self.double_create:
            found = self._matching(asked.type, dict(parse_qsl(condition)), self.clock())
            if len(found) > 1:
                return 412, {}, _outcome("multiple-matches")
            if found:
                return 200, self._head(found[0]), found[0]
        stored = self._written(asked, act, "")
        if self.double_create:
            self._written(asked, act, "")
        return 201, self._head(stored), stored

    def _batch(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        if not self.takes_batches:
            return 400, {}, _outcome("not-supported")
        entries = []
        for entry in asked.body["entry"]:
            request = entry["request"]
            type_, _, id_ = request["url"].partition("/")
            stated = {"if-none-exist": request.get("ifNoneExist"), "if-match": request.get("ifMatch")}
            headers = {name: value for name, value in stated.items() if value is not None}
            one = Asked(request["method"], type_, id_, {}, headers, entry["resource"], asked.at)
            status, sent, resource, _ = self.answer(one)
            response: dict[str, Any] = {"status": f"{status} Some"}
            response |= {name.lower(): value for name, value in sent.items()}
            held = {} if resource is None else {"resource": resource}
            if resource is not None and resource["resourceType"] == "OperationOutcome":
                held, response = {}, {**response, "outcome": resource}
            entries.append({"response": response, **held})
        return 200, {}, {"resourceType": "Bundle", "type": "batch-response", "entry": entries}

    def _update(  # noqa: PLR0911  each return is one answer
        self, asked: Asked, act: Act | None
    ) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        kept = self.resources.get((asked.type, asked.id))
        match = asked.headers.get("if-match")
        if kept is None:
            if match is not None:
                return 412, {}, _outcome("conflict")
            if not self.update_create:
                return 404, {}, _outcome("not-found")
            stored = self._written(asked, act, asked.id)
            return 201, self._head(stored), stored
        if kept.now is None:
            if not self.update_create or match is not None:
                return 410, {}, _outcome("deleted")
            stored = self._written(asked, act, asked.id)  # back to life, as most servers do
            return 201, self._head(stored), stored
        if self.checks_match and match is not None and match != f'W/"{kept.now["meta"]["versionId"]}"':
            return 412, {}, _outcome("conflict")
        stored = self._written(asked, act, asked.id)
        return 200, self._head(stored), stored

    def _deleted(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        if self.keeps_all:
            return 405, {}, _outcome("not-supported")
        self.delete(asked.type, asked.id)
        return 204, {}, None

    def _read(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        kept = self.resources.get((asked.type, asked.id))
        if kept is None:
            return 404, {}, _outcome("not-found")
        if kept.now is None:
            return 410, {}, _outcome("deleted")
        return 200, self._head(kept.now), kept.now

    def _search(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        offset = int(asked.query.get("_offset", "0"))
        if offset:
            if self.expire_pages:
                self.expire_pages -= 1
                return 410, {}, _outcome("expired")
            if self.between_pages is not None:
                self.between_pages(offset)
        found = self._matching(asked.type, asked.query, self.clock())
        found = [self.shown.get((one["resourceType"], one["id"]), one) for one in found]
        if "_sort" in asked.query and self.sorts:
            found.sort(key=lambda one: one["meta"]["lastUpdated"])
        size = min(self.page_size, int(asked.query.get("_count", self.page_size)))
        if asked.query.get("_summary") == "count":
            size = 0
        part = found[offset : offset + size]
        links = [{"relation": "self", "url": self.base}]
        if size and len(found) > offset + size and self.gives_next:
            query = "&".join(f"{k}={v}" for k, v in {**asked.query, "_offset": str(offset + size)}.items())
            links.append({"relation": "next", "url": f"{self.base}/{asked.type}?{query}"})
        entries = [{"resource": one, "search": {"mode": "match"}} for one in part]
        entries += [{"resource": _outcome(code), "search": {"mode": "outcome"}} for code in self.left_out]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
        if self.gives_total:
            bundle["total"] = len(found)
        return 200, self._date(), bundle

    def _date(self) -> dict[str, str]:
        return {"Date": format_datetime(self._moment + timedelta(seconds=2), usegmt=True)}

    def _history(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        """Return all versions of a type and its deletions since a moment, newest first, page by page."""
        since = datetime.fromisoformat(asked.query.get("_since", "0001-01-01T00:00:00Z"))
        offset, size = int(asked.query.get("_offset", "0")), min(self.page_size, int(asked.query.get("_count", "50")))
        found: list[tuple[datetime, dict[str, Any]]] = []
        for moment, type_, id_ in self.deletions:
            if type_ == asked.type and moment >= since:
                found.append(
                    (moment, {"fullUrl": f"{self.base}/{type_}/{id_}", "request": _asked("DELETE", type_, id_)})
                )
        for (type_, id_), kept in self.resources.items():
            for one in kept.versions:
                if type_ == asked.type and one is not None:
                    moment = datetime.fromisoformat(one["meta"]["lastUpdated"])
                    if moment >= since:
                        found.append((moment, {"resource": one, "request": _asked("PUT", type_, id_)}))
        found.sort(key=lambda one: one[0], reverse=True)
        links = [{"relation": "self", "url": self.base}]
        if len(found) > offset + size:
            query = "&".join(f"{k}={v}" for k, v in {**asked.query, "_offset": str(offset + size)}.items())
            links.append({"relation": "next", "url": f"{self.base}/{asked.type}/_history?{query}"})
        entries = [entry for _, entry in found[offset : offset + size]]
        return 200, self._date(), {"resourceType": "Bundle", "type": "history", "link": links, "entry": entries}

    def _matching(self, type_: str, query: dict[str, str], now: float) -> list[dict[str, Any]]:
        since = query.get("_lastUpdated", "").removeprefix("ge")
        tokens = [unquote(one).replace("\\", "") for one in re.split(r"(?<!\\),", query.get("identifier", "")) if one]
        wanted = [(system, value) for system, _, value in (one.partition("|") for one in tokens)]
        found = []
        ids = query["_id"].split(",") if "_id" in query else None
        for key in self._looked_at(type_, wanted, ids):
            kept = self.resources.get(key)
            resource = None if kept is None else kept.now
            if key[0] != type_ or kept is None or resource is None or kept.visible_at > now:
                continue
            named = {(i.get("system"), i.get("value")) for i in resource.get("identifier", [])}
            if (wanted and named.isdisjoint(wanted)) or (ids is not None and key[1] not in ids):
                continue
            if "status" in query and resource.get("status") not in query["status"].split(","):
                continue
            updated = datetime.fromisoformat(resource["meta"]["lastUpdated"])
            if since and updated < datetime.fromisoformat(since):
                continue
            found.append(resource)
        return found

    def _looked_at(self, type_: str, wanted: list[tuple[str, str]], ids: list[str] | None) -> list[tuple[str, str]]:
        """Return where what is searched for may be."""
        if wanted:
            return list({key: None for one in wanted for key in self._numbered.get(one, ())})
        return list(self.resources) if ids is None else [(type_, id_) for id_ in dict.fromkeys(ids)]

    def _written(self, asked: Asked, act: Act | None, id_: str) -> dict[str, Any]:
        body = act.change(asked.body) if act is not None and act.change is not None else asked.body
        stored = self.put(body, id_ or self._new_id())
        self.written.add((stored["resourceType"], stored["id"], stored["meta"]["versionId"]))
        if act is not None and act.hidden_for:
            self.resources[asked.type, stored["id"]].visible_at = self.clock() + act.hidden_for
        return stored

    def _head(self, resource: dict[str, Any]) -> dict[str, str]:
        version = resource["meta"]["versionId"]
        location = f"{self.base}/{resource['resourceType']}/{resource['id']}/_history/{version}"
        return {"Location": location, "ETag": f'W/"{version}"'}

    def _new_id(self) -> str:
        self._next += 1
        return str(self._next)

    def _statement(self) -> dict[str, Any]:
        types = ("Patient", "MedicationRequest", "MedicationAdministration")
        codes = ["read", "create", "update", "delete", *(["history-type"] if self.keeps_history else [])]
        resources = [
            {
                "type": one,
                "interaction": [{"code": code} for code in codes],
                "versioning": "versioned",
                "updateCreate": self.update_create,
                "conditionalCreate": self.conditional,
                "searchParam": [{"name": "identifier", "type": "token"}, {"name": "_lastUpdated", "type": "date"}],
                **self.stated,
            }
            for one in types
        ]
        rest: list[dict[str, Any]] = [{"mode": "server", "resource": resources}]
        if self.takes_batches:
            rest[0]["interaction"] = [{"code": "batch"}]
        return {"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "rest": rest}


def _asked(method: str, type_: str, id_: str) -> dict[str, str]:
    return {"method": method, "url": f"{type_}/{id_}"}


def _outcome(code: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "diagnostics": "CANARY Jane Q Patient"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:  # noqa: C901  one small class, made for one server
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "Stub"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement between head and body

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length) if length else b""
            if len(raw) < length:
                self.close_connection = True
                return
            url = urlsplit(self.path)
            parts = [part for part in url.path.removeprefix("/fhir").split("/") if part]
            asked = Asked(
                self.command,
                parts[0] if parts else "",
                parts[1] if len(parts) > 1 else "",
                dict(parse_qsl(url.query)),
                {name.lower(): value for name, value in self.headers.items()},
                cast("dict[str, Any]", exact_json.loads(raw.decode())) if raw else {},
                time.monotonic(),
            )
            status, headers, resource, act = peer.answer(asked)
            try:
                self._send(status, headers, resource, act)
            except OSError:
                self.close_connection = True

        def _send(self, status: int, headers: dict[str, str], resource: dict[str, Any] | None, act: Act | None) -> None:
            if act is not None and act.close == "before":
                self.close_connection = True
                return
            body = exact_json.dumps(resource).encode() if resource is not None else b""
            if act is not None and act.body is not None:
                body = act.body
            self.send_response_only(status)
            for name, value in {"Content-Type": "application/fhir+json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if act is not None and act.close == "half":
                self.wfile.write(body[: act.cut or len(body) // 2])
                self.wfile.flush()
                self.close_connection = True
                return
            if act is not None and act.drip_seconds:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(act.drip_seconds)
                return
            self.wfile.write(body)

    return Handler


def pretty(resource: dict[str, Any]) -> str:
    """Return a resource as readable JSON, for a failing test's message."""
    return json.dumps(json.loads(exact_json.dumps(resource)), indent=1)
