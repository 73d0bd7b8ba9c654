"""The invariants of the types that infusions use, per release: constraints that the element table cannot express.

https://hl7.org/fhir/R4/datatypes.html and the resource pages; keys are HL7's (``mad-1``). Each invariant is a function
of one object whose elements are already known to be right; only constraints of severity *error* stand here. Where the
FHIRPath of the standard has no answer (periods of different precision, ranges of different units) the invariant holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fhir_infusion.fhir import conditions as asked
from fhir_infusion.fhir.conditions import Node


@dataclass(frozen=True, slots=True)
class Invariant:
    """One constraint: its key, what holds, why it was refused and what is accepted.

    ``source`` is the same as a Python expression on ``node``, where that is short enough to stand in generated code
    and primitives have no ``_`` twin; empty where ``holds`` must be called.
    """

    rule: str
    holds: Callable[[Node], bool]
    reason: str
    accepted: str
    source: str = ""


_BUNDLE: Final = (
    Invariant(
        "bdl-1", asked.total_of_a_search, "a total of what is no search", "no total, or type searchset or history"
    ),
    Invariant("bdl-2", asked.search_of_a_search, "entry.search in what is no search", "no search, or type searchset"),
    Invariant("bdl-7", asked.entries_differ, "two entries of one fullUrl and version", "a fullUrl for each entry"),
)

_QUANTITY: Final = (
    Invariant(
        "qty-3",
        asked.code_has_system,
        "a coded unit without its system",
        "a system beside the code",
        '("code" not in node or "system" in node)',
    ),
)
_DURATION: Final = (
    *_QUANTITY,
    Invariant(
        "drt-1", asked.duration_code, "a coded unit that is not UCUM, or has no value", f"{asked.UCUM} and a value"
    ),
)
_TIMING: Final = (
    Invariant(
        "tim-1",
        asked.needs("duration", "durationUnit"),
        "a duration without its unit",
        "durationUnit",
        asked.without("duration", "durationUnit"),
    ),
    Invariant(
        "tim-2",
        asked.needs("period", "periodUnit"),
        "a period without its unit",
        "periodUnit",
        asked.without("period", "periodUnit"),
    ),
    Invariant(
        "tim-4",
        asked.not_negative("duration"),
        "a negative duration",
        "a duration of 0 or more",
        'node.get("duration", 0) >= 0',
    ),
    Invariant(
        "tim-5",
        asked.not_negative("period"),
        "a negative period",
        "a period of 0 or more",
        'node.get("period", 0) >= 0',
    ),
    Invariant(
        "tim-6",
        asked.needs("periodMax", "period"),
        "a periodMax without a period",
        "period",
        asked.without("periodMax", "period"),
    ),
    Invariant(
        "tim-7",
        asked.needs("durationMax", "duration"),
        "a durationMax without a duration",
        "duration",
        asked.without("durationMax", "duration"),
    ),
    Invariant(
        "tim-8",
        asked.needs("countMax", "count"),
        "a countMax without a count",
        "count",
        asked.without("countMax", "count"),
    ),
    Invariant(
        "tim-9",
        asked.offset_has_event,
        "an offset without an event to count from",
        "when, other than C CM CD CV",
        '"offset" not in node',
    ),
    Invariant("tim-10", asked.not_both("timeOfDay", "when"), "both timeOfDay and when", "one of the two"),
)

_EVERY_RELEASE: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Age": (
            *_QUANTITY,
            Invariant("age-1", asked.code_with_value, "no UCUM code beside the value", "a UCUM code of time"),
            Invariant("age-1", asked.positive, "an age that is not positive", "a value above 0"),
        ),
        "Attachment": (
            Invariant("att-1", asked.needs("data", "contentType"), "data without contentType", "contentType"),
        ),
        "Bundle": _BUNDLE,
        "Bundle.entry": (
            Invariant(
                "bdl-5",
                asked.either("resource", "request", "response"),
                "an entry with nothing in it",
                "resource, request or response",
            ),
            Invariant("bdl-8", asked.not_of_a_version, "a fullUrl that names a version", "the address of the resource"),
        ),
        "Condition.stage": (
            Invariant("con-1", asked.either("summary", "assessment"), "an empty stage", "summary or assessment"),
        ),
        "ContactPoint": (Invariant("cpt-2", asked.needs("value", "system"), "a value without its system", "system"),),
        "Count": (
            *_QUANTITY,
            Invariant("cnt-3", asked.code_with_value, "no UCUM code beside the value", "code 1 of UCUM"),
            Invariant("cnt-3", asked.counts_ones, "not a whole number of ones", "code 1 and a whole number"),
        ),
        "Distance": (
            *_QUANTITY,
            Invariant("dis-1", asked.code_with_value, "no UCUM code beside the value", "a UCUM code of length"),
        ),
        "Duration": _DURATION,
        "Expression": (
            Invariant("exp-1", asked.either("expression", "reference"), "no expression", "expression or reference"),
        ),
        "Extension": (
            Invariant(
                "ext-1",
                asked.extension_or_value,
                "both a value and extensions, or neither",
                "a value or extensions",
                # What else an Extension can have is its url, which is required, and its id.
                'len(node) - ("id" in node) == 2',
            ),
        ),
        "Observation": (
            Invariant("obs-6", asked.value_or_reason, "a value and a reason for its absence", "one of the two"),
            Invariant(
                "obs-7", asked.value_not_repeated, "a value that a component states too", "the value in one place"
            ),
        ),
        "Observation.referenceRange": (
            Invariant("obs-3", asked.either("low", "high", "text"), "an empty reference range", "low, high or text"),
        ),
        "Organization": (
            Invariant("org-1", asked.either("identifier", "name"), "no name and no identifier", "a name or identifier"),
        ),
        "Patient.contact": (
            Invariant(
                "pat-1",
                asked.either("name", "telecom", "address", "organization"),
                "an empty contact",
                "name, telecom, address or organization",
            ),
        ),
        "Period": (Invariant("per-1", asked.period_is_in_order, "a start after the end", "a start not after the end"),),
        "Quantity": _QUANTITY,
        "Range": (Invariant("rng-2", asked.range_is_in_order, "a low above the high", "a low not above the high"),),
        "Ratio": (
            Invariant("rat-1", asked.ratio_is_whole, "half a ratio", "numerator and denominator, or an extension"),
        ),
        "RatioRange": (
            Invariant("ratrng-1", asked.ratio_range_is_whole, "half a ratio", "a numerator and the denominator"),
            Invariant("ratrng-2", asked.numerators_in_order, "a low above the high", "a low not above the high"),
        ),
        "SimpleQuantity": _QUANTITY,
        "Timing.repeat": _TIMING,
    }
)

_R4: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Bundle": (
            *_BUNDLE,
            Invariant(
                "bdl-3",
                asked.all_or_none("request", asked.ASKING),
                "entry.request missing, or where it may not be",
                "a request in each entry of a batch, transaction or history, and nowhere else",
            ),
            Invariant(
                "bdl-4",
                asked.all_or_none("response", asked.ANSWERING),
                "entry.response missing, or where it may not be",
                "a response in each entry of a history or an answer, and nowhere else",
            ),
        ),
        "Condition.evidence": (Invariant("con-2", asked.either("code", "detail"), "empty evidence", "code or detail"),),
        "MedicationAdministration.dosage": (
            Invariant("mad-1", asked.dose_or_rate, "a dosage without dose and without rate", "dose or rate[x]"),
        ),
    }
)
_R5: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Dosage": (
            Invariant(
                "dos-1", asked.as_needed, "asNeededFor beside asNeeded false", "asNeeded true, or only asNeededFor"
            ),
        ),
        "Encounter.participant": (
            Invariant("enc-1", asked.either("actor", "type"), "no actor and no type", "actor or type"),
        ),
        "MedicationAdministration.dosage": (
            Invariant("mad-1", asked.dose_rate_or_text, "a dosage without dose, rate or text", "dose, rate[x] or text"),
        ),
        "Observation": (
            *_EVERY_RELEASE["Observation"],
            Invariant(
                "obs-8", asked.not_both("bodySite", "bodyStructure"), "bodySite and bodyStructure", "one of the two"
            ),
        ),
        "Period": (
            Invariant("per-1", asked.period_may_be_in_order, "a start after the end", "a start not after the end"),
        ),
        "Reference": (
            Invariant(
                "ref-2", asked.says_something, "an empty reference", "reference, identifier, display or extension"
            ),
        ),
        "SampledData": (
            Invariant(
                "sdd-1", asked.exactly_one("interval", "offsets"), "interval and offsets, or neither", "one of the two"
            ),
        ),
    }
)
_BY_RELEASE: Final = MappingProxyType({"R4": _R4, "R4B": _R4, "R5": _R5})


def invariants_of(release: str, type_name: str) -> tuple[Invariant, ...]:
    """Return the invariants of a type; empty where there is none."""
    return _BY_RELEASE[release].get(type_name, _EVERY_RELEASE.get(type_name, ()))
