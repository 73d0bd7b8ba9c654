"""What is still to be told to other servers, written in the transaction of the change.

    pending -> leased -> sent -> acked
                          sent -> unknown -> (verified) acked | pending
    and away from the path: conflict, duplicate, dead, superseded

Rows are claimed by their state, never by "later than the last one" (sequences have gaps). First in, first out for each
resource and endpoint, in parallel across them; what a row depends on (an administration on its order) goes first. A
stop has a lane of its own: since FHIR transfers the whole state, it carries the newest version and supersedes what was
not sent yet. Every change after a claim carries the fence of that claim, so that a worker that slept too long writes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, exists, func, insert, or_, select, update

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import audit, endpoints
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx

State = Literal["pending", "leased", "sent", "unknown", "acked", "conflict", "duplicate", "dead", "superseded"]
Lane = Literal["stop", "normal"]

OPEN: Final[tuple[State, ...]] = ("pending", "leased", "sent", "unknown", "conflict", "duplicate")
"""States in which a row holds back the later rows of its resource. ``dead`` does not: a later version may pass."""

_URGENT: Final = 0
_ORDINARY: Final = 1
_ALLOWED: Final[dict[State, frozenset[State]]] = {
    "leased": frozenset({"pending", "dead", "conflict", "duplicate", "superseded"}),
    "sent": frozenset({"acked", "unknown", "pending", "conflict", "duplicate", "dead", "superseded"}),
    "unknown": frozenset({"acked", "pending", "unknown", "conflict", "duplicate", "dead", "superseded"}),
}


class StaleLease(Exception):
    """Another worker has the row by now; what this one did with it is not recorded."""


@dataclass(frozen=True, slots=True)
class Row:
    """One version to be told to one endpoint. ``depends_on`` is the aggregate that must be there first, or empty."""

    seq: int
    tenant: str
    endpoint: str
    aggregate: str
    version: int
    payload_hash: str
    lane: Lane
    state: State
    attempt: int
    not_before: datetime
    lease_owner: str
    lease_until: datetime
    fence: int
    last_error_code: str
    depends_on: str
    enqueued: datetime


_MOMENTS: Final = frozenset({"not_before", "lease_until", "enqueued"})
_NAMES: Final = tuple(Row.__dataclass_fields__)
_COLUMNS: Final = tuple(OUTBOX.c[name] for name in _NAMES)
_IS_MOMENT: Final = tuple(name in _MOMENTS for name in _NAMES)


def row_of(values: Sequence[object]) -> Row:
    """Return the row that the columns hold."""
    return Row(*(from_ms(value) if moment else value for value, moment in zip(values, _IS_MOMENT, strict=True)))  # type: ignore[arg-type]  # in the order of the fields


_ENQUEUE: Final = Statement(
    insert(OUTBOX)
    .values({column.name: bindparam(column.name) for column in OUTBOX.c if column.name != "seq"})
    .returning(OUTBOX.c.seq)
)


def enqueue(
    tx: Tx, endpoint: str, aggregate: str, version: int, payload_hash: str, *, stop: bool, depends_on: str = ""
) -> int:
    """Add a row and return its number. A stop supersedes what was not sent yet of its aggregate."""
    if stop:
        mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint)
        earlier = and_(mine, OUTBOX.c.aggregate == aggregate, OUTBOX.c.state == "pending")
        tx.connection.execute(update(OUTBOX).where(earlier).values(state="superseded"))
        if depends_on:
            # What the stop waits for must not stand behind the backlog either.
            first = and_(mine, OUTBOX.c.aggregate == depends_on, OUTBOX.c.state == "pending")
            tx.connection.execute(update(OUTBOX).where(first).values(rank=_URGENT))
    now = to_ms(tx.now)
    (result,) = _ENQUEUE.rows(
        tx,
        {
            "tenant": tx.tenant,
            "endpoint": endpoint,
            "aggregate": aggregate,
            "version": version,
            "payload_hash": payload_hash,
            "lane": "stop" if stop else "normal",
            "rank": _URGENT if stop else _ORDINARY,
            "state": "pending",
            "attempt": 0,
            "not_before": 0,
            "lease_owner": "",
            "lease_until": 0,
            "fence": 0,
            "last_error_code": "",
            "depends_on": depends_on,
            "enqueued": now,
        },
    )
    return int(result[0])


def claim(tx: Tx, endpoint: str, owner: str, limit: int, lease_seconds: int) -> tuple[Row, ...]:
    """Take up to ``limit`` rows for one worker, until ``lease_seconds`` from now.

    1. Leases that ran out: what was not sent is pending again, what was sent is unknown.
    2. Stops. 3. Rows in doubt, to be verified: they keep the state ``unknown``. 4. All others, oldest first. What is
    claimed is ``leased`` before the next step looks, so that of one resource one row is on its way at a time.

    Nothing is claimed for an endpoint that is paused.
    """
    _expire(tx, endpoint)
    if endpoints.paused(tx, endpoint):
        return ()
    now = to_ms(tx.now)
    due = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.not_before <= now)
    pending = and_(due, OUTBOX.c.state == "pending")
    doubtful = and_(due, OUTBOX.c.state == "unknown", OUTBOX.c.lease_until < now)
    earlier = OUTBOX.alias("earlier")
    in_order = ~_another(earlier, earlier.c.seq < OUTBOX.c.seq, earlier.c.state.in_(OPEN))
    alone = ~_another(earlier, earlier.c.seq != OUTBOX.c.seq, _in_flight(earlier, now))
    later = OUTBOX.alias("later")
    # Whatever became of a later stop: an earlier state must not arrive after it.
    newest = ~_another(later, later.c.seq > OUTBOX.c.seq, later.c.lane == "stop", later.c.state != "superseded")
    rows: list[Row] = []
    for condition in (
        and_(pending, OUTBOX.c.lane == "stop", alone, newest, _ready()),
        and_(doubtful, or_(OUTBOX.c.lane == "stop", in_order), alone, newest),
        and_(pending, OUTBOX.c.lane == "normal", in_order, alone, newest, _ready()),
    ):
        if len(rows) >= limit:
            break
        found = select(OUTBOX.c.seq).where(condition).order_by(OUTBOX.c.rank, OUTBOX.c.seq).limit(limit - len(rows))
        # What another transaction holds just now is for the next claim (SQLite has one writer, and no such words).
        seqs = list(tx.connection.execute(found.with_for_update(of=OUTBOX, skip_locked=True)).scalars())
        if seqs:
            rows += _lease(tx, seqs, owner, now + 1000 * lease_seconds)
    return tuple(rows)


def _lease(tx: Tx, seqs: list[int], owner: str, until: int) -> list[Row]:
    values = {
        "lease_owner": owner,
        "lease_until": until,
        "fence": OUTBOX.c.fence + 1,
        # Counted now, not when it is sent: what crashes the worker before it sends must not be tried for ever.
        "attempt": OUTBOX.c.attempt + 1,
    }
    tx.connection.execute(update(OUTBOX).where(OUTBOX.c.seq.in_(seqs)).values(**values))
    fresh = and_(OUTBOX.c.seq.in_(seqs), OUTBOX.c.state == "pending")
    tx.connection.execute(update(OUTBOX).where(fresh).values(state="leased"))
    claimed = {row.seq: row for row in map(row_of, tx.connection.execute(_numbered(seqs)))}
    return [claimed[seq] for seq in seqs]


def sending(tx: Tx, row: Row) -> Row:
    """Note that the bytes are about to leave; commit this before they do, so that a crash leaves a doubt, not a gap.

    Raises:
        StaleLease: another worker has the row by now.
    """
    if row.state not in {"leased", "unknown"}:
        raise StaleLease
    return _change(tx, row, {"state": "sent"})


def settle(tx: Tx, row: Row, state: State, *, error_code: str = "", not_before: datetime | None = None) -> Row:
    """Note what became of a row. A stop that arrived supersedes whatever was open before it.

    Raises:
        StaleLease: another worker has the row by now.
        ValueError: no row goes from its state to this one.
    """
    if state not in _ALLOWED.get(row.state, frozenset()):
        raise ValueError(f"no row goes from {row.state} to {state}")
    values: dict[str, object] = {"state": state, "last_error_code": error_code, "lease_owner": "", "lease_until": 0}
    if not_before is not None:
        values["not_before"] = to_ms(not_before)
    settled = _change(tx, row, values)
    if state == "acked" and row.lane == "stop":
        _supersede_before(tx, row)
    return settled


def renew(tx: Tx, row: Row, lease_seconds: int) -> Row:
    """Keep a row for longer.

    Raises:
        StaleLease: another worker has the row by now.
    """
    return _change(tx, row, {"lease_until": to_ms(tx.now) + 1000 * lease_seconds})


def waiting(tx: Tx, endpoint: str) -> bool:
    """Say whether anything is still to be told to an endpoint."""
    return oldest(tx, endpoint) is not None


def counts(tx: Tx, endpoint: str) -> dict[str, int]:
    """Return how many rows of an endpoint are in which state. Reads them all: for a person, not for each request."""
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint)
    found = select(OUTBOX.c.state, func.count()).where(mine).group_by(OUTBOX.c.state)
    return {str(row[0]): int(row[1]) for row in tx.connection.execute(found)}


def oldest(tx: Tx, endpoint: str, lane: Lane | None = None) -> datetime | None:
    """Return since when the oldest row of an endpoint waits that is neither done nor put aside."""
    waits = and_(
        OUTBOX.c.tenant == tx.tenant,
        OUTBOX.c.endpoint == endpoint,
        OUTBOX.c.state.in_(("pending", "leased", "sent", "unknown")),
        *([OUTBOX.c.lane == lane] if lane else []),
    )
    since = tx.connection.execute(select(func.min(OUTBOX.c.enqueued)).where(waits)).scalar_one_or_none()
    return from_ms(since) if since is not None else None


def rows(
    tx: Tx,
    endpoint: str | None = None,
    state: State | None = None,
    limit: int = 100,
    after_seq: int = 0,
    aggregate: str | None = None,
) -> tuple[Row, ...]:
    """Return rows by number, those after ``after_seq``."""
    found = select(*_COLUMNS).where(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.seq > after_seq)
    if endpoint is not None:
        found = found.where(OUTBOX.c.endpoint == endpoint)
    if state is not None:
        found = found.where(OUTBOX.c.state == state)
    if aggregate is not None:
        found = found.where(OUTBOX.c.aggregate == aggregate)
    return tuple(map(row_of, tx.connection.execute(found.order_by(OUTBOX.c.seq).limit(limit))))


def replay(tx: Tx, seq: int, reason: str, actor: str) -> Row:
    """Try a row again that was put aside (dead, conflict, duplicate); audited.

    Raises:
        Refused: 404 there is no such row; 422 it was not put aside, a later version was or will be sent, or no
            reason is given.
    """
    return _decide(tx, seq, "pending", reason, actor)


def skip(tx: Tx, seq: int, reason: str, actor: str) -> Row:
    """Give up a row that was put aside: it is superseded, and kept; audited. With a stop goes what it overtook.

    Raises:
        Refused: 404 there is no such row; 422 it was not put aside, or no reason is given.
    """
    return _decide(tx, seq, "superseded", reason, actor)


def _decide(tx: Tx, seq: int, state: State, reason: str, actor: str) -> Row:
    row = tx.connection.execute(_numbered([seq]).where(OUTBOX.c.tenant == tx.tenant)).one_or_none()
    if row is None:
        raise Refused(Issue("error", "not-found", "", "there is no such outbox row", status=404))
    before = row_of(row)
    if before.state not in {"dead", "conflict", "duplicate"}:
        raise Refused(Issue("error", "business-rule", "", f"the row is {before.state}, not put aside", status=422))
    if state == "pending" and _overtaken(tx, before):
        accepted = "to skip the row: a later version was or will be sent, and an old one must not come after it"
        raise Refused(Issue("error", "business-rule", "", "a later version is on its way", accepted, status=422))
    if not reason.strip():
        raise Refused(Issue("error", "required", "reason", "a reason is required for the audit trail", status=422))
    values: dict[str, object] = {"state": state, "not_before": 0, "fence": before.fence + 1}
    if state == "pending":
        values["attempt"] = 0
    after = _change(tx, before, values)
    if state == "superseded" and before.lane == "stop":
        _supersede_before(tx, before)
    type_, _, id_ = before.aggregate.partition("/")
    detail = f"outbox row {seq} {before.state} -> {state}: {reason}"
    audit.write(tx, "outbox-decision", actor, type_, id_, before.version, detail)
    return after


def _supersede_before(tx: Tx, row: Row) -> None:
    before = and_(
        OUTBOX.c.tenant == row.tenant,
        OUTBOX.c.endpoint == row.endpoint,
        OUTBOX.c.aggregate == row.aggregate,
        OUTBOX.c.seq < row.seq,
        OUTBOX.c.state.in_(OPEN),
    )
    tx.connection.execute(update(OUTBOX).where(before).values(state="superseded"))


def _overtaken(tx: Tx, row: Row) -> bool:
    later = and_(
        OUTBOX.c.tenant == tx.tenant,
        OUTBOX.c.endpoint == row.endpoint,
        OUTBOX.c.aggregate == row.aggregate,
        OUTBOX.c.version > row.version,
        OUTBOX.c.state.in_(("pending", "leased", "sent", "unknown", "acked")),
    )
    return tx.connection.execute(select(OUTBOX.c.seq).where(later).limit(1)).one_or_none() is not None


def _change(tx: Tx, row: Row, values: dict[str, object]) -> Row:
    held = {"of_tenant": tx.tenant, "of_seq": row.seq, "of_fence": row.fence, "of_state": row.state}
    to = {f"to_{name}": value for name, value in values.items()}
    if _changing(tuple(values)).write(tx, {**held, **to}) != 1:
        raise StaleLease
    moments = {name: from_ms(value) for name, value in values.items() if name in _MOMENTS and isinstance(value, int)}
    return replace(row, **{**values, **moments})  # type: ignore[arg-type]  # named after the fields


@cache
def _changing(names: tuple[str, ...]) -> Statement:
    held = and_(
        OUTBOX.c.tenant == bindparam("of_tenant"),
        OUTBOX.c.seq == bindparam("of_seq"),
        OUTBOX.c.fence == bindparam("of_fence"),
        OUTBOX.c.state == bindparam("of_state"),
    )
    return Statement(update(OUTBOX).where(held).values({name: bindparam(f"to_{name}") for name in names}))


def _numbered(seqs: list[int]) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(OUTBOX.c.seq.in_(seqs))


def _expire(tx: Tx, endpoint: str) -> None:
    ran_out = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.lease_until < to_ms(tx.now))
    for state, then in (("leased", "pending"), ("sent", "unknown")):
        # The fence moves with it: the worker that had the row may still be alive.
        values = {"state": then, "lease_owner": "", "fence": OUTBOX.c.fence + 1}
        tx.connection.execute(update(OUTBOX).where(ran_out, OUTBOX.c.state == state).values(**values))


def _another(other: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say that another row of the same resource and endpoint meets the conditions."""
    return exists().where(
        other.c.tenant == OUTBOX.c.tenant,
        other.c.endpoint == OUTBOX.c.endpoint,
        other.c.aggregate == OUTBOX.c.aggregate,
        *conditions,
    )


def _in_flight(other: FromClause, now: int) -> ColumnElement[bool]:
    verified = and_(other.c.state == "unknown", other.c.lease_until >= now)
    return or_(other.c.state.in_(("leased", "sent")), verified)


def _ready() -> ColumnElement[bool]:
    """Say that nothing is open of what the row depends on, as far as that came before it."""
    first = OUTBOX.alias("first")
    return or_(
        OUTBOX.c.depends_on == "",
        ~exists().where(
            first.c.tenant == OUTBOX.c.tenant,
            first.c.endpoint == OUTBOX.c.endpoint,
            first.c.aggregate == OUTBOX.c.depends_on,
            first.c.seq < OUTBOX.c.seq,
            first.c.state.in_(OPEN),
        ),
    )
