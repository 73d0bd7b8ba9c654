"""What the tables are made of: the metadata that knows them all, and kinds of columns.

Times are whole milliseconds since 1970 in UTC, so that they compare the same on every database. JSON is kept as text:
a database's own JSON type would respell numbers. Each primary key begins with the tenant.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Text

METADATA: Final = MetaData()

# Compared byte by byte everywhere: another collation would order otherwise, and change with the operating system.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY


def key(name: str) -> Column[str]:
    """Return a text column of a primary key."""
    return Column(name, TEXT, primary_key=True, nullable=False)


def words(name: str) -> Column[str]:
    """Return a text column."""
    return Column(name, TEXT, nullable=False)


def number(name: str) -> Column[int]:
    """Return a column of whole numbers."""
    return Column(name, BigInteger, nullable=False)


def number_key(name: str) -> Column[int]:
    """Return a column of whole numbers of a primary key."""
    return Column(name, BigInteger, primary_key=True, nullable=False, autoincrement=False)


def flag(name: str) -> Column[bool]:
    """Return a column that is true or false."""
    return Column(name, Boolean, nullable=False)
