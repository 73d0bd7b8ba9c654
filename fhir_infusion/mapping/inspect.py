"""What an engineer asks of the documents: which pair takes a path, what is fixed, what is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.paths import show_fhir, show_internal
from fhir_infusion.mapping.plan import IObj, Items, Leaf, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.mapping.lens import Lens
    from fhir_infusion.mapping.paths import Condition
    from fhir_infusion.mapping.plan import FObj, Plan


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair as the plan holds it: whole paths on both sides, its codec or list, its conditions and its file:line.

    ``codes`` names its code table, ``warn`` is what is told where it is used; both may be empty.
    """

    internal: str
    fhir: str
    how: str
    when: str
    mark: str
    codes: str = ""
    warn: str = ""


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
    recoding = pair.scope.recoding if isinstance(pair, Items) else None
    named = recoding.name if recoding is not None else how
    codes = named.removeprefix("codes(").removesuffix(")") if named.startswith("codes(") else ""
    return Pair(whole, f"{fhir}.{show_fhir(pair.fhir)}", how, when, str(pair.mark), codes, pair.warn)


def _show(condition: Condition) -> str:
    side = "fhir:" if condition.side == "fhir" else ""
    return f"{side}{'.'.join(condition.path)} {condition.test} {', '.join(condition.values)}".strip()


def matching(lens: Lens, wanted: str, shown: Callable[[str], str] = str) -> Iterator[Pair]:
    """Return the pairs whose whole path on either side has ``wanted`` in it; case and brackets may be left out.

    ``shown`` says how the path of the other side is written, which in a format is not FHIR's.
    """
    for pair in pairs(lens):
        if says(f"{lens.plan.internal_type}.{pair.internal}", wanted) or says(shown(pair.fhir), wanted):
            yield pair


def holding(lens: Lens, wanted: str, shown: Callable[[str], str] = str) -> Iterator[Pair]:
    """Return the pairs of one value that ``wanted`` is a part of, such as of the ``value`` in a quantity.

    Of its beginnings the longest counts that is the path of a pair, or the end of one.
    """
    parts = re.split(r"\.(?![^\[]*\])", _without_places(wanted))
    for length in range(len(parts) - 1, 0, -1):
        begun = "." + ".".join(parts[:length])
        found = [
            pair
            for pair in pairs(lens)
            if not pair.how.startswith("list")
            and any(
                f".{way(side)}".endswith(begun)
                for side in (f"{lens.plan.internal_type}.{pair.internal}", shown(pair.fhir))
                for way in (_without_places, lambda path: plain(path).lower())
            )
        ]
        if found:
            yield from found
            return


def says(path: str, wanted: str) -> bool:
    """Whether a path has another in it: with the brackets that it has, or without any."""
    sought = _without_places(wanted)
    return sought in _without_places(path) or sought in plain(path).lower()


def _without_places(path: str) -> str:
    """Return a path without what tells one element of a list by its place."""
    return re.sub(r"\[(?:\d*|only|first)\]", "", path).lower()


def plain(path: str) -> str:
    """Return a path without brackets."""
    return re.sub(r"\[[^\]]*\]", "", path)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a document says of a place that no pair takes: its value where it is fixed, or why it is left out.

    ``side`` is ``record`` or ``FHIR``.
    """

    side: str
    path: str
    said: str


def fixed(plan: Plan) -> Iterator[Rule]:
    """Return what is always so on one side."""
    for path, iobj in records_in(plan.root.iobj):
        for name, member in iobj.members.items():
            if member.const is not None:
                value = str(member.const).lower() if isinstance(member.const, bool) else str(member.const)
                yield Rule("record", _joined(path, name), value)
    for path, fobj, told in _elements(plan.root.fobj):
        for name, always in fobj.always.items():
            if name not in told:
                yield Rule("FHIR", _joined(path, name), str(always))


def left_out(plan: Plan) -> Iterator[Rule]:
    """Return what is not carried, and why."""
    for path, iobj in records_in(plan.root.iobj):
        for name, member in iobj.members.items():
            if member.drop:
                yield Rule("record", _joined(path, name), member.drop)
    for path, fobj, _ in _elements(plan.root.fobj):
        for name, why in fobj.drops.items():
            yield Rule("FHIR", _joined(path, name), why)


def records_in(iobj: IObj, path: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, IObj]]:
    """Yield each record object of a plan with its path, those in lists too, each list of one fragment once a place."""
    if id(iobj) in above:
        return
    yield path, iobj
    above = (*above, id(iobj))
    for name, member in iobj.members.items():
        for one in (member, member.only):
            if one is None:
                continue
            if one.obj is not None:
                yield from records_in(one.obj, _joined(path, name), above)
            for items in one.items:
                yield from records_in(items.scope.iobj, f"{_joined(path, name)}[]", above)


def _elements(
    fobj: FObj, path: str = "", told: frozenset[str] = frozenset(), above: tuple[int, ...] = ()
) -> Iterator[tuple[str, FObj, frozenset[str]]]:
    """Yield each FHIR object of a plan with its path, and the members that its slice says already."""
    if id(fobj) in above:
        return
    here, above = path or fobj.type, (*above, id(fobj))
    yield here, fobj, told
    for name, member in fobj.members.items():
        inner = [(f"{here}.{name}", member.obj, _NONE)]
        inner += [(f"{here}.{name}->{follow.type}", follow.obj, _NONE) for follow in member.follows.values()]
        inner += [(f"{here}.{name}[]", items.scope.fobj, _NONE) for items in member.rest]
        for one in member.slices:
            said = frozenset(way[0] for way, _ in one.constants)
            inner.append((f"{here}.{name}[{one.step.token}]", one.items.scope.fobj if one.items else one.obj, said))
        for place, obj, said in inner:
            if obj is not None:
                yield from _elements(obj, place, said, above)


_NONE: Final[frozenset[str]] = frozenset()


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
