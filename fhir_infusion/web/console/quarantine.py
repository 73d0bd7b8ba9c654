"""``/console/remotes/<remote>/quarantine``: what was received and could not be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.sync.inspecting import retry_quarantined, show_quarantined
from fhir_infusion.web import listing, whose
from fhir_infusion.web.console import common
from fhir_infusion.web.console.remotes import PATH as REMOTES
from fhir_infusion.web.context import caller, web

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.web.problems import Problem

VERSION: Final = {"version": "Type/id/_history/version, as it is there."}


def listed(remote: str) -> Response:
    """List what could not be taken, the oldest first. ``GET /console/remotes/<remote>/quarantine``."""
    return _list(remote)


def content(remote: str) -> Response:
    """Show a version as it was received; audited as a read. ``GET /console/remotes/<remote>/quarantine/content``."""
    version, name = common.stated(VERSION).get("version", ""), whose.remote_of(remote).name
    shown = show_quarantined(web().service, caller().client, name, version)
    title = f"{version}, as it was received from {name}"
    return common.render("content.html", "remotes", title=title, text=shown["content"], back=_path(name))


def retry(remote: str) -> Response:
    """Have versions tried again. ``POST /console/remotes/<remote>/quarantine``."""
    form, name = common.fields(), whose.remote_of(remote).name

    def work() -> str:
        listed, reason = " ".join(form.get("version", ())), common.field(form, "reason")
        done = retry_quarantined(web().service, caller().client, name, listed, reason)
        return f"Tried again: {done['tried']}. Taken now: {done['taken']}. Not taken: {done['left']}."

    return common.act(work, _path(name), lambda found: _list(name, found))


def _path(remote: str) -> str:
    return f"{REMOTES}/{remote}/quarantine"


def _list(remote: str, found: Problem | None = None) -> Response:
    asked = common.asked(_path(remote), {})
    section = whose.remote_of(remote)
    rows, after = whose.quarantined(section, asked)
    more = listing.next_of(asked, after) if after is not None else ""
    return common.render("quarantine.html", "remotes", found, remote=section.name, rows=rows, more=more)
