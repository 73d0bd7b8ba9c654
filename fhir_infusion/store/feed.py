"""The clock of a tenant's changes: each later than the one before, even if the machine's clock goes back.

``lastUpdated`` is assigned here, by the writer, at commit: a reader that asks for everything since its last answer
misses nothing (https://hl7.org/fhir/R4/http.html#history). Where several processes write, each holds the tenant's row
from before its first look until its commit, which is visible before the row is free: moments become visible in their
order, and what was compared before a change still holds when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, case, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import FEEDS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

_ADVANCE: Final = Statement(
    update(FEEDS)
    .where(FEEDS.c.tenant == bindparam("of_tenant"))
    .values(
        last_updated=case(
            (FEEDS.c.last_updated >= bindparam("now"), FEEDS.c.last_updated + 1),
            else_=bindparam("now"),
        )
    )
    .returning(FEEDS.c.last_updated)
)
_HOLD: Final = Statement(select(FEEDS.c.tenant).where(FEEDS.c.tenant == bindparam("of_tenant")).with_for_update())
_LAST: Final = Statement(select(FEEDS.c.last_updated).where(FEEDS.c.tenant == bindparam("of_tenant")))


def hold(tx: Tx) -> None:
    """Let no other process change what belongs to this tenant until the end of the transaction; what it did is seen."""
    values = {"of_tenant": tx.tenant}
    if not _HOLD.rows(tx, values):
        begin(tx)
        _HOLD.rows(tx, values)


def advance(tx: Tx) -> int:
    """Return the moment of the next change, in milliseconds: now, or one millisecond after the last one."""
    values = {"of_tenant": tx.tenant, "now": to_ms(tx.now)}
    row = _ADVANCE.one(tx, values)
    if row is None:
        begin(tx)
        (row,) = _ADVANCE.rows(tx, values)
    return int(row[0])


def last(tx: Tx) -> int:
    """Return the moment of the last change that is visible here, 0 where there is none."""
    row = _LAST.one(tx, {"of_tenant": tx.tenant})
    return int(row[0]) if row is not None else 0


def begin(tx: Tx) -> None:
    """Make the row of a tenant that has none."""
    row = {"tenant": tx.tenant, "last_updated": 0, "audit_seq": 0, "audit_digest": ""}
    dialect.insert_once(tx.connection, FEEDS, row)
