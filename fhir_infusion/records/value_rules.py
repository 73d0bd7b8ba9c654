"""The rules of the other values: periods, timing, references, notes, the patient; FHIR's invariants by their id."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.moments import is_after
from fhir_infusion.records.quantity_rules import QUANTITY_QUICK, QUANTITY_RULES
from fhir_infusion.records.residue_rules import RELEASES, RESIDUE_RULES
from fhir_infusion.records.rules import Broken, Part, Place, Rule, Rules, breaks_fhir, breaks_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _period(part: Part) -> Iterator[Broken]:
    if "start" in part and "end" in part and is_after(part["start"], part["end"]):
        yield breaks_fhir(("end",), "the end is before the start", "an end at or after the start", "per-1")


def _span(part: Part) -> Iterator[Broken]:
    if "value" in part and "unit" not in part:
        yield breaks_fhir(("unit",), "a duration needs its unit", "s, min, h, d, wk, mo or a", "tim-1")
    if part.get("value", 0) < 0 or part.get("max", 0) < 0:
        yield breaks_fhir(("value",), "a duration cannot be negative", "zero or more", "tim-4")
    if "max" in part and "value" not in part:
        yield breaks_fhir(("max",), "a longest duration needs a duration", "value and max", "tim-7")


EVENT_TIMINGS: Final = frozenset(
    [
        "MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late",
        "NIGHT", "PHS", "IMD", "HS", "WAKE", "C", "CM", "CD", "CV",
        "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV",
    ]
)  # fmt: skip
"""http://hl7.org/fhir/ValueSet/event-timing; IMD is of R5 only, where the mapping of R4 refuses it."""

_AT_MEALS: Final = frozenset({"C", "CM", "CD", "CV"})


def _timing(part: Part) -> Iterator[Broken]:
    bounds = [name for name in ("bounds_period", "bounds_length", "bounds_range") if name in part]
    yield from (one_of((name,), "bounds_period, bounds_length or bounds_range") for name in bounds[1:])
    if "period" in part and "period_unit" not in part:
        yield breaks_fhir(("period_unit",), "a period needs its unit", "s, min, h, d, wk, mo or a", "tim-2")
    if part.get("period", 0) < 0 or part.get("period_max", 0) < 0:
        yield breaks_fhir(("period",), "a period cannot be negative", "zero or more", "tim-5")
    if "period_max" in part and "period" not in part:
        yield breaks_fhir(("period_max",), "a longest period needs a period", "period and period_max", "tim-6")
    if "count_max" in part and "count" not in part:
        yield breaks_fhir(("count_max",), "a largest count needs a count", "count and count_max", "tim-8")
    if "offset" in part and ("when" not in part or not _AT_MEALS.isdisjoint(part["when"])):
        accepted = "when, and not C, CM, CD or CV"
        yield breaks_fhir(("offset",), "an offset needs the event that it counts from", accepted, "tim-9")
    if "times_of_day" in part and "when" in part:
        yield breaks_fhir(("when",), "times of day exclude daily events", "times_of_day or when", "tim-10")
    for position, event in enumerate(part.get("when", ())):
        if event not in EVENT_TIMINGS:
            reason = "not a code of FHIR's event timing"
            yield breaks_fhir(
                ("when", position), reason, "a code such as HS, AC or MORN", "event-timing", "code-invalid"
            )


def one_of(place: Place, accepted: str) -> Broken:
    """Return the fault of a second value where one of several may stand (FHIR's choice types)."""
    return breaks_fhir(place, "only one of these can be stated", f"one of {accepted}", "one-of", "structure")


def needed(place: Place, accepted: str) -> Broken:
    """Return the fault of a value that is missing."""
    return breaks_fhir(place, "this is missing", accepted, "required", "required")


_UNSAFE: Final = ("javascript:", "file:", "data:", "vbscript:")


def _literal(part: Part) -> Iterator[Broken]:
    reference = part.get("reference", "")
    if reference and (reference.lower().startswith(_UNSAFE) or ".." in reference.split("/")):
        accepted = "Type/id, an absolute http, https or urn reference, or #id"
        yield breaks_rule(("reference",), "this reference is never followed", accepted, "reference-scheme")


def _own_note(part: Part) -> Iterator[Broken]:
    if "text" not in part:
        yield needed(("text",), "the remark's text")


def _note(part: Part) -> Iterator[Broken]:
    if "author" in part and "author_name" in part:
        yield one_of(("author_name",), "author or author_name")


def _group(part: Part) -> Iterator[Broken]:
    for name in ("cycle", "cycles", "position"):
        if part.get(name, 1) < 1:
            yield breaks_fhir((name,), "this is counted from 1", "1 or more", "from-1", "value")


def _own_patient(part: Part) -> Iterator[Broken]:
    if not part.keys() & {"reference", "identifier", "other_identifiers", "name"}:
        yield needed((), "reference, identifier or name of the patient")


def _are_in_order(start: str, end: str) -> bool:
    """Compare as text, which is right where precision and offset are the same."""
    return len(start) == len(end) and start[19:] == end[19:] and start <= end


def _is_ordinary(reference: str) -> bool:
    return reference[0].isupper() and ":" not in reference and ".." not in reference


def _is_ascii(concept: Part) -> bool:
    texts = (
        concept.get("text", ""),
        *(coding.get(name, "") for coding in concept.get("codings", ()) for name in _SHOWN),
    )
    return "".join(texts).isascii()


_SHOWN: Final = ("code", "display")

QUICK: Final[Mapping[str, object]] = MappingProxyType(
    {
        **QUANTITY_QUICK,
        "are_in_order": _are_in_order,
        "is_ordinary": _is_ordinary,
        "is_ascii": _is_ascii,
        "releases": RELEASES,
        "seldom_in_timing": frozenset({"period_max", "count_max", "offset", "when", "bounds_length", "bounds_range"}),
    }
)
"""The names that the ``quick`` expressions of rules use."""

IN_ORDER: Final = "'start' not in part or 'end' not in part or are_in_order(part['start'], part['end'])"
_IS_ORDINARY: Final = "'reference' not in part or is_ordinary(part['reference'])"
VALUE_RULES: Final[Rules] = MappingProxyType({
    **QUANTITY_RULES,
    "Period": (Rule(("start", "end"), _period, quick=IN_ORDER),),
    "Span": (
        Rule(
            ("value", "max", "unit"),
            _span,
            quick="'unit' in part and 'max' not in part and part.get('value', 0) >= 0",
        ),
    ),
    "Timing": (
        Rule(
            (
                "bounds_period", "bounds_length", "bounds_range", "period", "period_max", "period_unit", "count",
                "count_max", "offset", "when", "times_of_day",
            ),
            _timing,
            quick="part.keys().isdisjoint(seldom_in_timing)"
            " and ('period' not in part or 'period_unit' in part and part['period'] >= 0)",
        ),
    ),
    "Reference": (Rule(("reference",), _literal, quick=_IS_ORDINARY),),
    "LogicalReference": (Rule(("reference",), _literal, quick=_IS_ORDINARY),),
    "Patient": (
        Rule(("reference",), _literal, quick=_IS_ORDINARY),
        Rule(
            ("reference", "identifier", "other_identifiers", "name"),
            _own_patient,
            own=True,
            quick="'identifier' in part or 'reference' in part",
        ),
    ),
    "Note": (
        Rule(("author", "author_name"), _note, quick="'author' not in part or 'author_name' not in part"),
        Rule(("text",), _own_note, own=True, quick="'text' in part"),
    ),
    "Residue": RESIDUE_RULES,
    "Group": (Rule(("cycle", "cycles", "position"), _group),),
})  # fmt: skip
