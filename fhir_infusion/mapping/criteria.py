"""Asking the elements of an array which slice they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_infusion.mapping.codecs import DECLINED, PLAIN

if TYPE_CHECKING:
    from fhir_infusion.mapping.paths import Criterion, FStep
    from fhir_infusion.mapping.plan import FMember, Slice


def contained_by_id(resource: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the contained resources by their id."""
    return {item["id"]: item for item in resource.get("contained", ()) if "id" in item}


def followed(element: Any, contained: Mapping[str, dict[str, Any]], type_name: str) -> dict[str, Any] | None:
    """Return the contained resource of the given type that a Reference points to, if it does."""
    reference = element.get("reference") if isinstance(element, dict) else None
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    resource = contained.get(reference[1:])
    return resource if resource is not None and resource.get("resourceType") == type_name else None


def matches(step: FStep, element: Any, contained: Mapping[str, dict[str, Any]]) -> bool:
    """Return whether an element satisfies every criterion of a slice."""
    subject = element
    for criterion in step.criteria:
        if criterion.test == "->":
            subject = followed(element, contained, criterion.value)
            if subject is None:
                return False
        elif not _holds(criterion, subject):
            return False
    return True


@dataclass(frozen=True, slots=True)
class LookUp:
    """The slices of an array told apart by one value of one element: by ``name``, the number of each.

    ``rest`` is the number of what is in none. ``fits`` are asked of an element of a slice that holds one, ``None``
    where every element fits.
    """

    name: str
    numbers: Mapping[Any, int]
    rest: int
    fits: Mapping[int, Callable[[Any], bool] | None]

    def classify(self, value: list[Any], contained: Mapping[str, dict[str, Any]]) -> list[int]:  # noqa: ARG002  the signature of both
        """Return for each element the number of its slice, as ``classify`` does."""
        numbers, name, rest, fits = self.numbers, self.name, self.rest, self.fits
        chosen: list[int] = []
        for element in value:
            number = numbers.get(element.get(name), rest)
            if number in fits:
                test = fits[number]
                if number in chosen or (test is not None and not test(element)):
                    number = rest
            chosen.append(number)
        return chosen


def look_up(member: FMember) -> LookUp | None:
    """Return the look-up of an array where every criterion is one value of one element, else ``None``."""
    slices = member.slices
    criteria = [part.step.criteria[0] for part in slices if len(part.step.criteria) == 1]
    values = [criterion.value for criterion in criteria]
    paths = {criterion.path for criterion in criteria}
    simple = len(criteria) == len(slices) and all(c.test == "=" and len(c.path) == 1 for c in criteria)
    if not simple or len(paths) != 1 or len(set(values)) != len(values):
        return None
    rest = len(slices) if member.rest else -1
    fits: dict[int, Callable[[Any], bool] | None] = {
        number: None if rest < 0 else _fitting(part) if _may_not_fit(part) else _holding(part)
        for number, part in enumerate(slices)
        if part.obj is not None
    }
    return LookUp(paths.pop()[0], {value: number for number, value in enumerate(values)}, rest, fits)


def classifier(member: FMember) -> Callable[[list[Any], Mapping[str, dict[str, Any]]], list[int]]:
    """Return ``classify`` for one member, as a quick look-up where there is one."""
    quick = look_up(member)
    return quick.classify if quick is not None else lambda value, contained: classify(member, value, contained)


def _fitting(part: Slice) -> Callable[[Any], bool]:
    """Return ``_holds_and_fits``, quick for what nearly every element is: what is demanded, and one code."""
    members = part.obj.members.items() if part.obj is not None else ()
    coded = [(name, held[1]) for name, one in members if (held := _codes(one)) is not None]
    if len(coded) != 1 or part.obj is None or part.obj.always.keys() & part.obj.members.keys():
        return lambda element: _holds_and_fits(part, element)
    (name, codes), usual = coded[0], frozenset(part.obj.always) | {coded[0][0]}

    def fitting(element: Any) -> bool:
        if element.keys() <= usual and name in element:
            return element[name] in codes
        return _holds_and_fits(part, element)

    return fitting


def _holding(part: Slice) -> Callable[[Any], bool]:
    """Return ``_holds_and_fits`` of a slice whose pairs take whatever they find."""
    members = frozenset(part.obj.members) if part.obj is not None else frozenset()
    return lambda element: not members.isdisjoint(element)


def _codes(member: FMember) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    """Return the code table of a member that holds one code and nothing else."""
    return member.leaves[0].codec.codes if len(member.leaves) == 1 and not member.leaves[0].each else None


def _may_not_fit(part: Slice) -> bool:
    """Whether there are elements of the slice that its pairs could not hold."""
    members = part.obj.members.values() if part.obj is not None else ()
    return part.type == "Coding" or any(
        member.slices or any(leaf.codec is not PLAIN for leaf in member.leaves) for member in members
    )


def classify(member: FMember, value: list[Any], contained: Mapping[str, dict[str, Any]]) -> list[int]:
    """Return for each element of an array the number of its slice, ``len(slices)`` for the rest, ``-1`` for none.

    An element that its slice could not hold, or in which its pairs find nothing (an identifier without its value),
    belongs to the rest, where there is one: it must not take the place of what the slice is for.
    """
    slices = member.slices
    rest = len(slices) if member.rest else -1
    chosen: list[int] = []
    for element in value:
        found = rest
        for number, part in enumerate(slices):
            if part.obj is not None and number in chosen:
                continue
            if matches(part.step, element, contained) and (rest < 0 or _holds_and_fits(part, element)):
                found = number
                break
        chosen.append(found)
    return chosen


def _holds_and_fits(part: Slice, element: Any) -> bool:
    """Whether the pairs of the one element of a slice find something, and can hold all of it."""
    return part.obj is None or (not part.obj.members.keys().isdisjoint(element) and _fits(part, element))


def _fits(part: Slice, element: Any) -> bool:
    """Whether the one element of a slice can be held by its pairs: each value is taken, and a Coding wholly.

    An array inside that has no list for the rest is asked too.
    """
    if part.obj is None:
        return True
    for name, value in element.items():
        known = part.obj.members.get(name)
        if known is not None:
            if not _is_taken(known, value):
                return False
        elif part.type == "Coding" and name not in part.obj.always and name not in _MARKS and name[0] != "_":
            return False
    return True


def _is_taken(member: FMember, value: Any) -> bool:
    if member.slices and not member.rest:
        return all(_has_place(member.slices, inner) for inner in value)
    return not member.leaves or any(leaf.codec.read(value) is not DECLINED for leaf in member.leaves)


def _has_place(slices: list[Slice], element: Any) -> bool:
    """Whether an element of an array inside can be held: no slice is for it, or one that holds it."""
    own = [part for part in slices if matches(part.step, element, {})]
    return not own or any(_fits(part, element) for part in own)


_MARKS = frozenset({"id", "extension", "display"})


def _holds(criterion: Criterion, subject: Any) -> bool:
    if criterion.test == "=":
        return _is_held(subject, criterion.path, 0, criterion.value)
    return bool(_values(subject, criterion.path)) == (criterion.test == "exists")


def _is_held(value: Any, path: tuple[str, ...], at: int, wanted: str) -> bool:
    """Whether one of the values at the path, from ``at`` on, is the wanted one; lists on the way are entered."""
    for position in range(at, len(path)):
        if isinstance(value, list):
            for item in value:  # noqa: SIM110  any() with a generator takes twice as long
                if _is_held(item, path, position, wanted):
                    return True
            return False
        value = value.get(path[position]) if isinstance(value, dict) else None
        if value is None:
            return False
    return wanted in value if isinstance(value, list) else bool(value == wanted)


def _values(value: Any, path: tuple[str, ...]) -> list[Any]:
    """Return every value at the path; lists on the way are entered."""
    if isinstance(value, list):
        return [found for item in value for found in _values(item, path)]
    if not path:
        return [value]
    inner = value.get(path[0]) if isinstance(value, dict) else None
    return [] if inner is None else _values(inner, path[1:])
