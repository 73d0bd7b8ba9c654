"""How the values of a member are most likely spelled, with the reason of each guess."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhir_infusion.mapping.formats import times

_FORMS: Final = (
    "YYYYMMDDHHmmss",
    "YYYY-MM-DD HH:mm:ss",
    "YYYY-MM-DD HH:mm",
    "YYYY-MM-DD HH.mm",
    "YYYY/MM/DD HH:mm:ss",
    "YYYY/MM/DD HH:mm",
    "YYYY/MM/DD HH.mm",
    "YYYY/MM/DD",
    "DD.MM.YYYY HH:mm:ss",
    "DD.MM.YYYY HH.mm",
    "DD.MM.YYYY HH:mm",
    "DD.MM.YYYY",
    "YYYYMMDD",
)
_SLASHED: Final = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}( .*)?")
_ISO_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK: Final = re.compile(r"[0-2][0-9]:[0-5][0-9]")
_DOTTED: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_COMMA: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:,[0-9]+)?")
_DIGITS: Final = re.compile(r"[0-9]+")
_FLAGS: Final = ({"Y", "N"}, {"J", "N"}, {"yes", "no"}, {"ja", "nein"}, {"T", "F"}, {"0", "1"})


@dataclass(frozen=True, slots=True)
class Guess:
    """A likely spelling, and why; one that begins with ``?`` is a decision for a person."""

    spelling: str
    why: str


def spelling_of(values: list[Any]) -> Guess:
    """Return how values are most likely spelled, and why."""
    kinds = {type(value) for value in values}
    if not values:
        return Guess("? how it is spelled", "nothing but fillers in the samples")
    if kinds == {bool}:
        return Guess("flag", "true and false")
    if kinds <= {int, Decimal}:
        return (
            Guess("number", "JSON numbers")
            if Decimal in kinds
            else Guess("whole", "whole JSON numbers; number where it may have a fraction, digits where it is a name")
        )
    if kinds != {str}:
        return Guess("kept", "values of several kinds")
    return _text_spelling(values)


def _text_spelling(values: list[str]) -> Guess:
    every = set(values)
    for mark, pattern, name in ((",", _COMMA, "decimal-comma"), (".", _DOTTED, "decimal-text")):
        if any(mark in value for value in every) and all(map(pattern.fullmatch, every)):
            return Guess(name, f"digits, some with '{mark}'")
    for pattern, name, why in _PATTERNS:
        if all(map(pattern.fullmatch, every)):
            return Guess(name, why)
    if all(map(_SLASHED.fullmatch, every)):
        return _slashed(every)
    for text in _FORMS:
        form = times.form(text)
        if not isinstance(form, str) and all(_is_day(form, value) for value in every):
            return Guess(f"{'time' if 'HH' in text else 'date'}({text})", "each value is one")
    return _flags(every)


_PATTERNS: Final = (
    (_ISO_TIME, "iso-time", "moments with an offset"),
    (_ISO_DATE, "iso-date", "days"),
    (_CLOCK, "clock(HH:mm)", "times of day"),
)


def _flags(every: set[str]) -> Guess:
    pair = next((pair for pair in _FLAGS if every == pair), None)
    if pair is None and all(map(_DIGITS.fullmatch, every)):
        return Guess("text", "digits: decimal-text, decimal-comma or whole-text where it is an amount")
    if pair is None:
        return Guess("text", "any text")
    yes = next(iter(pair & {"Y", "J", "yes", "ja", "T", "1"}))
    return Guess(f"flag({yes},{next(iter(pair - {yes}))})", "no other values")


def _slashed(every: set[str]) -> Guess:
    """Return the form of days with slashes only where the samples tell which of day and month comes first."""
    first = max(int(value[:2]) for value in every)
    second = max(int(value[3:5]) for value in every)
    day = "DD/MM/YYYY" if first > 12 else "MM/DD/YYYY" if second > 12 else ""
    if not day:
        return Guess("? date(DD/MM/YYYY) or date(MM/DD/YYYY)", "no sample tells which of day and month comes first")
    rest = {value[10:] for value in every}
    if rest == {""}:
        return Guess(f"date({day})", "a number beyond 12 tells the day")
    return Guess(
        f"time({day} {'hh:mm A' if all('M' in one for one in rest) else 'HH:mm'})", "a number beyond 12 tells the day"
    )


def _is_day(form: times.Form, value: str) -> bool:
    try:
        form.parts(value)
        times.read_date(form, value) if not form.has("HH") else None
    except times.NotTakenError:
        return False
    return True


def is_moment(values: list[Any]) -> bool:
    """Whether values are most likely days or times."""
    return spelling_of(values).spelling.startswith(("time", "date", "clock", "iso", "? date"))
