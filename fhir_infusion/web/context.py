"""What a route needs: the service and the few things that belong to this start of the web service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from flask import current_app, g, has_request_context, request
from werkzeug.sansio.utils import get_current_url

from fhir_infusion.actions.mappings.live import Live
from fhir_infusion.service import Service
from fhir_infusion.sync.worker import Worker
from fhir_infusion.web.metrics import Metrics
from fhir_infusion.web.security import Gate

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller

EXTENSION = "fhir-infusion"
INNER = "fhir_infusion.inner"
"""Where an inner request finds the start with the service that it is to work with; no header can set it."""
BODY = "fhir_infusion.body"
"""Where an inner request finds its resource as it was read with the Bundle, so that it is not read again."""
FAILURE = "fhir_infusion.failure"
"""Where an inner request leaves what it failed with."""
CHANGED_AT = "fhir_infusion.changed-at"
"""Where a request leaves the moment of the version that it answers with: ``Last-Modified`` has no fraction of it."""


def _nobody() -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Company:
    """What a process has to do with the others of its service: ``tell`` has them read the mapping documents anew."""

    tell: Callable[[], None] = _nobody
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, slots=True)
class Web:
    """One start of the web service.

    ``owner_token`` is shown by other processes of this machine; ``worker`` is None where nothing is kept in step.
    ``live`` are the mapping documents in use.
    """

    service: Service
    gate: Gate
    owner_token: str
    worker: Worker | None
    live: Live
    company: Company


def web() -> Web:
    """Return the start that the running request belongs to, with the service that it is to work with."""
    inner = request.environ.get(INNER) if has_request_context() else None
    return cast("Web", inner or current_app.extensions[EXTENSION])


def is_inner() -> bool:
    """Say whether the running request is part of another one that may yet be undone."""
    return INNER in request.environ


def caller() -> Caller:
    """Return who sent the running request."""
    return cast("Caller", g.caller)


def home_url() -> str:
    """Return where clients reach us, without a slash at the end: as the settings say, else as the request does.

    What a proxy says in headers of its own is never believed: anybody can send them.
    """
    return web().service.settings.public_url or _address(request.scheme, request.host)


@lru_cache(maxsize=64)
def _address(scheme: str, host: str) -> str:
    # ``request.host_url`` converts both anew each time that it is asked, several times in each request.
    return get_current_url(scheme, host).rstrip("/")


def correlation_id() -> str:
    """Return the id of the running request, the same in the reply and in the log; made by us, never taken over."""
    return cast("str", g.correlation_id)
