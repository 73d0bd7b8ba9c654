"""Which remotes and rows of the outbox the one who asks may see: those of its tenant. Others are not there (404)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import aside, inbox
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.refusals import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.config import Remote
    from fhir_infusion.store.inbox import Quarantined
    from fhir_infusion.store.outbox import Row, State
    from fhir_infusion.web.listing import Asked

ASIDE: Final = {"state": "dead, conflict or duplicate.", "code": "The code that a row was put aside with."}
"""The filters of what was put aside."""
_LONGEST: Final = 18


def remote_of(name: str) -> Remote:
    """Return a remote of the caller's tenant.

    Raises:
        Refused: 404, there is none.
    """
    for remote in web().service.settings.remotes:
        if (remote.name, remote.tenant) == (name, caller().tenant):
            return remote
    raise not_found("remote", "a name that GET /api/sync/status lists")


def row_of(number: str) -> Row:
    """Return a row of the outbox of the caller's tenant.

    Raises:
        Refused: 404, there is none.
    """
    found = find_row(number)
    if found is None:
        raise not_found("outbox row", "a row that GET /api/sync/remotes/{remote}/aside lists")
    return found


def find_row(number: str) -> Row | None:
    """Return a row of the outbox of the caller's tenant, None where there is none."""
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST):
        return None
    found = web().service.store.read(caller().tenant, partial(aside.numbered, seqs=[int(number)]))
    mine = {one.name for one in web().service.settings.remotes if one.tenant == caller().tenant}
    return next((row for row in found if row.endpoint in mine), None)


def put_aside(remote: Remote, asked: Asked) -> tuple[Sequence[Row], list[str] | None]:
    """Return the rows that a page asks for by :data:`ASIDE`, and where the next page begins, None after the last."""
    chosen = dict(asked.filters)
    states: list[State] = [state for state in aside.ASIDE if chosen.get("state") in {None, state}]
    after = int(asked.after[0]) if asked.after else 0
    which = partial(aside.put_aside, endpoint=remote.name, states=states, after=after, code=chosen.get("code"))
    rows = web().service.store.read(remote.tenant, partial(which, limit=asked.count + 1))
    return rows[: asked.count], [str(rows[asked.count - 1].seq)] if len(rows) > asked.count else None


def quarantined(remote: Remote, asked: Asked) -> tuple[Sequence[Quarantined], list[str] | None]:
    """Return what could not be taken, a page of it, and where the next page begins, None after the last."""
    which = partial(inbox.quarantined, endpoint=remote.name, limit=asked.count + 1, after=asked.after)
    rows = web().service.store.read(remote.tenant, which)
    return rows[: asked.count], rows[asked.count - 1].place if len(rows) > asked.count else None
