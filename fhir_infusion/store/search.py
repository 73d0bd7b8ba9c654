"""Listings, page by page, at a cost that does not grow with what is stored: no offset, no count.

A page continues after a key (keyset), never at a number of rows. Two orders are offered:

- by creation: an entry that is changed while somebody pages keeps its place, so it is neither skipped nor repeated;
- by last change (``_lastUpdated`` is asked for or sorted by), for whoever keeps a copy in step: the upper bound is set
  by the first page; what changes after it is found by asking again from there on.

https://hl7.org/fhir/R4/search.html: values of one parameter are alternatives, parameters must all hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, tuple_

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import feed, versions
from fhir_infusion.store.tables import INDEX_ROWS, RESOURCES, VERSIONS
from fhir_infusion.store.tx import to_ms
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.search import Criterion, Query, Wanted
    from fhir_infusion.store.tx import Tx

Order = Literal["created", "changed", "changed-newest-first"]

_ORDERS: Final[dict[str, Order]] = {"_lastUpdated": "changed", "-_lastUpdated": "changed-newest-first"}
_NAMED: Final[dict[str, Order]] = {"created": "created", **{order: order for order in _ORDERS.values()}}
_NARROW: Final = ("identifier", "request", "patient", "subject", "patient:identifier", "subject:identifier", "context")
"""Parameters whose one value names few resources: their listing is read from the value's index rows."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was asked for. ``after`` begins the next page; None after the last."""

    entries: tuple[Stored, ...]
    after: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after a moment and an id, nothing beyond ``upper``."""

    order: Order
    upper: int
    moment: int
    id: str


def page(tx: Tx, type: str, query: Query, count: int, after: Sequence[str] = (), *, lone: bool = False) -> Page:
    """Return up to ``count`` current resources that meet every criterion.

    Args:
        tx: a snapshot.
        type: the resource type.
        query: what ``fhir.search.parse`` returned.
        count: at least 1.
        after: ``Page.after`` of the page before.
        lone: without those that are a segment of another administration.

    Raises:
        Refused: ``after`` is not of this query.
    """
    place = _continued(after) if after else _first(tx, query)
    stamp = RESOURCES.c.created if place.order == "created" else RESOURCES.c.last_updated
    conditions: list[ColumnElement[bool]] = [
        RESOURCES.c.tenant == tx.tenant,
        RESOURCES.c.type == type,
        RESOURCES.c.deleted == false(),
        stamp <= place.upper,
        *(_holds(criterion) for criterion in query.criteria),
    ]
    if lone:
        conditions.append(RESOURCES.c.parent == "")
    if after:
        here = tuple_(place.moment, place.id)
        key = tuple_(stamp, RESOURCES.c.id)
        conditions.append(key < here if place.order == "changed-newest-first" else key > here)
    statement = versions.selected(*conditions)
    if place.order == "changed-newest-first":
        statement = statement.order_by(stamp.desc(), RESOURCES.c.id.desc())
    else:
        statement = statement.order_by(stamp, RESOURCES.c.id)
    rows = [versions.stored(row) for row in tx.connection.execute(statement.limit(count + 1))]
    found = tuple(rows[:count])
    return Page(found, _next(place, found[-1]) if len(rows) > count else None)


def _first(tx: Tx, query: Query) -> _Place:
    order = _ORDERS.get(query.sort, "created")
    if order == "created" and any(criterion.kind == "lastUpdated" for criterion in query.criteria):
        order = "changed"
    return _Place(order, feed.last(tx), 0, "")


def _continued(after: Sequence[str]) -> _Place:
    try:
        name, upper, moment, id_ = after
        return _Place(_NAMED[name], int(upper), int(moment), id_)
    except (ValueError, KeyError):
        raise Refused(Issue("error", "invalid", "", "the page token is not of this listing")) from None


def _next(place: _Place, last: Stored) -> tuple[str, ...]:
    moment = last.created if place.order == "created" else last.last_updated
    return (place.order, str(place.upper), str(to_ms(moment)), last.id)


def _holds(criterion: Criterion) -> ColumnElement[bool]:
    if criterion.kind == "id":
        return RESOURCES.c.id.in_([wanted.value for wanted in criterion.values])
    if criterion.kind == "lastUpdated":
        moment = RESOURCES.c.last_updated
        # An instant is one millisecond wide.
        return or_(*(_compared(wanted, moment, moment + 1) for wanted in criterion.values))
    matching = or_(*(_matches(criterion.kind, wanted) for wanted in criterion.values))
    mine = (
        INDEX_ROWS.c.tenant == RESOURCES.c.tenant,
        INDEX_ROWS.c.type == RESOURCES.c.type,
        INDEX_ROWS.c.parameter == criterion.parameter,
        matching,
    )
    if criterion.parameter in _NARROW:
        return RESOURCES.c.id.in_(select(INDEX_ROWS.c.id).where(*mine))
    return exists().where(INDEX_ROWS.c.id == RESOURCES.c.id, *mine)


def _matches(kind: str, wanted: Wanted) -> ColumnElement[bool]:
    if kind == "date":
        return _compared(wanted, INDEX_ROWS.c.start, INDEX_ROWS.c.end)
    asked: list[ColumnElement[bool]] = []
    if wanted.value is not None:
        asked.append(INDEX_ROWS.c.value == wanted.value)
    if wanted.system is not None and kind == "token":
        asked.append(INDEX_ROWS.c.system == wanted.system)
    return and_(*asked) if asked else INDEX_ROWS.c.value != ""


def _compared(wanted: Wanted, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
    """Compare the range [start, end) with the one asked for; https://hl7.org/fhir/R4/search.html#prefix."""
    within = and_(start >= wanted.start, end <= wanted.end)
    compared: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": ~within,
        "gt": end > wanted.end,
        "lt": start < wanted.start,
        "ge": or_(end > wanted.end, within),
        "le": or_(start < wanted.start, within),
        "sa": start >= wanted.end,
        "eb": end <= wanted.start,
        "ap": and_(start < wanted.end, end > wanted.start),
    }
    return compared[wanted.prefix]


def matching_identifier(tx: Tx, type: str, system: str, value: str, limit: int = 2) -> tuple[Stored, ...]:
    """Return the resources that carry an identifier, whatever its system means; for conditional creates."""
    carried = select(INDEX_ROWS.c.id).where(
        INDEX_ROWS.c.tenant == tx.tenant,
        INDEX_ROWS.c.type == type,
        INDEX_ROWS.c.parameter == "identifier",
        INDEX_ROWS.c.value == value,
        INDEX_ROWS.c.system == system,
    )
    statement = versions.selected(
        RESOURCES.c.tenant == tx.tenant,
        RESOURCES.c.type == type,
        RESOURCES.c.deleted == false(),
        RESOURCES.c.id.in_(carried),
    )
    rows = tx.connection.execute(statement.order_by(VERSIONS.c.id).limit(limit))
    return tuple(map(versions.stored, rows))
