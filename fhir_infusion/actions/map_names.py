"""The canonical address of each mapping: one for each kind of record, direction, release and overlay.

By it others name a mapping that they want to have performed (``StructureMap/$transform``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.config import Release
from fhir_infusion.mapping.concept_maps import BASE, VERSION
from fhir_infusion.mapping.structure_map import CANNOT, rules
from fhir_infusion.translator import FHIR_TYPE

if TYPE_CHECKING:
    from fhir_infusion.translator import Translator

Json = dict[str, Any]
Side = Literal["fhir", "internal"]

_STANDARD: Final = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class MapName:
    """A mapping in one direction. ``overlay`` is empty for the mapping as this service is set up."""

    internal: str
    to: Side
    release: Release
    overlay: str = ""

    @property
    def id(self) -> str:
        """Its id, such as ``infusion-order-to-fhir-r4`` or ``administration-to-internal-r5-uk-core``."""
        kind = re.sub("(?<!^)([A-Z])", r"-\1", self.internal).lower()
        return "-".join(filter(None, (kind, "to", self.to, self.release.lower(), self.overlay)))

    @property
    def url(self) -> str:
        """Its canonical address."""
        return f"{BASE}StructureMap/{self.id}"

    @property
    def fhir_type(self) -> str:
        """The type of resource on the side of FHIR."""
        return FHIR_TYPE[self.internal]


def map_names(translator: Translator, release: Release) -> dict[str, MapName]:
    """Return the mappings of a release by id."""
    sides: tuple[Side, ...] = ("fhir", "internal")
    overlays = ("", *sorted(translator.overlays))
    found = (MapName(one, to, release, overlay) for one in FHIR_TYPE for to in sides for overlay in overlays)
    return {one.id: one for one in found}


def written_out(translator: Translator, name: MapName) -> Json:
    """Return a mapping as a StructureMap with a rule for each pair, for documentation; it says what it cannot say."""
    made = structure_map(translator, name)
    lens = translator.lens(name.release, name.fhir_type, name.overlay or None)
    (group,) = made["group"]
    group = {**group, "rule": rules(lens, translator.library.codes, name.to, name.release)}
    return {**made, "description": f"{made['description']} {CANNOT}", "group": [group]}


def structure_map(translator: Translator, name: MapName) -> Json:
    """Return a mapping as a StructureMap: what it is between, and which document performs it."""
    # Of the documents without an overlay, which are compiled anyway: an overlay changes what stands in them, not them.
    plan = translator.lens(name.release, name.fhir_type).plan
    record, resource = f"{BASE}StructureDefinition/{name.internal}", f"{_STANDARD}{name.fhir_type}"
    source, target = (record, resource) if name.to == "fhir" else (resource, record)
    overlay = f" with the overlay {name.overlay}" if name.overlay else ""
    document = f"{plan.document}.yaml{overlay}"
    return {
        "resourceType": "StructureMap",
        "id": name.id,
        "url": name.url,
        "version": VERSION,
        "name": "".join(part.capitalize() for part in name.id.split("-")),
        "title": f"{name.internal} {'to' if name.to == 'fhir' else 'from'} {name.fhir_type}, {name.release}{overlay}",
        "status": "active",
        "experimental": False,
        "publisher": "fhir-infusion",
        "description": f"Performed by $transform here, from the mapping document {document}, which is read both ways.",
        "structure": [{"url": source, "mode": "source"}, {"url": target, "mode": "target"}],
        "group": [
            {
                "name": "whole",
                **({} if name.release == "R5" else {"typeMode": "none"}),
                "input": [{"name": "source", "mode": "source"}, {"name": "target", "mode": "target"}],
                "rule": [
                    {
                        "name": "document",
                        "source": [{"context": "source"}],
                        "documentation": f"Every pair of {document}: its rules are told by ?debug=true.",
                    }
                ],
            }
        ],
    }
