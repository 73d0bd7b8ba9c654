"""What a search or a history asks for.

https://hl7.org/fhir/R4/search.html

Taken are ``identifier`` (a list is an OR), ``_id`` (as well), ``_lastUpdated`` (again and again is an AND), ``_sort``
by ``_lastUpdated`` or ``_id``, ``_count``, ``_summary=count``; of a history ``_since`` and ``_count``. Anything else is
refused, for leaving a condition out would show what was not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.simulated.state import Version, identifiers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEARCHED: Final = ("identifier", "_id", "_lastUpdated", "_sort", "_count", "_summary", "_format")
TOLD: Final = ("_since", "_count", "_format")
OFFSET: Final = "_offset"
"""Where a page begins; only next links have it."""
_UNESCAPED: Final = re.compile(r"\\([\\|,$])")
_COMMA: Final = re.compile(r"(?<!\\),")
_BAR: Final = re.compile(r"(?<!\\)\|")
_DATED: Final = re.compile(r"(eq|ne|ge|gt|le|lt|sa|eb)?(.+)")


@dataclass(frozen=True, slots=True)
class Query:
    """A search. ``tests`` all have to hold; ``sort`` is "" where no order is asked for, ``count`` -1 for no size."""

    tests: tuple[Callable[[Version], bool], ...] = ()
    sort: str = ""
    count: int = -1
    offset: int = 0
    only_total: bool = False


def searched(asked: Sequence[tuple[str, str]]) -> Query:
    """Return what the parameters of a search ask for.

    Raises:
        Refused: 400, with what would be accepted.
    """
    tests: list[Callable[[Version], bool]] = []
    sort, count, offset, only_total = "", -1, 0, False
    for name, value in asked:
        match name:
            case "identifier":
                tests.append(_identified(value))
            case "_id":
                ids = frozenset(value.split(","))
                tests.append(lambda version, ids=ids: version.id in ids)  # type: ignore[misc]  # mypy knows no default of a lambda
            case "_lastUpdated":
                tests.append(_dated(value))
            case "_sort" if value.removeprefix("-") in {"_lastUpdated", "_id"}:
                sort = value
            case "_count" if value.isascii() and value.isdigit():
                count = int(value[:9])
            case "_summary" if value in {"count", "false"}:
                only_total = value == "count"
            case "_offset" if value.isascii() and value.isdigit():
                offset = int(value[:9])
            case "_format":
                continue
            case _:
                raise refused(SEARCHED)
    return Query(tuple(tests), sort, count, offset, only_total)


def told(asked: Sequence[tuple[str, str]]) -> Query:
    """Return what the parameters of a history ask for.

    Raises:
        Refused: 400, with what would be accepted.
    """
    if any(name not in {*TOLD, OFFSET} for name, _ in asked):
        raise refused(TOLD)
    renamed = [("_lastUpdated", f"ge{value}") if name == "_since" else (name, value) for name, value in asked]
    return searched(renamed)


def found(query: Query, versions: Iterable[Version]) -> list[Version]:
    """Return the versions that a query asks for, all of them, in the order that it asks for."""
    matching = [version for version in versions if all(test(version) for test in query.tests)]
    if query.sort:
        by_date = query.sort.endswith("_lastUpdated")
        matching.sort(key=lambda one: one.moment.isoformat() if by_date else one.id, reverse=query.sort[0] == "-")
    return matching


def _identified(value: str) -> Callable[[Version], bool]:
    wanted = [_token(one) for one in _COMMA.split(value)]

    def test(version: Version) -> bool:
        named = identifiers(version.resource or {})
        return any(
            (system is None or system == has_system) and code in {"", has_value}
            for system, code in wanted
            for has_system, has_value in named
        )

    return test


def _token(text: str) -> tuple[str | None, str]:
    """Return system and value; the system is None where any will do, the value "" likewise."""
    parts = [_UNESCAPED.sub(r"\1", part) for part in _BAR.split(text, maxsplit=1)]
    if not any(parts):
        raise refused(("identifier=system|value",))
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _dated(value: str) -> Callable[[Version], bool]:
    matched = _DATED.fullmatch(value)
    asked = stretch(matched[2].replace(" ", "+")) if matched else None
    if matched is None or asked is None:
        raise refused(("_lastUpdated with a prefix and a date",))
    start, end, prefix = asked.start, asked.end, matched[1] or "eq"

    def test(version: Version) -> bool:
        at = round(version.moment.timestamp() * 1000)
        return {
            "eq": start <= at < end,
            "ne": not start <= at < end,
            "ge": at >= start,
            "gt": at >= end,
            "sa": at >= end,
            "le": at < end,
            "lt": at < start,
            "eb": at < start,
        }[prefix]

    return test


def refused(accepted: Sequence[str]) -> Refused:
    """Return the refusal of a parameter, or of its value."""
    reason = "a parameter or its value is not supported"
    return Refused(Issue("error", "not-supported", "", reason, ", ".join(accepted)))


def refused_body() -> Refused:
    """Return the refusal of a body that is not of the type that the address names."""
    return Refused(Issue("error", "invalid", "", "not a resource of the type of the address"))
