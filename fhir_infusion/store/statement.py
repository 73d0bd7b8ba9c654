"""Statements of the hot path, compiled once and run by the driver.

SQLAlchemy builds and compiles them; running one through its result machinery costs about 80 us, through the driver's
cursor 10 us, and a change is a dozen of them, all on the one thread that writes. Values and columns here are texts and
whole numbers, which need no conversion (a flag comes back as 0 or 1 on SQLite).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Dialect, Executable, Table

    from fhir_infusion.store.tx import Tx


class Statement:
    """One statement. Its ``bindparam`` names are the keys of the values it is run with.

    ``others`` holds how it is said where a database has words of its own for it, by the name of the dialect.
    """

    def __init__(self, statement: Executable, others: Mapping[str, Executable] | None = None) -> None:
        self._statement = statement
        self._others = others or {}
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def rows(self, tx: Tx, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return all rows."""
        cursor = self._run(tx.connection, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.close()
        return found

    def one(self, tx: Tx, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the only row, None where there is none."""
        found = self.rows(tx, values)
        return found[0] if found else None

    def write(self, tx: Tx, values: Mapping[str, Any]) -> int:
        """Return how many rows were written."""
        cursor = self._run(tx.connection, values)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def write_many(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of values."""
        text, names, fixed = self._of(tx.connection.dialect)
        cursor = tx.connection.connection.cursor()
        merged = [{**fixed, **row} for row in rows]
        cursor.executemany(text, [[row[name] for name in names] for row in merged] if names is not None else merged)
        cursor.close()

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        text, names, fixed = self._of(connection.dialect)
        cursor = connection.connection.cursor()
        merged = {**fixed, **values}
        cursor.execute(text, [merged[name] for name in names] if names is not None else merged)
        return cursor

    def _of(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        found = self._compiled.get(dialect.name)
        if found is None:
            statement: Any = self._others.get(dialect.name, self._statement)
            compiled = statement.compile(dialect=dialect)
            order = compiled.positiontup
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            found = (str(compiled), tuple(order) if order is not None else None, fixed)
            self._compiled[dialect.name] = found
        return found


def inserting(table: Table) -> Statement:
    """Return the statement that inserts a row with all its columns."""
    return Statement(insert(table))
