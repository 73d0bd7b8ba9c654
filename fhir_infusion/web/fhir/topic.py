"""The topics that can be subscribed to: https://hl7.org/fhir/R5/subscriptiontopic.html; in R4 each is a Basic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.fhir.topics import TOPICS, resource_of
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import not_found, parameter_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.config import Release

TOPIC: Final = "SubscriptionTopic"
BASIC: Final = "Basic"
TYPES: Final[dict[Release, str]] = {"R4": BASIC, "R4B": TOPIC, "R5": TOPIC}


def listed(release: str) -> Response:
    """Return the topics, those with a ``url`` where one is asked for."""
    return _listed(release, TOPIC)


def get(release: str, topic_id: str) -> Response:
    """Return one topic."""
    return _one(release, TOPIC, topic_id)


def basics(release: str) -> Response:
    """Return the topics of R4, by ``code`` where one is asked for."""
    return _listed(release, BASIC)


def basic(release: str, topic_id: str) -> Response:
    """Return one topic of R4."""
    return _one(release, BASIC, topic_id)


def _listed(release: str, topic_type: str) -> Response:
    served = _served(release, topic_type)
    found = list(TOPICS)
    for name, value in stated(request):
        if name == "url" and topic_type == TOPIC:
            found = [one for one in found if one.url in value.split(",")]
        elif name == "code" and topic_type == BASIC:
            found = [one for one in found if any(code.rpartition("|")[2] == TOPIC for code in value.split(","))]
        elif name not in {"_count", "_format"}:
            accepted = "url" if topic_type == TOPIC else "code"
            raise parameter_refusal("", "there is no such parameter", accepted, "not-supported")
    here = f"{base_url(served)}/{topic_type}"
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": "self", "url": request.url}],
    }
    if found:
        bundle["entry"] = [
            {"fullUrl": f"{here}/{one.id}", "resource": resource_of(one, served), "search": {"mode": "match"}}
            for one in found
        ]
    return fhir_reply(bundle, served)


def _one(release: str, topic_type: str, topic_id: str) -> Response:
    served = _served(release, topic_type)
    topic = next((one for one in TOPICS if one.id == topic_id), None)
    if topic is None:
        raise not_found("topic")
    return fhir_reply(resource_of(topic, served), served)


def _served(release: str, topic_type: str) -> Release:
    served = release_of(release)
    if TYPES[served] != topic_type:
        raise not_found("type of resource in this release")
    check_accept(request, served)
    return served
