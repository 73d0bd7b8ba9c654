"""Our own definitions, as they are shipped in ``profiles/``: what the canonical addresses lead to that we name.

Extensions, codes and operations are of every release; the profiles of R4 are those of R4B too, which has the elements
concerned as R4 has them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.config import profiles_dir, read_texts
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.releases import RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

TYPES: Final = ("StructureDefinition", "ValueSet", "CodeSystem", "OperationDefinition")
_OF_A_RELEASE: Final = {"r4": ("R4", "R4B"), "r5": ("R5",)}
"""The folders of definitions that are not of every release."""


@cache
def definitions(release: str) -> Mapping[str, Mapping[str, Json]]:
    """Return the definitions of a release: by type, then by id."""
    found: dict[str, dict[str, Json]] = {one: {} for one in TYPES}
    for name, text in sorted(read_texts(profiles_dir(), ".json").items()):
        definition = fhir_json.read(text)
        type_ = definition["resourceType"]
        folder = name.rpartition("/")[0].rpartition("/")[2]
        if type_ not in TYPES or release not in _OF_A_RELEASE.get(folder, (release,)):
            continue
        if "fhirVersion" in definition:
            definition["fhirVersion"] = RELEASES[release].version
        found[type_][definition["id"]] = definition
    return found
