"""The pairs of a plan with their whole paths, for ``mapping explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.mapping.paths import show_fhir, show_internal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.mapping.plan import FObj, Items, Leaf, Plan, Scope

MOST_NESTED = 8
"""Fragments may hold each other; a path is followed so deep."""


def matching(plan: Plan, wanted: str, shown: Callable[[str], str] = str) -> Iterator[str]:
    """Yield a line for each pair whose record path or FHIR path has ``wanted`` in it; brackets may be left out.

    ``shown`` says how the path of the other side is written, which in a format is not FHIR's.
    """
    sought = _bare(wanted)
    for internal, other, rules, mark in _pairs(plan.root, plan.internal_type, plan.fhir_type, 0):
        fhir = shown(other)
        if sought in _bare(internal) or sought in _bare(fhir):
            yield f"{internal}  <->  {fhir}{rules}  ({plan.document}; {mark})"


def _pairs(scope: Scope, internal: str, fhir: str, depth: int) -> Iterator[tuple[str, str, str, str]]:
    if depth > MOST_NESTED:
        return
    for leaf in _leaves(scope.fobj):
        inner, outer = _joined(internal, show_internal(leaf.internal)), _joined(fhir, show_fhir(leaf.fhir))
        yield inner, outer, _rules(leaf), str(leaf.mark)
    for items in _items(scope.fobj):
        inner, outer = _joined(internal, show_internal(items.internal)), _joined(fhir, show_fhir(items.fhir))
        yield inner, outer, "", str(items.mark)
        yield from _pairs(items.scope, inner, outer, depth + 1)


def _leaves(obj: FObj) -> Iterator[Leaf]:
    for part in _objects(obj):
        for member in part.members.values():
            yield from member.leaves


def _items(obj: FObj) -> Iterator[Items]:
    for part in _objects(obj):
        for member in part.members.values():
            yield from member.rest
            yield from (one.items for one in member.slices if one.items is not None)


def _objects(obj: FObj) -> Iterator[FObj]:
    """Yield an object and those in it that belong to the same scope."""
    yield obj
    for member in obj.members.values():
        inner = [member.obj, *(follow.obj for follow in member.follows.values()), *(one.obj for one in member.slices)]
        for part in inner:
            if part is not None:
                yield from _objects(part)


def _rules(leaf: Leaf) -> str:
    told = [f" as {leaf.codec.name}"] if leaf.codec.name not in {"plain", "key"} else []
    told += [f" when {condition}" for condition in leaf.conditions]
    return "".join(told)


def _joined(before: str, shown: str) -> str:
    """Return a path that goes on; what stands in the element itself has nothing to add, or a dot."""
    return before if shown in {"", "."} else f"{before}.{shown}"


def _bare(path: str) -> str:
    return path.replace("[]", "").lower()
