"""How a site spells a value: the codecs that a ``shape`` may name, each with its law.

``write(read(x)) == x`` for each x that is taken. A value that would not come back as it was written is refused with
its place, whatever its codec makes of it, so that no digit and no blank is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats import times
from fhir_infusion.mapping.formats.times import NotTakenError
from fhir_infusion.records.equality import same
from fhir_infusion.records.formats import is_number
from fhir_infusion.records.number import MAX_DIGITS, beyond_limits, from_spelling, spelling_of

if TYPE_CHECKING:
    from datetime import tzinfo

Convert = Callable[[Any], Any]
Groups = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Table name -> the site's code -> what it says, member by member."""

SITE_FITS: Final[Mapping[str, frozenset[str]]] = {
    **{kind: frozenset({"string"}) for kind in ("string", "markdown", "code", "uri", "canonical", "id", "key", "json")},
    "decimal": frozenset({"decimal", "whole"}),
    **{kind: frozenset({"whole"}) for kind in ("positiveInt", "unsignedInt", "integer")},
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "dateTime": frozenset({"dateTime", "date"}),
    "instant": frozenset({"dateTime"}),
    "time": frozenset({"time"}),
}
"""Which types of a shape a record kind fits."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """A two-way conversion between the site's JSON value and a typed one.

    ``type`` is what the typed value is; ``members`` are those of a group that a code stands for.
    """

    name: str
    type: str
    read: Convert
    write: Convert
    members: Mapping[str, str] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()

    def take(self, value: Any) -> Any:
        """Return the typed value.

        Raises:
            NotTakenError: the value is not of this spelling, or would not come back as it was written.
        """
        typed = self.read(value)
        if not same(self.write(typed), value):
            raise NotTakenError("the value would not come back as it was written", f"the usual form of {self.name}")
        return typed


def _demand(reason: str, accepted: str, *, holds: bool) -> None:
    if not holds:
        raise NotTakenError(reason, accepted)


def _text(value: Any) -> str:
    _demand("this is no text", "text", holds=isinstance(value, str))
    return str(value)


def _flag(value: Any) -> bool:
    _demand("this is neither true nor false", "true or false", holds=isinstance(value, bool))
    return bool(value)


def _number(value: Any) -> Any:
    accepted = f"a JSON number of at most {MAX_DIGITS} digits, not in quotes"
    _demand("this is no number", accepted, holds=is_number(value) and not isinstance(value, bool))
    return value


def _whole(value: Any) -> int:
    _demand("this is no whole number", "a whole JSON number", holds=type(value) is int and is_number(value))
    return int(value)


_ESCAPES: Final = {"E": "\\", "F": "|", "S": "^", "T": "&", "R": "~", ".br": "\n"}
_ESCAPED: Final = re.compile(r"\\([^\\]*)\\")
_TO_ESCAPE: Final = re.compile(r"[\\|^&~\n]")


def _read_escaped(value: Any) -> str:
    text = _text(value)
    accepted = "\\F\\, \\S\\, \\T\\, \\R\\, \\E\\ and \\.br\\, and no other"
    fits = "\\" not in _ESCAPED.sub(lambda found: "" if found[1] in _ESCAPES else "\\", text)
    _demand("this text has an escape that is not known", accepted, holds=fits)
    return _ESCAPED.sub(lambda found: _ESCAPES[found[1]], text)


def _write_escaped(value: Any) -> str:
    names = {mark: name for name, mark in _ESCAPES.items()}
    return _TO_ESCAPE.sub(lambda found: f"\\{names[found[0]]}\\", _text(value))


_LONGEST: Final = 64
_DECIMAL: Final = {mark: re.compile(rf"-?(?:0|[1-9][0-9]*)(?:{re.escape(mark)}[0-9]+)?") for mark in ".,"}


def _read_decimal(mark: str, value: Any) -> Any:
    accepted = f"digits in quotes with '{mark}' before the fraction, no blank and no other mark, such as 1{mark}50"
    fits = isinstance(value, str) and len(value) <= _LONGEST and _DECIMAL[mark].fullmatch(value) is not None
    fits = fits and not beyond_limits(value.replace(mark, "."))
    _demand("this is no number in text", accepted, holds=fits)
    return from_spelling(value.replace(mark, ".")) if mark in value else int(value) if value != "-0" else Decimal("-0")


def _write_decimal(mark: str, value: Any) -> str:
    text = spelling_of(_number(value))
    _demand("the format has no place for a power of ten", "plain digits", holds="e" not in text.lower())
    return text.replace(".", mark)


def _read_whole(value: Any) -> int:
    fits = isinstance(value, str) and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) is not None
    _demand("this is no whole number in text", "digits in quotes, without leading zeros", holds=fits)
    return int(value)


def _write_whole(value: Any) -> str:
    return str(_whole(value))


def _read_digits(value: Any) -> str:
    return str(_whole(value))


def _write_digits(value: Any) -> int:
    fits = isinstance(value, str) and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) is not None
    _demand("the format has a place for a number only", "digits", holds=fits)
    return int(value)


def _iso(value: Any) -> str:
    return _text(value)


def _column(name: str, table: Mapping[Any, Any], value: Any) -> Any:
    known = isinstance(value, (str, bool)) and value in table
    _demand(f"this is none of the {name} of the format", ", ".join(map(str, table)), holds=known)
    return table[value]


def _group(name: str, table: Mapping[str, Mapping[str, Any]]) -> Spelling | str:
    """Return the spelling of a code that stands for several members at once."""
    types: dict[str, str] = {}
    lists: set[str] = set()
    for said in table.values():
        for member, value in said.items():
            held = value[0] if isinstance(value, list) and value else value
            kind = _kind(held)
            if types.setdefault(member, kind) != kind:
                types[member] = "decimal" if {types[member], kind} <= {"decimal", "whole"} else "string"
            if isinstance(value, list):
                lists.add(member)
    whole = list(table.values())
    for position, said in enumerate(whole):
        if any(same(said, other) for other in whole[:position]):
            return f"two codes of '{name}' say the same, so there is no way back"

    def write(value: Any) -> str:
        found = next((code for code, said in table.items() if same(said, value)), None)
        _demand(f"no code of the {name} of the format says this", ", ".join(table), holds=found is not None)
        return str(found)

    return Spelling(f"table({name})", "group", partial(_column, name, table), write, types, frozenset(lists))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "whole"
    return "decimal" if isinstance(value, Decimal) else "string"


SIMPLE: Final[Mapping[str, Spelling]] = {
    "text": Spelling("text", "string", _text, _text),
    "hl7-text": Spelling("hl7-text", "string", _read_escaped, _write_escaped),
    "number": Spelling("number", "decimal", _number, _number),
    "whole": Spelling("whole", "whole", _whole, _whole),
    "flag": Spelling("flag", "boolean", _flag, _flag),
    "decimal-text": Spelling("decimal-text", "decimal", partial(_read_decimal, "."), partial(_write_decimal, ".")),
    "decimal-comma": Spelling("decimal-comma", "decimal", partial(_read_decimal, ","), partial(_write_decimal, ",")),
    "whole-text": Spelling("whole-text", "whole", _read_whole, _write_whole),
    "digits": Spelling("digits", "string", _read_digits, _write_digits),
    "iso-time": Spelling("iso-time", "dateTime", _iso, _iso),
    "iso-date": Spelling("iso-date", "date", _iso, _iso),
}
"""The codecs without parameters."""

KEPT: Final = "kept"
"""What a shape calls a member that says nothing to a record: it goes back as it came."""

ACCEPTED: Final = ", ".join((*SIMPLE, KEPT, "flag(YES,NO)", "date(FORM)", "time(FORM)", "clock(FORM)", "table(NAME)"))

_CALL: Final = re.compile(r"(flag|date|time|clock|table)\((.+)\)")


def spelling(text: str, zone: tzinfo | None, tables: Groups) -> Spelling | str:
    """Return the codec that a shape names, or what is wrong with it."""
    match = _CALL.fullmatch(text)
    if match is None:
        return SIMPLE.get(text) or f"'{text}' is no spelling of a value; accepted: {ACCEPTED}"
    name, given = match[1], match[2]
    if name == "table":
        if given in tables:
            return _group(given, tables[given])
        return f"there is no table '{given}'; accepted: {', '.join(sorted(tables)) or 'none is there'}"
    if name == "flag":
        return _flags(text, given)
    form = times.form(given)
    return form if isinstance(form, str) else _of_form(name, text, form, zone)


def _flags(text: str, given: str) -> Spelling | str:
    yes, comma, no = given.partition(",")
    if not comma or yes == no or not yes or not no or "," in no:
        return f"'{text}' names the text for yes and the text for no; accepted: flag(Y,N)"
    column = partial(_column, "flags", {yes: True, no: False})
    return Spelling(text, "boolean", column, partial(_column, "flags", {True: yes, False: no}))


def _of_form(name: str, text: str, form: times.Form, zone: tzinfo | None) -> Spelling | str:
    day = form.has("YYYY") and form.has("MM", "M", "MMM") and form.has("DD", "D")
    clock = form.has("HH", "H") or (form.has("hh", "h") and form.has("A"))
    wanted, what = _WANTED[name]
    stray = {"date": ("HH", "H", "hh", "h", "mm", "ss", "SSS", "A", "ZZ"), "clock": (*_DAY_PARTS, "ZZ")}.get(name, ())
    if (day, clock) != wanted or form.has(*stray):
        return f"'{text}' {what}"
    if name == "date":
        return Spelling(text, "date", partial(times.read_date, form), partial(times.write_date, form))
    if name == "clock":
        return Spelling(text, "time", partial(times.read_clock, form), partial(times.write_clock, form))
    if zone is None and not form.has("ZZ"):
        return f"'{text}' shows no offset; accepted: a `zone` at the head of the format, or ZZ in the form"
    return Spelling(text, "dateTime", partial(times.read_time, form, zone), partial(times.write_time, form, zone))


_DAY_PARTS: Final = ("YYYY", "MMM", "MM", "M", "DD", "D")
_WANTED: Final = {
    "date": ((True, False), "is a whole day; accepted: year, month and day, such as date(DD.MM.YYYY)"),
    "clock": ((False, True), "is a time of day; accepted: hour and minute, such as clock(HH:mm)"),
    "time": ((True, True), "is a moment; accepted: day and time of day, such as time(DD.MM.YYYY HH:mm)"),
}
