"""The search parameters that are served, as data.

https://hl7.org/fhir/R4/searchparameter-registry.html. One line each: name, type, the releases that know it under this
name, and the elements it reads (a choice by its JSON names; a name that the resource's release does not have is simply
not there). To add one: one line here. ``_id`` and ``_lastUpdated`` are of every type and read no element.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ParameterType = Literal["token", "reference", "date"]

_EVERY: Final = ("R4", "R4B", "R5")
_R4: Final = ("R4", "R4B")
_R5: Final = ("R5",)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    ``paths`` are dotted element names; ``targets`` the types that a reference without a type may mean; ``systems`` the
    code systems that a plain code element stands for.
    """

    name: str
    type: ParameterType
    paths: tuple[str, ...]
    releases: tuple[str, ...] = _EVERY
    targets: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()


_SUBJECT: Final = (
    Parameter("patient", "reference", ("subject",), targets=("Patient",)),
    Parameter("subject", "reference", ("subject",), targets=("Patient", "Group")),
)
_MEDICATION: Final = (
    Parameter("code", "token", ("medicationCodeableConcept", "medication.concept")),
    Parameter("medication", "reference", ("medicationReference", "medication.reference"), targets=("Medication",)),
)
_EVENTS: Final = "dosageInstruction.timing.event"
_BOUNDS: Final = "dosageInstruction.timing.repeat.boundsPeriod"
_ORDER_STATUS: Final = "http://hl7.org/fhir/CodeSystem/medicationrequest-status"
_ORDER_INTENT: Final = "http://hl7.org/fhir/CodeSystem/medicationrequest-intent"
_PRIORITY: Final = "http://hl7.org/fhir/request-priority"
_GIVEN_STATUS: Final = (
    "http://terminology.hl7.org/CodeSystem/medication-admin-status",
    "http://hl7.org/fhir/CodeSystem/medication-admin-status",
)
_GIVEN_WHEN: Final = ("effectiveDateTime", "effectivePeriod", "occurenceDateTime", "occurencePeriod", "occurenceTiming")
_REQUESTERS: Final = ("Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device")

IDENTIFIER: Final = Parameter("identifier", "token", ("identifier",))
"""Indexed for every resource that has one."""

PARAMETERS: Final[Mapping[str, tuple[Parameter, ...]]] = MappingProxyType(
    {
        "MedicationRequest": (
            IDENTIFIER,
            Parameter("status", "token", ("status",), systems=(_ORDER_STATUS,)),
            Parameter("intent", "token", ("intent",), systems=(_ORDER_INTENT,)),
            Parameter("priority", "token", ("priority",), systems=(_PRIORITY,)),
            Parameter("category", "token", ("category",)),
            *_SUBJECT,
            *_MEDICATION,
            Parameter("authoredon", "date", ("authoredOn",)),
            Parameter("date", "date", (_EVENTS,), _R4),
            Parameter("combo-date", "date", (_EVENTS, _BOUNDS), _R5),
            Parameter("encounter", "reference", ("encounter",), targets=("Encounter",)),
            Parameter("requester", "reference", ("requester",), targets=_REQUESTERS),
            Parameter("group-identifier", "token", ("groupIdentifier",), _R5),
        ),
        "MedicationAdministration": (
            IDENTIFIER,
            Parameter("status", "token", ("status",), systems=_GIVEN_STATUS),
            *_SUBJECT,
            *_MEDICATION,
            Parameter("request", "reference", ("request",), targets=("MedicationRequest",)),
            Parameter("effective-time", "date", _GIVEN_WHEN, _R4),
            Parameter("date", "date", _GIVEN_WHEN, _R5),
            Parameter("context", "reference", ("context", "encounter"), _R4, ("Encounter", "EpisodeOfCare")),
            Parameter("encounter", "reference", ("context", "encounter"), _R5, ("Encounter",)),
            Parameter("reason-not-given", "token", ("statusReason",), _R4),
        ),
        "Medication": (
            IDENTIFIER,
            Parameter("code", "token", ("code",)),
            Parameter("status", "token", ("status",), systems=("http://hl7.org/fhir/CodeSystem/medication-status",)),
        ),
    }
)


def parameters(resource_type: str, release: str) -> tuple[Parameter, ...]:
    """Return the parameters of a resource type in a release; only ``identifier`` where the type has no line above."""
    return tuple(known for known in PARAMETERS.get(resource_type, (IDENTIFIER,)) if release in known.releases)
