"""``POST /internal/<work>``: work that a command of this machine hands over (``sync.works``).

This process writes the database, so that no other can. Who asks shows the token that stands in the lock file beside
the database, which only its owner can read; a bearer token of a client opens nothing here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from flask import request

from fhir_infusion.sync import works
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.refusals import header_refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response


def do(work: str) -> Response:
    """Do a work for the owner of this machine's database; refuse any other."""
    expected = web().owner_token
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if not expected or scheme != "Bearer" or not hmac.compare_digest(shown.encode(), expected.encode()):
        raise header_refusal(401, "login", "Authorization", "this is for commands of this machine", "the owner's token")
    return json_reply(works.do(web().service, work, read_object(request, None)))
