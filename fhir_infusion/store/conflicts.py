"""Changes on both sides that no rule may merge: held for a person, with the three states to compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import bindparam, insert, literal, select, tuple_, update

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import audit
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import CONFLICTS
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx

State = Literal["open", "resolved"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """``fields`` are the groups on which both sides differ; base, ours and theirs are JSON texts."""

    conflict_id: str
    endpoint: str
    aggregate: str
    opened: datetime
    fields: tuple[str, ...]
    base: str
    ours: str
    theirs: str
    state: State
    resolution: str


_COLUMNS: Final = tuple(CONFLICTS.c[name] for name in Conflict.__dataclass_fields__)


def open_conflict(
    tx: Tx, endpoint: str, aggregate: str, fields: Sequence[str], base: str, ours: str, theirs: str, new_id: str
) -> Conflict:
    """Hold a conflict for a person; audited. ``new_id`` becomes its id."""
    values = (new_id, endpoint, aggregate, to_ms(tx.now), json.dumps(list(fields)), base, ours, theirs, "open", "")
    row = dict(zip(Conflict.__dataclass_fields__, values, strict=True))
    tx.connection.execute(insert(CONFLICTS), {"tenant": tx.tenant, **row})
    type_, _, id_ = aggregate.partition("/")
    audit.write(
        tx, "conflict-opened", endpoint or "identity", type_, id_, 0, f"conflict {new_id} in {', '.join(fields)}"
    )
    return Conflict(new_id, endpoint, aggregate, tx.now, tuple(fields), base, ours, theirs, "open", "")


def listed(
    tx: Tx,
    endpoint: str | None = None,
    state: State | None = "open",
    group: str | None = None,
    aggregate: str | None = None,
) -> tuple[Conflict, ...]:
    """Return conflicts, oldest first; with ``group`` those in which that is held, with ``aggregate`` of one of ours."""
    within = _within(json.dumps(group)) if group is not None else None
    asked = {"endpoint": endpoint, "state": state, "aggregate": aggregate, "group": within}
    given = {name: value for name, value in asked.items() if value is not None}
    rows = _listing(frozenset(given)).rows(tx, {"tenant": tx.tenant, **given})
    return tuple(map(_conflict, rows))


@cache
def _listing(given: frozenset[str]) -> Statement:
    """Return the statement for what is given; said once each, for it is asked before each version that is sent."""
    found = select(*_COLUMNS).where(CONFLICTS.c.tenant == bindparam("tenant"))
    for name in ("endpoint", "state", "aggregate"):
        if name in given:
            found = found.where(CONFLICTS.c[name] == bindparam(name))
    if "group" in given:
        found = found.where(CONFLICTS.c.fields.like(bindparam("group"), escape="/"))
    return Statement(found.order_by(CONFLICTS.c.opened, CONFLICTS.c.conflict_id))


def _within(text: str) -> str:
    """Return the pattern of LIKE for what holds a text; its own signs of a pattern stand for themselves."""
    return "%" + text.replace("/", "//").replace("%", "/%").replace("_", "/_") + "%"


def page(
    tx: Tx, count: int, after: Sequence[str] = (), endpoint: str | None = None
) -> tuple[tuple[Conflict, ...], tuple[str, str] | None]:
    """Return some open conflicts, oldest first, and where the next page begins, None after the last.

    Raises:
        Refused: ``after`` is not of this listing.
    """
    found = select(*_COLUMNS).where(CONFLICTS.c.tenant == tx.tenant, CONFLICTS.c.state == "open")
    if endpoint is not None:
        found = found.where(CONFLICTS.c.endpoint == endpoint)
    if after:
        try:
            opened, id_ = after
            place = (int(opened), id_)
        except ValueError:
            raise Refused(Issue("error", "invalid", "", "the page token is not of this listing")) from None
        found = found.where(tuple_(CONFLICTS.c.opened, CONFLICTS.c.conflict_id) > tuple_(*map(literal, place)))
    ordered = found.order_by(CONFLICTS.c.opened, CONFLICTS.c.conflict_id).limit(count + 1)
    rows = tuple(map(_conflict, tx.connection.execute(ordered)))
    if len(rows) <= count:
        return rows, None
    last = rows[count - 1]
    return rows[:count], (str(to_ms(last.opened)), last.conflict_id)


def get(tx: Tx, conflict_id: str) -> Conflict | None:
    """Return a conflict, open or resolved, None where this tenant has none of this id."""
    this = (CONFLICTS.c.tenant == tx.tenant, CONFLICTS.c.conflict_id == conflict_id)
    row = tx.connection.execute(select(*_COLUMNS).where(*this)).one_or_none()
    return _conflict(row) if row is not None else None


def shown(tx: Tx, conflict: Conflict, client: str) -> None:
    """Note that somebody read what a conflict holds; audited."""
    type_, _, id_ = conflict.aggregate.partition("/")
    audit.write(tx, "conflict-read", client, type_, id_, 0, f"conflict {conflict.conflict_id}")


def tenants(tx: Tx) -> tuple[str, ...]:
    """Return who has open conflicts: for the commands of this machine, which belong to no tenant."""
    found = select(CONFLICTS.c.tenant).where(CONFLICTS.c.state == "open").distinct()
    return tuple(sorted(tx.connection.execute(found).scalars()))


def open_of(tx: Tx, endpoint: str, aggregate: str) -> Conflict | None:
    """Return the oldest open conflict of a resource, None where it has none."""
    found = select(*_COLUMNS).where(
        CONFLICTS.c.tenant == tx.tenant,
        CONFLICTS.c.endpoint == endpoint,
        CONFLICTS.c.aggregate == aggregate,
        CONFLICTS.c.state == "open",
    )
    row = tx.connection.execute(found.order_by(CONFLICTS.c.opened).limit(1)).one_or_none()
    return _conflict(row) if row is not None else None


def renew(tx: Tx, conflict_id: str, ours: str, theirs: str) -> None:
    """Hold the states of now in place of those that were held."""
    this = (CONFLICTS.c.tenant == tx.tenant, CONFLICTS.c.conflict_id == conflict_id, CONFLICTS.c.state == "open")
    tx.connection.execute(update(CONFLICTS).where(*this).values(ours=ours, theirs=theirs))


def resolve(tx: Tx, conflict_id: str, resolution: str, actor: str) -> Conflict:
    """Close a conflict with what was decided; audited.

    Raises:
        Refused: 404 there is no such open conflict.
    """
    this = (CONFLICTS.c.tenant == tx.tenant, CONFLICTS.c.conflict_id == conflict_id)
    closing = update(CONFLICTS).where(*this, CONFLICTS.c.state == "open")
    if tx.connection.execute(closing.values(state="resolved", resolution=resolution)).rowcount != 1:
        raise Refused(Issue("error", "not-found", "", "there is no such open conflict", status=404))
    closed = _conflict(tx.connection.execute(select(*_COLUMNS).where(*this)).one())
    type_, _, id_ = closed.aggregate.partition("/")
    audit.write(tx, "conflict-resolved", actor, type_, id_, 0, f"conflict {conflict_id}: {resolution}")
    return closed


def _conflict(row: Sequence[Any]) -> Conflict:
    id_, endpoint, aggregate, opened, fields, base, ours, theirs, state, resolution = row
    return Conflict(
        id_, endpoint, aggregate, from_ms(opened), tuple(json.loads(fields)), base, ours, theirs, state, resolution
    )
