"""The application over a real store and the real mappings, without a server."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from flask.testing import FlaskClient
from gunicorn.workers.gthread import TConn

from fhir_infusion import config
from fhir_infusion.config import Settings
from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.app import create_app
from fhir_infusion.web.examples import texts
from fhir_infusion.web.quiet_worker import QuietWorker
from fhir_infusion.web.server import Server
from tests.exact_json import dumps, loads
from tests.fresh import lay_down

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

    from tests.web.desk import Desk

Json = dict[str, Any]
FHIR = "application/fhir+json"
JSON = "application/json"
OWN = {"order_system": "https://h.example/orders", "administration_system": "https://h.example/administrations"}
"""Settings without which nothing is served beyond loopback."""


@dataclass(frozen=True)
class Client:
    """Sends requests and keeps what is common to them."""

    flask: FlaskClient

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.flask.get(path, headers=named(headers))

    def post(self, path: str, body: object, media: str = JSON, **headers: str) -> TestResponse:
        return self.flask.post(path, data=text_of(body), content_type=media, headers=named(headers))

    def put(self, path: str, body: object, media: str = JSON, **headers: str) -> TestResponse:
        return self.flask.put(path, data=text_of(body), content_type=media, headers=named(headers))

    def patch(
        self, path: str, body: object, media: str = "application/json-patch+json", **headers: str
    ) -> TestResponse:
        return self.flask.patch(path, data=text_of(body), content_type=media, headers=named(headers))

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.flask.delete(path, headers=named(headers))


def named(headers: dict[str, str]) -> dict[str, str]:
    """``if_match`` is the header If-Match."""
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


def text_of(body: object) -> str | bytes:
    return body if isinstance(body, str | bytes) else dumps(body)


def exact(reply: TestResponse) -> Any:
    """The body with every digit."""
    return loads(reply.data)


_ON_A_PAGE = re.compile(r'data-code="([a-z-]+)">(.+)')


def issues(reply: TestResponse) -> list[Json]:
    """The issues of a refusal, of all kinds, as (code, path, reason)."""
    if reply.mimetype == "text/html":
        return [{"code": code, "path": "", "reason": html} for code, html in _ON_A_PAGE.findall(reply.text)]
    body: Json = exact(reply)
    if body.get("resourceType") == "OperationOutcome":
        return [
            {"code": one["code"], "path": one.get("expression", [""])[0], "reason": one["diagnostics"]}
            for one in body["issue"]
        ]
    return [{"code": one["code"], "path": one.get("path", ""), "reason": one["reason"]} for one in body["issues"]]


@pytest.fixture(scope="session")
def translator() -> Translator:
    return open_translator(Settings())


Make = Callable[..., Service]
Connect = Callable[[], tuple[socket.socket, "Future[Any]"]]


@pytest.fixture
def make_service(database: str, another_database: Callable[[], str], translator: Translator) -> Iterator[Make]:
    """Make a service with settings of one's own, a clock that goes on a second each time, and ids that count."""
    made: list[Service] = []

    def make(**changes: Any) -> Service:
        start, seconds = datetime(2026, 1, 2, 12, tzinfo=UTC), count()
        numbers = count(1)
        url = another_database() if made else database
        settings = replace(Settings(), database=url, **changes)

        def clock() -> datetime:
            return start + timedelta(seconds=next(seconds))

        store = open_store(lay_down(settings.database), clock)
        made.append(Service(store, translator, clock, lambda: f"id-{next(numbers)}", settings))
        return made[-1]

    yield make
    for service in made:
        service.store.close()


@pytest.fixture
def service(make_service: Make) -> Service:
    return make_service()


@pytest.fixture
def client(service: Service) -> Client:
    return Client(create_app(service).test_client(use_cookies=False))


@pytest.fixture
def worker(tmp_path: Path, client: Client) -> Iterator[QuietWorker]:
    """A worker without its loop, in front of the whole application."""
    settings = config.load(None, {}, {"port": 0, "database": f"sqlite:///{tmp_path}/x.db"})
    app = Server(settings, lambda _address, _wait: pytest.fail("nothing is built here"))
    made = QuietWorker(1, 1, [], app, 30, app.cfg, app.cfg.logger_class(app.cfg))
    made.wsgi = cast("Any", client.flask.application)
    made.tpool = ThreadPoolExecutor(2)
    yield made
    made.tpool.shutdown()
    made.tmp.close()


@pytest.fixture
def connect(worker: QuietWorker) -> Iterator[Connect]:
    """Open a connection, and have it answered as soon as a thread is free."""
    opened: list[socket.socket] = []

    def connected() -> tuple[socket.socket, Future[Any]]:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        opened.extend((ours, theirs))
        conn = TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
        return theirs, worker.tpool.submit(worker.handle, conn)

    yield connected
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def bench(translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The application for the workbench, which asks no store anything: one is enough."""
    url = f"sqlite:///{tmp_path_factory.mktemp('bench')}/store.db"
    store = open_store(url, lambda: datetime(2026, 1, 2, tzinfo=UTC))
    service = Service(
        store, translator, lambda: datetime(2026, 1, 2, tzinfo=UTC), lambda: "id", replace(Settings(), database=url)
    )
    yield Client(create_app(service).test_client(use_cookies=False))
    store.close()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.touch()
    return path


@pytest.fixture
def guarded(make_service: Make, tokens: Path) -> Client:
    service = make_service(host="10.0.0.5", tokens=tokens, **OWN)
    return Client(create_app(service).test_client())


@pytest.fixture
def desk(database: str, tmp_path: Path) -> Iterator[Desk]:
    from tests.web.desk import open_desk  # noqa: PLC0415  it imports this module

    with open_desk(database, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """The invented examples by kind, as text."""
    return dict(zip(("infliximab", "dobutamine", "administration", "resource"), texts().values(), strict=True))


@pytest.fixture
def order(examples: dict[str, str]) -> Json:
    """An order as our JSON."""
    found: Json = loads(examples["dobutamine"])  # type: ignore[assignment]  # it is an object
    return found


@pytest.fixture
def resource(examples: dict[str, str]) -> Json:
    """An order as FHIR R4."""
    found: Json = loads(examples["resource"])  # type: ignore[assignment]  # it is an object
    return {name: value for name, value in found.items() if name != "id"}


@pytest.fixture
def administration(examples: dict[str, str]) -> Json:
    """An administration with a change of rate, as our JSON."""
    found: Json = loads(examples["administration"])  # type: ignore[assignment]  # it is an object
    return found
