"""The loop that keeps peers in step: a thread for each, so that a slow one holds back no other.

Each round: 1. push what the outbox holds, stops first; 2. pull, where the poll period has passed; 3. sleep until work
is announced or a moment has passed. On SQLite these are threads of ``serve``; the command ``worker`` runs the same.

A lease is short and renewed while a row is worked on: after a kill -9 the next process takes the row up within seconds.
"""

from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from fhir_infusion.errors import FhirInfusionError, SettingsError, Unavailable
from fhir_infusion.store import outbox
from fhir_infusion.sync.notifications import Notifier
from fhir_infusion.sync.peer import LOG, Peer
from fhir_infusion.sync.pull import Pulled, pull, pulled_at
from fhir_infusion.sync.push import deliver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row

LEASE_SECONDS: Final = 9
CLAIM: Final = 32
SENDERS: Final = 4
"""Rows sent at a time to one peer: several resources in parallel, one resource never."""
IDLE_SECONDS: Final = 0.5
CRASHES: Final = 5
"""A row that makes the sender fail so often is put aside; all others go on."""


@dataclass(frozen=True, slots=True)
class Health:
    """When a peer was last in step, as this process knows it; None where not yet."""

    endpoint: str
    pushed_at: datetime | None
    pulled_at: datetime | None
    circuit: str
    beat_at: datetime | None


class Worker:
    """Threads that push and pull, and tell subscribers. ``start``, then ``stop``; ``wake`` when something changed."""

    def __init__(self, service: Service) -> None:
        """Prepare for the remotes of the settings."""
        self._service = service
        self._lines: list[_Line] = []
        self._notifier = Notifier(service)

    def start(self) -> None:
        """Start one thread for each remote, and one for the subscribers.

        Raises:
            SettingsError: a secret's file cannot be read.
        """
        self._lines = [_Line(Peer(self._service, remote)) for remote in self._service.settings.remotes]
        for line in self._lines:
            line.thread.start()
        self._notifier.start()

    def stop(self, seconds: float = 35.0) -> None:
        """End after what is being sent now; a row that is cut off is verified by the next start."""
        for line in self._lines:
            line.ending.set()
            line.awake.set()
        for line in self._lines:
            line.thread.join(seconds)
            line.peer.close()
        self._notifier.stop(seconds)

    def wake(self) -> None:
        """Say that there is something to push, or to tell."""
        for line in self._lines:
            line.awake.set()
        self._notifier.wake()

    def health(self) -> tuple[Health, ...]:
        """Return how each peer stands."""
        return tuple(line.health() for line in self._lines)


class _Line:
    """The thread of one peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.ending = threading.Event()
        self.awake = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"sync-{peer.name}", daemon=True)
        self._pushed_at: datetime | None = None
        self._pulled_at: datetime | None = None
        self._beat_at: datetime | None = None
        self._next_pull: datetime | None = None

    def health(self) -> Health:
        return Health(self.peer.name, self._pushed_at, self._pulled_at, self.peer.circuit.why, self._beat_at)

    def _run(self) -> None:
        while not self.ending.is_set():
            self.awake.clear()
            busy = False
            try:
                busy = self._round()
            except FhirInfusionError as error:
                LOG.warning("sync round failed", extra={"endpoint": self.peer.name, "code": type(error).__name__})
            except Exception as error:  # noqa: BLE001  one round that fails must not end the thread: H18
                code = type(error).__name__
                LOG.error("sync round failed", extra={"endpoint": self.peer.name, "code": code})
            self._beat_at = self.peer.now()
            if not busy:
                self.awake.wait(IDLE_SECONDS)

    def _round(self) -> bool:
        peer, busy = self.peer, False
        if not peer.allows():
            return False
        if peer.remote.direction in {"push", "both"}:
            busy = bool(push(peer, peer.remote.tenant, self.ending))
            self._pushed_at = peer.now() if peer.circuit.open_until is None else self._pushed_at
        due = self._next_pull is None or peer.now() >= self._next_pull
        if peer.remote.direction in {"pull", "both"} and due and not self._pulled_elsewhere():
            self._next_pull = peer.now() + timedelta(seconds=peer.remote.poll_seconds)
            if not any(result.trouble for result in pull(peer, peer.remote.tenant, self.ending)):
                self._pulled_at = peer.now()
        return busy

    def _pulled_elsewhere(self) -> bool:
        """Say whether not to pull: it is the end, or another process on the same database did so just now."""
        peer = self.peer
        if self.ending.is_set() or not peer.service.store.is_shared:
            return self.ending.is_set()
        last = pulled_at(peer, peer.remote.tenant)
        if last is None or peer.now() >= last + timedelta(seconds=peer.remote.poll_seconds):
            return False
        self._pulled_at, self._next_pull = last, last + timedelta(seconds=peer.remote.poll_seconds)
        return True


def push(peer: Peer, tenant: str, ending: threading.Event | None = None) -> int:
    """Claim rows and deliver them; return how many were taken up. Several resources at a time, each in its order."""
    owner = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    store = peer.service.store
    if not peer.allows() or not store.read(tenant, lambda tx: outbox.waiting(tx, peer.name)):
        return 0
    rows = store.transact(tenant, lambda tx: outbox.claim(tx, peer.name, owner, CLAIM, LEASE_SECONDS))
    if not rows:
        return 0
    by_aggregate: dict[str, list[Row]] = {}
    for row in rows:
        by_aggregate.setdefault(row.aggregate, []).append(row)
    with _Leases(peer, tenant, rows) as leases, ThreadPoolExecutor(min(SENDERS, len(by_aggregate))) as senders:
        for done in [
            senders.submit(_deliver_all, peer, tenant, line, leases, ending) for line in by_aggregate.values()
        ]:
            done.result()
    return len(rows)


def push_all(peer: Peer, tenant: str, rounds: int = 1000) -> int:
    """Push until nothing is due now; return how many rows were taken up."""
    total = 0
    for _ in range(rounds):
        taken = push(peer, tenant)
        total += taken
        if not taken:
            break
    return total


def sync_now(service: Service, name: str, direction: str = "both") -> tuple[int, tuple[Pulled, ...]]:
    """Push and pull one remote once, for the commands ``sync push`` and ``sync pull``.

    Returns:
        How many outbox rows were taken up, and what each pull did.

    Raises:
        SettingsError: there is no such remote, or it does not go in this direction.
        Unavailable: the store cannot serve now.
    """
    remote = service.settings.remote(name)
    if direction != "both" and remote.direction not in {direction, "both"}:
        raise SettingsError(f"[remotes.{name}] direction: {remote.direction}; this needs {direction} or both")
    peer, tenant = Peer(service, remote), remote.tenant
    try:
        pushes = direction in {"push", "both"} and remote.direction in {"push", "both"}
        pulls = direction in {"pull", "both"} and remote.direction in {"pull", "both"}
        pushed = push_all(peer, tenant) if pushes else 0
        return pushed, pull(peer, tenant) if pulls else ()
    finally:
        peer.close()


def _deliver_all(peer: Peer, tenant: str, rows: list[Row], leases: _Leases, ending: threading.Event | None) -> None:
    """Deliver the rows of one resource, in order; after one that is not through, the others wait."""
    for row in rows:
        try:
            if (ending is not None and ending.is_set()) or not peer.allows():
                _give_back(peer, tenant, row)
                continue
            deliver(peer, tenant, row)
        except outbox.StaleLease:
            LOG.warning("lease lost", extra={"endpoint": peer.name, "resource": row.aggregate})
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  a poisoned row blocks its own resource only (F20)
            code = type(error).__name__
            LOG.error("row failed", extra={"endpoint": peer.name, "resource": row.aggregate, "code": code})
            _crashed(peer, tenant, row)
        finally:
            leases.release(row)


def _give_back(peer: Peer, tenant: str, row: Row) -> None:
    state: outbox.State = "unknown" if row.state == "unknown" else "pending"
    wait = peer.circuit.open_until
    peer.service.store.transact(
        tenant, lambda tx: outbox.settle(tx, row, state, error_code=row.last_error_code, not_before=wait)
    )


def _crashed(peer: Peer, tenant: str, row: Row) -> None:
    """Count a failure of ours; whatever state the row was left in, its lease decides how it goes on."""
    said = row.last_error_code.removeprefix("crash-")
    crashes = int(said) + 1 if row.last_error_code.startswith("crash-") and said.isdigit() else 1
    state: outbox.State = "dead" if crashes >= CRASHES else ("unknown" if row.state == "unknown" else "pending")
    until = peer.now() + timedelta(seconds=2**crashes)

    def work(tx: Tx) -> None:
        outbox.settle(tx, row, state, error_code=f"crash-{crashes}", not_before=until)
        if state == "dead":
            peer.alert(tx, "poison", row.aggregate, row.version)

    try:
        peer.service.store.transact(tenant, work)
    except outbox.StaleLease:
        return  # it failed after it was noted as sent: the lease runs out, and it is verified


class _Leases:
    """Renews the leases of rows while they are worked on."""

    def __init__(self, peer: Peer, tenant: str, rows: Iterable[Row]) -> None:
        self._peer = peer
        self._tenant = tenant
        self._open = {row.seq: row for row in rows}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"leases-{peer.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def release(self, row: Row) -> None:
        with self._lock:
            self._open.pop(row.seq, None)

    def _run(self) -> None:
        while not self._done.wait(LEASE_SECONDS / 3):
            with self._lock:
                rows = list(self._open.values())
            for row in rows:
                self._renew(row)

    def _renew(self, row: Row) -> None:
        store = self._peer.service.store
        for state in dict.fromkeys((row.state, "sent")):  # it may have been sent since it was claimed
            asked = replace(row, state=state)
            try:
                store.transact(self._tenant, partial(outbox.renew, row=asked, lease_seconds=LEASE_SECONDS))
            except (outbox.StaleLease, Unavailable):
                continue
            return
