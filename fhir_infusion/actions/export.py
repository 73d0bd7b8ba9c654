"""Bulk export: everything of a tenant, as it was at the moment of the request, as lines of JSON.

https://hl7.org/fhir/uv/bulkdata/. Nothing is prepared: the lines are made from the versions while they are fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import release_text
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.store import audit, exports, text
from fhir_infusion.store.exports import Export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.json import Json
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

AT_ONCE: Final = 200
"""Resources read in one snapshot."""

_LOOKED_THROUGH: Final = 5
"""Times ``AT_ONCE`` resources, to see whether there are errors to be listed."""
_ENTRIES: Final = 500
"""Deletions told of in one Bundle."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an export holds: the types of resources, those of deleted ones, and whether some cannot be said."""

    export: Export
    types: tuple[str, ...]
    deleted: tuple[str, ...]
    foreign: tuple[str, ...]


def begin(service: Service, caller: Caller, release: str, request: str, types: Sequence[str], since: int) -> Export:
    """Begin an export.

    Args:
        service: what to work with.
        caller: who asks; nobody of another tenant finds the export.
        release: the release in which the resources are to be given.
        request: the address that was asked, to be told in the manifest.
        types: the types wanted; all that are served, where none is named.
        since: only what changed after this moment (ms since 1970 UTC).

    Raises:
        Unavailable: it is not stored.
    """
    wanted = tuple(types) or SERVED

    def work(tx: Tx) -> Export:
        made = exports.begin(tx, service.new_id(), caller.client, request, release, wanted, since)
        audit.write(tx, "export", caller.client, detail=f"{release} {len(wanted)} types")
        return made

    return service.store.transact(caller.tenant, work)


def contents(service: Service, caller: Caller, id: str) -> Contents:
    """Return what an export holds.

    Raises:
        Refused: 404, there is no such export, or it was cancelled.
    """

    def work(tx: Tx) -> Contents:
        export = _known(tx, id)
        types = export.types.split(",")
        return Contents(
            export,
            tuple(one for one in types if exports.has(tx, export, one)),
            tuple(one for one in types if export.since and exports.has(tx, export, one, deleted=True)),
            tuple(one for one in types if exports.has(tx, export, one, foreign=True)),
        )

    found = service.store.read(caller.tenant, work)
    return replace(found, foreign=tuple(one for one in found.foreign if _may_be_unsaid(service, caller, found, one)))


def _may_be_unsaid(service: Service, caller: Caller, found: Contents, type: str) -> bool:
    """Say whether something of a type cannot be said in the release of the export, as far as that is soon known."""
    export = found.export
    pages = islice(_pages(service, caller, export, type), _LOOKED_THROUGH + 1)
    for number, stored in enumerate(pages):
        if number == _LOOKED_THROUGH:
            return True
        bodies = release_text.texts(service, caller.tenant, stored, export.release)
        if not all(isinstance(body, str) for body in bodies):
            return True
    return False


def cancel(service: Service, caller: Caller, id: str) -> None:
    """Forget an export.

    Raises:
        Refused: 404, there is none.
        Unavailable: it is not stored.
    """
    if not service.store.transact(caller.tenant, lambda tx: exports.cancel(tx, id)):
        raise _unknown()


def lines(service: Service, caller: Caller, id: str, type: str) -> Iterator[str]:
    """Yield the JSON text of each resource of a type; what the release cannot say is in ``errors``.

    Raises:
        Refused: 404, there is no such export.
    """
    export = service.store.read(caller.tenant, lambda tx: _known(tx, id))
    return _said(service, caller, export, type)


def errors(service: Service, caller: Caller, id: str, outcome: Callable[[Sequence[Issue]], str]) -> Iterator[str]:
    """Yield an OperationOutcome, made by ``outcome``, for each resource that the release cannot say.

    Raises:
        Refused: 404, there is no such export.
    """
    found = contents(service, caller, id)
    unsaid = (
        outcome(body.issues)
        for type_ in found.foreign
        for stored in _pages(service, caller, found.export, type_)
        for body in release_text.texts(service, caller.tenant, stored, found.export.release)
        if not isinstance(body, str)
    )
    # Listed where it was not looked through to the end: then it says so, since an empty file says nothing.
    first = next(unsaid, "") or outcome((_ALL_SAID,))
    return chain((first,), unsaid)


_ALL_SAID: Final = Issue("information", "informational", "", "everything is said in this release")


def deletions(service: Service, caller: Caller, id: str, type: str) -> Iterator[str]:
    """Yield Bundles that tell what was deleted after ``since`` (https://hl7.org/fhir/uv/bulkdata/export.html).

    Raises:
        Refused: 404, there is no such export.
    """
    export = service.store.read(caller.tenant, lambda tx: _known(tx, id))
    for gone in _pages(service, caller, export, type, deleted=True):
        for begin_at in range(0, len(gone), _ENTRIES):
            entries: list[Json] = [
                {"request": {"method": "DELETE", "url": one.aggregate}} for one in gone[begin_at : begin_at + _ENTRIES]
            ]
            yield text.write({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _said(service: Service, caller: Caller, export: Export, type: str) -> Iterator[str]:
    for found in _pages(service, caller, export, type):
        bodies = release_text.texts(service, caller.tenant, found, export.release)
        yield from (body for body in bodies if isinstance(body, str))


def _pages(
    service: Service, caller: Caller, export: Export, type: str, *, deleted: bool = False
) -> Iterator[list[Stored]]:
    after = ""
    while page := _page(service, caller, export, type, after, deleted=deleted):
        yield page
        after = page[-1].id


def _page(service: Service, caller: Caller, export: Export, type: str, after: str, *, deleted: bool) -> list[Stored]:
    return service.store.read(caller.tenant, lambda tx: exports.page(tx, export, type, AT_ONCE, after, deleted=deleted))


def _known(tx: Tx, id: str) -> Export:
    found = exports.find(tx, id)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Refused:
    reason, accepted = "there is no such export, or it was cancelled", "the address that the answer to $export names"
    return Refused(Issue("error", "not-found", "", reason, accepted, status=404))
