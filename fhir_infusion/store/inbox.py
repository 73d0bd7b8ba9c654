"""What came from other servers: each version once, and how far each feed has been read.

The inbox is keyed by (endpoint, type, id, versionId or content hash), so that a page may be read again, and the overlap
of two pulls costs nothing. A row that cannot be read is kept with its text (quarantine): a cursor may pass only what is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, and_, bindparam, literal, select, tuple_, update

from fhir_infusion.errors import Issue, Refused
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
class Waiting:
    """A version that is to be applied, and how often that was tried. The rest is its place in their order."""

    received: Received
    attempts: int
    moment: int
    came: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A version that could not be taken, with the codes of what is wrong; its text is asked for by itself."""

    type: str
    id: str
    version: str
    last_updated: str
    codes: str
    received: datetime

    @property
    def place(self) -> list[str]:
        """Where it stands in their order."""
        return [str(to_ms(self.received)), self.type, self.id, self.version]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a feed has been read. All but ``last_success`` is text of that server, never of our clock.

    ``peer_date`` is its Date when the feed was last read to the end: where a later one is smaller, its clock went back.
    """

    endpoint: str
    type: str
    filter: str = ""
    watermark: str = ""
    next_link: str = ""
    max_seen: str = ""
    first_date: str = ""
    last_success: datetime | None = None
    peer_date: str = ""


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
            "attempts": 0,
        }
        if dialect.insert_once(tx.connection, INBOX, row):
            new.append(entry)
    return tuple(new)


def waiting(tx: Tx, endpoint: str, type: str, limit: int, after: Waiting | None = None) -> tuple[Waiting, ...]:
    """Return what is to be applied, in the order of its lastUpdated, from behind ``after`` on."""
    order = (INBOX.c.moment, INBOX.c.received, INBOX.c.id, INBOX.c.version)
    found = select(*_RECEIVED, INBOX.c.attempts, INBOX.c.moment, INBOX.c.received).where(
        INBOX.c.tenant == tx.tenant,
        INBOX.c.endpoint == endpoint,
        INBOX.c.type == type,
        INBOX.c.state == "new",
    )
    if after is not None:
        one = after.received
        # The first comparison is what the index knows; the second is the place among rows of one moment.
        found = found.where(INBOX.c.moment >= after.moment)
        found = found.where(tuple_(*order) > tuple_(after.moment, after.came, one.id, one.version))
    rows: list[tuple[Any, ...]] = [tuple(row) for row in tx.connection.execute(found.order_by(*order).limit(limit))]
    return tuple(Waiting(Received(*row[:5]), row[5], row[6], row[7]) for row in rows)


def tried(tx: Tx, endpoint: str, entries: Sequence[Received]) -> None:
    """Count a try of each; commit this before it is made, so that one that kills the process is counted, too."""
    _count(tx, endpoint, entries, INBOX.c.attempts + 1)


def untried(tx: Tx, endpoint: str, entries: Sequence[Received]) -> None:
    """Count no try of these: they wait for something else."""
    _count(tx, endpoint, entries, literal(0))


def _count(tx: Tx, endpoint: str, entries: Sequence[Received], attempts: ColumnElement[int]) -> None:
    if not entries:
        return
    one = and_(
        INBOX.c.tenant == tx.tenant,
        INBOX.c.endpoint == endpoint,
        *(INBOX.c[name] == bindparam(f"the_{name}") for name in ("type", "id", "version")),
    )
    rows = [{"the_type": each.type, "the_id": each.id, "the_version": each.version} for each in entries]
    tx.connection.execute(update(INBOX).where(one).values(attempts=attempts), rows)


def kept(tx: Tx, endpoint: str, type: str, id: str, version: str) -> Received | None:
    """Return a version as it was received, None where it never was."""
    found = select(*_RECEIVED).where(_this(tx, endpoint, type, id, version))
    row = tx.connection.execute(found).one_or_none()
    return Received(*row) if row is not None else None


def newest(tx: Tx, endpoint: str, type: str, limit: int) -> tuple[Received, ...]:
    """Return what was received with the latest lastUpdated, the latest first."""
    found: list[tuple[int, Received]] = []
    for one in get_args(State):
        mine = (INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.type == type, INBOX.c.state == one)
        rows = select(INBOX.c.moment, *_RECEIVED).where(*mine).order_by(INBOX.c.moment.desc()).limit(limit)
        read: list[tuple[Any, ...]] = [tuple(row) for row in tx.connection.execute(rows)]
        found += [(row[0], Received(*row[1:])) for row in read]
    found.sort(key=lambda pair: pair[0], reverse=True)
    return tuple(received for _, received in found[:limit])


def has_later(tx: Tx, endpoint: str, received: Received) -> bool:
    """Say whether another version of the same resource came with this one or after it."""
    mine = _this(tx, endpoint, received.type, received.id, received.version)
    came = select(INBOX.c.received).where(mine).scalar_subquery()
    others = and_(
        INBOX.c.tenant == tx.tenant,
        INBOX.c.endpoint == endpoint,
        INBOX.c.type == received.type,
        INBOX.c.id == received.id,
        INBOX.c.version != received.version,
        INBOX.c.received >= came,
    )
    return tx.connection.execute(select(INBOX.c.version).where(others).limit(1)).first() is not None


def mark(tx: Tx, endpoint: str, type: str, id: str, version: str, state: State, codes: str = "") -> None:
    """Note what became of a version. ``codes`` are issue codes and rules, never content."""
    values = {"state": state, "codes": codes}
    tx.connection.execute(update(INBOX).where(_this(tx, endpoint, type, id, version)).values(**values))


def again(tx: Tx, endpoint: str, type: str, id: str, version: str) -> bool:
    """Have a version applied once more, its tries counted anew; say whether there is one that was not to be."""
    anew = update(INBOX).where(_this(tx, endpoint, type, id, version), INBOX.c.state != "new")
    return tx.connection.execute(anew.values(state="new", codes="", attempts=0)).rowcount == 1


def let_go(tx: Tx, endpoint: str, type: str, id: str) -> None:
    """Have versions of a resource that could not be taken be history: something else was decided about it."""
    mine = and_(INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.type == type, INBOX.c.id == id)
    tx.connection.execute(update(INBOX).where(mine, INBOX.c.state == "quarantined").values(state="history"))


def quarantined(tx: Tx, endpoint: str, limit: int = 100, after: Sequence[str] = ()) -> tuple[Quarantined, ...]:
    """Return what could not be taken, oldest first, without its text; ``after`` is the ``place`` of the one before.

    Raises:
        Refused: ``after`` is not of this listing.
    """
    names = ("type", "id", "version", "last_updated", "codes", "received")
    order = tuple(INBOX.c[name] for name in ("received", "type", "id", "version"))
    found = select(*(INBOX.c[name] for name in names)).where(
        INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.state == "quarantined"
    )
    if after:
        try:
            received, *key = after
            place = (int(received), *key)
        except ValueError:
            place = ()
        if len(place) != len(order):
            raise Refused(Issue("error", "invalid", "", "the page token is not of this listing"))
        found = found.where(tuple_(*order) > tuple_(*map(literal, place)))
    rows: list[tuple[Any, ...]] = [tuple(row) for row in tx.connection.execute(found.order_by(*order).limit(limit))]
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
    names = ("watermark", "next_link", "max_seen", "first_date", "last_success", "peer_date")
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
    return Cursor(endpoint, type, filter, row[0], row[1], row[2], row[3], last_success, row[5])


def keep_cursor(tx: Tx, cursor: Cursor) -> None:
    """Keep how far a feed has been read; call it in the transaction that keeps what was read."""
    row: dict[str, Any] = {name: getattr(cursor, name) for name in Cursor.__dataclass_fields__}
    row["last_success"] = to_ms(cursor.last_success) if cursor.last_success is not None else None
    dialect.replace(tx, CURSORS, {"tenant": tx.tenant, **row})


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
