"""Noticing that a peer was restored from a backup: its versions go back, and a versionId may be given a second time.

Shown by a version that says other than it said before, or by one that is current again after another had followed it.
Then nothing more is sent there or taken from there until a person has said so: what we know of that server is not so
any more, and to go on by it would bring old doses back (hazards H7, H19).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import endpoints, inbox, links
from fhir_infusion.store.inbox import Received
from fhir_infusion.sync import moments
from fhir_infusion.sync.compare import equivalent
from fhir_infusion.sync.replies import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer

WHY: Final = "restored"
LOOKS: Final = 3
APART: Final = timedelta(seconds=1)
"""Some servers write an instant with fewer digits in one place than in another."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A version that was received before. ``is_proven``: it says other than it did then."""

    received: Received
    is_proven: bool


def suspects(tx: Tx, peer: Peer, entries: Sequence[Received], fresh: Sequence[Received]) -> tuple[Suspect, ...]:
    """Return which of the versions that came again should not have."""
    new = {(one.id, one.version) for one in fresh}
    found = []
    for one in entries:
        if (one.id, one.version) in new:
            continue
        before = inbox.kept(tx, peer.name, one.type, one.id, one.version)
        is_proven = before is not None and says_other(before.last_updated, before.text, one.last_updated, one.text)
        if is_proven or one.version in links.seen(tx, peer.name, one.type, one.id):
            found.append(Suspect(one, is_proven))
    return tuple(found)


def examine(peer: Peer, tenant: str, found: Sequence[Suspect]) -> None:
    """Pause the peer where one of the versions is proof, or is current: an index may show an old one for a while."""
    for suspect in found:
        one = suspect.received
        is_proven = suspect.is_proven
        if not is_proven:
            now = peer.endpoint.read(one.type, one.id)
            is_proven = isinstance(now, Found) and now.stamp.version_id == one.version
        if is_proven:
            pause(peer, tenant, f"{one.type}/{one.id}")
            return


def look_back(peer: Peer, tenant: str, type_: str) -> None:
    """Ask for the newest that came, for the feed does not show it any more; pause the peer where it went back."""
    store = peer.service.store
    newest = store.read(tenant, lambda tx: inbox.newest(tx, peer.name, type_, LOOKS))
    for id_ in dict.fromkeys(one.id for one in newest):
        link, seen = store.read(tenant, partial(_known, peer=peer, type_=type_, id_=id_))
        if link is None or link.ladder == "gone":
            continue
        now = peer.endpoint.read(type_, id_)
        if isinstance(now, Found) and now.stamp.version_id in seen:
            pause(peer, tenant, f"{type_}/{id_}")
            return


def _known(tx: Tx, peer: Peer, type_: str, id_: str) -> tuple[Link | None, frozenset[str]]:
    return links.by_remote(tx, peer.name, type_, id_), links.seen(tx, peer.name, type_, id_)


def says_other(date: str, text: str, other_date: str, other: str) -> bool:
    """Say whether a version is another than it was, by its lastUpdated and its content."""
    if date and other_date and not moments.are_apart(date, other_date, APART):
        return False
    one, two = _read(text), _read(other)
    return one is not None and two is not None and not equivalent(one, two) and not equivalent(two, one)


def pause(peer: Peer, tenant: str, there: str) -> None:
    """Leave the peer alone from now on, and tell it, once. ``there`` is which resource of theirs showed it."""

    def work(tx: Tx) -> None:
        if endpoints.pause(tx, peer.name, WHY):
            peer.alert(tx, f"{WHY}, shown by {there} there", "")

    peer.service.store.transact(tenant, work)


def resume(service: Service, client: str, remote: str, reason: str) -> dict[str, Any]:
    """Go on with a remote that was paused; ``client`` is who says so, for the audit trail.

    Its feeds are read from their beginning. What is there as both sides last agreed goes on as before; what is not is
    held for a person.

    Raises:
        Refused: 404 the remote is not paused; 422 no reason is given.
        SettingsError: there is no such remote.
    """
    if not reason.strip():
        raise Refused(Issue("error", "required", "reason", "a reason is required for the audit trail", status=422))
    tenant = service.settings.remote(remote).tenant
    why = service.store.transact(tenant, lambda tx: endpoints.resume(tx, remote, client, reason))
    if not why:
        accepted = "a remote that `fhir-infusion sync pull` says is paused"
        raise Refused(Issue("error", "not-found", "", "this remote is not paused", accepted, status=404))
    return {"remote": remote, "tenant": tenant, "was": why}


def _read(text: str) -> Resource | None:
    try:
        return fhir_json.read(text)
    except Refused:
        return None
