"""Complaints about a document: collected while it is built, so that all are told at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.document import Mark

_SHOWN = 12
"""Names told where none is near; of more than these the rest is left out."""


@dataclass(frozen=True, slots=True)
class Complaints:
    """What is wrong with one document, each line with its file:line and what would be accepted."""

    lines: list[str] = field(default_factory=list)

    def add(self, mark: Mark, what: str) -> None:
        """Note that something is wrong at a place."""
        self.lines.append(f"{mark}: {what}")

    def unknown(self, mark: Mark, name: str, what: str, names: Iterable[str]) -> None:
        """Note that a name is not one of the names known there."""
        self.add(mark, f"'{name}' is not {what}; accepted: {near(name, names)}")


def near(name: str, names: Iterable[str]) -> str:
    """Name the accepted names that are near, else all of them where they are few."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    if close:
        return ", ".join(close)
    told = ", ".join(known[:_SHOWN]) + (" …" if len(known) > _SHOWN else "")
    return told or "nothing"
