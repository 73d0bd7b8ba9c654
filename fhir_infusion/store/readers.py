"""Connections that read, each on one snapshot at a time.

SQLAlchemy takes a connection from its pool, begins, ends and gives it back for some 80 us, several times what it costs
to read one version. Here a few connections are kept out of the pool, and the driver is told to begin and to end.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import dialect
from fhir_infusion.store.trouble import STORAGE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

KEPT: Final = 8
"""Connections that rest here at most; what more is needed for a while goes back to the pool."""


class Readers:
    """The connections of an engine whose connections cannot write. May be used from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._resting: deque[Connection] = deque()
        self._open = True

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection inside a transaction; what fails in the database ends the connection, too."""
        try:
            connection = self._resting.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            dialect.begin_reading(connection)
            yield connection
            dialect.end_reading(connection)
        except BaseException as error:
            # In SQLite a statement that was not read to its end holds its snapshot beyond the transaction.
            if isinstance(error, STORAGE_ERRORS) or not dialect.is_shared(connection) or not _ends(connection):
                _discard(connection)
            else:
                self._rest(connection)
            raise
        self._rest(connection)

    def dispose(self) -> None:
        """Close what rests; what is read now ends first. It may be read on: with new connections."""
        while self._resting:
            with suppress(IndexError):
                _discard(self._resting.pop())
        self.engine.dispose()

    def close(self) -> None:
        """Close what rests, and let nothing rest any more."""
        self._open = False
        self.dispose()

    def _rest(self, connection: Connection) -> None:
        if self._open and len(self._resting) < KEPT:
            self._resting.append(connection)
        else:
            with suppress(*STORAGE_ERRORS):
                connection.close()


def _ends(connection: Connection) -> bool:
    """End the transaction; say whether that went well."""
    try:
        dialect.end_reading(connection)
    except STORAGE_ERRORS:
        return False
    return True


def _discard(connection: Connection) -> None:
    with suppress(*STORAGE_ERRORS):
        connection.invalidate()
    with suppress(*STORAGE_ERRORS):
        connection.close()
