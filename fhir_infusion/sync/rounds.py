"""Asking after all that is linked at a peer, a part with each pull, so that what no feed shows is noticed (F19).

A search by lastUpdated shows nothing of what was deleted, or purged, or lost by a restore, and a history does not show
each of it. So with each pull the next of what is linked are asked for by their ids, and once all were, a new round
begins some while later. A version that is not the one we know is received, as from a feed. What is not shown is read,
since an index may lag; what is gone becomes a tombstone with an alarm. ``sync reconcile`` looks at all of it at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import inbox, links
from fhir_infusion.sync import moments, restored
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.feed import keep
from fhir_infusion.sync.replies import Found, Gone, Listed, Missing, Rejected
from fhir_infusion.sync.word import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Cursor, Received
    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Trouble

FILTER: Final = "round"
EVERY: Final = timedelta(minutes=10)
"""So much after the beginning of a round the next one may begin."""
AT_ONCE: Final = 100
"""So many are asked for with one pull: their ids fit into an address that every server takes."""
READS: Final = 20
"""So many of those that were not shown are read with one pull; the next pull goes on behind them."""


def look_after(peer: Peer, tenant: str, type_: str) -> str:
    """Ask after the next of what is linked; return the trouble, empty where there was none.

    Raises:
        Unavailable: the store cannot serve now.
    """
    part = peer.service.store.read(tenant, lambda tx: _next(tx, peer, type_))
    if part is None:
        return ""
    cursor, linked = part
    asked = [one for one in linked if one.remote_id and not one.is_gone]
    shown = _shown(peer, type_, asked)
    if not isinstance(shown, Listed):
        return _name(shown)
    entries = {one.stamp.id: as_received(type_, one.stamp, one.text) for one in shown.entries}
    trouble = ""
    missing = [one for one in asked if one.remote_id not in entries]
    last = linked[-1].aggregate if len(linked) == AT_ONCE else ""
    if len(missing) > READS:
        last = missing[READS - 1].aggregate
    date = moments.of_header(shown.date) or moments.instant(peer.now())
    for link in missing[:READS]:
        now = restored.ask(peer, tenant, link, date)
        if isinstance(now, Found):
            restored.pause(peer, tenant, restored.there_of(link))
            return ""
        if isinstance(now, Missing | Gone):
            restored.bury(peer, tenant, link, now)
        elif now is not None:
            last, trouble = link.aggregate, _name(now)  # what cannot be read keeps nothing behind it from being asked
            break
    changed = [entries[one.remote_id] for one in asked if _is_news(peer, one, entries.get(one.remote_id))]
    keep(peer, tenant, replace(cursor, next_link=last), changed)
    return trouble


def _next(tx: Tx, peer: Peer, type_: str) -> tuple[Cursor, tuple[Link, ...]] | None:
    """Return how far the round is and what comes next, None where a new one is not to begin yet."""
    cursor = inbox.cursor(tx, peer.name, type_, FILTER)
    if not cursor.next_link:
        began = cursor.last_success
        if began is not None and timedelta(0) <= tx.now - began < EVERY:
            return None
        cursor = replace(cursor, last_success=tx.now)
    found = links.all_of(tx, peer.name, cursor.next_link or f"{type_}/", AT_ONCE)
    return cursor, tuple(one for one in found if one.aggregate.startswith(f"{type_}/"))


def _shown(peer: Peer, type_: str, asked: Sequence[Link]) -> Listed | Trouble:
    """Search for them; a server that will not be asked so shows nothing, and each is read."""
    if not asked:
        return Listed((), "", "")
    wanted = ",".join(one.remote_id for one in asked)
    found = peer.endpoint.search(type_, [("_id", wanted), ("_count", str(AT_ONCE))])
    return Listed((), "", "") if isinstance(found, Rejected) else found


def _is_news(peer: Peer, link: Link, received: Received | None) -> bool:
    """Say whether it is another version than the one we know; what a filter of the feed leaves out is not taken."""
    return received is not None and received.version != link.version_id and not peer.remote.pull_filter


def _name(trouble: Trouble) -> str:
    return f"round: {word(trouble)}"
