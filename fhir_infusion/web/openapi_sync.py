"""What ``/openapi.json`` says of ``/api/sync`` beside its conflicts."""

from __future__ import annotations

from typing import Any, Final

from fhir_infusion.web import listing, sync_api, whose

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NUMBER: Final[dict[str, Any]] = {"type": "integer"}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}
_ROW: Final[dict[str, Any]] = {
    **dict.fromkeys(("tenant", "remote", "resource", "state", "code", "enqueued"), _TEXT),
    **dict.fromkeys(("row", "version", "attempts"), _NUMBER),
    "stop": {"type": "boolean"},
}
_STATUS: Final[dict[str, Any]] = {
    **dict.fromkeys(("endpoint", "tenant", "direction", "paused", "trouble"), _TEXT),
    "outbox": _OBJECT,
    "feeds": _OBJECT,
    "advice": {**_TEXTS, "description": "What to do next, in words."},
}
_EVENT: Final[dict[str, Any]] = {
    **dict.fromkeys(("at", "resource", "endpoint", "kind", "text"), _TEXT),
    "version": _NUMBER,
    "requests": {
        "type": "array",
        "items": {"type": "object", "properties": {"request": _TEXT, "answer": _TEXT, "ms": _NUMBER}},
    },
}


def _whole(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _page(items: dict[str, Any]) -> dict[str, Any]:
    listed = {"type": "array", "items": items}
    return {"type": "object", "properties": {"items": listed, "next": _TEXT}, "required": ["items"]}


def _asking(name: str, items: dict[str, Any]) -> dict[str, Any]:
    return {**_whole({name: {"type": "array", "items": items}, "reason": _TEXT}), "additionalProperties": False}


SCHEMAS: Final[dict[str, Any]] = {
    "SyncStatus": _page(_whole(_STATUS)),
    "SyncTrace": _page(_whole(_EVENT)),
    "RowPage": _page(_whole(_ROW)),
    "RowWithContent": _whole({**_ROW, "release": _TEXT, "content": _OBJECT}),
    "Replayed": _whole({"remote": _TEXT, "rows": _OBJECT, "told": {"type": "array", "items": _OBJECT}}),
    "Skipped": _whole({"skipped": {"type": "array", "items": _OBJECT}}),
    "QuarantinePage": _page(_whole(dict.fromkeys(("version", "codes", "received"), _TEXT))),
    "Retried": _whole({"remote": _TEXT, **dict.fromkeys(("tried", "taken", "left"), _NUMBER)}),
    "RowsAsked": _asking("rows", {**_NUMBER, "minimum": 1}),
    "VersionsAsked": _asking("versions", _TEXT),
}

_REMOTE: Final = f"{sync_api.PATH}/remotes/{{remote}}"
_ANSWERS: Final[dict[tuple[str, str], tuple[str, str, dict[str, str]]]] = {
    ("GET", f"{sync_api.PATH}/status"): ("SyncStatus", "", {}),
    ("GET", f"{sync_api.PATH}/trace"): ("SyncTrace", "", dict(sync_api.ORDER)),
    ("GET", f"{sync_api.PATH}/rows/{{row}}"): ("RowWithContent", "", {}),
    ("GET", f"{_REMOTE}/aside"): ("RowPage", "", {**whose.ASIDE, **listing.PARAMETERS}),
    ("POST", f"{_REMOTE}/replay"): ("Replayed", "RowsAsked", {}),
    ("POST", f"{_REMOTE}/skip"): ("Skipped", "RowsAsked", {}),
    ("GET", f"{_REMOTE}/quarantine"): ("QuarantinePage", "", dict(listing.PARAMETERS)),
    ("POST", f"{_REMOTE}/quarantine"): ("Retried", "VersionsAsked", {}),
}
"""By method and address: the schema of the answer, that of the body, and the parameters."""


_EXAMPLES: Final = {
    "RowsAsked": {"rows": [7], "reason": "the drug is in their list now"},
    "VersionsAsked": {"versions": ["MedicationRequest/17/_history/2"], "reason": "the mapping reads it now"},
}


def describe(operation: dict[str, Any], method: str, address: str) -> tuple[str, ...]:
    """Describe one of these, and return the statuses of what it refuses."""
    answer, body, parameters = _ANSWERS[method, address]
    named = [{"name": name, "in": "query", "schema": _TEXT, "description": what} for name, what in parameters.items()]
    operation.setdefault("parameters", []).extend(named)
    operation["responses"]["200"] = {"description": "As it is now.", "content": _json(answer)}
    if body:
        content = _json(body)
        content["application/json"]["example"] = _EXAMPLES[body]
        operation["requestBody"] = {"required": True, "content": content}
        return ("400", "401", "403", "404", "408", "409", "413", "415", "422", "503")
    return ("400", "401", "403", "404", "503")


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
