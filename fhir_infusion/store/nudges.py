"""The Subscriptions that we made at a peer, so that it tells us when something changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from fhir_infusion.store import audit, dialect
from fhir_infusion.store.tables import NUDGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.tx import Tx


def subscribed(tx: Tx, endpoint: str) -> tuple[str, ...]:
    """Return the ids of our Subscriptions there."""
    mine = (NUDGES.c.tenant == tx.tenant, NUDGES.c.endpoint == endpoint)
    found = tx.connection.execute(select(NUDGES.c.subscriptions).where(*mine)).scalar_one_or_none()
    return tuple((found or "").split())


def keep(tx: Tx, endpoint: str, ids: Sequence[str], client: str) -> None:
    """Keep which Subscriptions are ours there, none of them to forget it. Audited."""
    mine = (NUDGES.c.tenant == tx.tenant, NUDGES.c.endpoint == endpoint)
    if ids:
        row = {"tenant": tx.tenant, "endpoint": endpoint, "subscriptions": " ".join(ids)}
        dialect.replace(tx, NUDGES, row)
    else:
        tx.connection.execute(delete(NUDGES).where(*mine))
    audit.write(tx, "sync-subscribed", client, "", "", 0, f"{endpoint}: {len(ids)}")
