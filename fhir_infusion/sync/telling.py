"""Telling a peer the newest version where no row of the outbox says so: it was out of the settings for a while.

A change is put into the outbox for the remotes of the settings. What is changed while one is not there, or is only read
from, is put there for nobody: a row that waited from before would bring an old dose (hazard H7), and a stop would never
be told (H6). So a row is not sent where ours went on without one, and at the start all that was told there before is
looked through. What was never told there is told by ``sync reconcile --repair``, as for a remote that is new.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import rules, transact
from fhir_infusion.store import links, outbox, text, versions
from fhir_infusion.sync.peer import LOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.store.versions import Stored
    from fhir_infusion.sync.peer import Peer

UNTOLD: Final = "untold"
"""The alarm, and the code of a row that is not sent for it."""
AT_ONCE: Final = 1000


def enqueue(tx: Tx, peer: Peer, stored: Stored) -> None:
    """Put a version of ours into the outbox, in the lane that it belongs to."""
    stop, payload = rules.is_stop(text.read(stored.record)), text.text_digest(stored.text)
    first = _first(peer.service, tx, stored)
    outbox.enqueue(tx, peer.name, stored.aggregate, stored.version, payload, stop=stop, depends_on=first)


def untold(tx: Tx, peer: Peer, aggregate: str, version: int) -> Stored | None:
    """Return the newest version of ours where it came after ``version`` and was never in the outbox; else None.

    None too where it is not told there as the remote is set now. A deletion is told nobody; the stop before it is.
    """
    type_, _, id_ = aggregate.partition("/")
    stored = versions.current(tx, type_, id_)
    if stored is not None and stored.deleted:
        stored = versions.version(tx, type_, id_, stored.version - 1)
    if stored is None or stored.version <= version:
        return None
    if outbox.has_from(tx, peer.name, aggregate, stored.version):
        return None
    intent = text.read(stored.record).get("intent")
    return stored if peer.remote.is_told(tx.tenant, type_, intent, known=True) else None


def instead(peer: Peer, tenant: str, row: Row) -> bool:
    """Put the newest version into the outbox where ours went on without one; say whether it was so."""

    def work(tx: Tx) -> bool:
        newest = untold(tx, peer, row.aggregate, row.version)
        if newest is not None:
            _tell(tx, peer, newest)
        return newest is not None

    return peer.service.store.transact(tenant, work)


def catch_up(peer: Peer, tenant: str) -> int:
    """Put into the outbox what the peer was told of before and not since; return how many resources.

    Raises:
        Unavailable: the store cannot serve now.
    """
    if peer.remote.direction == "pull":
        return 0
    store, total = peer.service.store, 0
    place: str | None = ""
    while place is not None:
        behind, place = store.read(tenant, partial(links.behind, endpoint=peer.name, after=place, limit=AT_ONCE))
        if behind:
            total += store.transact(tenant, partial(_all_told, peer=peer, aggregates=behind))
    if total:
        LOG.warning("changes that were not told", extra={"endpoint": peer.name, "code": f"{UNTOLD} {total}"})
    return total


def _all_told(tx: Tx, peer: Peer, aggregates: Sequence[str]) -> int:
    return sum(_told(tx, peer, one) for one in aggregates)


def _told(tx: Tx, peer: Peer, aggregate: str) -> bool:
    link = links.get(tx, peer.name, aggregate)
    newest = untold(tx, peer, aggregate, link.last_sent_version) if link is not None and not link.is_gone else None
    if newest is not None:
        _tell(tx, peer, newest)
    return newest is not None


def _tell(tx: Tx, peer: Peer, stored: Stored) -> None:
    enqueue(tx, peer, stored)
    peer.alert(tx, UNTOLD, stored.aggregate, stored.version)


def _first(service: Service, tx: Tx, stored: Stored) -> str:
    """Return the aggregate that has to be there before this one, empty where none has."""
    if stored.parent:
        return f"{stored.type}/{stored.parent}"
    if stored.type != "MedicationAdministration":
        return ""
    order = transact.order_of(service, tx, text.read(stored.record))
    return order.aggregate if order is not None else ""
