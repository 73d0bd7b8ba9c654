"""Liveness, readiness and metrics: who says "I am well", and who says which part is not.

Liveness touches nothing, so that a full disk does not get the process restarted. Readiness asks each part; its answer
names parts and ages, never data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

from fhir_infusion.web.context import web
from fhir_infusion.web.metrics import CONTENT_TYPE
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from fhir_infusion.web.context import Web


def live() -> Response:
    """Say that the process answers. ``GET /health/live``."""
    return json_reply({"status": "live"})


def ready() -> Response:
    """Say whether everything that is needed works; 503 with the parts that do not. ``GET /health/ready``."""
    parts = check(web())
    well = all(part["status"] == "ok" for part in parts.values())
    return json_reply({"status": "ready" if well else "not ready", "parts": parts}, 200 if well else 503)


def check(started: Web) -> dict[str, dict[str, object]]:
    """Ask each part how it is."""
    parts: dict[str, dict[str, object]] = {}
    parts["store"] = {"status": "ok" if started.service.store.healthy() else "no changes are taken"}
    return parts


def metrics() -> Response:
    """Return the counters. ``GET /metrics``."""
    return Response(web().metrics.text({}), content_type=CONTENT_TYPE)
