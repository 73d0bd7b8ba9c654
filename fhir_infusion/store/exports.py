"""Bulk exports: what was asked, and the state of everything at that moment.

A version is never changed, so the state at a moment can be read at any time after it: an export needs no file, goes on
after a restart where it was, and gives the same lines each time it is fetched.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, exists, false, insert, select, true

from fhir_infusion.store import feed, versions
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import EXPORTS, VERSIONS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from fhir_infusion.store.tx import Tx
    from fhir_infusion.store.versions import Stored

_NEXT: Final = VERSIONS.alias("next")


@dataclass(frozen=True, slots=True)
class Export:
    """One export: what was asked for, and the moments (ms since 1970 UTC) after which and up to which it reaches."""

    export_id: str
    client: str
    request: str
    release: str
    types: str
    since: int
    moment: int
    requested: int


_COLUMNS: Final = [EXPORTS.c[name] for name in Export.__dataclass_fields__]
_MINE: Final = (EXPORTS.c.tenant == bindparam("of_tenant"), EXPORTS.c.export_id == bindparam("of_id"))
_BEGIN: Final = Statement(insert(EXPORTS))
_FIND: Final = Statement(select(*_COLUMNS).where(*_MINE))
_END: Final = Statement(delete(EXPORTS).where(*_MINE))


def begin(tx: Tx, id: str, client: str, request: str, release: str, types: Sequence[str], since: int) -> Export:
    """Keep what was asked for; the state that it gives is that of this moment."""
    made = Export(id, client, request, release, ",".join(types), since, feed.last(tx), to_ms(tx.now))
    _BEGIN.write(tx, {"tenant": tx.tenant, **dict(zip(Export.__dataclass_fields__, astuple(made), strict=True))})
    return made


def find(tx: Tx, id: str) -> Export | None:
    """Return an export of this tenant, None where there is none or it was cancelled."""
    row = _FIND.one(tx, {"of_tenant": tx.tenant, "of_id": id})
    return Export(*row) if row is not None else None


def cancel(tx: Tx, id: str) -> bool:
    """Forget an export; say whether there was one."""
    return _END.write(tx, {"of_tenant": tx.tenant, "of_id": id}) == 1


def page(tx: Tx, export: Export, type: str, count: int, after: str = "", *, deleted: bool = False) -> list[Stored]:
    """Return up to ``count`` resources of a type as they were at the moment of the export, in the order of their ids.

    Only what changed after ``since``. With ``deleted`` those that had been deleted by then instead.
    """
    conditions = [*_as_of(tx, export, type, deleted=deleted), VERSIONS.c.id > after]
    statement = versions.selected(*conditions, every_version=True).order_by(VERSIONS.c.id).limit(count)
    return [versions.stored(row) for row in tx.connection.execute(statement)]


def has(tx: Tx, export: Export, type: str, *, deleted: bool = False, foreign: bool = False) -> bool:
    """Say whether there is anything of a type; ``foreign``: written in another release than that of the export."""
    conditions = _as_of(tx, export, type, deleted=deleted)
    if foreign:
        conditions.append(VERSIONS.c.release != export.release)
    return bool(tx.connection.execute(select(exists(select(VERSIONS.c.id).where(*conditions)))).scalar_one())


def _as_of(tx: Tx, export: Export, type: str, *, deleted: bool) -> list[ColumnElement[bool]]:
    newer = exists().where(
        _NEXT.c.tenant == VERSIONS.c.tenant,
        _NEXT.c.type == VERSIONS.c.type,
        _NEXT.c.id == VERSIONS.c.id,
        _NEXT.c.version == VERSIONS.c.version + 1,
        _NEXT.c.last_updated <= export.moment,
    )
    return [
        VERSIONS.c.tenant == tx.tenant,
        VERSIONS.c.type == type,
        VERSIONS.c.last_updated > export.since,
        VERSIONS.c.last_updated <= export.moment,
        VERSIONS.c.deleted == (true() if deleted else false()),
        ~newer,
    ]
