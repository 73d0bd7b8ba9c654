"""Notifications and the status of subscriptions, as each release has them.

R5: a Bundle ``subscription-notification`` that begins with a SubscriptionStatus
(https://hl7.org/fhir/R5/subscriptionstatus.html). R4B and R4: a Bundle ``history`` that begins with a
SubscriptionStatus, or with Parameters of the same content
(https://hl7.org/fhir/uv/subscriptions-backport/notifications.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.fhir.subscriptions import BACKPORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.releases import ReleaseName as Release

Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it is told. ``focus`` is the address of what changed, empty where only that is told.

    ``resource`` is its text as JSON (any value that a writer of JSON takes), None where it is not sent along;
    ``created``: the change made it.
    """

    number: int
    at: str
    focus: str = ""
    resource: Any = None
    created: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands at the instant ``at``: ``topic`` is empty where that is not told."""

    reference: str
    status: str
    topic: str
    events: int
    at: str
    error: str = ""


def notification(release: Release, kind: Kind, standing: Standing, told: Sequence[Told], full_url: str) -> Json:
    """Return a notification. ``full_url`` names its first entry."""
    url, at = standing.reference, standing.at
    first: Json = {"fullUrl": full_url, "resource": status(release, kind, standing, told)}
    entries = [first, *(_entry(release, one) for one in told if one.resource is not None)]
    if release == "R5":
        return {"resourceType": "Bundle", "type": "subscription-notification", "timestamp": at, "entry": entries}
    first["request"] = {"method": "GET", "url": f"{url}/$status"}
    first["response"] = {"status": "200"}
    profile = "backport-subscription-notification" + ("-r4" if release == "R4" else "")
    meta = {"profile": [f"{BACKPORT}/{profile}"]}
    return {"resourceType": "Bundle", "meta": meta, "type": "history", "timestamp": at, "entry": entries}


def status(release: Release, kind: Kind, standing: Standing, told: Sequence[Told] = ()) -> Json:
    """Return the status of a subscription, with the events that are told of."""
    if release == "R4":
        return _parameters(kind, standing, told)
    found: Json = {
        "resourceType": "SubscriptionStatus",
        "status": standing.status,
        "type": kind,
        # A string in R4B, an integer64 in R5, which JSON writes as one.
        "eventsSinceSubscriptionStart": str(standing.events),
    }
    if told:
        found["notificationEvent"] = [_event(one) for one in told]
    found["subscription"] = {"reference": standing.reference}
    if standing.topic:
        found["topic"] = standing.topic
    if standing.error:
        found["error"] = [{"text": standing.error}]
    return found


def _event(told: Told) -> Json:
    event: Json = {"eventNumber": str(told.number), "timestamp": told.at}
    if told.focus:
        event["focus"] = {"reference": told.focus}
    return event


def _parameters(kind: Kind, standing: Standing, told: Sequence[Told]) -> Json:
    parameters: list[Json] = [{"name": "subscription", "valueReference": {"reference": standing.reference}}]
    if standing.topic:
        parameters.append({"name": "topic", "valueCanonical": standing.topic})
    parameters += [
        {"name": "status", "valueCode": standing.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(standing.events)},
    ]
    for one in told:
        parts: list[Json] = [
            {"name": "event-number", "valueString": str(one.number)},
            {"name": "timestamp", "valueInstant": one.at},
        ]
        if one.focus:
            parts.append({"name": "focus", "valueReference": {"reference": one.focus}})
        parameters.append({"name": "notification-event", "part": parts})
    if standing.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": standing.error}})
    meta = {"profile": [f"{BACKPORT}/{_STATUS_PROFILE}"]}
    return {"resourceType": "Parameters", "meta": meta, "parameter": parameters}


_STATUS_PROFILE: Final = "backport-subscription-status-r4"


def _entry(release: Release, told: Told) -> Json:
    """Return the entry of what changed: as the request that made it so."""
    entry: Json = {"fullUrl": told.focus, "resource": told.resource}
    type_, id_ = told.focus.split("/")[-2:]
    by = {"method": "POST", "url": type_} if told.created else {"method": "PUT", "url": f"{type_}/{id_}"}
    entry["request"] = by
    if release != "R5":
        entry["response"] = {"status": "201" if told.created else "200"}
    return entry
