"""Health, metrics, the request log, OpenAPI, translate."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

import jsonschema
import pytest

from fhir_infusion.config import Settings, mappings_dir
from fhir_infusion.errors import Unavailable
from fhir_infusion.web.fhir.definition import TYPES
from fhir_infusion.web.routes import ROUTES
from tests.web.conftest import Client, Json, exact, issues

if TYPE_CHECKING:
    from fhir_infusion.service import Service

CANARY = "JaneQPatient"


def test_liveness_and_readiness_say_well(client: Client):
    assert exact(client.get("/health/live")) == {"status": "live"}
    ready = client.get("/health/ready")
    assert (ready.status_code, exact(ready)["parts"]["store"]) == (200, {"status": "ok"})


def test_f4_where_no_change_is_taken_readiness_is_503_and_liveness_is_not(
    client: Client, service: Service, order: Json
):
    service.store.close()
    ready = client.get("/health/ready")
    assert (ready.status_code, exact(ready)["status"]) == (503, "not ready")
    assert client.get("/health/live").status_code == 200
    refused = client.post("/api/orders", order)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1


def test_unavailable_is_503_transient_and_names_no_cause(client: Client, order: Json, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise Unavailable(f"disk full at {CANARY}", retry_after=7)

    monkeypatch.setattr("fhir_infusion.actions.find.record", fail)
    reply = client.get("/api/orders/x")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "7")
    assert issues(reply)[0]["code"] == "transient"
    assert CANARY not in reply.text
    assert order


def test_metrics_count_by_route_and_hold_no_value(client: Client):
    client.get(f"/api/orders?patient=Patient/{CANARY}")
    client.get(f"/api/orders/{CANARY}")
    client.get(f"/{CANARY}")
    text = client.get("/metrics").text
    assert 'fhir_infusion_requests_total{method="GET",route="/api/orders",status="200"} 1' in text
    assert 'fhir_infusion_requests_total{method="GET",route="/api/orders/<resource_id>",status="404"} 1' in text
    assert 'fhir_infusion_requests_total{method="GET",route="none",status="404"} 1' in text
    assert "fhir_infusion_store_writable 1" in text
    assert CANARY not in text
    assert all(re.fullmatch(r"#.*|\w+(\{[^}]*\})? \d+", line) for line in text.splitlines())


def test_p1_the_request_log_holds_route_and_status_but_no_value(
    client: Client, order: Json, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    order["patient"]["name"] = CANARY
    client.post("/api/orders", order, idempotency_key=CANARY)
    reply = client.get(f"/api/orders?patient={CANARY}")
    client.get(f"/fhir/r4/MedicationRequest/{CANARY}")
    client.flask.open("/api/orders", method=CANARY.upper())
    lines = [vars(record)["line"] for record in caplog.records if record.msg == "request"]
    assert len(lines) == 4
    assert set(lines[0]) == {"event", "method", "route", "status", "ms", "correlation_id"}
    assert lines[1]["correlation_id"] == reply.headers["X-Correlation-Id"]
    assert CANARY.lower() not in str(lines).lower()


def test_every_answer_forbids_caching_sniffing_and_telling_where_from(client: Client):
    reply = client.get("/api/orders")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"


def test_openapi_names_every_route_and_its_references_resolve(client: Client):
    document = exact(client.get("/openapi.json"))
    assert document["openapi"].startswith("3.1")
    named = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    for_clients = [one for one in ROUTES if not one.is_page and not one.rule.startswith(("/internal/", "/hooks/"))]
    assert named == {(route.rule.replace("<", "{").replace(">", "}"), route.method) for route in for_clients}
    schemas = document["components"]["schemas"]
    found = re.findall(r'"\$ref":"#/components/schemas/(\w+)"', client.get("/openapi.json").text)
    assert set(found) <= set(schemas)
    bodies = {
        (path, method): list(operation["requestBody"]["content"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }
    fhir, json_media = ["application/fhir+json"], ["application/json"]
    assert bodies == {
        ("/api/orders", "post"): json_media,
        ("/api/orders/{resource_id}", "put"): json_media,
        ("/api/administrations", "post"): json_media,
        ("/api/administrations/{resource_id}", "put"): json_media,
        ("/api/translate", "post"): json_media,
        ("/api/formats/{format_name}", "post"): [*json_media, "application/x-ndjson", "application/ndjson"],
        ("/fhir/{release}", "post"): fhir,
        ("/api/sync/conflicts/{conflict_id}/resolve", "post"): json_media,
        **{(f"/api/sync/remotes/{{remote}}/{one}", "post"): json_media for one in ("replay", "skip", "quarantine")},
        ("/fhir/{release}/$export", "post"): fhir,
        ("/fhir/{release}/Subscription", "post"): fhir,
        ("/fhir/{release}/Subscription/$status", "post"): fhir,
        ("/fhir/{release}/Subscription/{subscription_id}", "put"): fhir,
        ("/fhir/{release}/Subscription/{subscription_id}/$events", "post"): fhir,
        ("/fhir/{release}/ConceptMap/$translate", "post"): fhir,
        ("/fhir/{release}/StructureMap/$transform", "post"): [*fhir, *json_media],
        ("/fhir/{release}/StructureMap/{definition_id}/$transform", "post"): [*fhir, *json_media],
        ("/fhir/{release}/$convert-data", "post"): fhir,
        ("/fhir/{release}/ConceptMap/{definition_id}/$translate", "post"): fhir,
        ("/fhir/{release}/Patient/$merge", "post"): fhir,
        ("/fhir/{release}/Patient/{resource_id}/$everything", "post"): fhir,
        ("/fhir/{release}/{fhir_type}", "post"): fhir,
        ("/fhir/{release}/{fhir_type}/$validate", "post"): fhir,
        ("/fhir/{release}/{fhir_type}/{resource_id}/$validate", "post"): fhir,
        ("/fhir/{release}/{fhir_type}", "put"): fhir,
        ("/fhir/{release}/{fhir_type}", "patch"): ["application/json-patch+json", *fhir],
        ("/fhir/{release}/{fhir_type}/{resource_id}", "put"): fhir,
        ("/fhir/{release}/{fhir_type}/{resource_id}", "patch"): ["application/json-patch+json", *fhir],
        **{
            (f"/fhir/{{release}}/{name}/_search", "post"): ["application/x-www-form-urlencoded"]
            for name in ("{fhir_type}", "Subscription", *TYPES)
        },
    }
    for path, _ in bodies:
        for operation in document["paths"][path].values():
            assert {"200", "400", "401"} <= operation["responses"].keys()


def test_the_record_schemas_in_openapi_accept_what_the_service_accepts(client: Client, order: Json):
    schema = json.loads(client.get("/openapi.json").data)
    stored = client.post("/api/orders", order)
    assert stored.status_code == 201
    plain = json.loads(stored.data)
    jsonschema.validate(plain["record"], schema["components"]["schemas"]["InfusionOrder"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain["record"], "x": 1}, schema["components"]["schemas"]["InfusionOrder"])


def test_translate_gives_results_ledger_and_findings_and_stores_nothing(client: Client, order: Json):
    reply = client.post("/api/translate", {"to": "fhir", "release": "R5", "text": True, "input": order})
    assert reply.status_code == 200
    body = exact(reply)
    document = json.loads(client.get("/openapi.json").data)
    described = {**document["components"]["schemas"]["Translated"], "components": document["components"]}
    jsonschema.validate(json.loads(reply.data), described)
    assert body["results"][0]["resourceType"] == "MedicationRequest"
    assert '"value": 2.50' in body["text"]
    assert {line["state"] for line in body["ledger"]} <= {"mapped", "carried", "dropped", "refused"}
    assert len(body["ledger"]) > 20
    back = client.post("/api/translate", {"to": "internal", "release": "R5", "input": body["results"][0]})
    record = {name: value for name, value in exact(back)["results"][0].items() if name != "residue"}
    assert record == order
    assert exact(client.get("/api/orders"))["items"] == []


def test_translate_with_a_trace_names_the_pair_of_each_line_and_where_it_stands(client: Client, order: Json):
    asked = {"to": "fhir", "input": order}
    plain = exact(client.post("/api/translate", asked))["ledger"]
    traced = exact(client.post("/api/translate", {**asked, "trace": True}))["ledger"]
    assert [{name: line[name] for name in line if name not in {"pair", "mark"}} for line in traced] == plain
    (line,) = (line for line in traced if line["path"] == "order_id")
    file, number = line["mark"].split(":")
    stands = (mappings_dir(Settings()) / file).read_text(encoding="utf-8").splitlines()[int(number) - 1]
    assert line["pair"].startswith("order_id : identifier[")
    assert stands.strip().startswith("order_id: identifier[")
    assert sum("mark" in one for one in traced) > 20


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"to": "xml"}, "to"),
        ({"release": "R3"}, "release"),
        ({"overlay": "nowhere"}, "overlay"),
        ({"strict": 1}, "strict"),
        ({"trace": 1}, "trace"),
        ({"input": 5}, "input"),
        ({"more": 1}, ""),
    ],
)
def test_a_wrong_request_to_translate_says_which_member(client: Client, order: Json, change: Json, path: str):
    reply = client.post("/api/translate", {"to": "fhir", "input": order, **change})
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, path)


def test_what_translate_refuses_has_its_places(client: Client, resource: Json):
    resource["status"] = CANARY
    reply = client.post("/api/translate", {"to": "internal", "input": resource})
    assert reply.status_code == 400
    assert issues(reply)[0]["path"] == "MedicationRequest.status"
    assert CANARY not in reply.text
