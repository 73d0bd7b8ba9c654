"""Whether few resources meet a criterion, counted before a listing is read, as far as it matters.

A listing is read in one of two ways: what meets a criterion is listed and sorted, which costs what there is of it, or
an index is walked in the order that is asked for, which costs what lies between the matches. Neither is right for
every value: ``status=completed`` is met by nearly all, ``status=entered-in-error`` by nearly none. So up to ``FEW``
index rows are looked at. What is few is asked for by id, which leaves a database nothing to guess. Later pages go on as
the first one began, whatever was made meanwhile: their token says how.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeGuard

from sqlalchemy import select

from fhir_infusion.fhir.search import Criterion, Wanted
from fhir_infusion.store.criteria import BROAD, Scope, is_narrow, listed
from fhir_infusion.store.index import TABLES
from fhir_infusion.store.orders import is_read_in_order

if TYPE_CHECKING:
    from fhir_infusion.fhir.search import Condition, Query
    from fhir_infusion.store.tx import Tx

FEW: Final = 1_000
"""To list so many costs some milliseconds; where there are more, one of 1,000 in a million, a walk soon meets them."""

_KINDS: Final = frozenset({"token", "uri", "string", "date"})
_SOUGHT: Final = frozenset({"", "starts", "exact"})
"""Ways of matching for which an index says where to begin."""


def counted(tx: Tx, type: str, query: Query) -> tuple[Query, str]:
    """Return a query whose criteria say what was counted, and this as a text for a page token, empty where nothing was.

    Nothing is counted where a criterion names few by what it is, or the only one is itself read in order.
    """
    if any(map(is_narrow, query.criteria)) or is_read_in_order(query):
        return query, ""
    told, marks = list(query.criteria), ["-"] * len(query.criteria)
    # What is likely to be few comes first: once some is, nothing else is counted.
    for place in sorted(range(len(told)), key=lambda number: _breadth(query.criteria[number])):
        one = told[place]
        if not _is_sought(one):
            continue
        found = _asked(tx, type, one)
        told[place], marks[place] = found, "m" if found.few is False else "f"
        if marks[place] == "f":
            break
    text = "".join(marks)
    return (replace(query, criteria=tuple(told)), text) if text.strip("-") else (query, "")


def as_begun(tx: Tx, type: str, query: Query, marks: str) -> Query:
    """Return a query as it was counted for its first page. Raises ``ValueError`` where the marks are not of it."""
    if not marks:
        return query
    if set(marks) - set("fm-"):
        raise ValueError(marks)
    pairs = zip(query.criteria, marks, strict=True)
    return replace(query, criteria=tuple(_again(tx, type, one, mark) for one, mark in pairs))


def _again(tx: Tx, type: str, condition: Condition, mark: str) -> Condition:
    if mark == "-" or not _is_sought(condition):
        return condition
    if mark == "m":
        return replace(condition, few=False)
    found = _asked(tx, type, condition)
    # What was few may be more by now, and is listed all the same.
    return replace(condition, few=True) if found.few is False else found


def _breadth(condition: Condition) -> int:
    if not isinstance(condition, Criterion) or condition.kind == "date":
        return 2
    return int(condition.parameter in BROAD)  # codes that sort resources into a handful of heaps


def _is_sought(condition: Condition) -> TypeGuard[Criterion]:
    if not isinstance(condition, Criterion) or condition.negated or condition.kind not in _KINDS:
        return False
    return condition.match in _SOUGHT and all(one.prefix != "ne" for one in condition.values)


def _asked(tx: Tx, type: str, criterion: Criterion) -> Criterion:
    """Return a criterion as the ids of what meets it, where these are few, else as one that many meet."""
    table = TABLES[criterion.kind].alias()
    rows = select(table.c.id).where(*listed(table, Scope(tx.tenant, type), criterion))
    # One row more than few says so: to fetch a thousand takes longer than to pass them by.
    if tx.connection.execute(rows.offset(FEW).limit(1)).first() is not None:
        return replace(criterion, few=False)
    ids = tx.connection.execute(rows).scalars().all()
    return Criterion("_id", "id", tuple(Wanted(value=id_) for id_ in dict.fromkeys(ids)))
