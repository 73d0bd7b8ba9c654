"""What no arithmetic could look at, because it is given only in words: told once a record, and only for information.

A text is normal beside data, and a text alone is legal; but whoever sees no finding takes it that limits were looked
at. So it is told where the data is missing: a dose or rate in words alone, a number without a code of its unit, a limit
that only the text names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import amount, ratio
from fhir_infusion.records.findings import finding
from fhir_infusion.records.rates import is_rate
from fhir_infusion.records.statuses import NOT_GIVEN
from fhir_infusion.records.text_findings import Held, amounts_of, amounts_said

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue
    from fhir_infusion.records.amounts import Amount

Part = Mapping[str, Any]

_TEXTS: Final = ("text", "clinical_instruction", "patient_instruction")
_DOSES: Final = ("dose", "dose_range", "rate", "rate_range", "rate_ratio", "rate_as_stated")
_TIME: Final = (("s", 1),)
_RANGES: Final = ("dose_range", "rate_range")
_CAPS: Final = ("max_per_administration", "max_per_lifetime", "max_rate")
_ELSEWHERE: Final = ("titration", "patient_control")
_MOST: Final = re.compile(
    r"\b(?:max(?:imum|imal|imale)?|(?:do )?not (?:to )?exceed(?:ing)?|(?:no|not) more than|at most|limit(?:ed)? to)"
    r"(?:[ .:=]{1,2}(?:(?:daily|single|total|infusion|hourly) )?(?:dose|rate|of|is|to)){0,3}[ .:=]{1,2}\Z",
    re.IGNORECASE,
)
"""The words before an amount that say that it is a limit."""
_SAID: Final = re.compile(r"max|exceed|more than|at most|limit", re.IGNORECASE)


def unsaid_findings(record: Part) -> Iterator[Issue]:
    """Yield, once a record, the first of what is given only in words."""
    steps: Sequence[Part] = record.get("steps", ())
    of_order = chain(_in_words(record, steps), _uncoded(steps), _limits(record, steps))
    yield from _first(of_order if "intent" in record else _given(record))


def _first(found: Iterator[tuple[str, str]]) -> Iterator[Issue]:
    for path, reason in found:
        yield finding(path, reason, "words-only", "a number with a UCUM code in its field", informs=True)
        return


def _in_words(record: Part, steps: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """A step in words without a dose or rate; beside steps that have one, only where the words name an amount."""
    held = [_is_dosed(step) for step in steps]
    for at, step in enumerate(steps):
        for name in _TEXTS if not held[at] else ():
            if name in step and (not any(held) or any(amounts_said(step[name]))):
                yield f"steps[{at}].{name}", _DOSE
        for position, dosing in enumerate(step.get("dosings", ())):
            if "rate_text" in dosing and dosing.keys().isdisjoint(_DOSES):
                yield f"steps[{at}].dosings[{position}].rate_text", _DOSE
    if "rendered_instruction" in record and not any(held):
        yield "rendered_instruction", _DOSE


_DOSE: Final = "the dose or rate is given only in words: nothing was compared with it"


def _is_dosed(step: Part) -> bool:
    return any(name in step for name in _ELSEWHERE) or any(
        name in dosing for dosing in step.get("dosings", ()) for name in _DOSES
    )


def _given(record: Part) -> Iterator[tuple[str, str]]:
    """What was given, in words that name an amount and without a number of it, or in a unit without a UCUM code."""
    if record["status"] in NOT_GIVEN:
        return
    segments: Sequence[Part] = record.get("segments", ())
    for at, segment in enumerate(segments):
        if "rate_text" in segment and segment.keys().isdisjoint(_OF_SEGMENT):
            yield f"segments[{at}].rate_text", _GIVEN
    said = not record.keys().isdisjoint(_IN_ALL) or any(not one.keys().isdisjoint(_OF_SEGMENT) for one in segments)
    if not said and any(amounts_said(record.get("text", ""))):
        yield "text", _GIVEN
    yield from _without_code([(name, record[name]) for name in _IN_ALL if name in record])
    for at, segment in enumerate(segments):
        held = [(name, segment[name]) for name in _OF_SEGMENT if name in segment and name != "rate_as_stated"]
        yield from _without_code([end for name, part in held for end in _ends(f"segments[{at}].{name}", part)])


_GIVEN: Final = "what was given is said only in words: nothing was compared with it"
_OF_SEGMENT: Final = ("dose", "volume", "rate", "rate_ratio", "rate_as_stated")
_IN_ALL: Final = ("dose_given", "volume_given", "dose_total")


def _uncoded(steps: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """A dose, rate or limit whose unit has no UCUM code; what is told by a rule of its own is not told again."""
    for at, step in enumerate(steps):
        yield from _without_code((f"steps[{at}].{path}", quantity) for path, quantity in _quantities(step))
        for position, limit in enumerate(step.get("max_per_period", ())):
            period = amount(limit.get("denominator"))
            if period is not None and period.dimension != _TIME:
                reason = "this limit is not one of a time: nothing was compared with it"
                yield f"steps[{at}].max_per_period[{position}].denominator", reason


def _without_code(quantities: Iterable[tuple[str, Part]]) -> Iterator[tuple[str, str]]:
    for path, quantity in quantities:
        if is_rate(quantity) and "rate" not in path:
            continue
        if "value" not in quantity:
            yield path, "it has no number: nothing was compared with it"
        elif "unit" not in quantity or "unit_system" in quantity:
            yield path, "its unit has no UCUM code: nothing was compared with it"


def _quantities(step: Part) -> Iterator[tuple[str, Part]]:
    for at, dosing in enumerate(step.get("dosings", ())):
        for name in _DOSES:
            if name in dosing and name != "rate_as_stated":
                yield from _ends(f"dosings[{at}].{name}", dosing[name])
    for name in _CAPS:
        if name in step:
            yield name, step[name]
    for at, limit in enumerate(step.get("max_per_period", ())):
        yield from _ends(f"max_per_period[{at}]", limit)


def _ends(path: str, part: Part) -> Iterator[tuple[str, Part]]:
    ends = [name for name in ("low", "high", "numerator", "denominator") if name in part]
    yield from ((f"{path}.{name}", part[name]) for name in ends)
    if not ends:
        yield path, part


def _limits(record: Part, steps: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """A limit in the words of a step of which the structure has neither the number nor another of its kind."""
    structure = _Said(record, steps)
    for at, step in enumerate(steps):
        for name in _TEXTS:
            # The amounts of a text cost more to find than one of these words, which hardly any has.
            for match, said in amounts_said(step[name]) if name in step and _SAID.search(step[name]) else ():
                if _MOST.search(step[name], 0, match.start()) and not structure.holds(said):
                    reason = "a limit is given only in words: no dose or rate was compared with it"
                    yield f"steps[{at}].{name}", reason


class _Said:
    """What the structure of an order says: all its amounts, and its limits."""

    def __init__(self, record: Part, steps: Sequence[Part]) -> None:
        """Keep where to look."""
        self._record, self._steps = record, steps

    @cached_property
    def _amounts(self) -> Held:
        return Held(amounts_of(self._record))

    @cached_property
    def _limits(self) -> Held:
        return Held((limit, step) for step in self._steps for limit in _limits_of(step))

    def holds(self, said: Amount) -> bool:
        """Whether it has an amount in words, or a limit of its kind."""
        return said.base in self._amounts.of_its_kind(said)[0] or bool(self._limits.of_its_kind(said)[1])


def _limits_of(step: Part) -> Iterator[Amount]:
    """Yield the limits of a step, of a period both the amount and the rate that it is."""
    highest = [dosing[name].get("high") for dosing in step.get("dosings", ()) for name in _RANGES if name in dosing]
    periods = step.get("max_per_period", ())
    parts = [*(step.get(name) for name in _CAPS), step.get("titration", {}).get("ceiling"), *highest]
    found = [amount(part) for part in (*parts, *(period.get("numerator") for period in periods))]
    yield from (one for one in (*found, *map(ratio, periods)) if one is not None)
