"""What the criteria of a conditional interaction find, and that they still find it when something is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from fhir_infusion.actions import transact
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import search, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.repeated import Run
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

T = TypeVar("T")

_ATTEMPTS: Final = 5
_ATTEMPTS_BY_CRITERIA: Final = 50
"""Each attempt fails because another one succeeded; so many at once are more than wait for the writer."""


def unless_moved(
    run: Run[T], begun: Callable[[], Callable[[Tx], T]], if_match: str | None, attempts: int = _ATTEMPTS
) -> T:
    """Do the work that ``begun`` returns, begun anew where somebody was faster.

    Raises:
        Refused: 412, If-Match names a version and the resource has changed; 409, it changes all the time.
    """
    for _ in range(attempts):
        try:
            return run(begun())
        except versions.Moved:
            if if_match is not None:
                raise Refused(transact.stale()) from None
    raise Refused(Issue("error", "conflict", "", "others change this resource all the time", "the same again", "", 409))


def guarded(
    service: Service,
    caller: Caller,
    type: str,
    query: Query,
    begun: Callable[[Stored | None], Callable[[Tx], T]],
    if_match: str | None = None,
) -> Callable[[Run[T]], T]:
    """Return what does the work that ``begun`` returns for what is found, in a transaction in which it is still found.

    It raises:
        Refused: 412 several are found, or If-Match names a version and the resource has changed; what ``begun`` and its
            work raise.
    """

    def found_and_begun() -> Callable[[Tx], T]:
        found = service.store.read(caller.tenant, lambda tx: match(tx, type, query))
        return _unless_moved(type, query, found, begun(found))

    return lambda run: unless_moved(run, found_and_begun, if_match, _ATTEMPTS_BY_CRITERIA)


def match(tx: Tx, type: str, query: Query) -> Stored | None:
    """Return the one current resource that meets the criteria, None where none does.

    Raises:
        Refused: 412, several do.
    """
    found = search.page(tx, type, query, 2).entries
    if len(found) > 1:
        raise Refused(several())
    return found[0] if found else None


def several() -> Issue:
    """Return the issue of criteria that more than one resource meets."""
    reason = "several resources meet the criteria, of which none is touched"
    return Issue("error", "multiple-matches", "", reason, "criteria that one resource meets", "", 412)


def _unless_moved(type: str, query: Query, found: Stored | None, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
    def checked(tx: Tx) -> T:
        now = match(tx, type, query)
        if (now and (now.id, now.version)) != (found and (found.id, found.version)):
            raise versions.Moved
        return work(tx)

    return checked
