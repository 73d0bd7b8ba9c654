"""The clock of a tenant's changes: each later than the one before, even if the machine's clock goes back.

``lastUpdated`` is assigned here, by the writer, at commit: a reader that asks for everything since its last answer
misses nothing (https://hl7.org/fhir/R4/http.html#history). Where several processes write, each holds the tenant's row
from before its first look until its commit, which is visible before the row is free: moments become visible in their
order, and what was compared before a change still holds when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import FEEDS
from fhir_infusion.store.tx import End, to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

_END: Final = Statement(
    select(FEEDS.c.last_updated, FEEDS.c.audit_seq, FEEDS.c.audit_digest).where(
        FEEDS.c.tenant == bindparam("of_tenant")
    )
)
_MOVE: Final = Statement(
    update(FEEDS)
    .where(FEEDS.c.tenant == bindparam("of_tenant"))
    .values(last_updated=bindparam("at"), audit_seq=bindparam("to"), audit_digest=bindparam("with"))
)
_HOLD: Final = Statement(select(FEEDS.c.tenant).where(FEEDS.c.tenant == bindparam("of_tenant")).with_for_update())


def hold(tx: Tx) -> None:
    """Let no other process change what belongs to this tenant until the end of the transaction; what it did is seen."""
    values = {"of_tenant": tx.tenant}
    if not _HOLD.rows(tx, values):
        begin(tx)
        _HOLD.rows(tx, values)


def advance(tx: Tx) -> int:
    """Return the moment of the next change, in milliseconds: now, or one millisecond after the last one."""
    here = changing(tx)
    here.last_updated = max(to_ms(tx.now), here.last_updated + 1)
    return here.last_updated


def last(tx: Tx) -> int:
    """Return the moment of the last change that is visible here, 0 where there is none."""
    here = end(tx)
    return here.last_updated if here is not None else 0


def end(tx: Tx) -> End | None:
    """Return where the changes of this tenant end by now, None where there was none."""
    if tx.pending.end is None:
        row = _END.one(tx, {"of_tenant": tx.tenant})
        tx.pending.end = End(*row) if row is not None else None
    return tx.pending.end


def changing(tx: Tx) -> End:
    """Return where the changes of this tenant end by now, to be moved; :func:`settle` writes it."""
    here = end(tx)
    if here is None:
        begin(tx)
        here = tx.pending.end = End(0, 0, "")
    tx.pending.moved = True
    return here


def settle(tx: Tx) -> None:
    """Write where the changes end, at the end of a piece of work that made some."""
    here = tx.pending.end
    if here is not None and tx.pending.moved:
        values = {"at": here.last_updated, "to": here.audit_seq, "with": here.audit_digest}
        _MOVE.write(tx, {"of_tenant": tx.tenant, **values})
        tx.pending.moved = False


def begin(tx: Tx) -> None:
    """Make the row of a tenant that has none."""
    row = {"tenant": tx.tenant, "last_updated": 0, "audit_seq": 0, "audit_digest": ""}
    dialect.insert_once(tx.connection, FEEDS, row)
