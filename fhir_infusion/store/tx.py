"""What a piece of work is given: a connection inside a transaction, its tenant, and its moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(slots=True, eq=False)
class End:
    """Where a tenant's changes and its audit trail end by now, in milliseconds since 1970, and its last row."""

    last_updated: int
    audit_seq: int
    audit_digest: str


@dataclass(slots=True, eq=False)
class Pending:
    """What a piece of work has to write before it is done: the rows of its audit trail, and where that ends then.

    It is read once and written once, however many changes there are: nobody else makes any of this tenant meanwhile.
    """

    end: End | None = None
    audit: list[dict[str, Any]] = field(default_factory=list)
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction (or, for reading, one snapshot) of one tenant.

    ``now`` is the clock's moment at the start of this piece of work, UTC, cut to whole milliseconds.
    ``connection`` and ``pending`` are for this package only.
    """

    tenant: str
    now: datetime
    connection: Connection
    pending: Pending = field(default_factory=Pending, compare=False)


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970-01-01T00:00Z, rounded down; no float is passed through."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment so many milliseconds after 1970-01-01T00:00Z."""
    return _EPOCH + milliseconds * _MILLISECOND


def instant(milliseconds: int) -> str:
    """Return a FHIR instant in UTC with milliseconds, such as 2025-05-01T08:00:00.000Z."""
    return from_ms(milliseconds).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03}Z"
