"""``/console/trace``: what happened to one order and its administrations, from the EHR to every server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.sync.trace import short_names, trace_of
from fhir_infusion.web import problems
from fhir_infusion.web.console import common
from fhir_infusion.web.context import caller, correlation_id, web

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.sync.trace import Event

PATH: Final = f"{common.HOME}/trace"
PARAMETERS: Final = {"order": "The id of an order, its order_id, or system|value of its identifier."}


def show() -> Response:
    """Show the timeline of an order, or ask for one. ``GET /console/trace``."""
    order = common.stated(PARAMETERS).get("order", "").strip()
    found = None
    events: tuple[Event, ...] = ()
    if order:
        try:
            events = trace_of(web().service, caller().tenant, order)
        except Refused as refused:
            found = problems.problem(refused, correlation_id())
    return common.render("trace.html", "trace", found, order=order, events=events, names=short_names(events))
