"""Which rows of the outbox may go now: conditions of the claim, and what becomes of a lease that ran out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, ColumnElement, FromClause, and_, case, exists, literal, or_, select, text, update

from fhir_infusion.store.tables import OUTBOX
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.outbox import State
    from fhir_infusion.store.tx import Tx

OPEN: Final[tuple[State, ...]] = ("pending", "leased", "sent", "unknown", "conflict", "duplicate")
"""States in which a row holds back the later rows of its resource. ``dead`` does not: a later version may pass."""

URGENT: Final = 0
"""The rank of a stop, and of what one waits for."""

# A literal, no parameter: only then the databases see that the index of suspects holds all that is asked for.
SUSPECT: Final = text("outbox.crashes > 0")
TRUSTED: Final = OUTBOX.c.crashes == 0


@dataclass(frozen=True, slots=True)
class Ways:
    """Conditions under which a row may be claimed now, in the order in which they are tried."""

    urgent: tuple[ColumnElement[bool], ...]
    ordinary: tuple[ColumnElement[bool], ...]

    @property
    def any(self) -> ColumnElement[bool]:
        """One of them holds."""
        return or_(*self.urgent, *self.ordinary)

    @property
    def any_urgent(self) -> ColumnElement[bool]:
        """One of the urgent ones holds."""
        return or_(*self.urgent)


def ways(tx: Tx, endpoint: str) -> Ways:
    """Return the conditions: stops, stops in doubt, what a stop waits for; then what is in doubt, and all others."""
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
    stop, normal, first = OUTBOX.c.lane == "stop", OUTBOX.c.lane == "normal", OUTBOX.c.rank == URGENT
    return Ways(
        urgent=(
            and_(pending, stop, alone, newest, _ready()),
            and_(doubtful, first, or_(stop, in_order), alone, newest),
            and_(pending, normal, first, in_order, alone, newest, _ready()),
        ),
        ordinary=(
            and_(doubtful, in_order, alone, newest),
            and_(pending, normal, in_order, alone, newest, _ready()),
        ),
    )


def expire(tx: Tx, endpoint: str) -> None:
    """Take back what a worker has not spoken of for too long, and count it: its process died, or the attempt hung."""
    now = to_ms(tx.now)
    ran_out = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.lease_until < now)
    for state, then in (("leased", "pending"), ("sent", "unknown")):
        # The fence moves with it: the worker that had the row may still be alive.
        values = {"state": then, "lease_owner": "", "fence": OUTBOX.c.fence + 1, **_one_more_crash(now)}
        tx.connection.execute(update(OUTBOX).where(ran_out, OUTBOX.c.state == state).values(**values))
    # A row in doubt keeps its state while it is verified: only that it has an owner tells that it was claimed.
    verifying = and_(ran_out, OUTBOX.c.state == "unknown", OUTBOX.c.lease_owner != "")
    values = {"lease_owner": "", "fence": OUTBOX.c.fence + 1, **_one_more_crash(now)}
    tx.connection.execute(update(OUTBOX).where(verifying).values(**values))


def _one_more_crash(now: int) -> dict[str, Any]:
    since = case((OUTBOX.c.suspected == 0, literal(now, BigInteger())), else_=OUTBOX.c.suspected)
    return {"crashes": OUTBOX.c.crashes + 1, "suspected": since}


def suspect_in_flight(tx: Tx, endpoint: str) -> bool:
    """Say whether a row under suspicion is on its way."""
    mine = and_(OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, SUSPECT)
    flying = select(OUTBOX.c.seq).where(mine, _in_flight(OUTBOX, to_ms(tx.now))).limit(1)
    return tx.connection.execute(flying).first() is not None


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
