"""Writing Python source: lines with their indent, names for what the lines refer to, and variables."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_infusion.mapping.paths import Condition


@dataclass(slots=True)
class _Block:
    """A block being written: where it begins, and the names in use in it and in those around it."""

    start: int
    taken: set[str]


def _common(places: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the blocks that all places stand in."""
    first = places[0]
    depth = next(
        (at for at in range(len(first)) if any(place[at : at + 1] != first[at : at + 1] for place in places)), None
    )
    return first[:depth]


class Source:
    """The source of one document's functions. ``known`` is the namespace that the functions run in."""

    def __init__(self, known: dict[str, Any]) -> None:
        """Begin an empty source."""
        self.lines: list[str] = []
        self.known = known
        self._names: dict[int, str] = {}
        self._blocks: list[_Block] = []
        self._count = 0

    def put(self, line: str) -> None:
        """Add one line at the present indent."""
        self.lines.append("    " * len(self._blocks) + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what follows."""
        self.put(head)
        before = len(self.lines)
        self._blocks.append(_Block(before, self._blocks[-1].taken.copy() if self._blocks else set()))
        yield
        if len(self.lines) == before:
            self.put("pass")
        self._blocks.pop()

    def variable(self, stem: str) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"{stem}{self._count}"

    def local(self, stem: str) -> str:
        """Return a name that nothing else has until the present block ends.

        A frame is as large as its function has names, and a large one costs more than what it computes.
        """
        taken = self._blocks[-1].taken
        name = next(name for number in count(1) if (name := f"{stem}_{number}") not in taken)
        taken.add(name)
        return name

    def where(self) -> tuple[int, ...]:
        """Return the starts of the blocks that are open."""
        return tuple(block.start for block in self._blocks)

    def begin(self, uses: Mapping[str, list[tuple[int, ...]]]) -> None:
        """Write that each of these variables is ``None``, at the start of the innermost block of all its uses."""
        starts: dict[tuple[int, ...], list[str]] = {}
        for name, places in uses.items():
            starts.setdefault(_common(places), []).append(name)
        for blocks, names in sorted(starts.items(), key=lambda pair: -pair[0][-1]):
            self.lines.insert(blocks[-1], "    " * len(blocks) + " = ".join(names) + " = None")

    def name(self, value: Any, stem: str) -> str:
        """Return the name of an object that the source refers to."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = self.variable(stem.upper() + "_")
            self.known[known] = value
        return known

    def condition(self, condition: Condition, root: str) -> str:
        """Return the expression of a condition on the object in the variable ``root``."""
        if len(condition.path) == 1 and condition.test in ("exists", "missing"):
            return f"{condition.path[0]!r} {'in' if condition.test == 'exists' else 'not in'} {root}"
        return f"{self.name(condition, 'when')}.holds({root})"

    def functions(self, file: str) -> dict[str, Any]:
        """Compile the source and return its namespace."""
        exec(compile("\n".join(self.lines), file, "exec"), self.known)  # noqa: S102  the source is generated from a checked plan
        return self.known
