"""Whether a page without a next link is the end of a feed, and what to ask for where it may not be. Pure.

Some servers give no next link at all, and some cap pages below what was asked. So a page that is full, or that the
server's total exceeds, or that has a round number of rows, is followed by the question for what its last row begins.
Where a page holds one instant only, that leads nowhere: larger pages are tried, then it is trouble, and nothing is
skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from fhir_infusion.sync import moments
from fhir_infusion.sync.replies import Doubtful

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.sync.replies import Listed

PAGE: Final = 200
LARGER: Final = (1000, 5000)
ROUND: Final = 10
"""A cap that a server sets is a multiple of this."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: from which instant on ("" is from the beginning), and how many rows at most.

    ``got`` is how many came to the question before, from the same instant but for fewer rows.
    """

    since: str = ""
    count: int = PAGE
    got: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """Nothing follows."""


Step: TypeAlias = Ask | End | Doubtful


IDLE: Final = 100
"""So many pages in a row may bring nothing that the one before did not."""
CIRCLE: Final = Doubtful("next links that lead nowhere")


@dataclass(slots=True)
class Trail:
    """The next links of one reading: one that comes again leads in a circle, and many for nothing lead nowhere."""

    _links: set[str] = field(default_factory=set)
    _before: frozenset[tuple[str, str]] = frozenset()
    _idle: int = 0

    def leads_on(self, page: Listed) -> bool:
        """Say whether to follow the next link of a page."""
        brought = frozenset((entry.stamp.id, entry.stamp.version_id) for entry in page.entries)
        self._idle = self._idle + 1 if brought <= self._before and not page.deleted else 0
        self._before = brought
        is_new = page.following not in self._links
        self._links.add(page.following)
        return is_new and self._idle < IDLE


def following(  # noqa: PLR0911  each return is one case of the text above
    ask: Ask, page: Listed, total: Callable[[Ask], int | None]
) -> Step:
    """Return what to ask after a page without next link; ``total`` asks the server how many there are."""
    rows = len(page.entries)
    cut = rows >= ask.count or (page.total is not None and page.total > rows)
    perhaps = page.total is None and rows > 0 and (rows % ROUND == 0 or ask.got > 0)
    if not cut and not perhaps:
        return End()
    dated = [moments.at(entry.stamp.last_updated) for entry in page.entries]
    last = moments.instant(dated[-1]) if dated else ""
    if not dated or moments.NEVER in dated or dated != sorted(dated):
        # Without order nobody can say what follows.
        return Doubtful("a page without next link is not sorted") if cut else End()
    if not ask.since or moments.at(last) > moments.at(ask.since):
        return Ask(last)
    if not cut:
        said = total(ask)
        if said is not None and said <= rows:
            return End()
        cut = said is not None or rows <= ask.got
        if not cut:
            return End()
    larger = next((count for count in LARGER if count > ask.count), None)
    if larger is None:
        return Doubtful("more rows of one instant than a page holds")
    return Ask(ask.since, larger, rows)
