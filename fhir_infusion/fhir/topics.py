"""The topics that can be subscribed to, each as a SubscriptionTopic.

https://hl7.org/fhir/R5/subscriptiontopic.html. R4 has no such resource: there it is a Basic with HL7's cross-version
extensions, as https://hl7.org/fhir/uv/subscriptions-backport/ has it. To add a topic: one entry here, and when it
happens in ``actions.notify``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fhir_infusion.fhir.releases import ReleaseName as Release

BASE: Final = "https://w3id.org/fhir-infusion/SubscriptionTopic"
FILTERS: Final = ("patient", "status")
"""Search parameters by which a subscription may narrow a topic."""

_REACTION: Final = "extension('https://w3id.org/fhir-infusion/StructureDefinition/reaction')"
_OVER: Final = "stopped,cancelled,ended,entered-in-error"
_FLAG: Final = "requireBoth"
_DATE: Final = "2026-01-01"
_VERSION: Final = "1.0.0"
_R5: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``type`` is what it is about; ``query`` and ``path`` say which changes of that, where not each is."""

    id: str
    title: str
    description: str
    type: str
    query: tuple[tuple[str, str], ...] = ()
    path: str = ""

    @property
    def url(self) -> str:
        """The canonical address."""
        return f"{BASE}/{self.id}"


TOPICS: Final = (
    Topic(
        "order-changed",
        "An infusion order is new or changed",
        "Each new infusion order, and each later version of one.",
        "MedicationRequest",
    ),
    Topic(
        "order-stopped",
        "An infusion order is stopped",
        "An infusion order becomes stopped, cancelled, ended or entered in error, or comes as such.",
        "MedicationRequest",
        (
            ("previous", f"status:not={_OVER}"),
            ("resultForCreate", "test-passes"),
            ("current", f"status={_OVER}"),
            ("resultForDelete", "test-fails"),
            ("requireBoth", "true"),
        ),
    ),
    Topic(
        "administration-recorded",
        "An administration is recorded",
        "Each new administration, segments of one among them, and each later version of one.",
        "MedicationAdministration",
    ),
    Topic(
        "reaction-recorded",
        "A reaction is recorded",
        "An administration tells of a reaction of the patient that its version before did not tell of in this way.",
        "MedicationAdministration",
        path=f"%current.{_REACTION}.exists() and (%current.{_REACTION} ~ %previous.{_REACTION}).not()",
    ),
)


def topic_of(url: str) -> Topic | None:
    """Return the topic with a canonical address, with or without the version that is offered."""
    return next((one for one in TOPICS if url in {one.url, f"{one.url}|{_VERSION}"}), None)


def resource_of(topic: Topic, release: Release) -> dict[str, Any]:
    """Return a topic as a resource of a release: SubscriptionTopic, or Basic in R4."""
    if release == "R4":
        return _basic(topic)
    name = {"name": "".join(part.capitalize() for part in topic.id.split("-"))} if release == "R5" else {}
    return {
        "resourceType": "SubscriptionTopic",
        "id": topic.id,
        "url": topic.url,
        "version": _VERSION,
        **name,
        "title": topic.title,
        "status": "active",
        "date": _DATE,
        "description": topic.description,
        "resourceTrigger": [_trigger(topic)],
        "canFilterBy": [_filter(topic, one) for one in FILTERS],
        "notificationShape": [{"resource": topic.type}],
    }


def _trigger(topic: Topic) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "description": topic.description,
        "resource": topic.type,
        "supportedInteraction": ["create", "update"],
    }
    if topic.query:
        trigger["queryCriteria"] = {name: value == "true" if name == _FLAG else value for name, value in topic.query}
    if topic.path:
        trigger["fhirPathCriteria"] = topic.path
    return trigger


def _filter(topic: Topic, name: str) -> dict[str, str]:
    return {"description": f"By {name}, as a search.", "resource": topic.type, "filterParameter": name}


def _basic(topic: Topic) -> dict[str, Any]:
    trigger = [
        {"url": "description", "valueMarkdown": topic.description},
        {"url": "resource", "valueUri": topic.type},
        *({"url": "supportedInteraction", "valueCode": code} for code in ("create", "update")),
    ]
    if topic.query:
        trigger.append({"url": "queryCriteria", "extension": [_part(name, value) for name, value in topic.query]})  # type: ignore[dict-item]  # an extension of extensions
    if topic.path:
        trigger.append({"url": "fhirPathCriteria", "valueString": topic.path})
    filters = [
        {
            "url": f"{_R5}.canFilterBy",
            "extension": [
                {"url": "description", "valueMarkdown": f"By {one}, as a search."},
                {"url": "resource", "valueUri": topic.type},
                {"url": "filterParameter", "valueString": one},
            ],
        }
        for one in FILTERS
    ]
    return {
        "resourceType": "Basic",
        "id": topic.id,
        "extension": [
            {"url": f"{_R5}.url", "valueUri": topic.url},
            {"url": f"{_R5}.version", "valueString": _VERSION},
            {"url": f"{_R5}.title", "valueString": topic.title},
            {"url": f"{_R5}.date", "valueDateTime": _DATE},
            {"url": f"{_R5}.description", "valueMarkdown": topic.description},
            {"url": f"{_R5}.resourceTrigger", "extension": trigger},
            *filters,
        ],
        "modifierExtension": [{"url": f"{_R5}.status", "valueCode": "active"}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
    }


def _part(name: str, value: str) -> dict[str, Any]:
    if name == _FLAG:
        return {"url": name, "valueBoolean": value == "true"}
    return {"url": name, "valueCode" if name.startswith("result") else "valueString": value}
