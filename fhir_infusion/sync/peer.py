"""One endpoint with what is known of it while the process runs: its circuit, what it can do, who its patients are."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions.caller import Caller
from fhir_infusion.errors import SettingsError, Unavailable
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import audit, endpoints
from fhir_infusion.sync import retry, statement
from fhir_infusion.sync.ladder import Rung, failing_of, rung_of
from fhir_infusion.sync.remote import Endpoint
from fhir_infusion.sync.replies import Answer, Doubtful, Missing, Trouble, Unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from fhir_infusion.config import Remote
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

KNOWN_FOR: Final = timedelta(minutes=10)
"""For so long a CapabilityStatement is believed without asking again."""
BELIEVED_FOR: Final = timedelta(seconds=30)
"""For so long the id of a patient is, and his number: he may be merged, or corrected there (hazard H10)."""

LOOK_UP_SECONDS: Final = 1.0
THROTTLED: Final = "throttled"
STOP_ALONE: Final = "the stop alone"
"""Said in the audit trail of a version of which only the stop is there."""

LOG: Final = logging.getLogger("fhir_infusion.sync")


class Peer:
    """One endpoint. Several threads may use it."""

    def __init__(self, service: Service, remote: Remote, draw: Callable[[], float] = random.random) -> None:
        """Prepare; nothing is sent yet. ``draw`` returns a number from 0 to 1, for the jitter of waits.

        Raises:
            SettingsError: there is no such overlay, or a file of the settings cannot be used.
        """
        if remote.overlay and remote.overlay not in service.translator.overlays:
            accepted = f"accepted are {', '.join(sorted(service.translator.overlays))}"
            raise SettingsError(f"[remotes.{remote.name}]: overlay: there is no such overlay; {accepted}")
        self.service = replace(service, dialect=remote.overlay) if remote.overlay else service
        self.remote = remote
        self.name = remote.name
        self.release = remote.release
        self.draw = draw
        self.endpoint = Endpoint(remote, self)
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, ...], tuple[threading.Lock, int]] = {}
        self._told = ""
        self._circuit = retry.CLOSED
        self._attempt = threading.local()
        self._look_up_at = 0.0
        self.is_placed = False
        """Whether this process knows that the address is the one that was linked (``places``)."""
        self.missed: set[str] = set()
        """What of ours the feed did not show, and a read did not find, so soon after it was written."""
        self._trouble: str | None = None
        self._capability: tuple[datetime, Resource] | None = None
        self._known: dict[tuple[str, ...], tuple[datetime, str]] = {}

    def now(self) -> datetime:
        """Return the moment, by the service's clock."""
        return self.service.clock()

    def caller(self, tenant: str) -> Caller:
        """Return who acts: this endpoint, for a tenant."""
        return Caller(tenant, f"sync:{self.name}")

    # -------------------------------------------------------------------------------------------------- circuit

    @property
    def circuit(self) -> retry.Circuit:
        """Whether the endpoint is left alone, and why."""
        return self._circuit

    def allows(self, *, anew: bool = False) -> bool:
        """Say whether a request may be sent now.

        A window that the peer asked for (429, 503) holds for every process on this database, and after a restart: it
        is looked up at most once a second, or now where ``anew``. Everything else that opens a circuit is what this
        process has seen by itself, such as a network that is cut, and holds back no other.
        """
        if self._circuit.allows(self.now()):
            self._look_up_window(anew=anew)
        return self._circuit.allows(self.now()) or (self.hurries() and self._circuit.why in _OF_ONE)

    def hurries(self) -> bool:
        """Say whether this thread delivers a stop."""
        return getattr(self._attempt, "is_stop", False)

    @contextmanager
    def attempt(self, *, is_stop: bool) -> Iterator[None]:
        """Deliver one row in this thread. A stop that was begun goes on where the circuit opens meanwhile (H6).

        Who may not look for patients, or gets no answer to that, may still stop an order. What a server that is
        throttled asked for is kept, and one that cannot be reached is left alone.
        """
        self._attempt.is_stop = is_stop
        try:
            yield
        finally:
            self._attempt.is_stop = False

    def _look_up_window(self, *, anew: bool) -> None:
        if not anew and time.monotonic() < self._look_up_at:
            return
        self._look_up_at = time.monotonic() + LOOK_UP_SECONDS
        try:
            until = self.service.store.read(self.remote.tenant, lambda tx: endpoints.throttled(tx, self.name))
        except Unavailable:
            return
        if until is not None and retry.is_ahead(until, self.now()):
            with self._lock:
                self._circuit = replace(self._circuit, open_until=until, why=THROTTLED)

    def saw(self, answer: Answer | Unsent | Doubtful) -> None:
        """Move the circuit by how a request ended."""
        now = self.now()
        with self._lock:
            before = self._circuit
            after = _after(before, answer, now, self.draw)
            if after is retry.CLOSED and before.why == THROTTLED and not before.allows(now):
                after = before  # the answer to a request that left before the window began
            self._circuit = after
        opened = after.open_until is not None and before.open_until is None
        if after.why == THROTTLED and after.open_until is not None and after is not before:
            self._keep_window(after.open_until)
        if opened:
            LOG.warning("endpoint left alone", extra={"endpoint": self.name, "code": after.why})
        if after is retry.CLOSED:
            self._note("")
        elif opened:
            self._note(after.why)

    def _keep_window(self, until: datetime) -> None:
        """Have every process keep it."""
        with suppress(Unavailable):
            self.service.store.transact(self.remote.tenant, lambda tx: endpoints.throttle(tx, self.name, until))

    def _note(self, trouble: str) -> None:
        """Keep what is wrong where every process sees it, once; raise an alarm where a person has to act."""
        with self._lock:
            known, self._trouble = self._trouble, trouble
        if known == trouble:
            return

        def work(tx: Tx) -> None:
            is_new = endpoints.note_trouble(tx, self.name, trouble)
            if is_new and trouble not in _PASSING and not (trouble == "forbidden" and self.remote.direction != "pull"):
                self.alert(tx, trouble, "")

        try:
            # A read first: that nothing is wrong is written only where something was.
            store = self.service.store
            if store.read(self.remote.tenant, lambda tx: endpoints.known(tx, self.name).trouble) != trouble:
                store.transact(self.remote.tenant, work)
        except Unavailable:
            with self._lock:
                self._trouble = None  # to be noted with the next answer

    # ------------------------------------------------------------------------------------------- what is known

    def rung(self, type_: str) -> Rung | Trouble:
        """Return how a resource of a type is created here: by the CapabilityStatement, where no probe saw that fail."""
        capability = self.capability()
        if not isinstance(capability, dict):
            return capability
        return rung_of(capability, type_, self._failing())

    def _failing(self) -> str:
        """Return the rungs that a probe saw fail."""
        failing = self.recall("failing rungs")
        if failing is None:
            known = self.service.store.read(self.remote.tenant, lambda tx: endpoints.known(tx, self.name))
            failing = failing_of(known.can)
            self.learn(failing, "failing rungs")
        return failing

    def capability(self) -> Resource | Trouble:
        """Return the CapabilityStatement, empty where there is none."""
        with self._lock:
            known = self._capability
        if known is None or known[0] < self.now():
            capability = self.endpoint.capability()
            if isinstance(capability, Missing):
                capability = {}  # no statement: the lowest rung, which every server can do
            if not isinstance(capability, dict):
                return capability
            self.endpoint.takes_batches = self.remote.bundle_size > 1 and statement.takes_batches(capability)
            # A server that can neither take an id nor a condition doubles what a look did not show: one at a time.
            wanted, failing = (*TYPES, "Patient"), self._failing()
            self.endpoint.gathered = frozenset(type_ for type_ in wanted if rung_of(capability, type_, failing) != "C")
            known = (self.now() + KNOWN_FOR, capability)
            with self._lock:
                self._capability = known
        return known[1]

    def recall(self, *key: str) -> str | None:
        """Return what was learnt lately under a key."""
        with self._lock:
            known = self._known.get(key)
        return known[1] if known is not None and known[0] >= self.now() else None

    def learn(self, value: str, *key: str) -> None:
        """Remember something of the peer for a while, such as the id of a patient there."""
        with self._lock:
            if len(self._known) >= 10_000:
                self._known.clear()
            self._known[key] = (self.now() + BELIEVED_FOR, value)

    def forget(self) -> None:
        """Forget what was learnt."""
        with self._lock:
            self._known.clear()

    @contextmanager
    def turn(self, *key: str) -> Iterator[None]:
        """Hold back other threads that want the same, such as to create the same patient; and no others."""
        with self._lock:
            lock, waiting = self._turns.get(key, (threading.Lock(), 0))
            self._turns[key] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                waiting = self._turns[key][1] - 1
                self._turns[key] = (lock, waiting)
                if not waiting:
                    del self._turns[key]

    # -------------------------------------------------------------------------------------------------- alarms

    def told_first(self, why: str) -> bool:
        """Say whether this is to be told of the endpoint: once, until something arrives and ``why`` is empty again."""
        with self._lock:
            first, self._told = self._told != why, why
        return first

    def alert(self, tx: Tx, code: str, aggregate: str, version: int = 0) -> None:
        """Put an alarm into the audit trail, in the transaction of what caused it, and into the log."""
        type_, _, id_ = aggregate.partition("/")
        audit.write(tx, "sync-alert", f"sync:{self.name}", type_, id_, version, code)
        LOG.warning("sync alert", extra={"endpoint": self.name, "code": code, "resource": aggregate})

    def sent(self, tx: Tx, aggregate: str, version: int, *, alone: bool = False) -> None:
        """Note in the audit trail that a version of ours is there now, in the transaction that acknowledges it.

        ``alone``: its stop is, and nothing else of it.
        """
        type_, _, id_ = aggregate.partition("/")
        audit.write(tx, "sync-sent", f"sync:{self.name}", type_, id_, version, STOP_ALONE if alone else "")

    def close(self) -> None:
        """Close the connections."""
        self.endpoint.close()


_OF_ONE: Final = frozenset({"forbidden", "redirected", "failing"})
"""What may be wrong with one kind of request only."""

_PASSING: Final = frozenset({"", "unreachable", "failing", "throttled", "token-unreachable"})
"""What may pass by itself. A 403 to what is sent is told with the row (``verdicts``)."""


def _after(
    circuit: retry.Circuit, answer: Answer | Unsent | Doubtful, now: datetime, draw: Callable[[], float]
) -> retry.Circuit:
    if isinstance(answer, Unsent) and answer.code and answer.code != "token-unreachable":
        return retry.misconfigured(circuit, now, draw, answer.code)
    if isinstance(answer, Unsent):
        return retry.failed(circuit, now, draw, answer.code or "unreachable")
    if isinstance(answer, Doubtful) or answer.status in {500, 502, 504, 408}:
        return retry.failed(circuit, now, draw, "failing")
    if answer.status in {429, 503}:
        return retry.throttled(circuit, now, draw, answer.headers.get("retry-after", ""))
    if answer.status in {401, 403} or (300 <= answer.status < 400 and answer.status != 304):
        why = {401: "unauthorized", 403: "forbidden"}.get(answer.status, "redirected")
        return retry.misconfigured(circuit, now, draw, why)
    return retry.CLOSED
