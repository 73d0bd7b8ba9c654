"""What every operation of ``/openapi.json`` gets: its group, words for headers and placeholders, invented examples."""

from __future__ import annotations

import re
from typing import Any, Final

from fhir_infusion.config import shipped
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.web.examples import texts
from fhir_infusion.web.fhir import patch
from fhir_infusion.web.negotiation import FHIR_JSON, FORM, JSON

Json = dict[str, Any]

_ORDER: Final = "1-order-infliximab"
_GIVEN: Final = "3-administration-dobutamine"
_RESOURCE: Final = "4-medicationrequest-fluconazole"

_GROUPS: Final = (
    (r"/api/orders", "Orders"),
    (r"/api/administrations", "Administrations"),
    (r"/api/(translate|mappings)", "Translation and mappings"),
    (r"/api/formats", "Sites' own formats"),
    (r"/api/sync/conflicts", "Conflicts"),
    (r"/api/sync", "Other servers"),
    (r"/fhir/{release}/Subscription|/fhir/{release}/Basic", "FHIR: subscriptions"),
    (r"/fhir/.*\$(translate|transform|convert-data)", "FHIR: mappings and code tables"),
    (r"/fhir/{release}/[A-Z]\w+(/_search|/{definition_id})?$", "FHIR: our own definitions"),
    (r"/fhir/.*\$export", "FHIR: export"),
    (r"/fhir/", "FHIR: resources"),
    (r"/", "The service itself"),
)
"""The first pattern at the beginning of an address names its group."""

GROUPS: Final = tuple(name for _, name in _GROUPS)

_PLACES: Final = {
    "release": "r4",
    "fhir_type": "MedicationRequest",
    "format_name": "ward-orders",
    "version": "1",
    "name": "MedicationRequest",
    "topic_id": "order-changed",
}
"""What placeholders stand for in the examples; those of resources that are there at each site under another id are
named like themselves."""
_DEFINED: Final = {
    **dict.fromkeys(("StructureDefinition", "ValueSet", "CodeSystem"), "infusion-type"),
    "OperationDefinition": "validate",
    "ConceptMap": "v2-routes",
    "StructureMap": "infusion-order-to-fhir-r4",
}
"""A definition of ours of each type."""


_WORDS: Final = {
    "If-Match": 'The ETag that was read, such as `W/"1"`: what was changed since is not overwritten (412).',
    "If-None-Match": "`*`: only create, and change nothing that is there (412).",
    "If-None-Exist": "Criteria of a search: create only where nothing meets them.",
    "Idempotency-Key": "A name of your own for this change: sent again under it, it happens once.",
    "Prefer": "`return=minimal`, `representation` or `OperationOutcome`: what the answer holds.",
    "release": "`r4`, `r4b` or `r5`.",
    "fhir_type": "A type of resource that the CapabilityStatement lists.",
    "resource_id": "`Resource.id`, which is ours, not the sender's identifier.",
    "version": "A version, as the ETag names it.",
}


def group_of(address: str) -> str:
    """Return the name of the group that an operation stands in."""
    return next(name for pattern, name in _GROUPS if re.match(pattern, address))


def add(operation: Json, method: str, address: str) -> None:
    """Add what examples there are, where an operation has none of its own."""
    operation["tags"] = [group_of(address)]
    _complete(operation, method, address)
    for one in operation.get("parameters", ()):
        if one["name"] in _WORDS and one["in"] in {"path", "header"}:
            one.setdefault("description", _WORDS[one["name"]])
        if one["in"] == "path" and one["name"] in _PLACES:
            one.setdefault("example", _PLACES[one["name"]])
            if "SubscriptionTopic" in address:
                one["example"] = _ONLY_R5.get(one["name"], one["example"])
        elif one["name"] == "definition_id":
            one["example"] = next(id_ for type_, id_ in _DEFINED.items() if f"/{type_}/" in address)
        elif address.endswith("/sync/trace"):
            one["example"] = _ours("/api/orders")["order_id"]
        elif one["name"] == "If-Match" and (one["required"] or method != "POST"):
            one.setdefault("example", 'W/"1"')
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        if "example" not in body and (example := _body(media, method, address)) is not None:
            body["example"] = example


_ONLY_R5: Final = {"release": "r5"}
"""R4 has no such type of resource."""


def _complete(operation: Json, method: str, address: str) -> None:
    """Add the inputs that only some operations have: criteria of a change, and that an export comes later."""
    parameters = operation.setdefault("parameters", [])
    if method in {"PUT", "PATCH", "DELETE"} and address.endswith("/{fhir_type}"):
        words = "Any criteria of a search: they name the one resource that is changed."
        (named,) = _read(_RESOURCE)["identifier"]
        example = f"{named['system']}|{named['value']}"
        text = {"type": "string"}
        parameters.append(
            {"name": "identifier", "in": "query", "schema": text, "description": words, "example": example}
        )
    if method == "DELETE" and "$export" in address:
        operation["responses"]["202"] = {"description": "It is forgotten."}
    if address.endswith("/$export"):
        parameters[:] = [one for one in parameters if one["name"] != "Prefer"]
        words = "An export is asked for like this."
        preferred = {"schema": {"const": "respond-async"}, "description": words, "example": "respond-async"}
        parameters.append({"name": "Prefer", "in": "header", "required": True, **preferred})
        operation["responses"]["202"] = {"description": "It is begun; Content-Location names where it stands."}


def _body(media: str, method: str, address: str) -> Any:
    if media == JSON:
        return _ours(address)
    if media == patch.JSON_PATCH:
        return [{"op": "replace", "path": "/status", "value": "on-hold"}]
    if media == FORM:
        return "_count=10"
    return _fhir(method, address) if media == FHIR_JSON else None


def _ours(address: str) -> Any:
    if address.endswith("/resolve"):
        return {"keep": "ours", "reason": "asked the ward"}
    if "/formats" in address:
        return _sample()
    if address == "/api/translate":
        return {"to": "internal", "release": "R4", "input": _read(_RESOURCE)}
    return _read(_ORDER if "/orders" in address else _GIVEN)


def _sample() -> Any:
    """Return what the shipped example of a site's format shows of it."""
    file = f"formats/{_PLACES['format_name']}.yaml"
    table = read_yaml(file, shipped(f"mappings/{file}").read_text(encoding="utf-8"))
    return read_plain(str(table["samples"][0]).encode())


def _fhir(method: str, address: str) -> Any:
    last = address.rpartition("/")[2]
    if method == "PATCH":
        operation = [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "MedicationRequest.status"},
            {"name": "value", "valueCode": "on-hold"},
        ]
        return _parameters({"name": "operation", "part": operation})
    if last == "$merge":
        sides = [
            {"name": f"{side}-patient", "valueReference": {"reference": f"Patient/{{{{{name}}}}}"}}
            for side, name in (("source", "id_of_patient"), ("target", "id_of_other_patient"))
        ]
        return _parameters(*sides, {"name": "preview", "valueBoolean": True})
    if last in {"$export", "$status", "$events", "$everything"}:
        return _parameters()
    if last in {"Subscription", "{subscription_id}"}:
        channel = {"type": "rest-hook", "endpoint": "http://127.0.0.1:9090/hook", "payload": "application/fhir+json"}
        asked = {"criteria": "MedicationRequest?status=stopped", "reason": "to stop the pump", "channel": channel}
        named = {"id": "{{subscription_id}}"} if method == "PUT" else {}
        return {"resourceType": "Subscription", **named, "status": "requested", **asked}
    if last == "{release}":
        entry = {"request": {"method": "GET", "url": "MedicationRequest?status=active"}}
        return {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    resource = {name: value for name, value in _read(_RESOURCE).items() if name != "id"}
    return {**resource, "id": "{{resource_id}}"} if method == "PUT" and last == "{resource_id}" else resource


def _parameters(*given: Json) -> Json:
    return {"resourceType": "Parameters", **({"parameter": list(given)} if given else {})}


def _read(name: str) -> Any:
    return fhir_json.read(texts()[name])
