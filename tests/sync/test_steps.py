"""Whether a page without next link is the end of a feed (F15): the table of cases, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fhir_infusion.sync.replies import Doubtful, Entry, Listed, Stamp
from fhir_infusion.sync.steps import LARGER, PAGE, Ask, End, Step, following

START = datetime(2025, 5, 1, tzinfo=UTC)
FIRST = "2025-05-01T00:00:00.000Z"
TOO_MANY = Doubtful("more rows of one instant than a page holds")


def page(*seconds: float | None, total: int | None = None) -> Listed:
    """Return a page whose rows were changed so many seconds after the start; None is a row without lastUpdated."""
    dated = ["" if one is None else (START + timedelta(seconds=one)).isoformat() for one in seconds]
    entries = tuple(Entry(Stamp("X", str(place), last_updated=one), "{}") for place, one in enumerate(dated))
    return Listed(entries, "", "", total=total)


@pytest.mark.parametrize(
    ("ask", "given", "counted", "wanted"),
    [
        pytest.param(Ask(), page(), None, End(), id="empty"),
        pytest.param(Ask(), page(0, 1, 2), None, End(), id="short"),
        pytest.param(Ask(), page(*range(PAGE)), None, Ask("2025-05-01T00:03:19.000Z"), id="full"),
        pytest.param(Ask(), page(0, 1, 2, total=4), None, Ask("2025-05-01T00:00:02.000Z"), id="total"),
        pytest.param(Ask(), page(*range(20), total=20), None, End(), id="round, and all"),
        pytest.param(Ask(), page(*range(20)), None, Ask("2025-05-01T00:00:19.000Z"), id="round"),
        pytest.param(Ask(FIRST), page(*[0] * PAGE), None, Ask(FIRST, LARGER[0], PAGE), id="one instant"),
        pytest.param(Ask(FIRST), page(*[0.0004] * PAGE), None, Ask(FIRST, LARGER[0], PAGE), id="one millisecond"),
        pytest.param(Ask(FIRST, LARGER[0], PAGE), page(*[0] * 451), None, End(), id="larger page was enough"),
        pytest.param(
            Ask(FIRST, LARGER[0], PAGE), page(*[0] * PAGE), None, Ask(FIRST, LARGER[1], PAGE), id="larger page, no more"
        ),
        pytest.param(Ask(FIRST, LARGER[1], PAGE), page(*[0] * PAGE), None, TOO_MANY, id="capped"),
        pytest.param(Ask(FIRST, LARGER[1], PAGE), page(*[0] * PAGE), PAGE, End(), id="counted, and all"),
        pytest.param(Ask(FIRST), page(*[0] * 20), None, End(), id="round and one instant, not counted"),
        pytest.param(Ask(FIRST), page(*[0] * 20), 21, Ask(FIRST, LARGER[0], 20), id="round, and more are counted"),
        pytest.param(
            Ask(), page(1, 0, total=3), None, Doubtful("a page without next link is not sorted"), id="not sorted"
        ),
        pytest.param(
            Ask(), page(None, 0, total=3), None, Doubtful("a page without next link is not sorted"), id="not dated"
        ),
    ],
)
def test_f15_what_follows_a_page_without_next_link(ask: Ask, given: Listed, counted: int | None, wanted: Step) -> None:
    assert following(ask, given, lambda _: counted) == wanted
