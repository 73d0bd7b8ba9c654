"""Outbox rows that need an eye: those whose attempts kill or hang the worker, and stops that do not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select, update

from fhir_infusion.store import due
from fhir_infusion.store.due import SUSPECT
from fhir_infusion.store.outbox import COLUMNS, OPEN, WAITING, Row, change, row_of
from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx


def poisoned(tx: Tx, endpoint: str, crashes: int, hours: int) -> tuple[Row, ...]:
    """Put aside what failed so often without a verdict, or for so long, and return it.

    Time alone puts nothing aside: the first failures may be another row's, and nobody may have tried since.
    """
    due.expire(tx, endpoint)
    if not due.suspects(tx, endpoint):
        return ()
    now = to_ms(tx.now)
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, SUSPECT, due.state_of().in_(WAITING))
    free = OUTBOX.c.lease_until < now
    spent = or_(
        OUTBOX.c.crashes >= crashes,
        and_(OUTBOX.c.crashes >= min(3, crashes), OUTBOX.c.suspected <= now - hours * 3_600_000),
    )
    found = map(
        row_of, tx.connection.execute(due.by_index(select(*COLUMNS), due.BY_SUSPICION).where(mine, free, spent)).all()
    )
    return tuple(
        change(tx, row, {"state": "dead", "last_error_code": f"crash-{row.crashes}", "lease_owner": ""})
        for row in found
    )


def late_stops(tx: Tx, endpoint: str, seconds: int) -> tuple[Row, ...]:
    """Return the stops that have not been acknowledged for so long and were not told yet."""
    late = and_(
        OUTBOX.c.tenant == tx.tenant,
        OUTBOX.c.endpoint == endpoint,
        OUTBOX.c.state.in_(OPEN),
        OUTBOX.c.lane == "stop",
        OUTBOX.c.alerted == 0,
        OUTBOX.c.enqueued <= to_ms(tx.now) - 1000 * seconds,
    )
    return tuple(map(row_of, tx.connection.execute(due.by_index(select(*COLUMNS)).where(late))))


def told(tx: Tx, rows: Sequence[Row]) -> None:
    """Note that an alarm was raised for some rows."""
    numbers = OUTBOX.c.seq.in_([row.seq for row in rows])
    tx.connection.execute(update(OUTBOX).where(numbers).values(alerted=1))
