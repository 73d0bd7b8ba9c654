"""How far each remote is in step, as data: for ``sync status``, the metrics and the readiness page.

An age that grows is the alarm (hazard H18: a sync that stopped is silent). Nothing here names a patient or an order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from fhir_infusion.store import conflicts, inbox, outbox
from fhir_infusion.sync.peer import TYPES

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

Status = dict[str, Any]


def status(service: Service) -> list[Status]:
    """Return one JSON-ready entry for each remote of the settings.

    Ages are whole seconds, None where there is nothing to be old: ``oldest_pending_seconds`` is the oldest row that is
    neither done nor put aside, ``oldest_stop_seconds`` the oldest such stop, ``watermark_age_seconds`` how far
    behind the peer's feed is known to be read, ``last_success_seconds`` since when it was read to its end.
    """
    return [service.store.read(remote.tenant, partial(_of, remote=remote)) for remote in service.settings.remotes]


def _of(tx: Tx, remote: Remote) -> Status:
    counts = outbox.counts(tx, remote.name)
    return {
        "endpoint": remote.name,
        "tenant": remote.tenant,
        "direction": remote.direction,
        "outbox": counts,
        "unknown": counts.get("unknown", 0),
        "dead": counts.get("dead", 0),
        "oldest_pending_seconds": _age(tx.now, outbox.oldest(tx, remote.name)),
        "oldest_stop_seconds": _age(tx.now, outbox.oldest(tx, remote.name, "stop")),
        "conflicts": len(conflicts.listed(tx, remote.name)),
        "quarantined": len(inbox.quarantined(tx, remote.name, 10_000)),
        "feeds": {type_: _feed(tx, remote.name, type_) for type_ in TYPES} if remote.direction != "push" else {},
    }


def _feed(tx: Tx, endpoint: str, type_: str) -> Status:
    cursor = inbox.cursor(tx, endpoint, type_)
    return {
        "watermark": cursor.watermark,
        "watermark_age_seconds": _age(tx.now, _moment(cursor.watermark)),
        "last_success_seconds": _age(tx.now, cursor.last_success),
        "unapplied": len(inbox.unapplied(tx, endpoint, type_, 10_000)),
    }


def _age(now: datetime, since: datetime | None) -> int | None:
    return None if since is None else max(0, int((now - since).total_seconds()))


def _moment(instant: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
