"""Keys under which an effect happens once: what was asked first, and what became of it.

A key is the ``Idempotency-Key`` of a client or a business identifier; the latter has no client, since the identifier
names one order whoever sends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from fhir_infusion.store.statement import Statement, inserting
from fhir_infusion.store.tables import IDEMPOTENCY
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Effect:
    """What the first request with a key had as its body, and the version that it made."""

    body_hash: str
    type: str
    id: str
    version: int


_FIND: Final = Statement(
    select(IDEMPOTENCY.c.body_hash, IDEMPOTENCY.c.type, IDEMPOTENCY.c.id, IDEMPOTENCY.c.version).where(
        IDEMPOTENCY.c.tenant == bindparam("tenant"),
        IDEMPOTENCY.c.client == bindparam("client"),
        IDEMPOTENCY.c.key == bindparam("key"),
    )
)
_KEEP: Final = inserting(IDEMPOTENCY)


def find(tx: Tx, client: str, key: str) -> Effect | None:
    """Return the effect that a key had, None where it is new."""
    row = _FIND.one(tx, {"tenant": tx.tenant, "client": client, "key": key})
    return Effect(*row) if row is not None else None


def keep(tx: Tx, client: str, key: str, effect: Effect) -> None:
    """Remember the effect of a key, for ever."""
    _KEEP.write(
        tx,
        {
            "tenant": tx.tenant,
            "client": client,
            "key": key,
            "body_hash": effect.body_hash,
            "type": effect.type,
            "id": effect.id,
            "version": effect.version,
            "at": to_ms(tx.now),
        },
    )
