"""Complaints about a document: collected while it is built, so that all are told at once."""

from __future__ import annotations

import difflib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.document import Mark

CROSS_VERSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
"""Begins the URL of HL7's extension for an element that only R5 has; the type, a dot and the element follow."""

_SHOWN = 12
"""Names told where none is near; of more than these the rest is left out."""


@dataclass(frozen=True, slots=True)
class Complaints:
    """What is wrong with one document, each line with its file:line and what would be accepted.

    ``elsewhere`` are the elements of the other releases, by release.
    """

    lines: list[str] = field(default_factory=list)
    elsewhere: Mapping[str, Mapping[str, Container[str]]] = field(default_factory=dict)

    def add(self, mark: Mark, what: str) -> None:
        """Note that something is wrong at a place."""
        self.lines.append(f"{mark}: {what}")

    def unknown(self, mark: Mark, name: str, what: str, names: Iterable[str]) -> None:
        """Note that a name is not one of the names known there."""
        self.add(mark, f"'{name}' is not {what}; accepted: {near(name, names)}")

    def unknown_element(self, mark: Mark, name: str, ftype: str, names: Iterable[str]) -> None:
        """Note that a type has no element of a name in this release, and which release has it."""
        found = next((one for one, table in self.elsewhere.items() if name in table.get(ftype, {})), None)
        if found is None:
            self.unknown(mark, name, f"an element of {ftype}", names)
            return
        instead = f", or HL7's extension {CROSS_VERSION}{ftype}.{name}" if found == "R5" else ""
        what = f"'{name}' is an element of {ftype} in {found}, not in the release of this document"
        self.add(mark, f"{what}; accepted here: {near(name, names)}{instead}")


def near(name: str, names: Iterable[str]) -> str:
    """Name the accepted names that are near, else all of them where they are few."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    if close:
        return ", ".join(close)
    told = ", ".join(known[:_SHOWN]) + (" …" if len(known) > _SHOWN else "")
    return told or "nothing"
