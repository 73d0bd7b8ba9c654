"""What is right FHIR and yet not taken: the safety and business rules, all answered with 422.

A reader that passes over a modifier, a prohibition or a hidden character would tell something else than was ordered.
Both validators, the quick and the collecting one, read their rules here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue

KNOWN_MODIFIERS: Final[frozenset[str]] = frozenset()
"""URLs of the modifier extensions that are understood: none."""

_MEDICAL_ELEMENTS: Final = frozenset(
    {
        "MedicationRequest.medicationCodeableConcept",
        "MedicationRequest.medicationReference",
        "MedicationRequest.medication",
        "MedicationRequest.dosageInstruction",
        "MedicationRequest.dispenseRequest",
        "MedicationAdministration.medicationCodeableConcept",
        "MedicationAdministration.medicationReference",
        "MedicationAdministration.medication",
        "MedicationAdministration.dosage",
        "Medication.code",
        "Medication.form",
        "Medication.doseForm",
        "Medication.amount",
        "Medication.totalVolume",
        "Medication.ingredient",
        "Medication.batch",
    }
)
"""Where drug, dose and unit are said: no negative amount and no hidden character below these."""

AMOUNTS: Final = frozenset({"Quantity", "SimpleQuantity", "Duration", "Age"})

NOT_GIVEN: Final = ("on-hold", "not-done", "stopped", "entered-in-error")
"""States of an administration in which a dose of zero says that nothing was given, or takes back what was said."""


def is_medical(type_name: str, element: str) -> bool:
    """Tell whether drug, dose or unit is said below this element."""
    return f"{type_name}.{element}" in _MEDICAL_ELEMENTS


def zero_is_right(administration: dict[str, Any]) -> bool:
    """Tell whether the dose of an administration is not zero, or may be."""
    dosage = administration.get("dosage")
    dose = dosage.get("dose") if isinstance(dosage, dict) else None
    value = dose.get("value") if isinstance(dose, dict) else None
    is_zero = isinstance(value, int | Decimal) and value == 0
    return not is_zero or administration.get("status") in NOT_GIVEN


def modifier_extension(path: str) -> Issue:
    """A modifier extension that is not understood."""
    reason = "a modifier extension that is not understood: it could change the meaning of what it stands in"
    return _issue("extension", f"{path}.modifierExtension", reason, "no modifierExtension", "modifier-extension")


def implicit_rules(path: str) -> Issue:
    """Rules that the resource was made under, which are not known."""
    reason = "rules that are not known"
    return _issue("not-supported", f"{path}.implicitRules", reason, "no implicitRules", "implicit-rules")


def prohibition(path: str) -> Issue:
    """An order not to do something."""
    reason = "a prohibition is not an order"
    return _issue("business-rule", f"{path}.doNotPerform", reason, "doNotPerform false or absent", "do-not-perform")


def unsafe_reference(path: str) -> Issue:
    """A reference that could run a script, open a file, carry data or climb out of its base."""
    accepted = "Type/id, #id, urn:uuid:…, or an http(s) address without '..'"
    return _issue("business-rule", path, "a reference that is never followed or kept", accepted, "safe-reference")


def negative_amount(path: str) -> Issue:
    """A negative dose, rate or volume."""
    return _issue("value", path, "a negative amount", "0 or more", "not-negative")


def zero_dose(path: str) -> Issue:
    """A dose of nothing on something given."""
    reason = "a dose of zero on something that was given"
    accepted = "a dose above 0, or a status of on-hold, not-done or stopped"
    return _issue("value", path, reason, accepted, "zero-dose")


def hidden_character(path: str) -> Issue:
    """A character that is not seen and changes how drug, dose or unit reads."""
    reason = "a zero-width or bidirectional control character"
    return _issue("value", path, reason, "characters that are seen", "hidden-character")


def narrative(path: str, reason: str) -> Issue:
    """A narrative beyond the XHTML subset of FHIR."""
    accepted = "one div of formatting elements, without scripts, forms or remote content"
    return _issue("invariant", path, reason, accepted, "txt-1")


def _issue(code: str, path: str, reason: str, accepted: str, rule: str) -> Issue:
    return Issue("error", code, path, reason, accepted, rule, BREAKS_RULE)
