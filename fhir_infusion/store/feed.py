"""The clock of a tenant's changes: each later than the one before, even if the machine's clock goes back.

``lastUpdated`` is assigned here, by the writer, at commit: a reader that asks for everything since its last answer
misses nothing (https://hl7.org/fhir/R4/http.html#history).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, case, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.tables import FEEDS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

_ADVANCE: Final = (
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
_LAST: Final = select(FEEDS.c.last_updated).where(FEEDS.c.tenant == bindparam("of_tenant"))


def advance(tx: Tx) -> int:
    """Return the moment of the next change, in milliseconds: now, or one millisecond after the last one."""
    values = {"of_tenant": tx.tenant, "now": to_ms(tx.now)}
    moment = tx.connection.execute(_ADVANCE, values).scalar_one_or_none()
    if moment is None:
        begin(tx)
        moment = tx.connection.execute(_ADVANCE, values).scalar_one()
    return int(moment)


def last(tx: Tx) -> int:
    """Return the moment of the last change that is visible here, 0 where there is none."""
    return int(tx.connection.execute(_LAST, {"of_tenant": tx.tenant}).scalar_one_or_none() or 0)


def begin(tx: Tx) -> None:
    """Make the row of a tenant that has none."""
    row = {"tenant": tx.tenant, "last_updated": 0, "audit_seq": 0, "audit_digest": ""}
    dialect.insert_once(tx.connection, FEEDS, row)
