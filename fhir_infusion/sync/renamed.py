"""Ids that changed there: what we linked is not under its id any more, and stands under another with our identifier.

So it is after a restore on another server, on one that gives new ids when it is loaded anew, or where somebody entered
an order once more that was deleted. The identifier is what both sides agreed on; an id is the server's own (reliability
3.1). Exactly one that has it, and says what was agreed on last, is followed: the link goes there, with an alarm. One
that says something else is linked, too, and is held for a person by its next version or ours, while a stop goes through
either way. Two are duplicates. Nothing is ever created by this (hazard H8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import inbox, links
from fhir_infusion.store.links import Link
from fhir_infusion.sync import judging, ladder
from fhir_infusion.sync.compare import equivalent
from fhir_infusion.sync.replies import Doubtful, Found, Gone, Missing
from fhir_infusion.sync.verdicts import DUPLICATE, Verdict, not_sent

if TYPE_CHECKING:
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.judging import Known
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Trouble

CODE: Final = "id-changed"
AGAIN: Final = "ids-change"
"""The code of a row that is put aside, since the id there changed each time that it was followed."""
FOLLOWED: Final = 3
"""So many times a row follows to another id; then a person looks at it."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Where it is now. ``told`` is the alarm."""

    link: Link
    told: str


def look(  # noqa: PLR0911  each return is one answer
    peer: Peer, tenant: str, link: Link
) -> Renamed | ladder.Absent | ladder.Several | Trouble:
    """Look for what has the identifier of ours, after its id there was found to be nothing any more.

    A search may show what is not there any more: what it finds is read.

    Raises:
        Unavailable: the store cannot serve now.
    """
    type_, _, id_ = link.aggregate.partition("/")
    known = peer.service.store.read(tenant, lambda tx: judging.known_of(tx, peer.name, type_, id_))
    if known is None or known.bound is None:
        return ladder.Absent()
    found = ladder.look(peer.endpoint, type_, known.bound.system, known.bound.value)
    if not isinstance(found, ladder.One):
        return found
    now = found.entry.stamp.id
    if now == link.remote_id:
        return ladder.Absent()
    there = peer.endpoint.read(type_, now)
    if isinstance(there, Missing | Gone):
        return ladder.Absent()
    if not isinstance(there, Found):
        return there
    peer.forget()  # its patients may have other ids, too
    is_same = _is_same(peer, tenant, link, known, there)
    if is_same is None:
        return Doubtful("a reference could not be asked for")
    linked, stamp = replace(link, remote_id=now, ladder="found"), there.stamp
    if is_same:
        agreed = replace(linked, version_id=stamp.version_id, etag=stamp.etag, last_updated=stamp.last_updated)
        return Renamed(replace(agreed, base=there.text, doubted=0), f"{CODE}, now {now} there")
    return Renamed(replace(linked, version_id="", etag="", last_updated="", doubted=1), f"{CODE}, now {now} there")


def _is_same(peer: Peer, tenant: str, link: Link, known: Known, there: Found) -> bool | None:
    """Say whether it says what was agreed on last; None where the peer cannot be asked what a reference means."""
    if link.base and equivalent(fhir_json.read(link.base), there.resource):
        return True
    try:
        found = judging.differing_from(peer, tenant, known, there.resource, link.last_acked_version)
    except Refused:
        return False
    return not found.differ if found is not None else None


def follow(peer: Peer, tenant: str, link: Link, found: Renamed) -> bool:
    """Link to where it is now, unless the link was changed meanwhile; say whether it was not.

    Raises:
        Unavailable: the store cannot serve now.
    """

    def work(tx: Tx) -> bool:
        is_as_it_was = links.get(tx, peer.name, link.aggregate) == link
        if is_as_it_was:
            links.put(tx, found.link)
            peer.alert(tx, found.told, link.aggregate)
        return is_as_it_was

    return peer.service.store.transact(tenant, work)


def instead(peer: Peer, tenant: str, row: Row, link: Link) -> Verdict | None:
    """Return what becomes of a row whose resource is not under its id there; None where it is nowhere there.

    Raises:
        Unavailable: the store cannot serve now.
    """
    found = look(peer, tenant, link)
    if isinstance(found, ladder.Absent):
        return None
    if isinstance(found, ladder.Several):
        return DUPLICATE
    if not isinstance(found, Renamed):
        return not_sent(peer, row, found)
    before = _FOLLOWED.fullmatch(row.last_error_code)
    count = int(before[1]) + 1 if before else 1
    if count > FOLLOWED:
        return Verdict("dead", AGAIN, alert=AGAIN)
    now, type_ = found.link.remote_id, row.aggregate.partition("/")[0]
    # A pull that saw it before took it for a second one.
    peer.service.store.transact(tenant, lambda tx: inbox.let_go(tx, peer.name, type_, now))
    return Verdict("pending", f"{CODE}-{count}", timedelta(0), link=found.link, alert=found.told)


_FOLLOWED: Final = re.compile(rf"{CODE}-(\d+)")
