"""Peers that are left alone until a person says otherwise: nothing is sent to them, and nothing taken.

What is unsure after such a pause is forgotten in :func:`resume`, so that it is read and compared anew: what came before
is kept under a key of its own, since the same versionId may now mean another state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from fhir_infusion.store import audit, dialect, loads
from fhir_infusion.store.tables import CURSORS, ENDPOINTS, INBOX, LINKS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx


def paused(tx: Tx, endpoint: str) -> str:
    """Return why a peer is paused, empty where it is not."""
    mine = (ENDPOINTS.c.tenant == tx.tenant, ENDPOINTS.c.endpoint == endpoint, ENDPOINTS.c.paused > 0)
    return tx.connection.execute(select(ENDPOINTS.c.why).where(*mine)).scalar_one_or_none() or ""


def pause(tx: Tx, endpoint: str, why: str) -> bool:
    """Pause a peer; say whether it was not paused before."""
    if paused(tx, endpoint):
        return False
    row = {"tenant": tx.tenant, "endpoint": endpoint, "paused": to_ms(tx.now), "why": why}
    dialect.replace(tx.connection, ENDPOINTS, row)
    return True


def resume(tx: Tx, endpoint: str, client: str, reason: str) -> str:
    """Go on with a peer, and doubt all that was known of it; return why it was paused. Audited."""
    why = paused(tx, endpoint)
    if not why:
        return ""
    dialect.replace(tx.connection, ENDPOINTS, {"tenant": tx.tenant, "endpoint": endpoint, "paused": 0, "why": ""})
    links = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.ladder != "gone")
    # A versionId that no server gives: a write upon it is refused there, and what is there is read first.
    unsure = {"version_id": "", "etag": 'W/"0"', "seen": "", "doubted": 1}
    tx.connection.execute(update(LINKS).where(*links).values(**unsure))
    mine = (INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint)
    # What waited or could not be taken is read anew, where it is still there.
    open_ = INBOX.c.state.in_(("new", "quarantined"))
    tx.connection.execute(update(INBOX).where(*mine, open_).values(state="history"))
    suffix = f" before {to_ms(tx.now)}"
    fresh = (*mine, INBOX.c.version.not_like("% before %"))
    tx.connection.execute(update(INBOX).where(*fresh).values(version=INBOX.c.version + suffix))
    tx.connection.execute(delete(CURSORS).where(CURSORS.c.tenant == tx.tenant, CURSORS.c.endpoint == endpoint))
    loads.forget(tx, endpoint)
    audit.write(tx, "sync-resumed", client, "", "", 0, f"{endpoint}: {why}: {reason}")
    return why
