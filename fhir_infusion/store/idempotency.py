"""Keys under which an effect happens once: what was asked first, and what became of it.

A key is the ``Idempotency-Key`` of a client or a business identifier; the latter has no client, since the identifier
names one order whoever sends it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from fhir_infusion.store.statement import Statement, inserting
from fhir_infusion.store.tables import IDEMPOTENCY
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Effect:
    """What the first request with a key had as its body, and the version that it made.

    Under the key of a client ``body_hash`` is that of the whole request, and ``answer`` says as JSON what it did.
    """

    body_hash: str
    type: str = ""
    id: str = ""
    version: int = 0
    answer: str = ""


_NAMES: Final = tuple(one.name for one in fields(Effect))
_FIND: Final = Statement(
    select(*(IDEMPOTENCY.c[name] for name in _NAMES)).where(
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
    _KEEP.write(tx, {"tenant": tx.tenant, "client": client, "key": key, **asdict(effect), "at": to_ms(tx.now)})
