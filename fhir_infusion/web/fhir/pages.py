"""The pages of a search, a history or ``$everything``: where one begins, and its links.

https://hl7.org/fhir/R4/http.html#paging. What shapes the answer (``_format``, ``_pretty``) goes on in the next link,
and what was passed over stands in none: the self link tells what was really asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fhir_infusion.web import paging
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.parameters import Parameters, page_size

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPING: Final = ("_format", "_pretty")
"""Parameters that any address may have: they shape the answer, and find nothing."""
OURS: Final = frozenset({"_count", *SHAPING, paging.PARAMETER})
"""Parameters of a page; the others say what is listed."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one listing.

    ``address`` is where they lie, ``of`` names the listing within the tenant (a next link is of no other); ``given``
    are all parameters of the request, ``asked`` those that narrow the listing down, ``count`` the entries on a page.
    """

    address: str
    of: str
    given: Parameters
    asked: Parameters
    count: int

    def begin(self) -> list[str]:
        """Return the key behind which this page begins; nothing for the first.

        Raises:
            Refused: 400, the page is not of this listing.
        """
        if not self._tokens():
            return []
        store = web().service.store
        return paging.open_token(store.secret, caller().tenant, self._bound_to(), self._tokens()[-1])

    def links(self, after: Sequence[str] | None) -> list[dict[str, str]]:
        """Return the links of this page; ``after`` is the key behind which the next one begins, None after the last."""
        found = [self._link("self", self._tokens()[-1:])]
        if after is not None:
            token = paging.sign(web().service.store.secret, caller().tenant, self._bound_to(), after)
            found.append(self._link("next", [token]))
        return found

    def _link(self, relation: str, tokens: Sequence[str]) -> dict[str, str]:
        shaping = [pair for pair in self.given if pair[0] in SHAPING]
        page = [(paging.PARAMETER, token) for token in tokens]
        parameters = [*self.asked, ("_count", str(self.count)), *shaping, *page]
        return {"relation": relation, "url": f"{self.address}?{urlencode(parameters)}"}

    def _tokens(self) -> list[str]:
        return [value for name, value in self.given if name == paging.PARAMETER]

    def _bound_to(self) -> Parameters:
        return [("", self.of), *self.asked]


def size(given: Parameters, *, none: bool = False) -> int:
    """Return how many entries a page is to hold; with ``none`` that may be 0, which asks for the total alone.

    Raises:
        Refused: 400, it is not a number of entries.
    """
    values = [value for name, value in given if name == "_count"]
    return 0 if none and values[-1:] == ["0"] else page_size("_count", values)
