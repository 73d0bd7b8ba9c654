"""The store of one database: opened for writing by one process, for reading by any.

Opening for writing: 1. make the file, 2. take the lock, 3. check the file where the last writer did not end cleanly,
4. bring the tables up to date, 5. start the writer thread. Readers never wait for the writer (WAL).
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import dialect, lock, migrate
from fhir_infusion.store.tables import SECRETS
from fhir_infusion.store.tx import Tx, from_ms, to_ms
from fhir_infusion.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Engine

T = TypeVar("T")

_PAGE_KEY = "page-tokens"


class Store:
    """What :func:`open_store` and :func:`open_reader` return. May be used from any thread.

    ``secret`` signs page tokens; it lies in the database, so that a token survives a restart.
    """

    def __init__(
        self,
        reading: Engine,
        clock: Callable[[], datetime],
        writer: Writer | None,
        held: lock.WriterLock | None,
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._writer = writer
        self._lock = held
        self.secret: bytes = self.read("", _page_secret)

    def transact(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in a transaction of ``tenant``; return its result once that is on disk.

        ``work`` is short, calls no other server and waits for nothing. What it raises is raised here, and then nothing
        of it is stored.

        Raises:
            Unavailable: the storage failed, or is open for reading only; nothing is acknowledged.
        """
        if self._writer is None:
            raise Unavailable("the database is open for reading only")
        return self._writer.transact(tenant, work)

    def read(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` on one snapshot of what is committed.

        Raises:
            Unavailable: the storage cannot be read now.
        """
        now = from_ms(to_ms(self._clock()))
        try:
            with self._reading.begin() as connection:
                return work(Tx(tenant, now, connection))
        except dialect.STORAGE_ERRORS as error:
            raise Unavailable("the storage cannot be read now") from error

    def announce(self, address: str) -> str:
        """Tell other processes that work is taken at ``address`` (host:port); return the token they will show.

        Raises:
            Unavailable: this store is open for reading only.
        """
        if self._lock is None:
            raise Unavailable("the database is open for reading only")
        return self._lock.announce(address)

    def healthy(self) -> bool:
        """Say whether changes are taken now."""
        return self._writer is not None and self._writer.healthy()

    def close(self) -> None:
        """Finish what waits, and free the lock. Closing twice is harmless."""
        clean = self._writer.close() if self._writer is not None else True
        self._reading.dispose()
        if self._lock is not None:
            if clean:
                self._lock.release()
            else:
                self._lock.abandon()
            self._lock = None


def open_store(url: str, clock: Callable[[], datetime], *, wait_seconds: float = 0) -> Store:
    """Open a database for writing, making it where there is none. Call it after the last fork.

    Args:
        url: ``sqlite:///PATH``.
        clock: returns an aware datetime.
        wait_seconds: how long to wait for a process that still writes to end.

    Raises:
        Unavailable: another process writes it, or the storage failed or is damaged.
        SettingsError: the URL is of another form, or the database was made by a newer version of this program.
    """
    path = dialect.path_of(url)
    dialect.prepare_file(path)
    held = lock.acquire(path, wait_seconds)
    engine = dialect.writing_engine(path)
    try:
        if held.unclean:
            _check(engine)
        migrate.upgrade(engine)
        _make_secret(engine)
        writer = Writer(engine, clock)
        return Store(dialect.reading_engine(path), clock, writer, held)
    except dialect.STORAGE_ERRORS as error:
        held.abandon()
        raise Unavailable("the database cannot be opened for writing") from error
    except BaseException:
        held.abandon()
        raise


def open_reader(url: str, clock: Callable[[], datetime]) -> Store:
    """Open a database for reading, beside whoever writes it.

    Raises:
        Unavailable: there is no such database, or it cannot be read.
        SettingsError: the URL is of another form.
    """
    path = dialect.path_of(url)
    if not path.is_file() or not path.stat().st_size:
        raise Unavailable("there is no database at this place yet; `fhir-infusion serve` makes it")
    return Store(dialect.reading_engine(path), clock, None, None)


def _check(engine: Engine) -> None:
    with engine.connect() as connection:
        found = dialect.complaints(connection, whole=True)
    if found:
        raise Unavailable("the database file is damaged (integrity check); restore it from a backup")


def _make_secret(engine: Engine) -> None:
    with engine.begin() as connection:
        dialect.insert_once(connection, SECRETS, {"name": _PAGE_KEY, "value": secrets.token_bytes(32)})


def _page_secret(tx: Tx) -> bytes:
    with suppress(*dialect.STORAGE_ERRORS):
        return bytes(tx.connection.execute(select(SECRETS.c.value).where(SECRETS.c.name == _PAGE_KEY)).scalar_one())
    raise Unavailable("the database is not one of this program, or not made whole yet")
