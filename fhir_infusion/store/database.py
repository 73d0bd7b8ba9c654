"""The store of one database: SQLite's is opened for writing by one process and those it forks, PostgreSQL's by any.

Opening SQLite for writing: 1. make the file, 2. take the lock, 3. check the file where the last writer did not end
cleanly, 4. bring the tables up to date, 5. start the writer thread. Where several processes are to write, 1 to 4 are
done before the fork (:func:`share`) and 5 in each (:func:`open_shared`). With PostgreSQL only 4, one process at a time,
and 5. Readers never wait for a writer.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from fhir_infusion.errors import SettingsError, Unavailable
from fhir_infusion.store import dialect, lock, migrate, postgresql
from fhir_infusion.store.readers import Readers
from fhir_infusion.store.tables import SECRETS
from fhir_infusion.store.trouble import STORAGE_ERRORS, Outage, refusal_of, trouble_of
from fhir_infusion.store.tx import Tx, from_ms, to_ms
from fhir_infusion.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Engine

T = TypeVar("T")

_PAGE_KEY = "page-tokens"
_PAUSE_SECONDS = 0.5


class Store:
    """What :func:`open_store` and :func:`open_reader` return. May be used from any thread.

    ``secret`` signs page tokens; it lies in the database, so that a token survives a restart.
    """

    def __init__(
        self,
        reading: Engine,
        clock: Callable[[], datetime],
        writer: Writer | None,
        held: lock.WriterLock | lock.Member | None,
        locking: Engine | None = None,
        turns: lock.Turns | None = None,
    ) -> None:
        self._locking = locking
        self._turns = turns
        self._reading = reading
        self._readers = Readers(reading)
        self._clock = clock
        self._writer = writer
        self._lock = held
        self._outage = Outage()
        self._alone: dict[str, threading.Lock] = {}
        self.secret: bytes = self.read("", _page_secret)

    def transact(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in a transaction of ``tenant``; return its result once that is on disk.

        ``work`` is short, calls no other server and waits for nothing. What it raises is raised here, and then nothing
        of it is stored.

        Raises:
            Refused: 422, an identifier is longer than the database can look up.
            Unavailable: the storage failed, or is open for reading only; nothing is acknowledged.
        """
        if self._writer is None:
            raise Unavailable("the database is open for reading only")
        # What holds here, such as the mapping of a request, holds in the thread that writes, too.
        context = copy_context()
        return self._writer.transact(tenant, lambda tx: context.run(work, tx))

    def read(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` on one snapshot of what is committed.

        Raises:
            Refused: 404, it asks for what cannot be there.
            Unavailable: the storage cannot be read now.
        """
        while True:
            now = from_ms(to_ms(self._clock()))
            try:
                with self._readers.snapshot() as connection:
                    result = work(Tx(tenant, now, connection))
            except SettingsError as error:  # a new connection was refused, such as one that is not encrypted
                raise Unavailable("the storage cannot be read now") from error
            except STORAGE_ERRORS as error:
                if refused := refusal_of(error):
                    raise refused from None
                if trouble_of(error) == "lost":
                    self._readers.dispose()  # what waits in the pool is lost, too
                    if self._outage.goes_on():
                        continue
                raise Unavailable("the storage cannot be read now") from error
            self._outage.is_over()
            return result

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Give whether nobody else, in any process, is in a block of this name; whoever is not alone leaves again.

        It keeps others from doing the same work twice, no more: a process that loses its connection is not told.

        Raises:
            Unavailable: the storage does not answer.
        """
        if self._locking is None:
            with self._alone_here(name) as taken:
                yield taken
            return
        try:
            connection = self._locking.connect()
        except STORAGE_ERRORS as error:
            raise Unavailable("the storage does not answer") from error
        try:
            taken = postgresql.try_exclusive(connection, name)
            yield taken
            if taken:
                with suppress(*STORAGE_ERRORS):
                    postgresql.end_exclusive(connection, name)
        finally:
            with suppress(*STORAGE_ERRORS):
                connection.close()

    @contextmanager
    def _alone_here(self, name: str) -> Iterator[bool]:
        """Do as ``alone``, among the threads of this process and the processes that take turns."""
        within = self._alone.setdefault(name, threading.Lock())
        if not within.acquire(blocking=False):
            yield False
            return
        try:
            if self._turns is None:
                yield True
            elif not self._turns.try_exclusive(name):
                yield False
            else:
                try:
                    yield True
                finally:
                    self._turns.end_exclusive(name)
        finally:
            within.release()

    def announce(self, address: str) -> str:
        """Tell other processes that work is taken at ``address`` (host:port); return the token they will show.

        It is empty where they may write themselves, so that nobody is told.

        Raises:
            Unavailable: this store is open for reading only.
        """
        if self._writer is None:
            raise Unavailable("the database is open for reading only")
        return self._lock.announce(address) if self._lock is not None else ""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write the same database."""
        return self._turns is not None or dialect.is_shared(self._reading)

    def healthy(self) -> bool:
        """Say whether changes are taken now. A server is asked: it may have gone since the last change."""
        if self._writer is None or not self._writer.healthy():
            return False
        return not dialect.is_shared(self._reading) or postgresql.answers(self._reading)

    def close(self) -> None:
        """Finish what waits, and free the lock. Closing twice is harmless."""
        clean = self._writer.close() if self._writer is not None else True
        self._readers.close()
        if self._lock is not None:
            if clean:
                self._lock.release()
            else:
                self._lock.abandon()
            self._lock = None
        if self._turns is not None:
            self._turns.close()


def open_store(
    url: str, clock: Callable[[], datetime], *, wait_seconds: float = 0, password_file: Path | None = None
) -> Store:
    """Open a database for writing, making what is in it where it is not there. Call it after the last fork.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://…``.
        clock: returns an aware datetime.
        wait_seconds: how long to wait for a process that still writes to end, or for a server to come up.
        password_file: where the password for PostgreSQL stands, if libpq does not find it by itself.

    Raises:
        Unavailable: another process writes it, or the storage failed, is damaged, or cannot be reached.
        SettingsError: the URL is of another form, or the database was made by a newer version of this program.
    """
    if postgresql.is_url(url):
        return _open_server(url, clock, wait_seconds, password_file)
    path = dialect.path_of(url)
    dialect.prepare_file(path)
    held = lock.acquire(path, wait_seconds)
    engine = _made_ready(path, held)
    return _opened(lambda: Store(dialect.reading_engine(path), clock, Writer(engine, clock), held), held)


def share(url: str, *, wait_seconds: float = 0) -> lock.Shared | None:
    """Take SQLite's lock for processes that are still to be forked, and bring the tables up to date.

    Each opens its store with :func:`open_shared`; whoever asked releases the lock after their end. None with
    PostgreSQL, which needs no lock.

    Raises as :func:`open_store`.
    """
    if postgresql.is_url(url):
        return None
    path = dialect.path_of(url)
    dialect.prepare_file(path)
    held = lock.acquire(path, wait_seconds)
    _made_ready(path, held).dispose()
    return lock.Shared(path, held)


def open_shared(held: lock.Shared, clock: Callable[[], datetime]) -> Store:
    """Open a database for writing beside the other processes that were forked with ``held``.

    Raises:
        Unavailable: the storage failed.
    """
    path, member = held.database, lock.Member(held)
    turns = lock.Turns(path)
    writer = Writer(dialect.writing_engine(path), clock, turns.turn)
    return _opened(lambda: Store(dialect.reading_engine(path), clock, writer, member, turns=turns), member)


def _made_ready(path: Path, held: lock.WriterLock) -> Engine:
    """Return an engine that writes, after the file was checked where that is due and the tables are up to date."""

    def ready() -> Engine:
        engine = dialect.writing_engine(path)
        if held.unclean:
            _check(engine)
        migrate.upgrade(engine)
        _make_secret(engine)
        return engine

    return _opened(ready, held)


def _opened(opening: Callable[[], T], held: lock.WriterLock | lock.Member) -> T:
    """Return what is opened; the lock is given back where that fails."""
    try:
        return opening()
    except STORAGE_ERRORS as error:
        held.abandon()
        raise Unavailable("the database cannot be opened for writing") from error
    except BaseException:
        held.abandon()
        raise


def _open_server(url: str, clock: Callable[[], datetime], wait_seconds: float, password_file: Path | None) -> Store:
    engine = postgresql.writing_engine(url, password_file)
    until = time.monotonic() + wait_seconds
    while True:
        try:
            migrate.upgrade(engine)
            _make_secret(engine)
        except STORAGE_ERRORS as error:
            if trouble_of(error) != "lost":
                raise Unavailable("the database cannot be opened for writing") from error
            if time.monotonic() >= until:
                raise postgresql.unreachable() from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return Store(postgresql.reading_engine(url, password_file), clock, Writer(engine, clock), None, engine)


def open_reader(url: str, clock: Callable[[], datetime], *, password_file: Path | None = None) -> Store:
    """Open a database for reading, beside whoever writes it.

    Raises:
        Unavailable: there is no such database, or it cannot be read.
        SettingsError: the URL is of another form.
    """
    if postgresql.is_url(url):
        engine = postgresql.reading_engine(url, password_file)
        try:
            with engine.connect() as connection:
                made = postgresql.is_made(connection)
        except STORAGE_ERRORS as error:
            engine.dispose()
            raise postgresql.unreachable() from error
    else:
        path = dialect.path_of(url)
        made = path.is_file() and path.stat().st_size > 0
        engine = dialect.reading_engine(path)
    if not made:
        engine.dispose()
        raise Unavailable("there is no database at this place yet; `fhir-infusion serve` makes it")
    return Store(engine, clock, None, None)


def _check(engine: Engine) -> None:
    with engine.connect() as connection:
        found = dialect.complaints(connection, whole=True)
    if found:
        raise Unavailable("the database file is damaged (integrity check); restore it from a backup")


def _make_secret(engine: Engine) -> None:
    with engine.begin() as connection:
        dialect.insert_once(connection, SECRETS, {"name": _PAGE_KEY, "value": secrets.token_bytes(32)})


def _page_secret(tx: Tx) -> bytes:
    with suppress(*STORAGE_ERRORS):
        return bytes(tx.connection.execute(select(SECRETS.c.value).where(SECRETS.c.name == _PAGE_KEY)).scalar_one())
    raise Unavailable("the database is not one of this program, or not made whole yet")
