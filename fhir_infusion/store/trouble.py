"""What an error of a database means: whose fault it is, and whether the same again may succeed.

PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html; SQLite: https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Final, Literal

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.store import postgresql

Trouble = Literal["full", "broken", "busy", "own", "again", "lost"]

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (sqlite3.Error, DBAPIError, *postgresql.DRIVER_ERRORS)
"""What running a statement can raise, through SQLAlchemy or past it."""
STORAGE_ERRORS: Final[tuple[type[Exception], ...]] = (sqlite3.Error, SQLAlchemyError, *postgresql.DRIVER_ERRORS)
"""What using a database can raise."""

REASONS: Final[dict[Trouble, str]] = {
    "full": "there is no space left to store anything",
    "busy": "another process holds the database",
    "broken": "the storage failed",
    "own": "the storage failed",
    "again": "too many change the same at once",
    "lost": "the database server does not answer",
}
"""What a caller is told."""

_SQLITE: Final[dict[str, Trouble]] = {
    "SQLITE_CONSTRAINT": "own",
    "SQLITE_FULL": "full",
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
}
_POSTGRESQL: Final[dict[str, Trouble]] = {
    "22": "own",  # a value that the database cannot hold
    "23": "own",  # a constraint
    "54": "own",  # a value too long for an index
    "40": "again",  # serialization failure, deadlock
    "53100": "full",
    "53": "lost",  # too many connections, out of memory
    "55P03": "busy",  # a lock was not free in time
    "57014": "busy",  # a statement took too long
    "08": "lost",
    "57": "lost",  # the server shuts down, or is not up yet
    "0A000": "lost",  # a statement was prepared before the tables changed
    "25P03": "lost",  # we were silent in a transaction for too long
}


def trouble_of(error: BaseException) -> Trouble:
    """Tell what an error of the driver means for the transaction.

    ``own``: the statement's own fault, the transaction goes on. ``full``: no space. ``busy``: somebody else holds what
    is needed. ``broken``: the disk or the file; nothing of this transaction may be trusted. ``again``: it met another
    transaction and was undone. ``lost``: the server has ended the connection, or cannot be reached.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, postgresql.DRIVER_ERRORS):
        return _of_postgresql(cause)
    name = "_".join(str(getattr(cause, "sqlite_errorname", "")).split("_")[:2])
    return _SQLITE.get(name, "broken")


def _of_postgresql(cause: BaseException) -> Trouble:
    state = str(getattr(cause, "sqlstate", None) or "")
    if state:
        return _POSTGRESQL.get(state, _POSTGRESQL.get(state[:2], "broken"))
    # Without a code the driver speaks: of a value that it cannot send, or of a connection that is no more.
    return "own" if isinstance(cause, postgresql.VALUE_ERRORS) else "lost"


def refusal_of(error: BaseException) -> Refused | None:
    """Return what is told of a value that PostgreSQL cannot hold and SQLite can; None for any other error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, postgresql.DRIVER_ERRORS):
        return None
    state = str(getattr(cause, "sqlstate", None) or "")
    if state == "54000":
        return Refused(_TOO_LONG)
    if state == "22021" or (not state and isinstance(cause, postgresql.VALUE_ERRORS)):
        return Refused(_NO_TEXT)
    return None


_TOO_LONG: Final = Issue(
    "error",
    "too-long",
    "",
    "an identifier, code or reference is longer than the database can look up",
    "2,000 characters",
    "indexed-length",
    BREAKS_RULE,
)
_NO_TEXT: Final = Issue("error", "not-found", "", "there is nothing whose name holds the character U+0000", status=404)
"""Everything that is stored was read without that character, so it can only have been asked for."""


class Outage:
    """How long a database has been in trouble; safe to use from several threads.

    What did not reach its commit is tried again for ``SECONDS``: a server restarts in that time. After it, whoever asks
    is told at once.
    """

    SECONDS: Final = 10.0
    _PAUSE_SECONDS: Final = 0.1

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None

    def goes_on(self) -> bool:
        """Note that something failed; after a pause say whether it is worth trying again."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
        if self.lasts():
            return False
        time.sleep(self._PAUSE_SECONDS)
        return True

    def lasts(self) -> bool:
        """Say whether the trouble has lasted too long to wait for its end."""
        with self._lock:
            return self._since is not None and time.monotonic() - self._since > self.SECONDS

    def is_over(self) -> None:
        """Note that something succeeded."""
        with self._lock:
            self._since = None
