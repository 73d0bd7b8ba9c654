"""FHIR dates and times compared only as far as their precision allows.

``2024-03`` is any moment of that month, and a day without an offset may lie anywhere on Earth beside a time with one,
so a dateTime stands for an interval of moments; one is after another only when no reading says otherwise.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

_FARTHEST = timedelta(hours=14)
"""No place on Earth is farther from UTC."""

_SECOND = timedelta(seconds=1)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def interval(value: str, margin: timedelta = _FARTHEST) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment that a FHIR date or dateTime may mean; ``None`` at the ends of time."""
    year, month, day = int(value[:4]), int(value[5:7] or 1), int(value[8:10] or 1)
    try:
        if "T" in value:
            moment = _moment(value)
            return moment, moment
        last_month = month if len(value) > 4 else 12
        last_day = day if len(value) > 7 else monthrange(year, last_month)[1]
        last = datetime(year, last_month, last_day, 23, 59, 59, 999_999, tzinfo=UTC)
        return datetime(year, month, day, tzinfo=UTC) - margin, last + margin
    except OverflowError:
        return None


def is_after(value: str, other: str) -> bool:
    """Return whether a dateTime is certainly after another. Two dates without a time are taken to be of one place."""
    margin = _FARTHEST if "T" in value or "T" in other else timedelta(0)
    left, right = interval(value, margin), interval(other, margin)
    return left is not None and right is not None and left[0] > right[1]


def seconds_between(start: str, end: str) -> Fraction | None:
    """Return the exact seconds between two dateTimes that state the time of day, else ``None``."""
    first, last = seconds_of(start), seconds_of(end)
    return None if first is None or last is None else Fraction(last - first)


def seconds_of(value: str) -> int | Fraction | None:
    """Return the exact seconds of a dateTime that states the time of day, since one moment for all; else ``None``."""
    found = interval(value) if "T" in value else None
    if found is None:
        return None
    whole = (found[0].replace(microsecond=0) - _FIRST) // _SECOND
    return whole + _fraction(value) if "." in value else whole


def _moment(value: str) -> datetime:
    if "." not in value and ":60" not in value:
        return datetime.fromisoformat(value)
    text = value.replace(":60", ":59")  # datetime knows no leap second; it counts as the second before
    zone = text.rindex("Z") if text.endswith("Z") else max(text.rfind("+"), text.rfind("-", 11))
    clock = text[:zone].split(".")[0]
    fraction = _fraction(value)
    plain = datetime.fromisoformat(clock + ("+00:00" if text[zone] == "Z" else text[zone:]))
    return (plain + timedelta(microseconds=int(fraction * 1_000_000))).astimezone(UTC)


def _fraction(value: str) -> Fraction:
    """Return the part of a second, exactly: FHIR allows more digits than datetime holds."""
    _, dot, rest = value.partition(".")
    digits = rest[: next((at for at, letter in enumerate(rest) if not letter.isdigit()), len(rest))]
    return Fraction(Decimal(f"0.{digits}")) if dot else Fraction(0)
