"""Replies. Bodies are written with every digit as it is kept; nothing here goes through Flask's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Response, request

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web import problems
from fhir_infusion.web.context import CHANGED_AT
from fhir_infusion.web.negotiation import FHIR_JSON, FHIR_VERSIONS, JSON, etag, http_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

PROBLEM_JSON: Final = "application/problem+json"


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply in our own JSON."""
    return Response(fhir_json.write(body), status, headers, mimetype=JSON)


def fhir_reply(
    body: bytes | Mapping[str, Any] | None,
    release: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    in_body: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return a FHIR reply: stored text as it is, a resource written exactly, or no body.

    ``in_body`` are the parameters in the body of a search, which count as those of the address do.
    """
    written = body if isinstance(body, bytes) else b"" if body is None else fhir_json.write(dict(body))
    if written and (request.args.get("_pretty") == "true" or ("_pretty", "true") in in_body):
        written = _laid_out(written)
    media = f"{FHIR_JSON}; fhirVersion={FHIR_VERSIONS[release]}; charset=utf-8"
    return Response(written, status, headers, content_type=media)


def version_headers(version: object, changed_at: datetime | None = None, location: str = "") -> dict[str, str]:
    """Return the headers that name a version: ETag, and where they are known Last-Modified and Location."""
    headers = {"ETag": etag(version)}
    if changed_at is not None:
        headers["Last-Modified"] = http_date(changed_at)
        request.environ[CHANGED_AT] = changed_at
    if location:
        headers["Location"] = location
    return headers


def unchanged_reply(version: object) -> Response:
    """Return 304: the reader has this version."""
    return Response(status=304, headers={"ETag": etag(version)})


def problem_reply(found: problems.Problem, *, is_fhir: bool, correlation_id: str) -> Response:
    """Return a failure: an OperationOutcome on FHIR paths, a problem document on ours."""
    if is_fhir:
        written, media = fhir_json.write(problems.outcome(found.issues)), f"{FHIR_JSON}; charset=utf-8"
        if request.args.get("_pretty") == "true":
            written = _laid_out(written)
    else:
        written, media = fhir_json.write(problems.document(found, correlation_id)), PROBLEM_JSON
    return Response(written, found.status, list(found.headers), content_type=media)


def _laid_out(written: bytes) -> bytes:
    return msgspec.json.format(written, indent=2) + b"\n"
