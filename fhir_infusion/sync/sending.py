"""Senders: they take rows of the outbox as they become free, and one of them is kept for stops.

A row is claimed only when a sender is free for it: what waits in the outbox can still be overtaken by a stop, what is
claimed cannot. An attempt may hang for good (a loop without end in a mapping): after ``HANGS_SECONDS`` its lease is no
longer renewed, so that it counts as one that ended without a verdict, and another sender takes its place.
"""

from __future__ import annotations

import math
import os
import queue
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import attempts, outbox, suspects
from fhir_infusion.sync import journal, places
from fhir_infusion.sync.gather import AT_ONCE
from fhir_infusion.sync.peer import LOG, Peer
from fhir_infusion.sync.push import deliver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row

LEASE_SECONDS: Final = 9
CRASHES: Final = 5
CRASH_HOURS: Final = 24
"""A row whose attempts end so often in a row, or for so long, without a verdict is put aside; all others go on."""
REQUESTS: Final = 20
"""No attempt needs more requests: one that runs for longer than their deadlines hangs."""
LATE_STOP_SECONDS: Final = 60
CHECK_SECONDS: Final = 5.0
LATER_SECONDS: Final = 2.0
"""So long a push by hand takes what came after it had begun."""
REST_SECONDS: Final = 1.0
"""So long a thread waits for its next row."""


class Senders:
    """The senders of one peer. ``fill`` gives them work; ``freed`` is called when one has ended."""

    def __init__(
        self,
        peer: Peer,
        tenant: str,
        freed: Callable[[], object],
        ending: threading.Event | None = None,
        *,
        is_worker: bool = False,
    ) -> None:
        """Prepare; nothing is claimed yet. Once ``ending`` is set nothing is begun any more.

        A worker is started again and again where something kills it. It begins with what is under suspicion only once
        it has lived for a while: else that were on its way each time, and blamed for what is not its fault.
        """
        self._peer = peer
        self._tenant = tenant
        self._freed = freed
        self._ending = ending or threading.Event()
        self._owner = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._is_worker = is_worker
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._busy: dict[int, tuple[Row, float]] = {}
        self._handed: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self._resting = 0
        self._renewed = time.monotonic()
        self._judge_at = 0.0
        # Several resources at a time, one resource never; for stops there is one sender more.
        self._most = peer.remote.senders
        self._hangs = max(LEASE_SECONDS, REQUESTS * peer.remote.deadline_seconds)

    def fill(self) -> tuple[Row, ...]:
        """Claim what is due, as far as senders are free, and begin it; return that.

        Raises:
            Unavailable: the store cannot serve now.
        """
        with self._lock:
            busy = len(self._busy)
        # Where a peer takes batches, as many as go into those on their way: what they send meanwhile goes together
        # (``gather``). With as many as go into one, half of it was on its way at a time, and most requests were small.
        takes_batches = self._peer.endpoint.takes_batches
        most = max(self._most, AT_ONCE * self._peer.remote.bundle_size) if takes_batches else self._most
        free = most + 1 - busy
        if free <= 0 or self._ending.is_set() or not self._peer.allows(anew=True):
            return ()
        store, name = self._peer.service.store, self._peer.name
        if not store.read(self._tenant, lambda tx: outbox.waiting(tx, name)):
            return ()
        if not self._peer.is_placed and places.paused(self._peer, self._tenant):
            return ()
        ordinary = max(0, most - busy)
        rows = store.transact(self._tenant, lambda tx: self._claimed(tx, ordinary, free - ordinary))
        for row in rows:
            self._begin(row)
        return rows

    def renew(self) -> None:
        """Renew the leases of what is worked on, where it is time to; let go of what hangs."""
        now = time.monotonic()
        if now - self._renewed < LEASE_SECONDS / 3:
            return
        self._renewed = now
        with self._lock:
            hanging = [row for row, since in self._busy.values() if now - since > self._hangs]
            for row in hanging:
                del self._busy[row.seq]
            held = [row for row, _ in self._busy.values()]
        for row in hanging:
            LOG.error("row hangs", extra={"endpoint": self._peer.name, "resource": row.aggregate})
        if held:
            self._renew(held)

    def busy(self) -> int:
        """Return how many rows are being delivered."""
        with self._lock:
            return len(self._busy)

    def _claimed(self, tx: Tx, ordinary: int, urgent: int) -> tuple[Row, ...]:
        if time.monotonic() >= self._judge_at:
            self._judge_at = time.monotonic() + LEASE_SECONDS / 9
            self._judge(tx)
        return outbox.claim(tx, self._peer.name, self._owner, ordinary, LEASE_SECONDS, urgent, self._most_crashes())

    def _most_crashes(self) -> int:
        """Return how often what goes may have failed: once at first, twice after 4 s, and so on."""
        return max(1, int(math.log2(max(1.0, self._lived())))) if self._is_worker else outbox.ANY_CRASHES

    def _lived(self) -> float:
        """Return for how many seconds."""
        return time.monotonic() - self._started

    def _judge(self, tx: Tx) -> None:
        """Put aside what failed too often without a verdict."""
        for row in suspects.poisoned(tx, self._peer.name, CRASHES, CRASH_HOURS):
            self._peer.alert(tx, "poison", row.aggregate, row.version)

    def _begin(self, row: Row) -> None:
        """Give a row to a thread that rests, or to a new one: to start one costs about as much as a small request.

        One that hangs is not waited for: it neither rests nor counts as busy any more.
        """
        with self._lock:
            self._busy[row.seq] = (row, time.monotonic())
            rests = self._resting > 0
            if rests:
                self._resting -= 1
                self._handed.put(row)
        if not rests:
            threading.Thread(target=self._work, args=(row,), name=f"sender-{self._peer.name}", daemon=True).start()

    def _work(self, row: Row) -> None:
        following: Row | None = row
        while following is not None:
            self._run(following)
            following = self._next()

    def _next(self) -> Row | None:
        """Return the row that is handed to this thread, None where none comes for a while: then it ends."""
        with self._lock:
            self._resting += 1
        try:
            return self._handed.get(timeout=REST_SECONDS)
        except queue.Empty:
            pass
        with self._lock:  # in which rows are handed over: none can come between the look and the leaving
            try:
                return self._handed.get_nowait()
            except queue.Empty:
                self._resting -= 1
                return None

    def _run(self, row: Row) -> None:
        try:
            if self._ending.is_set() or not self._peer.allows():
                _give_back(self._peer, self._tenant, row)
            else:
                _deliver(self._peer, self._tenant, row)
        except outbox.StaleLease:
            LOG.warning("lease lost", extra={"endpoint": self._peer.name, "resource": row.aggregate})
        except Unavailable as error:
            code = type(error).__name__
            LOG.warning("store unavailable", extra={"endpoint": self._peer.name, "code": code})
        finally:
            with self._lock:
                held = self._busy.get(row.seq)
                if held is not None and held[0].fence == row.fence:
                    del self._busy[row.seq]
            self._freed()

    def _renew(self, rows: Sequence[Row]) -> None:
        """Renew leases in one transaction: one for each would hold back what is claimed and settled meanwhile."""

        def work(tx: Tx) -> None:
            for row in rows:
                for state in dict.fromkeys((row.state, "sent")):  # it may have been sent since it was claimed
                    with suppress(outbox.StaleLease):
                        outbox.renew(tx, replace(row, state=state), LEASE_SECONDS)
                        break

        with suppress(Unavailable):
            self._peer.service.store.transact(self._tenant, work)


def push_all(peer: Peer, tenant: str, most: int = 100_000) -> int:
    """Push until nothing is due now that was there when it began; return how many rows were taken up.

    What comes meanwhile is taken, too, and does not keep this from ending: after ``LATER_SECONDS`` of nothing else no
    more of it is begun. About ``most`` rows are taken up at the most.

    Raises:
        Unavailable: the store cannot serve now.
    """
    freed = threading.Event()
    senders = Senders(peer, tenant, freed.set)
    tell_late_stops(peer, tenant)
    last = peer.service.store.read(tenant, outbox.last)
    total, later_since = 0, math.inf
    while True:
        freed.clear()
        is_over = total >= most or time.monotonic() - later_since > LATER_SECONDS
        taken = () if is_over else senders.fill()
        total += len(taken)
        # Claimed are the oldest first, but for stops: where all of them are later ones, none of before is due.
        if any(row.seq <= last for row in taken):
            later_since = math.inf
        elif any(row.lane == "normal" for row in taken):
            later_since = min(later_since, time.monotonic())
        if not taken and not senders.busy():
            return total
        freed.wait(LEASE_SECONDS / 3)
        senders.renew()


def tell_late_stops(peer: Peer, tenant: str) -> None:
    """Raise an alarm for each stop that has not been acknowledged for too long, once.

    Raises:
        Unavailable: the store cannot serve now.
    """

    def late(tx: Tx) -> tuple[Row, ...]:
        return suspects.late_stops(tx, peer.name, LATE_STOP_SECONDS)

    def work(tx: Tx) -> None:
        rows = late(tx)
        suspects.told(tx, rows)
        for row in rows:
            peer.alert(tx, "stop-late", row.aggregate, row.version)

    if peer.service.store.read(tenant, late):
        peer.service.store.transact(tenant, work)


def _deliver(peer: Peer, tenant: str, row: Row) -> None:
    with journal.kept():
        begun = peer.now()
        try:
            deliver(peer, tenant, row)
        except (outbox.StaleLease, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001  a poisoned row blocks its own resource only (F20)
            code = type(error).__name__
            LOG.error("row failed", extra={"endpoint": peer.name, "resource": row.aggregate, "code": code})
            _crashed(peer, tenant, row, begun)


def _give_back(peer: Peer, tenant: str, row: Row) -> None:
    state: outbox.State = "unknown" if row.state == "unknown" else "pending"
    wait = peer.circuit.open_until
    code = row.last_error_code

    def work(tx: Tx) -> None:
        outbox.settle(tx, row, state, error_code=code, not_before=wait, crashes=row.crashes)

    peer.service.store.transact(tenant, work)


def _crashed(peer: Peer, tenant: str, row: Row, begun: datetime) -> None:
    """Count a failure of ours; whatever state the row was left in, its lease decides how it goes on."""
    crashes = row.crashes + 1
    state: outbox.State = "dead" if crashes >= CRASHES else ("unknown" if row.state == "unknown" else "pending")
    until = peer.now() + timedelta(seconds=2**crashes)
    asked = journal.notes()

    def work(tx: Tx) -> None:
        code = f"crash-{crashes}"
        outbox.settle(tx, row, state, error_code=code, not_before=until, crashes=crashes)
        attempts.note(tx, row, begun, asked, state, code)
        if state == "dead":
            peer.alert(tx, "poison", row.aggregate, row.version)

    peer.service.store.transact(tenant, work)  # one that was noted as sent before keeps its lease, and is verified
