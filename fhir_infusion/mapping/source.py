"""Writing Python source: lines with their indent, names for what the lines refer to, and variables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.mapping.paths import Condition


class Source:
    """The source of one document's functions. ``known`` is the namespace that the functions run in."""

    def __init__(self, known: dict[str, Any]) -> None:
        """Begin an empty source."""
        self.lines: list[str] = []
        self.known = known
        self._names: dict[int, str] = {}
        self._depth = 0
        self._count = 0

    def put(self, line: str) -> None:
        """Add one line at the present indent."""
        self.lines.append("    " * self._depth + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what follows."""
        self.put(head)
        self._depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.put("pass")
        self._depth -= 1

    def variable(self, stem: str) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"{stem}{self._count}"

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
