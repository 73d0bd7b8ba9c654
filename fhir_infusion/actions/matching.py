"""What the criteria of a conditional interaction find, and that they still find it when something is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from fhir_infusion.actions import transact
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import search, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

T = TypeVar("T")

_ATTEMPTS: Final = 50
"""Each attempt fails because another one succeeded; so many at once are more than wait for the writer."""


def guarded(
    service: Service,
    caller: Caller,
    type: str,
    query: Query,
    begun: Callable[[Stored | None], Callable[[Tx], T]],
    if_match: str | None = None,
) -> T:
    """Do the work that ``begun`` returns for what is found, in a transaction in which the same is still found.

    Raises:
        Refused: 412 several are found, or If-Match names a version and the resource has changed; what ``begun`` and its
            work raise.
    """
    for _ in range(_ATTEMPTS):
        found = service.store.read(caller.tenant, lambda tx: match(tx, type, query))
        try:
            return service.store.transact(caller.tenant, _unless_moved(type, query, found, begun(found)))
        except versions.Moved:
            if if_match is not None:
                raise Refused(transact.stale()) from None
    raise Refused(Issue("error", "conflict", "", "others change this resource all the time", "the same again", "", 409))


def match(tx: Tx, type: str, query: Query) -> Stored | None:
    """Return the one current resource that meets the criteria, None where none does.

    Raises:
        Refused: 412, several do.
    """
    found = search.page(tx, type, query, 2).entries
    if len(found) > 1:
        reason = "several resources meet the criteria, of which none is touched"
        raise Refused(Issue("error", "multiple-matches", "", reason, "criteria that one resource meets", "", 412))
    return found[0] if found else None


def _unless_moved(type: str, query: Query, found: Stored | None, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
    def checked(tx: Tx) -> T:
        now = match(tx, type, query)
        if (now and (now.id, now.version)) != (found and (found.id, found.version)):
            raise versions.Moved
        return work(tx)

    return checked
