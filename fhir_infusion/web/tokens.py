"""Bearer tokens: made here, shown once, kept as salted hashes in one file that ``settings.tokens`` names.

A token is ``fhirinf_<id>_<secret>``; the secret is 256 random bits, so one SHA-256 over salt and secret is enough
(a slow hash protects short passwords; there are none here). The file is TOML, mode 0600, replaced as a whole::

    [3f9a1c20]
    name = "pharmacy EHR"
    tenant = "default"
    created = "2025-05-01"
    salt = "…"
    sha256 = "…"
    operator = true             # only where it may decide what waits for a person
    revoked = "2025-06-01"      # only once it is

The file is read again whenever it changes: a revoked token stops working at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.config import TENANT, TENANT_ACCEPTED
from fhir_infusion.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TOKEN = re.compile(r"fhirinf_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NO_SALT: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token; never the token itself."""

    token_id: str
    name: str
    tenant: str
    created: str
    salt: str
    sha256: str
    revoked: str = ""
    operator: bool = False


def read_tokens(path: Path) -> dict[str, Token]:
    """Return the tokens of a file by their id; an absent file holds none.

    Raises ``SettingsError`` where the file is not what :func:`add_token` writes.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        found = {token_id: Token(token_id=token_id, **table) for token_id, table in tables.items()}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise _not_tokens(path) from error
    if any(type(token.operator) is not bool for token in found.values()):
        raise _not_tokens(path)  # a text "false" must not open what an operator may
    return found


def _not_tokens(path: Path) -> SettingsError:
    return SettingsError(f"{path}: not a file of tokens; accepted: what `fhir-infusion token add` writes")


def add_token(path: Path, name: str, tenant: str, today: str, *, operator: bool = False) -> tuple[Token, str]:
    """Make a token, keep its hash, and return both; the text cannot be had again. ``operator``: see ``Caller``.

    Raises ``SettingsError`` where the tenant's name is not lower-case letters, digits and hyphens.
    """
    if not TENANT.fullmatch(tenant):
        raise SettingsError(TENANT_ACCEPTED)
    if not name or not name.isprintable():
        raise SettingsError("name: accepted is a printable text that says who holds the token")
    secret = secrets.token_urlsafe(32)
    salt = secrets.token_hex(16)
    with _writing(path):
        tokens = read_tokens(path)
        token_id = next(made for made in iter(lambda: secrets.token_hex(4), None) if made not in tokens)
        token = Token(token_id, name, tenant, today, salt, _digest(salt, secret), operator=operator)
        _write(path, {**tokens, token_id: token})
    return token, f"fhirinf_{token_id}_{secret}"


def revoke_token(path: Path, token_id: str, today: str) -> Token:
    """Revoke a token; it is kept, so that its id stays known to the audit trail.

    Raises ``SettingsError`` where there is no such token.
    """
    with _writing(path):
        tokens = read_tokens(path)
        if token_id not in tokens:
            raise SettingsError("there is no such token; `fhir-infusion token list` shows the ids")
        token = tokens[token_id]
        token = token if token.revoked else replace(token, revoked=today)
        _write(path, {**tokens, token_id: token})
    return token


def find_token(tokens: Mapping[str, Token], text: str) -> Token | None:
    """Return the token whose text this is, None where there is none or it is revoked.

    The hash is always computed and compared in constant time, whether or not the id is known.
    """
    parts = _TOKEN.fullmatch(text)
    token_id, secret = parts.groups() if parts else ("", "")
    token = tokens.get(token_id)
    digest = _digest(token.salt if token else _NO_SALT, secret)
    fits = hmac.compare_digest(digest, token.sha256 if token else _digest(_NO_SALT, "no token"))
    return token if token is not None and fits and not token.revoked else None


class TokenFile:
    """The tokens of a file, read again when the file has changed. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Remember the path; the file is read at the first use."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def find(self, text: str) -> Token | None:
        """Return the token whose text this is, None where there is none or it is revoked."""
        with self._lock:
            stamp = self._stat()
            if stamp != self._stamp:
                self._tokens = read_tokens(self._path)
                self._stamp = stamp
            tokens = self._tokens
        return find_token(tokens, text)

    def _stat(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Let one writer at a time change the file; the lock is freed by the system when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(path.suffix + ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, tokens: Mapping[str, Token]) -> None:
    """Replace the file as a whole, readable by its owner only."""
    lines: list[str] = []
    for token in tokens.values():
        members = {"name": token.name, "tenant": token.tenant, "created": token.created, "salt": token.salt}
        members["sha256"] = token.sha256
        if token.revoked:
            members["revoked"] = token.revoked
        # A JSON string is a TOML basic string for printable text.
        lines += [f"[{token.token_id}]", *(f"{key} = {json.dumps(value)}" for key, value in members.items())]
        lines += ["operator = true", ""] if token.operator else [""]
    beside = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
