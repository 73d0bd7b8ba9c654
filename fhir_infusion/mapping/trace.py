"""What became of each element: the ledger's lines, and the trace that names the pair of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fhir_infusion.mapping.plan import Items, Leaf

State = Literal["mapped", "carried", "dropped", "refused"]


@dataclass(frozen=True, slots=True)
class Line:
    """One element of the input and what became of it.

    ``to`` is the path on the other side, ``why`` the reason (residue, our extension, a rule), ``pair`` and ``mark``
    name the pair of the document and its file:line.
    """

    path: str
    state: State
    to: str = ""
    why: str = ""
    pair: str = ""
    mark: str = ""


@dataclass(slots=True)
class Recorder:
    """Collects lines while the interpreter walks."""

    lines: list[Line] = field(default_factory=list)

    def mapped(self, path: str, to: str, why: str = "", pair: Leaf | Items | None = None) -> None:
        """An element is held in a typed field."""
        self.lines.append(Line(path, "mapped", to, why, pair.pair if pair else "", str(pair.mark) if pair else ""))

    def carried(self, path: str, why: str, to: str = "", pair: Leaf | Items | None = None) -> None:
        """An element rides in an extension or in the residue."""
        self.lines.append(Line(path, "carried", to, why, pair.pair if pair else "", str(pair.mark) if pair else ""))

    def dropped(self, path: str, why: str) -> None:
        """An element is not carried, by a rule with its reason."""
        self.lines.append(Line(path, "dropped", "", why))

    def refused(self, path: str, why: str) -> None:
        """An element is refused."""
        self.lines.append(Line(path, "refused", "", why))

    def repaired(self, path: str) -> None:
        """A unit was repaired by the stated table; the original goes back until the quantity is edited."""
        self.lines.append(Line(path, "mapped", "", "unit repaired; the original is kept"))
