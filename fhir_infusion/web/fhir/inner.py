"""Requests within a request: an entry of a Bundle goes through the same gate and route as if it came alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from flask import Flask, current_app, request

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.context import BODY, CHANGED_AT, EXTENSION, FAILURE, INNER
from fhir_infusion.web.idempotency import PIECE
from fhir_infusion.web.negotiation import FHIR_JSON, http_date

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.fhir.bundle import Asked
    from fhir_infusion.service import Service

_TAKEN_OVER: Final = (
    *("HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_ORIGIN", "REMOTE_ADDR", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT"),
    *("SERVER_PROTOCOL", "wsgi.url_scheme", "wsgi.version", "wsgi.errors"),
)
_NO_THREADS: Final = {"wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False}


@dataclass(frozen=True, slots=True)
class Outer:
    """What the inner requests share with the one that holds them: the application, who asks, the base, preferences.

    ``key`` is that of the whole: what changes by itself has it with its place.
    """

    app: Flask
    environ: dict[str, Any]
    base: str
    prefer: str
    key: str = ""


def outer(base: str, key: str = "") -> Outer:
    """Return what inner requests need of the running one; ``base`` is the path of the release (``/fhir/r4``)."""
    taken: dict[str, Any] = {name: request.environ[name] for name in _TAKEN_OVER if name in request.environ}
    prefer = ",".join(request.headers.getlist("Prefer"))
    return Outer(current_app._get_current_object(), {**taken, **_NO_THREADS}, base, prefer, key)  # type: ignore[attr-defined]  # noqa: SLF001  Flask's own way to the application behind the proxy


def answer(within: Outer, asked: Asked, service: Service | None = None) -> tuple[Response, datetime | None]:
    """Return the reply to one entry, and the moment of the version that it tells of, where it is one.

    With ``service`` it works with that one, and is neither counted nor logged.

    Raises whatever it failed with, where there is a ``service``.
    """
    body, media = asked.body or b"", asked.media
    resource = body if isinstance(body, dict) else None
    if isinstance(body, dict):
        body, media = fhir_json.write(body), FHIR_JSON
    environ = {
        **within.environ,
        **{f"HTTP_{name.upper().replace('-', '_')}": _as_header(name, value) for name, value in asked.conditions},
        "REQUEST_METHOD": "GET" if asked.method == "HEAD" else asked.method,
        "PATH_INFO": f"{within.base}/{asked.path}",
        "QUERY_STRING": quote(asked.query, safe="%/:?#[]@!$&'()*+,;=-._~|"),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": media,
        "wsgi.input": BytesIO(body),
        "HTTP_PREFER": within.prefer or "return=minimal",
    }
    if resource is not None:
        environ[BODY] = resource
    if service is None and within.key:
        environ[PIECE] = f"{within.key} {asked.place}"
    if service is not None:
        environ[INNER] = replace(within.app.extensions[EXTENSION], service=service)
    with within.app.request_context(environ):
        reply = within.app.full_dispatch_request()
    if FAILURE in environ:
        raise environ[FAILURE]
    return reply, environ.get(CHANGED_AT)


def _as_header(name: str, value: str) -> str:
    """Return a condition of an entry as its header has it: ``ifModifiedSince`` is an instant, where HTTP has a date."""
    if name == "If-Modified-Since":
        with suppress(ValueError, OverflowError):
            return http_date(datetime.fromisoformat(value))
    return value
