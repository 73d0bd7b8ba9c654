"""Outbox rows in the hands of a person: those put aside, those told in a certain time, and telling one once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from sqlalchemy import and_, func, select, update

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import audit
from fhir_infusion.store.outbox import (
    COLUMNS,
    WAITING,
    Lane,
    Row,
    State,
    change,
    overtaken,
    row_of,
    supersede_before,
)
from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fhir_infusion.store.tx import Tx

ASIDE: Final[tuple[State, ...]] = ("dead", "conflict", "duplicate")
_DONE: Final = frozenset({"acked", "superseded"})
_LISTED: Final = "a row that `fhir-infusion sync dead list` shows"


def put_aside(
    tx: Tx,
    endpoint: str,
    states: Sequence[State] = ASIDE,
    after: int = 0,
    limit: int = 500,
    code: str | None = None,
) -> list[Row]:
    """Return rows of an endpoint that wait for a person, those numbered after ``after``; with ``code`` those for it.

    With other ``states`` those in these.
    """
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.seq > after)
    if code is not None:
        mine = and_(mine, OUTBOX.c.last_error_code == code)
    found = select(*COLUMNS).where(mine, OUTBOX.c.state.in_(states)).order_by(OUTBOX.c.seq).limit(limit)
    return [row_of(row) for row in tx.connection.execute(found)]


def why(tx: Tx, endpoint: str) -> tuple[tuple[State, str, int], ...]:
    """Return how many rows of an endpoint wait for a person in which state and by which code, the most first."""
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.state.in_(ASIDE))
    counted = select(OUTBOX.c.state, OUTBOX.c.last_error_code, func.count()).where(mine)
    rows = tx.connection.execute(counted.group_by(OUTBOX.c.state, OUTBOX.c.last_error_code))
    return tuple(sorted(((row[0], row[1], int(row[2])) for row in rows), key=lambda one: (-one[2], one[:2])))


def told_between(
    tx: Tx, endpoint: str, since: datetime, until: datetime, after: int = 0, limit: int = 500
) -> list[Row]:
    """Return rows that were acknowledged, of versions written from ``since`` on and before ``until``."""
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.seq > after)
    written = and_(OUTBOX.c.enqueued >= to_ms(since), OUTBOX.c.enqueued < to_ms(until))
    found = select(*COLUMNS).where(mine, written, OUTBOX.c.state == "acked").order_by(OUTBOX.c.seq).limit(limit)
    return [row_of(row) for row in tx.connection.execute(found)]


def numbered(tx: Tx, seqs: Sequence[int]) -> list[Row]:
    """Return the rows of these numbers, in their order; what this tenant does not have is not among them."""
    found = select(*COLUMNS).where(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.seq.in_(seqs)).order_by(OUTBOX.c.seq)
    return [row_of(row) for row in tx.connection.execute(found)]


def newest(tx: Tx, endpoint: str, aggregate: str) -> Row | None:
    """Return the last row of a resource, None where nothing was ever to be told of it."""
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.aggregate == aggregate)
    row = tx.connection.execute(select(*COLUMNS).where(mine).order_by(OUTBOX.c.seq.desc()).limit(1)).one_or_none()
    return row_of(row) if row is not None else None


def told_last(tx: Tx, endpoint: str, limit: int) -> tuple[str, ...]:
    """Return the resources whose versions were acknowledged last, so many of each lane, in no order."""
    found: dict[str, None] = {}
    for lane in get_args(Lane):
        for rank in (0, 1):
            mine = (OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.state == "acked")
            last = select(OUTBOX.c.aggregate).where(*mine, OUTBOX.c.lane == lane, OUTBOX.c.rank == rank)
            found |= dict.fromkeys(tx.connection.execute(last.order_by(OUTBOX.c.seq.desc()).limit(limit)).scalars())
    return tuple(found)


def tell_again(tx: Tx, row: Row) -> bool:
    """Make an acknowledged row pending again, since the peer has lost it; say whether it still was acknowledged."""
    this = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.seq == row.seq, OUTBOX.c.fence == row.fence)
    values = {"state": "pending", "not_before": 0, "attempt": 0, "crashes": 0, "suspected": 0, "alerted": 0}
    anew = update(OUTBOX).where(this, OUTBOX.c.state == "acked").values(**values, fence=OUTBOX.c.fence + 1)
    return tx.connection.execute(anew).rowcount == 1


def replay(tx: Tx, seq: int, reason: str, actor: str) -> Row:
    """Try a row again that was put aside (dead, conflict, duplicate); audited.

    Raises:
        Refused: 404 there is no such row; 422 it was not put aside, a later version was or will be sent, or no
            reason is given.
    """
    return _decide(tx, seq, "pending", reason, actor)


def skip(tx: Tx, seq: int, reason: str, actor: str, *, waiting: bool = False) -> Row:
    """Give up a row that was put aside: it is superseded, and kept; audited. With a stop goes what it overtook.

    With ``waiting`` one that is still to be told, too: where nobody is there to tell it.

    Raises:
        Refused: 404 there is no such row; 422 it was not put aside, or no reason is given.
    """
    return _decide(tx, seq, "superseded", reason, actor, waiting=waiting)


def _decide(tx: Tx, seq: int, state: State, reason: str, actor: str, *, waiting: bool = False) -> Row:
    found = numbered(tx, [seq])
    if not found:
        raise Refused(Issue("error", "not-found", "", "there is no such outbox row", _LISTED, status=404))
    (before,) = found
    if before.state in _DONE or (before.state in WAITING and not waiting):
        raise Refused(Issue("error", "business-rule", "", f"the row is {before.state}, not put aside", status=422))
    if state == "pending" and overtaken(tx, before):
        accepted = "to skip the row: a later version was or will be sent, and an old one must not come after it"
        raise Refused(Issue("error", "business-rule", "", "a later version is on its way", accepted, status=422))
    if not reason.strip():
        raise Refused(Issue("error", "required", "reason", "a reason is required for the audit trail", status=422))
    values: dict[str, object] = {"state": state, "not_before": 0, "fence": before.fence + 1}
    if state == "pending":
        values |= {"attempt": 0, "crashes": 0, "suspected": 0}
    after = change(tx, before, values)
    if state == "superseded" and before.lane == "stop":
        supersede_before(tx, before)
    type_, _, id_ = before.aggregate.partition("/")
    detail = f"outbox row {seq} {before.state} -> {state}: {reason}"
    audit.write(tx, "outbox-decision", actor, type_, id_, before.version, detail)
    return after
