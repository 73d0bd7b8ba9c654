"""Dates and times in a site's own form, and moments without an offset by the zone that the document states.

An hour that comes twice (the end of summer time) names two moments, and one that is left out names none: both are
refused, never guessed. What a form cannot show (seconds, parts of a second) is refused, never cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TOKENS: Final = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MMM": f"(?P<name>{'|'.join(_MONTHS)})",
    "MM": r"(?P<month>[0-9]{2})",
    "M": r"(?P<month>[1-9]|1[0-2])",
    "DD": r"(?P<day>[0-9]{2})",
    "D": r"(?P<day>[1-9]|[12][0-9]|3[01])",
    "HH": r"(?P<hour>[0-9]{2})",
    "H": r"(?P<hour>[0-9]|1[0-9]|2[0-3])",
    "hh": r"(?P<half>0[1-9]|1[0-2])",
    "h": r"(?P<half>[1-9]|1[0-2])",
    "mm": r"(?P<minute>[0-9]{2})",
    "ss": r"(?P<second>[0-9]{2})",
    "SSS": r"(?P<milli>[0-9]{3})",
    "A": r"(?P<noon>AM|PM)",
    "ZZ": r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})",
    "T": "T",
}
_TOKEN: Final = re.compile("|".join(sorted(_TOKENS, key=len, reverse=True)) + "|[^A-Za-z]|(?P<wrong>[A-Za-z]+)")
TOKENS: Final = ", ".join(_TOKENS)
_ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)


class NotTakenError(ValueError):
    """A value is not of the form; says why and what would be accepted, never the value."""

    def __init__(self, reason: str, accepted: str) -> None:
        """Keep both."""
        self.reason, self.accepted = reason, accepted
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Form:
    """A written form of dates or times: its text in the document, its pattern and its tokens."""

    text: str
    pattern: re.Pattern[str]
    tokens: tuple[str, ...]

    def has(self, *tokens: str) -> bool:
        """Whether the form shows one of these tokens."""
        return any(token in self.tokens for token in tokens)

    def parts(self, value: object) -> dict[str, str]:
        """Return the parts of a written value.

        Raises:
            NotTakenError: it is not of this form.
        """
        match = self.pattern.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise NotTakenError("the text is not of the form that the format states", f"text such as {self.text}")
        return {name: part for name, part in match.groupdict().items() if part is not None}

    def written(self, moment: datetime, milli: str, offset: str) -> str:
        """Return a moment in this form."""
        shown = {
            "YYYY": f"{moment.year:04}",
            "MMM": _MONTHS[moment.month - 1],
            "MM": f"{moment.month:02}",
            "M": f"{moment.month}",
            "DD": f"{moment.day:02}",
            "D": f"{moment.day}",
            "HH": f"{moment.hour:02}",
            "H": f"{moment.hour}",
            "hh": f"{(moment.hour + 11) % 12 + 1:02}",
            "h": f"{(moment.hour + 11) % 12 + 1}",
            "mm": f"{moment.minute:02}",
            "ss": f"{moment.second:02}",
            "SSS": milli,
            "A": "PM" if moment.hour >= 12 else "AM",
            "ZZ": offset,
        }
        return "".join(shown.get(token, token) for token in self.tokens)


def form(text: str) -> Form | str:
    """Return the form that a text states, or what is wrong with it."""
    pattern, tokens = "", []
    for match in _TOKEN.finditer(text):
        if match["wrong"]:
            return f"'{match['wrong']}' is no part of a date or time; accepted: {TOKENS}; a year has four digits"
        pattern += _TOKENS.get(match[0]) or re.escape(match[0])
        tokens.append(match[0])
    try:
        return Form(text, re.compile(pattern), tuple(tokens))
    except re.error:
        return f"'{text}' shows a part twice"


def zone_of(name: str) -> tzinfo | None:
    """Return the zone of a name of the IANA time zone database; ``None`` where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def read_date(form: Form, value: object) -> str:
    """Return ``YYYY-MM-DD``.

    Raises:
        NotTakenError: it is no such day.
    """
    return _day(form.parts(value)).isoformat()


def write_date(form: Form, value: object) -> str:
    """Return a day in a form.

    Raises:
        NotTakenError: the value is no whole day.
    """
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[4] is not None:
        raise NotTakenError("the format has a place for a whole day only", "YYYY-MM-DD")
    return form.written(datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC), "", "")


def read_clock(form: Form, value: object) -> str:
    """Return ``HH:MM:SS``.

    Raises:
        NotTakenError: it is no time of day.
    """
    parts = form.parts(value)
    moment = _moment({"year": "2000", "month": "01", "day": "01", **parts})
    return f"{moment:%H:%M:%S}" + (f".{parts['milli']}" if "milli" in parts else "")


def write_clock(form: Form, value: object) -> str:
    """Return a time of day in a form.

    Raises:
        NotTakenError: the form cannot show all of it.
    """
    match = _ISO.fullmatch(f"2000-01-01T{value}Z")
    if match is None:
        raise NotTakenError("this is no time of day", "hh:mm:ss")
    _demand_no_leap(match)
    return _shown(form, match, datetime(2000, 1, 1, int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC), "Z")


def read_time(form: Form, zone: tzinfo | None, value: object) -> str:
    """Return a moment with its offset: as written where the form shows it, else that of the zone.

    Raises:
        NotTakenError: it is no moment, or not one moment only.
    """
    parts = form.parts(value)
    local = _moment(parts)
    if "offset" in parts:
        offset = parts["offset"]
    elif zone is None:
        raise NotTakenError("the text has no offset, and the format states no zone", "a time with its offset")
    else:
        offset = _offset(_in_zone(local, zone))
    fraction = f".{parts['milli']}" if "milli" in parts else ""
    return f"{local:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + offset


def write_time(form: Form, zone: tzinfo | None, value: object) -> str:
    """Return a moment in a form, in the zone where the form shows no offset: the same moment.

    Raises:
        NotTakenError: the form cannot show it, or its local hour comes twice.
    """
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[4] is None:
        raise NotTakenError("the format has a place for a moment only", "a date with its time and offset")
    _demand_no_leap(match)
    moment = datetime.fromisoformat(f"{match[0][:19]}{match[8].replace('Z', '+00:00')}")
    if form.has("ZZ"):
        return _shown(form, match, moment, match[8])
    if zone is None:
        raise NotTakenError("the form shows no offset, and the format states no zone", "a format with its zone")
    local = _local(moment, zone)
    if _in_zone(local, zone) != moment:
        raise NotTakenError("the zone does not lead back to this moment", "another moment")
    return _shown(form, match, local, "")


def _demand_no_leap(match: re.Match[str]) -> None:
    if match[6] == "60":
        raise NotTakenError("the format has no place for a leap second", "seconds up to 59")


def _shown(form: Form, match: re.Match[str], moment: datetime, offset: str) -> str:
    """Return a moment in a form that shows all of it."""
    fraction = (match[7] or "").rstrip("0")
    if moment.minute and not form.has("mm"):
        raise NotTakenError("the form of the format cannot show these minutes", f"a time that {form.text} can show")
    if (moment.second and not form.has("ss")) or len(fraction) > (3 if form.has("SSS") else 0):
        raise NotTakenError("the form of the format cannot show these seconds", f"a time that {form.text} can show")
    return form.written(moment, fraction.ljust(3, "0"), offset)


def _day(parts: dict[str, str]) -> date:
    month = _MONTHS.index(parts["name"]) + 1 if "name" in parts else int(parts.get("month", 0))
    try:
        return date(int(parts.get("year", 0)), month, int(parts.get("day", 0)))
    except ValueError:
        raise NotTakenError("there is no such day", "a day of the calendar") from None


def _moment(parts: dict[str, str]) -> datetime:
    day = _day(parts)
    hour = int(parts.get("hour", 0))
    if "half" in parts:
        hour = int(parts["half"]) % 12 + (12 if parts.get("noon") == "PM" else 0)
    try:
        return datetime(day.year, day.month, day.day, hour, int(parts.get("minute", 0)), int(parts.get("second", 0)))  # noqa: DTZ001  local: the zone is what is asked for
    except ValueError:
        raise NotTakenError("there is no such time of day", "00:00:00 to 23:59:59") from None


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks of a zone show at a moment."""
    try:
        return moment.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:  # in UTC it is in the year 10000: the last evening of 9999, which often stands for no end
        if moment.replace(tzinfo=zone).utcoffset() == moment.utcoffset():
            return moment.replace(tzinfo=None)
        raise NotTakenError("in the zone of the format this moment is in no year", "years 1 to 9999") from None


def _in_zone(local: datetime, zone: tzinfo) -> datetime:
    """Return the one moment that a local time names."""
    first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local:
        reason = "the clocks went back: this hour came twice on that day, and the text does not say which is meant"
        raise NotTakenError(reason, "a time with its offset, or one outside that hour")
    raise NotTakenError("the clocks went forward: this hour did not happen on that day", "a time that happened")


def _offset(moment: datetime) -> str:
    minutes, rest = divmod(moment.utcoffset() or timedelta(), timedelta(minutes=1))
    if rest:
        raise NotTakenError("the offset of the zone on that day is no whole minute", "a later day")
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
