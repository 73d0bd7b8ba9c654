"""What is wrong in a request is refused on every route that it fits, without a value of it, and changes nothing (2.4).

The routes are those of the application: each has its row in ``bad_routes.TABLE``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.errors import Unavailable
from fhir_infusion.service import Service
from fhir_infusion.store import Store, audit, idempotency, open_store
from fhir_infusion.web import bodies
from fhir_infusion.web.app import create_app
from fhir_infusion.web.fhir import bundle
from fhir_infusion.web.workbench.asked import MOST_FORM
from tests.counts import chosen
from tests.exact_json import loads
from tests.store.helpers import Clock
from tests.web import bad_routes
from tests.web.bad_bodies import BODIES, CANARY
from tests.web.bad_requests import GONE, OWNER, PAGE, Asked, Place, Route, filled, releases_of, right
from tests.web.bad_routes import TABLE
from tests.web.bad_ways import STORED
from tests.web.conftest import FHIR, Client, Json, issues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

    from fhir_infusion.store import Tx
    from fhir_infusion.translator import Translator
    from tests import postgresql

ANY = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.fixture(scope="module")
def records(examples: dict[str, str]) -> dict[str, Json]:
    return {"order": loads(examples["dobutamine"]), "administration": loads(examples["administration"])}  # type: ignore[dict-item]  # they are objects


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    translator: Translator,
    records: dict[str, Json],
) -> Iterator[Place]:
    url = f"sqlite:///{tmp_path_factory.mktemp('place')}/store.db"
    if request.param == "postgresql":
        server: postgresql.Server = request.getfixturevalue("postgresql_server")
        url = server.database()
    clock, numbers = Clock(), count()
    service = Service(open_store(url, clock), translator, clock, lambda: f"id-{next(numbers)}", Settings())
    made = filled(service, Client(create_app(service, OWNER).test_client(use_cookies=False)), records)
    yield made
    assert service.store.read("default", audit.verify) == ()
    service.store.close()


on_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""For what is refused before the store is asked for anything."""


def routes(*fitting: str) -> Any:
    """The routes that something fits."""
    found = [route for route, fits in TABLE.items() if set(fitting) <= set(fits)]
    return pytest.mark.parametrize("route", found, ids=[" ".join(one) for one in found])


class Tried:
    """Sends what is wrong, and demands its status and code, no value of it, and that nothing is changed."""

    def __init__(self, place: Place, route: Route, records: dict[str, Json]) -> None:
        self.place, self.route, self.records = place, route, records
        self.before = place.state()

    def right(self) -> list[Asked]:
        """The right request in each release; in R4B at the long count only."""
        tried = [one for one in releases_of(self.route) if one != "r4b" or chosen() == "long"]
        return [right(self.place, self.route, release, self.records) for release in tried]

    def refused(self, asked: Asked, status: int | set[int], *codes: str, **environ: Any) -> TestResponse:
        reply = self.place.send(asked, **environ)
        told = f"{asked.method} {asked.path}?{asked.query}: {reply.status_code} {reply.text[:600]}"
        assert reply.status_code in ({status} if isinstance(status, int) else status), told
        found = issues(reply)
        assert all(one["reason"] for one in found), told
        assert not codes or {one["code"] for one in found} & set(codes), told
        assert CANARY not in reply.text, told
        assert asked.rule.startswith("/fhir") == (reply.mimetype == FHIR), told
        assert self.place.state() == self.before, told
        return reply


@pytest.fixture
def tried(place: Place, route: Route, records: dict[str, Json]) -> Iterator[Tried]:
    yield Tried(place, route, records)
    assert place.client.get("/health/live").status_code == 200


def test_every_route_of_the_application_has_a_row(place: Place):
    rules = place.client.flask.application.url_map.iter_rules()
    there = {(method, rule.rule) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert there == set(TABLE)


@pytest.mark.parametrize("route", TABLE, ids=[" ".join(one) for one in TABLE])
def test_what_reads_a_body_or_parameters_is_said_to(route: Route):
    """A route that takes a body must have it spoiled: which do is told by the method."""
    fits = set(TABLE[route])
    if route[1] == "/api/mappings/reload":
        assert fits == {bad_routes.ACCEPT}  # it takes no body, and reads none
        return
    if route[1].startswith("/hooks/"):
        assert fits == set()  # what is sent there is not read, and no remote is told from another
        return
    assert bool(fits & {bad_routes.BODY, bad_routes.FORM}) == (route[0] in {"POST", "PUT", "PATCH"})
    ids = set(re.findall(r"<(\w+)>", route[1])) - {"release", "fhir_type"}
    assert (bad_routes.NAMED in fits) == bool(
        (ids and not route[1].endswith("$validate")) or (route[0] == "GET" and ids)
    )


# ------------------------------------------------------------------------------------------------------------ bodies


@on_sqlite
@routes(bad_routes.BODY)
@pytest.mark.parametrize(("spoil", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_what_is_no_strict_json_within_limits_is_400(tried: Tried, spoil: Callable[[bytes], bytes], code: str):
    for asked in tried.right():
        body = spoil(str(asked.body).encode())
        if body[:1] == b"[" and asked.rule.startswith("/api/formats/"):
            body = spoil(body)  # an array is right there, an array in one is not
        tried.refused(replace(asked, body=body), 400, code)


@on_sqlite
@routes(bad_routes.BODY)
def test_a_body_beyond_its_limit_is_413(tried: Tried):
    for asked in tried.right():
        whole = asked.rule.rstrip("/") == bad_routes.FHIR
        most = bundle.MOST_BYTES if whole else bodies.MOST_BYTES + (1024 if "translate" in asked.rule else 0)
        body = str(asked.body).encode()
        tried.refused(replace(asked, body=body + b" " * (most + 1 - len(body))), 413, "too-long")


@on_sqlite
@routes(bad_routes.FORM)
def test_a_form_beyond_its_limit_is_413(tried: Tried):
    for asked in tried.right():
        most = MOST_FORM if asked.rule == "/workbench" else bodies.MOST_BYTES
        tried.refused(replace(asked, body=b"a" * (most + 1)), 413, "too-long")


def has_body(route: Route) -> bool:
    return bool({bad_routes.BODY, bad_routes.FORM} & set(TABLE[route]))


WITH_BODY = [route for route in TABLE if has_body(route)]
with_body = pytest.mark.parametrize("route", WITH_BODY, ids=[" ".join(one) for one in WITH_BODY])


@on_sqlite
@with_body
def test_a_body_shorter_than_declared_is_400(tried: Tried):
    for asked in tried.right():
        body = asked.body.encode() if isinstance(asked.body, str) else asked.body or b""
        cut = {"CONTENT_LENGTH": str(len(body) + 10), "wsgi.input_terminated": True}
        tried.refused(replace(asked, body=body), 400, "incomplete", **cut)


MEDIA = (
    *("application/fhir+xml", "application/xml", "text/plain", "multipart/form-data; boundary=x", "text/json", CANARY),
    *("application/fhir+json; fhirVersion=3.0", "application/json; charset=latin-1", "application/fhir+ndjson"),
)


@on_sqlite
@with_body
@pytest.mark.parametrize("media", [*MEDIA, "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_media_type_is_415(tried: Tried, media: str):
    is_form = bad_routes.FORM in TABLE[tried.route]
    if is_form and media in {"", "application/x-www-form-urlencoded"}:
        pytest.skip("it is the media type of a form, which a client may leave out")
    for asked in tried.right():
        tried.refused(replace(asked, media=media), 415, "not-supported")


@on_sqlite
@with_body
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", CANARY])
def test_an_encoded_body_is_415_so_that_none_is_unpacked(tried: Tried, encoding: str):
    for asked in tried.right():
        tried.refused(asked.with_headers(content_encoding=encoding), 415, "not-supported")


# ----------------------------------------------------------------------------------------------------------- headers


@on_sqlite
@routes(bad_routes.ACCEPT)
@pytest.mark.parametrize(
    "accept", ["application/fhir+xml", "text/html", "application/fhir+json; fhirVersion=3.0", CANARY]
)
def test_what_we_do_not_write_is_406(tried: Tried, accept: str):
    for asked in tried.right():
        tried.refused(asked.with_headers(accept=accept), 406, "not-supported")


@on_sqlite
@routes(bad_routes.IF_MATCH)
@pytest.mark.parametrize("header", ["*", 'W/"1", W/"2"', "1", "", f'W/"{"x" * 65}"', f"W/{CANARY}", 'W/"a b"'])
def test_an_if_match_that_names_no_version_is_400(tried: Tried, header: str):
    for asked in tried.right():
        tried.refused(asked.with_headers(if_match=header), 400, "value")


@routes(bad_routes.IF_MATCH)
@pytest.mark.parametrize("version", ["2", "0", "99999999999999999999999", CANARY])
def test_a_stale_if_match_is_412(tried: Tried, version: str):
    for asked in tried.right():
        tried.refused(asked.with_headers(if_match=f'W/"{version}"'), 412, "conflict")


@routes(bad_routes.IF_MATCH)
def test_an_order_is_not_changed_without_if_match(tried: Tried):
    if "Subscription" in tried.route[1]:
        pytest.skip("a subscription is no order: If-Match is optional, a stale one refused")
    if tried.route[1].startswith(bad_routes.HELD):
        pytest.skip("what is held is compared with what is there: If-Match is optional, a stale one refused")
    for asked in tried.right():
        tried.refused(asked.without("If-Match"), 400, "required")


@on_sqlite
@routes(bad_routes.KEY)
@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "Jäne", f"{CANARY}\t{CANARY}"])
def test_what_is_no_idempotency_key_is_400(tried: Tried, key: str):
    for asked in tried.right():
        tried.refused(asked.with_headers(idempotency_key=key), 400, "value")


@routes(bad_routes.KEY)
def test_a_key_that_came_with_another_request_is_422_and_the_header_is_named(tried: Tried):
    def used(tx: Tx) -> None:
        if idempotency.find(tx, "open", "key|used") is None:
            idempotency.keep(tx, "open", "key|used", idempotency.Effect("another request", answer="{}"))

    tried.place.service.store.transact("default", used)
    for asked in tried.right():
        reply = tried.refused(asked.with_headers(idempotency_key="used"), 422, "business-rule")
        assert issues(reply)[0]["path"] == "http.Idempotency-Key"


@routes(bad_routes.EXIST)
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "required"),
        (" ", "required"),
        ("?", "required"),
        ("{type}?", "required"),
        ("_format=json", "required"),
        (f"{CANARY}%20%3C=1", "not-supported"),
        ("_id=", "invalid"),
        ("_id", "invalid"),
        (f"colour={CANARY}", "not-supported"),
        (f"_id=1&colour={CANARY}", "not-supported"),
        ("_count=1", "not-supported"),
        ("_id=1&_include=*", "not-supported"),
        ("_sort=_id", "not-supported"),
        (f"Encounter?_id={CANARY}", "invalid"),
        ("https://elsewhere.example/fhir/{type}?_id=1", "invalid"),
        ("/fhir/r3/{type}?_id=1", "invalid"),
        ("_id=%c0%af", "invalid"),
        ("_id=a%00b", "invalid"),
    ],
)
def test_an_if_none_exist_that_is_no_criterion_is_400_and_creates_nothing(tried: Tried, header: str, code: str):
    """What is not understood would be what finds nothing, and the resource would be there twice."""
    for asked in tried.right():
        type_ = "Subscription" if "Subscription" in asked.rule else asked.names["fhir_type"]
        reply = tried.refused(asked.with_headers(if_none_exist=header.format(type=type_)), 400, code)
        assert issues(reply)[0]["path"].startswith("http.If-None-Exist")


# -------------------------------------------------------------------------------------------------------- parameters


@on_sqlite
@routes(bad_routes.QUERY)
@pytest.mark.parametrize("name", ["colour", "patient.colour", "colour:exact", f"{CANARY}%20%3C", "patient%20"])
def test_a_parameter_that_is_not_known_is_400_by_default(tried: Tried, name: str):
    """Passing over patient= would return everybody. What can be a name of a parameter is told, as of an element."""
    for asked in tried.right():
        tried.refused(asked.asking(f"{name}={CANARY}"), 400, "not-supported")


@routes(bad_routes.QUERY)
@pytest.mark.parametrize("query", ["status=%00", f"_id={CANARY}%c0%af", "%c0%af=x", "_id=%ed%a0%80", "_id=%1b"])
def test_a_parameter_that_is_no_text_is_400(tried: Tried, query: str):
    for asked in tried.right():
        tried.refused(asked.asking(query), 400, "invalid")


@routes(bad_routes.CRITERIA)
@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("patient=", "invalid"),
        (f"status:{CANARY}=active", "not-supported"),
        ("status:=active", "not-supported"),
        ("authoredon=zz2024", "invalid"),
        (f"authoredon={CANARY}", "invalid"),
        ("authoredon=2024-02-30", "invalid"),
        ("authoredon=2024-05-01T25:00:00Z", "invalid"),
        (f"identifier={'|' * 3}{CANARY}", "invalid"),
        (f"_has:{CANARY}:x:y=1", "not-supported"),
        (f"subject:{CANARY}.name=x", "not-supported"),
    ],
)
def test_a_criterion_that_cannot_be_understood_is_400(tried: Tried, query: str, codes: str):
    for asked in tried.right():
        tried.refused(asked.asking(query), 400, codes)


@routes(bad_routes.CRITERIA)
@pytest.mark.parametrize(
    "value",
    ["' OR 1=1 --", "x'; DROP TABLE versions; --", "%", "_", "\\", '"', "*", "NEAR(a b)", "../../etc/passwd", "😀"],
)
def test_signs_of_sql_and_of_paths_are_text_and_find_nothing(tried: Tried, value: str):
    from urllib.parse import quote  # noqa: PLC0415  of this test alone

    for asked in tried.right():
        reply = tried.place.send(asked.asking(f"identifier=urn:x|{quote(value)}"))
        assert reply.status_code in {200, 204, 400, 404, 412, 422}, reply.text
        assert reply.status_code != 200 or b'"entry"' not in reply.data
        assert tried.place.state() == tried.before


@routes(bad_routes.DATES)
@pytest.mark.parametrize("moment", ["yesterday", "2024-13-01", "2024-05-01T10:00:00+99:00", CANARY])
def test_a_wrong_date_is_400(tried: Tried, moment: str):
    name = "changed_since" if "/api/" in tried.route[1] else "authoredon"
    name = "_since" if "history" in tried.route[1] or "export" in tried.route[1] else name
    for asked in tried.right():
        tried.refused(asked.asking(f"{name}={moment}"), 400, "invalid")


@routes(bad_routes.PAGES)
@pytest.mark.parametrize("number", ["-1", "abc", "1.5", "9" * 40, CANARY, "%D9%A3", ""])
def test_a_wrong_number_of_entries_is_400(tried: Tried, number: str):
    for asked in tried.right():
        tried.refused(asked.asking(f"{PAGE[asked.rule[:5]][0]}={number}"), 400, "invalid")


@routes(bad_routes.PAGES)
@pytest.mark.parametrize("token", ["forged", "", "A" * 10_000, CANARY, "%F0%9F%98%80"])
def test_a_forged_token_is_400(tried: Tried, token: str):
    for asked in tried.right():
        tried.refused(asked.asking(f"{PAGE[asked.rule[:5]][1]}={token}"), 400, "invalid")


# ------------------------------------------------------------------------------------------------- addresses, methods

TRICKS = [
    "..",
    "%2e%2e",
    "a%2Fb",
    "%00",
    "%c0%af",
    "'%20OR%201=1%20--",
    "x" * 65,
    f"<b>{CANARY}</b>",
    f"{CANARY}%0d%0aA:b",
]


@routes(bad_routes.NAMED)
@pytest.mark.parametrize("trick", [*TRICKS, "x" * 9_000])
def test_an_address_that_names_no_id_is_refused(tried: Tried, trick: str):
    for asked in tried.right():
        placeholder = re.findall(r"<(\w+)>", tried.route[1])[-1]
        tried.refused(asked.named(**{placeholder: trick}), {400, 404, 405})


@routes(bad_routes.NAMED)
def test_what_is_not_there_is_404(tried: Tried):
    method, rule = tried.route
    for asked in tried.right():
        placeholder = re.findall(r"<(\w+)>", rule)[-1]
        unknown = asked.named(**{placeholder: "unknown"})
        if method == "PUT" and rule == bad_routes.ONE:
            # It would be created, but for If-Match, which names a version that it does not have.
            tried.refused(replace(unknown, body=str(asked.body).replace('"stored"', '"unknown"', 1)), 412, "conflict")
        elif method == "PUT" and "Subscription" in rule:
            body = str(asked.body).replace(asked.names["subscription_id"], "unknown")
            tried.refused(replace(unknown, body=body), 404, "not-found")
        elif method == "DELETE" and "$" not in rule:
            # https://hl7.org/fhir/http.html#delete: what is not there is deleted already.
            assert tried.place.send(unknown).status_code in {204, 404, 412}
        else:
            tried.refused(unknown, 404, "not-found")


OF_ONE = [route for route in TABLE if "<resource_id>" in route[1]]


@pytest.mark.parametrize("route", OF_ONE, ids=[" ".join(one) for one in OF_ONE])
def test_what_was_deleted_is_410_to_who_reads_or_changes_it_and_its_history_stays(tried: Tried):
    method, rule = tried.route
    for asked in tried.right():
        gone = asked.named(resource_id=GONE)
        if method == "DELETE":
            # https://hl7.org/fhir/http.html#delete: it is deleted already.
            assert tried.place.send(gone).status_code == 204
        elif "_history" in rule:
            assert tried.place.send(gone).status_code == 200
        elif rule == f"{bad_routes.ONE}/$validate" and method == "POST":
            reply = tried.place.send(replace(gone, body=str(asked.body).replace(f'"{STORED}"', f'"{GONE}"', 1)))
            assert reply.status_code == 200
            assert "deleted" in {one["code"] for one in issues(reply)}
        elif method == "PUT" and rule == bad_routes.ONE:
            body = str(asked.body).replace(f'"{STORED}"', f'"{GONE}"', 1)
            tried.refused(replace(gone.without("If-Match"), body=body), 410, "deleted")
            tried.refused(replace(gone, body=body), 412, "conflict")
        else:
            tried.refused(gone, 410, "deleted")
        assert tried.place.state() == tried.before


@on_sqlite
@pytest.mark.parametrize("route", TABLE, ids=[" ".join(one) for one in TABLE])
def test_a_release_or_a_type_that_is_not_served_is_404(tried: Tried):
    for asked in tried.right():
        if "<release>" in asked.rule:
            tried.refused(asked.named(release=CANARY), 404, "not-found", "not-supported")
        if "<fhir_type>" in asked.rule:
            tried.refused(asked.named(fhir_type=CANARY), 404, "not-supported", "not-found")


@on_sqlite
@pytest.mark.parametrize("route", TABLE, ids=[" ".join(one) for one in TABLE])
def test_a_method_that_is_not_offered_is_405_and_says_which_are(tried: Tried):
    for asked in tried.right():
        adapter = tried.place.client.flask.application.url_map.bind("localhost")
        offered = set(adapter.allowed_methods(asked.path))
        for method in set(ANY) - offered:
            reply = tried.refused(replace(asked, method=method), 405, "not-supported")
            assert set(reply.headers["Allow"].split(", ")) == offered


@routes(bad_routes.STORE)
def test_where_the_store_does_not_answer_it_is_503_with_the_time_to_wait(tried: Tried, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise Unavailable(CANARY, retry_after=7)

    for asked in tried.right():
        with monkeypatch.context() as broken:
            broken.setattr(Store, "read", fail)
            broken.setattr(Store, "transact", fail)
            reply = tried.place.send(asked)
        assert (reply.status_code, reply.headers.get("Retry-After")) == (503, "7"), reply.text
        assert [one["code"] for one in issues(reply)] == ["transient"]
        assert CANARY not in reply.text
    assert tried.place.state() == tried.before
