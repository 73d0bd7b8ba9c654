"""What came of each attempt to deliver an outbox row: which requests, and the class of each answer. No content.

A row is written with the note that the bytes are about to leave, and again with the verdict: what a process that died
had asked until then is kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from sqlalchemy import select

from fhir_infusion.store import dialect, outbox
from fhir_infusion.store.tables import ATTEMPTS, OUTBOX
from fhir_infusion.store.tx import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store.outbox import Row
    from fhir_infusion.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: what was asked, without values; the class of the answer, and after how many milliseconds."""

    request: str
    answer: str
    ms: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a row. ``state`` and ``code`` are the verdict; the state is ``sent`` while there is none."""

    seq: int
    endpoint: str
    aggregate: str
    version: int
    attempt: int
    begun: datetime
    ended: datetime
    requests: tuple[Asked, ...]
    state: str
    code: str


_COLUMNS: Final = tuple(ATTEMPTS.c[name] for name in Attempt.__dataclass_fields__)


def note(tx: Tx, row: Row, begun: datetime, requests: Sequence[Asked], state: str, code: str = "") -> None:
    """Keep what came of the attempt of a row until now."""
    values = {
        "seq": row.seq,
        "fence": row.fence,
        "tenant": tx.tenant,
        "endpoint": row.endpoint,
        "aggregate": row.aggregate,
        "version": row.version,
        "attempt": row.attempt,
        "begun": to_ms(begun),
        "ended": to_ms(tx.now),
        "requests": json.dumps([[one.request, one.answer, one.ms] for one in requests]),
        "state": state,
        "code": code,
    }
    dialect.replace(tx, ATTEMPTS, values)


def of(tx: Tx, aggregate: str) -> tuple[Attempt, ...]:
    """Return the attempts to tell any endpoint of a resource, oldest first."""
    mine = (ATTEMPTS.c.tenant == tx.tenant, ATTEMPTS.c.aggregate == aggregate)
    found = select(*_COLUMNS).where(*mine).order_by(ATTEMPTS.c.begun, ATTEMPTS.c.seq, ATTEMPTS.c.fence)
    return tuple(map(_attempt, tx.connection.execute(found)))


def recent(tx: Tx, endpoint: str, limit: int) -> tuple[Attempt, ...]:
    """Return attempts to tell one endpoint, the latest first.

    Looked at are the newest rows of each state, and of what waits the oldest, too: each is one step into the index, so
    that a page of an endpoint costs the same after a million attempts.
    """
    seqs: set[int] = set()
    for state in get_args(outbox.State):
        for lane in get_args(outbox.Lane):
            for rank in (0, 1):
                mine = (OUTBOX.c.tenant == tx.tenant, OUTBOX.c.endpoint == endpoint, OUTBOX.c.state == state)
                one = select(OUTBOX.c.seq).where(*mine, OUTBOX.c.lane == lane, OUTBOX.c.rank == rank)
                for order in (OUTBOX.c.seq.desc(), *((OUTBOX.c.seq,) if state in outbox.WAITING else ())):
                    seqs.update(tx.connection.execute(one.order_by(order).limit(limit)).scalars())
    found = select(*_COLUMNS).where(ATTEMPTS.c.seq.in_(sorted(seqs)), ATTEMPTS.c.tenant == tx.tenant)
    newest = found.order_by(ATTEMPTS.c.begun.desc(), ATTEMPTS.c.seq.desc(), ATTEMPTS.c.fence.desc()).limit(limit)
    return tuple(map(_attempt, tx.connection.execute(newest)))


def _attempt(row: Sequence[Any]) -> Attempt:
    seq, endpoint, aggregate, version, attempt, begun, ended, requests, state, code = row
    asked = tuple(Asked(*one) for one in json.loads(requests))
    return Attempt(seq, endpoint, aggregate, version, attempt, from_ms(begun), from_ms(ended), asked, state, code)
