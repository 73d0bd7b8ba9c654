"""``/console/conflicts``: what changed on both sides and waits for a person, by place; one of them with its values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import follow
from fhir_infusion.store import conflicts
from fhir_infusion.sync import resolve as deciding
from fhir_infusion.sync import shown
from fhir_infusion.sync.trace import since
from fhir_infusion.web import listing
from fhir_infusion.web.console import common, words
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.refusals import refusal

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.web.problems import Problem

PATH: Final = f"{common.HOME}/conflicts"
FILTERS: Final = {"endpoint": "The name of a remote."}


def listed() -> Response:
    """List what waits, the oldest first, without values. ``GET /console/conflicts``."""
    asked = common.asked(PATH, FILTERS)
    endpoint = asked.filters[-1][1] if asked.filters else None
    found, after = web().service.store.read(
        caller().tenant, partial(conflicts.page, count=asked.count, after=asked.after, endpoint=endpoint)
    )
    rows = [(one, shown.summary(one), words.reasons(one)) for one in found]
    more = listing.next_of(asked, after) if after is not None else ""
    return common.render("conflicts.html", "conflicts", rows=rows, more=more, endpoint=endpoint)


def one(conflict_id: str) -> Response:
    """Show a conflict with what each side says; audited as a read. ``GET /console/conflicts/<conflict_id>``."""
    common.stated({})
    return _page(conflict_id)


def decide(conflict_id: str) -> Response:
    """Decide a conflict as it was shown. ``POST /console/conflicts/<conflict_id>``."""
    form = common.fields()

    def work() -> str:
        keep, reason, seen = (common.field(form, name) for name in ("keep", "reason", "seen"))
        if keep not in deciding.KEEP:
            raise refusal(400, "value", "this value is not known", path="keep", accepted="ours or theirs")
        who = caller()
        decided = deciding.resolve(
            web().service,
            who.client,
            conflict_id,
            "ours" if keep == "ours" else "theirs",
            reason,
            tenant=who.tenant,
            seen=seen,
        )
        return words.decided(decided)

    return common.act(work, PATH, lambda found: _page(conflict_id, found))


def _page(conflict_id: str, found: Problem | None = None) -> Response:
    service, who = web().service, caller()
    conflict, whole = shown.show(service, who.tenant, who.client, conflict_id)
    is_here = conflict.endpoint == follow.HERE
    meanwhile = None
    if not is_here:
        meanwhile = since(service, who.tenant, conflict.aggregate, conflict.endpoint, conflict.opened)
    return common.render(
        "conflict.html",
        "conflicts",
        found,
        conflict=conflict,
        groups=words.diff(whole["differences"], conflict.fields),
        tag=shown.tag(conflict),
        reasons=words.reasons(conflict),
        is_here=is_here,
        is_reused=follow.REUSED in conflict.fields,
        meanwhile=meanwhile,
    )
