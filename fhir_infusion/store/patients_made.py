"""The patients that we made at a peer, and the creates of patients of which we do not know what became.

A search there may show a new patient late (F16), so that none found does not mean that there is none: to make another
one would split a person in two (hazard H10). A person is told by a digest of the identifier, never by that itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, or_, select, update

from fhir_infusion.store import dialect
from fhir_infusion.store.statement import Statement
from fhir_infusion.store.tables import PATIENTS_MADE
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from datetime import timedelta

    from fhir_infusion.store.tx import Tx

_COLUMNS: Final = PATIENTS_MADE.c
_KEY: Final = ("tenant", "endpoint", "person")
_THIS: Final = and_(*(_COLUMNS[name] == bindparam(f"of_{name}") for name in _KEY))


def made(tx: Tx, endpoint: str, person: str) -> str:
    """Return the id that a person was given there, empty where we made none, or the answer is not known."""
    row = _MADE.one(tx, _this(tx, endpoint, person))
    return str(row[0]) if row is not None else ""


def ask(tx: Tx, endpoint: str, person: str, wait: timedelta) -> bool:
    """Note that a create is about to leave; commit this before it does. False where one is in doubt that left lately.

    ``wait`` is for how long such a one may be there though no search shows it. A date ahead of now is of a clock that
    went back since, and is not waited for.
    """
    now = to_ms(tx.now)
    row = {"tenant": tx.tenant, "endpoint": endpoint, "person": person, "remote_id": "", "asked": now}
    return _ASK.write(tx, {**row, "now": now, "since": now - round(wait.total_seconds() * 1000)}) == 1


def keep(tx: Tx, endpoint: str, person: str, remote_id: str) -> None:
    """Keep the id that a person was given there."""
    _KEEP.write(tx, {**_this(tx, endpoint, person), "to_remote_id": remote_id})


def forget(tx: Tx, endpoint: str, person: str) -> None:
    """Forget a create that had no effect."""
    _FORGET.write(tx, _this(tx, endpoint, person))


def _this(tx: Tx, endpoint: str, person: str) -> dict[str, Any]:
    return dict(zip((f"of_{name}" for name in _KEY), (tx.tenant, endpoint, person), strict=True))


_MADE: Final = Statement(select(_COLUMNS.remote_id).where(_THIS))
_ASK: Final = dialect.replacing(
    PATIENTS_MADE,
    or_(_COLUMNS.remote_id != "", _COLUMNS.asked <= bindparam("since"), _COLUMNS.asked > bindparam("now")),
)
_KEEP: Final = Statement(update(PATIENTS_MADE).where(_THIS).values(remote_id=bindparam("to_remote_id")))
_FORGET: Final = Statement(delete(PATIENTS_MADE).where(_THIS))
