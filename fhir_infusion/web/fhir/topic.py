"""The topics that can be subscribed to: https://hl7.org/fhir/R5/subscriptiontopic.html; in R4 each is a Basic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

from fhir_infusion.fhir.topics import TOPICS, resource_of
from fhir_infusion.web.fhir import listing
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import not_found
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.config import Release

TOPIC: Final = "SubscriptionTopic"
BASIC: Final = "Basic"
_TYPES_OF_FHIR: Final = "http://hl7.org/fhir/fhir-types"
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
    own = "code" if topic_type == BASIC else "url"
    found = [
        listing.Listed(
            one.id,
            resource_of(one, served),
            {"_id": {one.id}, "code": {TOPIC, f"{_TYPES_OF_FHIR}|{TOPIC}"}, "url": {one.url}},
        )
        for one in TOPICS
    ]
    return listing.answer(served, topic_type, ("_id", own), found)


def _one(release: str, topic_type: str, topic_id: str) -> Response:
    served = _served(release, topic_type)
    topic = next((one for one in TOPICS if one.id == topic_id), None)
    if topic is None:
        raise not_found("topic", f"an id that GET {topic_type} lists")
    return fhir_reply(resource_of(topic, served), served)


def _served(release: str, topic_type: str) -> Release:
    served = release_of(release)
    if TYPES[served] != topic_type:
        raise not_found("type of resource in this release", f"{TYPES[served]}, or another release")
    check_accept(request, served)
    return served
