"""Code tables as FHIR ConceptMap resources, for others to load.

https://hl7.org/fhir/R4/conceptmap.html, https://hl7.org/fhir/R5/conceptmap.html: how a target relates to its source is
``equivalence`` in R4 and ``relationship`` in R5. Where several codes share a target it is wider than each of them; a
comment says which of them it is read back as, for which FHIR has no element.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.records.units import REPAIRED, UCUM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]

BASE: Final = "https://w3id.org/fhir-infusion/"
VERSION: Final = "0.1.0"
"""The version of our definitions (profiles/)."""

UNITS: Final = CodeTable(
    "unit-spelling",
    f"{BASE}ConceptMap/unit-spelling",
    "The spellings of units that reading repairs, alone or as a part of a unit, and the UCUM units that they mean.",
    f"{BASE}CodeSystem/unit-spelling",
    UCUM,
    "",
    codecs.table(
        "unit-spelling",
        {word: code for word, (code, _) in REPAIRED.items()},
        {code: word for word, (code, _) in REPAIRED.items()},
    ),
)
"""Not a table of a document: units are repaired wherever a quantity is read."""

_RELATION: Final[Mapping[str, tuple[str, str, str]]] = {
    # release: the element, and its word for the same and for wider
    "R4": ("equivalence", "equivalent", "wider"),
    "R4B": ("equivalence", "equivalent", "wider"),
    "R5": ("relationship", "equivalent", "source-is-narrower-than-target"),
}


def concept_map(table: CodeTable, release: str) -> Json:
    """Return a code table as a ConceptMap of a release.

    Raises:
        DocumentError: the table names no URL, no code system on a side, or is for the other release.
    """
    if not table.is_for(release):
        raise DocumentError(f"the code table '{table.name}' is for {table.release}")
    lacking = [name for name in ("url", "source", "target") if not getattr(table, name)]
    if lacking:
        raise DocumentError(f"the code table '{table.name}' has no {' and no '.join(lacking)}, so it is no ConceptMap")
    return {
        "resourceType": "ConceptMap",
        "id": table.name,
        "url": table.url,
        "version": VERSION,
        "name": "".join(word.capitalize() for word in re.split(r"\W", table.name)),
        "title": table.name.replace("-", " ").capitalize(),
        "status": "active",
        "experimental": False,
        "publisher": "fhir-infusion",
        **({"description": table.description} if table.description else {}),
        "group": [
            {"source": table.source, "target": table.target, "element": list(_elements(table, _RELATION[release]))}
        ],
    }


def _elements(table: CodeTable, relation: tuple[str, str, str]) -> Iterator[Json]:
    element, same, wider = relation
    fhir_codes = list(table.to_fhir.values())
    for internal, fhir in table.to_fhir.items():
        target: Json = {"code": fhir, element: same}
        if fhir_codes.count(fhir) > 1:
            target = {"code": fhir, element: wider, "comment": f"read back as {table.to_internal[fhir]}"}
        yield {"code": internal, "target": [target]}
