"""What is known of one resource, for ``sync trace``: who wrote it, what came from other servers, what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select, tuple_

from fhir_infusion.store import audit, links
from fhir_infusion.store.tables import AUDIT, IDENTIFIERS, INBOX, INDEX_ROWS, LINKS
from fhir_infusion.store.tx import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fhir_infusion.store.links import Link
    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Taken:
    """A version that came from another server, and what became of it. ``last_updated`` is that server's text."""

    version: str
    last_updated: str
    state: str
    codes: str
    received: datetime


def audited(tx: Tx, type: str, id: str) -> tuple[audit.AuditEntry, ...]:
    """Return the rows of the audit trail about a resource, in order."""
    about = and_(AUDIT.c.tenant == tx.tenant, AUDIT.c.type == type, AUDIT.c.id == id)
    return audit.selected(tx, about)


def links_of(tx: Tx, aggregate: str) -> tuple[Link, ...]:
    """Return what a resource is at each endpoint: by one step into the key for each, however much is linked there."""
    found = (links.get(tx, endpoint, aggregate) for endpoint in _endpoints(tx))
    return tuple(link for link in found if link is not None)


def _endpoints(tx: Tx) -> Iterator[str]:
    last: str | None = ""
    while last is not None:
        beyond = select(LINKS.c.endpoint).where(LINKS.c.tenant == tx.tenant, LINKS.c.endpoint > last)
        last = tx.connection.execute(beyond.order_by(LINKS.c.endpoint).limit(1)).scalar_one_or_none()
        if last is not None:
            yield last


def taken(tx: Tx, endpoint: str, type: str, remote_id: str) -> tuple[Taken, ...]:
    """Return the versions of a resource of theirs that came, in the order in which they did."""
    theirs = and_(
        INBOX.c.tenant == tx.tenant, INBOX.c.endpoint == endpoint, INBOX.c.type == type, INBOX.c.id == remote_id
    )
    columns = tuple(INBOX.c[name] for name in Taken.__dataclass_fields__)
    found = select(*columns).where(theirs).order_by(INBOX.c.received, INBOX.c.moment)
    return tuple(map(_taken, tx.connection.execute(found)))


def _taken(row: Sequence[Any]) -> Taken:
    version, last_updated, state, codes, received = row
    return Taken(version, last_updated, state, codes, from_ms(received))


def administrations(tx: Tx, order_id: str) -> tuple[str, ...]:
    """Return the ids of the administrations that name an order, by its id or by an identifier of it, oldest first."""
    named = select(IDENTIFIERS.c.system, IDENTIFIERS.c.value).where(
        IDENTIFIERS.c.tenant == tx.tenant, IDENTIFIERS.c.type == "MedicationRequest", IDENTIFIERS.c.id == order_id
    )
    rows = INDEX_ROWS.c
    by_identifier = and_(rows.parameter == "request:identifier", tuple_(rows.system, rows.value).in_(named))
    by_id = and_(rows.parameter == "request", rows.value == f"MedicationRequest/{order_id}")
    here = and_(rows.tenant == tx.tenant, rows.type == "MedicationAdministration")
    found = select(rows.id, rows.created).where(here, or_(by_id, by_identifier)).distinct()
    return tuple(str(row[0]) for row in tx.connection.execute(found.order_by(rows.created, rows.id)))
