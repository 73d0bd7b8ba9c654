"""What is still to be told to other servers, written in the transaction of the change.

    pending -> leased -> sent -> acked
                          sent -> unknown -> (verified) acked | pending
    and away from the path: conflict, duplicate, dead, superseded

Rows are claimed by their state, never by "later than the last one" (sequences have gaps). First in, first out for each
resource and endpoint, in parallel across them; what a row depends on (an administration on its order) goes first. A
stop has a lane of its own: since FHIR transfers the whole state, it carries the newest version and supersedes what was
not sent yet. Every change after a claim carries the fence of that claim: a worker that slept too long writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import and_, bindparam, case, insert, select, update

from fhir_infusion.store import due, endpoints, links
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx

State = Literal["pending", "leased", "sent", "unknown", "acked", "conflict", "duplicate", "dead", "superseded"]
Lane = Literal["stop", "normal"]

OPEN: Final[tuple[State, ...]] = due.OPEN
WAITING: Final[tuple[State, ...]] = ("pending", "leased", "sent", "unknown")
"""Neither done nor put aside."""

NOT_TOLD: Final = "not-told"
"""The code of a row that was given up since the settings did not tell its endpoint of it any more."""

_ORDINARY: Final = 1
ANY_CRASHES: Final = 1_000
"""More than a row ever has."""
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
    crashes: int
    """So many attempts in a row ended without a verdict: the process died, or they hung until the lease ran out."""
    suspected: datetime
    """Since the first of those."""


_MOMENTS: Final = frozenset({"not_before", "lease_until", "enqueued", "suspected"})
_NAMES: Final = tuple(Row.__dataclass_fields__)
COLUMNS: Final = tuple(OUTBOX.c[name] for name in _NAMES)
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
    """Add a row and return its number. A stop supersedes what was not sent yet of its aggregate.

    A stop of what is there already waits for nothing else.
    """
    if stop:
        if depends_on and (link := links.get(tx, endpoint, aggregate)) is not None and not link.is_gone:
            depends_on = ""
        mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint)
        earlier = and_(mine, OUTBOX.c.aggregate == aggregate, due.state_of() == "pending")
        tx.connection.execute(update(OUTBOX).where(earlier).values(state="superseded"))
        if depends_on:
            # What the stop waits for must not stand behind the backlog either.
            first = and_(mine, OUTBOX.c.aggregate == depends_on, due.state_of() == "pending")
            tx.connection.execute(update(OUTBOX).where(first).values(rank=due.URGENT))
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
            "rank": due.URGENT if stop else _ORDINARY,
            "state": "pending",
            "attempt": 0,
            "not_before": 0,
            "lease_owner": "",
            "lease_until": 0,
            "fence": 0,
            "last_error_code": "",
            "depends_on": depends_on,
            "enqueued": now,
            "crashes": 0,
            "suspected": 0,
            "alerted": 0,
        },
    )
    return int(result[0])


def claim(
    tx: Tx, endpoint: str, owner: str, limit: int, lease_seconds: int, urgent: int = 0, crashes: int = ANY_CRASHES
) -> tuple[Row, ...]:
    """Take up to ``limit`` rows for one worker, and up to ``urgent`` more that are urgent, for ``lease_seconds``.

    1. Leases that ran out: what was not sent is pending again, what was sent is unknown.
    2. Stops, and what they wait for, in doubt or not. 3. Rows in doubt, to be verified: they keep the state
    ``unknown``. 4. All others, oldest first. What is claimed is ``leased`` before the next step looks, so that of one
    resource one row is on its way at a time.

    A row whose attempt ended without a word (``crashes``) is under suspicion, as is whatever was on its way beside it:
    of these one goes at a time, so that the one which kills the process is found and the others are not blamed for it.
    Only those go that ended so at most ``crashes`` times.

    Nothing is claimed for an endpoint that is paused.
    """
    due.expire(tx, endpoint)
    if endpoints.paused(tx, endpoint):
        return ()
    values = due.asked(tx, endpoint)
    until = values["now"] + 1000 * lease_seconds
    rows: list[Row] = []

    def take(statement: Statement, most: int) -> None:
        if most > 0:
            asked = {**values, "most": most, "crashes": crashes}
            rows.extend(_lease(tx, seq, owner, until) for (seq,) in statement.rows(tx, asked))

    if due.suspects(tx, endpoint) and not due.suspect_in_flight(tx, endpoint):
        take(due.SUSPECTS if limit else due.URGENT_SUSPECTS, min(1, limit + urgent))
    for one in due.URGENT_ONES:
        take(one, limit + urgent - len(rows))
    for one in due.ORDINARY_ONES:
        take(one, limit - max(0, len(rows) - urgent))
    return tuple(rows)


_LEASING: Final = Statement(
    update(OUTBOX)
    .where(OUTBOX.c.seq == bindparam("of_seq"))
    .values(
        state=case((OUTBOX.c.state == "pending", "leased"), else_=OUTBOX.c.state),
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        fence=OUTBOX.c.fence + 1,
        # Counted now, not when it is sent: what crashes the worker before it sends must not be tried for ever.
        attempt=OUTBOX.c.attempt + 1,
    )
    .returning(*COLUMNS)
)


def _lease(tx: Tx, seq: int, owner: str, until: int) -> Row:
    (values,) = _LEASING.rows(tx, {"of_seq": seq, "owner": owner, "until": until})
    return row_of(values)


def sending(tx: Tx, row: Row) -> Row:
    """Note that the bytes are about to leave; commit this before they do, so that a crash leaves a doubt, not a gap.

    Raises:
        StaleLease: another worker has the row by now.
    """
    if row.state not in {"leased", "unknown"}:
        raise StaleLease
    return change(tx, row, {"state": "sent"})


def settle(
    tx: Tx,
    row: Row,
    state: State,
    *,
    error_code: str = "",
    not_before: datetime | None = None,
    crashes: int = 0,
    arrived: bool = False,
) -> Row:
    """Note what became of a row. A stop that arrived, or waits for a person, supersedes whatever was open before it.

    ``arrived``: also where the rest of it waits, or where it found that nothing is there any more. A verdict ends the
    suspicion, but for so many ``crashes`` of ours.

    Raises:
        StaleLease: another worker has the row by now.
        ValueError: no row goes from its state to this one.
    """
    if state not in _ALLOWED.get(row.state, frozenset()):
        raise ValueError(f"no row goes from {row.state} to {state}")
    values: dict[str, object] = {"state": state, "last_error_code": error_code, "lease_owner": "", "lease_until": 0}
    if crashes != row.crashes:
        since = to_ms(row.suspected) or to_ms(tx.now)
        values |= {"crashes": crashes, "suspected": since if crashes else 0}
    if not_before is not None:
        values["not_before"] = to_ms(not_before)
    settled = change(tx, row, values)
    if row.lane == "stop" and (arrived or state in {"acked", "conflict", "duplicate"}):
        supersede_before(tx, row)
    return settled


def renew(tx: Tx, row: Row, lease_seconds: int) -> Row:
    """Keep a row for longer.

    Raises:
        StaleLease: another worker has the row by now.
    """
    return change(tx, row, {"lease_until": to_ms(tx.now) + 1000 * lease_seconds})


def last(tx: Tx) -> int:
    """Return the number of the newest row, of whichever tenant; 0 where there is none."""
    row = tx.connection.execute(select(OUTBOX.c.seq).order_by(OUTBOX.c.seq.desc()).limit(1)).one_or_none()
    return int(row[0]) if row is not None else 0


def waiting(tx: Tx, endpoint: str) -> bool:
    """Say whether anything is still to be told to an endpoint."""
    return _ONE_WAITING.one(tx, {"of_tenant": tx.tenant, "of_endpoint": endpoint}) is not None


_ONE_WAITING: Final = Statement(
    select(OUTBOX.c.seq)
    .where(OUTBOX.c.tenant == bindparam("of_tenant"), OUTBOX.c.endpoint == bindparam("of_endpoint"))
    .where(OUTBOX.c.state.in_(due.one_of(WAITING)))
    .limit(1)
)


def has_any(tx: Tx, endpoint: str, aggregate: str, states: tuple[State, ...]) -> bool:
    """Say whether a row of a resource is in one of the states."""
    named = {"of_tenant": tx.tenant, "of_endpoint": endpoint, "of_aggregate": aggregate}
    return _in_one_of(states).one(tx, named) is not None


@cache
def _in_one_of(states: tuple[State, ...]) -> Statement:
    """Return what finds a row of a resource; asked with each create, it is compiled once."""
    return Statement(
        select(OUTBOX.c.seq)
        .where(OUTBOX.c.tenant == bindparam("of_tenant"), OUTBOX.c.endpoint == bindparam("of_endpoint"))
        .where(OUTBOX.c.aggregate == bindparam("of_aggregate"), due.state_of().in_(due.one_of(states)))
        .limit(1)
    )


_FROM: Final = Statement(
    select(OUTBOX.c.seq)
    .where(
        OUTBOX.c.aggregate == bindparam("of_aggregate"),
        OUTBOX.c.tenant == bindparam("of_tenant"),
        OUTBOX.c.endpoint == bindparam("of_endpoint"),
        OUTBOX.c.version >= bindparam("of_version"),
        OUTBOX.c.last_error_code != NOT_TOLD,
    )
    .limit(1)
)


def has_from(tx: Tx, endpoint: str, aggregate: str, version: int) -> bool:
    """Say whether a version of a resource, or a later one, was put here, whatever became of it but ``NOT_TOLD``."""
    named = {"of_tenant": tx.tenant, "of_endpoint": endpoint, "of_aggregate": aggregate, "of_version": version}
    return _FROM.one(tx, named) is not None


def rows(
    tx: Tx,
    endpoint: str | None = None,
    state: State | None = None,
    limit: int = 100,
    after_seq: int = 0,
    aggregate: str | None = None,
) -> tuple[Row, ...]:
    """Return rows by number, those after ``after_seq``."""
    found = select(*COLUMNS).where(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.seq > after_seq)
    if endpoint is not None:
        found = found.where(OUTBOX.c.endpoint == endpoint)
    if state is not None:
        found = found.where(OUTBOX.c.state == state)
    if aggregate is not None:
        found = found.where(OUTBOX.c.aggregate == aggregate)
    return tuple(map(row_of, tx.connection.execute(found.order_by(OUTBOX.c.seq).limit(limit))))


def supersede_before(tx: Tx, row: Row) -> None:
    """Give up whatever is open of a resource before a row."""
    before = and_(
        OUTBOX.c.tenant == row.tenant,
        OUTBOX.c.endpoint == row.endpoint,
        OUTBOX.c.aggregate == row.aggregate,
        OUTBOX.c.seq < row.seq,
        due.state_of().in_(OPEN),
    )
    tx.connection.execute(update(OUTBOX).where(before).values(state="superseded"))


def overtaken(tx: Tx, row: Row) -> bool:
    """Say whether a later version of a resource was or will be sent to the same endpoint."""
    later = and_(
        OUTBOX.c.tenant == tx.tenant,
        OUTBOX.c.endpoint == row.endpoint,
        OUTBOX.c.aggregate == row.aggregate,
        OUTBOX.c.version > row.version,
        due.state_of().in_(("pending", "leased", "sent", "unknown", "acked")),
    )
    return tx.connection.execute(select(OUTBOX.c.seq).where(later).limit(1)).one_or_none() is not None


def change(tx: Tx, row: Row, values: dict[str, object]) -> Row:
    """Change columns of a row, if it is still as it was claimed.

    Raises:
        StaleLease: another worker has the row by now.
    """
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
