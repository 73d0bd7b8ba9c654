"""The tables of what can be searched for, of the current version only: codes, times, words and amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ForeignKeyConstraint, Index, Table

from fhir_infusion.store.columns import METADATA, key, number, number_key

if TYPE_CHECKING:
    from sqlalchemy import Column

_RESOURCE: Final = ("tenant", "type", "id")


def _table(name: str, *columns: Column[str] | Column[int], **indexes: tuple[str, ...]) -> Table:
    """Return a table of one kind of value; ``indexes`` are what each index has between parameter and id.

    `created` is repeated so that a listing by one value is read in order from the index, page by page, without sorting.
    """
    return Table(
        name,
        METADATA,
        *map(key, (*_RESOURCE, "parameter")),
        *columns,
        number("created"),
        *(Index(one, "tenant", "type", "parameter", *places, "id") for one, places in indexes.items()),
        ForeignKeyConstraint(_RESOURCE, [f"resources.{part}" for part in _RESOURCE]),
        sqlite_with_rowid=False,
    )


INDEX_ROWS: Final = _table(
    "index_rows",
    key("system"),
    key("value"),
    index_rows_by_value=("value", "system", "created"),
)
INDEX_DATES: Final = _table(
    "index_dates",
    number_key("start"),
    number_key("end"),
    index_dates_by_end=("end", "start", "created"),
    index_dates_by_start=("start", "end", "created"),
)
INDEX_STRINGS: Final = _table(
    "index_strings",
    key("value"),
    key("text"),
    index_strings_by_value=("value", "text", "created"),
)
INDEX_QUANTITIES: Final = _table(
    "index_quantities",
    key("unit"),
    key("low"),
    key("high"),
    index_quantities_by_value=("unit", "low", "high"),
)
