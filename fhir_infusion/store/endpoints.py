"""What is known of each peer as a whole: whether it is paused, what is wrong with it now, and what a probe saw of it.

A paused peer is left alone until a person says otherwise: nothing is sent to it, and nothing taken. What is unsure
after such a pause is forgotten in :func:`resume`, so that it is read and compared anew: what came before is kept under
a key of its own, since the same versionId may now mean another state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, select, update

from fhir_infusion.store import audit, dialect, due, loads
from fhir_infusion.store.links import GONE
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import CURSORS, ENDPOINTS, INBOX, LINKS
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Known:
    """How a peer stands; moments are None and texts empty where there is nothing to tell.

    ``why`` it is paused, ``trouble`` is the code of what is wrong since ``troubled``, ``can`` what a probe reported.
    """

    paused: datetime | None = None
    why: str = ""
    trouble: str = ""
    troubled: datetime | None = None
    can: dict[str, Any] | None = None
    probed: datetime | None = None


_THIS: Final = and_(ENDPOINTS.c.tenant == bindparam("of_tenant"), ENDPOINTS.c.endpoint == bindparam("of_endpoint"))
_THROTTLED: Final = Statement(select(ENDPOINTS.c.throttled).where(_THIS))
_PAUSED: Final = Statement(select(ENDPOINTS.c.paused, ENDPOINTS.c.why).where(_THIS))
"""Asked at each claim."""


def known(tx: Tx, endpoint: str) -> Known:
    """Return what is known of a peer."""
    columns = ENDPOINTS.c
    found = select(columns.paused, columns.why, columns.trouble, columns.troubled, columns.can, columns.probed).where(
        *_mine(tx, endpoint)
    )
    row = tx.connection.execute(found).one_or_none()
    if row is None:
        return Known()
    paused, why, trouble, troubled, can, probed = row
    moments = [from_ms(one) if one else None for one in (paused, troubled, probed)]
    return Known(moments[0], why, trouble, moments[1], json.loads(can) if can else None, moments[2])


def note_trouble(tx: Tx, endpoint: str, code: str) -> bool:
    """Note what is wrong with a peer, "" where nothing is any more; say whether that is new."""
    before = known(tx, endpoint).trouble
    if before == code:
        return False
    _put(tx, endpoint, trouble=code, troubled=to_ms(tx.now) if code else 0)
    return True


def throttled(tx: Tx, endpoint: str) -> datetime | None:
    """Return until when a peer asked to be left alone, None where it never did."""
    row = _THROTTLED.one(tx, {"of_tenant": tx.tenant, "of_endpoint": endpoint})
    return from_ms(row[0]) if row is not None and row[0] else None


def throttle(tx: Tx, endpoint: str, until: datetime) -> None:
    """Note until when a peer asked to be left alone; what it asked for before stands where that is later."""
    before = throttled(tx, endpoint)
    is_stale = before is not None and to_ms(before) > to_ms(tx.now) + due.LONGEST_WAIT  # our clock went back since
    if before is None or before < until or is_stale:
        _put(tx, endpoint, throttled=to_ms(until) + 1)  # not a part of a millisecond too early


def note_probe(tx: Tx, endpoint: str, can: dict[str, Any]) -> None:
    """Note what a probe of a peer saw, instead of what the one before saw."""
    _put(tx, endpoint, can=json.dumps(can, sort_keys=True), probed=to_ms(tx.now))


def paused(tx: Tx, endpoint: str) -> str:
    """Return why a peer is paused, empty where it is not."""
    row = _PAUSED.one(tx, {"of_tenant": tx.tenant, "of_endpoint": endpoint})
    return str(row[1]) if row is not None and row[0] else ""


def pause(tx: Tx, endpoint: str, why: str) -> bool:
    """Pause a peer; say whether it was not paused before."""
    if paused(tx, endpoint):
        return False
    _put(tx, endpoint, paused=to_ms(tx.now), why=why)
    return True


def place(tx: Tx, endpoint: str) -> str:
    """Return at which address a peer was linked, empty where that is not known."""
    found = tx.connection.execute(select(ENDPOINTS.c.place).where(*_mine(tx, endpoint))).scalar_one_or_none()
    return found or ""


def note_place(tx: Tx, endpoint: str, address: str) -> None:
    """Note where a peer is. What was read at another address, and led to nothing, is forgotten: it is read anew."""
    if place(tx, endpoint):
        tx.connection.execute(delete(CURSORS).where(CURSORS.c.tenant == tx.tenant, CURSORS.c.endpoint == endpoint))
    _put(tx, endpoint, place=address)


def resume(tx: Tx, endpoint: str, client: str, reason: str) -> str:
    """Go on with a peer, and doubt all that was known of it; return why it was paused. Audited."""
    why = paused(tx, endpoint)
    if not why:
        return ""
    _put(tx, endpoint, paused=0, why="")
    links = (LINKS.c.tenant == tx.tenant, LINKS.c.endpoint == endpoint, LINKS.c.ladder.not_in(GONE))
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


def _put(tx: Tx, endpoint: str, **values: int | str) -> None:
    row = {"tenant": tx.tenant, "endpoint": endpoint, "paused": 0, "why": "", "trouble": "", "troubled": 0}
    row |= {"can": "", "probed": 0, "throttled": 0, "place": ""}
    dialect.insert_once(tx.connection, ENDPOINTS, row)
    tx.connection.execute(update(ENDPOINTS).where(*_mine(tx, endpoint)).values(**values))


def _mine(tx: Tx, endpoint: str) -> tuple[ColumnElement[bool], ...]:
    return ENDPOINTS.c.tenant == tx.tenant, ENDPOINTS.c.endpoint == endpoint
