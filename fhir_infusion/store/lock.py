"""Who may write: a lock on a file beside the database, held for as long as the process lives.

Several processes that write one database are forked by the one that holds the lock, and take turns: one writes, or
brings the log into the file, at a time. The fault of SQLite 3.7.0 to 3.51.2 by which a log may be emptied while another
connection writes (https://www.sqlite.org/wal.html#walresetbug) needs two at once.

The lock is the kernel's (``flock``), so that kill -9 frees it; what stands in the file is only told to others: the
process, the loopback address where it takes work, and the token to show there. A file that still names a process when
nobody holds the lock means that the writer before us did not end cleanly.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import mmap
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import postgresql
from fhir_infusion.store.dialect import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAUSE_SECONDS = 0.05
_LEAST_WAIT_SECONDS = 0.25  # somebody who asks for the owner holds a shared lock for an instant


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the lock. ``address`` is ``host:port`` on loopback, empty where no work is taken."""

    pid: int
    address: str
    token: str


class WriterLock:
    """The lock, held. ``unclean`` says whether the writer before us ended without closing."""

    def __init__(self, descriptor: int, *, unclean: bool) -> None:
        self._descriptor = descriptor
        self.unclean = unclean
        self._owner = Owner(os.getpid(), "", secrets.token_urlsafe(32))
        self._write(self._owner)

    def announce(self, address: str) -> str:
        """Tell others where work is taken; return the token that they will show."""
        self._owner = Owner(self._owner.pid, address, self._owner.token)
        self._write(self._owner)
        return self._owner.token

    def release(self) -> None:
        """Leave cleanly."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Free the lock without calling the database clean: it is checked at the next start."""
        os.close(self._descriptor)

    def _write(self, owner: Owner) -> None:
        content = json.dumps(asdict(owner)).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))


class Shared:
    """The lock of ``database``, held by the process that forks those that write, each of which is a :class:`Member`."""

    def __init__(self, database: Path, held: WriterLock) -> None:
        self.database = database
        self.held = held
        self.unclean = mmap.mmap(-1, 1)  # one byte that all of them see

    def release(self) -> None:
        """Leave after the last member: cleanly where each of them did."""
        if self.unclean[0]:
            self.held.abandon()
        else:
            self.held.release()


class Member:
    """The lock as it is shared by one process, which keeps it with the others until their end."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def announce(self, address: str) -> str:
        """Tell others where work is taken; return the token that they will show, the same for each process."""
        return self._shared.held.announce(address)

    def release(self) -> None:
        """Leave cleanly."""

    def abandon(self) -> None:
        """Leave without calling the database clean."""
        self._shared.unclean[0] = 1


class Turns:
    """Turns of the processes that share a lock, on a file of its own."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}.turns")
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn to write; a process that dies in its turn gives it back. One thread of a process asks."""
        descriptor = self._open()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def try_exclusive(self, name: str) -> bool:
        """Take a name that no other process has until :meth:`end_exclusive`; say whether we have it."""
        try:
            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except OSError:
            return False
        return True

    def end_exclusive(self, name: str) -> None:
        """Give a name back."""
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Leave; who asks for a name after that does not have it. Closing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            raise OSError(errno.EBADF, "the turns are over")
        return self._descriptor


def _place(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def acquire(database: Path, wait_seconds: float = 0) -> WriterLock:
    """Take the lock of a database.

    Raises:
        Unavailable: another process holds it, still so after ``wait_seconds``.
    """
    path = _beside(database)
    until = time.monotonic() + max(wait_seconds, _LEAST_WAIT_SECONDS)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                raise Unavailable(_held(_read(path))) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return WriterLock(descriptor, unclean=os.fstat(descriptor).st_size > 0)


def owner_of_url(url: str) -> Owner | None:
    """Return who alone writes the database of a URL now; None where nobody does.

    Raises:
        SettingsError: the URL is not of a database that we know.
    """
    if postgresql.is_url(url):
        return None
    path = _beside(path_of(url))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def _beside(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _read(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # its holder is just writing it


_ASK_IT: Final = "let it do this work, in a moment where it has just started, or stop it"


def _held(owner: Owner | None) -> str:
    if owner is None:
        return f"another process writes this database; {_ASK_IT}"
    place = f" and takes work at {owner.address}" if owner.address else ""
    return f"process {owner.pid} writes this database{place}; {_ASK_IT}"
