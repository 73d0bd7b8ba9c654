"""What comes along with the matches of a search: https://hl7.org/fhir/R4/search.html#include.

What they refer to, and what refers to them, by the index rows; with ``:iterate`` again of what came along. Nothing
comes twice, a match does not come along with another, and there is an end to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import false, select

from fhir_infusion.fhir.parameters import indexed
from fhir_infusion.store import versions
from fhir_infusion.store.tables import INDEX_ROWS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fhir_infusion.fhir.search import Include
    from fhir_infusion.store.tx import Tx
    from fhir_infusion.store.versions import Stored

MOST: Final = 1000
"""So many resources come along with a page at most."""

_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")

Aggregate = tuple[str, str]


def along(
    tx: Tx, matches: Sequence[Stored], includes: Sequence[Include], most: int = MOST
) -> tuple[tuple[Stored, ...], bool]:
    """Return what comes along with the matches, in the order it is found, and whether that is all.

    Args:
        tx: a snapshot.
        matches: the entries of a page.
        includes: what is asked for.
        most: how many may come.
    """
    known = {(one.type, one.id) for one in matches}
    found: list[Stored] = []
    new, asked = list(known), list(includes)
    while new and asked and len(found) <= most:
        named: dict[Aggregate, None] = {}
        for include in asked:
            room = most + 1 - len(found)
            reached = _referring(tx, new, include, room) if include.reverse else _referred(tx, new, include)
            named.update(dict.fromkeys(one for one in reached if one not in known))
        there = current(tx, list(named)[: most + 1 - len(found)])
        known |= named.keys()
        found += there
        new = [(one.type, one.id) for one in there]
        asked = [include for include in includes if include.iterate]
    return tuple(found[:most]), len(found) <= most


def _keys(include: Include) -> list[str]:
    if include.parameter is not None:
        return [include.parameter]
    return [one.key for one in indexed(include.source) if one.kind == "reference"]


def _referred(tx: Tx, of: Iterable[Aggregate], include: Include) -> list[Aggregate]:
    """Return what some resources refer to."""
    ids = [id_ for type_, id_ in of if type_ == include.source]
    if not ids:
        return []
    rows = INDEX_ROWS.c
    statement = (
        select(rows.value)
        .where(
            rows.tenant == tx.tenant,
            rows.type == include.source,
            rows.id.in_(ids),
            rows.parameter.in_(_keys(include)),
        )
        .order_by(rows.created, rows.id, rows.parameter, rows.value)
    )
    literal = (_RELATIVE.fullmatch(value) for value in tx.connection.execute(statement).scalars())
    found = [(one.group(1), one.group(2)) for one in literal if one is not None]
    return [one for one in found if not include.target or one[0] == include.target]


def _referring(tx: Tx, to: Iterable[Aggregate], include: Include, limit: int) -> list[Aggregate]:
    """Return what refers to some resources."""
    values = [f"{type_}/{id_}" for type_, id_ in to if not include.target or type_ == include.target]
    if not values:
        return []
    rows = INDEX_ROWS.c
    statement = (
        select(rows.type, rows.id, rows.created)
        .where(
            rows.tenant == tx.tenant,
            rows.type == include.source,
            rows.parameter.in_(_keys(include)),
            rows.value.in_(values),
        )
        .distinct()
        .order_by(rows.created, rows.id)
    )
    # Some of those may be there already, as matches.
    return [(row[0], row[1]) for row in tx.connection.execute(statement.limit(limit + len(values)))]


def current(tx: Tx, wanted: Sequence[Aggregate]) -> list[Stored]:
    """Return the resources that are there, in the order given."""
    by_type: dict[str, list[str]] = {}
    for type_, id_ in wanted:
        by_type.setdefault(type_, []).append(id_)
    there: dict[Aggregate, Stored] = {}
    for type_, ids in by_type.items():
        statement = versions.selected(
            RESOURCES.c.tenant == tx.tenant,
            RESOURCES.c.type == type_,
            RESOURCES.c.deleted == false(),
            RESOURCES.c.id.in_(ids),
        )
        there |= {(type_, one.id): one for one in map(versions.stored, tx.connection.execute(statement))}
    return [there[one] for one in wanted if one in there]
