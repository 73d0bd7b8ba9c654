"""Patch, also conditional: https://hl7.org/fhir/http.html#patch.

A patch is JSON Patch (``application/json-patch+json``) or FHIRPath Patch (a Parameters resource). An order is patched
only by who names the version that was read, as it is updated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

from fhir_infusion.actions import patch_resource
from fhir_infusion.fhir import json_patch, path_patch
from fhir_infusion.fhir.rewriting import relative
from fhir_infusion.web.bodies import read_bytes, read_object
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.fhir.common import check_type, known_type, release_of, written_reply
from fhir_infusion.web.fhir.criteria import refuse_query, stated_criteria
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import FHIR_JSON, check_accept, check_content_type, if_match, refuse_conditions

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.patch_resource import Change
    from fhir_infusion.config import Release

JSON_PATCH: Final = "application/json-patch+json"
FORMATS: Final = (JSON_PATCH, FHIR_JSON)
"""The media types of a patch; https://hl7.org/fhir/capabilitystatement-definitions.html, patchFormat."""


def patch(release: str, fhir_type: str, resource_id: str) -> Response:
    """Store the version that a patch makes of the current one."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    refuse_query(request)
    change, who = _change(served)
    service = web().service
    written = patch_resource.patch(service, who, served, known, resource_id, change, if_match(request))
    return written_reply(written, served)


def patch_matching(release: str, fhir_type: str) -> Response:
    """Store the version that a patch makes of the one resource that the criteria of the address find."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist", "If-None-Match")
    query = stated_criteria(request, served, known)
    change, who = _change(served)
    service = web().service
    written = patch_resource.patch_matching(service, who, served, known, query, change, if_match(request))
    return written_reply(written, served)


def _change(release: Release) -> tuple[Change, Caller]:
    """Return what the patch in the body does to a resource, and who asks for that."""
    home = home_url()
    if check_content_type(request, release, (JSON_PATCH,)) == JSON_PATCH:
        body = read_bytes(request)
        operations = json_patch.read(body)
        asking = with_key(caller(), request, body)
        return lambda resource, _: relative(json_patch.apply(operations, resource), home), asking
    parameters = read_object(request, release)
    check_type(parameters, "Parameters")
    steps = path_patch.read(parameters)
    asking = with_key(caller(), request, parameters)
    return lambda resource, in_release: relative(path_patch.apply(steps, resource, in_release), home), asking
