"""Create, plain and conditional: https://hl7.org/fhir/http.html#create, #ccreate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from fhir_infusion.actions import accept_resource
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir.common import known_type, read_resource, release_of, written_reply
from fhir_infusion.web.fhir.criteria import if_none_exist, refuse_query
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, refuse_conditions

if TYPE_CHECKING:
    from flask import Response


def post(release: str, fhir_type: str) -> Response:
    """Store a new resource under an id of ours; 200 with what is there where it exists already."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-Match")
    # Criteria in the address would be passed over, and what they are to prevent, a second resource, would come about.
    refuse_query(request)
    criteria = if_none_exist(request, served, known)
    resource = read_resource(served, known)
    asking = with_key(caller(), request, resource)
    written = accept_resource.create(web().service, asking, served, resource, criteria)
    return written_reply(written, served)
