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
    rf"\bover (?:at least |a minimum of |no less than )?(\d{{1,4}}(?:\.\d{{1,3}})?)\s?({_HOURS})\b"
    r"(?:\s?(?:and\s)?(\d{1,2})\s?(min(?:ute)?s?)\b)?",
    re.IGNORECASE,
)
_EVERY: Final = re.compile(rf"\b(?:every\s|q)\s?(\d{{1,3}})\s?({_DATES})\b", re.IGNORECASE)
_DAILY: Final = re.compile(
    r"\b(?:(once|twice|(?:two|three|four|six|[2-6]) times) (?:a day|daily|per day)|(bid|tid|qid))\b", re.IGNORECASE
)
_TIMES: Final[Mapping[str, int]] = MappingProxyType({
    "once": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "six": 6, "bid": 2, "tid": 3, "qid": 4,
})  # fmt: skip
_ASIDE: Final = re.compile(
    r"\b(?:max|(?:do )?not (?:to )?exceed|(?:not|no) more than|up to|limit|titrat|increas|decreas|rais|adjust|"
    r"check|monitor|measur|observ|assess|levels?\b|trough|draw|obtain|sampl|record|review|"
    r"flush|replac|chang(?:e|ing) (?!to\b))",
    re.IGNORECASE,
)
"""Words before a time that say a limit, or how often something else is done: change the line every 72 hours."""
_CLAUSE: Final = re.compile(r"[.,;:]\s|\n")
_ON_DAYS: Final = re.compile(r"\b(?:on days?|days? \d|week(?:s|ly)?|cycle|\w{3,6}days?)\b", re.IGNORECASE)
"""Words with which "once daily" means each of some days only."""
_NEARLY: Final = Fraction(1, 10)
"""Every 4 weeks and once a month are one; every 6 and every 8 hours are not."""

ROUTES: Final[Mapping[str, str]] = MappingProxyType({
    **NOT_RUN,
    "47625008": "intravenous", "72607000": "intrathecal", "58100008": "intra-arterial",
    "38239002": "intraperitoneal", "372460008": "intracardiac",
})  # fmt: skip
"""SNOMED CT routes of which none is a kind of another."""

_NAMED: Final = re.compile(
    r"\b(intravenous|intrathecal|intra-arterial|intraperitoneal|subcutaneous|intramuscular|epidural)(?:ly)?\b"
    r"(?! (?:(?:implanted|central|venous|access) ){0,2}(?:ports?|pumps?|reservoirs?|catheters?|devices?)\b)",
    re.IGNORECASE,
)
"""Routes by name; a subcutaneous port is one to a vein."""
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
    span: Part = step.get("timing", {}).get("duration", {})
    shortest, lasts = least(span), longest(span)
    if shortest is None or lasts is None:
        return
    said = [match for match in _OVER.finditer(text) if not _is_aside(text, match)]
    times = [time for match in said for time in _times(match)]
    if not said or any(shortest.base <= time <= lasts.base for time in times):
        return
    if any(held.base in times for part in _quantities(step) if (held := amount(part)) is not None):
        return
    number, unit, *rest = said[0].groups()
    told = " ".join((number, unit, *(rest if all(rest) else ())))
    words = f"{span['value']} to {span['max']}" if "max" in span else span["value"]
    yield f"the text says over {told}; the structure says {words} {span['unit']}"


def _times(match: re.Match[str]) -> Iterator[Fraction]:
    """Yield what "over 1 hour 30 minutes" may mean: that time, or 1 hour, and something else 30 minutes before."""
    number, unit, more, minutes = match.groups()
    time = _time(number, unit)
    yield time
    if more is not None:
        yield time + _time(more, minutes)


def _is_aside(text: str, match: re.Match[str]) -> bool:
    """Return whether the words before a time, in its part of the sentence, say that it is no time of the step."""
    return _ASIDE.search(_CLAUSE.split(text[: match.start()])[-1]) is not None


def _frequency(step: Part, text: str) -> Iterator[str]:
    every = [match for match in _EVERY.finditer(text) if int(match[1]) and not _is_aside(text, match)]
    daily = [match for match in _DAILY.finditer(text) if not _is_aside(text, match)]
    often = _often(step.get("timing", {})) if every or daily else None
    if often is None:
        return
    fewest, most, structure = often
    said = [(f"every {match[1]} {match[2]}", 86_400 / _time(match[1], match[2])) for match in every]
    if most >= 1 or not _ON_DAYS.search(text):
        said += [(_plain(match), Fraction(_count(match))) for match in daily]
    if not said or any(fewest * (1 - _NEARLY) <= a_day <= most * (1 + _NEARLY) for _, a_day in said):
        return
    others = [Fraction(86_400) / held.base for part in _quantities(step) if (held := amount(part)) and held.base]
    if not any(a_day in others for _, a_day in said):
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


def _count(words: re.Match[str]) -> int:
    first = (words[1] or words[2]).lower().split()[0]
    return _TIMES[first] if first in _TIMES else int(first)


def _plain(words: re.Match[str]) -> str:
    return f"{words[1]} a day" if words[1] else words[2]
