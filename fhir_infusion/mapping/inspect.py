"""What an engineer asks of the documents: which pair takes a path, and what a corpus leaves over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.paths import show_fhir, show_internal
from fhir_infusion.mapping.plan import IObj, Items, Leaf, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fhir_infusion.mapping.lens import Lens
    from fhir_infusion.mapping.paths import Condition

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair as the plan holds it: whole paths on both sides, its codec or list, its conditions and its file:line."""

    internal: str
    fhir: str
    how: str
    when: str
    mark: str


def pairs(lens: Lens) -> Iterator[Pair]:
    """Return every pair of a lens, inlined fragments included."""
    yield from _pairs(lens.plan.root, "", lens.plan.fhir_type, ())


def _pairs(scope: Scope, internal: str, fhir: str, above: tuple[int, ...]) -> Iterator[Pair]:
    for leaf in _of(scope.iobj):
        if isinstance(leaf, Leaf):
            yield _pair(leaf, internal, fhir, leaf.codec.name)
        else:
            inner = _pair(leaf, internal, fhir, f"list, key {leaf.scope.key}" if leaf.scope.key else "list")
            yield inner
            if leaf.scope.number not in above:
                yield from _pairs(leaf.scope, inner.internal, inner.fhir, (*above, leaf.scope.number))


def _of(iobj: IObj) -> Iterator[Leaf | Items]:
    for member in iobj.members.values():
        for one in (member, member.only):
            if one is not None:
                yield from one.leaves
                yield from one.items
                if one.obj is not None:
                    yield from _of(one.obj)


def _pair(pair: Leaf | Items, internal: str, fhir: str, how: str) -> Pair:
    inside = show_internal(pair.internal)
    when = "; ".join(map(_show, pair.conditions))
    whole = internal if inside == "." else f"{internal}.{inside}" if internal else inside
    return Pair(whole, f"{fhir}.{show_fhir(pair.fhir)}", how, when, str(pair.mark))


def _show(condition: Condition) -> str:
    side = "fhir:" if condition.side == "fhir" else ""
    return f"{side}{'.'.join(condition.path)} {condition.test} {', '.join(condition.values)}".strip()


def explain(lens: Lens, path: str) -> list[Pair]:
    """Return the pairs whose internal or FHIR path is the path, or lies below it.

    What stands in brackets is disregarded. A FHIR path may begin with the resource type.
    """
    wanted = plain(path)
    root = lens.plan.fhir_type + "."
    whole = root + wanted.removeprefix(root)
    return [pair for pair in pairs(lens) if _is_at(pair.internal, wanted) or _is_at(pair.fhir, whole)]


def _is_at(path: str, wanted: str) -> bool:
    """Whether a path is the wanted one or lies below it."""
    return f"{plain(path)}.".startswith(wanted + ".")


def plain(path: str) -> str:
    """Return a path without brackets."""
    return re.sub(r"\[[^\]]*\]", "", path)


@dataclass(slots=True)
class Coverage:
    """What became of the element instances of a corpus, by path without indexes."""

    resources: int = 0
    refused: int = 0
    states: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Return the share of element instances that are mapped, 0 to 1 (a report, never a dose)."""
        told = sum(self.states.values())
        return self.states.get("mapped", 0) / told if told else 1


def coverage(lens_of: Callable[[Json], Lens | None], resources: Iterable[Json]) -> Coverage:
    """Count the ledger of a corpus; ``lens_of`` returns the lens of a resource or ``None``.

    Narrative, meta and unknown extensions are not counted: they are carried whole by design.
    """
    found = Coverage()
    for resource in resources:
        lens = lens_of(resource)
        if lens is None:
            continue
        found.resources += 1
        try:
            ledger = lens.read(resource).ledger
        except Refused:
            found.refused += 1
            continue
        for line in ledger.lines():
            path = line.path.partition(".")[2]
            if path.partition(".")[0] in ("text", "meta", "") or (line.state == "carried" and "xtension" in path):
                continue
            found.states[line.state] = found.states.get(line.state, 0) + 1
            if line.state != "mapped":
                found.left[plain(path)] = found.left.get(plain(path), 0) + 1
    return found
