"""Subscriptions: https://hl7.org/fhir/R5/subscription.html, https://hl7.org/fhir/R4/subscription.html.

Read, search, create, update, delete, ``$status`` and ``$events``. The values of headers are never shown again. In a
transaction none is written: the name of the endpoint is looked up, and nothing waits for that while others wait to
write.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import notification, subscribe
from fhir_infusion.fhir.subscriptions import FHIR_JSON
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, is_inner, web
from fhir_infusion.web.fhir import inputs, listing, pages
from fhir_infusion.web.fhir.common import base_url, check_id, check_type, release_of
from fhir_infusion.web.fhir.criteria import read_none_exist, refuse_query
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import (
    check_accept,
    etag,
    if_match,
    is_unchanged,
    preferences,
    refuse_conditions,
)
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import parameter_refusal, refusal
from fhir_infusion.web.replies import fhir_reply, unchanged_reply, version_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

    from fhir_infusion.actions.subscribe import Shown
    from fhir_infusion.config import Release
    from fhir_infusion.fhir.subscriptions import Content, Wanted
    from fhir_infusion.store.subscriptions import Subscription
    from fhir_infusion.web.parameters import Parameters

TYPE: Final = subscribe.TYPE
PARAMETERS: Final = ("_id", "status", "topic", "criteria", "url", "type", "payload")
"""What subscriptions are searched by, each as a token or uri; commas part alternatives."""
_EVENTS: Final = ("eventsSinceNumber", "eventsUntilNumber", "content")
_CONTENTS: Final[dict[str, Content]] = {
    "empty": "empty",
    "id-only": "id-only",
    "full-resource": "full-resource",
}


def post(release: str) -> Response:
    """Begin a subscription; 200 with the one that there is where it meets ``If-None-Exist``."""
    served = _asked(release)
    refuse_conditions(request, "If-Match", "If-None-Match")
    refuse_query(request)
    wanted = read_none_exist(request, served, TYPE, partial(listing.criteria, PARAMETERS))
    exists = None if wanted is None else lambda one, said: listing.meets(_values(one, said), wanted)
    served, resource = _sent(release)
    asking = with_key(caller(), request, resource)
    return _written(subscribe.create(web().service, asking, served, resource, base_url(served), exists), served)


def put(release: str, subscription_id: str) -> Response:
    """Change a subscription that there is."""
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    refuse_query(request)
    served, resource = _sent(release)
    if resource.get("id") != subscription_id:
        reason = "the id is not that of the address"
        raise refusal(400, "value", reason, path=f"{TYPE}.id", accepted="the id that the address names")
    service, base = web().service, base_url(served)
    asking = with_key(caller(), request, resource)
    shown = subscribe.update(service, asking, served, subscription_id, resource, base, if_match(request))
    return _written(shown, served)


def get(release: str, subscription_id: str) -> Response:
    """Return a subscription."""
    served = _asked(release)
    shown = subscribe.read(web().service, caller(), served, subscription_id)
    if is_unchanged(request, etag(shown.version), shown.last_updated):
        return unchanged_reply(shown.version)
    return fhir_reply(shown.resource, served, headers=version_headers(shown.version, shown.last_updated))


def delete(release: str, subscription_id: str) -> Response:
    """Delete a subscription; deleting again changes nothing."""
    served = _asked(release)
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    refuse_query(request)
    check_id(subscription_id)
    asking = with_key(caller(), request)
    subscribe.delete(web().service, asking, served, subscription_id, if_match(request))
    return fhir_reply(None, served, 204)


def find(release: str) -> Response:
    """Search: all subscriptions of the tenant that were made in this release and meet what is asked for."""
    served = release_of(release)
    known: dict[str, dict[str, set[str]]] = {}

    def noted(one: Subscription, wanted: Wanted) -> bool:
        known[one.subscription_id] = _values(one, wanted)
        return True

    shown = subscribe.listed(web().service, caller(), served, noted)
    return listing.answer(
        served, TYPE, PARAMETERS, [listing.Listed(one.id, one.resource, known[one.id]) for one in shown]
    )


def status(release: str, subscription_id: str) -> Response:
    """Tell how one subscription stands: https://hl7.org/fhir/R5/subscription-operation-status.html."""
    served = _asked(release)
    return _statuses(served, [subscribe.known(web().service, caller(), served, subscription_id)])


def statuses(release: str) -> Response:
    """Tell how the subscriptions stand that ``id`` and ``status`` name, all where neither does."""
    served = _asked(release)
    asked = _parameters(release, ("id", "status"), ("id", "status"))
    ids = {one for name, value in asked if name == "id" for one in value.split(",")}
    codes = {one for name, value in asked if name == "status" for one in value.split(",")}
    service, who = web().service, caller()

    def meets(one: Subscription, _: Wanted) -> bool:
        return (not ids or one.subscription_id in ids) and (not codes or one.status in codes)

    found = subscribe.listed(service, who, served, meets)
    return _statuses(served, [subscribe.known(service, who, served, one.id) for one in found])


def events(release: str, subscription_id: str) -> Response:
    """Give events again: https://hl7.org/fhir/R5/subscription-operation-events.html."""
    served = _asked(release)
    asked = dict(_parameters(release, _EVENTS))
    first = _number("eventsSinceNumber", asked.get("eventsSinceNumber"))
    last = _number("eventsUntilNumber", asked.get("eventsUntilNumber"))
    content = _CONTENTS.get(asked["content"]) if "content" in asked else None
    if "content" in asked and content is None:
        raise parameter_refusal("content", "there is no such content", ", ".join(_CONTENTS))
    service = web().service
    found, told = subscribe.events(service, caller(), served, subscription_id, first or 0, last)
    return fhir_reply(notification.made(service, found, "query-event", told, content), served)


def _asked(release: str) -> Release:
    served = release_of(release)
    check_accept(request, served)
    return served


def _sent(release: str) -> tuple[Release, dict[str, Any]]:
    served = _asked(release)
    if is_inner():
        accepted = "a request of its own, or an entry of a batch"
        raise refusal(422, "not-supported", "a subscription is not written within a transaction", accepted=accepted)
    resource = read_object(request, served)
    check_type(resource, TYPE)
    return served, resource


def _written(shown: Shown, served: Release) -> Response:
    location = f"{base_url(served)}/{TYPE}/{shown.id}"
    headers = version_headers(shown.version, shown.last_updated, location)
    code = 201 if shown.created else 200
    match preferences(request).body:
        case "minimal":
            return fhir_reply(None, served, code, headers)
        case "OperationOutcome":
            return fhir_reply(problems.outcome((problems.ALL_OK,)), served, code, headers)
        case _:
            return fhir_reply(shown.resource, served, code, headers)


def _statuses(served: Release, found: Sequence[Subscription]) -> Response:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    if found:
        bundle["entry"] = [
            {
                "fullUrl": f"{one.base}/{TYPE}/{one.subscription_id}/$status",
                "resource": notification.status(one),
                "search": {"mode": "match"},
            }
            for one in found
        ]
    return fhir_reply(bundle, served)


def _values(found: Subscription, wanted: Wanted) -> dict[str, set[str]]:
    one = wanted.filters[0] if wanted.filters else None
    plain = f"{one.type}?{one.query}" if one is not None and one.query else wanted.type
    return {
        "_id": {found.subscription_id},
        "status": {found.status},
        "topic": {wanted.topic},
        "criteria": {wanted.topic or plain},
        "url": {wanted.endpoint},
        "type": {"rest-hook"},
        "payload": {FHIR_JSON if wanted.topic or wanted.content == "full-resource" else ""},
    }


def _parameters(release: str, known: Sequence[str], many: Sequence[str] = ()) -> Parameters:
    """Return the parameters of an operation, from the address or from Parameters."""
    asked = inputs.stated([pair for pair in stated(request) if pair[0] not in pages.SHAPING], known)
    if request.method == "POST":
        asked = [*asked, *inputs.texts(read_object(request, release_of(release)), known, many)]
    return asked


def _number(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise parameter_refusal(name, "it is no event number", "a whole number")
    return int(value)
