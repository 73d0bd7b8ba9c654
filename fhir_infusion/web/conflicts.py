"""``/api/sync/conflicts``: what changed on both sides and waits for a person, for operators.

The list names places, no values. One conflict is shown with its values, which is audited as a read; its ETag stands for
the states that were shown, and with it in ``If-Match`` nobody decides about any other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import repeated
from fhir_infusion.store import conflicts
from fhir_infusion.sync import resolve as deciding
from fhir_infusion.sync import shown
from fhir_infusion.web import listing
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, if_match
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import json_reply, version_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

PATH: Final = "/api/sync/conflicts"
FILTERS: Final[Mapping[str, str]] = {"endpoint": "The name of a remote."}
MEMBERS: Final[Mapping[str, str]] = {"keep": "ours or theirs", "reason": "a text, for the audit trail"}


def find() -> Response:
    """List what waits, oldest first, page by page."""
    check_accept(request, None)
    asked = listing.asked(PATH, FILTERS)
    endpoint = asked.filters[-1][1] if asked.filters else None
    found, after = web().service.store.read(
        caller().tenant, partial(conflicts.page, count=asked.count, after=asked.after, endpoint=endpoint)
    )
    return listing.reply(asked, [shown.summary(one) for one in found], after)


def get(conflict_id: str) -> Response:
    """Show a conflict with what each side says."""
    check_accept(request, None)
    who = caller()
    conflict, body = shown.show(web().service, who.tenant, who.client, conflict_id)
    return json_reply(body, headers=version_headers(shown.tag(conflict)))


def resolve(conflict_id: str) -> Response:
    """Decide a conflict."""
    check_accept(request, None)
    seen = if_match(request)
    body = read_object(request, None)
    _check(body)
    who, service = with_key(caller(), request, body), web().service
    keep, reason = body["keep"], body["reason"]
    once = partial(deciding.resolve, service, who.client, conflict_id, keep, reason)
    decided = repeated.once(
        service, who, _DECIDED, lambda _: once(tenant=who.tenant, seen=seen, key=who.key, asked=who.asked)
    )
    return json_reply(decided)


_DECIDED: Final[repeated.Form[dict[str, Any]]] = repeated.Form(lambda told: told, lambda _, told: told)


def _check(body: dict[str, Any]) -> None:
    for name, accepted in MEMBERS.items():
        if not isinstance(body.get(name), str):
            raise refusal(400, "required", "it is missing, or is no text", path=name, accepted=accepted)
    if len(body) > len(MEMBERS):
        raise refusal(400, "structure", "there is a member that is not known", accepted=", ".join(MEMBERS))
    if body["keep"] not in deciding.KEEP:
        raise refusal(400, "value", "this value is not known", path="keep", accepted=MEMBERS["keep"])
