"""What was deleted at a peer: read from its history, where its CapabilityStatement offers that of a type.

A search does not show deletions. So beside it ``_history?_since`` is read, and of that the deletions only: what changed
is taken by the search, which shows each resource as it is now. A deletion is believed once the resource, asked for, is
gone. Ours is never deleted by it: the link becomes a tombstone, and an alarm is raised.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import inbox, links
from fhir_infusion.sync import absent, moments, statement
from fhir_infusion.sync.replies import Found, Gone, Listed, Missing
from fhir_infusion.sync.steps import CIRCLE, Trail
from fhir_infusion.sync.word import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Cursor
    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer

FILTER: Final = "deletions"
PAGE: Final = 200
ACTIVE: Final = "deleted-active"


def take_deletions(peer: Peer, tenant: str, type_: str) -> str:
    """Read what was deleted since the last time, and note it; return the trouble, empty where there was none."""
    capability = peer.capability()
    if not isinstance(capability, dict):
        return ""  # what it can do cannot be asked now; nothing is lost, since the cursor stays
    if not keeps_history(capability, type_):
        return ""
    store = peer.service.store
    filters = (peer.remote.pull_filter, FILTER)
    feed, before = store.read(tenant, lambda tx: [inbox.cursor(tx, peer.name, type_, one) for one in filters])
    page = peer.endpoint.history(type_, _parameters(peer, feed, before))
    first_date = page.date if isinstance(page, Listed) else ""
    deleted: set[str] = set()
    is_cut, trail = False, Trail()
    while isinstance(page, Listed):
        deleted.update(page.deleted)
        if not page.following:
            is_cut = page.rows >= PAGE
            break
        page = peer.endpoint.page(type_, page.following) if trail.leads_on(page) else CIRCLE
    if not isinstance(page, Listed):
        return f"history: {word(page)}"
    for id_ in sorted(deleted):
        if not noted(peer, tenant, type_, id_):
            return "history: a deleted resource could not be asked for"
    if is_cut:
        return "history: a full page without next link"
    date = moments.of_header(first_date)
    until = replace(before, watermark=date or feed.watermark, peer_date=date)

    def work(tx: Tx) -> None:
        inbox.keep_cursor(tx, replace(until, last_success=tx.now))

    store.transact(tenant, work)
    return ""


def keeps_history(capability: Resource, type_: str) -> bool:
    """Say whether a CapabilityStatement offers the history of a type."""
    return "history-type" in statement.interactions(capability, type_)


def gone_there(tx: Tx, peer: Peer, link: Link, version: int = 0, *, is_lost: bool) -> None:
    """Note that what was linked is gone there: a tombstone, an alarm, and one more where ours has not ended (H8).

    ``is_lost``: nothing of it is known there any more (404), and not that it was deleted (410).
    """
    links.put(tx, link.as_gone(is_lost=is_lost))
    peer.alert(tx, "gone", link.aggregate, version)
    if links.deleted_active(tx, peer.name, link.aggregate):
        peer.alert(tx, ACTIVE, link.aggregate, version)


def _parameters(peer: Peer, feed: Cursor, before: Cursor) -> Sequence[tuple[str, str]]:
    # Where this is read for the first time, what was deleted before the feed was read is no concern of ours.
    start = moments.at(moments.least([before.watermark or feed.watermark, feed.peer_date]))
    overlap = timedelta(seconds=peer.remote.overlap_seconds)
    since = [("_since", moments.instant(start - overlap))] if start - moments.NEVER > overlap else []
    return [*since, ("_count", str(PAGE))]


def noted(peer: Peer, tenant: str, type_: str, id_: str) -> bool:
    """Note a deletion, where it is of something linked; say whether that could be found out."""
    store = peer.service.store
    link = store.read(tenant, lambda tx: links.by_remote(tx, peer.name, type_, id_))
    if link is None or link.is_gone:
        return True
    there = peer.endpoint.read(type_, id_)
    if isinstance(there, Found):
        return True  # it was made again since, which the search shows
    if not isinstance(there, Missing | Gone):
        return False
    if isinstance(there, Missing) and absent.is_doubtful(peer, tenant, type_, id_):
        return False

    def work(tx: Tx) -> None:
        now = links.get(tx, peer.name, link.aggregate)
        if now is None or now.is_gone or now.remote_id != id_:
            return
        gone_there(tx, peer, now, is_lost=isinstance(there, Missing))

    store.transact(tenant, work)
    return True
