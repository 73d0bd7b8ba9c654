"""Reading a request body: capped before it is read, whole, strict JSON with exact numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http.errors import ParseException

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.fhir.rewriting import relative
from fhir_infusion.web.context import BODY
from fhir_infusion.web.negotiation import check_content_type
from fhir_infusion.web.refusals import refusal

if TYPE_CHECKING:
    from flask import Request

MOST_BYTES: Final = 1024 * 1024
"""The largest body taken, in bytes. It is also told to Flask, which stops reading there."""


def read_bytes(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return the whole body.

    Raises ``Refused``: 413 beyond ``most`` bytes, 400 ``incomplete`` where fewer bytes came than were declared (behind
    gunicorn Flask hands over the shorter body without an error) or pieces of it are wrong or missing, 408 where it does
    not come in time.
    """
    declared = request.content_length
    if declared is not None and declared > most:
        raise refusal(413, "too-long", "the body is too large", accepted=f"at most {most} bytes")
    body = read_piece(request, most + 1)
    if len(body) > most:
        raise refusal(413, "too-long", "the body is too large", accepted=f"at most {most} bytes")
    if declared is not None and len(body) != declared:
        raise refusal(400, "incomplete", "the body is shorter than its Content-Length", accepted="the whole body")
    return body


def read_piece(request: Request, size: int) -> bytes:
    """Return the next bytes of the body, as many as asked for where there are so many.

    Raises ``Refused``: 400 ``incomplete`` where pieces of it (chunks) are wrong or missing, 408 where it does not come
    in time.
    """
    try:
        return request.stream.read(size)
    except TimeoutError:
        raise refusal(408, "timeout", "the body did not come in time", accepted="a body sent at once") from None
    except (OSError, ParseException):  # the families of gunicorn's errors of chunks, and of a connection that is lost
        raise refusal(400, "incomplete", "the body is not whole", accepted="the whole body, in right chunks") from None


def read_object(
    request: Request,
    release: str | None,
    most: int = MOST_BYTES,
    limits: fhir_json.Limits = fhir_json.LIMITS,
    home: str = "",
) -> dict[str, Any]:
    """Return the body as a JSON object, numbers exact.

    ``release`` is the FHIR release of the path, None on our own routes; ``home`` our own address, where references
    below it are to be as they are kept (``rewriting.relative``). Raises ``Refused``: 400 what is not strict JSON, 413
    too large, 415 another media type.
    """
    check_content_type(request, release)
    body = read_bytes(request, most)
    known: dict[str, Any] | None = request.environ.get(BODY)
    # In its Bundle it was within the limits of a resource of its own, but for the bytes, which are counted here.
    if known is None or limits is not fhir_json.LIMITS or len(body) > limits.body:
        known = fhir_json.read(body, _with_bytes(limits, most))
    # What does not name us needs no look at each reference; behind a backslash any character may stand.
    return relative(known, home) if home and (home.encode() in body or b"\\" in body) else known


def read_bundle(request: Request, release: str, most: int) -> tuple[dict[str, Any], fhir_json.Faults]:
    """Return the body as ``read_object``, and of a batch what is wrong in its entries, by their index.

    Raises ``Refused`` as ``read_object``, but for the entries of a batch.
    """
    check_content_type(request, release)
    return fhir_json.read_batch(read_bytes(request, most), _with_bytes(fhir_json.LIMITS, most))


def read_wrapped(request: Request, most: int, limits: fhir_json.Limits) -> dict[str, Any]:
    """Return the body as a JSON object whose ``input`` is not FHIR where it says ``from``.

    Raises ``Refused`` as ``read_object``.
    """
    check_content_type(request, None)
    body = read_bytes(request, most)
    limits = _with_bytes(limits, most)
    tree = read_plain(body, limits) if b'"from"' in body else None
    return tree if isinstance(tree, dict) and "from" in tree else fhir_json.read(body, limits)


def read_rows(request: Request) -> Any:
    """Return a body that is not FHIR: an object, an array, or lines of JSON as a list; numbers exact.

    Raises ``Refused``: 400 what is not strict JSON, 413 too large, 415 another media type.
    """
    media = check_content_type(request, None, LINES)
    body = read_bytes(request)
    if media not in LINES:
        return read_plain(body)
    return [read_plain(line) for line in body.splitlines() if line.strip()]


LINES: Final = ("application/x-ndjson", "application/ndjson")
"""The media types of a JSON text on each line."""


@lru_cache(maxsize=16)
def _with_bytes(limits: fhir_json.Limits, most: int) -> fhir_json.Limits:
    return replace(limits, body=most)
