"""The rows of a feed in the order of their moments, where the format names these.

Rows of one moment stay as they came, while they came in their order. Of one that came late nobody knows on which side
of another of its moment it belongs: it is refused, unless the format names further members that tell such rows apart.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.formats.shape import Turning, prepare
from fhir_infusion.records.moments import interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fhir_infusion.mapping.formats.groups import Feed
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.formats.undoing import Undo

Json = dict[str, Any]

LATE: Final = "this came after later rows, and another row of this record has the same moment"
_APART: Final = "rows in their order, or a further member in the `order` of the format that tells these apart"


def in_order(feed: Feed, root: Node, rows: list[Json], fillers: tuple[Any, ...]) -> list[Json]:
    """Return the rows by their moments, then by the further members of ``order``.

    Raises ``Refused``: a moment is none, what tells rows of one moment apart is no number, or nothing does.
    """
    if feed.undo is not None and any(map(feed.undo.is_beside, rows)):
        return _beside(feed.undo, rows, lambda others: in_order(feed, root, others, fillers))
    node = (root.members or {})[feed.rows]
    undone = feed.undo.undone_by(rows) if feed.undo is not None else []
    places = [_Place(node, name, root.name, fillers) for name in feed.order]
    keyed = [_keyed(places, row, position) for position, row in enumerate(rows)]
    latest: dict[str, tuple[datetime, set[Any]]] = {}
    for position, (row, place) in enumerate(zip(rows, keyed, strict=True)):
        moment, seen = latest.get(feed.key(row), (place[0], set()))
        if row.get(feed.row) in undone:
            continue
        if place[0] < moment and place in seen:
            at = f"[{position}].{readable(places[0].path)}"
            raise Refused(Issue("error", "business-rule", at, LATE, _APART, "order", BREAKS_RULE))
        seen.add(place)
        latest[feed.key(row)] = (max(moment, place[0]), seen)
    return [rows[at] for at in sorted(range(len(rows)), key=lambda at: keyed[at])]


def _beside(undo: Undo, rows: list[Json], sort: Callable[[list[Json]], list[Json]]) -> list[Json]:
    """Return rows in their order, each that only undoes others behind the row that it came after."""
    following: dict[int | None, list[Json]] = {}
    before = None
    others = []
    for row in rows:
        if undo.is_beside(row):
            following.setdefault(before, []).append(row)
        else:
            others.append(row)
            before = id(row)
    ordered = [[row, *following.get(id(row), ())] for row in sort(others)]
    return [*following.get(None, ()), *(row for several in ordered for row in several)]


def _keyed(places: list[_Place], row: Json, position: int) -> tuple[datetime, tuple[Decimal, ...]]:
    try:
        return places[0].moment(row), tuple(place.number(row) for place in places[1:])
    except Refused as refused:
        raise Refused(*(issue.under(f"[{position}]") for issue in refused.issues)) from None


class _Place:
    """A member of a row by which rows are sorted."""

    def __init__(self, rows: Node, name: str, root: str, fillers: tuple[Any, ...]) -> None:
        self._node = (rows.members or {})[name]
        self._fillers = fillers
        self.path = f"{root}.{self._node.path_name}"

    def moment(self, row: Any) -> datetime:
        """Return the moment of a row.

        Raises ``Refused``.
        """
        value = self._value(row)
        found = interval(value) if isinstance(value, str) else None
        if found is None:
            raise self._wrong("this is no moment", "a moment")
        return found[0]

    def number(self, row: Any) -> Decimal:
        """Return the number of a row.

        Raises ``Refused``.
        """
        value = self._value(row)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return Decimal(value)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value)
        raise self._wrong("rows of one moment are told apart by this, and it is no number", "a number, or digits")

    def _value(self, row: Any) -> Any:
        turn = Turning(self._fillers)
        held = row.get(self._node.name) if isinstance(row, dict) else None
        value = prepare(self._node, held, self.path, turn)
        if turn.issues:
            issue = turn.issues[0]
            raise self._wrong(issue.reason, issue.accepted)
        return value

    def _wrong(self, reason: str, accepted: str) -> Refused:
        return Refused(Issue("error", "value", readable(self.path), reason, accepted, "order"))
