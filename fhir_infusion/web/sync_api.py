"""``/api/sync`` beside its conflicts: what the commands of ``sync`` tell and do, for programs of operators.

Each is the function of its command. Lists hold no content; who is shown what a row tells is in the audit trail first.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.sync import replaying
from fhir_infusion.sync.advice import advice
from fhir_infusion.sync.inspecting import line_of, retry_quarantined, show_row
from fhir_infusion.sync.status import status as status_of
from fhir_infusion.sync.trace import trace_of
from fhir_infusion.web import listing, whose
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import parameter_refusal, refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from fhir_infusion.sync.trace import Event

PATH: Final = "/api/sync"
REMOTE: Final = f"{PATH}/remotes/<remote>"
ORDER: Final[Mapping[str, str]] = {"order": "The id of an order, its order_id, or system|value of its identifier."}


def status() -> Response:
    """Tell how each remote stands, with what to do next in words. ``GET /api/sync/status``."""
    check_accept(request, None)
    listing.checked({})
    found = status_of(web().service, caller().tenant)
    return json_reply({"items": [{**one, "advice": [each.text for each in advice(one)]} for one in found]})


def trace() -> Response:
    """Tell what happened to an order and its administrations. ``GET /api/sync/trace``."""
    check_accept(request, None)
    order = dict(listing.checked(ORDER)).get("order", "")
    if not order:
        raise parameter_refusal("order", "it is missing", ORDER["order"], "required")
    return json_reply({"items": [_event(one) for one in trace_of(web().service, caller().tenant, order)]})


def put_aside(remote: str) -> Response:
    """List what was put aside on its way to a remote. ``GET /api/sync/remotes/<remote>/aside``."""
    check_accept(request, None)
    asked = listing.asked(f"{PATH}/remotes/{remote}/aside", whose.ASIDE)
    section = whose.remote_of(remote)
    rows, after = whose.put_aside(section, asked)
    return listing.reply(asked, [line_of(section.tenant, row) for row in rows], after)


def row(row: str) -> Response:
    """Show what a row tells; audited as a read. ``GET /api/sync/rows/<row>``."""
    check_accept(request, None)
    who, found = caller(), whose.row_of(row)
    return json_reply(show_row(web().service, who.client, str(found.seq), who.tenant))


def replay(remote: str) -> Response:
    """Tell rows again. ``POST /api/sync/remotes/<remote>/replay``."""
    rows, reason = _asked("rows", int)
    section, who = whose.remote_of(remote), caller()
    return json_reply(replaying.replay(web().service, who.client, section.name, rows, reason))


def skip(remote: str) -> Response:
    """Give rows up that were put aside. ``POST /api/sync/remotes/<remote>/skip``."""
    rows, reason = _asked("rows", int)
    whose.remote_of(remote)
    who = caller()
    return json_reply(replaying.skip(web().service, who.client, rows, reason, who.tenant))


def quarantine(remote: str) -> Response:
    """List what could not be taken, the oldest first. ``GET /api/sync/remotes/<remote>/quarantine``."""
    check_accept(request, None)
    asked = listing.asked(f"{PATH}/remotes/{remote}/quarantine", {})
    rows, after = whose.quarantined(whose.remote_of(remote), asked)
    items = [
        {
            "version": f"{one.type}/{one.id}/_history/{one.version}",
            "codes": one.codes,
            "received": one.received.isoformat(),
        }
        for one in rows
    ]
    return listing.reply(asked, items, after)


def retry(remote: str) -> Response:
    """Try again to take versions. ``POST /api/sync/remotes/<remote>/quarantine``."""
    versions, reason = _asked("versions", str)
    section, who = whose.remote_of(remote), caller()
    return json_reply(retry_quarantined(web().service, who.client, section.name, versions, reason))


def _asked(name: str, kind: type) -> tuple[str, str]:
    """Return what the body lists under a name, with spaces between, and the reason."""
    check_accept(request, None)
    body = read_object(request, None)
    listed, reason = body.get(name), body.get("reason")
    words = [str(one) for one in listed if type(one) is kind] if isinstance(listed, list) else []
    if not words or len(words) != len(listed or ()) or any(len(word.split()) != 1 for word in words):
        accepted = "a list of row numbers" if kind is int else "a list of Type/id/_history/version"
        raise refusal(400, "required", "it is missing, or is no such list", path=name, accepted=accepted)
    if not isinstance(reason, str):
        raise refusal(400, "required", "it is missing, or is no text", path="reason", accepted="a text")
    if len(body) > 2:
        raise refusal(400, "structure", "there is a member that is not known", accepted=f"{name}, reason")
    return " ".join(words), reason


def _event(event: Event) -> dict[str, Any]:
    return {**asdict(event), "at": event.at.isoformat(), "requests": [asdict(one) for one in event.requests]}
