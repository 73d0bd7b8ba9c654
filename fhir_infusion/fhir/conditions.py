"""What the invariants ask of an object whose elements are already known to be right: one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_infusion.fhir.dates import moment
from fhir_infusion.records import units

Node = Mapping[str, Any]

UCUM: Final = "http://unitsofmeasure.org"


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


def code_has_system(node: Node) -> bool:
    """Tell whether a coded unit names its system."""
    return "code" not in node or exists(node, "system")


def duration_code(node: Node) -> bool:
    """Tell whether a coded duration is in UCUM and has a value."""
    return not exists(node, "code") or (node.get("system") == UCUM and exists(node, "value"))


def code_with_value(node: Node) -> bool:
    """Tell whether a value has a coded unit, of UCUM."""
    return (exists(node, "code") or not exists(node, "value")) and node.get("system", UCUM) == UCUM


def positive(node: Node) -> bool:
    """Tell whether a value is above 0."""
    return bool(node.get("value", 1) > 0)


def counts_ones(node: Node) -> bool:
    """Tell whether a count is a whole number of ones."""
    return node.get("code", "1") == "1" and "." not in str(node.get("value", 0))


def ratio_is_whole(node: Node) -> bool:
    """Tell whether a ratio has both sides, or only extensions."""
    if "numerator" in node or "denominator" in node:
        return "numerator" in node and "denominator" in node
    return "extension" in node


def ratio_range_is_whole(node: Node) -> bool:
    """Tell whether a ratio of ranges has both sides, or only extensions."""
    numerators = "lowNumerator" in node or "highNumerator" in node
    return "denominator" in node if numerators else "denominator" not in node and "extension" in node


def _in_order(low: object, high: object) -> bool:
    """Tell whether a low quantity is not above a high one, where they can be compared."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    least, most = low.get("value"), high.get("value")
    if not isinstance(least, int | Decimal) or not isinstance(most, int | Decimal):
        return True
    code, other = low.get("code"), high.get("code")
    if low.get("system") != high.get("system"):
        return True
    if code != other:
        coded = low.get("system") == UCUM and isinstance(code, str) and isinstance(other, str)
        return not (coded and units.is_more(least, str(code), most, str(other)))
    return ("code" not in low and low.get("unit") != high.get("unit")) or least <= most


def range_is_in_order(node: Node) -> bool:
    """Tell whether low is not above high."""
    return _in_order(node.get("low"), node.get("high"))


def numerators_in_order(node: Node) -> bool:
    """Tell whether the low numerator is not above the high one."""
    return _in_order(node.get("lowNumerator"), node.get("highNumerator"))


# ----------------------------------------------------------------------------------------------------------- times


def period_is_in_order(node: Node) -> bool:
    """Tell whether the start is not after the end, where they can be compared."""
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


def period_may_be_in_order(node: Node) -> bool:
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


def needs(name: str, other: str) -> Callable[[Node], bool]:
    """Return the condition that an element does not exist without another."""

    def holds(node: Node) -> bool:
        return not exists(node, name) or exists(node, other)

    return holds


def not_negative(name: str) -> Callable[[Node], bool]:
    """Return the condition that a number is not below 0."""

    def holds(node: Node) -> bool:
        return bool(node.get(name, 0) >= 0)

    return holds


def not_both(name: str, other: str) -> Callable[[Node], bool]:
    """Return the condition that of two elements one at most exists."""

    def holds(node: Node) -> bool:
        return not exists(node, name) or not exists(node, other)

    return holds


def without(name: str, other: str) -> str:
    """Return ``needs`` as an expression."""
    return f'("{name}" not in node or "{other}" in node)'


def offset_has_event(node: Node) -> bool:
    """Tell whether an offset counts from an event other than a meal itself."""
    return not exists(node, "offset") or (
        exists(node, "when") and not any(event in {"C", "CM", "CD", "CV"} for event in node.get("when", ()))
    )


# ------------------------------------------------------------------------------------------ datatypes and resources


def extension_or_value(node: Node) -> bool:
    """Tell whether an extension has a value or extensions, and not both."""
    return ("extension" in node) != any(key.startswith(("value", "_value")) for key in node)


def says_something(node: Node) -> bool:
    """Tell whether a reference has anything to go by."""
    return any_of(node, "reference", "identifier", "display", "extension")


def as_needed(node: Node) -> bool:
    """Tell whether reasons for an as-needed dose stand beside no denial of it."""
    return "asNeededFor" not in node or node.get("asNeeded") is not False


def dose_or_rate(node: Node) -> bool:
    """Tell whether a dosage has a dose or a rate."""
    return exists(node, "dose") or _choice(node, "rate")


def dose_rate_or_text(node: Node) -> bool:
    """Tell whether a dosage has a dose, a rate or text."""
    return exists(node, "text") or dose_or_rate(node)


def either(*names: str) -> Callable[[Node], bool]:
    """Return the condition that one of several elements exists."""

    def holds(node: Node) -> bool:
        return any_of(node, *names)

    return holds


def exactly_one(name: str, other: str) -> Callable[[Node], bool]:
    """Return the condition that one of two elements exists."""

    def holds(node: Node) -> bool:
        return exists(node, name) != exists(node, other)

    return holds


def value_or_reason(node: Node) -> bool:
    """Tell whether a reason for the absence of a value stands beside no value."""
    return "dataAbsentReason" not in node or not _choice(node, "value")


def value_not_repeated(node: Node) -> bool:
    """Tell whether no component has the code of an observation that has a value."""
    if not _choice(node, "value"):
        return True
    own = [coding for coding in node.get("code", {}).get("coding", ()) if coding]
    inner = [coding for part in node.get("component", ()) for coding in part.get("code", {}).get("coding", ())]
    return not any(coding in own for coding in inner)


# --------------------------------------------------------------------------------------------------------- Bundles

ASKING: Final = frozenset({"batch", "transaction", "history"})
ANSWERING: Final = frozenset({"batch-response", "transaction-response", "history"})


def total_of_a_search(node: Node) -> bool:
    """Tell whether only a search or history has a total."""
    return not exists(node, "total") or node["type"] in {"searchset", "history"}


def search_of_a_search(node: Node) -> bool:
    """Tell whether only entries of a search say how they were found."""
    return node["type"] == "searchset" or not any("search" in entry for entry in node.get("entry", ()))


def all_or_none(member: str, types: frozenset[str]) -> Callable[[Node], bool]:
    """Return the condition that each entry of some types of Bundle has a member, and none of the others."""

    def holds(node: Node) -> bool:
        return all((member in entry) == (node["type"] in types) for entry in node.get("entry", ()))

    return holds


def entries_differ(node: Node) -> bool:
    """Tell whether no two entries are of one address and version."""
    if node["type"] == "history":
        return True
    entries = [entry for entry in node.get("entry", ()) if "fullUrl" in entry]
    names = [(entry["fullUrl"], _version_of(entry.get("resource"))) for entry in entries]
    return len(names) == len(set(names))


def _version_of(resource: Any) -> str:
    meta = resource.get("meta") if isinstance(resource, dict) else None
    return str(meta.get("versionId", "")) if isinstance(meta, dict) else ""


def not_of_a_version(node: Node) -> bool:
    """Tell whether an entry's address names no version."""
    return "/_history/" not in node.get("fullUrl", "")
