"""Search: what a query asks for, read strictly.

https://hl7.org/fhir/R4/search.html. A parameter or modifier that is not known is refused, never passed over: a search
that ignores ``patient=`` returns everybody. Values of one parameter, separated by commas, are alternatives; parameters
must all hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NoReturn, cast

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.fhir.index import Entry, entries
from fhir_infusion.fhir.parameters import Parameter, parameters
from fhir_infusion.fhir.primitives import ID
from fhir_infusion.fhir.references import is_unsafe, literal_type, without_version

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Criterion", "Entry", "Parameter", "Query", "Wanted", "entries", "parameters", "parse"]

Kind = Literal["token", "reference", "date", "id", "lastUpdated"]
Sort = Literal["", "_lastUpdated", "-_lastUpdated"]

PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_SORTS: Final = ("_lastUpdated", "-_lastUpdated")
_DATE: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?([0-9].*)")
_MOST_VALUES: Final = 100
_MOST_TEXT: Final = 2048


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value asked for.

    Of a token: ``system`` None means any, "" none; ``value`` None means any code of that system. Of a date: the
    stretch from ``start`` up to ``end`` (ms since 1970 UTC) and how it is compared.
    """

    prefix: str = "eq"
    system: str | None = None
    value: str | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a query: any of its values must match."""

    parameter: str
    kind: Kind
    values: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for: every criterion must hold."""

    criteria: tuple[Criterion, ...]
    sort: Sort = ""
    count: int | None = None


def parse(resource_type: str, release: str, asked: Sequence[tuple[str, str]]) -> Query:
    """Read the parameters of a search, names and values as decoded from the URL.

    Raises:
        Refused: 400 ``not-supported`` for a parameter, modifier or order that is not known; 400 ``invalid`` for a value
            that cannot be read.
    """
    known = {parameter.name: parameter for parameter in parameters(resource_type, release)}
    criteria: list[Criterion] = []
    sort: Sort = ""
    count: int | None = None
    for name, value in asked:
        if len(value) > _MOST_TEXT:
            _invalid(name, "the value is too long", f"at most {_MOST_TEXT} characters")
        if name == "_sort":
            if value not in _SORTS:
                _unknown(name, "an order that is not offered", " or ".join(_SORTS))
            sort = cast("Sort", value)
        elif name == "_count":
            count = _count(value)
        else:
            criteria.append(_criterion(name, value, known))
    return Query(tuple(criteria), sort, count)


def _criterion(name: str, value: str, known: dict[str, Parameter]) -> Criterion:
    """Read one parameter."""
    base, _, modifier = name.partition(":")
    values = _split(name, value)
    if base in {"_id", "_lastUpdated"}:
        if modifier:
            _unknown(base, "a modifier that is not offered", base)
        if base == "_id":
            return Criterion("_id", "id", tuple(_id(item) for item in values))
        return Criterion("_lastUpdated", "lastUpdated", tuple(_date(base, item) for item in values))
    parameter = known.get(base)
    if parameter is None:
        _unknown(name_in_path(base), "there is no such parameter", ", ".join(("_id", "_lastUpdated", *known)))
    if parameter.type == "reference":
        return _reference_criterion(parameter, modifier, values)
    if modifier:
        _unknown(base, "a modifier that is not offered", base)
    if parameter.type == "date":
        return Criterion(base, "date", tuple(_date(base, item) for item in values))
    return Criterion(base, "token", tuple(_token(parameter, item) for item in values))


def _reference_criterion(parameter: Parameter, modifier: str, values: Sequence[str]) -> Criterion:
    """Read a reference: its modifier is the type it points to, or ``identifier`` for a business identifier."""
    name = parameter.name
    if modifier == "identifier":
        return Criterion(f"{name}:identifier", "token", tuple(_token(parameter, item) for item in values))
    if modifier and modifier not in parameter.targets:
        _unknown(name, "a modifier that is not offered", ", ".join(("identifier", *parameter.targets)))
    targets = (modifier,) if modifier else parameter.targets
    return Criterion(name, "reference", tuple(wanted for item in values for wanted in _references(name, targets, item)))


def _references(name: str, targets: tuple[str, ...], value: str) -> list[Wanted]:
    """Read one reference; an id alone may mean each of the targets."""
    text = _unescape(value)
    if ID.fullmatch(text):
        return [Wanted(value=f"{target}/{text}") for target in targets]
    spelled = literal_type(text)
    if "|" in text and not spelled:
        _invalid(name, "a business identifier is not a reference", f"{name}:identifier=system|value")
    if is_unsafe(text) or not (spelled or text.startswith(("urn:uuid:", "urn:oid:", "http://", "https://"))):
        _invalid(name, "not a reference", "an id, Type/id or an absolute address")
    if spelled and spelled not in targets:
        _invalid(name, "a reference to another type", ", ".join(targets))
    return [Wanted(value=without_version(text))]


def _token(parameter: Parameter, value: str) -> Wanted:
    """Read ``code``, ``system|code``, ``|code`` or ``system|``."""
    system, bar, code = _cut(value)
    if not bar:
        return Wanted(value=_unescape(system))
    if not system and not code:
        _invalid(parameter.name, "neither system nor code", "system|code")
    named: str | None = _unescape(system)
    # A code element carries no system: asked for with its own, it is found by the code.
    if named in parameter.systems:
        named = None
    return Wanted(system=named, value=_unescape(code) if code else None)


def _date(name: str, value: str) -> Wanted:
    """Read a date with its prefix; ``ap`` widens it by its own length, for want of a clock."""
    found = _DATE.fullmatch(value)
    covered = stretch(found.group(2)) if found else None
    if found is None or covered is None:
        accepted = f"[{'|'.join(PREFIXES)}]YYYY[-MM[-DD[Thh:mm[:ss]Z]]]"
        _invalid(name, "not a date", accepted)
    prefix = found.group(1) or "eq"
    start, end = covered
    width = end - start if prefix == "ap" else 0
    return Wanted(prefix, start=start - width, end=end + width)


def _id(value: str) -> Wanted:
    if not ID.fullmatch(value):
        _invalid("_id", "not an id", "1 to 64 letters, digits, '-' and '.'")
    return Wanted(value=value)


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        _invalid("_count", "not a number of entries", "0 or more")
    return int(value)


def _split(name: str, value: str) -> list[str]:
    """Return the alternatives of a value: separated by commas that are not escaped."""
    ends = [at for at, sign in enumerate(value) if sign == "," and not _is_escaped(value, at)]
    parts = [value[start + 1 : end] for start, end in zip([-1, *ends], [*ends, len(value)], strict=True)]
    if not all(part.strip() for part in parts):
        _invalid(name, "an empty value", "a value")
    if len(parts) > _MOST_VALUES:
        _invalid(name, "too many values", f"at most {_MOST_VALUES}")
    return parts


def _cut(value: str) -> tuple[str, str, str]:
    r"""Cut at the first ``|`` that is not escaped (``\|``)."""
    place = next((at for at, sign in enumerate(value) if sign == "|" and not _is_escaped(value, at)), None)
    return (value, "", "") if place is None else (value[:place], "|", value[place + 1 :])


def _is_escaped(value: str, at: int) -> bool:
    before = value[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)


def _unknown(name: str, reason: str, accepted: str) -> NoReturn:
    raise Refused(Issue("error", "not-supported", name, reason, accepted, "search"))


def _invalid(name: str, reason: str, accepted: str) -> NoReturn:
    raise Refused(Issue("error", "invalid", name.partition(":")[0], reason, accepted, "search"))
