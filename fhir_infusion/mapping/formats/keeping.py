"""How a shape says that a member is kept: ``kept``, ``kept(always)``, ``kept(with A, B)`` and others of ``beside``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from typing import Final

from fhir_infusion.mapping.formats.names import site_path
from fhir_infusion.mapping.formats.nodes import Keeping, Node
from fhir_infusion.mapping.formats.values import KEPT

ACCEPTED: Final = "kept, kept(always), kept(else refuse), kept(with A, B), kept(with A, B; else refuse)"
_KEPT: Final = re.compile(rf"{KEPT}(?:\((.*)\))?")
_HOW: Final = re.compile(r"(?:with (?P<names>.+?))?(?:(?(names); )(?P<refuse>else refuse))?")


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept member as the shape says it; ``around`` are the objects that it stands in, the whole first."""

    node: Node
    how: str
    around: tuple[Node, ...]

    def settle(self, complaints: list[str]) -> None:
        """Find the members that it names, when the whole shape is read."""
        match = _HOW.fullmatch(self.how)
        if self.how == "always":
            self.node.keeping = Keeping(always=True)
        elif match is None:
            complaints.append(f"{self.node.mark}: '{KEPT}({self.how})' is not understood; accepted: {ACCEPTED}")
        else:
            names = [name.strip() for name in (match["names"] or "").split(",") if name.strip()]
            ways = tuple(way for name in names if (way := self._way(name, complaints)))
            self.node.keeping = Keeping(ways, refuse=match["refuse"] is not None)

    def _way(self, name: str, complaints: list[str]) -> tuple[str, ...]:
        """Return the way to a member: of the object that the kept one stands in, else of those around it."""
        steps = tuple((site_path(name) or "").split("."))
        for depth in range(len(self.around), 0, -1):
            found = _found(self.around[depth - 1], steps)
            if found is not None and not found.kept:
                return (*(node.path_name for node in self.around[1:depth]), *steps)
        near = [one.name for node in reversed(self.around) for one in (node.members or {}).values() if not one.kept]
        complaints.append(
            f"{self.node.mark}: '{name}' is no member that a pair takes, here or around; accepted: {', '.join(near)}"
        )
        return ()


def _found(node: Node | None, steps: tuple[str, ...]) -> Node | None:
    for step in steps:
        node = next((one for one in ((node and node.members) or {}).values() if one.path_name == step), None)
    return node


def is_kept(text: str) -> bool:
    """Whether a spelling says that the member is kept."""
    return _KEPT.fullmatch(text) is not None


def kept(text: str, node: Node, around: tuple[Node, ...]) -> Kept:
    """Return what a shape says of a kept member."""
    match = _KEPT.fullmatch(text)
    return Kept(node, (match and match[1]) or "", around)


def settle_whole(node: Node) -> None:
    """Say of each object of which no pair takes anything that it goes back while each of its parts would."""
    for inner in (node.members or {}).values():
        settle_whole(inner)
        if inner.kept_whole:
            keepings = (part.keeping for part in (inner.members or {}).values())
            inner.keeping = reduce(Keeping.and_, keepings)
