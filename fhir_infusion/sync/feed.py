"""Reading the feed of a type at a peer to its end, into the inbox: by lastUpdated, with overlap, nothing missed.

1. Ask for ``_lastUpdated=ge{watermark - overlap}&_sort=_lastUpdated``; *ge*, because several rows share an instant.
   Where the peer's Date went back since the last time, ask from so much earlier: its new rows are dated before ours.
2. Keep each page with its next link in one transaction; the inbox knows each version once.
3. An expired next link: begin again at the old watermark.
4. No next link, but perhaps not the end (``steps``): ask again from the last row on.
5. More than one page by links: read them again until no version turns up that the pages before should have shown. A
   server that pages by offset skips a row when another is deleted between two pages.
6. The newest of before, received or told, are not all in the feed: they were deleted, or the peer was restored, and
   are asked for.
7. The last page is kept: move the watermark to the smaller of the newest lastUpdated seen and the peer's Date of the
   first page; never by our clock, never back. The Date is kept beside it: where that is earlier, the next reading
   begins there.

A remote may be read by ``_history?_since`` instead (``feed = "history"``): from the newest back, of each resource the
newest state only, and what was deleted there. Where a page of it is full and has no next link, that is trouble.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.remotes import PATIENT
from fhir_infusion.store import inbox
from fhir_infusion.store.failpoint import reach
from fhir_infusion.store.inbox import Cursor, Received
from fhir_infusion.sync import moments, restored
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.corrections import concerning
from fhir_infusion.sync.deletions import noted
from fhir_infusion.sync.listing import asked, total
from fhir_infusion.sync.peer import LOG
from fhir_infusion.sync.replies import Doubtful, Gone, Listed, Missing, Rejected, Trouble, is_older
from fhir_infusion.sync.steps import CIRCLE, Ask, End, Step, Trail, following
from fhir_infusion.sync.word import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store import Tx
    from fhir_infusion.store.links import Link
    from fhir_infusion.sync.peer import Peer

PASSES: Final = 4
NOTED: Final = timedelta(seconds=10)
"""A Date that went back by less is not told: the nodes of one server differ by so much."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How many versions were new. ``trouble`` is empty where the watermark stands at the end of the feed."""

    received: int = 0
    trouble: str = ""


def fetch(peer: Peer, tenant: str, type_: str) -> Fetched:
    """Read the feed of a type to its end, into the inbox."""
    store = peer.service.store
    before = store.read(tenant, lambda tx: inbox.cursor(tx, peer.name, type_, peer.remote.filter_of(type_)))
    # A Patient that is not there any more stays here as it is, and is told with the orders that are sent of it.
    known = store.read(tenant, lambda tx: restored.newest(tx, peer, type_)) if type_ != PATIENT else ()
    hidden = {one.remote_id: one for one in known}
    if peer.remote.feed == "history":
        before = _fresh(before)  # what stood on the pages before is not known any more
    received, seen_before = 0, ""
    for _ in range(PASSES):
        done = _pass(peer, tenant, before, hidden)
        if before.next_link and isinstance(done, Missing | Gone | Rejected | Doubtful):
            before = _fresh(before)  # an interrupted pull, whose link has expired
            done = _pass(peer, tenant, before, hidden)
        if not isinstance(done, _Pass):
            return Fetched(received, word(done))
        received += done.new
        if done.left_out:
            codes = ", ".join(sorted(done.left_out))
            LOG.warning("the peer could not give all that it has", extra={"endpoint": peer.name, "code": codes})
            if done.left_out & PASSING:
                return Fetched(received, f"left out by the peer: {codes}")
        # Read again only where paging could have skipped a row, and until what is new lies past what was seen before.
        if done.pages < 2 or (seen_before and not done.new_before(seen_before)):
            since = moments.at(_since(peer, before, timedelta(0)))
            late = peer.missed
            missing = [one for one in hidden.values() if moments.at(one.last_updated) > since or one.aggregate in late]
            return Fetched(received, _ended(peer, tenant, before, done, missing))
        seen_before = done.max_seen
        before = _fresh(before)
    return Fetched(received, "the feed keeps changing")


def _ended(peer: Peer, tenant: str, before: Cursor, done: _Pass, missing: Sequence[Link]) -> str:
    """Take what was deleted there and move the watermark; return the trouble, empty where there is none.

    ``missing`` are those of the newest of before that were not in the feed.
    """
    for id_ in sorted(done.deleted) if before.type != PATIENT else ():
        if not noted(peer, tenant, before.type, id_):
            return "a deleted resource could not be asked for"
    restored.look_back(peer, tenant, missing, moments.of_header(done.first_date))
    _move(peer, tenant, before, done)
    return ""


PASSING: Final = frozenset({"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"})
"""Codes of what may be there the next time, so the watermark waits (http://hl7.org/fhir/issue-type, ``transient``).

What a peer leaves out for another reason (it has no words for it in this release) it will leave out ever after.
"""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One reading of the feed from its watermark to its end. ``pages`` are those that a link led to, and the first."""

    pages: int
    new: int
    max_seen: str
    first_date: str
    oldest_new: str
    left_out: frozenset[str]
    deleted: frozenset[str]

    def new_before(self, moment: str) -> bool:
        """Say whether something new was seen that is not past a moment."""
        return bool(self.oldest_new) and moments.at(self.oldest_new) <= moments.at(moment)


def _pass(peer: Peer, tenant: str, before: Cursor, hidden: dict[str, Link]) -> _Pass | Trouble:
    """Read the feed once; from ``hidden`` goes what was on its pages."""
    cursor = before
    pages, new, oldest_new, expired = 1 + bool(cursor.next_link), 0, "", False
    left_out: set[str] = set()
    deleted: set[str] = set()
    known: dict[str, str] = {}
    trail = Trail()
    ask, page = _first(peer, cursor)
    while True:
        if not isinstance(page, Listed):
            if isinstance(page, Missing | Gone | Rejected) and (pages > 1 or cursor.next_link) and not expired:
                expired = True  # the link expired while reading: once more from the start, the inbox makes it free
                cursor, trail = _fresh(cursor), Trail()
                ask, page = _first(peer, cursor)
                continue
            return page
        leads_on = not page.following or trail.leads_on(page)
        if peer.remote.feed == "history":
            page = _newest(page, known)
            deleted.update(page.deleted)
        _shown(peer, page, hidden)
        fresh, cursor = _kept(peer, tenant, cursor, page)
        new += len(fresh)
        oldest_new = moments.least([oldest_new, *(one.last_updated for one in fresh)])
        left_out.update(page.left_out)
        reach("pull.page")
        if page.following:
            if not leads_on:
                return CIRCLE
            pages += 1
            page = peer.endpoint.page(cursor.type, page.following)
            continue
        step = _after(peer, ask, page, before.type)
        if isinstance(step, End):
            return _Pass(
                pages, new, cursor.max_seen, cursor.first_date, oldest_new, frozenset(left_out), frozenset(deleted)
            )
        if not isinstance(step, Ask):
            return step
        ask, page = step, _ask(peer, cursor.type, step)


def _shown(peer: Peer, page: Listed, hidden: dict[str, Link]) -> None:
    """Take what a page shows from what is hidden."""
    for one in page.entries:
        if (shown := hidden.pop(one.stamp.id, None)) is not None:
            peer.missed.discard(shown.aggregate)


def _newest(page: Listed, known: dict[str, str]) -> Listed:
    """Return a page of a history without what stood on the pages before in a newer state; note what it holds."""
    entries = tuple(one for one in page.entries if not is_older(one.stamp, known))
    deleted = tuple(id_ for id_ in page.deleted if id_ not in known)
    known.update((one.stamp.id, one.stamp.last_updated) for one in entries if one.stamp.id)
    known.update(dict.fromkeys(deleted, ""))
    return replace(page, entries=entries, deleted=deleted)


def _after(peer: Peer, ask: Ask, page: Listed, type_: str) -> Step:
    if peer.remote.feed != "history":
        return following(ask, page, partial(total, peer, type_))
    return Doubtful("a full page of the history without next link") if page.rows >= ask.count else End()


def _first(peer: Peer, cursor: Cursor) -> tuple[Ask, Listed | Trouble]:
    """Return the first page, or the one at which an interrupted reading stopped."""
    if cursor.next_link:
        # What that link asked for is not known: where the pages end without one, what follows is asked for by rows.
        return Ask(), peer.endpoint.page(cursor.type, cursor.next_link)
    ask = Ask(_since(peer, cursor, timedelta(0)))
    page = _ask(peer, cursor.type, ask)
    back = _went_back(peer, cursor, page.date) if isinstance(page, Listed) else timedelta(0)
    if ask.since and back:
        ask = Ask(_since(peer, cursor, back))
        page = _ask(peer, cursor.type, ask)
    return ask, page


def _ask(peer: Peer, type_: str, ask: Ask) -> Listed | Trouble:
    if peer.remote.feed != "history":
        return asked(peer, type_, ask)
    since = [("_since", ask.since)] if ask.since else []
    return peer.endpoint.history(type_, [*since, ("_count", str(ask.count))])


def _kept(peer: Peer, tenant: str, cursor: Cursor, page: Listed) -> tuple[tuple[Received, ...], Cursor]:
    """Keep one page: what is new of it, and where the next one is, in one transaction."""
    entries = [as_received(cursor.type, entry.stamp, entry.text) for entry in page.entries]
    # Where a peer does not say what time it is, what it dates after our now moves no watermark: a clock that was ahead
    # for a moment would hide whatever is dated before that.
    latest = "" if moments.of_header(page.date) else moments.instant(peer.now())
    seen = (entry.last_updated for entry in entries if not moments.is_before(latest, entry.last_updated))
    after = replace(
        cursor,
        next_link=page.following,
        max_seen=moments.greatest([cursor.max_seen, *seen]),
        first_date=cursor.first_date or page.date,
    )
    return keep(peer, tenant, after, entries), after


def keep(peer: Peer, tenant: str, cursor: Cursor, entries: Sequence[Received]) -> tuple[Received, ...]:
    """Receive what was read, and note how far, in one transaction; return what is new, once the rest was examined.

    Raises:
        Unavailable: the store cannot serve now.
    """

    def work(tx: Tx) -> tuple[tuple[Received, ...], tuple[restored.Suspect, ...]]:
        fresh = inbox.receive(tx, peer.name, concerning(tx, peer, entries))
        inbox.keep_cursor(tx, cursor)
        return fresh, restored.suspects(tx, peer, entries, fresh)

    fresh, suspects = peer.service.store.transact(tenant, work)
    restored.examine(peer, tenant, suspects)
    return fresh


def _move(peer: Peer, tenant: str, before: Cursor, done: _Pass) -> None:
    """Move the watermark; what was read is on disk by now."""
    reach("pull.move")
    date = moments.of_header(done.first_date)
    watermark = moments.greatest([before.watermark, moments.least([done.max_seen, date])])
    is_back = moments.is_before(date, before.peer_date) and moments.are_apart(date, before.peer_date, NOTED)

    def work(tx: Tx) -> None:
        inbox.keep_cursor(
            tx,
            Cursor(
                before.endpoint,
                before.type,
                before.filter,
                watermark,
                last_success=tx.now,
                peer_date=date or before.peer_date,
            ),
        )
        if is_back:
            peer.alert(tx, "peer-clock-back", before.type)

    peer.service.store.transact(tenant, work)


def _fresh(cursor: Cursor) -> Cursor:
    """Return the cursor at the start of its feed."""
    return replace(cursor, next_link="", max_seen="", first_date="")


def _since(peer: Peer, cursor: Cursor, back: timedelta) -> str:
    if not cursor.watermark:
        return ""
    start = moments.at(moments.least([cursor.watermark, cursor.peer_date]))
    reached = timedelta(seconds=peer.remote.overlap_seconds) + back
    return moments.instant(start - min(reached, start - moments.NEVER))


def _went_back(peer: Peer, cursor: Cursor, header: str) -> timedelta:
    """Return by how much the peer's Date went back since the feed was last read, as far as can be told.

    Our own clock helps to see a step that was less than the time since. It may be wrong; then more is read than needed.
    """
    date, then = moments.at(moments.of_header(header)), moments.at(cursor.peer_date)
    if moments.NEVER in {date, then}:
        return timedelta(0)
    back = then - date
    if cursor.last_success is not None:
        lag = timedelta(seconds=peer.remote.deadline_seconds + 5)  # so late may the answer have come, either time
        behind = then + (peer.now() - cursor.last_success) - date
        back = max(back, behind if behind > lag else timedelta(0))
    return max(back, timedelta(0))
