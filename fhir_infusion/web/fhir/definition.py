"""Our own definitions, read only: what a canonical address leads to that the CapabilityStatement or a resource names.

https://hl7.org/fhir/http.html#read, #search; https://hl7.org/fhir/references.html#canonical: a client that knows the
address asks for it by ``url``, with ``version`` where it named one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

from fhir_infusion.actions.definitions import TYPES, definitions
from fhir_infusion.web.fhir import listing
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import not_found
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

PARAMETERS: Final = {"_id": "token", "url": "uri", "version": "token"}
"""What definitions are searched by, each with its type."""

__all__ = ["PARAMETERS", "TYPES", "get_of", "listed_of"]


def listed_of(type_: str) -> Callable[[str], Response]:
    """Return the view that searches the definitions of a type."""

    def listed(release: str) -> Response:
        served = release_of(release)
        found = [
            listing.Listed(one["id"], one, {"_id": {one["id"]}, "url": {one["url"]}, "version": {one["version"]}})
            for one in definitions(served)[type_].values()
        ]
        return listing.answer(served, type_, tuple(PARAMETERS), found)

    return listed


def get_of(type_: str) -> Callable[[str, str], Response]:
    """Return the view that reads a definition of a type."""

    def get(release: str, definition_id: str) -> Response:
        served = release_of(release)
        check_accept(request, served)
        found = definitions(served)[type_].get(definition_id)
        if found is None:
            raise not_found("definition")
        return fhir_reply(found, served)

    return get
