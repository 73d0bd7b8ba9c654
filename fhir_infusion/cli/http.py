"""Asking a service of this machine over HTTP: plain, on loopback, without proxies, redirects or cookies."""

from __future__ import annotations

import http.client
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from fhir_infusion.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_SECONDS: Final = 600
"""For handed-over work, which may be a whole push."""


class Answer(NamedTuple):
    """A reply: its status, and its JSON object."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


def ask(
    address: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    token: str = "",
    media: str = "application/json",
    match: str = "",
    seconds: int = DEADLINE_SECONDS,
) -> Answer:
    """Send one request to ``host:port`` and return the answer; ``match`` is the ETag that it is meant for.

    Raises ``Unavailable`` where nobody answers, or not in JSON.
    """
    headers = {"Content-Type": media} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if match:
        headers["If-Match"] = match
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        told = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, _object(reply.read()), told)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("the service does not answer") from error
    finally:
        connection.close()


def _object(body: bytes) -> dict[str, Any]:
    """Return the object of a reply of ours, numbers exact. Raises ``ValueError`` where it is none."""
    return msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(body)
