"""Which objects of a plan are closed: one FHIR object and one record object that nothing else of the plan reaches into.

A closed object is translated by a function of its own, which takes the one and returns the other; the same fragment in
many places is one function. What is not closed is written into the function of its scope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fhir_infusion.mapping.codecs import PLAIN
from fhir_infusion.mapping.plan import Items, Leaf, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.mapping.paths import IStep
    from fhir_infusion.mapping.plan import FMember, FObj, IObj

T = TypeVar("T")

Pair = Leaf | Items
Path = tuple["IStep", ...]


def pairs_below(fobj: FObj) -> Iterator[Pair]:
    """Return every value and list below a FHIR object, those of followed references too."""
    for member in fobj.members.values():
        yield from member.leaves
        yield from member.rest
        for inner in _objects(member):
            yield from pairs_below(inner)
        for part in member.slices:
            if part.items is not None:
                yield part.items


def _objects(member: FMember) -> Iterator[FObj]:
    if member.obj is not None:
        yield member.obj
    yield from (follow.obj for follow in member.follows.values())
    yield from (part.obj for part in member.slices if part.obj is not None)


def follows_below(fobj: FObj) -> bool:
    """Whether a reference is followed below a FHIR object."""
    return any(
        member.follows or any(follows_below(inner) for inner in _objects(member)) for member in fobj.members.values()
    )


def simple(pair: Pair) -> bool:
    """Whether a pair stands alone: no condition, no rival, no list taken apart by its length."""
    if pair.conditions or len(pair.rivals) > 1 or any(step.mode in ("only", "first") for step in pair.internal):
        return False
    return not isinstance(pair, Items) or (pair.mode == "list" and pair.owner is not None and pair.owner.only is None)


def common(paths: list[tuple[T, ...]]) -> tuple[T, ...]:
    """Return what paths begin with alike."""
    path = min(paths, key=len, default=())
    while not all(other[: len(path)] == path for other in paths):
        path = path[:-1]
    return path


def fixed_below(iobj: IObj) -> bool:
    """Whether a field of a record object or below it is constant or dropped."""
    return any(
        member.const is not None or bool(member.drop) or (member.obj is not None and fixed_below(member.obj))
        for member in iobj.members.values()
    )


@dataclass(slots=True)
class Closed:
    """The closed objects of one scope, found by their FHIR object."""

    scope: Scope
    _found: dict[int, Path] = field(default_factory=dict)
    _pairs: list[Pair] = field(default_factory=list)

    def path(self, fobj: FObj) -> Path:
        """Return the record path of the object that a FHIR object becomes; empty where it is not closed."""
        if not self._pairs:
            self._pairs = list(pairs_below(self.scope.fobj))
        found = self._found.get(id(fobj))
        if found is None:
            found = self._found[id(fobj)] = self._find(fobj)
        return found

    def _find(self, fobj: FObj) -> Path:
        inside = list(pairs_below(fobj))
        if not inside or follows_below(fobj) or not all(map(simple, inside)):
            return ()
        path = common([pair.internal[:-1] for pair in inside])
        reaching = sum(pair.internal[: len(path)] == path for pair in self._pairs)
        return path if reaching == len(inside) else ()


def shape(fobj: FObj, depth: int) -> tuple[Any, ...]:
    """Return what decides the source of a closed object, its record paths relative: equal where the source is."""
    return (
        tuple(fobj.always.items()),
        tuple(fobj.drops),
        tuple(
            (
                name,
                tuple(map(_leaf, member.leaves, [depth] * len(member.leaves))),
                shape(member.obj, depth) if member.obj is not None else None,
                tuple(
                    (
                        part.step,
                        part.type,
                        part.constants,
                        shape(part.obj, depth) if part.obj is not None else None,
                        _items(part.items, depth) if part.items is not None else None,
                    )
                    for part in member.slices
                ),
                tuple(_items(items, depth) for items in member.rest),
            )
            for name, member in fobj.members.items()
        ),
    )


def _leaf(leaf: Leaf, depth: int) -> tuple[Any, ...]:
    told = leaf.warn or leaf.codec.shared  # a warning names its pair, so each place has a function of its own
    return (leaf.internal[depth:], id(leaf.codec), leaf.each, (leaf.pair, leaf.warn) if told else ())


def _items(items: Items, depth: int) -> tuple[Any, ...]:
    warned = (items.pair, items.warn) if items.warn else ()
    return (items.internal[depth:], items.fhir[-1], items.scope.number, items.follow, warned)


def alike_below(fobj: FObj, path: Path) -> frozenset[str]:
    """Return the members of a closed object that are the same on both sides: same name, same value.

    An object that has no other members is its own translation.
    """
    if fobj.always:
        return frozenset()
    return frozenset(name for name, member in fobj.members.items() if _alike(name, member, path))


def _alike(name: str, member: FMember, path: Path) -> bool:
    if member.obj is not None or member.slices or member.rest or len(member.leaves) != 1:
        return False
    leaf = member.leaves[0]
    own = leaf.internal[: len(path)] == path and [step.name for step in leaf.internal[len(path) :]] == [name]
    return own and leaf.codec is PLAIN and not (leaf.each or leaf.warn) and simple(leaf)
