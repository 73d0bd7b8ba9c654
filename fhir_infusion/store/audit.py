"""The audit trail: one row an effect, in the transaction of the effect, chained by hashes.

Each row's digest covers its content and the digest before it; the end of the chain is kept apart. A row that was
deleted, edited or moved is found by :func:`verify`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, select

from fhir_infusion.store import feed
from fhir_infusion.store.statement import inserting
from fhir_infusion.store.tables import AUDIT
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from fhir_infusion.store.tx import Tx

_APPEND: Final = inserting(AUDIT)
_CHECKED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One effect: who did what to which version, when. Holds no content of a resource."""

    seq: int
    at: datetime
    action: str
    client: str
    type: str
    id: str
    version: int
    detail: str
    previous: str
    digest: str


def write(
    tx: Tx,
    action: str,
    client: str,
    type: str = "",
    id: str = "",
    version: int = 0,
    detail: str = "",
) -> None:
    """Append a row; ``settle`` writes it. ``detail`` holds codes and counts, never content."""
    end = feed.changing(tx)
    seq, previous = end.audit_seq + 1, end.audit_digest
    content = (seq, to_ms(tx.now), action, client, type, id, version, detail)
    digest = _digest(tx.tenant, content, previous)
    row = dict(zip(_CONTENT, content, strict=True)) | {"tenant": tx.tenant, "previous": previous, "digest": digest}
    tx.pending.audit.append(row)
    end.audit_seq, end.audit_digest = seq, digest


def settle(tx: Tx) -> None:
    """Write the rows that a piece of work appended, and where the chain and the changes end, once it is done."""
    if tx.pending.audit:
        _APPEND.write_many(tx, tx.pending.audit)
        tx.pending.audit.clear()
    feed.settle(tx)


def entries(tx: Tx, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
    """Return rows in order, those after number ``after``."""
    return selected(tx, and_(AUDIT.c.tenant == tx.tenant, AUDIT.c.seq > after), limit)


LOOKED_THROUGH: Final = 100_000
"""So many rows one look at the newest goes through at most, whatever it looks for."""


def newest(
    tx: Tx, before: int | None = None, limit: int = 100, action: str = "", about: tuple[str, str] | None = None
) -> tuple[tuple[AuditEntry, ...], int | None]:
    """Return rows, the newest first, those numbered below ``before``, and below which number more may be.

    ``action`` and ``about``, the type and id of a resource, narrow it down; then fewer than ``limit`` may come though
    there are more: one call goes through ``LOOKED_THROUGH`` rows. The number is None where there are none left.
    """
    end = feed.end(tx)
    behind = end.audit_seq + 1 if end is not None else 1
    top = min(before, behind) if before is not None and end is not None else behind
    bottom = max(1, top - LOOKED_THROUGH)
    condition = and_(AUDIT.c.tenant == tx.tenant, AUDIT.c.seq < top, AUDIT.c.seq >= bottom)
    if action:
        condition = and_(condition, AUDIT.c.action == action)
    if about is not None:
        condition = and_(condition, AUDIT.c.type == about[0], AUDIT.c.id == about[1])
    found = _rows(tx, condition, limit, newest_first=True)
    left = found[-1].seq if len(found) == limit else bottom
    return found, left if left > 1 else None


def selected(tx: Tx, condition: ColumnElement[bool], limit: int | None = None) -> tuple[AuditEntry, ...]:
    """Return the rows that meet a condition of SQL, in order."""
    return _rows(tx, condition, limit)


def _rows(
    tx: Tx, condition: ColumnElement[bool], limit: int | None, *, newest_first: bool = False
) -> tuple[AuditEntry, ...]:
    found = select(*(AUDIT.c[name] for name in (*_CONTENT, "previous", "digest"))).where(condition)
    ordered = found.order_by(AUDIT.c.seq.desc() if newest_first else AUDIT.c.seq)
    rows: list[tuple[Any, ...]] = [tuple(row) for row in tx.connection.execute(ordered.limit(limit))]
    return tuple(AuditEntry(row[0], from_ms(row[1]), *row[2:]) for row in rows)


def verify(tx: Tx) -> tuple[str, ...]:
    """Return what is wrong with the chain, nothing where it is whole."""
    complaints: list[str] = []
    seq, digest = 0, ""
    while batch := entries(tx, seq, _CHECKED_AT_ONCE):
        for entry in batch:
            if entry.seq != seq + 1:
                complaints.append(f"row {seq + 1} is missing")
            if entry.previous != digest:
                complaints.append(f"row {entry.seq} does not follow the row before it")
            content = (
                entry.seq,
                to_ms(entry.at),
                entry.action,
                entry.client,
                entry.type,
                entry.id,
                entry.version,
                entry.detail,
            )
            if entry.digest != _digest(tx.tenant, content, entry.previous):
                complaints.append(f"row {entry.seq} was edited")
            seq, digest = entry.seq, entry.digest
    end = feed.end(tx)
    if (end.audit_seq, end.audit_digest) != (seq, digest) if end is not None else seq > 0:
        complaints.append(f"the chain does not end where it should: row {end.audit_seq if end else 0}")
    return tuple(complaints)


_CONTENT: Final = ("seq", "at", "action", "client", "type", "id", "version", "detail")


def _digest(tenant: str, content: tuple[object, ...], previous: str) -> str:
    return hashlib.sha256(json.dumps([tenant, *content, previous]).encode()).hexdigest()
