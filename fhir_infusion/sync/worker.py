"""The loops that keep peers in step: threads of each peer's own, so that a slow one holds back no other.

For each peer one thread gives the outbox to senders (``sending``), and another pulls, so that neither a long pull nor a
request that hangs holds back a stop. On SQLite these are threads of ``serve``; the command ``worker`` runs the same.

A lease is short and renewed while a row is worked on: after a kill -9 the next process takes the row up within seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import FhirInfusionError, SettingsError, Unavailable
from fhir_infusion.sync import places, statement
from fhir_infusion.sync.housekeeping import Housekeeper
from fhir_infusion.sync.notifications import Notifier
from fhir_infusion.sync.peer import LOG, Peer
from fhir_infusion.sync.pull import ELSEWHERE, Pulled, pull, pulled_at
from fhir_infusion.sync.sending import CHECK_SECONDS, Senders, push_all, tell_late_stops
from fhir_infusion.sync.telling import catch_up
from fhir_infusion.sync.word import code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.service import Service

IDLE_SECONDS: Final = 0.5
NUDGE_SECONDS: Final = 1.0
"""At least so long lies between the beginnings of two pulls for nudges."""


@dataclass(frozen=True, slots=True)
class Health:
    """When a peer was last in step, as this process knows it; None where not yet. ``paused`` is why, if it is."""

    endpoint: str
    pushed_at: datetime | None
    pulled_at: datetime | None
    circuit: str
    beat_at: datetime | None
    paused: str = ""


class Worker:
    """Threads that push and pull, tell subscribers, and forget. ``start``, then ``stop``; ``wake`` at a change."""

    def __init__(self, service: Service) -> None:
        """Prepare for the remotes of the settings."""
        self._service = service
        self._lines: list[_Line] = []
        self._notifier = Notifier(service)
        self._housekeeper = Housekeeper(service)

    def start(self) -> None:
        """Start the threads of each remote, one for the subscribers, and one that forgets.

        Raises:
            SettingsError: a secret's file cannot be read.
        """
        self._lines = [_Line(Peer(self._service, remote)) for remote in self._service.settings.remotes]
        for line in self._lines:
            for thread in (line.greeting, *line.threads):
                thread.start()
        self._notifier.start()
        self._housekeeper.start()

    def stop(self, seconds: float = 35.0) -> None:
        """End after what is being sent now; a row that is cut off is verified by the next start."""
        for line in self._lines:
            line.end()
        deadline = time.monotonic() + seconds
        for line in self._lines:
            line.join(deadline)
            line.peer.close()
        self._notifier.stop(seconds)
        self._housekeeper.stop(seconds)

    def wake(self) -> None:
        """Say that there is something to push, or to tell."""
        for line in self._lines:
            line.awake.set()
        self._notifier.wake()

    def nudge(self, name: str) -> None:
        """Say that something changed at a remote: it is pulled now, though not more often than once a second."""
        for line in self._lines:
            if line.peer.name == name:
                line.nudge()

    def health(self) -> tuple[Health, ...]:
        """Return how each peer stands."""
        return tuple(line.health() for line in self._lines)


class _Line:
    """The threads of one peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.ending = threading.Event()
        self.awake = threading.Event()
        ways = {"push": (self._push,), "pull": (self._pull,), "both": (self._push, self._pull)}
        self.threads = [
            threading.Thread(target=self._run, args=(way,), name=f"sync-{peer.name}-{way.__name__}", daemon=True)
            for way in ways[peer.remote.direction]
        ]
        self.greeting = threading.Thread(target=self._greet, name=f"sync-{peer.name}-greet", daemon=True)
        self._senders = Senders(peer, peer.remote.tenant, self.awake.set, self.ending, is_worker=True)
        self._beats: dict[str, datetime] = {}
        self._pushed_at: datetime | None = None
        self._pulled_at: datetime | None = None
        self._next_pull: datetime | None = None
        self._next_check = 0.0
        self._paused = ""
        self._stirred = threading.Event()
        self._is_nudged = False
        self._began = -NUDGE_SECONDS

    def health(self) -> Health:
        beats = list(self._beats.values())
        beat = min(beats) if len(beats) == len(self.threads) else None
        return Health(self.peer.name, self._pushed_at, self._pulled_at, self.peer.circuit.why, beat, self._paused)

    def end(self) -> None:
        """Begin nothing any more."""
        self.ending.set()
        self.awake.set()
        self._stirred.set()

    def nudge(self) -> None:
        """Have the next pull happen now."""
        self._is_nudged = True
        self._stirred.set()

    def join(self, deadline: float) -> None:
        """Wait for what is being sent and pulled now, until a moment of ``time.monotonic``."""
        for thread in (*self.threads, self.greeting):
            thread.join(max(0.0, deadline - time.monotonic()))
        while self._senders.busy() and time.monotonic() < deadline:
            self.awake.clear()
            self._senders.renew()
            if self._senders.busy():
                self.awake.wait(IDLE_SECONDS)

    def _greet(self) -> None:
        """Ask for the CapabilityStatement, and say in one line what it is; tell what was not told (``telling``)."""
        try:
            if catch_up(self.peer, self.peer.remote.tenant):
                self.awake.set()
            told = what_it_is(self.peer)
        except Unavailable as error:
            told = type(error).__name__
        level = logging.INFO if told.startswith(self.peer.release) else logging.WARNING
        LOG.log(level, "remote", extra={"endpoint": self.peer.name, "code": told})

    def _run(self, way: Callable[[], None]) -> None:
        while not self.ending.is_set():
            try:
                way()
            except FhirInfusionError as error:
                LOG.warning("sync round failed", extra={"endpoint": self.peer.name, "code": type(error).__name__})
                self.ending.wait(IDLE_SECONDS)
            except Exception as error:  # noqa: BLE001  one round that fails must not end the thread: H18
                code = type(error).__name__
                LOG.error("sync round failed", extra={"endpoint": self.peer.name, "code": code})
                self.ending.wait(IDLE_SECONDS)
            self._beats[way.__name__] = self.peer.now()

    def _push(self) -> None:
        """Give work to the senders that are free, then wait until one is, or until there is work."""
        self.awake.clear()
        peer = self.peer
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self._paused = places.paused(peer, peer.remote.tenant)
            tell_late_stops(peer, peer.remote.tenant)
        self._senders.renew()
        self._senders.fill()
        if peer.circuit.open_until is None and not self._paused:
            self._pushed_at = peer.now()
        self.awake.wait(IDLE_SECONDS)

    def _pull(self) -> None:
        peer = self.peer
        self._stirred.clear()
        left = self._began + NUDGE_SECONDS - time.monotonic()
        nudged = self._is_nudged and left <= 0
        due = nudged or self._next_pull is None or not self._waits(self._next_pull)
        if due and peer.allows(anew=True) and not (self.ending.is_set() if nudged else self._pulled_elsewhere()):
            # Before it begins: what changes while this pull reads is for the next one.
            self._is_nudged, self._began = False, time.monotonic()
            self._next_pull = peer.now() + timedelta(seconds=peer.remote.poll_seconds)
            pulled = pull(peer, peer.remote.tenant, self.ending)
            if not any(result.trouble for result in pulled):
                self._pulled_at = peer.now()
            elif nudged and any(result.trouble == ELSEWHERE for result in pulled):
                self._is_nudged = True  # who pulls now may have read that part before the change
        elif self._is_nudged and left > 0:
            self.ending.wait(min(left, IDLE_SECONDS))  # a storm of nudges is one pull a second
            return
        self._stirred.wait(IDLE_SECONDS)

    def _pulled_elsewhere(self) -> bool:
        """Say whether not to pull: it is the end, or another process on the same database did so just now."""
        peer = self.peer
        if self.ending.is_set() or not peer.service.store.is_shared:
            return self.ending.is_set()
        last = pulled_at(peer, peer.remote.tenant)
        following = last + timedelta(seconds=peer.remote.poll_seconds) if last is not None else None
        if following is None or not self._waits(following):
            return False
        self._pulled_at, self._next_pull = last, following
        return True

    def _waits(self, until: datetime) -> bool:
        """Say whether the next pull is ahead: by no more than the time between two, unless the clock went back."""
        now = self.peer.now()
        return now < until <= now + timedelta(seconds=self.peer.remote.poll_seconds)


def what_it_is(peer: Peer) -> str:
    """Return, as one line, the release of a peer and how each type is created there, or why it could not be asked.

    Raises:
        Unavailable: the store cannot serve now.
    """
    stated = peer.capability()
    if not isinstance(stated, dict):
        return code_of(stated)
    said = statement.release(stated)
    is_right = said in {"", peer.release}
    rungs = ", ".join(f"{type_} {peer.rung(type_)}" for type_ in peer.remote.types)
    return f"{peer.release}: creates {rungs}" if is_right else f"states {said}, set is {peer.release}: creates {rungs}"


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
        if pushes:
            catch_up(peer, tenant)
        pushed = push_all(peer, tenant) if pushes else 0
        return pushed, pull(peer, tenant) if pulls else ()
    finally:
        peer.close()
