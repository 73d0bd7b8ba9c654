"""Which rows of the outbox may go now: conditions of the claim, and what becomes of a lease that ran out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    literal_column,
    not_,
    or_,
    select,
    text,
    update,
)

from fhir_infusion.store import dialect
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.outbox import State
    from fhir_infusion.store.tx import Tx

OPEN: Final[tuple[State, ...]] = ("pending", "leased", "sent", "unknown", "conflict", "duplicate")
"""States in which a row holds back the later rows of its resource. ``dead`` does not: a later version may pass."""

MOVING: Final[tuple[State, ...]] = ("pending", "leased", "sent", "unknown")
"""States of a row that goes on by itself: what waits for a person does not hold back the stop of what depends on it."""

URGENT: Final = 0
"""The rank of a stop, and of what one waits for."""

# A literal, no parameter: only then the databases see that the index of suspects holds all that is asked for.
SUSPECT: Final = text("outbox.crashes > 0 AND outbox.state <> 'dead'")
TRUSTED: Final = OUTBOX.c.crashes == 0


# Built once: to say these conditions anew for each claim costs more than to run them.
_NOW: Final = bindparam("now", type_=BigInteger())
LONGEST_WAIT: Final = 16 * 60_000
LONGEST_LEASE: Final = 2 * 60_000
"""In milliseconds. What lies further ahead is of a clock that went back since: nobody waits for that, a stop least."""
_MINE: Final = and_(OUTBOX.c.tenant == bindparam("tenant"), OUTBOX.c.endpoint == bindparam("endpoint"))


def _is_ahead(moment: ColumnElement[int], longest: int) -> ColumnElement[bool]:
    return and_(moment > _NOW, moment <= _NOW + literal_column(str(longest)))


def state_of(rows: FromClause = OUTBOX) -> ColumnElement[str]:
    """Return the state of rows that are found by something else: said so that no database looks for it by its index.

    Without statistics, which a database gathers some time after a backlog came, all that waits seems to be one row.
    """
    return rows.c.state.concat(literal_column("''"))


def _none(other: FromClause, aggregate: ColumnElement[str], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say that no other row of a resource meets the conditions.

    Not as NOT EXISTS: PostgreSQL makes a join of that, and compares each row that waits with each other one.
    """
    same = (other.c.tenant == OUTBOX.c.tenant, other.c.endpoint == OUTBOX.c.endpoint, other.c.aggregate == aggregate)
    return select(other.c.seq).where(*same, *conditions).limit(1).scalar_subquery().is_(None)


def one_of(states: tuple[State, ...]) -> list[ColumnElement[str]]:
    """Return states as literals: a list of parameters would have to be written anew each time it is asked for."""
    return [literal_column(f"'{state}'") for state in states]


def _in_flight(other: FromClause) -> ColumnElement[bool]:
    verified = and_(state_of(other) == "unknown", other.c.lease_until >= _NOW)
    return or_(state_of(other).in_(one_of(("leased", "sent"))), verified)


def _ready(holding: tuple[State, ...] = OPEN) -> ColumnElement[bool]:
    """Say that nothing is open of what the row depends on, as far as that came before it; ``holding`` is open.

    Nor a stop that came later: it has superseded what came before, and may be the first that is told of it.
    """
    first = OUTBOX.alias("first")
    before = (or_(first.c.seq < OUTBOX.c.seq, first.c.lane == "stop"), state_of(first).in_(one_of(holding)))
    return or_(OUTBOX.c.depends_on == "", _none(first, OUTBOX.c.depends_on, *before))


def _ways(state: ColumnElement[str]) -> tuple[tuple[ColumnElement[bool], ...], tuple[ColumnElement[bool], ...]]:
    """Return the conditions: stops, stops in doubt, what a stop waits for; then what is in doubt, and all others."""
    due = and_(_MINE, not_(_is_ahead(OUTBOX.c.not_before, LONGEST_WAIT)))
    pending = and_(due, state == "pending")
    doubtful = and_(due, state == "unknown", OUTBOX.c.lease_until < _NOW)
    this = OUTBOX.c.aggregate
    earlier = OUTBOX.alias("earlier")
    in_order = _none(earlier, this, earlier.c.seq < OUTBOX.c.seq, state_of(earlier).in_(one_of(OPEN)))
    alone = _none(earlier, this, earlier.c.seq != OUTBOX.c.seq, _in_flight(earlier))
    later = OUTBOX.alias("later")
    # Whatever became of a later stop: an earlier state must not arrive after it.
    over = (later.c.seq > OUTBOX.c.seq, later.c.lane == "stop", state_of(later) != "superseded")
    newest = _none(later, this, *over)
    # A stop in doubt must not wait for a person because a change after it is refused.
    newest_stop = _none(later, this, *over, state_of(later) != "dead")
    stop, normal, first = OUTBOX.c.lane == "stop", OUTBOX.c.lane == "normal", OUTBOX.c.rank == URGENT
    urgent = (
        and_(pending, stop, alone, newest, _ready(MOVING)),
        and_(doubtful, first, alone, or_(and_(stop, newest_stop), and_(in_order, newest))),
        and_(pending, normal, first, in_order, alone, newest, _ready()),
    )
    return urgent, (
        and_(doubtful, in_order, alone, newest),
        and_(pending, normal, in_order, alone, newest, _ready()),
    )


def by_index(found: Select[*tuple[Any, ...]], name: str = "outbox_by_state") -> Select[*tuple[Any, ...]]:
    """Say by which index rows of the outbox are found.

    Statistics of SQLite (ANALYZE) are averages over all states: where most rows are in one, it would rather read all.
    """
    return found.with_hint(OUTBOX, f"INDEXED BY {name}", dialect.SQLITE)


def _asking(condition: ColumnElement[bool], name: str = "outbox_by_state") -> Statement:
    found = by_index(select(OUTBOX.c.seq), name).where(condition)
    found = found.order_by(OUTBOX.c.rank, OUTBOX.c.seq).limit(bindparam("most"))
    # What another transaction holds just now is for the next claim (SQLite has one writer, and no such words).
    return Statement(found.with_for_update(of=OUTBOX, skip_locked=True))


_IN_TURN, _AFTER = _ways(OUTBOX.c.state)
URGENT_ONES: Final = tuple(_asking(and_(TRUSTED, one)) for one in _IN_TURN)
ORDINARY_ONES: Final = tuple(_asking(and_(TRUSTED, one)) for one in _AFTER)
"""Numbers of rows that may be claimed now, in this order; their values are those of ``asked``, and ``most``."""
_IN_TURN, _AFTER = _ways(state_of())  # suspects are few, and have an index of their own
BY_SUSPICION: Final = "outbox_suspects"
"""The index of rows under suspicion."""
_LET_GO: Final = and_(SUSPECT, OUTBOX.c.crashes <= bindparam("crashes"))
URGENT_SUSPECTS: Final = _asking(and_(_LET_GO, or_(*_IN_TURN)), BY_SUSPICION)
SUSPECTS: Final = _asking(and_(_LET_GO, or_(*_IN_TURN, *_AFTER)), BY_SUSPICION)
"""Those of at most so many ``crashes``."""
_A_SUSPECT: Final = by_index(select(OUTBOX.c.seq), BY_SUSPICION).where(_MINE, SUSPECT).limit(1)
_ONE_SUSPECT: Final = Statement(_A_SUSPECT)
_SUSPECT_IN_FLIGHT: Final = Statement(_A_SUSPECT.where(_in_flight(OUTBOX)))


def asked(tx: Tx, endpoint: str) -> dict[str, Any]:
    """Return the values with which the statements here are run."""
    return {"tenant": tx.tenant, "endpoint": endpoint, "now": to_ms(tx.now)}


def expire(tx: Tx, endpoint: str) -> None:
    """Take back what a worker has not spoken of for too long, and count it: its process died, or the attempt hung."""
    for statement in _EXPIRING:
        statement.write(tx, asked(tx, endpoint))


def _expiring(state: str, then: str, *more: ColumnElement[bool]) -> Statement:
    # The fence moves with it: the worker that had the row may still be alive.
    since = case((OUTBOX.c.suspected == 0, _NOW), else_=OUTBOX.c.suspected)
    values = {
        "state": then,
        "lease_owner": "",
        "lease_until": 0,
        "fence": OUTBOX.c.fence + 1,
        "crashes": OUTBOX.c.crashes + 1,
    }
    free = or_(OUTBOX.c.lease_until < _NOW, OUTBOX.c.lease_until > _NOW + literal_column(str(LONGEST_LEASE)))
    ran_out = and_(_MINE, free, OUTBOX.c.state == state, *more)
    return Statement(update(OUTBOX).where(ran_out).values(suspected=since, **values))


_EXPIRING: Final = (
    _expiring("leased", "pending"),
    _expiring("sent", "unknown"),
    # A row in doubt keeps its state while it is verified: only that it has an owner tells that it was claimed.
    _expiring("unknown", "unknown", OUTBOX.c.lease_owner != ""),
)


def suspects(tx: Tx, endpoint: str) -> bool:
    """Say whether any row is under suspicion: by its index, without a step through all that waits."""
    return _ONE_SUSPECT.one(tx, asked(tx, endpoint)) is not None


def suspect_in_flight(tx: Tx, endpoint: str) -> bool:
    """Say whether a row under suspicion is on its way."""
    return _SUSPECT_IN_FLIGHT.one(tx, asked(tx, endpoint)) is not None
