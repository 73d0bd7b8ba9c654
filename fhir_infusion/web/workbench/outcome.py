"""What the page shows of an item: lines and entries page by page, so that the longest input stays usable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.web.workbench.administrations import Drawn, drawn
from fhir_infusion.web.workbench.items import Item, Items
from fhir_infusion.web.workbench.looking import Entry, View
from fhir_infusion.web.workbench.shown import Row, window

if TYPE_CHECKING:
    from fhir_infusion.web.workbench.asked import Asked
    from fhir_infusion.web.workbench.shown import Side


@dataclass(frozen=True, slots=True)
class Beside:
    """An order, all that was given of it as far as it is at hand, and which of that is ``shown``."""

    order: dict[str, Any] | None = None
    administrations: tuple[dict[str, Any], ...] = ()
    shown: dict[str, Any] | None = None


LINES: Final = 800
"""Lines of JSON on one page of a side: measured, a browser lays out more than twice as many without a pause."""

ENTRIES: Final = 100
"""Lines of the ledger on one page."""

LISTED: Final = 200
"""Records of a Bundle that are listed around the one that is shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON as it is shown: its id on the page, its state, and the ids of what it belongs to."""

    id: str
    row: Row
    state: str
    joins: str


@dataclass(frozen=True, slots=True)
class Pages:
    """A part of something long: ``first`` to ``last`` (from 1) of ``count``, page ``page`` (from 0) of ``pages``.

    ``name`` is the parameter that turns the pages.
    """

    name: str
    first: int
    last: int
    count: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One side as it is shown."""

    title: str
    lines: tuple[Line, ...]
    pages: Pages


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the page shows of an input."""

    items: Items
    chosen: Item
    view: View
    source: Shown
    result: Shown
    entries: tuple[Entry, ...]
    entry_pages: Pages
    listed: tuple[tuple[int, Item], ...]
    item_pages: Pages
    drawn: Drawn = field(default_factory=Drawn)
    states: Mapping[str, int] = field(default_factory=dict)
    size: int = LINES

    @property
    def told(self) -> str:
        """What came of it, in a sentence for who cannot see the page change."""
        if self.view.issues:
            count = len(self.view.issues)
            return f"Refused: {count} {'reason' if count == 1 else 'reasons'}."
        if not self.items.items:
            return ""
        counts = ", ".join(f"{count} {state}" for state, count in self.states.items())
        findings = len(self.view.findings)
        words = f"; {findings} {'finding' if findings == 1 else 'findings'}" if findings else ""
        return f"Translated to {self.result.title}: {counts or 'nothing'}{words}."


def outcome(asked: Asked, items: Items, chosen: Item, view: View, beside: Beside) -> Outcome:
    """Return what the page shows; ``beside`` is what the courses are drawn of."""
    titles = ("Record", "FHIR") if chosen.written else (asked.format or "FHIR", "Record")
    entries = [entry for entry in view.ledger if entry.line.state in asked.states]
    first, last, pages = window(len(entries), ENTRIES, asked.page)
    at = items.items.index(chosen) if chosen in items.items else 0
    start, end, item_pages = window(len(items.items), LISTED, at // LISTED)
    return Outcome(
        items,
        chosen,
        view,
        _shown(("i", titles[0]), view.source, view.of_source, view.states, asked.lines),
        _shown(("o", titles[1]), view.result, view.of_result, {}, asked.to_lines),
        tuple(entries[first:last]),
        Pages("page", first + 1, last, len(entries), min(asked.page, pages - 1), pages),
        tuple(enumerate(items.items))[start:end],
        Pages("record", start + 1, end, len(items.items), at, item_pages),
        drawn(beside.order, beside.administrations, beside.shown),
        view.counts,
    )


def _shown(
    told: tuple[str, str], side: Side, joins: Mapping[int, set[str]], states: Mapping[int, str], wanted: int
) -> Shown:
    """Return a page of a side; ``told`` is the letter that its ids begin with, and its title."""
    letter, title = told
    first, last, pages = window(len(side.rows), LINES, wanted)
    lines: list[Line] = []
    above: list[tuple[int, str]] = []
    for at, row in enumerate(side.rows[:last]):
        while above and above[-1][0] >= row.indent:
            above.pop()
        own = " ".join(sorted(joins.get(at, ()), key=lambda one: (one[0], int(one[1:]))))
        # What has no pair of its own belongs to the pair of what it stands in.
        inherited = own or (above[-1][1] if above and row.path else "")
        if row.path:
            above.append((row.indent, inherited))
        if at >= first:
            lines.append(Line(f"{letter}{at}", row, states.get(at, ""), inherited))
    name = "lines" if letter == "i" else "to_lines"
    return Shown(title, tuple(lines), Pages(name, first + 1, last, len(side.rows), min(wanted, pages - 1), pages))
