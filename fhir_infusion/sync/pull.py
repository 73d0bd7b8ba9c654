"""Taking what changed at a peer: by lastUpdated, with overlap, nothing missed and nothing applied twice.

1. Ask for ``_lastUpdated=ge{watermark - overlap}&_sort=_lastUpdated``; *ge*, because several rows share an instant.
2. Keep each page with its next link in one transaction; the inbox knows each version once.
3. An expired next link: begin again at the old watermark.
4. More than one page: read them again until no version turns up that the pages before should have shown. A server that
   pages by offset skips a row when another is deleted between two pages.
5. The last page is kept: move the watermark to the smaller of the newest lastUpdated seen and the peer's Date of the
   first page; never by our clock, never back.
6. Apply what is new in the inbox, oldest first, parents before their segments (``apply``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import FhirInfusionError
from fhir_infusion.store import inbox
from fhir_infusion.store.failpoint import reach
from fhir_infusion.store.inbox import Cursor, Received
from fhir_infusion.sync.apply import apply
from fhir_infusion.sync.peer import LOG, TYPES
from fhir_infusion.sync.replies import Doubtful, Gone, Listed, Missing, Rejected, Trouble, content_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store import Tx
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Entry

PAGE: Final = 200
PASSES: Final = 4
AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of one type did. ``trouble`` is empty where the watermark stands at the end of the feed."""

    type: str
    received: int = 0
    applied: int = 0
    trouble: str = ""


def pull(peer: Peer, tenant: str) -> tuple[Pulled, ...]:
    """Pull every type from a peer and apply what came, unless somebody else does so now.

    Raises:
        Unavailable: the store cannot serve now.
    """
    results = []
    with peer.service.store.alone(f"pull {tenant} {peer.name}") as alone:
        if not alone:
            return tuple(Pulled(type_, trouble="somebody else pulls now") for type_ in TYPES)
        for type_ in TYPES:
            fetched = fetch(peer, tenant, type_)
            results.append(replace(fetched, applied=apply_new(peer, tenant, type_)))
    return tuple(results)


def pulled_at(peer: Peer, tenant: str) -> datetime | None:
    """Return when every feed of a peer had last been read to its end, by whichever process; None where one never was.

    Raises:
        Unavailable: the store cannot serve now.
    """

    def moments(tx: Tx) -> list[datetime | None]:
        return [inbox.cursor(tx, peer.name, type_).last_success for type_ in TYPES]

    found = [moment for moment in peer.service.store.read(tenant, moments) if moment is not None]
    return min(found) if len(found) == len(TYPES) else None


# ---------------------------------------------------------------------------------------------------- 1 to 5: fetch


def fetch(peer: Peer, tenant: str, type_: str) -> Pulled:
    """Read the feed of a type to its end, into the inbox."""
    store = peer.service.store
    before = store.read(tenant, lambda tx: inbox.cursor(tx, peer.name, type_))
    received, seen_before = 0, ""
    for _ in range(PASSES):
        done = _pass(peer, tenant, before)
        if before.next_link and isinstance(done, Missing | Gone | Rejected | Doubtful):
            before = _fresh(before)  # an interrupted pull, whose link has expired
            done = _pass(peer, tenant, before)
        if not isinstance(done, _Pass):
            return Pulled(type_, received, trouble=_name(done))
        received += done.new
        if done.left_out:
            codes = ", ".join(sorted(done.left_out))
            LOG.warning("the peer could not give all that it has", extra={"endpoint": peer.name, "code": codes})
            if done.left_out & _PASSING:
                return Pulled(type_, received, trouble=f"left out by the peer: {codes}")
        # Read again only where paging could have skipped a row, and until what is new lies past what was seen before.
        if done.pages < 2 or (seen_before and not done.new_before(seen_before)):
            _move(peer, tenant, before, done)
            return Pulled(type_, received)
        seen_before = done.max_seen
        before = _fresh(before)
    return Pulled(type_, received, trouble="the feed keeps changing")


_PASSING: Final = frozenset({"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"})
"""Codes of what may be there the next time, so the watermark waits (http://hl7.org/fhir/issue-type, ``transient``).

What a peer leaves out for another reason (it has no words for it in this release) it will leave out ever after.
"""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One reading of the feed from its watermark to its end."""

    pages: int
    new: int
    max_seen: str
    first_date: str
    oldest_new: str
    left_out: frozenset[str]

    def new_before(self, moment: str) -> bool:
        """Say whether something new was seen that is not past a moment."""
        return bool(self.oldest_new) and _at(self.oldest_new) <= _at(moment)


def _pass(peer: Peer, tenant: str, cursor: Cursor) -> _Pass | Trouble:
    pages, new, oldest_new, expired = int(bool(cursor.next_link)), 0, "", False
    left_out: set[str] = set()
    page = _first(peer, cursor)
    while True:
        if not isinstance(page, Listed):
            if isinstance(page, Missing | Gone | Rejected) and pages and not expired:
                expired = True  # the link expired while reading: once more from the start, the inbox makes it free
                cursor = _fresh(cursor)
                page = _first(peer, cursor)
                continue
            return page
        pages += 1
        fresh, cursor = _kept(peer, tenant, cursor, page)
        new += len(fresh)
        oldest_new = _least([oldest_new, *(one.last_updated for one in fresh)])
        left_out.update(page.left_out)
        reach("pull.page")
        if not page.following:
            return _Pass(pages, new, cursor.max_seen, cursor.first_date, oldest_new, frozenset(left_out))
        page = peer.endpoint.page(cursor.type, page.following)


def _first(peer: Peer, cursor: Cursor) -> Listed | Trouble:
    if cursor.next_link:
        return peer.endpoint.page(cursor.type, cursor.next_link)
    parameters = [("_sort", "_lastUpdated"), ("_count", str(PAGE))]
    since = _since(cursor.watermark, peer.remote.overlap_seconds)
    return peer.endpoint.search(cursor.type, [("_lastUpdated", f"ge{since}"), *parameters] if since else parameters)


def _kept(peer: Peer, tenant: str, cursor: Cursor, page: Listed) -> tuple[tuple[Received, ...], Cursor]:
    """Keep one page: what is new of it, and where the next one is, in one transaction."""
    entries = [_received(cursor.type, entry) for entry in page.entries]
    after = replace(
        cursor,
        next_link=page.following,
        max_seen=_greatest([cursor.max_seen, *(entry.last_updated for entry in entries)]),
        first_date=cursor.first_date or page.date,
    )

    def work(tx: Tx) -> tuple[Received, ...]:
        fresh = inbox.receive(tx, peer.name, entries)
        inbox.keep_cursor(tx, after)
        return fresh

    return peer.service.store.transact(tenant, work), after


def _received(type_: str, entry: Entry) -> Received:
    stamp = entry.stamp
    version = stamp.version_id or content_version(entry.text)
    return Received(type_, stamp.id, version, stamp.last_updated, entry.text)


def _move(peer: Peer, tenant: str, before: Cursor, done: _Pass) -> None:
    """Move the watermark; what was read is on disk by now."""
    reach("pull.move")

    def work(tx: Tx) -> None:
        until = _least([done.max_seen, _date(done.first_date)])
        watermark = _greatest([before.watermark, until])
        inbox.keep_cursor(tx, Cursor(before.endpoint, before.type, before.filter, watermark, last_success=tx.now))

    peer.service.store.transact(tenant, work)


def _fresh(cursor: Cursor) -> Cursor:
    """Return the cursor at the start of its feed."""
    return replace(cursor, next_link="", max_seen="", first_date="")


# --------------------------------------------------------------------------------------------------------- 6: apply


def apply_new(peer: Peer, tenant: str, type_: str) -> int:
    """Apply what the inbox holds; return how many versions are settled now.

    One that cannot be applied for a fault of ours stays in the inbox and holds back no other.
    """
    store = peer.service.store
    rows = store.read(tenant, lambda tx: inbox.unapplied(tx, peer.name, type_, AT_ONCE))
    settled = 0
    for received in sorted(rows, key=_is_part):
        try:
            applied = apply(peer, tenant, received)
        except FhirInfusionError as error:
            LOG.warning("not applied", extra={"endpoint": peer.name, "code": type(error).__name__})
            continue
        reach("pull.applied")
        settled += applied.kind != "waiting"
    return settled


def _is_part(received: Received) -> bool:
    """Say whether an administration is part of another, which has to be known first."""
    try:
        resource = json.loads(received.text)
    except ValueError:
        return False
    return isinstance(resource, dict) and "partOf" in resource


# ----------------------------------------------------------------------------------------------------------- moments


def _since(watermark: str, overlap_seconds: int) -> str:
    if not watermark:
        return ""
    since = _at(watermark) - timedelta(seconds=overlap_seconds)
    return since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{since.microsecond // 1000:03}Z"


def _date(header: str) -> str:
    """Return a Date header as an instant, "" where it is absent or not readable."""
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def _at(instant: str) -> datetime:
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return _NEVER
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _greatest(instants: Sequence[str]) -> str:
    return max((one for one in instants if _at(one) != _NEVER), key=_at, default="")


def _least(instants: Sequence[str]) -> str:
    return min((one for one in instants if _at(one) != _NEVER), key=_at, default="")


def _name(trouble: Trouble) -> str:
    return getattr(trouble, "why", "") or type(trouble).__name__.lower()
