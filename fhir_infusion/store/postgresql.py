"""PostgreSQL: connecting to it, what each session is told, and what it is asked about itself.

The address is handed to libpq as it stands, so that whatever libpq knows can be used: services, ``~/.pgpass``, several
hosts, certificates (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING). A password never
stands in it: it would be printed with the settings.

Changes of one tenant are made one after the other, whichever process makes them: each transaction first locks the
tenant's row of ``feeds``. At READ COMMITTED every statement after that sees all that was committed before, so that what
a piece of work compares holds until its commit; and since PostgreSQL shows a commit before it frees its locks, the
moments given out under the lock become visible in their order: a reader who asks for what changed since misses none.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from fhir_infusion.config import read_secret
from fhir_infusion.errors import SettingsError, Unavailable

try:
    import psycopg
    import psycopg.conninfo
except ImportError:  # the extra `postgresql` is not installed
    psycopg = None  # type: ignore[assignment]  # asked for before it is used

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

SCHEME: Final = "postgresql://"

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = () if psycopg is None else (psycopg.Error,)
"""What running a statement can raise past SQLAlchemy."""
_NO_ANSWER: Final[tuple[type[Exception], ...]] = (SQLAlchemyError, *DRIVER_ERRORS)
VALUE_ERRORS: Final[tuple[type[Exception], ...]] = (
    () if psycopg is None else (psycopg.DataError, psycopg.IntegrityError)
)

_DEFAULTS: Final[Mapping[str, str]] = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "target_session_attrs": "read-write",
    "application_name": "fhir-infusion",
}
"""So that a server that is gone is noticed, and one that only follows another is not written to."""

_SESSION: Final = """
    SELECT set_config('lock_timeout', '10s', false),
           set_config('statement_timeout', '60s', false),
           set_config('idle_in_transaction_session_timeout', '10s', false),
           set_config('jit', 'off', false),
           set_config('synchronous_commit',
                      CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                      ELSE current_setting('synchronous_commit') END, false)
"""
"""A process that stops midway (SIGSTOP, swapped out) must not hold a tenant's lock; a commit waits for the disk.

``jit``: behind a backlog the claim looks dear to the planner, and compiling it takes 0.7 s where running it takes 1 ms.
"""

_READING: Final = "SELECT set_config('plan_cache_mode', 'force_custom_plan', false)"
"""The driver prepares what is asked often, and a plan that fits every value takes each for a rare one: a page of what
most have would be found by sorting all of them (a minute of a million), where it is read in order from an index.
"""

_OVERFLOW: Final = 24
_UPGRADING: Final = 4_771_092_118
"""The number of the advisory lock under which tables are changed."""


def is_url(url: str) -> bool:
    """Say whether a URL is one of PostgreSQL."""
    return url.startswith(SCHEME)


def writing_engine(url: str, password_file: Path | None = None) -> Engine:
    """Return an engine that opens a connection each time it is asked for one.

    Raises:
        SettingsError: the driver is not installed, or the URL is of another form.
    """
    return _engine(url, password_file, poolclass=NullPool)


def reading_engine(url: str, password_file: Path | None = None) -> Engine:
    """Return an engine whose connections cannot write; each transaction sees one snapshot.

    Raises:
        SettingsError: as :func:`writing_engine`.
    """
    pool = {"poolclass": QueuePool, "pool_size": 8, "max_overflow": _OVERFLOW, "pool_timeout": 5}
    return _engine(url, password_file, reading=True, **pool)


def _engine(url: str, password_file: Path | None, *, reading: bool = False, **pool: Any) -> Engine:
    driver, given = _driver(), parameters(url)

    def connect() -> Any:
        # Read each time: the password may have been changed.
        secret = {} if password_file is None else {"password": read_secret(password_file)}
        connection = driver.connect(**{**_DEFAULTS, **given, **secret})
        try:
            _refuse_plain(connection, given)
            with connection.cursor() as cursor:
                cursor.execute(_SESSION)
                if reading:
                    cursor.execute(_READING)
            connection.commit()
            if reading:
                connection.isolation_level = driver.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
        except BaseException:
            connection.close()
            raise
        return connection

    # Parameters are values of the input, which must not stand in an error's text.
    return create_engine("postgresql+psycopg://", creator=connect, hide_parameters=True, **pool)


def _driver() -> Any:
    if psycopg is None:
        raise SettingsError("database: PostgreSQL needs its driver; install fhir-infusion[postgresql]")
    return psycopg


def parameters(url: str) -> dict[str, str]:
    """Return what a URL says, by the names of libpq.

    Raises:
        SettingsError: the driver is not installed, the URL is of another form, or it holds a password.
    """
    driver = _driver()
    try:
        said: dict[str, Any] = driver.conninfo.conninfo_to_dict(url)
    except driver.ProgrammingError:
        raise SettingsError("database: accepted is postgresql://USER@HOST:PORT/NAME") from None
    found = {name: str(value) for name, value in said.items() if value is not None}
    if "password" in found:
        raise SettingsError(
            "database: a password does not stand in the URL; accepted are database_password_file, PGPASSWORD or .pgpass"
        )
    return found


def _refuse_plain(connection: Any, given: Mapping[str, str]) -> None:
    """Refuse a connection that others can listen to, unless the URL says that the network is trusted."""
    host = connection.info.host
    if connection.pgconn.ssl_in_use or given.get("sslmode") == "disable" or host.startswith(("/", "@")) or not host:
        return
    address = connection.info.hostaddr
    try:
        near = ipaddress.ip_address(address).is_loopback
    except ValueError:
        near = False
    if not near:
        raise SettingsError(
            "database: beyond this machine accepted is a connection with TLS, such as ?sslmode=verify-full; "
            "?sslmode=disable says that the network is trusted"
        )


def lock_upgrades(connection: Connection) -> None:
    """Wait until no other process changes the tables; the lock goes with the connection."""
    for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text("SELECT set_config(:name, '0', false)"), {"name": limit})
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _UPGRADING})
    connection.commit()


def demand_unicode(connection: Connection) -> None:
    """Refuse a database that cannot hold every text.

    Raises:
        SettingsError: its encoding is not UTF8.
    """
    if connection.execute(text("SHOW server_encoding")).scalar() != "UTF8":
        raise SettingsError("database: accepted is a PostgreSQL database with the encoding UTF8")


def try_exclusive(connection: Connection, name: str) -> bool:
    """Take a lock of this name for as long as the connection lives; say whether it was free."""
    taken = connection.execute(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": name}).scalar()
    connection.commit()
    return bool(taken)


def end_exclusive(connection: Connection, name: str) -> None:
    """Give a lock back at once: that the connection was closed, the server may notice later."""
    connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), {"name": name})
    connection.commit()


def answers(engine: Engine) -> bool:
    """Say whether the server answers now; a session that it ended meanwhile is made anew."""
    for _ in range(2):
        try:
            with engine.connect() as connection:
                return connection.execute(text("SELECT 1")).scalar() == 1
        except _NO_ANSWER:
            engine.dispose()
    return False


def is_made(connection: Connection) -> bool:
    """Say whether our tables are there."""
    return connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is not None


_COMPLAINTS: Final = """
    SELECT 'index ' || indexrelid::regclass || ' is not valid' FROM pg_index WHERE NOT indisvalid
    UNION ALL SELECT 'constraint ' || conname || ' is not validated' FROM pg_constraint WHERE NOT convalidated
    UNION ALL SELECT checksum_failures || ' pages had a wrong checksum' FROM pg_stat_database
              WHERE datname = current_database() AND checksum_failures > 0
    UNION ALL SELECT 'the server runs with ' || name || ' = off: what is acknowledged may be lost' FROM pg_settings
              WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
"""


def complaints(connection: Connection) -> list[str]:
    """Return what the server knows to be wrong with this database; its pages are checked by pg_amcheck."""
    return list(connection.execute(text(_COMPLAINTS)).scalars())


def unreachable() -> Unavailable:
    """Return what is said where no connection can be made; the driver's words name hosts and users."""
    return Unavailable(
        "the database server cannot be reached, or does not let us in; psql with the same address says why",
        retry_after=5,
    )
