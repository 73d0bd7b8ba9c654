"""The documentation as pages: the guides of the package, what is shipped beside them, and the API reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.web import pages
from fhir_infusion.web.context import home_url
from fhir_infusion.web.docs import reference, texts
from fhir_infusion.web.openapi_requests import BASE
from fhir_infusion.web.refusals import not_found

if TYPE_CHECKING:
    from flask import Response


def index() -> Response:
    """Return the list of what there is to read. ``GET /docs``."""
    return pages.page("docs/index.html", texts=texts.documents())


def show(name: str) -> Response:
    """Return one text as a page. ``GET /docs/<name>``."""
    found = texts.documents().get(name)
    if found is None:
        raise not_found("page", "one that /docs lists")
    return pages.page("docs/text.html", text=found, content=texts.rendered(name))


def api() -> Response:
    """Return the API reference. ``GET /docs/api``."""
    # The lines for curl are to be pasted: they name this service, and not the one of the shipped files.
    return pages.page(
        "docs/api.html", groups=reference.groups(), schemas=reference.schemas(), base=BASE, home=home_url()
    )
