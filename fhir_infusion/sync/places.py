"""Whether a peer is left alone, also since its ``base_url`` names another place than the one that was linked.

Ids are a server's own: on another one the same id is somebody else's order, perhaps in the same version, and a write
upon it would hold (hazards H10, H17). So a new address pauses the peer until a person says that it is the same server,
or which one it is now: what is there then is compared with what was agreed, as after a restore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.remotes import address
from fhir_infusion.store import endpoints, links

if TYPE_CHECKING:
    from fhir_infusion.store import Tx
    from fhir_infusion.sync.peer import Peer

WHY: Final = "moved"


def paused(peer: Peer, tenant: str) -> str:
    """Return why a peer is paused, empty where it is not; once in a process its address is looked at.

    Raises:
        Unavailable: the store cannot serve now.
    """
    now = address(peer.remote.base_url)

    def known(tx: Tx) -> tuple[str, str]:
        return endpoints.paused(tx, peer.name), "" if peer.is_placed else endpoints.place(tx, peer.name)

    why, before = peer.service.store.read(tenant, known)
    if peer.is_placed or why:
        return why
    if before != now:
        why = peer.service.store.transact(tenant, lambda tx: _placed(tx, peer, now))
    peer.is_placed = True
    return why


def _placed(tx: Tx, peer: Peer, now: str) -> str:
    """Note where a peer is now; pause it where others were linked there before."""
    if endpoints.place(tx, peer.name) not in {"", now} and links.all_of(tx, peer.name, limit=1):
        if endpoints.pause(tx, peer.name, WHY):
            peer.alert(tx, WHY, "")
        return WHY
    endpoints.note_place(tx, peer.name, now)
    return ""
