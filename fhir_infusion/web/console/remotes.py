"""``/console``: the remotes, how far each is in step, and what is to be done next; one of them with its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.store import aside, attempts
from fhir_infusion.sync.advice import advice
from fhir_infusion.sync.restored import resume as go_on
from fhir_infusion.sync.status import status
from fhir_infusion.web import whose
from fhir_infusion.web.console import common
from fhir_infusion.web.context import caller, web

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.store import Tx
    from fhir_infusion.store.attempts import Attempt
    from fhir_infusion.web.problems import Problem

PATH: Final = f"{common.HOME}/remotes"
ATTEMPTS: Final = 30


def listed() -> Response:
    """Show every remote. ``GET /console``."""
    common.stated({})
    remotes = [{**one, "advice": advice(one)} for one in _statuses()]
    return common.render("remotes.html", "remotes", remotes=remotes)


def one(remote: str) -> Response:
    """Show one remote. ``GET /console/remotes/<remote>``."""
    common.stated({})
    return _page(remote)


def resume(remote: str) -> Response:
    """Go on with a remote that is paused. ``POST /console/remotes/<remote>/resume``."""
    form, name = common.fields(), whose.remote_of(remote).name

    def work() -> str:
        go_on(web().service, caller().client, name, common.field(form, "reason"))
        return "It goes on: all of it is read anew, and compared with what is known here."

    return common.act(work, f"{PATH}/{name}", lambda found: _page(name, found))


def _statuses() -> list[dict[str, Any]]:
    return status(web().service, caller().tenant)


def _page(remote: str, found: Problem | None = None) -> Response:
    section = whose.remote_of(remote)
    (entry,) = [one for one in _statuses() if one["endpoint"] == section.name]

    def known(tx: Tx) -> tuple[tuple[Attempt, ...], tuple[tuple[str, str, int], ...]]:
        return attempts.recent(tx, section.name, ATTEMPTS), aside.why(tx, section.name)

    recent, why = web().service.store.read(section.tenant, known)
    values = {"section": section, "remote": {**entry, "advice": advice(entry)}, "attempts": recent, "why": why}
    return common.render("remote.html", "remotes", found, **values)
