"""Findings on a timing: its code says another schedule than the frequency beside it, or doses come too soon.

A code stays where the frequency is edited, for it may be what the sender meant: both are told, and a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import amount, rounded, stated
from fhir_infusion.records.findings import DAYS, finding

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

ABBREVIATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
"""Its codes are read as HL7 defines them (https://hl7.org/fhir/R4/valueset-timing-abbreviation.html)."""

SAYS: Final[Mapping[str, tuple[Fraction, str]]] = {
    **dict.fromkeys(("QD", "AM", "PM", "BED"), (Fraction(1), "once a day")),
    **{code: (Fraction(n), f"{n} times a day") for n, code in ((2, "BID"), (3, "TID"), (4, "QID"))},
    "QOD": (Fraction(1, 2), "every other day"),
    "WK": (1 / DAYS["wk"], "once a week"),
    "MO": (1 / DAYS["mo"], "once a month"),
}
"""How often a day, and in words."""
_EVERY: Final = re.compile(r"Q([1-9][0-9]?)H")
"""``Q6H`` and its like mean the same in every code system."""


def timing_findings(record: Part) -> Iterator[Issue]:
    """Yield where the code of a timing says another frequency, a range is turned, and doses come too soon."""
    for at, step in enumerate(record.get("steps", ())):
        timing = step.get("timing", {})
        if "code" in timing:
            yield from _contradictions(timing, f"steps[{at}].timing.code")
        if "max" in timing.get("duration", ()) or not _MOSTS.isdisjoint(timing):
            yield from _turned(timing, f"steps[{at}].timing")
        if "minimum_gap" in step:
            yield from _gap(step, f"steps[{at}]")
    yield from _contradictions(record.get("when", {}).get("timing", {}), "when.timing.code")


def _gap(step: Part, path: str) -> Iterator[Issue]:
    """Yield where doses come more often than the least time between two of them allows, or the lockout is another."""
    gap = amount(step.get("minimum_gap"))
    if gap is None:
        return
    said = f"the least time between two doses is {stated(step['minimum_gap'])}"
    control, timing = step.get("patient_control", {}), step.get("timing", {})
    lockout = amount(control.get("lockout"))
    if lockout is not None and lockout.dimension == gap.dimension and lockout.base != gap.base:
        yield finding(f"{path}.minimum_gap", f"the lockout is {stated(control['lockout'])}; {said}", "dose-gap")
    if not timing.get("period") or "period_unit" not in timing:
        return
    longest = DAYS[timing["period_unit"]] * Fraction(timing.get("period_max", timing["period"])) * 86_400
    if longest / timing.get("frequency", 1) < gap.base:
        yield finding(f"{path}.minimum_gap", f"the timing says {said_of(timing)}; {said}", "dose-gap")


def _turned(timing: Part, path: str) -> Iterator[Issue]:
    """Yield where the most of something is below its least: 4 to 2 times a day."""
    ends = [(name, timing.get(name), timing.get(f"{name}_max")) for name in ("count", "frequency", "period")]
    duration = timing.get("duration", {})
    for name, least, most in (*ends, ("duration", duration.get("value"), duration.get("max"))):
        if least is not None and most is not None and most < least:
            said = f"the most, {rounded(Fraction(most))}, is below the least, {rounded(Fraction(least))}"
            yield finding(f"{path}.{name}", said, "timing-range")


_MOSTS: Final = frozenset({"count_max", "frequency_max", "period_max"})


def _contradictions(timing: Part, path: str) -> Iterator[Issue]:
    if not timing.get("period") or "period_unit" not in timing:
        return
    codings = timing.get("code", {}).get("codings", ())
    said = [(at, coding, says) for at, coding in enumerate(codings) if (says := _says(coding)) is not None]
    if not said:
        return
    unit, frequency = DAYS[timing["period_unit"]], timing.get("frequency", 1)
    least = Fraction(frequency) / (Fraction(timing.get("period_max", timing["period"])) * unit)
    most = Fraction(timing.get("frequency_max", frequency)) / (Fraction(timing["period"]) * unit)
    for at, coding, says in said:
        if not least <= says[0] <= most:
            reason = f"the code {coding['code']} says {says[1]}; the timing says {said_of(timing)}"
            yield finding(f"{path}.codings[{at}]", reason, "timing-code")


def per_day_of_code(coding: Part) -> Fraction | None:
    """Return how often a day the code of a timing says, where it is one that is known."""
    said = _says(coding)
    return None if said is None else said[0]


def _says(coding: Part) -> tuple[Fraction, str] | None:
    code = coding.get("code", "")
    every = _EVERY.fullmatch(code)
    if every is not None:
        return Fraction(24, int(every[1])), f"every {every[1]} h"
    return SAYS.get(code) if coding.get("system") == ABBREVIATIONS else None


def said_of(timing: Part) -> str:
    """Return in words how often a timing says, by its frequency and period."""
    often = _range(timing, "frequency", 1)
    return f"{often} {'time' if often == '1' else 'times'} in {_range(timing, 'period', 1)} {timing['period_unit']}"


def _range(timing: Part, name: str, usual: int) -> str:
    upper = timing.get(f"{name}_max")
    said = rounded(Fraction(timing.get(name, usual)))
    return said if upper is None else f"{said} to {rounded(Fraction(upper))}"
