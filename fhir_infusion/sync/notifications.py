"""Tell subscribers: the loop that sends what their subscriptions wait for.

Each round: 1. look which subscriptions have something due, of every tenant: a handshake, events, a heartbeat, or their
end; 2. hand each to a sender, stops first and what fails last; 3. sleep until a change is announced or a moment has
passed. A sender 1. claims the subscription, 2. sends what is due in order, 3. notes each time how far it came.

What arrived is noted after the answer: a process that dies between sends again, under the same event numbers. Several
endpoints are served at a time, so that a slow one holds back no other; failing ones never take all senders.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from fhir_infusion.actions import notification
from fhir_infusion.errors import FhirInfusionError
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import subscriptions as asking
from fhir_infusion.fhir.subscriptions import FHIR_JSON
from fhir_infusion.store import audit, subscriptions
from fhir_infusion.store.tx import to_ms
from fhir_infusion.sync import retry
from fhir_infusion.sync.hook import Hook
from fhir_infusion.sync.peer import LOG
from fhir_infusion.sync.replies import Answer, Doubtful, Unsent

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.fhir.notifications import Kind
    from fhir_infusion.fhir.subscriptions import Wanted
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.subscriptions import Event, Subscription

IDLE_SECONDS: Final = 0.5
SENDERS: Final = 16
FAILING: Final = 4
"""Senders that endpoints which failed last time may take together."""
STOPPING: Final = 8
"""Senders beyond ``SENDERS`` that only stops of orders may take."""
LEASE_SECONDS: Final = 9
"""Renewed while an endpoint takes longer. So soon another process goes on with what one that died was telling."""
FAILURES_TO_ERROR: Final = 4
"""Failures in a row after which a subscription is in error; sending goes on, ever more seldom."""
GIVE_UP: Final = timedelta(hours=72)
"""After failing for so long a subscription is off."""
ROUNDS: Final = 50
"""Notifications sent in one go, before others are looked at."""

Sent: TypeAlias = Answer | Unsent | Doubtful


class Notifier:
    """The threads that tell subscribers. ``start``, then ``stop``; ``wake`` when something may be due."""

    def __init__(self, service: Service, draw: Callable[[], float] = random.random) -> None:
        """Prepare; nothing is sent yet. ``draw`` returns a number from 0 to 1, for the jitter of waits."""
        self._service = service
        self._draw = draw
        self._process = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._ending = threading.Event()
        self._awake = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[tuple[str, str], tuple[threading.Thread, bool]] = {}
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def stop(self, seconds: float = 35.0) -> None:
        """End after what is being sent now."""
        self._ending.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        with self._lock:
            busy = [thread for thread, _ in self._busy.values()]
        until = time.monotonic() + seconds
        while any(thread.is_alive() for thread in busy) and time.monotonic() < until:
            with suppress(FhirInfusionError):
                self._renew()
            for thread in busy:
                thread.join(IDLE_SECONDS / len(busy))

    def wake(self) -> None:
        """Say that something may be due."""
        self._awake.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._awake.clear()
            try:
                self._renew()
                self._look()
            except FhirInfusionError as error:
                LOG.warning("notifying failed", extra={"code": type(error).__name__})
            except Exception as error:  # noqa: BLE001  one round that fails must not end the thread
                LOG.error("notifying failed", extra={"code": type(error).__name__})
            self._awake.wait(IDLE_SECONDS)

    def _renew(self) -> None:
        """Keep what is being sent; an endpoint may take longer than a lease."""
        if time.monotonic() - self._renewed < LEASE_SECONDS / 3:
            return
        self._renewed = time.monotonic()
        with self._lock:
            tenants = {tenant for tenant, _ in self._busy}
        for tenant in tenants:
            self._service.store.transact(tenant, lambda tx: subscriptions.renew(tx, self._process, LEASE_SECONDS))

    def _look(self) -> None:
        for one in self._service.store.read("", subscriptions.due):
            key = (one.tenant, one.subscription_id)
            is_failing, is_stop = one.failures > 0, one.stops > one.sent and one.failures == 0
            with self._lock:
                failing = sum(fails for _, fails in self._busy.values())
                room = SENDERS + (STOPPING if is_stop else 0)
                if key in self._busy or len(self._busy) >= room or (is_failing and failing >= FAILING):
                    continue
                name = f"notify-{one.subscription_id[:8]}"
                thread = threading.Thread(target=self._serve, args=key, name=name, daemon=True)
                self._busy[key] = thread, is_failing
            thread.start()

    def _serve(self, tenant: str, subscription_id: str) -> None:
        try:
            sender = Sender(self._service, self._process, self._draw)
            sender.serve(tenant, subscription_id, self._ending)
        except FhirInfusionError as error:
            LOG.warning("notifying failed", extra={"endpoint": subscription_id, "code": type(error).__name__})
        except Exception as error:  # noqa: BLE001  a fault with one subscription must not end those of others
            LOG.error("notifying failed", extra={"endpoint": subscription_id, "code": type(error).__name__})
            self._awake.wait(IDLE_SECONDS)
        finally:
            with self._lock:
                self._busy.pop((tenant, subscription_id), None)
            self._awake.set()


class Sender:
    """Sends what one subscription waits for."""

    def __init__(self, service: Service, process: str, draw: Callable[[], float] = random.random) -> None:
        """Prepare. ``process`` names this process."""
        self._service = service
        self._draw = draw
        self._owner = f"{process}/{uuid.uuid4().hex[:8]}"

    def serve(self, tenant: str, subscription_id: str, ending: threading.Event | None = None) -> int:
        """Send what is due, in order; return how many notifications arrived."""
        store = self._service.store
        alone = not store.is_shared
        held = store.transact(
            tenant, lambda tx: subscriptions.claim(tx, subscription_id, self._owner, LEASE_SECONDS, alone=alone)
        )
        if held is None:
            return 0
        hook, arrived = Hook(self._service.settings), 0
        try:
            for _ in range(ROUNDS):
                after = self._step(hook, held)
                if after is None or after.failures or (ending is not None and ending.is_set()):
                    break
                arrived += 1
                held = after
        finally:
            hook.close()
            store.transact(tenant, self._let_go(subscription_id))
        return arrived

    def _step(self, hook: Hook, held: Subscription) -> Subscription | None:
        """Do the next thing; None where there is none, or the subscription was changed meanwhile."""
        now = to_ms(self._service.clock())
        if held.ends and held.ends <= now:
            self._note(held, lambda one: _off(one, ""), "subscription-off")
            return None
        wanted = asking.known(held.release, held.text)
        if not held.is_open:
            return self._settle(held, self._tell(hook, held, wanted, "handshake"), held.sent)
        if held.events > held.sent:
            return self._events(hook, held, wanted)
        if held.heartbeat and held.contacted + 1000 * held.heartbeat <= now:
            return self._settle(held, self._tell(hook, held, wanted, "heartbeat"), held.sent)
        return None

    def _events(self, hook: Hook, held: Subscription, wanted: Wanted) -> Subscription | None:
        if not wanted.topic and wanted.content == "empty":
            # It says only that something is new: once for all that is.
            return self._settle(held, self._nudge(hook, held, wanted), held.events)
        most = wanted.most if wanted.topic else 1
        first, id_ = held.sent + 1, held.subscription_id
        events = self._service.store.read(
            held.tenant, lambda tx: subscriptions.events(tx, id_, first, held.events, most)
        )
        if not wanted.topic:
            return self._settle(held, self._resource(hook, held, wanted, events[0]), events[0].number)
        sent = self._tell(hook, held, wanted, "event-notification", events)
        return self._settle(held, sent, events[-1].number)

    def _tell(
        self, hook: Hook, held: Subscription, wanted: Wanted, kind: Kind, events: list[Event] | None = None
    ) -> Sent:
        bundle = notification.made(self._service, held, kind, events or [])
        return self._send(hook, held, "POST", wanted.endpoint, fhir_json.write(bundle))

    def _resource(self, hook: Hook, held: Subscription, wanted: Wanted, event: Event) -> Sent:
        """Send what changed, as R4 has it: an update at the endpoint; what R4 cannot say is only told of."""
        (body,) = notification.texts(self._service, held, [event])
        if not body:
            return self._nudge(hook, held, wanted)
        base, mark, query = wanted.endpoint.partition("?")
        address = f"{base.rstrip('/')}/{event.type}/{event.id}{mark}{query}"
        return self._send(hook, held, "PUT", address, body.encode())

    def _nudge(self, hook: Hook, held: Subscription, wanted: Wanted) -> Sent:
        return self._send(hook, held, "POST", wanted.endpoint, None)

    def _send(self, hook: Hook, held: Subscription, method: str, url: str, body: bytes | None) -> Sent:
        seconds = asking.known(held.release, held.text).timeout
        headers = asking.named(json.loads(held.secret))
        if body is not None:
            headers["Content-Type"] = f"{FHIR_JSON}; charset=utf-8"
        return hook.send(method, url, headers, body, float(seconds))

    def _settle(self, held: Subscription, sent: Sent, number: int) -> Subscription | None:
        """Note how a notification went; ``number`` is that of the last event in it."""
        now = to_ms(self._service.clock())
        if isinstance(sent, Answer) and 200 <= sent.status < 300:
            return self._note(held, lambda one: _arrived(one, number, now))
        why = f"the endpoint answered {sent.status}" if isinstance(sent, Answer) else f"the endpoint: {sent.why}"
        wait = retry.wait(held.failures + 1, lambda: 0.5 + self._draw() / 2)
        if isinstance(sent, Answer) and sent.status in {429, 503}:
            asked = retry.asked(sent.headers.get("retry-after", ""), self._service.clock())
            wait = max(wait, asked) if asked is not None else wait
        LOG.info("a notification did not arrive", extra={"endpoint": held.subscription_id, "code": why})
        return self._note(held, lambda one: _failed(one, why, now, now + wait // timedelta(milliseconds=1)))

    def _note(
        self, held: Subscription, change: Callable[[Subscription], Subscription], action: str = ""
    ) -> Subscription | None:
        def work(tx: Tx) -> Subscription | None:
            now = to_ms(tx.now)
            before = subscriptions.held(tx, held.subscription_id, self._owner)
            if before is None:
                return None
            after = replace(change(before), lease_until=now + 1000 * LEASE_SECONDS)
            if (after.status, after.error) != (before.status, before.error):
                after = replace(after, version=before.version + 1, last_updated=now)
                audit.write(
                    tx,
                    action or f"subscription-{after.status}",
                    "notify",
                    "Subscription",
                    after.subscription_id,
                    after.version,
                )
            subscriptions.change(tx, after)
            return after

        return self._service.store.transact(held.tenant, work)

    def _let_go(self, subscription_id: str) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            before = subscriptions.held(tx, subscription_id, self._owner)
            if before is not None:
                subscriptions.change(tx, replace(before, lease_owner="", lease_until=0))

        return work


def _arrived(before: Subscription, number: int, now: int) -> Subscription:
    return replace(
        before,
        status="active",
        error="",
        is_open=1,
        sent=max(before.sent, number),
        failures=0,
        failing_since=0,
        not_before=0,
        contacted=now,
    )


def _failed(before: Subscription, why: str, now: int, again: int) -> Subscription:
    """Return a subscription after a failure; one of the handshake is an error at once.

    https://hl7.org/fhir/uv/subscriptions-backport/channels.html#rest-hook.
    """
    failures, since = before.failures + 1, before.failing_since or now
    after = replace(before, failures=failures, failing_since=since, not_before=again)
    if now - since >= GIVE_UP // timedelta(milliseconds=1):
        return _off(after, f"{why}, and did so for too long")
    if failures >= FAILURES_TO_ERROR or not before.is_open:
        return replace(after, status="error", error=why)
    return after


def _off(before: Subscription, why: str) -> Subscription:
    return replace(before, status="off", error=why)
