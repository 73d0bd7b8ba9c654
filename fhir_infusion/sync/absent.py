"""A 404 that is about the server, not about the resource: a wrong ``base_url``, a proxy, a database that is not there.

One 404 is a resource that vanished, and its link becomes a tombstone. Where two other linked resources of the type,
asked for, are not there either, nothing is believed: the peer is paused with an alarm, and no link is touched (F14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.store import endpoints, links
from fhir_infusion.sync.replies import Found, Gone, Missing

if TYPE_CHECKING:
    from fhir_infusion.store import Tx
    from fhir_infusion.sync.peer import Peer

WHY: Final = "all-missing"
WITNESSES: Final = 2
"""So many others must be missing, too."""


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
    if len(others) < WITNESSES:
        return False

    def work(tx: Tx) -> None:
        if endpoints.pause(tx, peer.name, WHY):
            peer.alert(tx, WHY, "")

    store.transact(tenant, work)
    return True
