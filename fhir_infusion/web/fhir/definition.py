"""Our own definitions, read only: what a canonical address leads to that the CapabilityStatement or a resource names.

Beside what ``profiles/`` holds these are the code tables of the mapping documents, as ConceptMaps, and
the mappings themselves, as the StructureMaps by which ``$transform`` names them.

https://hl7.org/fhir/http.html#read, #search; https://hl7.org/fhir/references.html#canonical: a client that knows the
address asks for it by ``url``, with ``version`` where it named one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions.definitions import TYPES as SHIPPED
from fhir_infusion.actions.definitions import definitions
from fhir_infusion.actions.map_names import map_names, structure_map
from fhir_infusion.mapping import concept_maps
from fhir_infusion.web.context import web
from fhir_infusion.web.fhir import listing
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import not_found
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response

    from fhir_infusion.config import Release

Json = dict[str, Any]

CONCEPT_MAP: Final = "ConceptMap"
STRUCTURE_MAP: Final = "StructureMap"
TYPES: Final = (*SHIPPED, CONCEPT_MAP, STRUCTURE_MAP)
"""Those of ``profiles/``, and what is made of the mapping documents."""
PARAMETERS: Final = {"_id": "token", "url": "uri", "version": "token"}
"""What definitions are searched by, each with its type."""


def listed_of(type_: str) -> Callable[[str], Response]:
    """Return the view that searches the definitions of a type."""

    def listed(release: str) -> Response:
        served = release_of(release)
        found = [
            listing.Listed(one["id"], one, {"_id": {one["id"]}, "url": {one["url"]}, "version": {one["version"]}})
            for one in (make() for make in _known(served, type_).values())
        ]
        return listing.answer(served, type_, tuple(PARAMETERS), found)

    return listed


def get_of(type_: str) -> Callable[[str, str], Response]:
    """Return the view that reads a definition of a type."""

    def get(release: str, definition_id: str) -> Response:
        served = release_of(release)
        check_accept(request, served)
        make = _known(served, type_).get(definition_id)
        if make is None:
            raise not_found("definition", f"an id that GET {type_} lists")
        return fhir_reply(make(), served)

    return get


def _known(release: Release, type_: str) -> Mapping[str, Callable[[], Json]]:
    """Return by id what makes each definition of a type, so that to read one makes one."""
    translator = web().service.translator
    if type_ == STRUCTURE_MAP:
        return {id_: partial(structure_map, translator, name) for id_, name in map_names(translator, release).items()}
    if type_ == CONCEPT_MAP:
        tables = concept_maps.complete_ones(translator.library.codes, release)
        return {name: partial(concept_maps.concept_map, table, release) for name, table in tables.items()}
    return {id_: partial(dict, one) for id_, one in definitions(release)[type_].items()}
