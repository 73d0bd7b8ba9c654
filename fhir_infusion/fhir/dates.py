"""Dates and times as stretches of time: 2024-05 is the whole of May.

https://hl7.org/fhir/R4/search.html#date. Pure arithmetic, without a clock and without a time zone but the one stated;
a day or month without an offset is counted in UTC. A stretch is half-open, in milliseconds since 1970-01-01T00:00Z.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

BEGINNING: Final = -(2**62)
"""Start of a stretch without a start."""

END: Final = 2**62
"""End of a stretch without an end."""

_MOMENT: Final = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_DAYS_TO_1970: Final = 719_468 + 1
_MINUTE: Final = 60_000
_DAY: Final = 24 * 60 * _MINUTE
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class Stretch(NamedTuple):
    """From ``start`` up to, not including, ``end``."""

    start: int
    end: int


def moment(text: str) -> tuple[int, Decimal]:
    """Return a comparable instant of a dateTime that has a time: minutes in UTC, and seconds with every digit."""
    zone = "+00:00" if text[-1] == "Z" else text[-6:]
    seconds = Decimal(text[17 : -1 if text[-1] == "Z" else -6])
    minutes = int(text[11:13]) * 60 + int(text[14:16]) - _offset(zone)
    return days(int(text[:4]), int(text[5:7]), int(text[8:10])) * 1440 + minutes, seconds


def days(year: int, month: int, day: int) -> int:
    """Return the number of a day since 1970-01-01, by the Gregorian rule."""
    # Counted in years that begin in March, so that a leap day is the last one.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    count = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day
    return count - _DAYS_TO_1970


def stretch(text: str) -> Stretch | None:
    """Return the stretch that a date, dateTime or instant covers; None where it is none, or not a day that exists."""
    quick = _whole_second(text)
    if quick is not None:
        return quick
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month) or year == 0:
        return None
    midnight = days(year, month, day) * _DAY
    if found["hour"] is None:
        return Stretch(midnight, _next_day(year, found["month"], found["day"]) * _DAY)
    return _time_stretch(midnight, found)


def _whole_second(text: str) -> Stretch | None:
    """Return the stretch of a date and time to the second, as most are written; None of all else, or in doubt."""
    if len(text) == 25:
        if text[22] != ":" or text[19] not in "+-" or text[20:22] >= "14" or text[23] > "5":
            return None
    elif len(text) != 20 or text[19] != "Z":
        return None
    if text[4] != "-" or text[7] != "-" or text[10] != "T" or text[13] != ":" or text[16] != ":":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    start = (moment - _EPOCH) // _SECOND * 1000
    return Stretch(start, start + 1000)


def _time_stretch(midnight: int, found: re.Match[str]) -> Stretch | None:
    hour, minute, zone = int(found["hour"]), int(found["minute"]), found["zone"] or "Z"
    second = Decimal(found["second"] or 0)
    if hour > 23 or minute > 59 or second >= 61 or (zone != "Z" and not _is_zone(zone)):
        return None
    start = midnight + (hour * 60 + minute - _offset(zone)) * _MINUTE + int(second * 1000)
    if found["second"] is None:
        return Stretch(start, start + _MINUTE)
    digits = len(found["second"].partition(".")[2])
    return Stretch(start, start + max(1, 1000 // 10 ** min(digits, 3)))


def _next_day(year: int, month: str | None, day: str | None) -> int:
    """Return the day after a year, month or day."""
    if month is None:
        return days(year + 1, 1, 1)
    if day is None:
        return days(year + 1, 1, 1) if month == "12" else days(year, int(month) + 1, 1)
    return days(year, int(month), int(day)) + 1


def _days_in(year: int, month: int) -> int:
    return days(year + month // 12, month % 12 + 1, 1) - days(year, month, 1)


def _is_zone(zone: str) -> bool:
    return int(zone[1:3]) <= 14 and int(zone[4:6]) <= 59


def _offset(zone: str) -> int:
    """Return the minutes that a zone is ahead of UTC."""
    if zone == "Z":
        return 0
    return (int(zone[1:3]) * 60 + int(zone[4:6])) * (-1 if zone[0] == "-" else 1)
