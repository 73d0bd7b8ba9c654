"""``/console/audit``: the newest rows of the audit trail, and whether it is whole."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import audit
from fhir_infusion.web import listing
from fhir_infusion.web.console import common
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.refusals import parameter_refusal

if TYPE_CHECKING:
    from flask import Response

PATH: Final = f"{common.HOME}/audit"
FILTERS: Final = {"action": "An action, such as `read`.", "resource": "A resource of ours, Type/id."}


def listed() -> Response:
    """Show rows, the newest first. ``GET /console/audit``."""
    asked = common.asked(PATH, FILTERS)
    chosen = dict(asked.filters)
    type_, _, id_ = chosen.get("resource", "").partition("/")
    if type_ and not id_:
        raise parameter_refusal("resource", "it names no resource", "Type/id")
    which = partial(
        audit.newest,
        before=int(asked.after[0]) if asked.after else None,
        limit=asked.count,
        action=chosen.get("action", ""),
        about=(type_, id_) if id_ else None,
    )
    rows, left = web().service.store.read(caller().tenant, which)
    more = listing.next_of(asked, [str(left)]) if left is not None else ""
    return common.render("trail.html", "audit", rows=rows, chosen=chosen, more=more, complaints=None)


def check() -> Response:
    """Check the whole trail, as ``audit verify`` does. ``GET /console/audit/check``."""
    common.stated({})
    complaints = web().service.store.read(caller().tenant, audit.verify)
    return common.render("trail.html", "audit", rows=(), chosen={}, more="", complaints=complaints)
