"""The application without a server: for demonstrations and tests that need no network."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_infusion.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.service import Service

_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def sender(service: Service) -> Callable[[str, str, bytes | None, str], tuple[int, dict[str, Any], dict[str, str]]]:
    """Return a function of method, path, body and media type that gives status, JSON and headers (lower case)."""
    client = create_app(service).test_client(use_cookies=False)

    def send(method: str, path: str, body: bytes | None, media: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        content_type = media if body is not None else None
        reply = client.open(path, method=method, data=body, content_type=content_type)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status_code, _DECODER.decode(reply.data), headers

    return send
