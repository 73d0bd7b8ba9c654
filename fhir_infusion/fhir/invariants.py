"""The invariants of the types that infusions use, per release: constraints that the element table cannot express.

https://hl7.org/fhir/R4/datatypes.html and the resource pages; keys are HL7's (``mad-1``). Each invariant is a function
of one object whose elements are already known to be right; only constraints of severity *error* stand here. Where the
FHIRPath of the standard has no answer (periods of different precision, ranges of different units) the invariant holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from fhir_infusion.fhir.dates import moment

Node = Mapping[str, Any]

_UCUM: Final = "http://unitsofmeasure.org"


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


def exists(node: Node, name: str) -> bool:
    """Tell whether an element exists: a value, or a primitive that has only an extension."""
    return name in node or f"_{name}" in node


def any_of(node: Node, *names: str) -> bool:
    """Tell whether one of several elements exists."""
    return any(exists(node, name) for name in names)


def _choice(node: Node, name: str) -> bool:
    """Tell whether a choice such as ``rate[x]`` exists."""
    return any(
        key.lstrip("_").startswith(name) and key.lstrip("_")[len(name) : len(name) + 1].isupper() for key in node
    )


# ------------------------------------------------------------------------------------------------------ quantities


def _code_has_system(node: Node) -> bool:
    return "code" not in node or exists(node, "system")


def _duration_code(node: Node) -> bool:
    return not exists(node, "code") or (node.get("system") == _UCUM and exists(node, "value"))


def _code_with_value(node: Node) -> bool:
    return (exists(node, "code") or not exists(node, "value")) and node.get("system", _UCUM) == _UCUM


def _positive(node: Node) -> bool:
    return bool(node.get("value", 1) > 0)


def _counts_ones(node: Node) -> bool:
    return node.get("code", "1") == "1" and "." not in str(node.get("value", 0))


def _ratio_is_whole(node: Node) -> bool:
    if "numerator" in node or "denominator" in node:
        return "numerator" in node and "denominator" in node
    return "extension" in node


def _ratio_range_is_whole(node: Node) -> bool:
    numerators = "lowNumerator" in node or "highNumerator" in node
    return "denominator" in node if numerators else "denominator" not in node and "extension" in node


def _in_order(low: object, high: object) -> bool:
    """Tell whether a low quantity is not above a high one, where they can be compared."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    if (low.get("system"), low.get("code")) != (high.get("system"), high.get("code")):
        return True
    if "code" not in low and low.get("unit") != high.get("unit"):
        return True
    least, most = low.get("value"), high.get("value")
    if isinstance(least, int | Decimal) and isinstance(most, int | Decimal):
        return least <= most
    return True


def _range_is_in_order(node: Node) -> bool:
    return _in_order(node.get("low"), node.get("high"))


def _numerators_in_order(node: Node) -> bool:
    return _in_order(node.get("lowNumerator"), node.get("highNumerator"))


# ----------------------------------------------------------------------------------------------------------- times


def _period_is_in_order(node: Node) -> bool:
    start, end = node.get("start"), node.get("end")
    if start is None or end is None:
        return True
    if len(start) > 10 and len(end) > 10:
        if len(start) == len(end) and start[19:] == end[19:]:
            return bool(start <= end)  # of one form, in one zone
        return moment(start) <= moment(end)
    # Unlike precisions: only what both say can be compared (2024-05 is not after 2024-05-03).
    shared = min(len(start), len(end), 10)
    return bool(start[:shared] <= end[:shared])


def _period_may_be_in_order(node: Node) -> bool:
    """Compare as R5 does: the earliest instant of the start, in any zone, with the latest instant of the end."""
    start, end = node.get("start"), node.get("end")
    return start is None or end is None or moment(_earliest(start)) <= moment(_latest(end))


def _earliest(text: str) -> str:
    return text if len(text) > 10 else f"{text}{'0000-01-01'[len(text) :]}T00:00:00+14:00"


def _latest(text: str) -> str:
    if len(text) > 10:
        return text
    # A month ends on its 31st at the latest; a day more than it has only makes the end later.
    return f"{text}{'0000-12-31'[len(text) :]}T23:59:59.999-12:00"


def _needs(name: str, other: str) -> Callable[[Node], bool]:
    def holds(node: Node) -> bool:
        return not exists(node, name) or exists(node, other)

    return holds


def _not_negative(name: str) -> Callable[[Node], bool]:
    def holds(node: Node) -> bool:
        return bool(node.get(name, 0) >= 0)

    return holds


def _not_both(name: str, other: str) -> Callable[[Node], bool]:
    def holds(node: Node) -> bool:
        return not exists(node, name) or not exists(node, other)

    return holds


def _without(name: str, other: str) -> str:
    """Return ``_needs`` as an expression."""
    return f'("{name}" not in node or "{other}" in node)'


def _offset_has_event(node: Node) -> bool:
    return not exists(node, "offset") or (
        exists(node, "when") and not any(event in {"C", "CM", "CD", "CV"} for event in node.get("when", ()))
    )


# ------------------------------------------------------------------------------------------ datatypes and resources


def _extension_or_value(node: Node) -> bool:
    return ("extension" in node) != any(key.startswith(("value", "_value")) for key in node)


def _says_something(node: Node) -> bool:
    return any_of(node, "reference", "identifier", "display", "extension")


def _as_needed(node: Node) -> bool:
    return "asNeededFor" not in node or node.get("asNeeded") is not False


def _dose_or_rate(node: Node) -> bool:
    return exists(node, "dose") or _choice(node, "rate")


def _dose_rate_or_text(node: Node) -> bool:
    return exists(node, "text") or _dose_or_rate(node)


def _either(*names: str) -> Callable[[Node], bool]:
    def holds(node: Node) -> bool:
        return any_of(node, *names)

    return holds


def _exactly_one(name: str, other: str) -> Callable[[Node], bool]:
    def holds(node: Node) -> bool:
        return exists(node, name) != exists(node, other)

    return holds


def _value_or_reason(node: Node) -> bool:
    return "dataAbsentReason" not in node or not _choice(node, "value")


def _value_not_repeated(node: Node) -> bool:
    if not _choice(node, "value"):
        return True
    own = [coding for coding in node.get("code", {}).get("coding", ()) if coding]
    inner = [coding for part in node.get("component", ()) for coding in part.get("code", {}).get("coding", ())]
    return not any(coding in own for coding in inner)


_QUANTITY: Final = (
    Invariant(
        "qty-3",
        _code_has_system,
        "a coded unit without its system",
        "a system beside the code",
        '("code" not in node or "system" in node)',
    ),
)
_DURATION: Final = (
    *_QUANTITY,
    Invariant("drt-1", _duration_code, "a coded unit that is not UCUM, or has no value", f"{_UCUM} and a value"),
)
_TIMING: Final = (
    Invariant(
        "tim-1",
        _needs("duration", "durationUnit"),
        "a duration without its unit",
        "durationUnit",
        _without("duration", "durationUnit"),
    ),
    Invariant(
        "tim-2",
        _needs("period", "periodUnit"),
        "a period without its unit",
        "periodUnit",
        _without("period", "periodUnit"),
    ),
    Invariant(
        "tim-4",
        _not_negative("duration"),
        "a negative duration",
        "a duration of 0 or more",
        'node.get("duration", 0) >= 0',
    ),
    Invariant(
        "tim-5", _not_negative("period"), "a negative period", "a period of 0 or more", 'node.get("period", 0) >= 0'
    ),
    Invariant(
        "tim-6",
        _needs("periodMax", "period"),
        "a periodMax without a period",
        "period",
        _without("periodMax", "period"),
    ),
    Invariant(
        "tim-7",
        _needs("durationMax", "duration"),
        "a durationMax without a duration",
        "duration",
        _without("durationMax", "duration"),
    ),
    Invariant(
        "tim-8", _needs("countMax", "count"), "a countMax without a count", "count", _without("countMax", "count")
    ),
    Invariant(
        "tim-9",
        _offset_has_event,
        "an offset without an event to count from",
        "when, other than C CM CD CV",
        '"offset" not in node',
    ),
    Invariant("tim-10", _not_both("timeOfDay", "when"), "both timeOfDay and when", "one of the two"),
)

_EVERY_RELEASE: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Age": (
            *_QUANTITY,
            Invariant("age-1", _code_with_value, "no UCUM code beside the value", "a UCUM code of time"),
            Invariant("age-1", _positive, "an age that is not positive", "a value above 0"),
        ),
        "Attachment": (Invariant("att-1", _needs("data", "contentType"), "data without contentType", "contentType"),),
        "Condition.stage": (
            Invariant("con-1", _either("summary", "assessment"), "an empty stage", "summary or assessment"),
        ),
        "ContactPoint": (Invariant("cpt-2", _needs("value", "system"), "a value without its system", "system"),),
        "Count": (
            *_QUANTITY,
            Invariant("cnt-3", _code_with_value, "no UCUM code beside the value", "code 1 of UCUM"),
            Invariant("cnt-3", _counts_ones, "not a whole number of ones", "code 1 and a whole number"),
        ),
        "Distance": (
            *_QUANTITY,
            Invariant("dis-1", _code_with_value, "no UCUM code beside the value", "a UCUM code of length"),
        ),
        "Duration": _DURATION,
        "Expression": (
            Invariant("exp-1", _either("expression", "reference"), "no expression", "expression or reference"),
        ),
        "Extension": (
            Invariant(
                "ext-1",
                _extension_or_value,
                "both a value and extensions, or neither",
                "a value or extensions",
                # What else an Extension can have is its url, which is required, and its id.
                'len(node) - ("id" in node) == 2',
            ),
        ),
        "Observation": (
            Invariant("obs-6", _value_or_reason, "a value and a reason for its absence", "one of the two"),
            Invariant("obs-7", _value_not_repeated, "a value that a component states too", "the value in one place"),
        ),
        "Observation.referenceRange": (
            Invariant("obs-3", _either("low", "high", "text"), "an empty reference range", "low, high or text"),
        ),
        "Organization": (
            Invariant("org-1", _either("identifier", "name"), "no name and no identifier", "a name or identifier"),
        ),
        "Patient.contact": (
            Invariant(
                "pat-1",
                _either("name", "telecom", "address", "organization"),
                "an empty contact",
                "name, telecom, address or organization",
            ),
        ),
        "Period": (Invariant("per-1", _period_is_in_order, "a start after the end", "a start not after the end"),),
        "Quantity": _QUANTITY,
        "Range": (Invariant("rng-2", _range_is_in_order, "a low above the high", "a low not above the high"),),
        "Ratio": (Invariant("rat-1", _ratio_is_whole, "half a ratio", "numerator and denominator, or an extension"),),
        "RatioRange": (
            Invariant("ratrng-1", _ratio_range_is_whole, "half a ratio", "a numerator and the denominator"),
            Invariant("ratrng-2", _numerators_in_order, "a low above the high", "a low not above the high"),
        ),
        "SimpleQuantity": _QUANTITY,
        "Timing.repeat": _TIMING,
    }
)

_R4: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Condition.evidence": (Invariant("con-2", _either("code", "detail"), "empty evidence", "code or detail"),),
        "MedicationAdministration.dosage": (
            Invariant("mad-1", _dose_or_rate, "a dosage without dose and without rate", "dose or rate[x]"),
        ),
    }
)
_R5: Final[Mapping[str, tuple[Invariant, ...]]] = MappingProxyType(
    {
        "Dosage": (
            Invariant("dos-1", _as_needed, "asNeededFor beside asNeeded false", "asNeeded true, or only asNeededFor"),
        ),
        "Encounter.participant": (
            Invariant("enc-1", _either("actor", "type"), "no actor and no type", "actor or type"),
        ),
        "MedicationAdministration.dosage": (
            Invariant("mad-1", _dose_rate_or_text, "a dosage without dose, rate or text", "dose, rate[x] or text"),
        ),
        "Observation": (
            *_EVERY_RELEASE["Observation"],
            Invariant("obs-8", _not_both("bodySite", "bodyStructure"), "bodySite and bodyStructure", "one of the two"),
        ),
        "Period": (Invariant("per-1", _period_may_be_in_order, "a start after the end", "a start not after the end"),),
        "Reference": (
            Invariant("ref-2", _says_something, "an empty reference", "reference, identifier, display or extension"),
        ),
        "SampledData": (
            Invariant(
                "sdd-1", _exactly_one("interval", "offsets"), "interval and offsets, or neither", "one of the two"
            ),
        ),
    }
)
_BY_RELEASE: Final = MappingProxyType({"R4": _R4, "R4B": _R4, "R5": _R5})


def invariants_of(release: str, type_name: str) -> tuple[Invariant, ...]:
    """Return the invariants of a type; empty where there is none."""
    return _BY_RELEASE[release].get(type_name, _EVERY_RELEASE.get(type_name, ()))
