"""Make what is told of a subscription: handshake, heartbeat, events, and the answers to ``$status`` and ``$events``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from uuid import NAMESPACE_URL, uuid5

import msgspec

from fhir_infusion.actions import release_text
from fhir_infusion.fhir import notifications
from fhir_infusion.fhir import subscriptions as asking
from fhir_infusion.fhir.notifications import Standing, Told
from fhir_infusion.store import versions
from fhir_infusion.store.tx import instant, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.config import Release
    from fhir_infusion.fhir.notifications import Kind
    from fhir_infusion.fhir.subscriptions import Content
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.subscriptions import Event, Subscription
    from fhir_infusion.store.versions import Stored

Json = dict[str, Any]

_TELLS_TOPIC: Final = ("id-only", "full-resource")


def made(
    service: Service, found: Subscription, kind: Kind, events: Sequence[Event] = (), content: Content | None = None
) -> Json:
    """Return a notification, or the answer to ``$events``. ``content`` is that of the subscription unless stated.

    Raises:
        Unavailable: the storage cannot be read.
    """
    content = content or asking.known(found.release, found.text).content
    told = [_told(found, event, content) for event in events]
    if content == "full-resource":
        bodies = texts(service, found, events)
        told = [
            Told(one.number, one.at, one.focus, cast("Any", msgspec.Raw(body.encode())) if body else None, one.created)
            for one, body in zip(told, bodies, strict=True)
        ]
    until = events[-1].number if events and kind == "event-notification" else found.events
    moment = instant(to_ms(service.clock()))
    name = f"{found.base}/Subscription/{found.subscription_id}|{kind}|{until}|{moment}"
    return notifications.notification(
        cast("Release", found.release),
        kind,
        _standing(found, until, content, moment),
        told,
        f"urn:uuid:{uuid5(NAMESPACE_URL, name)}",
    )


def status(found: Subscription) -> Json:
    """Return how a subscription stands, for ``$status``."""
    standing = _standing(found, found.events, "full-resource", "")
    return notifications.status(cast("Release", found.release), "query-status", standing)


def texts(service: Service, found: Subscription, events: Sequence[Event]) -> list[str]:
    """Return the JSON text of the version of each event in the release of the subscription.

    It is empty where that release cannot say it: the reader is told that there was a change, and where.
    """

    def work(tx: Tx) -> list[Stored | None]:
        return [versions.version(tx, event.type, event.id, event.version) for event in events]

    stored = service.store.read(found.tenant, work)
    bodies = []
    for one in stored:
        if one is None or one.deleted:
            bodies.append("")
            continue
        # One by one: what is kept by resource would be taken for another version of the same.
        (body,) = release_text.texts(service, found.tenant, [one], found.release)
        bodies.append(body if isinstance(body, str) else "")
    return bodies


def _told(found: Subscription, event: Event, content: Content) -> Told:
    focus = "" if content == "empty" else f"{found.base}/{event.type}/{event.id}"
    return Told(event.number, instant(event.at), focus, created=event.version == 1)


def _standing(found: Subscription, events: int, content: Content, at: str) -> Standing:
    # https://hl7.org/fhir/uv/subscriptions-backport/: an empty notification does not name its topic.
    topic = asking.known(found.release, found.text).topic if content in _TELLS_TOPIC else ""
    reference = f"{found.base}/Subscription/{found.subscription_id}"
    return Standing(reference, found.status, topic, events, at, found.error)
