"""Search: what a query asks for, read strictly.

https://hl7.org/fhir/R4/search.html. A parameter or modifier that is not known is refused, never passed over. Values of
one parameter, separated by commas, are alternatives; parameters must all hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast, get_args

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.criteria import OF_EVERY_TYPE, criterion, modifiers
from fhir_infusion.fhir.index import Entry, entries
from fhir_infusion.fhir.parameters import TYPES, Parameter, parameters
from fhir_infusion.fhir.query import (
    Chain,
    Condition,
    Criterion,
    Either,
    Has,
    Include,
    Missing,
    Query,
    SortKey,
    Total,
    Wanted,
)
from fhir_infusion.fhir.wanted import Here, invalid, split, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "OF_EVERY_TYPE", "Chain", "Condition", "Criterion", "Either", "Entry", "Has", "Include", "Missing", "Parameter",
    "Query", "SortKey", "Wanted", "entries", "includes_of", "modifiers", "parameters", "parse", "reverse_includes_of",
]  # fmt: skip

SORTED: Final = ("date", "token", "string", "uri")
"""The kinds of parameters that an order may be by."""

_INCLUDES: Final = ("_include", "_include:iterate", "_revinclude", "_revinclude:iterate")
_MOST_KEYS: Final = 4
_MOST_PARAMETERS: Final = 100
"""Each is a question to the database of its own; two thousand keep it for half a minute."""


def parse(resource_type: str, release: str, asked: Sequence[tuple[str, str]], home: str = "") -> Query:
    """Read the parameters of a search, names and values as decoded from the URL.

    Args:
        resource_type: what is searched for.
        release: whose parameters are asked.
        asked: names and values.
        home: our own address; a reference below it is one to what is kept here.

    Raises:
        Refused: 400 ``not-supported`` for a parameter, modifier or order that is not known; 400 ``invalid`` for a value
            that cannot be read; 400 ``too-costly`` for too many of them.
    """
    if len(asked) > _MOST_PARAMETERS:
        accepted = f"at most {_MOST_PARAMETERS}"
        raise Refused(Issue("error", "too-costly", "", "too many parameters", accepted, "search"))
    here = Here(release, home)
    criteria: list[Condition] = []
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Total = "none"
    includes: list[Include] = []
    for name, value in asked:
        if name == "_sort":
            # Each further one sorts what is equal in those before it, as a further key of one would.
            sort = _sort(resource_type, release, value, sort)
        elif name == "_count":
            count = _count(value)
        elif name == "_total":
            if value not in get_args(Total):
                invalid(name, "not a way to count", ", ".join(get_args(Total)))
            total = cast("Total", value)
        elif name in _INCLUDES:
            includes += _include(resource_type, release, name, value)
        elif name.startswith(("_include", "_revinclude")):
            unknown(name.partition(":")[0], "a modifier that is not offered", "iterate")
        else:
            criteria.append(criterion(resource_type, name, value, here))
    return Query(tuple(criteria), sort, count, tuple(dict.fromkeys(includes)), total)


def includes_of(resource_type: str, release: str) -> tuple[str, ...]:
    """Return what ``_include`` takes of a type: its references to what is kept."""
    known = (one for one in parameters(resource_type, release) if one.kind == "reference")
    return tuple(one.name for one in known if not one.targets or TYPES & set(one.targets))


def reverse_includes_of(resource_type: str, release: str) -> tuple[str, ...]:
    """Return what ``_revinclude`` takes for a type, such as ``Provenance:target``."""
    return tuple(
        f"{source}:{one.name}"
        for source in sorted(TYPES)
        for one in parameters(source, release)
        if one.kind == "reference" and (not one.targets or resource_type in one.targets)
    )


def _sort(resource_type: str, release: str, value: str, before: Sequence[SortKey]) -> tuple[SortKey, ...]:
    known = {one.name: one for one in parameters(resource_type, release) if one.kind in SORTED}
    keys = [*before]
    for item in split("_sort", value):
        name, descending = item.removeprefix("-"), item.startswith("-")
        if name in OF_EVERY_TYPE:
            keys.append(SortKey(name, "id" if name == "_id" else "lastUpdated", descending))
        elif name in known:
            keys.append(SortKey(known[name].key, known[name].kind, descending))
        else:
            unknown("_sort", "an order that is not offered", ", ".join((*OF_EVERY_TYPE, *known)))
    if len(keys) > _MOST_KEYS:
        invalid("_sort", "too many keys", f"at most {_MOST_KEYS}")
    return tuple(keys)


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        invalid("_count", "not a number of entries", "0 or more")
    return int(value)


def _include(resource_type: str, release: str, name: str, value: str) -> list[Include]:
    """Read ``Source:parameter``, ``Source:parameter:Target``, ``Source:*`` or ``*``."""
    base, _, modifier = name.partition(":")
    reverse, iterate = base == "_revinclude", modifier == "iterate"
    if value == "*":
        sources = sorted(TYPES) if reverse or iterate else [resource_type]
        return [Include(source, None, "", reverse, iterate) for source in sources]
    source, _, rest = value.partition(":")
    through, _, target = rest.partition(":")
    if source not in TYPES or not through:
        unknown(base, "not a type that is kept and a reference of it", "Type:parameter, Type:parameter:Target, Type:*")
    if not reverse and not iterate and source != resource_type:
        invalid(base, "the references of another type than is searched for", f"{resource_type}:…, or {base}:iterate")
    if through == "*":
        return [Include(source, None, target, reverse, iterate)]
    known = {one.name: one for one in parameters(source, release) if one.kind == "reference"}
    parameter = known.get(through)
    if parameter is None:
        unknown(base, "there is no such reference", ", ".join(f"{source}:{one}" for one in known))
    if target and parameter.targets and target not in parameter.targets:
        unknown(base, "a type that it does not refer to", ", ".join(parameter.targets))
    return [Include(source, parameter.key, target, reverse, iterate)]
