"""Code tables as FHIR ConceptMap resources, for others to load.

https://hl7.org/fhir/R4/conceptmap.html, https://hl7.org/fhir/R5/conceptmap.html: how a target relates to its source is
``equivalence`` in R4 and ``relationship`` in R5. Where several codes share a target it is wider than each of them; a
comment says which of them it is read back as, for which FHIR has no element.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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


class _Words(NamedTuple):
    """The element that says how two codes relate, and its words; ``back`` is told of a wider one that is read back."""

    element: str
    same: str
    wider: str
    back: str


_NARROWER: Final = "source-is-narrower-than-target"
_R4: Final = _Words("equivalence", "equivalent", "wider", "narrower")
_RELATION: Final[Mapping[str, _Words]] = {
    "R4": _R4,
    "R4B": _R4,
    # Of source and target of the map, whichever of them was asked for.
    "R5": _Words("relationship", "equivalent", _NARROWER, _NARROWER),
}


@dataclass(frozen=True, slots=True)
class Match:
    """What a code becomes by a table: the coding on the other side, and how that relates to it."""

    table: CodeTable
    system: str
    code: str
    relation: str


def element_of(release: str) -> str:
    """Return the name of the element that says how two codes relate: ``equivalence`` in R4."""
    return _RELATION[release].element


def tables_of(codes: Mapping[str, CodeTable], release: str) -> dict[str, CodeTable]:
    """Return the code tables of a release by name, that of the units among them."""
    return {name: table for name, table in {**codes, UNITS.name: UNITS}.items() if table.is_for(release)}


def complete_ones(codes: Mapping[str, CodeTable], release: str) -> dict[str, CodeTable]:
    """Return those that say all that a ConceptMap has to: its URL, and the code system of each side."""
    return {name: table for name, table in tables_of(codes, release).items() if not _lacking(table)}


def matches(table: CodeTable, release: str, code: str, *, reverse: bool = False) -> list[Match]:
    """Return what a code of the source becomes, or with ``reverse`` of which codes one of the target may be.

    Of several the one that reading gives comes first. None where the table does not have the code.
    """
    words = _RELATION[release]
    sharing = Counter(table.to_fhir.values())
    if not reverse:
        fhir = table.to_fhir.get(code)
        return (
            [] if fhir is None else [Match(table, table.target, fhir, words.wider if sharing[fhir] > 1 else words.same)]
        )
    relation = words.back if sharing[code] > 1 else words.same
    first = table.to_internal.get(code)
    found = sorted((one for one, fhir in table.to_fhir.items() if fhir == code), key=lambda one: one != first)
    return [Match(table, table.source, one, relation) for one in found]


def concept_map(table: CodeTable, release: str) -> Json:
    """Return a code table as a ConceptMap of a release.

    Raises:
        DocumentError: the table names no URL, no code system on a side, or is for the other release.
    """
    if not table.is_for(release):
        raise DocumentError(f"the code table '{table.name}' is for {table.release}")
    lacking = _lacking(table)
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


def _lacking(table: CodeTable) -> list[str]:
    return [name for name in ("url", "source", "target") if not getattr(table, name)]


def _elements(table: CodeTable, words: _Words) -> Iterator[Json]:
    sharing = Counter(table.to_fhir.values())
    for internal, fhir in table.to_fhir.items():
        target: Json = {"code": fhir, words.element: words.same}
        if sharing[fhir] > 1:
            target = {"code": fhir, words.element: words.wider, "comment": f"read back as {table.to_internal[fhir]}"}
        yield {"code": internal, "target": [target]}
