"""What a simple value of each kind looks like: FHIR's own formats, so that a value means the same on both sides.

https://hl7.org/fhir/R4/datatypes.html#primitive and https://hl7.org/fhir/R5/datatypes.html#primitive. Each predicate
takes the value as parsed from JSON and never raises. Limits of length and digits are those of reliability: a string of
more than 65,536 characters or a number of more than 18 digits is refused before anything formats it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fhir_infusion.records.number import MAX_DIGITS, MAX_EXPONENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_TEXT: Final = 65_536
MAX_INT: Final = 2_147_483_647

_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]*").fullmatch
_CODE = re.compile(r"[^\s\x00-\x1f\ud800-\udfff]+(?: [^\s\x00-\x1f\ud800-\udfff]+)*").fullmatch
_URI = re.compile(r"[^\s\x00-\x1f\ud800-\udfff]+").fullmatch
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?"
_DAY = r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01])%s)?)?"
_DATE = re.compile(_DAY % "").fullmatch
_DATETIME = re.compile(_DAY % f"(?:T{_CLOCK}{_ZONE})?").fullmatch
_INSTANT = re.compile(rf"(?!0000)[0-9]{{4}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T{_CLOCK}{_ZONE}").fullmatch
_TIME = re.compile(_CLOCK).fullmatch


class Format(NamedTuple):
    """How one kind is checked, what is accepted in words, and its JSON Schema."""

    accepts: Callable[[Any], bool]
    accepted: str
    schema: Mapping[str, object]


def is_text(value: Any) -> bool:
    """FHIR string: not blank, no control characters but tab, line feed and carriage return."""
    return (
        value.__class__ is str
        and len(value) <= MAX_TEXT
        and bool(value)
        and not value.isspace()
        and (value.isprintable() or _TEXT(value) is not None)
    )


def is_code(value: Any) -> bool:
    """FHIR code: no whitespace but single blanks inside."""
    return (
        value.__class__ is str
        and bool(value)
        and len(value) <= MAX_TEXT
        and ((value.isprintable() and " " not in value) or _CODE(value) is not None)
    )


def is_uri(value: Any) -> bool:
    """FHIR uri, canonical, and the key of an element: not empty, no whitespace."""
    return (
        value.__class__ is str
        and bool(value)
        and len(value) <= MAX_TEXT
        and ((value.isprintable() and " " not in value) or _URI(value) is not None)
    )


def is_id(value: Any) -> bool:
    """FHIR id: 1 to 64 letters, digits, ``-`` and ``.``."""
    return value.__class__ is str and _ID(value) is not None


def is_number(value: Any) -> bool:
    """An exact number: int or Decimal, never float, never text; at most 18 digits and a sane exponent."""
    if value.__class__ is int:
        return -(10**MAX_DIGITS) < value < 10**MAX_DIGITS
    if not isinstance(value, Decimal):
        return False
    text = str(value)
    if len(text) <= MAX_DIGITS and text[-1:].isdigit() and "E" not in text and "e" not in text:
        return True  # by far the most numbers; as_tuple costs three times as much
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > MAX_DIGITS:
        return False
    return -MAX_EXPONENT <= (value.adjusted() if value else exponent) <= MAX_EXPONENT


def is_integer(value: Any) -> bool:
    """FHIR integer: 32 bits."""
    return value.__class__ is int and -MAX_INT - 1 <= value <= MAX_INT


def is_positive(value: Any) -> bool:
    """FHIR positiveInt."""
    return value.__class__ is int and 1 <= value <= MAX_INT


def is_unsigned(value: Any) -> bool:
    """FHIR unsignedInt."""
    return value.__class__ is int and 0 <= value <= MAX_INT


def is_flag(value: Any) -> bool:
    """FHIR boolean."""
    return value.__class__ is bool


def is_date(value: Any) -> bool:
    """FHIR date: YYYY, YYYY-MM or YYYY-MM-DD, a day that exists."""
    return value.__class__ is str and _DATE(value) is not None and _day_exists(value)


def is_datetime(value: Any) -> bool:
    """FHIR dateTime: a date, or a date with a time to the second and an offset."""
    return value.__class__ is str and _DATETIME(value) is not None and _day_exists(value)


def is_instant(value: Any) -> bool:
    """FHIR instant: a dateTime with nothing left out."""
    return value.__class__ is str and _INSTANT(value) is not None and _day_exists(value)


def is_time(value: Any) -> bool:
    """FHIR time: hh:mm:ss, no offset."""
    return value.__class__ is str and _TIME(value) is not None


def is_json(value: Any) -> bool:
    """Any JSON value whose numbers are exact."""
    kind = value.__class__
    if kind is dict:
        return all(name.__class__ is str and is_json(item) for name, item in value.items())
    if kind is list:
        return all(is_json(item) for item in value)
    return value is None or kind in {str, bool} or is_number(value)


def _day_exists(value: str) -> bool:
    day = value[8:10]
    return day <= "28" or int(day) <= monthrange(int(value[:4]), int(value[5:7]))[1]


def _pattern(pattern: str) -> dict[str, object]:
    return {"type": "string", "pattern": f"^{pattern}$"}


_NO_BLANK = {"type": "string", "pattern": r"^\S+$"}
_WORDS = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S"}
_TEXT_FORMAT = Format(is_text, "text that is not blank and has no control characters, at most 65536 characters", _WORDS)
_URI_FORMAT = Format(is_uri, "text without blanks", _NO_BLANK)

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "string": _TEXT_FORMAT,
        "markdown": _TEXT_FORMAT,
        "code": Format(is_code, "a code: no blanks at its ends, single blanks inside", _pattern(r"\S+( \S+)*")),
        "uri": _URI_FORMAT,
        "canonical": _URI_FORMAT,
        "key": _URI_FORMAT,
        "id": Format(is_id, "1 to 64 letters, digits, '-' and '.'", _pattern(r"[A-Za-z0-9\-.]{1,64}")),
        "date": Format(is_date, "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists", _pattern(_DAY % "")),
        "dateTime": Format(
            is_datetime,
            "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with an offset or Z, a day that exists",
            _pattern(_DAY % f"(?:T{_CLOCK}{_ZONE})?"),
        ),
        "instant": Format(
            is_instant, "YYYY-MM-DDThh:mm:ss with an offset or Z", {"type": "string", "format": "date-time"}
        ),
        "time": Format(is_time, "hh:mm:ss without an offset", _pattern(_CLOCK)),
        "decimal": Format(is_number, "a JSON number of at most 18 digits, not in quotes", {"type": "number"}),
        "integer": Format(
            is_integer, "a whole JSON number", {"type": "integer", "minimum": -MAX_INT - 1, "maximum": MAX_INT}
        ),
        "positiveInt": Format(
            is_positive, "a whole JSON number from 1", {"type": "integer", "minimum": 1, "maximum": MAX_INT}
        ),
        "unsignedInt": Format(
            is_unsigned, "a whole JSON number from 0", {"type": "integer", "minimum": 0, "maximum": MAX_INT}
        ),
        "boolean": Format(is_flag, "true or false", {"type": "boolean"}),
        "json": Format(is_json, "any JSON value", {}),
    }
)
"""The format of each kind of ``kinds``, by its name."""
