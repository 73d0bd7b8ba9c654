"""``/api/mappings``: which mapping documents are in use, and reading them anew without a restart.

SIGHUP does the same (``server``). Nobody waits for a reload but who asked for it: until the new documents are proven,
and where they are wrong, the ones before serve on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from flask import request

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.web import collector, logs
from fhir_infusion.web.context import web
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.mappings.live import Live, Reloaded

PATH: Final = "/api/mappings"


def get() -> Response:
    """Tell which documents are in use, since when they are proven, and why those tried last are not."""
    check_accept(request, None)
    return json_reply(web().live.document())


def post() -> Response:
    """Read the documents anew, here and in every process of this service; 422 with what is wrong with them."""
    check_accept(request, None)
    live = web().live
    state = reload(live)
    failure = live.failure
    if state == "refused" and failure is not None:
        accepted = "documents that `mapping check` accepts; those before serve on"
        raise Refused(
            *(
                Issue("error", "business-rule", "mappings", complaint, accepted, "mappings", BREAKS_RULE)
                for complaint in failure.complaints
            )
        )
    web().company.tell()
    return json_reply({"state": state, **live.document()})


def reload(live: Live) -> Reloaded:
    """Read the documents anew, and tell what came of it in the log."""
    try:
        state = live.reload()
    except Exception as error:
        logs.event("mappings-failed", logging.ERROR, failure=error, digest=live.digest)
        raise
    failure = live.failure
    if state == "refused" and failure is not None:
        logs.event("mappings-refused", logging.ERROR, digest=live.digest, complaints=list(failure.complaints))
    else:
        logs.event(f"mappings-{state}", digest=live.digest)
    if state == "exchanged":
        collector.set_aside_anew()  # those before are freed, unless a request still ends with them
    return state
