"""Who may ask: the gate that every request passes before its route runs.

*Open* (loopback, no tokens configured; for trying out): ``Host`` is a loopback name, ``Origin`` is absent, our own or
allowed by the settings, and no forwarding header is there, since a proxy in front would make loopback public. Against
DNS rebinding and against pages of other sites, which a browser lets post here.

*Tokens* (anything else): a bearer token (RFC 6750) on every route but the CapabilityStatement and liveness. The token
names the tenant. What only a person may decide asks for a token with the role ``operator`` besides; in
open mode everybody has it. There are no cookies in either mode, so that no request carries authority that its sender
did not put there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fhir_infusion.actions.caller import Caller
from fhir_infusion.config import Settings, check_start, is_loopback
from fhir_infusion.web.refusals import header_refusal, refusal
from fhir_infusion.web.tokens import TokenFile

if TYPE_CHECKING:
    from flask import Request, Response

DEFAULT_TENANT: Final = "default"
FORWARDED: Final = ("Forwarded", "Via", "X-Real-Ip")
"""Headers that only a proxy sets; besides them everything that begins with ``X-Forwarded``."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_ALLOWED_HEADERS: Final = "Authorization, Content-Type, If-Match, If-None-Exist, If-None-Match, Idempotency-Key, Prefer"
_EXPOSED_HEADERS: Final = "ETag, Last-Modified, Location, X-Correlation-Id, Retry-After"


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one start. ``tokens`` is None in open mode, ``public_origin`` that of our pages behind a proxy."""

    tokens: TokenFile | None
    allowed_origins: frozenset[str]
    public_origin: str = ""

    def pass_through(self, request: Request, *, is_public: bool) -> Caller:
        """Return who asks; the client is the id of its token.

        Raises ``Refused``: 401 without a valid token, 403 for a foreign origin, host or a forwarded request.
        """
        self._check_origin(request)
        if self.tokens is None:
            _check_open(request)
            return Caller(DEFAULT_TENANT, "open", operator=True)
        if is_public:
            return Caller("", "anonymous")
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        token = self.tokens.find(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            accepted = "Bearer and a token that is not revoked"
            raise header_refusal(401, "login", "Authorization", "there is no valid token", accepted)
        return Caller(token.tenant, token.token_id, operator=token.operator)

    def _check_origin(self, request: Request) -> None:
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None:
            return
        own = {f"{request.scheme}://{request.host}", self.public_origin}
        if (origin and origin in own) or origin in self.allowed_origins:
            return
        accepted = "an origin in the setting allowed_origins"
        raise header_refusal(403, "forbidden", "Origin", "pages of this origin may not ask", accepted)

    def add_cors(self, request: Request, response: Response) -> Response:
        """Let pages of the allowed origins, and only these, read the reply."""
        if not self.allowed_origins:
            return response
        origin = request.headers.get("Origin")
        response.vary.add("Origin")
        if origin is not None and origin in self.allowed_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        return response

    def is_preflight(self, request: Request) -> bool:
        """Say whether a browser asks, for an allowed origin, what a page may send."""
        return (
            request.method == "OPTIONS"
            and "Access-Control-Request-Method" in request.headers
            and request.headers.get("Origin") in self.allowed_origins
        )

    def answer_preflight(self, response: Response) -> Response:
        """Complete the answer to a preflight."""
        response.status_code = 204
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"
        return response


def refuse_unless_operator(caller: Caller) -> None:
    """Refuse (403) what only a person may decide to a token that was not given for that."""
    if not caller.operator:
        accepted = "a token made by `fhir-infusion token add --operator`"
        raise header_refusal(403, "forbidden", "Authorization", "this is for operators", accepted)


def build_gate(settings: Settings) -> Gate:
    """Return the gate for these settings.

    Raises ``SettingsError`` where the address is not loopback and the settings are not fit for that.
    """
    check_start(settings)
    tokens = TokenFile(settings.tokens) if settings.tokens is not None else None
    public = urlsplit(settings.public_url)
    public_origin = f"{public.scheme}://{public.netloc}" if settings.public_url else ""
    return Gate(tokens, frozenset(settings.allowed_origins), public_origin)


def _check_open(request: Request) -> None:
    environ = request.environ
    if not _is_near(environ.get("HTTP_HOST", "")):
        raise header_refusal(403, "forbidden", "Host", "without tokens only this machine may ask", "a loopback name")
    # In the environment headers are in capitals, with underscores (PEP 3333).
    if any(name in environ for name in _FORWARDED_KEYS) or any(name.startswith(_FORWARDED_KEY) for name in environ):
        reason = "the request was forwarded by a proxy, and without tokens only this machine may ask"
        raise refusal(403, "forbidden", reason, accepted="a direct request, or a start with tokens configured")


_FORWARDED_KEY: Final = "HTTP_X_FORWARDED"
_FORWARDED_KEYS: Final = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in FORWARDED)


@lru_cache(maxsize=64)
def _is_near(host: str) -> bool:
    named = _HOST.fullmatch(host)
    return named is not None and is_loopback(named[1])
