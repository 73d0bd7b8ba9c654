"""Comparing both sides as a whole: the peer's listing of each type against what we hold, and what we hold against it.

What no cursor can see shows here: what a restore took away, what vanished, what was lost from an outbox. Nothing is
changed (``mending`` does that). Of what was seen the ids alone are kept, whatever its number. What differs in the
listing is asked for by its id once more before it is said: an index may show an old version for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.store import links
from fhir_infusion.sync import judging
from fhir_infusion.sync.listing import entries
from fhir_infusion.sync.replies import Found, Gone, Missing
from fhir_infusion.sync.standings import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Entry

AT_ONCE: Final = 500


MANY: Final = 10


def has_lost_its_data(kinds: Mapping[str, int]) -> bool:
    """Say whether so much of what was linked is missing that it is hardly the same server with the same data."""
    vanished = kinds.get("vanished", 0)
    return vanished >= MANY and 2 * vanished > sum(kinds.values()) - kinds.get("untaken", 0)


def reconcile(peer: Peer, tenant: str, type_: str) -> Iterator[Standing]:
    """Yield how each resource of a type stands: those that are there, then those that are here only.

    Raises:
        ListingError: the peer's listing could not be read to its end.
        Unavailable: the store cannot serve now.
    """
    seen: set[str] = set()
    claimed: dict[str, str] = {}
    for entry in entries(peer, type_):
        if entry.stamp.id in seen:
            continue
        one = _confirmed(peer, tenant, entry)
        if one is None:
            continue  # gone since it was listed: told with what is here
        seen.add(entry.stamp.id)
        if one.kind in {"unlinked", "ours-newer", "held"} and one.ours:
            first = claimed.setdefault(one.ours, one.theirs)
            if first != one.theirs:
                one = Standing("duplicate", type_, one.ours, one.theirs)
        yield one
    for link in _links(peer, tenant, type_):
        if link.remote_id not in seen:
            yield judging.of_ours(peer, tenant, link.aggregate.partition("/")[2], type_)
    for id_ in _unlinked(peer, tenant, type_):
        if f"{type_}/{id_}" not in claimed:
            yield judging.of_ours(peer, tenant, id_, type_)


def _confirmed(peer: Peer, tenant: str, entry: Entry) -> Standing | None:
    one = judging.of_theirs(peer, tenant, entry.stamp, entry.text)
    if one.kind not in {"theirs-newer", "differs", "unsent", "returned"}:
        return one
    now = peer.endpoint.read(entry.stamp.type, entry.stamp.id)
    if isinstance(now, Missing | Gone):
        return None
    return judging.of_theirs(peer, tenant, now.stamp, now.text) if isinstance(now, Found) else one


def _links(peer: Peer, tenant: str, type_: str) -> Iterator[Link]:
    after = f"{type_}/"
    while True:
        place = after
        found = peer.service.store.read(tenant, lambda tx: links.all_of(tx, peer.name, place, AT_ONCE))  # noqa: B023  called at once
        for link in found:
            if not link.aggregate.startswith(f"{type_}/"):
                return
            if link.remote_id:
                yield link
        if not found:
            return
        after = found[-1].aggregate


def _unlinked(peer: Peer, tenant: str, type_: str) -> Iterator[str]:
    after = ""
    while True:
        place = after
        found = peer.service.store.read(tenant, lambda tx: links.unlinked(tx, peer.name, type_, place, AT_ONCE))  # noqa: B023  called at once
        yield from found
        if not found:
            return
        after = found[-1]
