"""What fhir.resources' models leave out of the structure: required bindings, and which Quantity is a SimpleQuantity.

The models carry a required binding as ``enum_values``, but cut long lists short ("+") and know nothing of value sets
that take their codes from another system. Here is what is missing, from the StructureDefinitions of 4.0.1, 4.3.0 and
5.0.0. Bindings to open lists (languages, MIME types, currencies, UCUM) stay unlisted: no code is refused there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPARATORS: Final = ("<", "<=", ">=", ">")
_OBSERVATION_STATUS: Final = (
    *("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"),
)
_REPORT_STATUS: Final = (
    *("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled"),
    *("entered-in-error", "unknown"),
)
_ENCOUNTER_STATUS: Final = (
    *("planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error"),
    "unknown",
)
_TASK_STATUS: Final = (
    *("draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold"),
    *("failed", "completed", "entered-in-error"),
)
_EVENT_TIMING: Final = (
    *("MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late"),
    *("NIGHT", "PHS", "HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"),
)
_ISSUE_TYPES: Final = (
    *("invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired"),
    *("forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found"),
    *("deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient"),
    *("lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational"),
)

_EVERY_RELEASE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Age.comparator": _COMPARATORS,
        "AuditEvent.action": ("C", "R", "U", "D", "E"),
        "Bundle.entry.search.mode": ("match", "include", "outcome"),
        "Count.comparator": _COMPARATORS,
        "Distance.comparator": _COMPARATORS,
        "Duration.comparator": _COMPARATORS,
        "Observation.status": _OBSERVATION_STATUS,
        "OperationOutcome.issue.code": _ISSUE_TYPES,
        "Quantity.comparator": _COMPARATORS,
        "RiskAssessment.status": _OBSERVATION_STATUS,
        "Task.status": _TASK_STATUS,
        "Timing.repeat.when": _EVENT_TIMING,
    }
)

_R4: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AuditEvent.outcome": ("0", "4", "8", "12"),
        "DetectedIssue.status": _OBSERVATION_STATUS,
        "Device.udiCarrier.entryType": ("barcode", "rfid", "manual", "card", "self-reported", "unknown"),
        "DiagnosticReport.status": _REPORT_STATUS,
        "Encounter.status": _ENCOUNTER_STATUS,
        "Encounter.statusHistory.status": _ENCOUNTER_STATUS,
    }
)

_SINCE_R5: Final = ("limited-filter", "success")
_R5: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **{
            f"{name}.comparator": (*_COMPARATORS, "ad") for name in ("Age", "Count", "Distance", "Duration", "Quantity")
        },
        "ElementDefinition.slicing.discriminator.type": ("value", "exists", "pattern", "type", "profile", "position"),
        "OperationOutcome.issue.code": (*_ISSUE_TYPES, *_SINCE_R5),
        "ServiceRequest.intent": (
            *("proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order"),
            *("instance-order", "option"),
        ),
        "Timing.repeat.when": (*_EVENT_TIMING, "IMD"),
    }
)

_BY_RELEASE: Final = MappingProxyType({"R4": _R4, "R4B": _R4, "R5": _R5})

_CUT_SHORT: Final = frozenset({"+", "etc."})
"""What a list of codes of the models ends in when it is not whole."""


def codes_of(release: str, path: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes of the required binding of an element; empty where there is none or it is too large to list.

    ``declared`` are the codes that the model of fhir.resources gives.
    """
    for known in (_BY_RELEASE[release], _EVERY_RELEASE):
        if path in known:
            return known[path]
    return () if _CUT_SHORT.intersection(declared) else declared


_SIMPLE_QUANTITIES: Final = frozenset(
    {
        *("ActivityDefinition.quantity", "CarePlan.activity.detail.dailyAmount", "CarePlan.activity.detail.quantity"),
        *("Claim.item.detail.quantity", "Claim.item.detail.subDetail.quantity", "Claim.item.quantity"),
        *("Dosage.doseAndRate.doseQuantity", "Dosage.doseAndRate.rateQuantity"),
        *("Dosage.maxDosePerAdministration", "Dosage.maxDosePerLifetime"),
        *("Immunization.doseQuantity", "MedicationAdministration.dosage.dose"),
        *("MedicationAdministration.dosage.rateQuantity", "MedicationDispense.daysSupply"),
        *("MedicationDispense.quantity", "MedicationRequest.dispenseRequest.initialFill.quantity"),
        *("MedicationRequest.dispenseRequest.quantity", "NutritionOrder.enteralFormula.administration.quantity"),
        *("NutritionOrder.enteralFormula.administration.rateQuantity", "NutritionOrder.enteralFormula.caloricDensity"),
        *("NutritionOrder.enteralFormula.maxVolumeToDeliver", "NutritionOrder.oralDiet.nutrient.amount"),
        *("NutritionOrder.supplement.quantity", "Observation.referenceRange.high", "Observation.referenceRange.low"),
        *("Range.high", "Range.low", "RatioRange.denominator", "RatioRange.highNumerator", "RatioRange.lowNumerator"),
        *("SampledData.origin", "Specimen.collection.quantity", "Specimen.container.specimenQuantity"),
        *("Substance.instance.quantity", "SupplyDelivery.suppliedItem.quantity"),
    }
)
_SIMPLE_QUANTITIES_SINCE_R5: Final = frozenset({"Ratio.denominator", "Substance.quantity"})


def is_simple_quantity(release: str, path: str) -> bool:
    """Tell whether an element declared as Quantity is a SimpleQuantity: one without a comparator (sqty-1)."""
    return path in _SIMPLE_QUANTITIES or (release == "R5" and path in _SIMPLE_QUANTITIES_SINCE_R5)
