"""The patients that we made at a peer, and the creates of patients of which we do not know what became.

A search there may show a new patient late (F16), so that none found does not mean that there is none: to make another
one would split a person in two (hazard H10). A person is told by a digest of the identifier, never by that itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, or_, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.tables import PATIENTS_MADE
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import ColumnElement

    from fhir_infusion.store.tx import Tx

_COLUMNS: Final = PATIENTS_MADE.c


@dataclass(frozen=True, slots=True)
class Made:
    """A create of a patient. ``remote_id`` is empty where its answer is not known."""

    remote_id: str


def made(tx: Tx, endpoint: str, person: str) -> Made | None:
    """Return what is known of the last create of a person there, None where there was none."""
    found = select(_COLUMNS.remote_id).where(_this(tx, endpoint, person))
    row = tx.connection.execute(found).one_or_none()
    return Made(row[0]) if row is not None else None


def ask(tx: Tx, endpoint: str, person: str, wait: timedelta) -> bool:
    """Note that a create is about to leave; commit this before it does. False where one is in doubt that left lately.

    ``wait`` is for how long such a one may be there though no search shows it. A date ahead of now is of a clock that
    went back since, and is not waited for.
    """
    now = to_ms(tx.now)
    row = {"tenant": tx.tenant, "endpoint": endpoint, "person": person, "remote_id": "", "asked": now}
    if dialect.insert_once(tx.connection, PATIENTS_MADE, row):
        return True
    known = or_(
        _COLUMNS.remote_id != "", _COLUMNS.asked <= now - round(wait.total_seconds() * 1000), _COLUMNS.asked > now
    )
    anew = update(PATIENTS_MADE).where(_this(tx, endpoint, person), known).values(remote_id="", asked=now)
    return tx.connection.execute(anew).rowcount == 1


def keep(tx: Tx, endpoint: str, person: str, remote_id: str) -> None:
    """Keep the id that a person was given there."""
    tx.connection.execute(update(PATIENTS_MADE).where(_this(tx, endpoint, person)).values(remote_id=remote_id))


def forget(tx: Tx, endpoint: str, person: str) -> None:
    """Forget a create that had no effect."""
    tx.connection.execute(delete(PATIENTS_MADE).where(_this(tx, endpoint, person)))


def _this(tx: Tx, endpoint: str, person: str) -> ColumnElement[bool]:
    return and_(_COLUMNS.tenant == tx.tenant, _COLUMNS.endpoint == endpoint, _COLUMNS.person == person)
