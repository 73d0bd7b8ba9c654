"""``POST`` and ``PUT /hooks/<remote>``: a remote says that something changed there (``sync subscribe``).

What it sends is not read: who shows the token of the remote makes its next pull happen now, and no more. A remote that
does not exist, or is not subscribed to, is answered as a wrong token is.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from flask import Response, request

from fhir_infusion.config import read_secret
from fhir_infusion.errors import SettingsError
from fhir_infusion.web.bodies import read_piece
from fhir_infusion.web.context import web
from fhir_infusion.web.refusals import header_refusal, refusal

if TYPE_CHECKING:
    from fhir_infusion.service import Service

MOST_BYTES: Final = 1024 * 1024


def take(remote: str, **_: str) -> Response:
    """Take a nudge. Some servers put type and id of what changed behind the address, which is not believed either."""
    expected = _token(web().service, remote)
    shown = request.headers.get("Authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {expected}".encode()) or not expected:
        raise header_refusal(401, "login", "Authorization", "there is no valid token", "the token of a subscription")
    left = MOST_BYTES
    while piece := read_piece(request, min(left + 1, 64 * 1024)):
        left -= len(piece)
        if left < 0:
            raise refusal(413, "too-long", "a notification is empty", accepted=f"{MOST_BYTES} bytes")
    worker = web().worker
    if worker is not None:
        worker.nudge(remote)
    return Response(status=204)


def _token(service: Service, remote: str) -> str:
    """Return the token that a remote has to show, empty where there is none."""
    files = [one.hook_token_file for one in service.settings.remotes if one.name == remote]
    try:
        return read_secret(files[0]) if files and files[0] is not None else ""
    except SettingsError:
        return ""
