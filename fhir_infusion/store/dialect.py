"""What differs between databases, in one place: opening, beginning, inserting once, and what they say of themselves.

Where both have a word for it, it is chosen here by the connection; how PostgreSQL is connected to stands in
``postgresql``. SQLite runs with WAL and ``synchronous=FULL``: a commit that returned is on disk
(https://www.sqlite.org/pragma.html#pragma_synchronous). One connection at a time writes and does the checkpoints
(``lock``), which removes the condition of the WAL-reset fault of SQLite 3.7.0 to 3.51.2.
"""

from __future__ import annotations

import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, QueuePool, Table, create_engine, event
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from fhir_infusion.errors import SettingsError, Unavailable
from fhir_infusion.store import postgresql
from fhir_infusion.store.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, FromClause

    from fhir_infusion.store.tx import Tx

Inserting = TypeVar("Inserting", SqliteInsert, PostgresqlInsert)

_SCHEME: Final = "sqlite:///"
SQLITE: Final = "sqlite"
"""The name of the dialect, for ``with_hint`` and for what a ``Statement`` says otherwise."""
_BUSY_MS: Final = 5_000
_WAL_LIMIT: Final = 64 * 1024 * 1024
_CHECKPOINT_PAGES: Final = 6_000
"""About 24 MB of log: a page that many changes touch is written to the file once for all of them."""
_CACHE_KIB: Final = 16 * 1024


def path_of(url: str) -> Path:
    """Return the database file of a URL ``sqlite:///PATH``.

    Raises:
        SettingsError: the URL is of another form.
    """
    path = url.removeprefix(_SCHEME)
    if path == url or not path or path == ":memory:":
        raise SettingsError("database: accepted is sqlite:///PATH")
    return Path(path)


def prepare_file(path: Path) -> None:
    """Make the database file, readable by its owner only; SQLite gives its companions the same mode.

    Raises:
        Unavailable: the directory or the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise Unavailable("the database file cannot be made or opened for writing") from error


def writing_engine(path: Path) -> Engine:
    """Return an engine whose transactions write; the caller sees to it that one thread at a time uses it."""
    engine = create_engine(f"{_SCHEME}{path}", poolclass=NullPool)
    engine.dialect.statement_compiler = _Compiler
    _control_transactions(engine, "BEGIN IMMEDIATE")

    @event.listens_for(engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"journal_size_limit={_WAL_LIMIT}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            f"cache_size=-{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def reading_engine(path: Path, threads: int = 32) -> Engine:
    """Return an engine whose connections cannot write; each transaction sees one snapshot."""
    url = f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true"
    engine = create_engine(url, poolclass=QueuePool, pool_size=threads, max_overflow=threads, pool_timeout=5)
    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say when a snapshot begins
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}").close()
        connection.execute("PRAGMA query_only=ON").close()

    return engine


class _Compiler(SQLiteCompiler):
    """Writes hints (``INDEXED BY``, https://www.sqlite.org/lang_indexedby.html), which SQLAlchemy leaves out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  as it is called
        return text


def undo_in_memory(connection: Connection) -> None:
    """Let SQLite keep in memory what it needs to undo a piece of work; outside a transaction.

    Else the former content of each page that a piece of work touches, some seventy for an order, is written to a
    temporary file and thrown away again (https://www.sqlite.org/tempfiles.html#stmtjrnl): as much as is written to the
    log, and a tenth of the processor's time of a create.
    """
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA temp_store=MEMORY").close()


def begin_reading(connection: Connection) -> None:
    """Begin a snapshot; PostgreSQL's driver does so by itself, with the first statement."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("BEGIN")


def end_reading(connection: Connection) -> None:
    """End a snapshot, in which nothing was changed; after ROLLBACK the driver would forget what it prepared."""
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("COMMIT")
    else:
        driver.commit()


def _control_transactions(engine: Engine, begin: str) -> None:
    """Say BEGIN ourselves: the driver would begin late, at the first write, and not at all for a savepoint.

    https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#pysqlite-serializable
    """

    @event.listens_for(engine, "connect")
    def _leave_it_to_us(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is taken; say whether it was inserted."""
    statement = _inserting(connection, table).on_conflict_do_nothing()
    # SQLAlchemy may fetch the key of an inserted row, and forgets the count then unless told to keep it.
    return connection.execute(statement, dict(values), execution_options={"preserve_rowcount": True}).rowcount > 0


def once(table: Table) -> Statement:
    """Return the statement that inserts a row with all its columns unless its key is taken."""
    return Statement(
        sqlite_insert(table).on_conflict_do_nothing(),
        {"postgresql": postgresql_insert(table).on_conflict_do_nothing()},
    )


def replace(tx: Tx, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row with all its columns, or set those of the row that has its key."""
    _replacing(table).write(tx, values)


def replacing(table: Table, where: ColumnElement[bool] | None = None) -> Statement:
    """Return the statement that does so, where the row that has the key meets a condition; else it writes nothing."""
    return Statement(_setting(sqlite_insert(table), where), {"postgresql": _setting(postgresql_insert(table), where)})


@cache
def _replacing(table: Table) -> Statement:
    """Return the statement, said once: to say costs many times what it costs to run it."""
    return replacing(table)


def _setting(statement: Inserting, where: ColumnElement[bool] | None) -> Inserting:
    key = [column.name for column in statement.table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in statement.table.c if column.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=rest, where=where)


def _inserting(connection: Connection, table: Table) -> SqliteInsert | PostgresqlInsert:
    return postgresql_insert(table) if is_shared(connection) else sqlite_insert(table)


def is_shared(where: Connection | Engine) -> bool:
    """Say whether other processes may write the same database."""
    return where.dialect.name == "postgresql"


def complaints(connection: Connection, *, whole: bool) -> list[str]:
    """Return what the database's own check finds; ``whole`` also compares SQLite's indexes with its tables."""
    if is_shared(connection):
        return postgresql.complaints(connection)
    rows = connection.exec_driver_sql(f"PRAGMA {'integrity_check' if whole else 'quick_check'}(10)").scalars()
    return [row for row in rows if row != "ok"]


def checkpoint(connection: Connection) -> None:
    """Bring SQLite's log into the database file and empty it. Outside a transaction."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
