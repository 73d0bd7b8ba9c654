"""What refers to a resource, by its id or by its business identifier: from the index rows of what stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from fhir_infusion.store.tables import INDEX_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection

    from fhir_infusion.store.tx import Tx
    from fhir_infusion.store.versions import Bound


def referring(
    tx: Tx, parameters: Collection[tuple[str, str]], aggregate: str, bound: Bound | None, limit: int = 20
) -> tuple[str, ...]:
    """Return ``Type/id`` of resources that refer to ``aggregate``, or to the identifier that names it.

    ``parameters`` are (type, name of a reference parameter): what is not indexed is not found.
    """
    types, names = {of for of, _ in parameters}, {name for _, name in parameters}
    literal = and_(INDEX_ROWS.c.parameter.in_(sorted(names)), INDEX_ROWS.c.value == aggregate)
    if bound is not None:
        logical = and_(
            INDEX_ROWS.c.parameter.in_(sorted(f"{name}:identifier" for name in names)),
            INDEX_ROWS.c.value == bound.value,
            INDEX_ROWS.c.system == bound.system,
        )
        wanted = or_(literal, logical)
    else:
        wanted = literal
    found = select(INDEX_ROWS.c.type, INDEX_ROWS.c.id).where(
        INDEX_ROWS.c.tenant == tx.tenant, INDEX_ROWS.c.type.in_(sorted(types)), wanted
    )
    rows = tx.connection.execute(found.distinct().limit(limit))
    return tuple(f"{row[0]}/{row[1]}" for row in rows)
