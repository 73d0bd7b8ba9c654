"""Liveness, readiness and metrics: who says "I am well", and who says which part is not.

Liveness touches nothing, so that a full disk does not get the process restarted. Readiness asks each part; its answer
names parts and ages, never data.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from flask import Response

from fhir_infusion.sync.status import gauges as sync_gauges
from fhir_infusion.web.context import web
from fhir_infusion.web.metrics import CONTENT_TYPE
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from fhir_infusion.actions.mappings.live import Live
    from fhir_infusion.web.context import Web

SILENT_SECONDS: Final = 120
"""A worker thread that has not finished a round for so long has stopped; a call to a peer ends within 30 s."""


def live() -> Response:
    """Say that the process answers. ``GET /health/live``."""
    return json_reply({"status": "live"})


def ready() -> Response:
    """Say whether everything that is needed works; 503 with the parts that do not. ``GET /health/ready``."""
    parts = check(web())
    well = all(part["status"] == "ok" for part in parts.values())
    return json_reply({"status": "ready" if well else "not ready", "parts": parts}, 200 if well else 503)


def check(started: Web) -> dict[str, dict[str, object]]:
    """Ask each part how it is. A peer that does not answer is told, but does not make us unfit to take orders."""
    service = started.service
    parts: dict[str, dict[str, object]] = {
        "store": {"status": "ok" if service.store.healthy() else "no changes are taken"},
        "mappings": _mappings(started.live),
    }
    if started.worker is None:
        return parts
    now = service.clock()
    for peer in started.worker.health():
        beat = _age(now, peer.beat_at)
        parts[f"sync {peer.endpoint}"] = {
            "status": "ok" if beat is None or beat <= SILENT_SECONDS else "the worker has stopped",
            "beat_seconds": beat,
            "pushed_seconds": _age(now, peer.pushed_at),
            "pulled_seconds": _age(now, peer.pulled_at),
            "circuit": peer.circuit,
            "paused": peer.paused,
        }
    return parts


def _mappings(live: Live) -> dict[str, object]:
    """Tell which documents are in use. That newer ones were refused does not make us unfit: these serve on."""
    found: dict[str, object] = {"status": "ok", "digest": live.digest}
    if live.failure is not None:
        found |= {"refused_at": live.failure.at.isoformat(), "complaints": len(live.failure.complaints)}
    return found


def _age(now: datetime, then: datetime | None) -> int | None:
    """Return whole seconds since a moment, None where it never was."""
    return None if then is None else max(0, (now - then) // timedelta(seconds=1))


def metrics() -> Response:
    """Return the counters, when the store and each peer were last well, and what waits for it. ``GET /metrics``."""
    service, worker, live = web().service, web().worker, web().live
    gauges: dict[str, tuple[str, int | str]] = {
        "fhir_infusion_store_writable": ("Whether changes are taken.", int(service.store.healthy())),
        f'fhir_infusion_mappings_in_use{{digest="{live.digest}"}}': ("The mapping documents in use.", 1),
        "fhir_infusion_mappings_refused": (
            "Whether the mapping documents that were read last are wrong, so that those before serve on.",
            int(live.failure is not None),
        ),
    }
    now = service.clock()
    for peer in worker.health() if worker is not None else ():
        for what, then in (("push", peer.pushed_at), ("pull", peer.pulled_at)):
            age = _age(now, then)
            if age is not None:
                name = f'fhir_infusion_{what}_age_seconds{{endpoint="{peer.endpoint}"}}'
                gauges[name] = (f"Seconds since the last {what} that went well.", age)
    if service.store.healthy():
        gauges |= sync_gauges(service)
    return Response(web().company.metrics.text(gauges), content_type=CONTENT_TYPE)
