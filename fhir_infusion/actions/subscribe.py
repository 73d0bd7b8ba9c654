"""Subscribe to changes: create, read, change and end a Subscription, and ask how it stands and what it was told.

https://hl7.org/fhir/R5/subscription.html, https://hl7.org/fhir/R4/subscription.html. A subscription is read in the
release that it was made in, for each has a form of its own. The topic-based one is ``requested`` until its endpoint
took a handshake; the plain one of R4 knows no handshake and is active at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import endpoints, matching, notify, repeated
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import subscriptions as asking
from fhir_infusion.store import audit, subscriptions, text
from fhir_infusion.store.subscriptions import Event, Subscription
from fhir_infusion.store.tx import from_ms, instant, to_ms

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.subscriptions import Wanted
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

Json = dict[str, Any]
Meets = Callable[[Subscription, "Wanted"], bool]
"""A condition that subscriptions meet or not."""
TYPE: Final = "Subscription"
MOST_OF_A_TENANT: Final = 200
MOST_EVENTS: Final = 100
"""Events that one answer to ``$events`` holds."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A subscription as it is shown: its resource, version and moment."""

    id: str
    version: int
    last_updated: datetime
    resource: Json
    created: bool = False


def create(
    service: Service, caller: Caller, release: str, resource: Json, base: str, exists: Meets | None = None
) -> Shown:
    """Begin a subscription. ``base`` is the address of our FHIR interface of this release, as the client reaches it.

    Where one that ``exists`` is true of is there, that one is returned, and nothing is begun.

    Raises:
        Refused: 400 or 422, it asks for what is not offered; its status is not ``requested`` or ``off``; 412, several
            exist.
        Unavailable: it is not stored.
    """
    return repeated.once(
        service, caller, _SHOWN, lambda run: run(_beginning(service, caller, release, resource, base, exists))
    )


def _beginning(
    service: Service, caller: Caller, release: str, resource: Json, base: str, exists: Meets | None
) -> Callable[[Tx], Shown]:
    wanted = _checked(service, resource, release)
    if wanted.status not in {"requested", "off"}:
        raise Refused(_status())
    masked, headers = asking.apart(_bare(resource), release)

    def work(tx: Tx) -> Shown:
        there = subscriptions.listed(tx, release)
        met = [one for one in there if exists(one, asking.known(release, one.text))] if exists else []
        if len(met) > 1:
            raise Refused(matching.several())
        if met:
            return _shown(met[0])
        if len(there) >= MOST_OF_A_TENANT:
            reason = "there are as many subscriptions as may be"
            raise Refused(Issue("error", "throttled", "", reason, "deleting one first", "subscription", 422))
        now = to_ms(tx.now)
        made = _set(
            Subscription(
                tx.tenant,
                service.new_id(),
                release,
                "",
                wanted.type,
                caller.client,
                base,
                text.write(masked),
                json.dumps(headers),
                version=1,
                created=now,
                last_updated=now,
                ends=0,
                heartbeat=0,
            ),
            wanted,
            now,
        )
        subscriptions.add(tx, made)
        audit.write(tx, "create", caller.client, TYPE, made.subscription_id, 1)
        return _shown(made, created=True)

    return work


def update(
    service: Service, caller: Caller, release: str, id: str, resource: Json, base: str, if_match: str | None
) -> Shown:
    """Change a subscription. ``requested`` begins it anew, with what was not told yet; ``off`` ends it.

    What was read may be sent back: a header whose value is masked keeps it, a status that is as it was stays.

    Raises:
        Refused: as :func:`create`; 404 there is none; 412 it was changed since it was read.
        Unavailable: it is not stored.
    """
    return repeated.once(
        service,
        caller,
        _SHOWN,
        lambda run: run(_changing(service, caller, release, id, resource, base, if_match)),
    )


def _changing(
    service: Service, caller: Caller, release: str, id: str, resource: Json, base: str, if_match: str | None
) -> Callable[[Tx], Shown]:
    wanted = _checked(service, resource, release)

    def work(tx: Tx) -> Shown:
        before = _known(tx, release, id)
        _demand_newest(before, if_match)
        if wanted.status not in {"requested", "off", before.status}:
            raise Refused(_status())
        masked, headers = asking.apart(_bare(resource), release, json.loads(before.secret))
        now = to_ms(tx.now)
        changed = replace(
            before,
            type=wanted.type,
            base=base,
            text=text.write(masked),
            secret=json.dumps(headers),
            version=before.version + 1,
            last_updated=now,
            # Whoever is sending by the old words does not say how that went.
            lease_owner="",
            lease_until=0,
        )
        elsewhere = asking.known(release, before.text).endpoint != wanted.endpoint or headers != tuple(
            json.loads(before.secret)
        )
        if wanted.status in {"requested", "off"} or elsewhere:
            changed = _set(changed, wanted, now)
        else:
            changed = replace(changed, ends=wanted.ends, heartbeat=wanted.heartbeat)
        subscriptions.change(tx, changed)
        audit.write(tx, "update", caller.client, TYPE, id, changed.version)
        return _shown(changed)

    return work


def _demand_newest(found: Subscription, if_match: str | None) -> None:
    if if_match is not None and if_match != str(found.version):
        reason = "the subscription was changed in between; read it again"
        raise Refused(Issue("error", "conflict", "If-Match", reason, "the newest version", "if-match", 412))


def delete(service: Service, caller: Caller, release: str, id: str, if_match: str | None) -> None:
    """Delete a subscription with its events; one that there is not is deleted already.

    Raises:
        Refused: 412 it was changed since it was read.
        Unavailable: it is not stored.
    """

    def work(tx: Tx) -> None:
        found = subscriptions.find(tx, id)
        if found is not None and found.release == release:
            _demand_newest(found, if_match)
            subscriptions.forget(tx, id)
            audit.write(tx, "delete", caller.client, TYPE, id, found.version)

    repeated.once(service, caller, repeated.NOTHING, lambda run: run(work))


def read(service: Service, caller: Caller, release: str, id: str) -> Shown:
    """Return a subscription; the values of its headers are not shown.

    Raises:
        Refused: 404 there is none in this release.
    """
    return _shown(known(service, caller, release, id))


def known(service: Service, caller: Caller, release: str, id: str) -> Subscription:
    """Return a subscription as it is kept.

    Raises:
        Refused: 404 there is none in this release.
    """
    return service.store.read(caller.tenant, lambda tx: _known(tx, release, id))


def listed(service: Service, caller: Caller, release: str, meets: Meets) -> list[Shown]:
    """Return the subscriptions of a tenant that were made in a release and meet a condition."""
    found = service.store.read(caller.tenant, lambda tx: subscriptions.listed(tx, release))
    return [_shown(one) for one in found if meets(one, asking.known(release, one.text))]


def events(
    service: Service, caller: Caller, release: str, id: str, first: int, last: int | None
) -> tuple[Subscription, list[Event]]:
    """Return a subscription and its events from one number to another, both inclusive, at most ``MOST_EVENTS``.

    Raises:
        Refused: 404 there is none in this release.
    """

    def work(tx: Tx) -> tuple[Subscription, list[Event]]:
        found = _known(tx, release, id)
        to = found.events if last is None else min(last, found.events)
        return found, subscriptions.events(tx, id, first, to, MOST_EVENTS)

    return service.store.read(caller.tenant, work)


def _checked(service: Service, resource: Json, release: str) -> Wanted:
    wanted = asking.read(resource, release)
    notify.check_filters(wanted, release)
    at = "Subscription.endpoint" if release == "R5" else "Subscription.channel.endpoint"
    endpoints.check(service.settings, wanted.endpoint, at)
    return wanted


def _set(subscription: Subscription, wanted: Wanted, now: int) -> Subscription:
    """Return a subscription that begins, or ends, now."""
    if wanted.status == "off":
        return replace(subscription, status="off", error="")
    begun = replace(
        subscription,
        status="requested",
        ends=wanted.ends,
        heartbeat=wanted.heartbeat if wanted.topic else 0,
        error="",
        is_open=0,
        failures=0,
        failing_since=0,
        not_before=0,
    )
    if wanted.topic:
        return begun
    return replace(begun, status="active", is_open=1, contacted=max(subscription.contacted, now))


def _known(tx: Tx, release: str, id: str) -> Subscription:
    found = subscriptions.find(tx, id)
    if found is None or found.release != release:
        reason = f"there is no such subscription in {release}"
        raise Refused(Issue("error", "not-found", "", reason, "the release that it was made in", status=404))
    return found


def _bare(resource: Json) -> Json:
    """Return a Subscription without what we say of it."""
    return {name: value for name, value in resource.items() if name not in {"id", "meta", "error"}}


def _shown(found: Subscription, *, created: bool = False) -> Shown:
    body = text.read(found.text)
    meta = {"versionId": str(found.version), "lastUpdated": instant(found.last_updated)}
    resource = {"resourceType": TYPE, "id": found.subscription_id, "meta": meta, **body, "status": found.status}
    if found.error and found.release != "R5":
        resource["error"] = found.error
    moment = from_ms(found.last_updated)
    return Shown(found.subscription_id, found.version, moment, resource, created)


_SHOWN: Final = repeated.Form(
    lambda one: {**asdict(one), "last_updated": to_ms(one.last_updated)},
    lambda _, said: Shown(**{**said, "last_updated": from_ms(said["last_updated"])}),
)
"""How a subscription, which has no versions that could be read again, is kept under the key of a client."""


def _status() -> Issue:
    reason = "this status is set by us, not by a client"
    return Issue("error", "value", "Subscription.status", reason, "requested, or off", "subscription", 422)
