"""Noticing that a peer was restored from a backup: its versions go back, and a versionId may be given a second time.

Shown by a version that says other than it said before, by one that is current again after another had followed it, or
by several of the newest that are not known there any more. What was lost so is never created again by itself, for it
may have been deleted: a person says so (``replaying``).
Then nothing more is sent there or taken from there until a person has said so: what we know of that server is not so
any more, and to go on by it would bring old doses back (hazards H7, H19).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import address
from fhir_infusion.store import aside, endpoints, inbox, links
from fhir_infusion.store.inbox import Received
from fhir_infusion.sync import absent, moments, renamed
from fhir_infusion.sync.compare import equivalent
from fhir_infusion.sync.deletions import noted
from fhir_infusion.sync.replies import Found, Gone, Missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Trouble

WHY: Final = "restored"
VANISHED: Final = "vanished"
"""The alarm that something is not known there any more, though nobody says that it was deleted."""
LOOKS: Final = 3
TOLD: Final = 10
"""Among so many of each lane that were acknowledged last the newest of a type are looked for."""
LATE: Final = timedelta(minutes=2)
"""So much later some servers show what was written."""
TOO_MANY: Final = 2
"""So many of the newest do not vanish by chance."""
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


def newest(tx: Tx, peer: Peer, type_: str) -> tuple[Link, ...]:
    """Return the links of what came last, and of what was told last: a feed that reaches so far back shows them."""
    came = [links.by_remote(tx, peer.name, type_, one.id) for one in inbox.newest(tx, peer.name, type_, LOOKS)]
    told = aside.told_last(tx, peer.name, TOLD) if not peer.remote.pull_filter else ()
    linked = [*came, *(links.get(tx, peer.name, one) for one in told if one.startswith(f"{type_}/"))]
    known = {one.remote_id: one for one in linked if one is not None and one.remote_id and not one.is_gone}
    chosen = sorted(known.values(), key=lambda one: moments.at(one.last_updated))[-LOOKS:]
    early = [links.get(tx, peer.name, one) for one in peer.missed if one.startswith(f"{type_}/")]
    return (*chosen, *(one for one in early if one is not None and one.remote_id and not one.is_gone))


def look_back(peer: Peer, tenant: str, expected: Sequence[Link], date: str) -> None:
    """Ask for what the feed should have shown and did not; ``date`` is the peer's moment, as an instant.

    The peer is paused where one went back to a version before, or where several are not known there any more. One
    alone may have been deleted without a trace: that is told, and its link becomes a tombstone.
    """
    absent_now: list[tuple[Link, Missing | Gone]] = []
    for link in expected:
        now = ask(peer, tenant, link, date)
        if isinstance(now, Found):
            pause(peer, tenant, there_of(link))
            return
        if isinstance(now, Missing | Gone):
            absent_now.append((link, now))
    missing = [link for link, now in absent_now if isinstance(now, Missing) and not link.doubted]
    if len(missing) >= TOO_MANY:
        type_, _, id_ = there_of(missing[0]).partition("/")
        if not absent.is_doubtful(peer, tenant, type_, id_):
            pause(peer, tenant, f"{type_}/{id_}")
        return
    for link, now in absent_now:
        bury(peer, tenant, link, now)


def ask(peer: Peer, tenant: str, link: Link, date: str) -> Missing | Gone | Found | Trouble | None:
    """Read what was not shown, though it is linked: return how it is absent, or what kept that from being said.

    What was written less than ``LATE`` ago may not be visible yet: it is asked for again with the next pull. What has
    another id is followed.

    Returns:
        Found where a version is current that another had followed: the peer was restored. None where all is well.

    Raises:
        Unavailable: the store cannot serve now.
    """
    type_, _, id_ = there_of(link).partition("/")
    # Before asking: a sender may write a newer one meanwhile.
    seen = peer.service.store.read(tenant, lambda tx: links.seen(tx, peer.name, type_, id_))
    now = peer.endpoint.read(type_, id_)
    peer.missed.discard(link.aggregate)
    if isinstance(now, Found):
        return now if now.stamp.version_id in seen else None
    if isinstance(now, Missing) and not moments.are_apart(link.last_updated, date, LATE):
        peer.missed.add(link.aggregate)
        return None
    if isinstance(now, Missing | Gone):
        found = renamed.look(peer, tenant, link)
        if isinstance(found, renamed.Renamed):
            renamed.follow(peer, tenant, link, found)
            return None
    return now


def bury(peer: Peer, tenant: str, link: Link, now: Missing | Gone) -> None:
    """Make a tombstone of the link of what is not there any more, with an alarm where nobody says it was deleted."""
    type_, _, id_ = there_of(link).partition("/")
    if noted(peer, tenant, type_, id_) and isinstance(now, Missing):
        peer.service.store.transact(tenant, lambda tx: peer.alert(tx, VANISHED, link.aggregate))


def there_of(link: Link) -> str:
    """Return the type and id of a linked resource at the peer."""
    return f"{link.aggregate.partition('/')[0]}/{link.remote_id}"


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
    found = service.settings.remote(remote)
    tenant = found.tenant

    def work(tx: Tx) -> str:
        why = endpoints.resume(tx, remote, client, reason)
        if why:
            endpoints.note_place(tx, remote, address(found.base_url))
        return why

    why = service.store.transact(tenant, work)
    if not why:
        accepted = "a remote that `fhir-infusion sync status` says is paused"
        raise Refused(Issue("error", "not-found", "", "this remote is not paused", accepted, status=404))
    return {"remote": remote, "tenant": tenant, "was": why}


def _read(text: str) -> Resource | None:
    try:
        return fhir_json.read(text)
    except Refused:
        return None
