"""Who may ask: open on loopback, tokens anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.errors import SettingsError
from fhir_infusion.web.app import create_app
from fhir_infusion.web.routes import ROUTES
from fhir_infusion.web.security import build_gate
from fhir_infusion.web.tokens import add_token, revoke_token
from tests.web.conftest import FHIR, OWN, Client, Json, Make, exact


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "LOCALHOST"]
)
def test_open_mode_answers_to_loopback_names(client: Client, host: str):
    assert client.get("/api/orders", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "10.0.0.1",
        "127.0.0.1.evil.example",
        "[::2]",
        "a b",
    ],
)
def test_open_mode_refuses_any_other_host_against_rebinding(client: Client, host: str):
    for path in ("/api/orders", "/workbench", "/fhir/r4/metadata"):
        assert client.get(path, host=host).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost", "http://localhost:99", ""])
def test_a_page_of_another_origin_may_not_ask(client: Client, order: Json, origin: str):
    reply = client.post("/api/orders", order, origin=origin)
    assert reply.status_code == 403
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert exact(client.get("/api/orders"))["items"] == []


def test_our_own_page_may_ask(client: Client, order: Json):
    assert client.post("/api/orders", order, origin="http://localhost").status_code == 201


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via"]
)
def test_open_mode_refuses_what_a_proxy_forwarded(client: Client, name: str):
    assert client.get("/api/orders", **{name: "10.0.0.1"}).status_code == 403


def test_addresses_begin_with_the_public_url_whatever_host_and_forwarded_headers_say(
    make_service: Make, tokens: Path, order: Json, resource: Json
):
    _, token = add_token(tokens, "ehr", "default", "2026-01-02")
    for public, ours in (("", "http://evil.example"), ("https://h.example/infusions", "https://h.example/infusions")):
        service = make_service(host="10.0.0.5", tokens=tokens, public_url=public, **OWN)
        client = Client(create_app(service).test_client())
        headers = {
            "authorization": f"Bearer {token}",
            "host": "evil.example",
            "x_forwarded_proto": "gopher",
            "x_forwarded_host": "worse.example",
            "x_forwarded_prefix": "/worse",
            "forwarded": "host=worse.example;proto=gopher",
        }
        placed = client.post("/api/orders", order, **headers)
        assert placed.headers["Location"] == f"{ours}/api/orders/{exact(placed)['id']}"
        made = client.post("/fhir/r4/MedicationRequest", resource, FHIR, **headers)
        address = f"{ours}/fhir/r4/MedicationRequest"
        assert made.headers["Location"] == f"{address}/{exact(made)['id']}/_history/1"
        bundle = exact(client.get("/fhir/r4/MedicationRequest?_count=1", **headers))
        assert {link["relation"]: link["url"].partition("?")[0] for link in bundle["link"]} == {
            "self": address,
            "next": address,
        }
        assert [entry["fullUrl"] for entry in bundle["entry"]] == [f"{address}/{bundle['entry'][0]['resource']['id']}"]
        page = exact(client.get("/api/orders?limit=1", **headers))
        assert page["next"].partition("?")[0] == f"{ours}/api/orders"
        assert exact(client.get("/fhir/r5/metadata", **headers))["url"] == f"{ours}/fhir/r5/metadata"


def test_behind_a_proxy_our_own_page_is_that_of_the_public_url(make_service: Make, tokens: Path, order: Json):
    _, token = add_token(tokens, "ehr", "default", "2026-01-02")
    service = make_service(host="10.0.0.5", tokens=tokens, public_url="https://h.example:8443/infusions", **OWN)
    client = Client(create_app(service).test_client())
    asked = {"authorization": f"Bearer {token}", "host": "h.example:8443"}
    reply = client.post("/api/orders", order, origin="https://h.example:8443", **asked)
    assert (reply.status_code, "Access-Control-Allow-Origin" in reply.headers) == (201, False)
    for other in ("https://h.example", "https://h.example:8443/infusions", ""):
        assert client.post("/api/orders", order, origin=other, **asked).status_code == 403


def test_allowed_origins_and_only_these_get_cors(make_service: Make):
    client = Client(create_app(make_service(allowed_origins=("https://w.example",))).test_client())
    reply = client.get("/api/orders", origin="https://w.example")
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "https://w.example"
    assert "Origin" in reply.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply.headers
    preflight = client.flask.options(
        "/api/orders", headers={"Origin": "https://w.example", "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    other = client.flask.options(
        "/api/orders", headers={"Origin": "https://e.example", "Access-Control-Request-Method": "POST"}
    )
    assert other.status_code == 403
    assert "Access-Control-Allow-Origin" not in other.headers


def test_without_a_token_everything_but_metadata_and_liveness_is_401(guarded: Client):
    for route in ROUTES:
        path = route.rule.replace("<release>", "r4").replace("<fhir_type>", "MedicationRequest")
        path = path.replace("<resource_id>", "1").replace("<version>", "1")
        reply = guarded.flask.open(path, method=route.method, json={} if route.method != "GET" else None)
        public = path in {"/fhir/r4/metadata", "/health/live"}
        assert reply.status_code == (200 if public else 401), path
        if not public:
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert guarded.get("/no/such/place").status_code == 401


def test_a_token_opens_its_tenant_and_no_other(guarded: Client, tokens: Path, order: Json):
    _, one = add_token(tokens, "EHR one", "one", "2026-01-02")
    _, two = add_token(tokens, "EHR two", "two", "2026-01-02")
    made = guarded.post("/api/orders", order, authorization=f"Bearer {one}")
    assert made.status_code == 201
    path = f"/api/orders/{exact(made)['id']}"
    assert guarded.get(path, authorization=f"bearer {one}").status_code == 200
    assert guarded.get(path, authorization=f"Bearer {two}").status_code == 404
    assert (
        guarded.get(f"/fhir/r4/MedicationRequest/{exact(made)['id']}", authorization=f"Bearer {two}").status_code == 404
    )
    assert exact(guarded.get("/api/orders", authorization=f"Bearer {two}"))["items"] == []
    assert guarded.post("/api/orders", order, authorization=f"Bearer {two}").status_code == 201


@pytest.mark.parametrize("scheme", ["Basic {}", "Bearer", "{}", "Bearer {}x", "Bearer x{}"])
def test_what_is_no_bearer_token_is_401_without_a_trace_of_it(guarded: Client, tokens: Path, scheme: str):
    _, text = add_token(tokens, "EHR", "one", "2026-01-02")
    reply = guarded.get("/api/orders", authorization=scheme.format(text))
    assert reply.status_code == 401
    assert text not in reply.text


def test_a_revoked_token_is_401_at_once(guarded: Client, tokens: Path):
    token, text = add_token(tokens, "EHR", "one", "2026-01-02")
    assert guarded.get("/api/orders", authorization=f"Bearer {text}").status_code == 200
    revoke_token(tokens, token.token_id, "2026-01-03")
    assert guarded.get("/api/orders", authorization=f"Bearer {text}").status_code == 401


def test_no_answer_sets_a_cookie(client: Client, order: Json):
    for reply in (client.post("/api/orders", order), client.get("/workbench"), client.get("/nothing")):
        assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "0.0.0.0"},  # noqa: S104  refused
        {"host": "10.0.0.5"},
        {"host": "10.0.0.5", **OWN},
        {"host": "10.0.0.5", "tokens": Path("/no/such/file"), **OWN},
        {"host": "::", **OWN},
        {"host": "hospital.example", **OWN},
    ],
)
def test_beyond_loopback_nothing_starts_without_tokens_and_systems_of_ones_own(changes: Json):
    with pytest.raises(SettingsError):
        build_gate(Settings(**changes))


def test_handed_over_work_needs_the_owners_token(make_service: Make):
    client = Client(create_app(make_service(), "owner-token").test_client())
    work = {"remote": "r", "direction": "push"}
    assert client.post("/internal/sync", work).status_code == 401
    assert client.post("/internal/sync", work, authorization="Bearer other").status_code == 401
    assert client.post("/internal/sync", work, authorization="Bearer owner-token").status_code == 422
    closed = Client(create_app(make_service()).test_client())
    assert closed.post("/internal/sync", work, authorization="Bearer ").status_code == 401


def test_a_handed_over_decision_needs_the_owners_token_and_is_made_as_any_other(make_service: Make):
    client = Client(create_app(make_service(), "owner-token").test_client())
    work = {"client": "command:7", "conflict_id": "none", "keep": "ours", "reason": "asked the ward"}
    assert client.post("/internal/resolve", work).status_code == 401
    owner = {"authorization": "Bearer owner-token"}
    assert client.post("/internal/resolve", {**work, "keep": "both"}, **owner).status_code == 400
    assert client.post("/internal/resolve", {"keep": "ours"}, **owner).status_code == 400
    reply = client.post("/internal/resolve", work, **owner)
    assert (reply.status_code, exact(reply)["detail"]) == (404, "there is no such open conflict")


def test_going_on_with_a_remote_needs_the_owners_token_and_is_done_as_any_other(make_service: Make):
    client = Client(create_app(make_service(), "owner-token").test_client())
    work = {"client": "command:7", "remote": "none", "reason": "asked their operators"}
    assert client.post("/internal/resume", work).status_code == 401
    owner = {"authorization": "Bearer owner-token"}
    assert client.post("/internal/resume", {"remote": "none"}, **owner).status_code == 400
    assert client.post("/internal/resume", work, **owner).status_code == 422
