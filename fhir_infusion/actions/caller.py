"""Who asks: the tenant that the token names, the client, and the key under which it repeats a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """``client`` is an opaque id, fit for the audit trail; ``key`` the Idempotency-Key, empty where none was sent.

    ``asked`` is the hash of the request that came with the key.

    ``operator`` says that this one may decide what only a person may: conflicts, and who is the same patient.
    """

    tenant: str
    client: str
    key: str = ""
    asked: str = ""
    operator: bool = False
