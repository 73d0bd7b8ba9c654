"""What ``/openapi.json`` says of requests and answers beside our own records: translation, and the FHIR interface.

A FHIR resource is described by the standard, not here: its schema is any object with a ``resourceType``.
"""

from __future__ import annotations

from typing import Any, Final

from fhir_infusion.web import openapi_operations
from fhir_infusion.web.bodies import LINES
from fhir_infusion.web.fhir import patch
from fhir_infusion.web.negotiation import FHIR_JSON, FHIR_VERSIONS
from fhir_infusion.web.translate import MEMBERS

FORM: Final = "application/x-www-form-urlencoded"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_ROWS: Final[dict[str, Any]] = {"type": "array", "items": _OBJECT}
_OUTCOME: Final = {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/Resource"}}}

_ASKED: Final = dict(
    zip(
        MEMBERS,
        (
            {**_TEXT, "description": "The site's format that the input is in."},
            {**_TEXT, "description": "`fhir`, `internal`, or the name of a site's format."},
            {"enum": list(FHIR_VERSIONS), "default": "R4"},
            {**_TEXT, "description": "The overlay of a site."},
            {"type": "boolean", "default": False, "description": "Refuse what would be dropped, and findings."},
            {"type": "boolean", "default": False, "description": "The results as laid-out text too."},
            {"type": "boolean", "default": False, "description": "Each line of the ledger with its pair and place."},
            {
                "type": ["object", "array"],
                "description": "A record with its member `record`, or a FHIR resource; with `from` the site's JSON.",
            },
        ),
        strict=True,
    )
)
_LINE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "path": {**_TEXT, "description": "The element of the input."},
        "state": {"enum": ["mapped", "carried", "dropped", "refused"]},
        "to": {**_TEXT, "description": "Its place on the other side."},
        "why": {**_TEXT, "description": "The rule, or the reason."},
        "pair": {**_TEXT, "description": "With `trace`: the pair of the mapping, as the document has it."},
        "mark": {**_TEXT, "description": "With `trace`: where the pair stands, file:line."},
    },
    "required": ["path", "state"],
    "additionalProperties": False,
}
_INGREDIENT: Final[dict[str, Any]] = {
    "path": {**_TEXT, "description": "The place in the record."},
    "drug": {**_TEXT, "description": "The ingredient in words, where it has any."},
}
_AMOUNT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **_INGREDIENT,
        "amount": {
            "type": "object",
            "properties": {"value": {"type": "number"}, "unit": {**_TEXT, "description": "UCUM."}},
            "required": ["value", "unit"],
        },
        "exact": {"type": "boolean", "description": "False where the number has no end and was rounded."},
        "how": {**_TEXT, "description": "The sum: strength x volume given = amount."},
    },
    "required": ["path", "amount", "exact", "how"],
}
_NOT_COMPUTED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {**_INGREDIENT, "reason": _TEXT},
    "required": ["path", "reason"],
}
_DIFFERENCE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"path": _TEXT, "base": {}, "ours": {}, "theirs": {}},
    "required": ["path"],
}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}
_LISTED: Final[dict[str, Any]] = {
    **dict.fromkeys(("id", "endpoint", "resource", "opened"), _TEXT),
    **dict.fromkeys(("groups", "theirs"), _TEXTS),
}
_CONFLICTS: Final[dict[str, Any]] = {
    "ListedConflict": {"type": "object", "properties": _LISTED, "required": list(_LISTED)},
    "ConflictPage": {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/ListedConflict"}},
            "next": _TEXT,
        },
        "required": ["items"],
    },
    "Conflict": {
        "type": "object",
        "properties": {
            **_LISTED,
            **dict.fromkeys(("state", "resolution"), _TEXT),
            "differences": {"type": "array", "items": _DIFFERENCE},
        },
        "required": [*_LISTED, "state", "resolution", "differences"],
    },
    "Decision": {
        "type": "object",
        "properties": {"keep": {"enum": ["ours", "theirs"]}, "reason": _TEXT},
        "required": ["keep", "reason"],
        "additionalProperties": False,
    },
    "Decided": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("id", "endpoint", "resource", "kept"), _TEXT),
            "version": {"type": "integer"},
        },
        "required": ["id", "endpoint", "resource", "kept"],
    },
}
_MAPPINGS: Final[dict[str, Any]] = {
    "digest": {**_TEXT, "description": "The name of these very documents; each version that is stored keeps it."},
    "proven": {**_TEXT, "format": "date-time", "description": "When their laws were last known to hold."},
    "documents": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": dict.fromkeys(("document", "release", "record", "type"), _TEXT),
            "required": ["document", "release", "record", "type"],
        },
    },
    "overlays": _TEXTS,
    "formats": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": dict.fromkeys(("format", "record"), _TEXT),
            "required": ["format", "record"],
        },
        "description": "The formats of sites' own JSON, each with the kind of record that it is mapped to.",
    },
    "failure": {
        "type": "object",
        "properties": {"at": {**_TEXT, "format": "date-time"}, "complaints": _TEXTS},
        "required": ["at", "complaints"],
        "description": "Why the documents that were read last are not in use.",
    },
    "state": {"enum": ["unchanged", "exchanged"], "description": "What came of a reload."},
}
SCHEMAS: Final[dict[str, Any]] = {
    **_CONFLICTS,
    "Mappings": {
        "type": "object",
        "properties": _MAPPINGS,
        "required": ["digest", "documents", "overlays", "formats"],
        "additionalProperties": False,
    },
    "Resource": {"type": "object", "properties": {"resourceType": _TEXT}, "required": ["resourceType"]},
    "Translation": {
        "type": "object",
        "properties": _ASKED,
        "required": ["to", "input"],
        "additionalProperties": False,
    },
    "Translated": {
        "type": "object",
        "properties": {
            "results": _ROWS,
            "findings": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            "ledger": {"type": "array", "items": _LINE},
            "text": _TEXT,
        },
        "required": ["results", "findings", "ledger"],
    },
    "Amounts": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "version": _TEXT,
            "amounts": {"type": "array", "items": _AMOUNT},
            "not_computed": {"type": "array", "items": _NOT_COMPUTED},
        },
        "required": ["id", "version", "amounts", "not_computed"],
    },
}
_FAILURES: Final = {
    "400": "The request is not right; the OperationOutcome says where and why.",
    "401": "There is no valid token (only where the service does not run open on loopback).",
    "404": "There is no such resource, type or release.",
    "406": "What is asked for cannot be said in this release, or not in the format asked for.",
    "408": "The body did not come in time.",
    "409": "The resource may not be deleted as it is; or its identifier is that of a deleted one.",
    "410": "The resource was deleted.",
    "412": "The resource was changed since it was read, or several meet the criteria.",
    "413": "The body is too large.",
    "415": "The body is not FHIR JSON of this release.",
    "422": "The resource breaks a rule; or its identifier is taken by another body.",
    "503": "The service cannot do this now; the same request may succeed later.",
}
_OF_ONE_VERSION: Final = ("If-Match", "Idempotency-Key", "Prefer")
_HEADERS: Final = {
    "POST": ("If-None-Exist", "Idempotency-Key", "Prefer"),
    "PUT": ("If-None-Match", *_OF_ONE_VERSION),
    **dict.fromkeys(("PATCH", "DELETE"), _OF_ONE_VERSION),
}
_PATCH: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        patch.JSON_PATCH: {"schema": {"type": "array", "items": _OBJECT}},
        FHIR_JSON: {"schema": {"$ref": "#/components/schemas/Resource"}},
    },
}


def describe_translation(operation: dict[str, Any]) -> None:
    """Describe ``POST /api/translate``, but for its failures."""
    operation["requestBody"] = _body("application/json", "Translation")
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Translated"}}}
    operation["responses"]["200"] = {"description": "What became of the input; nothing is stored.", "content": content}


def describe_mappings(operation: dict[str, Any], *, is_reload: bool) -> None:
    """Describe which mapping documents are in use, and their reload, but for the failures."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Mappings"}}}
    words = "They were read anew; `state` says what came of it." if is_reload else "The documents in use."
    operation["responses"]["200"] = {"description": words, "content": content}


def describe_format(operation: dict[str, Any]) -> None:
    """Describe ``POST /api/formats/{name}``, but for its failures."""
    schema = {"type": ["object", "array"], "description": "The site's JSON: an object, or an array of objects or rows."}
    lines = {"schema": {"type": "string", "description": "An object of the site on each line."}}
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": schema}, **dict.fromkeys(LINES, lines)},
    }
    operation["parameters"].append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": _TEXT})
    answered = {
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "id": _TEXT,
            "version": _TEXT,
            "record": _OBJECT,
            "findings": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            "issues": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
        },
        "required": ["status"],
    }
    results = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": answered}},
        "required": ["results"],
    }
    words = "What became of each record: 201 stored, 200 as it was or changed, else why it was refused."
    operation["responses"]["200"] = {"description": words, "content": {"application/json": {"schema": results}}}


def describe_amounts(operation: dict[str, Any]) -> None:
    """Describe what was given of each ingredient, but for its failures."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Amounts"}}}
    words = "Worked out from the current version; nothing of it is stored."
    operation["responses"]["200"] = {"description": words, "content": content}


def describe_decision(operation: dict[str, Any]) -> None:
    """Describe what decides a conflict, but for its answers."""
    operation["requestBody"] = _body("application/json", "Decision")
    operation["parameters"] += [
        {"name": name, "in": "header", "required": False, "schema": _TEXT} for name in ("If-Match", "Idempotency-Key")
    ]


def describe_fhir(operation: dict[str, Any], method: str, address: str) -> None:
    """Describe one interaction of the FHIR interface."""
    answers = operation["responses"]
    failures = {status: {"description": words, "content": _OUTCOME} for status, words in _FAILURES.items()}
    if openapi_operations.is_described(address):
        openapi_operations.describe(operation, method, address)
        answers.update(failures)
        return
    is_search = address.endswith("/_search")
    if is_search:
        words = "Search parameters, as CapabilityStatement.rest.resource.searchParam names them."
        schema = {"type": "object", "additionalProperties": _TEXT, "description": words}
        operation["requestBody"] = {"required": False, "content": {FORM: {"schema": schema}}}
    elif method in _HEADERS:
        if method != "DELETE":
            operation["requestBody"] = _PATCH if method == "PATCH" else _body(FHIR_JSON, "Resource")
        operation.setdefault("parameters", []).extend(
            {"name": name, "in": "header", "required": False, "schema": _TEXT} for name in _HEADERS[method]
        )
    answers["200"] = {"description": "The resource, or a Bundle of what was found.", "content": _OUTCOME}
    if method == "DELETE":
        answers["204"] = {"description": "It is deleted, now or before, or was never there."}
    elif method in {"POST", "PUT"} and not is_search:
        answers["201"] = {"description": "Stored under a new id.", "content": _OUTCOME}
    answers.update(failures)


def _body(media: str, schema: str) -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
