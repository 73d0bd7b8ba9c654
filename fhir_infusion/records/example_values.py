"""What generated records are made of: how often each member turns up, and values at the edges of each kind."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# How likely a member is where it may be left out, by depth; what carries much below it has its own.
LIKELY: Final = (0.24, 0.42, 0.34, 0.3, 0.24, 0.18, 0.12)
OFTEN: Final[Mapping[tuple[str, str], float]] = MappingProxyType(
    {
        ("InfusionOrder", "steps"): 0.85,
        ("InfusionOrder", "dispense"): 0.3,
        ("InfusionOrder", "authorisations"): 0.25,
        ("InfusionOrder", "resource_id"): 0.3,
        ("InfusionOrder", "order_id"): 0.8,
        ("InfusionOrder", "preparation"): 0.4,
        ("InfusionOrder", "drug"): 0.6,
        ("Administration", "administration_id"): 0.8,
        ("Administration", "segments"): 0.75,
        ("Administration", "preparation"): 0.4,
        ("Administration", "drug"): 0.6,
        ("Administration", "when"): 1.0,
        ("Administration", "performers"): 0.4,
        ("Administration", "devices"): 0.6,
        ("Step", "dosings"): 0.8,
        ("Step", "timing"): 0.55,
        ("Step", "titration"): 0.25,
        ("Step", "patient_control"): 0.25,
        ("Preparation", "ingredients"): 0.6,
        ("Quantity", "value"): 0.97,
        ("Quantity", "unit"): 0.85,
        ("Quantity", "comparator"): 0.25,
        ("Quantity", "unit_system"): 0.12,
        ("Quantity", "unit_text"): 0.35,
        ("Range", "low"): 0.7,
        ("Range", "high"): 0.7,
        ("Ratio", "numerator"): 1.0,
        ("Ratio", "denominator"): 1.0,
        ("PeriodLimit", "numerator"): 1.0,
        ("PeriodLimit", "denominator"): 1.0,
        ("Note", "text"): 1.0,
        ("Occurrence", "timing"): 0.4,
        ("Occurrence", "start"): 0.7,
        ("Residue", "value"): 1.0,
        ("Coding", "code"): 0.8,
        ("Reference", "reference"): 0.6,
        ("Reference", "type"): 0.4,
        ("Performer", "actor"): 0.85,
    }
)
NEVER: Final = frozenset({"record"})

TARGETS: Final[Mapping[str, str]] = MappingProxyType({
    # A type of target that R4 and R5 both allow at this field, else the reference is by urn or identifier alone.
    "prescriber": "Practitioner", "recorder": "Practitioner", "performers": "Practitioner", "actor": "Practitioner",
    "author": "Practitioner", "encounter": "Encounter", "location": "Location", "insurance": "Coverage",
    "pharmacy": "Organization", "manufacturer": "Organization", "order": "MedicationRequest", "device": "Device",
    "medication": "Medication", "replaces": "MedicationRequest", "reason_references": "Condition",
    "detected_issues": "DetectedIssue", "event_history": "Provenance", "based_on": "CarePlan",
    "part_of": "MedicationAdministration", "reported_by": "Practitioner", "witness": "Practitioner",
    "performer": "Practitioner",
})  # fmt: skip

WORDS: Final = (
    "dobutamine", "Glucose 5 %", "over 30 min", "naïve", "Wärme — 37 °C", "静脈内投与", "a\nsecond line", "0.9 %", "x",
    "1.50 mg", "left forearm", '"quoted" \\ text', "PICC, proximal lumen", "🩺 checked",
)  # fmt: skip
CODES: Final = ("34000006", "47625008", "ordered", "A01.1-b", "two words", "x", "EV")
SYSTEMS: Final = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.1",
    "https://example.org/codes",
)
UNITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "amount": (
            "mg",
            "g",
            "ug",
            "mL",
            "mmol",
            "meq",
            "[iU]",
            "10*6.[iU]",
            "mg/kg",
            "mg/m2",
            "mg.min/mL",
            "{tbl}",
            "%",
        ),
        "rate": ("mL/h", "mg/h", "ug/kg/min", "[iU]/kg/h", "mL/kg/h", "ml/min", "mg/(24.h)", "/min"),
        "time": ("s", "min", "h", "d", "wk", "mo", "a"),
    }
)
UNIT_OF_ROLE: Final[Mapping[str, str]] = MappingProxyType({
    "rate": "rate", "rates": "rate", "change": "rate", "time": "time", "length": "time",
    "not-rate": "amount", "measure": "amount",
})  # fmt: skip
UNIT_TEXTS: Final = ("as written", "Einheiten", "Stück", "bag", "vials (50 mg)")
OTHER_UNIT_SYSTEMS: Final = ("https://example.org/units", "urn:oid:1.2.3")
AMOUNTS: Final = (
    "5",
    "1.50",
    "250",
    "0.375",
    "0.00000001",
    "2.5",
    "1e3",
    "2.50E-2",
    "123456789.012345678",
    "10.0",
    "0.10",
    "1000000",
)
ZEROS: Final = ("0", "0.0", "0.00")
DATES: Final = ("1961", "1961-04", "1961-04-30", "2000-02-29")
DATETIMES: Final = (
    "2024", "2024-03", "2024-03-31", "2024-03-31T02:30:00Z", "2024-03-31T02:30:00+02:00",
    "2024-10-27T02:30:00.123-05:00",
    "2024-05-01T08:00:00.0+13:45", "2024-12-31T23:59:60Z",
)  # fmt: skip
LATER: Final = ("2025", "2025-06", "2025-06-30", "2025-06-30T12:00:00Z", "2025-06-30T12:00:00.50+09:30")
TIMES: Final = ("08:00:00", "23:59:59.5", "00:00:00", "13:30:00")
URIS: Final = ("https://example.org/a", "urn:uuid:5f1d6d9e-7f0b-4c3a-9a53-0d7c5a5d1d10", "http://example.org/b?c=d")
JSON: Final[tuple[object, ...]] = (
    "text",
    True,
    3,
    ["a", {"b": 1}],
    {"url": "https://example.org/e", "valueString": "x"},
)
