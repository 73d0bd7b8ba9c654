"""Keyset tokens: where the next page begins, signed, and bound to the tenant and to the query it belongs to.

A token holds no patient data: two bounds of the listing and a hash. What it is asked with again must be the same query
by the same tenant; anything else is refused, so that a token opens nothing that its query does not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final

from fhir_infusion.web.refusals import parameter_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

PARAMETER: Final = "_page"
"""Its name in a FHIR search."""

_MAC_BYTES: Final = 16


def sign(secret: bytes, tenant: str, query: Sequence[tuple[str, str]], bounds: Sequence[str]) -> str:
    """Return the token of the page that begins after ``bounds``."""
    content = json.dumps(list(bounds), separators=(",", ":")).encode()
    return _encode(_mac(secret, tenant, query, content) + content)


def open_token(
    secret: bytes, tenant: str, query: Sequence[tuple[str, str]], token: str, name: str = PARAMETER
) -> list[str]:
    """Return the bounds in a token of ours, which came as the parameter ``name``.

    Raises ``Refused`` (400) where it was not signed by us for this tenant and query.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raw = b""
    content = raw[_MAC_BYTES:]
    if not hmac.compare_digest(raw[:_MAC_BYTES], _mac(secret, tenant, query, content)):
        raise parameter_refusal(name, "the page token is not of this query", "the next link as it was given")
    return [str(bound) for bound in json.loads(content)]


def _mac(secret: bytes, tenant: str, query: Sequence[tuple[str, str]], content: bytes) -> bytes:
    bound_to = json.dumps([tenant, sorted(query)], separators=(",", ":")).encode()
    message = hashlib.sha256(bound_to).digest() + content
    return hmac.new(secret, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
