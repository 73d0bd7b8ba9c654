"""Which of our resources is which over there: one row for each (endpoint, aggregate).

A versionId of another server is opaque: it is compared for equality only. ``base`` is the last state on which both
sides agreed; a three-way merge starts from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, bindparam, case, delete, exists, false, func, literal, select, text

from fhir_infusion.records.statuses import ENDED
from fhir_infusion.store import dialect
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import INDEX_ROWS, LINKS, RESOURCES

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Link:
    """Our aggregate and their resource; ``ladder`` is the way it was created there. Empty where not known yet.

    Of one that is not there any more ``ladder`` is ``gone`` where the peer says that it was deleted (410), ``lost``
    where it knows nothing of it (404).
    ``doubted`` is 1 where the peer was restored from a backup and nobody has compared since.
    """

    endpoint: str
    aggregate: str
    remote_id: str = ""
    version_id: str = ""
    etag: str = ""
    last_updated: str = ""
    base: str = ""
    last_sent_version: int = 0
    last_acked_version: int = 0
    ladder: str = ""
    doubted: int = 0

    @property
    def is_gone(self) -> bool:
        """Whether it is not there any more, which is known: a tombstone."""
        return self.ladder in GONE

    def as_gone(self, *, is_lost: bool = False) -> Link:
        """Return the link of what is not there any more: it was deleted, or nothing is known of it (``is_lost``)."""
        return replace(self, ladder="lost" if is_lost else "gone")

    def as_nowhere(self) -> Link:
        """Return the link of what is lost, and whose id there is somebody else's now."""
        return replace(self.as_gone(is_lost=True), remote_id="", version_id="", etag="")


GONE: Final = ("gone", "lost")
"""How the link of what is not there any more was made: nothing of these is created again by itself."""

_COLUMNS: Final = tuple(LINKS.c[name] for name in Link.__dataclass_fields__)
_OURS: Final = and_(
    LINKS.c.tenant == bindparam("of_tenant"),
    LINKS.c.endpoint == bindparam("of_endpoint"),
    LINKS.c.aggregate == bindparam("of_aggregate"),
)
_OF_OURS: Final = Statement(select(*_COLUMNS).where(_OURS))
_BEFORE: Final = Statement(select(LINKS.c.remote_id, LINKS.c.version_id, LINKS.c.seen).where(_OURS))


def get(tx: Tx, endpoint: str, aggregate: str) -> Link | None:
    """Return the link of a resource of ours, None where it has none."""
    row = _OF_OURS.one(tx, {"of_tenant": tx.tenant, "of_endpoint": endpoint, "of_aggregate": aggregate})
    return Link(*row) if row is not None else None


def by_remote(tx: Tx, endpoint: str, type: str, remote_id: str) -> Link | None:
    """Return the link of a resource of theirs, None where it has none."""
    theirs = (
        LINKS.c.tenant == tx.tenant,
        LINKS.c.endpoint == endpoint,
        LINKS.c.remote_type == type,
        LINKS.c.remote_id == remote_id,
    )
    row = tx.connection.execute(select(*_COLUMNS).where(*theirs).limit(1)).one_or_none()
    return Link(*row) if row is not None else None


def put(tx: Tx, link: Link) -> None:
    """Keep a link in place of the one before, whose versionId joins those that were seen.

    Where that link is of what is gone there, and ours has not ended, it is marked so.
    """
    type_, _, id_ = link.aggregate.partition("/")
    row = {"tenant": tx.tenant, "remote_type": type_, "seen": _seen(tx, link), **asdict(link)}
    active = link.is_gone and tx.connection.execute(select(_is_active(tx, literal(type_), literal(id_)))).scalar_one()
    dialect.replace(tx, LINKS, {**row, "deleted_active": int(bool(active))})


def seen(tx: Tx, endpoint: str, type: str, remote_id: str) -> frozenset[str]:
    """Return versionIds of a resource of theirs that were followed by another: none is current but after a restore."""
    theirs = (
        LINKS.c.tenant == tx.tenant,
        LINKS.c.endpoint == endpoint,
        LINKS.c.remote_type == type,
        LINKS.c.remote_id == remote_id,
    )
    found = tx.connection.execute(select(LINKS.c.seen).where(*theirs).limit(1)).scalar_one_or_none()
    return frozenset((found or "").split())


SEEN: Final = 50
"""So many versionIds before the current one are remembered of each link."""


def _seen(tx: Tx, link: Link) -> str:
    row = _BEFORE.one(tx, {"of_tenant": tx.tenant, "of_endpoint": link.endpoint, "of_aggregate": link.aggregate})
    if row is None or row[0] != link.remote_id:
        return ""
    before = [one for one in (*str(row[2]).split(), str(row[1])) if one and one != link.version_id and " " not in one]
    return " ".join(list(dict.fromkeys(before))[-SEEN:])


def all_of(tx: Tx, endpoint: str, after: str = "", limit: int = 500) -> tuple[Link, ...]:
    """Return links by aggregate, those after ``after``."""
    mine = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.aggregate > after)
    found = select(*_COLUMNS).where(*mine).order_by(LINKS.c.aggregate).limit(limit)
    return tuple(Link(*row) for row in tx.connection.execute(found))


def behind(tx: Tx, endpoint: str, after: str, limit: int) -> tuple[tuple[str, ...], str | None]:
    """Look through ``limit`` links that stand, those after ``after``: return of which ours went on since it was sent.

    That it was deleted here is told nobody, and is no going on.

    Returns:
        Their aggregates, and after which the next look begins, None at the end.
    """
    rows, id_ = RESOURCES.c, func.substr(LINKS.c.aggregate, func.length(LINKS.c.remote_type) + 2)
    same = and_(rows.tenant == LINKS.c.tenant, rows.type == LINKS.c.remote_type, rows.id == id_)
    newest = select(rows.version - case((rows.deleted == false(), 0), else_=1)).where(same).scalar_subquery()
    mine = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.aggregate > after)
    found = select(LINKS.c.aggregate, newest > LINKS.c.last_sent_version).where(*mine, LINKS.c.ladder.not_in(GONE))
    seen = tx.connection.execute(found.order_by(LINKS.c.aggregate).limit(limit)).all()
    return tuple(row[0] for row in seen if row[1]), seen[-1][0] if len(seen) == limit else None


def of_type(tx: Tx, endpoint: str, type: str) -> tuple[Link, ...]:
    """Return the links of a type."""
    theirs = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.remote_type == type)
    return tuple(Link(*row) for row in tx.connection.execute(select(*_COLUMNS).where(*theirs)))


def others(tx: Tx, endpoint: str, type: str, remote_id: str, limit: int) -> tuple[str, ...]:
    """Return remote ids of other resources of a type that are linked and not known to be gone."""
    theirs = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.remote_type == type)
    found = select(LINKS.c.remote_id).where(*theirs, LINKS.c.remote_id > "", LINKS.c.remote_id != remote_id)
    found = found.where(LINKS.c.ladder.not_in(GONE)).order_by(LINKS.c.remote_id).limit(limit)
    return tuple(tx.connection.execute(found).scalars())


def lost(tx: Tx, endpoint: str) -> int:
    """Return how many of ours were there and are not known there any more (404)."""
    # A literal, no parameter: only then the databases see that its own index holds all that is asked for.
    those = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, text("ladder = 'lost'"))
    return int(tx.connection.execute(select(func.count()).select_from(LINKS).where(*those)).scalar_one())


def deleted_active(tx: Tx, endpoint: str, aggregate: str = "") -> int:
    """Return how many of ours that are gone there have not ended here, of all or of one.

    What was marked and ended since is read and not counted: that many an alarm was raised for.
    """
    id_ = func.substr(LINKS.c.aggregate, func.length(LINKS.c.remote_type) + 2)
    # A literal, as above.
    those = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, text("deleted_active = 1"))
    found = select(func.count()).select_from(LINKS).where(*those, _is_active(tx, LINKS.c.remote_type, id_))
    if aggregate:
        found = found.where(LINKS.c.aggregate == aggregate)
    return int(tx.connection.execute(found).scalar_one())


def _is_active(tx: Tx, type: ColumnElement[str], id: ColumnElement[str]) -> ColumnElement[bool]:
    """Say that a resource of ours has a status, and not one that ends it; a Patient has none.

    Asked of each by itself: as a join PostgreSQL would read the statuses of all that is stored.
    """
    rows = INDEX_ROWS.c
    mine = (rows.tenant == tx.tenant, rows.type == type, rows.id == id, rows.parameter == "status")
    return select(rows.value).where(*mine).limit(1).scalar_subquery().not_in(sorted(ENDED))


def forget(tx: Tx, endpoint: str, aggregate: str) -> None:
    """Drop a link, so that its resource is looked for by identifier, as if it had never been there."""
    mine = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.aggregate == aggregate)
    tx.connection.execute(delete(LINKS).where(*mine))


def unlinked(tx: Tx, endpoint: str, type: str, after: str = "", limit: int = 500) -> tuple[str, ...]:
    """Return ids of resources of ours that stand and have no link there, in order, those after ``after``."""
    linked = exists().where(
        LINKS.c.tenant == tx.tenant,
        LINKS.c.endpoint == endpoint,
        LINKS.c.aggregate == RESOURCES.c.type + "/" + RESOURCES.c.id,
    )
    ours = (RESOURCES.c.tenant == tx.tenant, RESOURCES.c.type == type, RESOURCES.c.deleted == false())
    found = select(RESOURCES.c.id).where(*ours, RESOURCES.c.id > after, ~linked).order_by(RESOURCES.c.id).limit(limit)
    return tuple(tx.connection.execute(found).scalars())
