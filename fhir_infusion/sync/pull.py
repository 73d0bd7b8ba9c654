"""Taking what changed at a peer: read into the inbox (``feed``), then applied, oldest first, parents before segments.

The inbox is worked through to its end. A version that cannot be applied for a fault of ours holds back no other: each
try is counted on disk before it is made, and after some the version is put aside with a reason (fault F20). Most work
at the first try, so these are counted together; whatever was left over by a process that died is tried one by one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Unavailable
from fhir_infusion.remotes import PATIENT
from fhir_infusion.store import inbox, loads
from fhir_infusion.store.failpoint import reach
from fhir_infusion.sync import corrections, places
from fhir_infusion.sync.apply import apply
from fhir_infusion.sync.deletions import take_deletions
from fhir_infusion.sync.feed import fetch
from fhir_infusion.sync.peer import LOG
from fhir_infusion.sync.rounds import look_after

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from datetime import datetime

    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received, Waiting
    from fhir_infusion.sync.peer import Peer

AT_ONCE: Final = 500
TRIES: Final = 5
"""A version at which we failed so often is put aside."""
POISON: Final = "poison"
ELSEWHERE: Final = "somebody else pulls now"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of one type did. ``trouble`` is empty where the watermark stands at the end of the feed."""

    type: str
    received: int = 0
    applied: int = 0
    trouble: str = ""


def pull(peer: Peer, tenant: str, ending: threading.Event | None = None) -> tuple[Pulled, ...]:
    """Pull every type from a peer and apply what came, unless somebody else does so now, or the peer is paused.

    Once ``ending`` is set, what is being applied now is finished; the next pull goes on from there.

    Raises:
        Unavailable: the store cannot serve now.
    """
    results = []
    with peer.service.store.alone(turn_of(tenant, peer.name)) as alone:
        if not alone:
            return tuple(Pulled(type_, trouble=ELSEWHERE) for type_ in peer.remote.feeds)
        if peer.service.store.read(tenant, lambda tx: loads.is_running(tx, peer.name)):
            return tuple(Pulled(type_, trouble="a bulk load goes on") for type_ in peer.remote.feeds)
        if PATIENT in peer.remote.feeds and not _paused(peer, tenant):
            corrections.begin(peer, tenant)
        for type_ in peer.remote.feeds:
            if why := _paused(peer, tenant):
                results.append(Pulled(type_, trouble=why))
                continue
            fetched = fetch(peer, tenant, type_)
            trouble = fetched.trouble or _paused(peer, tenant)
            if not trouble and type_ != PATIENT:
                trouble = look_after(peer, tenant, type_)
            applied = apply_new(peer, tenant, type_, ending)
            trouble = trouble or _paused(peer, tenant)
            if not trouble and peer.remote.feed == "auto" and type_ != PATIENT:
                trouble = take_deletions(peer, tenant, type_)
            results.append(Pulled(type_, fetched.received, applied, trouble))
    return tuple(results)


def turn_of(tenant: str, endpoint: str) -> str:
    """Return the name under which one at a time pulls from a peer."""
    return f"pull {tenant} {endpoint}"


def _paused(peer: Peer, tenant: str) -> str:
    why = places.paused(peer, tenant)
    return f"paused: {why}; see `fhir-infusion sync resume`" if why else ""


def pulled_at(peer: Peer, tenant: str) -> datetime | None:
    """Return when every feed of a peer had last been read to its end, by whichever process; None where one never was.

    Raises:
        Unavailable: the store cannot serve now.
    """

    def moments(tx: Tx) -> list[datetime | None]:
        return [inbox.cursor(tx, peer.name, one, peer.remote.filter_of(one)).last_success for one in peer.remote.types]

    found = [moment for moment in peer.service.store.read(tenant, moments) if moment is not None]
    return min(found) if len(found) == len(peer.remote.types) else None


# ------------------------------------------------------------------------------------------------------------- apply


def apply_new(peer: Peer, tenant: str, type_: str, ending: threading.Event | None = None) -> int:
    """Apply what the inbox holds, each version once; return how many are settled now."""
    store = peer.service.store
    settled, after = 0, None
    while True:
        place = after
        rows = store.read(tenant, lambda tx: inbox.waiting(tx, peer.name, type_, AT_ONCE, place))  # noqa: B023  called at once
        if not rows or (ending is not None and ending.is_set()) or _paused(peer, tenant):
            return settled
        settled += _applied(peer, tenant, sorted(rows, key=_is_part), ending)
        after = rows[-1]


def _applied(peer: Peer, tenant: str, rows: Sequence[Waiting], ending: threading.Event | None) -> int:
    store = peer.service.store
    fresh = [row.received for row in rows if not row.attempts]
    store.transact(tenant, lambda tx: inbox.tried(tx, peer.name, fresh))
    settled, innocent = 0, []
    for row in rows:
        if ending is not None and ending.is_set():
            innocent += [one.received for one in rows if not one.attempts]
            break
        if row.attempts >= TRIES:
            _put_aside(peer, tenant, row.received)
            settled += 1
            continue
        if row.attempts:
            one = [row.received]
            store.transact(tenant, lambda tx: inbox.tried(tx, peer.name, one))  # noqa: B023  called at once
        try:
            kind = _try(peer, tenant, row.received)
        except Unavailable:
            with suppress(Unavailable):  # no fault of the version
                store.transact(tenant, lambda tx: inbox.untried(tx, peer.name, [row.received]))  # noqa: B023  called at once
            raise
        if kind == "waiting":
            innocent.append(row.received)
        elif kind:
            reach("pull.applied")
            settled += 1
    if innocent:
        store.transact(tenant, lambda tx: inbox.untried(tx, peer.name, innocent))
    return settled


def _try(peer: Peer, tenant: str, received: Received) -> str:
    """Apply one version; return what became of it, empty where that failed by a fault of ours."""
    try:
        with peer.service.translator.held():
            return (corrections.take if received.type == PATIENT else apply)(peer, tenant, received).kind
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001  one version that makes us fail must not hold back the others (F20)
        resource, code = f"{received.type}/{received.id} there", type(error).__name__
        LOG.warning("not applied", extra={"endpoint": peer.name, "resource": resource, "code": code})
        return ""


def _put_aside(peer: Peer, tenant: str, received: Received) -> None:
    def work(tx: Tx) -> None:
        inbox.mark(tx, peer.name, received.type, received.id, received.version, "quarantined", POISON)
        peer.alert(tx, f"quarantined {POISON}", "")

    peer.service.store.transact(tenant, work)


def _is_part(row: Waiting) -> bool:
    """Say whether an administration is part of another, which has to be known first."""
    try:
        resource = json.loads(row.received.text)
    except (ValueError, RecursionError):
        return False
    return isinstance(resource, dict) and "partOf" in resource
