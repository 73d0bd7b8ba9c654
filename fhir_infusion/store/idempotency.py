"""Keys under which an effect happens once: what was asked first, and what became of it.

A key is the ``Idempotency-Key`` of a client or a business identifier; the latter has no client, since the identifier
names one order whoever sends it. What was answered under the key of a client is forgotten after a while; what a
business identifier names stays for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, exists, select, text, tuple_

from fhir_infusion.store.statement import Statement, inserting
from fhir_infusion.store.tables import FEEDS, IDEMPOTENCY
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
# As the index says it: SQLite takes an index of some rows only where its condition stands in the statement.
_OLD: Final = (IDEMPOTENCY.c.tenant == bindparam("of_tenant"), text("answer <> ''"), IDEMPOTENCY.c.at < bindparam("to"))
_KEY: Final = (IDEMPOTENCY.c.tenant, IDEMPOTENCY.c.client, IDEMPOTENCY.c.key)
_FORGET: Final = Statement(
    delete(IDEMPOTENCY).where(
        tuple_(*_KEY).in_(select(*_KEY).where(*_OLD).order_by(IDEMPOTENCY.c.at).limit(bindparam("most")))
    )
)
_TENANTS_WITH_OLD: Final = Statement(
    select(FEEDS.c.tenant).where(
        exists().where(IDEMPOTENCY.c.tenant == FEEDS.c.tenant, text("answer <> ''"), IDEMPOTENCY.c.at < bindparam("to"))
    )
)


def find(tx: Tx, client: str, key: str) -> Effect | None:
    """Return the effect that a key had, None where it is new."""
    row = _FIND.one(tx, {"tenant": tx.tenant, "client": client, "key": key})
    return Effect(*row) if row is not None else None


def keep(tx: Tx, client: str, key: str, effect: Effect) -> None:
    """Remember the effect of a key: for ever, or where it has an answer until it is forgotten."""
    kept = {name: getattr(effect, name) for name in _NAMES}
    _KEEP.write(tx, {"tenant": tx.tenant, "client": client, "key": key, **kept, "at": to_ms(tx.now)})


def tenants_with_old(tx: Tx, before: int) -> list[str]:
    """Return the tenants that have answers from before a moment (ms since 1970 UTC)."""
    return [name for (name,) in _TENANTS_WITH_OLD.rows(tx, {"to": before})]


def forget(tx: Tx, before: int, most: int) -> int:
    """Forget up to ``most`` answers from before a moment (ms since 1970 UTC), oldest first; return how many."""
    return _FORGET.write(tx, {"of_tenant": tx.tenant, "to": before, "most": most})
