"""Update, also conditional, and update-as-create: https://hl7.org/fhir/http.html#update, #upsert, #cond-update.

An existing order is changed only by who names the version that was read: without ``If-Match`` 400, with a stale one
412. For an administration ``If-Match`` is optional, since common FHIR clients send none; a stale one is 412 as well.
What does not exist is created under the id that the client chose; with ``If-None-Match: *`` nothing else is done.
``PUT Type?criteria`` updates the one resource that meets the criteria, or creates one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from fhir_infusion.actions import accept_resource, conditional
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir.common import check_id, known_type, read_resource, release_of, written_reply
from fhir_infusion.web.fhir.criteria import refuse_query, stated_criteria
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, creates_only, if_match, refuse_conditions
from fhir_infusion.web.refusals import refusal

if TYPE_CHECKING:
    from flask import Response


def put(release: str, fhir_type: str, resource_id: str) -> Response:
    """Store a new version of a resource, or its first under this id."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist")
    refuse_query(request)
    check_id(resource_id)
    resource = read_resource(served, known)
    if resource.get("id") != resource_id:
        accepted = "the id that the address names"
        raise refusal(400, "value", "the id is not that of the address", path=f"{known}.id", accepted=accepted)
    asking = with_key(caller(), request, resource)
    service, only_new = web().service, creates_only(request)
    written = accept_resource.update(
        service, asking, served, resource_id, resource, if_match(request), only_new=only_new
    )
    return written_reply(written, served)


def put_matching(release: str, fhir_type: str) -> Response:
    """Store a new version of the one resource that the criteria of the address find, or the first of a new one."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist")
    query = stated_criteria(request, served, known)
    resource = read_resource(served, known)
    asking = with_key(caller(), request, resource)
    only_new = creates_only(request)
    written = conditional.update(web().service, asking, served, query, resource, if_match(request), only_new=only_new)
    return written_reply(written, served)
