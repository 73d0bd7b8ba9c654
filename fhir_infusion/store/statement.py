"""Statements of the hot path, compiled once and run by the driver.

SQLAlchemy builds and compiles them; running one through its result machinery costs about 80 us, through the driver's
cursor 10 us, and a change is a dozen of them, all on the one thread that writes. Values and columns here are texts and
whole numbers, which need no conversion (a flag comes back as 0 or 1 on SQLite).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Dialect, Executable, Table

    from fhir_infusion.store.tx import Tx


_Compiled = tuple[str, "Callable[[Mapping[str, Any]], Any]", "tuple[str, ...] | None"]
"""The text, what makes the driver's values of ours, and the names of these where the driver takes them in order."""


class Statement:
    """One statement. Its ``bindparam`` names are the keys of the values it is run with.

    ``others`` holds how it is said where a database has words of its own for it, by the name of the dialect.
    """

    def __init__(self, statement: Executable, others: Mapping[str, Executable] | None = None) -> None:
        self._statement = statement
        self._others = others or {}
        self._compiled: dict[str, _Compiled] = {}

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
        text, values_of, _ = self._of(tx.connection.dialect)
        cursor = tx.connection.connection.cursor()
        cursor.executemany(text, [values_of(row) for row in rows])
        cursor.close()

    def write_rows(self, tx: Tx, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Run the statement once for each row, which holds the values of ``columns`` in their order."""
        text, _, names = self._of(tx.connection.dialect)
        cursor = tx.connection.connection.cursor()
        cursor.executemany(text, rows if names == columns else [dict(zip(columns, row, strict=True)) for row in rows])
        cursor.close()

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        text, values_of, _ = self._of(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(text, values_of(values))
        return cursor

    def _of(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            statement: Any = self._others.get(dialect.name, self._statement)
            compiled = statement.compile(dialect=dialect)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            names = tuple(compiled.positiontup) if compiled.positiontup is not None else None
            found = self._compiled[dialect.name] = (str(compiled), _values_of(names, fixed), names)
        return found


def _values_of(names: tuple[str, ...] | None, fixed: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return what makes of values what the driver takes: by name, or in the order of ``names``."""
    if names is None:
        return lambda values: {**fixed, **values}
    if fixed or len(names) < 2:
        return lambda values: [values[name] if name in values else fixed[name] for name in names]
    return itemgetter(*names)


def inserting(table: Table) -> Statement:
    """Return the statement that inserts a row with all its columns."""
    return Statement(insert(table))
