"""The index rows of a resource in their tables, one table for each way of comparing."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Table, bindparam, delete, select

from fhir_infusion.store.statement import Statement, inserting
from fhir_infusion.store.tables import INDEX_DATES, INDEX_QUANTITIES, INDEX_ROWS, INDEX_STRINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fhir_infusion.fhir.search import Entry
    from fhir_infusion.store.tx import Tx

TABLES: Final[Mapping[str, Table]] = {
    "token": INDEX_ROWS,
    "reference": INDEX_ROWS,
    "uri": INDEX_ROWS,
    "date": INDEX_DATES,
    "string": INDEX_STRINGS,
    "quantity": INDEX_QUANTITIES,
}
"""The table of each kind of row."""

_OWNER: Final = ("tenant", "type", "id")


class _Rows:
    """The statements of one table, its ``columns``, and ``names``, those that tell the rows of a resource apart."""

    def __init__(self, table: Table) -> None:
        self.names = tuple(column.name for column in table.primary_key if column.name not in _OWNER)
        self._row: Callable[[Entry], tuple[Any, ...]] = attrgetter(*self.names)
        self.columns = (*_OWNER, *self.names, "created")
        self.insert = inserting(table)
        mine = [table.c[name] == bindparam(name) for name in _OWNER]
        self.select = Statement(select(*(table.c[name] for name in self.names)).where(*mine))
        this = [table.c[name] == bindparam(f"of_{name}") for name in (*_OWNER, *self.names)]
        self.delete = Statement(delete(table).where(*this))

    def of(self, entries: Sequence[Entry]) -> set[tuple[Any, ...]]:
        """Return the rows of some entries."""
        return set(map(self._row, entries))


_ROWS: Final = {table.name: _Rows(table) for table in TABLES.values()}


def keep(tx: Tx, key: Mapping[str, str], created: int, entries: Sequence[Entry], *, fresh: bool) -> None:
    """Make the index rows those of this version; rows that stay are not touched.

    Args:
        tx: the transaction.
        key: tenant, type and id of the resource.
        created: the moment of its first version.
        entries: what it is to be found by.
        fresh: it has no rows yet.
    """
    owner = tuple(key[name] for name in _OWNER)
    sorted_out: dict[str, list[Entry]] = {name: [] for name in _ROWS}
    for entry in entries:
        sorted_out[TABLES[entry.kind].name].append(entry)
    for name, rows in _ROWS.items():
        wanted = rows.of(sorted_out[name])
        there = set() if fresh else set(rows.select.rows(tx, key))
        if gone := there - wanted:
            named = [{**key, **dict(zip(rows.names, row, strict=True))} for row in gone]
            rows.delete.write_many(tx, [{f"of_{column}": value for column, value in row.items()} for row in named])
        if new := wanted - there:
            rows.insert.write_rows(tx, rows.columns, [(*owner, *row, created) for row in new])
