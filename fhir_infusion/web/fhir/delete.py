"""Delete and conditional delete: https://hl7.org/fhir/http.html#delete, #cdelete.

An order is deleted, as it is changed, only by who names the version that was read: without ``If-Match`` 400, with a
stale one 412. What may not be deleted, and why, tells ``actions.delete_resource``. Of several matches none is deleted
(412).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from fhir_infusion.actions import conditional, delete_resource
from fhir_infusion.web import problems
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir.common import check_id, known_type, release_of
from fhir_infusion.web.fhir.criteria import refuse_query, stated_criteria
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, if_match, preferences, refuse_conditions
from fhir_infusion.web.replies import fhir_reply, version_headers

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.delete_resource import Deleted
    from fhir_infusion.config import Release


def delete(release: str, fhir_type: str, resource_id: str) -> Response:
    """Delete a resource; deleting again changes nothing."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    refuse_query(request)
    # Such as _history: that there is nothing of this name must not look like a deletion.
    check_id(resource_id)
    asking = with_key(caller(), request)
    return _reply(delete_resource.delete(web().service, asking, known, resource_id, if_match(request)), served)


def delete_matching(release: str, fhir_type: str) -> Response:
    """Delete the one resource that the criteria of the address find."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    query = stated_criteria(request, served, known)
    asking = with_key(caller(), request)
    return _reply(conditional.delete(web().service, asking, known, query, if_match(request)), served)


def _reply(deleted: Deleted | None, release: Release) -> Response:
    headers = version_headers(deleted.version, deleted.last_updated) if deleted else {}
    if preferences(request).body == "OperationOutcome":
        return fhir_reply(problems.outcome((problems.ALL_OK,)), release, 200, headers)
    return fhir_reply(None, release, 204, headers)
