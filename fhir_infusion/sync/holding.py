"""What is held for a person though a merge would be possible: who may change what, and merging without end.

*Who may change what* are the settings ``owns_orders`` and ``owns_administrations`` of a remote. A clinical change by
the side that does not own it is held: theirs when it is pulled (``conflicts.merge``), ours before it is sent, here. A
decision of a person for ours lets that change of ours through, and no later one.

*Merging without end*: where each time that ours is sent theirs has changed again, the third merge is the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import conflicts, inbox, outbox
from fhir_infusion.sync.compare import alike, content, same
from fhir_infusion.sync.conflicts import CLINICAL
from fhir_infusion.sync.ours import version_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.config import Owner
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received
    from fhir_infusion.store.links import Link
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.sync.peer import Peer

MERGES: Final = 3
"""So many merges before one arrives; then a person looks at it."""
OWNED: Final = "clinical"
"""The group of a conflict about a change by the side that does not own it."""
ROUNDS: Final = "rounds"
"""The group of a conflict about a resource that was merged and had changed there again, ``MERGES`` times."""

_MERGED_HERE: Final = re.compile(r"merged-here(?:-(\d+))?")


def owner(peer: Peer, tenant: str, aggregate: str, version: int) -> Owner:
    """Return who owns the clinical content of a resource: as set, or ``either`` for a change that a person let pass."""
    owns = peer.remote.owner(aggregate.partition("/")[0])
    if owns != "theirs":
        return owns

    def decided(tx: Tx) -> str:
        closed = conflicts.listed(tx, peer.name, "resolved", aggregate=aggregate)
        last = closed[-1] if closed else None
        return last.ours if last is not None and last.resolution.startswith("ours:") else ""

    text = peer.service.store.read(tenant, decided)
    if not text:
        return owns
    ours = version_of(peer, tenant, aggregate, version)
    return "either" if same(_clinical(fhir_json.read(text)), _clinical(ours)) else owns


def is_not_ours_to_change(peer: Peer, tenant: str, row: Row, body: Resource, link: Link) -> bool:
    """Say whether a version changes clinically what they own: against what we agreed on, and against what they have.

    ``body`` is the version as it is sent. What was taken from them is no change of ours, and a number that they write
    otherwise is none either.
    """
    if peer.remote.owner(row.aggregate.partition("/")[0]) != "theirs" or not link.base or not link.last_acked_version:
        return False
    if alike(_clinical(content(body)), _clinical(content(fhir_json.read(link.base)))):
        return False
    agreed = version_of(peer, tenant, row.aggregate, link.last_acked_version)
    if same(_clinical(version_of(peer, tenant, row.aggregate, row.version)), _clinical(agreed)):
        return False
    return owner(peer, tenant, row.aggregate, row.version) == "theirs"


def rounds(peer: Peer, tenant: str, row: Row) -> int:
    """Return how many times a resource was merged since one of its versions arrived, or a person decided."""
    rows = peer.service.store.read(tenant, lambda tx: outbox.rows(tx, peer.name, limit=10_000, aggregate=row.aggregate))
    before = _merges_here(row.last_error_code)
    for one in sorted(rows, key=lambda one: -one.seq):
        if one.seq >= row.seq or one.last_error_code == "newer-was-sent":
            continue
        if one.state != "superseded" or one.last_error_code != "merged":
            break
        before += 1
    return before


def merged_here(code: str) -> str:
    """Return the code of a row that is to be sent again upon what it was merged with, counted on from its last code."""
    count = _merges_here(code) + 1
    return "merged-here" if count == 1 else f"merged-here-{count}"


@dataclass(frozen=True, slots=True)
class Held:
    """What is held: a version of ours, the groups in which it differs, what both sides agreed on, and theirs."""

    aggregate: str
    version: int
    fields: tuple[str, ...]
    base: str
    theirs: str


def hold(peer: Peer, tenant: str, held: Held, also: Callable[[Tx], None] = lambda _: None) -> None:
    """Open a conflict, once for each resource, with what else belongs to the same transaction."""
    ours = fhir_json.write(version_of(peer, tenant, held.aggregate, held.version)).decode()
    conflict_id = peer.service.new_id()

    def work(tx: Tx) -> None:
        also(tx)
        if conflicts.open_of(tx, peer.name, held.aggregate) is None:
            states = held.base, ours, held.theirs
            conflicts.open_conflict(tx, peer.name, held.aggregate, held.fields, *states, conflict_id)
            peer.alert(tx, "conflict", held.aggregate, held.version)

    peer.service.store.transact(tenant, work)


def hold_ours(peer: Peer, tenant: str, row: Row, link: Link, received: Received | None) -> str:
    """Hold what was about to be sent, and return the group of the conflict.

    ``received`` is what they have now, merged too often; None where they have what the link knows, and own it.
    """
    field = OWNED if received is None else ROUNDS

    def mark(tx: Tx) -> None:
        if received is not None:
            one = received
            inbox.mark(tx, peer.name, one.type, one.id, one.version, "conflict", field)

    theirs = link.base if received is None else received.text
    hold(peer, tenant, Held(row.aggregate, row.version, (field,), link.base, theirs), mark)
    return field


def _merges_here(code: str) -> int:
    found = _MERGED_HERE.fullmatch(code)
    return int(found[1] or 1) if found else 0


def _clinical(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name in CLINICAL}
