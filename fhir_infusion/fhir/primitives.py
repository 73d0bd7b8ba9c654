"""The primitive types of FHIR: which JSON values each takes.

https://hl7.org/fhir/R4/datatypes.html#primitive. ``fault`` says what is wrong with a value; ``QUICK`` answers only
whether nothing is, as fast as can be: a truthy answer means that ``fault`` finds nothing (the reverse need not hold).
"""

from __future__ import annotations

import binascii
import re
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Fault(NamedTuple):
    """What is wrong with a primitive: issue code, reason, what is accepted."""

    code: str
    reason: str
    accepted: str


_DAY: Final = (
    r"(?:(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_MONTH_OR_YEAR: Final = r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2]))?"

INSTANT: Final = re.compile(f"{_DAY}T{_CLOCK}{_ZONE}")
DATE: Final = re.compile(f"{_DAY}|{_MONTH_OR_YEAR}")
DATE_TIME: Final = re.compile(f"{_DAY}(?:T{_CLOCK}{_ZONE})?|{_MONTH_OR_YEAR}")
TIME: Final = re.compile(_CLOCK)
ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
CODE: Final = re.compile(r"\S+(?:\s\S+)*")
URI: Final = re.compile(r"\S+")
OID: Final = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
UUID: Final = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INTEGER64: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NOT_BLANK: Final = re.compile(r"\s*\S")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

_UNSEEN: Final = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
HIDDEN: Final = re.compile(f"[{_UNSEEN}]")
"""Characters that change how text reads without being seen: bidirectional controls and zero-width ones."""

_NOT_PLAIN: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]")

_INT32: Final = 2**31
_INT64: Final = 2**63

_TEXT_FORMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = MappingProxyType(
    {
        "code": (CODE, "no space at either end and single spaces within"),
        "id": (ID, "1 to 64 letters, digits, '-' and '.'"),
        "uri": (URI, "a URI without spaces"),
        "url": (URI, "a URL without spaces"),
        "canonical": (URI, "a canonical URL without spaces"),
        "oid": (OID, "urn:oid: and a dotted number"),
        "uuid": (UUID, "urn:uuid: and a UUID in lower case"),
        "instant": (INSTANT, "YYYY-MM-DDThh:mm:ss[.sss] with Z or an offset"),
        "date": (DATE, "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists"),
        "dateTime": (DATE_TIME, "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss[.sss] with Z or an offset"),
        "time": (TIME, "hh:mm:ss[.sss]"),
        "integer64": (_INTEGER64, "a 64-bit integer as a string"),
    }
)
_INTEGERS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"integer": (-_INT32, _INT32), "unsignedInt": (0, _INT32), "positiveInt": (1, _INT32)}
)


def fault(kind: str, value: Any) -> Fault | None:
    """Return what is wrong with the JSON value of a primitive, or None."""
    found = json_kind(value)
    if kind == "boolean":
        return None if isinstance(value, bool) else Fault("value", f"{found} for a boolean", "true or false")
    if kind == "decimal":
        return None if _is_number(value) else Fault("value", f"{found} for a number", "a JSON number")
    if kind in _INTEGERS:
        return _integer_fault(value, *_INTEGERS[kind])
    if not isinstance(value, str):
        return Fault("value", f"{found} for a {kind}", "a JSON string")
    return _text_fault(kind, value)


def _text_fault(kind: str, value: str) -> Fault | None:
    if not value:
        return Fault("structure", "an empty string", "at least one character, or no property")
    if _CONTROL.search(value):
        return Fault("value", "a control character", "characters from U+0020, and tab, line feed, return")
    if not _NOT_BLANK.match(value):
        return Fault("structure", "nothing but blanks", "at least one character that is not a blank")
    if kind in _TEXT_FORMS:
        form, accepted = _TEXT_FORMS[kind]
        whole = form.fullmatch(value)
        in_range = kind != "integer64" or (whole and -_INT64 <= int(value) < _INT64)
        return None if whole and in_range else Fault("value", f"not a {kind}", accepted)
    if kind == "base64Binary" and not _is_base64(value):
        return Fault("value", "not base64", "base64, which may hold white space")
    return None


def _integer_fault(value: Any, least: int, beyond: int) -> Fault | None:
    if type(value) is not int:
        return Fault("value", f"{json_kind(value)} for an integer", "a JSON number without fraction or exponent")
    if not least <= value < beyond:
        return Fault("value", "an integer out of range", f"{least} to {beyond - 1}")
    return None


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, Decimal) and value.is_finite())


def _is_base64(value: str) -> bool:
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True


def json_kind(value: Any) -> str:
    """Return the kind of a JSON value in words: "a string"."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "a number"


# --------------------------------------------------------------------------------------------------- the quick answers


def is_plain_text(value: Any) -> bool:
    """Tell whether a string is not blank and holds neither control nor hidden characters."""
    # isprintable is the fast one; it says no to line feeds, so that the pattern is asked then.
    return (value.isprintable() or not _NOT_PLAIN.search(value)) and value != "" and not value.isspace()


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_plain_number(value: Any) -> bool:
    return type(value) is int or isinstance(value, Decimal)


def _is_positive_int(value: Any) -> bool:
    return type(value) is int and 0 < value < _INT32


def _is_unsigned_int(value: Any) -> bool:
    return type(value) is int and 0 <= value < _INT32


def _is_integer(value: Any) -> bool:
    return type(value) is int and -_INT32 <= value < _INT32


def _is_plain_base64(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.isspace() and _is_base64(value)


class _Verdicts(dict[str, bool]):
    """The answers of a pattern, kept for the short strings that come again and again: systems, urls, units, codes.

    Asked as ``verdicts[value]``, which costs a third of the pattern. Begins anew when it is full.
    """

    __slots__ = ("_matches",)

    def __init__(self, form: str) -> None:
        """Begin without any answer."""
        super().__init__()
        self._matches = re.compile(form).fullmatch

    def __missing__(self, value: str) -> bool:
        """Ask the pattern."""
        verdict = self._matches(value) is not None
        if len(value) <= _OFTEN:
            if len(self) >= _MANY:
                self.clear()
            self[value] = verdict
        return verdict


_OFTEN: Final = 128
_MANY: Final = 1024

_PLAIN_CODE: Final = _Verdicts(r"[!-~]+(?: [!-~]+)*").__getitem__
_PLAIN_URI: Final = _Verdicts(r"[!-~]+").__getitem__

QUICK: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "base64Binary": _is_plain_base64,
        "boolean": _is_boolean,
        "canonical": _PLAIN_URI,
        "code": _PLAIN_CODE,
        "date": DATE.fullmatch,
        "dateTime": DATE_TIME.fullmatch,
        "decimal": _is_plain_number,
        "id": ID.fullmatch,
        "instant": INSTANT.fullmatch,
        "integer": _is_integer,
        "integer64": re.compile(r"0|-?[1-9][0-9]{0,17}").fullmatch,
        "markdown": is_plain_text,
        "oid": OID.fullmatch,
        "positiveInt": _is_positive_int,
        "string": is_plain_text,
        "time": TIME.fullmatch,
        "unsignedInt": _is_unsigned_int,
        "uri": _PLAIN_URI,
        "url": _PLAIN_URI,
        "uuid": UUID.fullmatch,
    }
)
