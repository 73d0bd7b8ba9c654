"""``/openapi.json``: the description of our own JSON interface, from the route table and the record schemas.

The FHIR interface describes itself by its CapabilityStatement; of its bodies only the kind is told here. Work that
commands of this machine hand over is nothing for clients, and pages are for people: neither stands here.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.schemas import json_schema
from fhir_infusion.web import (
    administrations,
    conflicts,
    listing,
    mappings,
    openapi_bodies,
    openapi_examples,
    openapi_sync,
    orders,
    ours,
    sync_api,
)
from fhir_infusion.web.replies import PROBLEM_JSON, json_reply

if TYPE_CHECKING:
    from flask import Response

RECORDS: Final = {"orders": "InfusionOrder", "administrations": "Administration"}

_FILTERS: Final = {kind.record: kind.filters for kind in (orders.KIND, administrations.KIND)}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "correlation_id": _TEXT,
        "issues": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
    },
    "required": ["type", "title", "status", "detail", "correlation_id", "issues"],
}
_FINDING: Final[dict[str, Any]] = {
    "type": "object",
    "properties": dict.fromkeys(("severity", "code", "path", "reason", "accepted", "rule"), _TEXT),
    "required": ["severity", "code", "reason"],
}
_FAILURES: Final = {
    "400": "The body is not right JSON, or not the record that is asked for here.",
    "401": "There is no valid token (only where the service does not run open on loopback).",
    "403": "The token is not one for operators.",
    "404": "There is no such record.",
    "408": "The body did not come in time.",
    "409": "A side has changed since it was held, or is being sent.",
    "412": "The record was changed since it was read.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The record, or a mapping document, breaks a rule; or its identifier is taken by another body.",
    "503": "Nothing is stored now; the same request may succeed later.",
}


def get() -> Response:
    """Return the description."""
    return json_reply(description())


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    from fhir_infusion.web.routes import ROUTES  # noqa: PLC0415  the table names this module's view

    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        if route.is_page or route.rule.startswith(("/internal/", "/hooks/")):
            continue
        address = re.sub(r"<([a-z_]+)>", r"{\1}", route.rule)
        paths.setdefault(address, {})[route.method.lower()] = _operation(route.method, address, route.summary)
        openapi_examples.add(paths[address][route.method.lower()], route.method, address)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fhir-infusion",
            "version": version("fhir-infusion"),
            "description": "Infusion orders and administrations in our own JSON. FHIR: see /fhir/r4/metadata.",
        },
        "tags": [{"name": name} for name in openapi_examples.GROUPS],
        "paths": paths,
        "components": {
            "schemas": {
                **{name: json_schema(name) for name in RECORDS.values()},
                **{f"Stored{name}": _stored(name) for name in RECORDS.values()},
                "Finding": _FINDING,
                "Problem": _PROBLEM,
                **openapi_bodies.SCHEMAS,
                **openapi_sync.SCHEMAS,
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }


def _stored(record: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "id": {**_TEXT, "description": "Resource.id: ours, not the sender's identifier."},
            "version": _TEXT,
            "record": {"$ref": f"#/components/schemas/{record}"},
            "findings": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
        },
        "required": ["id", "version", "record"],
    }


def _operation(method: str, address: str, summary: str) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": {}}
    names = re.findall(r"{([a-z_]+)}", address)
    if names:
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    record = next((name for path, name in RECORDS.items() if address.startswith(f"/api/{path}")), None)
    if address.endswith("/amounts"):
        openapi_bodies.describe_amounts(operation)
        operation["responses"].update(_problems("401", "404", "503"))
    elif record is not None:
        _describe_record_operation(operation, method, record, is_one=bool(names))
    elif address.startswith(conflicts.PATH):
        _describe_conflicts(operation, method, is_one=bool(names))
    elif address.startswith("/api/formats/"):
        openapi_bodies.describe_format(operation)
        operation["responses"].update(_problems("400", "401", "404", "408", "413", "415", "422", "503"))
    elif address.startswith(f"{sync_api.PATH}/"):
        operation["responses"].update(_problems(*openapi_sync.describe(operation, method, address)))
    elif address == "/api/translate":
        openapi_bodies.describe_translation(operation)
        operation["responses"].update(_problems("400", "401", "408", "413", "415", "422"))
    elif address.startswith(mappings.PATH):
        openapi_bodies.describe_mappings(operation, is_reload=method == "POST")
        operation["responses"].update(_problems("401", *(("403", "422") if method == "POST" else ())))
    elif address.startswith("/fhir/"):
        openapi_bodies.describe_fhir(operation, method, address)
    else:
        operation["responses"]["200"] = {"description": summary}
    return operation


def _describe_conflicts(operation: dict[str, Any], method: str, *, is_one: bool) -> None:
    """Describe what waits for a person."""
    if method == "GET" and not is_one:
        names = {**conflicts.FILTERS, **listing.PARAMETERS}
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": _TEXT, "description": words} for name, words in names.items()
        ]
    if method == "POST":
        openapi_bodies.describe_decision(operation)
    kind = "ConflictPage" if not is_one else "Conflict" if method == "GET" else "Decided"
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind}"}}}
    operation["responses"]["200"] = {"description": "As it is now.", "content": content}
    failures = ("400", "401", "403", "503") if not is_one else ("401", "403", "404", "503")
    more = ("400", "409", "408", "412", "413", "415", "422") if method == "POST" else ()
    operation["responses"].update(_problems(*failures, *more))


def _problems(*statuses: str) -> dict[str, Any]:
    problem = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _FAILURES[status], "content": problem} for status in statuses}


def _describe_record_operation(operation: dict[str, Any], method: str, record: str, *, is_one: bool) -> None:
    stored: dict[str, Any] = {"$ref": f"#/components/schemas/Stored{record}"}
    parameters = operation.setdefault("parameters", [])
    if method == "GET" and is_one:
        words = "The name of a site's format: the answer is that site's JSON."
        parameters.append({"name": "format", "in": "query", "schema": _TEXT, "description": words})
    if method in {"POST", "PUT"}:
        schema = {"$ref": f"#/components/schemas/{record}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        for header in ("If-Match", "Idempotency-Key") if method == "PUT" else ("Idempotency-Key",):
            parameters.append({"name": header, "in": "header", "required": header == "If-Match", "schema": _TEXT})
    elif not is_one:
        names = {**_FILTERS[record], **ours.PARAMETERS, **listing.PARAMETERS}
        parameters += [
            {"name": name, "in": "query", "schema": _TEXT, "description": words} for name, words in names.items()
        ]
        stored = {
            "type": "object",
            "properties": {"items": {"type": "array", "items": stored}, "next": _TEXT},
            "required": ["items"],
        }
    answers = operation["responses"]
    content = {"application/json": {"schema": stored}}
    answers["200"] = {"description": "What is stored, now.", "content": content}
    if method == "POST":
        answers["201"] = {"description": "Stored.", "content": content}
    answers.update(_problems(*(status for status in _FAILURES if status not in {"403", "409"})))
