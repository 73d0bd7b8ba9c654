"""What came from other servers: each version once, and how far each feed has been read.

The inbox is keyed by (endpoint, type, id, versionId or content hash), so that a page may be read again, and the overlap
of two pulls costs nothing. A row that cannot be read is kept with its text (quarantine): a cursor may pass only what is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import ColumnElement, and_, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.tables import CURSORS, INBOX
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx

State = Literal["new", "applied", "echo", "history", "quarantined", "conflict"]


@dataclass(frozen=True, slots=True)
class Received:
    """One version as another server sent it. ``last_updated`` is its text, empty where it gave none."""

    type: str
    id: str
    version: str
    last_updated: str
    text: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A version that could not be taken, with the codes of what is wrong; its text is asked for by itself."""

    type: str
    id: str
    version: str
    last_updated: str
    codes: str
    received: datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a feed has been read. All but ``last_success`` is text of that server, never of our clock."""

    endpoint: str
    type: str
    filter: str = ""
    watermark: str = ""
    next_link: str = ""
    max_seen: str = ""
    first_date: str = ""
    last_success: datetime | None = None


_RECEIVED: Final = tuple(INBOX.c[name] for name in Received.__dataclass_fields__)


def receive(tx: Tx, endpoint: str, entries: Sequence[Received]) -> tuple[Received, ...]:
    """Keep what was not seen before, and return that."""
    now = to_ms(tx.now)
    new: list[Received] = []
    for entry in entries:
        row = {
            "tenant": tx.tenant,
            "endpoint": endpoint,
            "type": entry.type,
            "id": entry.id,
            "version": entry.version,
            "last_updated": entry.last_updated,
            "moment": _moment(entry.last_updated),
            "text": entry.text,
            "state": "new",
            "codes": "",
            "received": now,
        }
        if dialect.insert_once(tx.connection, INBOX, row):
            new.append(entry)
    return tuple(new)


def unapplied(tx: Tx, endpoint: str, type: str, limit: int) -> tuple[Received, ...]:
    """Return what was kept and not looked at yet, in the order of its lastUpdated."""
    mine = (
        INBOX.c.tenant == tx.tenant,
        INBOX.c.endpoint == endpoint,
        INBOX.c.type == type,
        INBOX.c.state == "new",
    )
    order = (INBOX.c.moment, INBOX.c.received, INBOX.c.id, INBOX.c.version)
    found = select(*_RECEIVED).where(*mine).order_by(*order).limit(limit)
    return tuple(Received(*row) for row in tx.connection.execute(found))


def mark(tx: Tx, endpoint: str, type: str, id: str, version: str, state: State, codes: str = "") -> None:
    """Note what became of a version. ``codes`` are issue codes and rules, never content."""
    values = {"state": state, "codes": codes}
    tx.connection.execute(update(INBOX).where(_this(tx, endpoint, type, id, version)).values(**values))


def quarantined(tx: Tx, endpoint: str, limit: int = 100) -> tuple[Quarantined, ...]:
    """Return what could not be taken, oldest first, without its text."""
    names = ("type", "id", "version", "last_updated", "codes", "received")
    found = (
        select(*(INBOX.c[name] for name in names))
        .where(INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.state == "quarantined")
        .order_by(INBOX.c.received)
        .limit(limit)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in tx.connection.execute(found)]
    return tuple(Quarantined(row[0], row[1], row[2], row[3], row[4], from_ms(row[5])) for row in rows)


def state(tx: Tx, endpoint: str, type: str, id: str, version: str) -> State | None:
    """Return what became of a version, None where it was never received."""
    found = select(INBOX.c.state).where(_this(tx, endpoint, type, id, version))
    kept: State | None = tx.connection.execute(found).scalar_one_or_none()
    return kept


def text(tx: Tx, endpoint: str, type: str, id: str, version: str) -> str:
    """Return the text of a version as it was received, empty where it never was."""
    found = select(INBOX.c.text).where(_this(tx, endpoint, type, id, version))
    return tx.connection.execute(found).scalar_one_or_none() or ""


def cursor(tx: Tx, endpoint: str, type: str, filter: str = "") -> Cursor:
    """Return how far a feed has been read; an empty cursor where it never was."""
    names = ("watermark", "next_link", "max_seen", "first_date", "last_success")
    found = select(*(CURSORS.c[name] for name in names)).where(
        CURSORS.c.tenant == tx.tenant,
        CURSORS.c.endpoint == endpoint,
        CURSORS.c.type == type,
        CURSORS.c.filter == filter,
    )
    row: tuple[Any, ...] = tuple(tx.connection.execute(found).one_or_none() or ())
    if not row:
        return Cursor(endpoint, type, filter)
    last_success = from_ms(row[4]) if row[4] is not None else None
    return Cursor(endpoint, type, filter, row[0], row[1], row[2], row[3], last_success)


def keep_cursor(tx: Tx, cursor: Cursor) -> None:
    """Keep how far a feed has been read; call it in the transaction that keeps what was read."""
    row: dict[str, Any] = {name: getattr(cursor, name) for name in Cursor.__dataclass_fields__}
    row["last_success"] = to_ms(cursor.last_success) if cursor.last_success is not None else None
    dialect.replace(tx.connection, CURSORS, {"tenant": tx.tenant, **row})


def _this(tx: Tx, endpoint: str, type: str, id: str, version: str) -> ColumnElement[bool]:
    return and_(
        INBOX.c.tenant == tx.tenant,
        INBOX.c.endpoint == endpoint,
        INBOX.c.type == type,
        INBOX.c.id == id,
        INBOX.c.version == version,
    )


def _moment(last_updated: str) -> int:
    """Return the moment of an instant in milliseconds; 0, before all others, where it cannot be read."""
    try:
        moment = datetime.fromisoformat(last_updated)
    except ValueError:
        return 0
    return to_ms(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
