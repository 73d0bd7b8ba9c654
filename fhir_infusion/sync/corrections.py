"""What a peer corrects of a Patient that came from there: read with each pull, taken into the copy here.

1. Before the first of them is brought along (``patients_here``), the moment of the peer is noted; from then on its
   feed of Patients is read. Of that only those are kept that a copy here came from: nobody else's data is of concern.
2. Taken is what follows on what was taken before, into a copy that nobody changed here since. A Patient of ours is
   never overwritten, nor one that was corrected here: that is told, and what they say is put aside.
3. So is what says that it is not to be used any more, or has lost the number by which the copy is known (hazard H10).
   Where name, birth date and sex change at once, it is taken as any such change and held for a person (``follow``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import accept_resource, identity
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import PATIENT
from fhir_infusion.store import inbox, links, versions
from fhir_infusion.store.inbox import Cursor, Received
from fhir_infusion.store.links import Link
from fhir_infusion.store.versions import Stored
from fhir_infusion.sync import moments
from fhir_infusion.sync.apply import Applied
from fhir_infusion.sync.case import as_received, codes_of, stamped
from fhir_infusion.sync.compare import content, same
from fhir_infusion.sync.incoming import incoming
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Found, Gone, Listed, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx

PRECONDITION: Final = 412


def begin(peer: Peer, tenant: str) -> None:
    """Note from which moment on the Patients of a peer are read, where none was noted yet.

    Where the peer cannot be asked now, the next pull does: what came meanwhile is asked for by its id.

    Raises:
        Unavailable: the store cannot serve now.
    """
    store = peer.service.store
    before = store.read(tenant, lambda tx: inbox.cursor(tx, peer.name, PATIENT))
    if before.watermark:
        return
    page = peer.endpoint.search(PATIENT, [("_count", "1")])
    moment = moments.of_header(page.date) if isinstance(page, Listed) else ""
    if not moment:
        return
    came: list[Received] = []
    for link in store.read(tenant, lambda tx: links.of_type(tx, peer.name, PATIENT)):
        found = peer.endpoint.read(PATIENT, link.remote_id)
        if isinstance(found, Found):
            came.append(as_received(PATIENT, found.stamp, found.text))
        elif not isinstance(found, Missing | Gone):
            return

    def work(tx: Tx) -> None:
        inbox.receive(tx, peer.name, came)
        inbox.keep_cursor(tx, Cursor(peer.name, PATIENT, watermark=moment, peer_date=moment))

    store.transact(tenant, work)


def concerning(tx: Tx, peer: Peer, entries: Sequence[Received]) -> Sequence[Received]:
    """Return the entries of a feed that are kept: of Patients those that a copy here came from, of all else each."""
    return [
        one for one in entries if one.type != PATIENT or links.by_remote(tx, peer.name, PATIENT, one.id) is not None
    ]


@dataclass(frozen=True, slots=True)
class _Copy:
    """A received version, and the copy here that came from its Patient."""

    peer: Peer
    tenant: str
    received: Received
    link: Link
    stored: Stored


def take(peer: Peer, tenant: str, received: Received) -> Applied:
    """Take a received version of a Patient.

    Raises:
        Unavailable: the store cannot serve now.
    """
    link, stored = peer.service.store.read(tenant, lambda tx: _known(tx, peer, received))
    if link is None or stored is None or stored.deleted:
        applied = Applied("history", "no-copy")
        peer.service.store.transact(tenant, lambda tx: _mark(tx, peer, received, applied))
        return applied
    copy = _Copy(peer, tenant, received, link, stored)
    if received.version == link.version_id:
        return _marked(copy, Applied("echo"))
    return _earlier(copy) or _follow(copy)


def _known(tx: Tx, peer: Peer, received: Received) -> tuple[Link | None, Stored | None]:
    link = links.by_remote(tx, peer.name, PATIENT, received.id)
    return link, versions.current(tx, PATIENT, link.aggregate.partition("/")[2]) if link is not None else None


def _earlier(copy: _Copy) -> Applied | None:
    """Return what becomes of a version that is dated before the one that was taken; None where it is current."""
    received = copy.received
    if not moments.is_before(received.last_updated, copy.link.last_updated):
        return None
    now = copy.peer.endpoint.read(PATIENT, received.id)
    if isinstance(now, Found):
        is_current = as_received(PATIENT, now.stamp, now.text).version == received.version
        return None if is_current else _marked(copy, Applied("history"))
    return _marked(copy, Applied("history")) if isinstance(now, Missing | Gone) else Applied("waiting")


def _follow(copy: _Copy) -> Applied:  # noqa: PLR0911  each return is one case
    """Take it into the copy, or put it aside with an alarm."""
    try:
        patient = fhir_json.read(copy.received.text)
    except Refused as refused:
        return _marked(copy, Applied("quarantined", codes_of(refused)))
    body = incoming(copy.peer, copy.tenant, patient, None)
    if not isinstance(body, dict):
        return Applied("waiting")
    if same(content(fhir_json.read_again(copy.stored.text)), content(body)):
        return _marked(copy, Applied("echo"), also=partial(_agree, copy))
    if why := _why_not(copy, patient):
        return _marked(copy, Applied("quarantined", why))

    def also(tx: Tx, written: Stored) -> None:
        _agree(replace(copy, stored=written), tx)
        _mark(tx, copy.peer, copy.received, Applied("applied"))

    id_, version = copy.stored.id, str(copy.stored.version)
    asked = (copy.peer.service, copy.peer.caller(copy.tenant), copy.peer.release, id_, {**body, "id": id_}, version)
    try:
        accept_resource.update(*asked, origin=copy.peer.name, also=also)
    except Refused as refused:
        if refused.status == PRECONDITION:
            return Applied("waiting")  # changed here in this moment; the next look finds that
        return _marked(copy, Applied("quarantined", f"patient-not-taken {codes_of(refused)}"))
    return Applied("applied")


def _why_not(copy: _Copy, patient: Resource) -> str:
    """Return the code of why this is not taken; empty where it is."""
    if (patient.get("resourceType"), patient.get("id")) != (PATIENT, copy.received.id):
        return "structure"
    if copy.stored.version != copy.link.last_acked_version:
        return "patient-changed-here"
    if identity.is_retired(patient):
        return "patient-merged-away"
    key = identity.in_use(fhir_json.read_again(copy.stored.text))
    if key is not None and key not in identity.identifiers(patient):
        return "patient-identifier-gone"
    return ""


def _agree(copy: _Copy, tx: Tx) -> None:
    """Note that the copy says what was received."""
    number = copy.stored.version
    links.put(tx, replace(stamped(copy.link, copy.received), last_sent_version=number, last_acked_version=number))


def _marked(copy: _Copy, applied: Applied, also: Callable[[Tx], None] | None = None) -> Applied:
    """Keep what became of the version; what is put aside raises an alarm."""

    def work(tx: Tx) -> None:
        if also is not None:
            also(tx)
        if applied.kind == "quarantined":
            copy.peer.alert(tx, f"quarantined {applied.codes}", copy.stored.aggregate)
        _mark(tx, copy.peer, copy.received, applied)

    copy.peer.service.store.transact(copy.tenant, work)
    return applied


def _mark(tx: Tx, peer: Peer, received: Received, applied: Applied) -> None:
    inbox.mark(tx, peer.name, PATIENT, received.id, received.version, applied.kind, applied.codes)  # type: ignore[arg-type]  # only states are marked
