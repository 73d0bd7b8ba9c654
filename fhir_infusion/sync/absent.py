"""A 404 that is about the server, not about the resource: a wrong ``base_url``, a proxy, a database that is not there.

One 404 is a resource that vanished, and its link becomes a tombstone. Where two other linked resources of the type,
asked for, are not there either, nothing is believed: the peer is paused with an alarm, and no link is touched (F14).
What was seen there before it was linked tells of the first kind, too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import endpoints, inbox, links
from fhir_infusion.sync import renamed
from fhir_infusion.sync.compare import has_identifier
from fhir_infusion.sync.replies import Found, Gone, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received, Waiting
    from fhir_infusion.store.versions import Bound
    from fhir_infusion.sync.peer import Peer

WHY: Final = "all-missing"
WITNESSES: Final = 2
"""So many others must be missing, too."""
AT_ONCE: Final = 500
"""So many of what was pulled are held in memory."""


def is_doubtful(peer: Peer, tenant: str, type_: str, id_: str) -> bool:
    """Say whether a 404 for a linked resource is not to be believed: nothing is there, or that cannot be asked now."""
    store = peer.service.store
    if store.read(tenant, lambda tx: endpoints.paused(tx, peer.name)):
        return True
    others = store.read(tenant, lambda tx: links.others(tx, peer.name, type_, id_, WITNESSES))
    for other in others:
        there = peer.endpoint.read(type_, other)
        if isinstance(there, Found | Gone):
            return False
        if not isinstance(there, Missing):
            return True
        link = store.read(tenant, lambda tx: links.by_remote(tx, peer.name, type_, other))  # noqa: B023  called at once
        if link is not None and isinstance(renamed.look(peer, tenant, link), renamed.Renamed):
            return False  # a server that gives new ids has not lost it
    if len(others) < WITNESSES:
        return False

    def work(tx: Tx) -> None:
        if endpoints.pause(tx, peer.name, WHY):
            peer.alert(tx, WHY, "")

    store.transact(tenant, work)
    return True


def seen_before(peer: Peer, tenant: str, type_: str, bound: Bound) -> Iterator[Received]:
    """Yield what a pull saw with an identifier of ours and did not apply yet.

    Raises:
        Unavailable: the store cannot serve now.
    """
    last: Waiting | None = None
    while True:
        page = partial(inbox.waiting, endpoint=peer.name, type=type_, limit=AT_ONCE, after=last)
        waiting = peer.service.store.read(tenant, page)
        yield from (one.received for one in waiting if _names(one.received, bound))
        if len(waiting) < AT_ONCE:
            return
        last = waiting[-1]


def _names(received: Received, bound: Bound) -> bool:
    try:
        return has_identifier(fhir_json.read(received.text), bound.system, bound.value)
    except Refused:
        return False
