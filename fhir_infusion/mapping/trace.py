"""What became of each element: the ledger's lines, and the trace that names the pair of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.mapping.plan import Items, Leaf

Warned = tuple[str, str]
"""A pair that was used although it warns: the pair, and its warning."""

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

    def as_json(self, *, traced: bool = False) -> dict[str, str]:
        """Return the line as a JSON object, ``traced`` with pair and mark; members that say nothing are left out."""
        told = {"path": self.path, "state": self.state, "to": self.to, "why": self.why}
        if traced:
            told |= {"pair": self.pair, "mark": self.mark}
        return {name: value for name, value in told.items() if value}


@dataclass(slots=True)
class Recorder:
    """Collects lines while the interpreter walks."""

    lines: list[Line] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def mapped(self, path: str, to: str, why: str = "", pair: Leaf | Items | None = None, value: Any = None) -> None:
        """An element is held in a typed field: a line for each simple value in it."""
        self._tell("mapped", path, to, why, pair, value)

    def carried(self, path: str, why: str, to: str = "", pair: Leaf | Items | None = None, value: Any = None) -> None:
        """An element rides in an extension or in the residue: a line for each simple value in it."""
        self._tell("carried", path, to, why, pair, value)

    def dropped(self, path: str, why: str, value: Any = None) -> None:
        """An element is not carried, by a rule with its reason: a line for each simple value in it."""
        self._tell("dropped", path, "", why, None, value)

    def _tell(self, state: State, path: str, to: str, why: str, pair: Leaf | Items | None, value: Any) -> None:
        name, mark = (pair.pair, str(pair.mark)) if pair else ("", "")
        if pair is not None and pair.warn:
            self.warnings.append((pair.pair, pair.warn))
        self.lines.extend(Line(place, state, to, why, name, mark) for place in simple_values(value, path))

    def recoded(self, start: int, why: str) -> None:
        """A code table moved system and code of a coding: said in its lines, those from ``start`` on."""
        for at, line in enumerate(self.lines[start:], start):
            if line.path.rpartition(".")[2] in ("system", "code"):
                self.lines[at] = replace(line, why=why)

    def refused(self, path: str, why: str) -> None:
        """An element is refused."""
        self.lines.append(Line(path, "refused", "", why))

    def repaired(self, path: str, root_pair: Leaf) -> None:
        """A unit was repaired by the stated table; the original goes back until the quantity is edited."""
        for index in range(len(self.lines) - 1, -1, -1):
            if self.lines[index].path == path:
                self.lines[index] = replace(
                    self.lines[index], why=f"{root_pair.codec.name}: unit repaired, the original is kept"
                )
                return


def simple_values(value: Any, path: str) -> Iterator[str]:
    """Name the place of every simple value in a JSON value; ``None`` counts as one value at the path itself."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "resourceType":
                yield from simple_values(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from simple_values(inner, f"{path}[{index}]")
    else:
        yield path
