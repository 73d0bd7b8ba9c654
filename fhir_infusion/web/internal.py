"""``POST /internal/sync``, ``resolve`` and ``resume``: work that a command of this machine hands over.

This process writes the database, so that no other can. Who asks shows the token that stands in the lock file beside
the database, which only its owner can read; a bearer token of a client opens nothing here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.sync import resolve as decide
from fhir_infusion.sync import restored
from fhir_infusion.sync.worker import sync_now
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.refusals import header_refusal, refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.service import Service

MEMBERS: Final = ("remote", "direction")
DECISION: Final = ("client", "conflict_id", "keep", "reason")
RESUMING: Final = ("client", "remote", "reason")
DIRECTIONS: Final = ("push", "pull", "both")


def sync() -> Response:
    """Push or pull once; the answer is what :func:`run_sync` returns."""
    given = _given(MEMBERS)
    if given["direction"] not in DIRECTIONS:
        raise refusal(400, "value", "the direction is not known", path="direction", accepted=", ".join(DIRECTIONS))
    return json_reply(run_sync(web().service, **given))


def resolve() -> Response:
    """Decide a conflict; the answer is what ``sync.resolve`` returns."""
    given = _given(DECISION)
    if given["keep"] not in decide.KEEP:
        raise refusal(400, "value", "this is no side", path="keep", accepted=", ".join(decide.KEEP))
    return json_reply(decide.resolve(web().service, **given))  # type: ignore[arg-type]  # its values were compared


def resume() -> Response:
    """Go on with a remote that was paused; the answer is what ``restored.resume`` returns."""
    return json_reply(restored.resume(web().service, **_given(RESUMING)))


def _given(members: tuple[str, ...]) -> dict[str, str]:
    """Return the texts of a request by the owner of this machine's database; refuse any other."""
    expected = web().owner_token
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if not expected or scheme != "Bearer" or not hmac.compare_digest(shown.encode(), expected.encode()):
        raise header_refusal(401, "login", "Authorization", "this is for commands of this machine", "the owner's token")
    asked = read_object(request, None)
    given = {name: value for name, value in asked.items() if isinstance(value, str)}
    if set(given) != set(members):
        raise refusal(400, "structure", "the request is not complete", accepted=", ".join(members))
    return given


def run_sync(service: Service, remote: str, direction: str) -> dict[str, Any]:
    """Push or pull one remote once, and return what was done as JSON.

    Raises ``SettingsError`` or ``Unavailable``.
    """
    taken, pulled = sync_now(service, remote, direction)
    return {
        "remote": remote,
        "direction": direction,
        "taken": taken,
        "pulled": [
            {"type": one.type, "received": one.received, "applied": one.applied, "trouble": one.trouble}
            for one in pulled
        ],
    }
