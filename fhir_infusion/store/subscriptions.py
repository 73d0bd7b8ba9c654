"""Subscriptions and their events.

An event gets its number in the transaction of the change that it tells of, from a counter in the row of the
subscription. Changes of one tenant are made one after the other, and what is undone takes its number back: the numbers
of a subscription have no gaps and no repeats, whoever writes and wherever a process dies.

Who sends holds a lease on the subscription, so that its events go out one after the other, and renews it meanwhile. A
process that died leaves its lease: on a database that one process writes it is void at once, else when it runs out.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, bindparam, case, delete, insert, literal_column, or_, select, update

from fhir_infusion.store.due import LONGEST_WAIT
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import SUBSCRIPTION_EVENTS, SUBSCRIPTIONS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx
    from fhir_infusion.store.versions import Stored


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription. ``text`` is the resource with its headers masked, ``secret`` the headers as they were set.

    ``base`` is the address of our FHIR interface as the client reached it; moments are ms since 1970 UTC, 0 for none.
    """

    tenant: str
    subscription_id: str
    release: str
    status: str
    type: str
    client: str
    base: str
    text: str
    secret: str
    version: int
    created: int
    last_updated: int
    ends: int
    heartbeat: int
    error: str = ""
    is_open: int = 0
    events: int = 0
    sent: int = 0
    stops: int = 0
    failures: int = 0
    failing_since: int = 0
    not_before: int = 0
    contacted: int = 0
    lease_owner: str = ""
    lease_until: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, the moment of the change, and the version that it made."""

    number: int
    at: int
    type: str
    id: str
    version: int


_NAMES: Final = tuple(field.name for field in fields(Subscription))
_COLUMNS: Final = [SUBSCRIPTIONS.c[name] for name in _NAMES]
_MINE: Final = and_(
    SUBSCRIPTIONS.c.tenant == bindparam("of_tenant"), SUBSCRIPTIONS.c.subscription_id == bindparam("of_id")
)
_LISTENS: Final = and_(SUBSCRIPTIONS.c.status != "off", SUBSCRIPTIONS.c.contacted > 0)
"""Events are counted from the first contact until it is off, also while the endpoint fails."""

_ADD: Final = Statement(insert(SUBSCRIPTIONS))
_FIND: Final = Statement(select(*_COLUMNS).where(_MINE))
_FORGET: Final = Statement(delete(SUBSCRIPTIONS).where(_MINE))
_FORGET_EVENTS: Final = Statement(
    delete(SUBSCRIPTION_EVENTS).where(
        SUBSCRIPTION_EVENTS.c.tenant == bindparam("of_tenant"),
        SUBSCRIPTION_EVENTS.c.subscription_id == bindparam("of_id"),
    )
)
_CHANGE: Final = Statement(
    update(SUBSCRIPTIONS)
    .where(_MINE)
    .values({name: bindparam(f"to_{name}") for name in _NAMES if name not in {"tenant", "subscription_id"}})
)
_LISTED: Final = Statement(
    select(*_COLUMNS)
    .where(
        SUBSCRIPTIONS.c.tenant == bindparam("of_tenant"),
        SUBSCRIPTIONS.c.release == bindparam("of_release"),
        SUBSCRIPTIONS.c.subscription_id > bindparam("after"),
    )
    .order_by(SUBSCRIPTIONS.c.subscription_id)
)
_LISTENING: Final = Statement(
    select(*(SUBSCRIPTIONS.c[name] for name in ("subscription_id", "release", "text", "base", "ends"))).where(
        SUBSCRIPTIONS.c.tenant == bindparam("of_tenant"), SUBSCRIPTIONS.c.type == bindparam("of_type"), _LISTENS
    )
)
_COUNT: Final = Statement(
    update(SUBSCRIPTIONS).where(_MINE).values(events=SUBSCRIPTIONS.c.events + 1).returning(SUBSCRIPTIONS.c.events)
)
_STOPPED: Final = Statement(update(SUBSCRIPTIONS).where(_MINE).values(stops=SUBSCRIPTIONS.c.events))
_APPEND: Final = Statement(insert(SUBSCRIPTION_EVENTS))
_EVENT_NAMES: Final = tuple(field.name for field in fields(Event))
_EVENTS: Final = Statement(
    select(*(SUBSCRIPTION_EVENTS.c[name] for name in _EVENT_NAMES))
    .where(
        SUBSCRIPTION_EVENTS.c.tenant == bindparam("of_tenant"),
        SUBSCRIPTION_EVENTS.c.subscription_id == bindparam("of_id"),
        SUBSCRIPTION_EVENTS.c.number >= bindparam("from_number"),
        SUBSCRIPTION_EVENTS.c.number <= bindparam("to_number"),
    )
    .order_by(SUBSCRIPTION_EVENTS.c.number)
    .limit(bindparam("most"))
)
_TOO_FAR: Final = bindparam("now", type_=BigInteger()) + literal_column(str(LONGEST_WAIT))
"""Nobody waits so long: that is of a clock that went back since."""
_DUE: Final = and_(
    SUBSCRIPTIONS.c.status != "off",
    or_(
        and_(SUBSCRIPTIONS.c.ends > 0, SUBSCRIPTIONS.c.ends <= bindparam("now")),
        and_(
            or_(SUBSCRIPTIONS.c.not_before <= bindparam("now"), SUBSCRIPTIONS.c.not_before > _TOO_FAR),
            or_(
                SUBSCRIPTIONS.c.is_open == 0,
                SUBSCRIPTIONS.c.events > SUBSCRIPTIONS.c.sent,
                and_(
                    SUBSCRIPTIONS.c.heartbeat > 0,
                    SUBSCRIPTIONS.c.contacted + 1000 * SUBSCRIPTIONS.c.heartbeat <= bindparam("now"),
                ),
            ),
        ),
    ),
)
_IS_STOP: Final = case((SUBSCRIPTIONS.c.stops > SUBSCRIPTIONS.c.sent, 1), else_=0)
_DUE_ANYWHERE: Final = Statement(
    select(*_COLUMNS).where(_DUE).order_by(_IS_STOP.desc(), SUBSCRIPTIONS.c.failures, SUBSCRIPTIONS.c.contacted)
)
_CLAIM: Final = Statement(
    update(SUBSCRIPTIONS)
    .where(
        _MINE,
        _DUE,
        or_(
            SUBSCRIPTIONS.c.lease_until < bindparam("now"),
            SUBSCRIPTIONS.c.lease_until > _TOO_FAR,
            # A process that alone writes the database knows every lease but its own to be that of a dead one.
            and_(bindparam("is_alone") == 1, SUBSCRIPTIONS.c.lease_owner.not_like(bindparam("of_process"))),
        ),
    )
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"))
)
_RENEW: Final = Statement(
    update(SUBSCRIPTIONS)
    .where(SUBSCRIPTIONS.c.tenant == bindparam("of_tenant"), SUBSCRIPTIONS.c.lease_owner.like(bindparam("of_process")))
    .values(lease_until=bindparam("until"))
)


def find(tx: Tx, id: str) -> Subscription | None:
    """Return a subscription of this tenant, None where there is none."""
    row = _FIND.one(tx, {"of_tenant": tx.tenant, "of_id": id})
    return Subscription(*row) if row is not None else None


def add(tx: Tx, subscription: Subscription) -> None:
    """Keep a new subscription."""
    _ADD.write(tx, dict(zip(_NAMES, astuple(subscription), strict=True)))


def change(tx: Tx, subscription: Subscription) -> None:
    """Write all of a subscription, read in this transaction."""
    values = {f"to_{name}": getattr(subscription, name) for name in _NAMES}
    _CHANGE.write(tx, {**values, "of_tenant": tx.tenant, "of_id": subscription.subscription_id})


def forget(tx: Tx, id: str) -> None:
    """Delete a subscription with its events."""
    for statement in (_FORGET_EVENTS, _FORGET):
        statement.write(tx, {"of_tenant": tx.tenant, "of_id": id})


def listed(tx: Tx, release: str, after: str = "") -> list[Subscription]:
    """Return the subscriptions of this tenant that were made in a release, in the order of their ids."""
    rows = _LISTED.rows(tx, {"of_tenant": tx.tenant, "of_release": release, "after": after})
    return [Subscription(*row) for row in rows]


def listening(tx: Tx, type: str) -> list[tuple[str, str, str, str]]:
    """Return id, release, text and base of the subscriptions that may want to know of a change of a type."""
    now = to_ms(tx.now)
    rows = _LISTENING.rows(tx, {"of_tenant": tx.tenant, "of_type": type})
    return [(id_, release, text, base) for id_, release, text, base, ends in rows if not ends or ends > now]


def append(tx: Tx, id: str, changed: Stored, *, stop: bool) -> None:
    """Add an event: a change of this transaction, under the next number. ``stop``: it goes before those of others."""
    mine = {"of_tenant": tx.tenant, "of_id": id}
    (row,) = _COUNT.rows(tx, mine)
    event = Event(int(row[0]), to_ms(changed.last_updated), changed.type, changed.id, changed.version)
    values = dict(zip(_EVENT_NAMES, astuple(event), strict=True))
    _APPEND.write(tx, {"tenant": tx.tenant, "subscription_id": id, **values})
    if stop:
        _STOPPED.write(tx, mine)


def events(tx: Tx, id: str, first: int, last: int, most: int) -> list[Event]:
    """Return up to ``most`` events of a subscription by their numbers, from ``first`` to ``last``."""
    values = {"of_tenant": tx.tenant, "of_id": id, "from_number": first, "to_number": last, "most": most}
    return [Event(*row) for row in _EVENTS.rows(tx, values)]


def due(tx: Tx) -> list[Subscription]:
    """Return what has something to be sent, of every tenant: stops first, then those that do not fail."""
    return [Subscription(*row) for row in _DUE_ANYWHERE.rows(tx, {"now": to_ms(tx.now)})]


def claim(tx: Tx, id: str, owner: str, seconds: int, *, alone: bool) -> Subscription | None:
    """Take a subscription for one sender; None where there is nothing to send by now, or another sends.

    ``owner`` is ``process/number``; ``alone``: no other process writes this database.
    """
    now = to_ms(tx.now)
    process = owner.partition("/")[0]
    values: dict[str, Any] = {"owner": owner, "until": now + 1000 * seconds, "now": now}
    values |= {"of_tenant": tx.tenant, "of_id": id, "is_alone": int(alone), "of_process": f"{process}/%"}
    return find(tx, id) if _CLAIM.write(tx, values) == 1 else None


def renew(tx: Tx, process: str, seconds: int) -> None:
    """Keep what the senders of a process hold of this tenant."""
    until = to_ms(tx.now) + 1000 * seconds
    _RENEW.write(tx, {"of_tenant": tx.tenant, "of_process": f"{process}/%", "until": until})


def held(tx: Tx, id: str, owner: str) -> Subscription | None:
    """Return a subscription that this sender still holds, as it is now; None where it was changed or taken."""
    found = find(tx, id)
    return found if found is not None and found.lease_owner == owner else None
