"""Findings on the words of a step that say another duration, frequency or route than its structure.

An infusion over 4 hours whose structure says 30 minutes is given too fast; a drug for a vein is fatal in the spine. As
texts say many things, only those count whose form leaves no doubt, and only where none of their kind is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import amount, least, longest, of
from fhir_infusion.records.findings import DAYS, finding, per_day
from fhir_infusion.records.not_infusions import NOT_RUN, SNOMED
from fhir_infusion.records.timing_findings import per_day_of_code, said_of
from fhir_infusion.records.units import WORDS

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_LONGEST: Final = 4096
"""Longer text is not searched: it is no dosage instruction."""

_HOURS: Final = r"min(?:ute)?s?|h(?:ou)?rs?|h"
_DATES: Final = r"h(?:ou)?rs?|h|d(?:ays?)?|w(?:ee)?ks?"
_OVER: Final = re.compile(
    rf"\bover (?:at least |a minimum of |no less than )?(\d{{1,4}}(?:\.\d{{1,3}})?)\s?({_HOURS})\b", re.IGNORECASE
)
_EVERY: Final = re.compile(rf"\b(?:every\s|q)\s?(\d{{1,3}})\s?({_DATES})\b", re.IGNORECASE)
_DAILY: Final = re.compile(
    r"\b(?:(once|twice|(?:two|three|four|six|[2-6]) times) (?:a day|daily|per day)|(bid|tid|qid))\b", re.IGNORECASE
)
_TIMES: Final[Mapping[str, int]] = MappingProxyType({
    "once": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "six": 6, "bid": 2, "tid": 3, "qid": 4,
})  # fmt: skip
_NEARLY: Final = Fraction(1, 10)
"""Every 4 weeks and once a month are one; every 6 and every 8 hours are not."""

ROUTES: Final[Mapping[str, str]] = MappingProxyType({
    **NOT_RUN,
    "47625008": "intravenous", "72607000": "intrathecal", "58100008": "intra-arterial",
    "38239002": "intraperitoneal", "372460008": "intracardiac",
})  # fmt: skip
"""SNOMED CT routes of which none is a kind of another."""

_NAMED: Final = re.compile(
    r"\b(intravenous|intrathecal|intra-arterial|intraperitoneal|subcutaneous|intramuscular|epidural)(?:ly)?\b",
    re.IGNORECASE,
)
_NOT: Final = re.compile(
    r"\b(?:not?|never|avoid|fatal|only if|unless|then|switch|before|after|except)\b", re.IGNORECASE
)
"""Words with which a text may name a route that is not the one of the step."""


def word_findings(record: Part) -> Iterator[Issue]:
    """Yield where the words of a step say another duration, frequency or route than the step."""
    for at, step in enumerate(record.get("steps", ())):
        text = step.get("text", "")
        if text and len(text) <= _LONGEST:
            said = (*_duration(step, text), *_frequency(step, text), *_way(step, text))
            yield from (finding(f"steps[{at}].text", one, "text-contradicts") for one in said)


def _duration(step: Part, text: str) -> Iterator[str]:
    timing = step.get("timing", {})
    shortest, lasts = least(timing.get("duration")), longest(timing.get("duration"))
    if shortest is None or lasts is None:
        return
    said = [(number, unit, _time(number, unit)) for number, unit in _OVER.findall(text)]
    if not said:
        return
    others = [held.base for part in _quantities(step) if (held := amount(part)) is not None]
    if any(shortest.base <= time <= lasts.base or time in others for *_, time in said):
        return
    number, unit, _ = said[0]
    span = timing["duration"]
    words = f"{span['value']} to {span['max']}" if "max" in span else span["value"]
    yield f"the text says over {number} {unit}; the structure says {words} {span['unit']}"


def _frequency(step: Part, text: str) -> Iterator[str]:
    timing = step.get("timing", {})
    often = _often(timing) if timing else None
    if often is None:
        return
    said = [
        (f"every {number} {unit}", 86_400 / _time(number, unit)) for number, unit in _EVERY.findall(text) if int(number)
    ]
    said += [(_plain(words), Fraction(_count(words))) for words in _DAILY.findall(text)]
    if not said:
        return
    fewest, most, structure = often
    others = [Fraction(86_400) / held.base for part in _quantities(step) if (held := amount(part)) and held.base]
    if any(fewest * (1 - _NEARLY) <= a_day <= most * (1 + _NEARLY) or a_day in others for _, a_day in said):
        return
    yield f"the text says {said[0][0]}; the structure says {structure}"


def _often(timing: Part) -> tuple[Fraction, Fraction, str] | None:
    """Return how often a day at least and at most, and in words, where the timing says nothing else of it."""
    if timing.keys() & {"events", "days_of_week", "times_of_day", "when", "days_of_cycle", "weeks", "cycle_length"}:
        return None
    most = per_day(timing)
    if most is not None:
        longest_period = DAYS[timing["period_unit"]] * Fraction(timing.get("period_max", timing["period"]))
        return Fraction(timing.get("frequency", 1)) / longest_period, most, said_of(timing)
    codes = [
        (said, coding["code"])
        for coding in timing.get("code", {}).get("codings", ())
        if (said := per_day_of_code(coding)) is not None
    ]
    return (codes[0][0], codes[0][0], codes[0][1]) if codes else None


def _way(step: Part, text: str) -> Iterator[str]:
    concept = step.get("route", {})
    known = (ROUTES.get(one.get("code", ""), "") for one in concept.get("codings", ()) if one.get("system") == SNOMED)
    words = concept.get("text", "").lower().replace(".", "")
    route = next(known, "") or ("intravenous" if words == "iv" else words if _NAMED.fullmatch(words) else "")
    said = {word.lower() for word in _NAMED.findall(text)} if route else set()
    if said and route not in said and not _NOT.search(text):
        yield f"the text says {', '.join(sorted(said))}; the route is {route}"


def _quantities(step: Part) -> Iterator[Part]:
    """Yield every quantity of a step: an interval of titration or a lockout may be what the words say."""
    left: list[Part] = [step]
    while left:
        part = left.pop()
        if "value" in part and "unit" in part:
            yield part
        for member in part.values():
            left += [member] if isinstance(member, dict) else []
            left += [one for one in member if isinstance(one, dict)] if isinstance(member, list) else []


def _time(number: str, unit: str) -> Fraction:
    word = unit.lower()
    held = of(Fraction(number), WORDS.get(word) or WORDS[word.removesuffix("s")])
    return held.base if held is not None else Fraction(0)


def _count(words: tuple[str, str]) -> int:
    first = (words[0] or words[1]).lower().split()[0]
    return _TIMES[first] if first in _TIMES else int(first)


def _plain(words: tuple[str, str]) -> str:
    return f"{words[0]} a day" if words[0] else words[1]
