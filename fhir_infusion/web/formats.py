"""``/api/formats/NAME``: a site's own JSON, stored as orders or administrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from fhir_infusion.actions import place_in_format
from fhir_infusion.web.bodies import read_rows
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, refuse_conditions
from fhir_infusion.web.ours import CONDITIONS
from fhir_infusion.web.problems import MOST_ISSUES, finding
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.place_in_format import Placed


def post(format_name: str) -> Response:
    """Store what an object, an array or lines of the site's JSON say; each record is answered by itself.

    ``{results: [{status, id, version, record, findings} | {status, issues}]}``
    """
    check_accept(request, None)
    refuse_conditions(request, "If-None-Exist", "If-Match", "If-None-Match", accepted=CONDITIONS)
    if format_name not in web().service.translator.library.formats:
        accepted = ", ".join(sorted(web().service.translator.library.formats)) or "none is there"
        raise refusal(404, "not-found", "there is no such format", accepted=accepted)
    value = read_rows(request)
    placed = place_in_format.place(web().service, with_key(caller(), request, value), format_name, value)
    return json_reply({"results": [_result(one) for one in placed]})


def _result(placed: Placed) -> dict[str, Any]:
    if placed.outcome is None:
        refused = placed.refused
        issues = refused.issues[:MOST_ISSUES] if refused is not None else ()
        return {"status": refused.status if refused is not None else 500, "issues": [finding(one) for one in issues]}
    written = placed.outcome
    return {
        "status": 201 if written.created else 200,
        "id": written.id,
        "version": str(written.version),
        "record": written.record,
        "findings": [finding(issue) for issue in written.findings],
    }
