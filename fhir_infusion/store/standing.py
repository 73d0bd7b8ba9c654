"""How many rows of the sync are in which state, and since when: by the indexes, without reading a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from sqlalchemy import bindparam, func, or_, select

from fhir_infusion.store.aside import ASIDE
from fhir_infusion.store.outbox import WAITING, State
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import CONFLICTS, INBOX, OUTBOX
from fhir_infusion.store.tx import from_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fhir_infusion.store import inbox
    from fhir_infusion.store.outbox import Lane
    from fhir_infusion.store.tx import Tx

_FIRST: Final = Statement(
    select(OUTBOX.c.enqueued)
    .where(
        OUTBOX.c.tenant == bindparam("tenant"),
        OUTBOX.c.endpoint == bindparam("endpoint"),
        OUTBOX.c.state == bindparam("state"),
        OUTBOX.c.lane == bindparam("lane"),
        OUTBOX.c.rank == bindparam("rank"),
    )
    .order_by(OUTBOX.c.seq)
    .limit(1)
)
_RANKS: Final = (0, 1)


def oldest(tx: Tx, endpoint: str, lane: Lane | None = None) -> datetime | None:
    """Return since when the first row of an endpoint waits that is neither done nor put aside.

    The first of each state, lane and rank is one step into the index, whatever the backlog.
    """
    lanes: tuple[Lane, ...] = (lane,) if lane else ("stop", "normal")
    since: list[int] = []
    for state in WAITING:
        for one in lanes:
            for rank in _RANKS:
                asked = {"tenant": tx.tenant, "endpoint": endpoint, "state": state, "lane": one, "rank": rank}
                since += [int(row[0]) for row in _FIRST.rows(tx, asked)]
    return from_ms(min(since)) if since else None


_FIRST_OF: Final = (
    select(OUTBOX.c.tenant, OUTBOX.c.endpoint).order_by(OUTBOX.c.tenant, OUTBOX.c.endpoint).limit(1)
).where(OUTBOX.c.state == bindparam("state"))
# Two steps, not one comparison of pairs: of that SQLite takes the tenant alone for its index.
_NEXT: Final = (
    Statement(_FIRST_OF.where(OUTBOX.c.tenant == bindparam("tenant"), OUTBOX.c.endpoint > bindparam("endpoint"))),
    Statement(_FIRST_OF.where(OUTBOX.c.tenant > bindparam("tenant"))),
)


def waited_for(tx: Tx) -> tuple[tuple[str, str], ...]:
    """Return tenant and endpoint of each endpoint, of every tenant, for which a row waits or was put aside.

    From one to the next is one step into the index for each state, whatever the backlog.
    """
    found: set[tuple[str, str]] = set()
    for state in (*WAITING, *ASIDE):
        place: tuple[str, str] | None = ("", "")
        while place is not None:
            asked = {"state": state, "tenant": place[0], "endpoint": place[1]}
            row = _NEXT[0].one(tx, asked) or _NEXT[1].one(tx, {"state": state, "tenant": place[0]})
            place = (str(row[0]), str(row[1])) if row is not None else None
            found |= {place} if place is not None else set()
    return tuple(sorted(found))


def outgoing(tx: Tx, endpoint: str, states: Sequence[State] = ()) -> dict[str, int]:
    """Return how many outbox rows of an endpoint are in which state, in all of them or in ``states``."""
    mine = (OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint)
    named = OUTBOX.c.state.in_(states or get_args(State))  # the index begins with the state
    found = select(OUTBOX.c.state, func.count()).where(*mine, named).group_by(OUTBOX.c.state)
    return {str(row[0]): int(row[1]) for row in tx.connection.execute(found)}


def waiting(tx: Tx, endpoint: str) -> int:
    """Return how many outbox rows of an endpoint are still to be told: neither done nor put aside."""
    return sum(outgoing(tx, endpoint, WAITING).values())


def incoming(tx: Tx, endpoint: str, types: Sequence[str], state: inbox.State) -> int:
    """Return how many received versions of some types are in a state."""
    mine = (INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.type.in_(types))
    found = select(func.count()).select_from(INBOX).where(*mine, INBOX.c.state == state)
    return int(tx.connection.execute(found).scalar_one())


def held(tx: Tx, endpoint: str) -> int:
    """Return how many conflicts wait for a person; "" as endpoint are those about who a patient is, with no server."""
    mine = (CONFLICTS.c.tenant == tx.tenant, CONFLICTS.c.endpoint == endpoint, CONFLICTS.c.state == "open")
    return int(tx.connection.execute(select(func.count()).select_from(CONFLICTS).where(*mine)).scalar_one())


def held_for_patient(tx: Tx, endpoint: str) -> int:
    """Return how many outbox rows were put aside because it is not certain who their patient is."""
    mine = (OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.state.in_(ASIDE))
    named = or_(OUTBOX.c.last_error_code == "identity", OUTBOX.c.last_error_code.startswith("patient-"))
    return int(tx.connection.execute(select(func.count()).select_from(OUTBOX).where(*mine, named)).scalar_one())


def held_identities(tx: Tx) -> int:
    """Return how many conflicts about who a patient is wait for a person, of every tenant."""
    found = select(func.count()).select_from(CONFLICTS).where(CONFLICTS.c.endpoint == "", CONFLICTS.c.state == "open")
    return int(tx.connection.execute(found).scalar_one())
