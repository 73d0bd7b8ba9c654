"""How much a piece of work looks at, counted and not timed: rows for PostgreSQL, steps of SQLite's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.store.helpers import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.store import Store
    from fhir_infusion.store.tx import Tx

_LOOKED_AT = (
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    " WHERE relname IN ('outbox', 'links', 'index_rows')"
)


def counted(store: Store, work: Callable[[Tx], Any]) -> tuple[Any, int]:
    """Return what a piece of work on the outbox or the links gives, and how much it looked at."""

    def counting(tx: Tx) -> tuple[Any, int]:
        connection: Any = tx.connection
        if connection.dialect.name == "postgresql":
            before = connection.exec_driver_sql(_LOOKED_AT).scalar()
            given = work(tx)
            return given, int(connection.exec_driver_sql(_LOOKED_AT).scalar() - before)
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        driver = connection.connection.driver_connection
        driver.set_progress_handler(step, 1)
        try:
            return work(tx), steps
        finally:
            driver.set_progress_handler(None, 0)

    given: tuple[Any, int] = store.transact(TENANT, counting)
    return given
