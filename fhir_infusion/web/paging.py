"""Keyset tokens: where the next page begins, signed, and bound to the tenant and to the query it belongs to.

A token shows nothing: the values that a page is sorted by (a name, say) are hidden in it, since links are kept in logs.
What it is asked with again must be the same query by the same tenant; anything else is refused, so that a token opens
nothing that its query does not.
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
    mac = _mac(secret, tenant, query, content)
    return _encode(mac + _hidden(secret, mac, content))


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
    mac = raw[:_MAC_BYTES]
    content = _hidden(secret, mac, raw[_MAC_BYTES:])
    if not hmac.compare_digest(mac, _mac(secret, tenant, query, content)):
        raise parameter_refusal(name, "the page token is not of this query", "the next link as it was given")
    return [str(bound) for bound in json.loads(content)]


def _mac(secret: bytes, tenant: str, query: Sequence[tuple[str, str]], content: bytes) -> bytes:
    bound_to = json.dumps([tenant, sorted(query)], separators=(",", ":")).encode()
    message = hashlib.sha256(bound_to).digest() + content
    return hmac.new(secret, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _hidden(secret: bytes, mac: bytes, content: bytes) -> bytes:
    """Return the content hidden, or the hidden content shown again: a stream that only we can make is laid over it.

    The stream depends on the code that signs the content (synthetic IV, RFC 5297), so that none is used for two.
    """
    blocks = range(-(-len(content) // hashlib.sha256().digest_size))
    stream = b"".join(hmac.new(secret, b"hide" + mac + at.to_bytes(4), hashlib.sha256).digest() for at in blocks)
    return bytes(a ^ b for a, b in zip(content, stream, strict=False))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
