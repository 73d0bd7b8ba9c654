"""Bulk loads that are under way: what was asked for, and how far its files are stored. One for each endpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import delete, select

from fhir_infusion.store import dialect
from fhir_infusion.store.tables import LOADS
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

State = Literal["begun", "asked", "ready", "stored"]


@dataclass(frozen=True, slots=True)
class Load:
    """``begun``: no export is known; ``asked``: its status is; ``ready``: its files are; ``stored``: these are here.

    ``types`` are those asked for, by commas; ``files`` is the manifest's list as JSON; of file number ``file`` so many
    ``line``s are stored, whose digest is ``digest``. ``received`` versions were new, ``skipped`` lines too long,
    ``codes`` are those of its error files. ``starts`` counts the exports, ``failures`` what failed in a row; nothing is
    asked before ``not_before`` (ms since 1970 UTC).
    """

    endpoint: str
    types: str
    state: State = "begun"
    status_url: str = ""
    transaction_time: str = ""
    files: str = ""
    file: int = 0
    line: int = 0
    digest: str = ""
    received: int = 0
    skipped: int = 0
    codes: str = ""
    starts: int = 0
    failures: int = 0
    not_before: int = 0


_COLUMNS: Final = tuple(LOADS.c[name] for name in Load.__dataclass_fields__)
ASIDE_MS: Final = 10 * 60 * 1000
"""For so long after its last step an ordinary pull stands aside for a load; one that was given up stops no pull."""


def find(tx: Tx, endpoint: str) -> Load | None:
    """Return the load of an endpoint, None where there is none."""
    mine = (LOADS.c.tenant == tx.tenant, LOADS.c.endpoint == endpoint)
    row = tx.connection.execute(select(*_COLUMNS).where(*mine)).one_or_none()
    return Load(*row) if row is not None else None


def keep(tx: Tx, load: Load) -> None:
    """Keep how far a load is; call it in the transaction that keeps what was read."""
    dialect.replace(tx, LOADS, {"tenant": tx.tenant, "touched": to_ms(tx.now), **asdict(load)})


def forget(tx: Tx, endpoint: str) -> None:
    """Forget the load of an endpoint."""
    tx.connection.execute(delete(LOADS).where(LOADS.c.tenant == tx.tenant, LOADS.c.endpoint == endpoint))


def is_running(tx: Tx, endpoint: str) -> bool:
    """Say whether somebody goes on with a load just now."""
    mine = (LOADS.c.tenant == tx.tenant, LOADS.c.endpoint == endpoint)
    row = tx.connection.execute(select(LOADS.c.touched, LOADS.c.not_before).where(*mine)).one_or_none()
    return row is not None and to_ms(tx.now) < max(int(row[0]), int(row[1])) + ASIDE_MS
