"""Every version, newest first, page by page: of one resource, of a type, or of everything.

https://hl7.org/fhir/R4/http.html#history. Of one tenant no two versions have the same moment (``feed``), so that a page
continues before a moment. What changes while somebody pages is newer than the first page: nothing is skipped, and
nothing comes twice. The cost of a page does not grow with what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, exists

from fhir_infusion.fhir.dates import Stretch
from fhir_infusion.store import versions
from fhir_infusion.store.tables import VERSIONS
from fhir_infusion.store.tx import to_ms
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

_NEXT: Final = VERSIONS.alias("next_version")


@dataclass(frozen=True, slots=True)
class Of:
    """Whose history: empty names mean any. ``since`` is a moment, ``at`` a stretch of time, in ms since 1970 UTC."""

    type: str = ""
    id: str = ""
    since: int | None = None
    at: Stretch | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the versions, newest first. The next page holds what is older than ``before``; None after the last."""

    entries: tuple[Stored, ...]
    before: int | None


def page(tx: Tx, of: Of, count: int, before: int | None = None) -> Page:
    """Return up to ``count`` versions, those older than ``before``."""
    statement = versions.selected(*_conditions(tx, of, before), every_version=True)
    rows = tx.connection.execute(statement.order_by(VERSIONS.c.last_updated.desc()).limit(count + 1))
    found = [versions.stored(row) for row in rows]
    entries = tuple(found[:count])
    return Page(entries, to_ms(entries[-1].last_updated) if len(found) > count else None)


def _conditions(tx: Tx, of: Of, before: int | None) -> list[ColumnElement[bool]]:
    conditions = [VERSIONS.c.tenant == tx.tenant]
    if of.type:
        conditions.append(VERSIONS.c.type == of.type)
    if of.id:
        conditions.append(VERSIONS.c.id == of.id)
    if before is not None:
        conditions.append(VERSIONS.c.last_updated < before)
    if of.since is not None:
        conditions.append(VERSIONS.c.last_updated >= of.since)
    if of.at is not None:
        # A version is current from its moment until that of the next one.
        followed = exists().where(
            _NEXT.c.tenant == VERSIONS.c.tenant,
            _NEXT.c.type == VERSIONS.c.type,
            _NEXT.c.id == VERSIONS.c.id,
            _NEXT.c.version == VERSIONS.c.version + 1,
            _NEXT.c.last_updated <= of.at.start,
        )
        conditions += [VERSIONS.c.last_updated < of.at.end, ~followed]
    return conditions
