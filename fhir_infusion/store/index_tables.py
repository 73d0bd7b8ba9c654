"""The tables of what can be searched for, of the current version only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKeyConstraint, Index, Table

from fhir_infusion.store.columns import METADATA, key, number, number_key

# Codes, references and addresses; times; words; amounts.
# `created` is repeated so that a listing by one value is read in order from the index, page by page, without sorting.
INDEX_ROWS: Final = Table(
    "index_rows",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    key("parameter"),
    key("system"),
    key("value"),
    number("created"),
    Index("index_rows_by_value", "tenant", "type", "parameter", "value", "system", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_DATES: Final = Table(
    "index_dates",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    key("parameter"),
    number_key("start"),
    number_key("end"),
    number("created"),
    Index("index_dates_by_end", "tenant", "type", "parameter", "end", "start", "created", "id"),
    Index("index_dates_by_start", "tenant", "type", "parameter", "start", "end", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_STRINGS: Final = Table(
    "index_strings",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    key("parameter"),
    key("value"),
    key("text"),
    number("created"),
    Index("index_strings_by_value", "tenant", "type", "parameter", "value", "text", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_QUANTITIES: Final = Table(
    "index_quantities",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    key("parameter"),
    key("unit"),
    key("low"),
    key("high"),
    number("created"),
    Index("index_quantities_by_value", "tenant", "type", "parameter", "unit", "low", "high", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
