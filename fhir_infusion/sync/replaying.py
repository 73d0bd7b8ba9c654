"""Telling again what was put aside, or what was told before: the same versions under the same identifiers.

What was acknowledged is not sent on suspicion: the peer is asked whether it still has it. Where it has, nothing is
written there, however often this is done. Where it was deleted (410) that stays so (hazard H8). Where nobody there
knows of it any more (404), it was lost, and who replays wants it sent again: the resource is looked for by its
identifier, as if it had never been there, and created if none has it. Of each resource the newest version counts, for
FHIR transfers whole states.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import aside, audit, inbox, links
from fhir_infusion.sync import restored
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.deletions import gone_there
from fhir_infusion.sync.mending import AT_ONCE, demand_reason, refuse_paused
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.pull import apply_new
from fhir_infusion.sync.replies import Found, Gone, Missing
from fhir_infusion.sync.sending import push_all
from fhir_infusion.sync.unset import unset

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received
    from fhir_infusion.store.links import Link
    from fhir_infusion.store.outbox import Row

STILL: Final = "still-there"
QUIET: Final = frozenset({STILL, "older"})
"""What is counted and not told one by one."""
SENT: Final = frozenset({"replayed", "sent-again"})
"""What is sent by a replay."""


def replay(service: Service, client: str, remote: str, rows: str, reason: str) -> dict[str, Any]:
    """Tell rows of the outbox again, numbers with spaces between; ``client`` is who decides, for the audit trail.

    Returns:
        How many rows became what, and a line for each of which a person may want to know.

    Raises:
        Refused: 422 no reason is given, or these are no numbers; 409 the remote is paused.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    demand_reason(reason)
    numbers = numbers_of(rows)
    peer = Peer(service, service.settings.remote(remote))
    tenant = peer.remote.tenant
    try:
        refuse_paused(peer, tenant)
        again = _Again(peer, tenant, client, reason)
        found = {row.seq: row for row in service.store.read(tenant, lambda tx: aside.numbered(tx, numbers))}
        for number in numbers:
            row = found.get(number)
            if row is None or row.endpoint != remote:
                again.told(number, "not-found")
            else:
                again.take(row)
        with service.store.alone(f"pull {tenant} {peer.name}") as alone:
            for type_ in peer.remote.types if alone and again.changed else ():  # else whoever pulls now applies it
                apply_new(peer, tenant, type_)
        if peer.remote.direction != "pull":
            push_all(peer, tenant)
        again.tell_states()
        counts = dict(sorted(again.counts.items()))
        service.store.transact(
            tenant,
            lambda tx: audit.write(tx, "sync-replayed", client, detail=f"{remote}: {_words(counts)}: {reason}"),
        )
        return {"remote": remote, "rows": counts, "told": again.lines}
    finally:
        peer.close()


def skip(service: Service, client: str, rows: str, reason: str, tenant: str | None = None) -> dict[str, Any]:
    """Give up rows that were put aside, numbers with spaces between; audited, and kept. ``tenant`` as in ``row_of``.

    Those of a remote that no section of the settings names any more, where they only wait, too.

    Raises:
        Refused: 404 there is no such row; 422 one was not put aside, no reason is given, or these are no numbers.
        Unavailable: the store cannot serve now.
    """
    demand_reason(reason)
    skipped = []
    nobodys = unset(service, tenant)
    for number in numbers_of(rows):
        owner, row = row_of(service, number, tenant)
        waiting = (owner, row.endpoint) in nobodys
        give_up = partial(aside.skip, seq=number, reason=reason, actor=client, waiting=waiting)
        service.store.transact(owner, give_up)
        skipped.append({"row": number, "remote": row.endpoint, "resource": row.aggregate, "version": row.version})
    return {"skipped": skipped}


def row_of(service: Service, number: int, tenant: str | None = None) -> tuple[str, Row]:
    """Return a row by its number, with its tenant.

    ``tenant`` is whose row it must be; None for a command of this machine, which belongs to no tenant.

    Raises:
        Refused: 404 no remote has such a row.
    """
    owners = [*(remote.tenant for remote in service.settings.remotes), *(owner for owner, _ in unset(service, tenant))]
    for owner in dict.fromkeys(owners):
        found = service.store.read(owner, lambda tx: aside.numbered(tx, [number])) if tenant in {None, owner} else ()
        if found:
            return owner, found[0]
    accepted = "a number that `fhir-infusion sync dead list` shows"
    raise Refused(Issue("error", "not-found", "", f"there is no outbox row {number}", accepted, status=404))


def numbers_of(rows: str) -> list[int]:
    """Return the numbers of a text.

    Raises:
        Refused: 422 these are none, or too many at once.
    """
    words = rows.split()
    if (
        not words
        or len(words) > AT_ONCE
        or not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words)
    ):
        raise Refused(Issue("error", "value", "rows", "these are no rows", f"1 to {AT_ONCE} numbers", status=422))
    return [int(word) for word in dict.fromkeys(words)]


class _Again:
    """One replay: what became of its rows. Each resource is asked for once."""

    def __init__(self, peer: Peer, tenant: str, client: str, reason: str) -> None:
        self._peer = peer
        self._tenant = tenant
        self._client = client
        self._reason = reason
        self._asked: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.lines: list[dict[str, Any]] = []
        self.changed = False
        """Whether something was taken into the inbox."""

    def take(self, row: Row) -> None:
        """Tell one row again, as its state asks for."""
        if row.state in aside.ASIDE:
            self._from_aside(row)
        elif row.state != "acked":
            self.told(row.seq, "superseded" if row.state == "superseded" else "on-its-way", row)
        elif row.aggregate in self._asked:
            self.told(row.seq, "older", row)
        else:
            self._asked.add(row.aggregate)
            self.told(row.seq, self._after_asking(row), row)

    def told(self, number: int, what: str, row: Row | None = None, code: str = "") -> None:
        """Count what became of a row, and keep a line of it where that is of interest."""
        self.counts[what] += 1
        if what not in QUIET:
            about = {"resource": row.aggregate, "version": row.version} if row is not None else {}
            self.lines.append({"row": number, "what": what, **about, **({"code": code} if code else {})})

    def tell_states(self) -> None:
        """Add to the lines of what was sent what became of it: it may have been put aside once more."""
        peer, sent = self._peer, [line for line in self.lines if line["what"] in SENT]
        for line, name in [(line, str(line["resource"])) for line in sent]:
            row = peer.service.store.read(self._tenant, lambda tx: aside.newest(tx, peer.name, name))  # noqa: B023  called at once
            if row is not None:
                line |= {"now": row.state, **({"code": row.last_error_code} if row.last_error_code else {})}

    def _from_aside(self, row: Row) -> None:
        peer, type_ = self._peer, row.aggregate.partition("/")[0]
        link = peer.service.store.read(self._tenant, lambda tx: links.get(tx, peer.name, row.aggregate))
        is_lost = link is not None and link.ladder == "lost"
        if link is not None and is_lost and link.remote_id:
            there = peer.endpoint.read(type_, link.remote_id)
            if not isinstance(there, Missing | Found):
                self.told(row.seq, self._gone(link) if isinstance(there, Gone) else "unasked", row)
                return

        def work(tx: Tx) -> None:
            aside.replay(tx, row.seq, self._reason, self._client)
            if is_lost:
                links.forget(tx, peer.name, row.aggregate)

        try:
            self._transact(work)
        except Refused as refused:
            self.told(row.seq, "refused", row, refused.issues[0].reason)
            return
        self.told(row.seq, "replayed", row)

    def _after_asking(self, row: Row) -> str:  # noqa: PLR0911  each return is one case
        """Ask whether the peer still has what was acknowledged, and return what became of it."""
        peer, type_ = self._peer, row.aggregate.partition("/")[0]
        link, newest = peer.service.store.read(self._tenant, lambda tx: _known(tx, peer.name, row.aggregate))
        if newest is None or newest.state == "superseded":
            return "superseded"  # a person gave up a newer version, or let theirs stand
        if newest.state != "acked":
            return "on-its-way"  # a newer version is, or waits for a person
        if link is None or not link.remote_id:
            return self._tell(newest)
        if link.ladder == "gone":
            return "gone"
        there = peer.endpoint.read(type_, link.remote_id)
        if isinstance(there, Missing) or (link.ladder == "lost" and isinstance(there, Found)):
            return self._tell(newest)
        if isinstance(there, Gone):
            return self._gone(link)
        if not isinstance(there, Found):
            return "unasked"
        stamp = there.stamp
        received = as_received(type_, stamp, there.text)
        if received.version != link.version_id:
            self._receive(received)
            return "changed-there"
        if restored.says_other(link.last_updated, link.base, stamp.last_updated, there.text):
            restored.pause(peer, self._tenant, f"{type_}/{stamp.id}")
            return "restored"
        return STILL

    def _gone(self, link: Link) -> str:
        """Note that it was deleted there."""
        self._transact(lambda tx: gone_there(tx, self._peer, link, is_lost=False))
        return "gone"

    def _tell(self, row: Row) -> str:
        """Send a row again that the peer has lost; a push looks for its identifier first."""
        peer = self._peer

        def work(tx: Tx) -> bool:
            if not aside.tell_again(tx, row):
                return False
            links.forget(tx, peer.name, row.aggregate)
            type_, _, id_ = row.aggregate.partition("/")
            detail = f"outbox row {row.seq} acked -> pending, {peer.name} has lost it: {self._reason}"
            audit.write(tx, "outbox-decision", self._client, type_, id_, row.version, detail)
            return True

        return "sent-again" if self._transact(work) else "on-its-way"

    def _receive(self, received: Received) -> None:
        self._transact(lambda tx: inbox.receive(tx, self._peer.name, [received]))
        self.changed = True

    def _transact(self, work: Callable[[Tx], Any]) -> Any:
        return self._peer.service.store.transact(self._tenant, work)


def _known(tx: Tx, endpoint: str, aggregate: str) -> tuple[Link | None, Row | None]:
    return links.get(tx, endpoint, aggregate), aside.newest(tx, endpoint, aggregate)


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
