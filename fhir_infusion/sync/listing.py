"""The whole listing of a type at a peer, page by page: what a search from a moment on asks, and how its pages follow.

Read this way nothing is kept but the page. A server that pages by offset may skip a row when another is changed or
deleted between two pages, or show one twice: what is missing in a listing is asked for by its id before it is believed.
Where the settings filter what is pulled, the listing is filtered so, too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fhir_infusion.remotes import filter_parameters
from fhir_infusion.sync.replies import Listed
from fhir_infusion.sync.steps import CIRCLE, Ask, End, Trail, following
from fhir_infusion.sync.word import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.replies import Entry, Trouble


class ListingError(Exception):
    """The listing could not be read to its end; ``trouble`` is the answer that ended it."""

    def __init__(self, trouble: Trouble) -> None:
        """Keep the answer."""
        self.trouble = trouble
        super().__init__(word(trouble))


def asked(peer: Peer, type_: str, ask: Ask) -> Listed | Trouble:
    """Ask for the rows of a type from a moment on, the oldest change first."""
    parameters = [("_sort", "_lastUpdated"), ("_count", str(ask.count)), *filter_parameters(peer.remote, type_)]
    if ask.since:
        parameters.insert(0, ("_lastUpdated", f"ge{ask.since}"))
    return peer.endpoint.search(type_, parameters)


def total(peer: Peer, type_: str, ask: Ask) -> int | None:
    """Return how many rows a peer says it has from a moment on."""
    parameters = [("_lastUpdated", f"ge{ask.since}")] if ask.since else []
    counted = peer.endpoint.search(type_, [*parameters, *filter_parameters(peer.remote, type_), ("_summary", "count")])
    return counted.total if isinstance(counted, Listed) else None


def entries(peer: Peer, type_: str) -> Iterator[Entry]:
    """Yield every resource of a type as the peer lists it; one may come twice.

    Raises:
        ListingError: a page could not be read, or what the peer has it could not list.
    """
    ask, trail = Ask(), Trail()
    page = asked(peer, type_, ask)
    while True:
        if not isinstance(page, Listed):
            raise ListingError(page)
        yield from page.entries
        if page.following:
            if not trail.leads_on(page):
                raise ListingError(CIRCLE)
            page = peer.endpoint.page(type_, page.following)
            continue
        step = following(ask, page, partial(total, peer, type_))
        if isinstance(step, End):
            return
        if not isinstance(step, Ask):
            raise ListingError(step)
        ask, page = step, asked(peer, type_, step)
