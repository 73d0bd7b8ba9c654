"""Read: https://hl7.org/fhir/http.html#read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from fhir_infusion.actions import find
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir.common import known_type, release_of, version_reply
from fhir_infusion.web.negotiation import check_accept

if TYPE_CHECKING:
    from flask import Response


def get(release: str, fhir_type: str, resource_id: str) -> Response:
    """Return the current version."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    return version_reply(find.read(web().service, caller(), served, known, resource_id), served)
