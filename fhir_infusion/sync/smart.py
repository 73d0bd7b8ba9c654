"""SMART Backend Services: an access token for a signed assertion, kept until shortly before it ends.

http://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html and client-confidential-asymmetric.html.

1. The token endpoint is that of the settings, or of ``.well-known/smart-configuration`` of the server.
2. The assertion is signed with RS384 or ES384 and holds for less than five minutes, once.
3. One thread asks; those that come meanwhile get what it got, also where that is a failure.
4. A token that was refused (401) is dropped, once: who comes with the same one gets the next.
5. The key is read for each assertion, so that one changed on disk is used at the next.

No text of the server is kept: of its error only a code of OAuth.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt import algorithms

from fhir_infusion.errors import SettingsError
from fhir_infusion.remotes import is_bare_url, is_safe_url
from fhir_infusion.sync.replies import Answer, Doubtful, Unsent

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.remotes import Remote

LOG: Final = logging.getLogger("fhir_infusion.sync")

LIFE_SECONDS: Final = 240
"""Of an assertion: 300 is the most, less what the clocks of both differ by."""
EARLY_SECONDS: Final = 30
UNSAID_SECONDS: Final = 60
"""The life of a token whose answer does not say it."""

Ended: TypeAlias = Answer | Unsent | Doubtful
Send: TypeAlias = Callable[[str, str, Mapping[str, str], bytes | None], Ended]
"""Sends one request, without credentials: method, URL, headers, body."""

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, how it signs, and its name in the key set that the server knows."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm: str
    kid: str


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends: float


class _Kept:
    """What is known of the token of one remote."""

    def __init__(self, url: str) -> None:
        self.lock = threading.Lock()
        self.token: _Token | None = None
        self.asked = 0
        self.failure: Ended | None = None
        self.url = url


@cache
def _kept(remote: Remote) -> _Kept:
    """Return the same for the same remote, as long as the process runs: a token outlives one call of a load."""
    return _Kept(remote.token_url)


class Tokens:
    """The access token of one remote, the same for all in this process. Safe to use from several threads."""

    def __init__(self, remote: Remote, send: Send, clock: Callable[[], float] = time.time) -> None:
        """Prepare; nothing is sent yet. ``clock`` dates assertions, in seconds since 1970.

        Raises:
            SettingsError: the key cannot be used.
        """
        self._remote = remote
        self._send = send
        self._clock = clock
        self._kept = _kept(remote)
        read_key(remote)

    def get(self, refused: str = "") -> str | Ended:
        """Return a token that is not ``refused``, or how asking for one failed; nothing of a request has left then."""
        kept = self._kept
        before = kept.asked
        with kept.lock:
            now = time.monotonic()
            if kept.token is not None and kept.token.ends > now and kept.token.text != refused:
                return kept.token.text
            if kept.asked != before and kept.failure is not None:
                return kept.failure  # another thread has asked while this one waited
            got = self._requested()
            kept.asked += 1
            kept.token = got if isinstance(got, _Token) else None
            kept.failure = None if isinstance(got, _Token) else got
            if isinstance(got, _Token):
                return got.text
            kept.url = self._remote.token_url  # it may have moved
            return got

    def _requested(self) -> _Token | Ended:
        try:
            key = read_key(self._remote)
        except SettingsError:
            return Unsent("the private key cannot be read", "token-key")
        if not self._kept.url:
            url = self._discovered(key)
            if not isinstance(url, str):
                return url
            self._kept.url = url
        begun = time.monotonic()
        form = {
            "grant_type": "client_credentials",
            "scope": self._remote.scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._assertion(key, self._kept.url),
        }
        answer = self._send("POST", self._kept.url, _FORM, urlencode(form).encode())
        if not isinstance(answer, Answer) or answer.status != 200:
            return self._failed(answer)
        content = _object(answer.body)
        text, kind = content.get("access_token"), content.get("token_type")
        if not isinstance(text, str) or not _is_token(text) or str(kind).lower() != "bearer":
            return Unsent("the token endpoint gives no bearer token", "token-unreadable")
        life = content.get("expires_in")
        seconds = life if isinstance(life, int) and not isinstance(life, bool) and life > 0 else UNSAID_SECONDS
        return _Token(text, begun + seconds - min(EARLY_SECONDS, seconds / 2))

    def _discovered(self, key: Key) -> str | Ended:
        """Return the token endpoint that the server names."""
        well_known = self._remote.base_url.rstrip("/") + "/.well-known/smart-configuration"
        answer = self._send("GET", well_known, {"Accept": "application/json"}, None)
        if not isinstance(answer, Answer) or answer.status in {429, 503} or answer.status >= 500:
            return self._failed(answer)
        content = _object(answer.body) if answer.status == 200 else {}
        url = content.get("token_endpoint")
        try:
            if not isinstance(url, str) or not is_safe_url(self._remote, url) or not is_bare_url(url):
                return Unsent("the server names no token endpoint that is safe", "token-endpoint")
        except ValueError:
            return Unsent("the server names no token endpoint that is safe", "token-endpoint")
        algorithms = content.get("token_endpoint_auth_signing_alg_values_supported")
        if isinstance(algorithms, list) and key.algorithm not in algorithms:
            return Unsent("the server does not take this kind of key", "token-algorithm")
        return url

    def _failed(self, answer: Ended) -> Ended:
        if isinstance(answer, Unsent) and answer.code:
            return answer
        if not isinstance(answer, Answer) or answer.status in {408, 425} or 500 <= answer.status != 503:
            return Unsent("the token endpoint does not answer", "token-unreachable")
        if answer.status in {429, 503}:
            return Answer(answer.status, {k: v for k, v in answer.headers.items() if k == "retry-after"})
        code = _object(answer.body).get("error")
        if isinstance(code, str) and code in _ERRORS:
            LOG.warning("no token", extra={"endpoint": self._remote.name, "code": code})
        return Unsent("the token endpoint refuses", "token-refused")

    def _assertion(self, key: Key, audience: str) -> str:
        client = self._remote.client_id
        claims = {
            "iss": client,
            "sub": client,
            "aud": audience,
            "exp": int(self._clock()) + LIFE_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid})


# https://www.rfc-editor.org/rfc/rfc6749#section-5.2
_ERRORS: Final = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
        *("invalid_scope", "server_error", "temporarily_unavailable"),
    }
)


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_token(text: str) -> bool:
    # https://www.rfc-editor.org/rfc/rfc6750#section-2.1; anything else could end the header
    return 0 < len(text) <= 16_384 and all(33 <= ord(one) <= 126 for one in text)


# ---------------------------------------------------------------------------------------------------------- the key


def read_key(remote: Remote) -> Key:
    """Return the private key of a remote, from PEM, a JWK or a set of these, of which the first private one counts.

    Raises:
        SettingsError: it cannot be read, or does not sign as SMART wants it; says what is accepted.
    """
    accepted = "accepted is an RSA key of 2048 bits or more, or an EC key on P-384; in PEM, not encrypted, or as a JWK"
    complaint = SettingsError(f"[remotes.{remote.name}]: key_file: {accepted}")
    if remote.key_file is None:
        raise complaint
    try:
        private, kid = _private(remote.key_file)
    except (OSError, ValueError, TypeError, jwt.InvalidKeyError, RecursionError) as error:
        raise complaint from error
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
        return Key(private, "RS384", kid or thumbprint(private))
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp384r1":
        return Key(private, "ES384", kid or thumbprint(private))
    raise complaint


def _private(path: Path) -> tuple[object, str]:
    text = path.read_bytes()
    if text.lstrip().startswith(b"-"):
        return load_pem_private_key(text, password=None), ""
    content = json.loads(text)
    listed = content.get("keys", [content]) if isinstance(content, dict) else []
    jwk = next(one for one in [*listed, None] if one is None or (isinstance(one, dict) and "d" in one))
    if jwk is None:
        raise ValueError
    kid = str(jwk.get("kid", ""))
    if jwk.get("kty") == "RSA":
        return algorithms.RSAAlgorithm.from_jwk(jwk), kid
    return algorithms.ECAlgorithm.from_jwk(jwk), kid


def public_keys(remote: Remote) -> dict[str, Any]:
    """Return the key set to register at the server: the public half, under the name that assertions carry.

    Raises:
        SettingsError: the key cannot be used.
    """
    key = read_key(remote)
    return {"keys": [{**_public(key.private), "alg": key.algorithm, "use": "sig", "kid": key.kid}]}


def _public(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    if isinstance(private, rsa.RSAPrivateKey):
        found: Any = algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return {name: found[name] for name in ("kty", "n", "e")}
    found = algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: found[name] for name in ("kty", "crv", "x", "y")}


def thumbprint(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """Return the name of a key that has none: https://www.rfc-editor.org/rfc/rfc7638."""
    canonical = json.dumps(_public(private), sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
