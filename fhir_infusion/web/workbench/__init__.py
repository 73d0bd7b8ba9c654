"""The workbench: the page on which an engineer sees a translation, its ledger and its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.web import pages
from fhir_infusion.web.context import web
from fhir_infusion.web.examples import texts

if TYPE_CHECKING:
    from flask import Response


def show() -> Response:
    """Return the page. ``GET /workbench``."""
    titles = {name: name.partition("-")[2].replace("-", ": ", 1) for name in texts()}
    overlays = sorted(web().service.translator.overlays)
    return pages.page("workbench/page.html", overlays=overlays, texts=texts(), titles=titles)
