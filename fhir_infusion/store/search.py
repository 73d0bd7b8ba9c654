"""Listings, page by page, at a cost that does not grow with what is stored: no offset, and no count unless asked for.

A page continues after a key (keyset) of one of the ``orders``; the key is what ``Page.after`` holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, func, select

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import feed, few, versions
from fhir_infusion.store.criteria import Behind, Scope, holds, is_narrow, is_of_few
from fhir_infusion.store.orders import Order, Phase, column_of, order
from fhir_infusion.store.tables import RESOURCES
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from fhir_infusion.fhir.search import Query
    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was asked for. ``after`` begins the next page; None after the last."""

    entries: tuple[Stored, ...]
    after: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: nothing beyond ``upper``, in a phase of the order, behind the values of its keys."""

    upper: int
    phase: int
    values: tuple[str, ...]


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
    if after:
        query, marks = _as_begun(tx, type, query, after[0])
    else:
        query, marks = few.counted(tx, type, query)
    by = order(tx.tenant, type, query)
    place = _continued(by, after) if after else _Place(feed.last(tx), 0, ())
    conditions = _conditions(tx, type, query, by, by.side if place.values else None)
    if lone:
        conditions.append(RESOURCES.c.parent == "")
    if not (place.values and by.is_newest_first):
        # Behind a key of the newest first all is older; said again, it would mislead a database where to begin.
        conditions.append(by.stamp <= place.upper)
    rows: list[Any] = []
    last = place
    for number, phase in enumerate(by.phases[place.phase :], place.phase):
        values = place.values if number == place.phase else ()
        found = list(tx.connection.execute(_statement(phase, conditions, values, count + 1 - len(rows))))
        if found:
            # The last of the page is the last but one of what was found, which may be of the phase before.
            kept = found[: count - len(rows)]
            last = _Place(place.upper, number, _keys(kept[-1])) if kept else last
        rows += found
        if len(rows) > count:
            break
    entries = tuple(versions.stored(row[: len(versions.COLUMNS)]) for row in rows[:count])
    token = (f"{by.name}/{marks}" if marks else by.name, str(last.upper), str(last.phase), *last.values)
    return Page(entries, token if len(rows) > count else None)


def total(tx: Tx, type: str, query: Query) -> int:
    """Return how many current resources meet every criterion; its cost grows with them."""
    conditions = [*Scope(tx.tenant, type).alive(), *(holds(Scope(tx.tenant, type), one) for one in query.criteria)]
    statement = select(func.count()).select_from(RESOURCES).where(*conditions)
    return int(tx.connection.execute(statement).scalar_one())


def _conditions(tx: Tx, type: str, query: Query, by: Order, behind: Behind) -> list[ColumnElement[bool]]:
    scope = Scope(tx.tenant, type)
    rest = [one for one in query.criteria if one is not by.driver]
    # What is narrow lists its own; all else is asked of each that is left.
    if any(map(is_of_few, rest)):
        behind = "both"
    each = by.driver is not None or any(map(is_narrow, rest))
    asked = (holds(scope, one, each=each and not is_narrow(one), behind=behind) for one in rest)
    return [*scope.alive(), *asked]


def _statement(
    phase: Phase, conditions: Sequence[ColumnElement[bool]], values: Sequence[str], limit: int
) -> Select[*tuple[Any, ...]]:
    """Return what gives the next rows of a phase, behind these values of its keys where there are any."""
    if phase.is_worked_out:
        return _worked_out(phase, conditions, values, limit)
    begins = _behind(phase, values) or phase.first
    statement = versions.selected(*conditions, *phase.conditions, *begins)
    for table, how in phase.joined:
        statement = statement.join(table, how)
    return statement.add_columns(*_labelled(phase)).order_by(*_terms(phase)).limit(limit)


def _worked_out(
    phase: Phase, conditions: Sequence[ColumnElement[bool]], values: Sequence[str], limit: int
) -> Select[*tuple[Any, ...]]:
    """Return the same in steps: 1. the keys of all that match, each once, 2. the rows of the page, 3. what they hold.

    In one step a database works each key out again wherever it stands, and reads every text before it sorts.
    """
    ours = [RESOURCES.c[name] for name in ("tenant", "type", "id")]
    keyed = select(*ours, *_labelled(phase)).where(*conditions, *phase.conditions).cte("keyed")
    once = keyed.prefix_with("MATERIALIZED")
    within = phase.of(once)
    wanted = select(once).where(*_behind(within, values)).order_by(*_terms(within)).limit(limit).cte("wanted")
    same = and_(*(wanted.c[column.name] == column for column in ours))
    shown = phase.of(wanted)
    found = versions.selected().join(wanted, same)
    return found.add_columns(*(key.term for key in shown.keys)).order_by(*_terms(shown))


def _labelled(phase: Phase) -> list[ColumnElement[Any]]:
    return [key.term.label(column_of(number)) for number, key in enumerate(phase.keys)]


def _terms(phase: Phase) -> list[ColumnElement[Any]]:
    return [key.term.desc() if key.descending else key.term for key in phase.keys]


def _keys(row: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in row[len(versions.COLUMNS) :])


def _as_begun(tx: Tx, type: str, query: Query, name: str) -> tuple[Query, str]:
    """Return a query as it was counted for the first page, and what was counted; see ``few``."""
    marks = name.partition("/")[2]
    try:
        return few.as_begun(tx, type, query, marks), marks
    except ValueError:
        raise _not_of_this() from None


def _continued(by: Order, after: Sequence[str]) -> _Place:
    try:
        named, upper, phase, *values = after
        name = named.partition("/")[0]
        place = _Place(int(upper), int(phase), tuple(values))
    except ValueError:
        raise _not_of_this() from None
    known = dict(enumerate(by.phases)).get(place.phase)
    # Without values it begins anew in its phase: the page before ended with the phase before.
    if name != by.name or known is None or len(values) not in {0, len(known.keys)}:
        raise _not_of_this()
    return place


def _behind(phase: Phase, values: Sequence[str]) -> list[ColumnElement[bool]]:
    if not values:
        return []
    try:
        return [phase.after([key.read(value) for key, value in zip(phase.keys, values, strict=True)])]
    except ValueError:
        raise _not_of_this() from None


def _not_of_this() -> Refused:
    return Refused(Issue("error", "invalid", "", "the page token is not of this listing"))
