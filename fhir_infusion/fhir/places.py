"""Where in a resource a path leads: not values but the places that hold them, so that they can be changed.

A primitive has its extensions in the ``_`` twin beside it (https://hl7.org/fhir/R4/json.html#primitive); whoever takes
a place away, or puts something there, does it to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import elements
from fhir_infusion.fhir.elements import Element
from fhir_infusion.fhir.path_reader import At, Name, OfType, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.fhir.path_reader import Literal, Path, Test

_ROOT: Final = "resource"


@dataclass(frozen=True, slots=True)
class Place:
    """A member of an object, or an item of a list that is one.

    ``element`` is what the standard says of it, ``among`` all elements of the object's type by their JSON names.
    """

    owner: dict[str, Any]
    name: str
    index: int | None
    element: Element
    among: Mapping[str, Element]

    @property
    def value(self) -> Any:
        """What stands here; None where a primitive has nothing but extensions."""
        held = self.owner.get(self.name)
        if self.index is None:
            return held
        return held[self.index] if isinstance(held, list) and self.index < len(held) else None

    @property
    def type(self) -> str:
        """The name of its type; of a contained resource its own."""
        value = self.value
        if self.element.type == "Resource" and isinstance(value, dict):
            return str(value.get("resourceType", ""))
        return self.element.type


def root(resource: Resource) -> Place:
    """Return the place of a resource."""
    element = Element(
        name=_ROOT,
        type="Resource",
        is_list=False,
        required=True,
        choice="",
        targets=(),
        codes=(),
        primitive=False,
        extensible=False,
        order=0,
        in_summary=True,
    )
    return Place({_ROOT: resource}, _ROOT, None, element, {})


def find(resource: Resource, path: Path, release: str) -> list[Place]:
    """Return every place that a path leads to; it may begin with the type of the resource."""
    start = root(resource)
    if path and path[0] in (Name(start.type), Name("Resource"), Name("DomainResource")):
        path = path[1:]
    return _walk([start], path, release)


def children_of(place: Place, release: str) -> Mapping[str, Element]:
    """Return the elements that the type of a place has, by their JSON names; none where that is no type."""
    if place.element.primitive:
        return {}
    known = elements.table(release)
    try:
        return known[place.type] if place.type in known else elements.type_table(release, place.type)[place.type]
    except KeyError:
        return {}


def _walk(places: list[Place], path: Sequence[object], release: str) -> list[Place]:
    for step in path:
        match step:
            case Name(name):
                places = [child for place in places for child in _children(place, name, release)]
            case At(index):
                places = places[index:][:1]
            case OfType(type):
                places = [place for place in places if type in {place.type, _GENERAL.get(place.type)}]
            case Where(tests):
                places = [place for place in places if all(_holds(place, test, release) for test in tests)]
    return places


_GENERAL: Final = {"SimpleQuantity": "Quantity"}
"""What a profile of a datatype is a kind of."""


def _children(place: Place, name: str, release: str) -> list[Place]:
    if place.element.primitive:
        return _extensions(place, release) if name == "extension" else []
    value = place.value
    if not isinstance(value, dict):
        return []
    known = children_of(place, release)
    named = [element for element in known.values() if element.path_name == name]
    return [item for element in named for item in _items(value, element, known)]


def _items(owner: dict[str, Any], element: Element, known: Mapping[str, Element]) -> list[Place]:
    here = Place(owner, element.name, None, element, known)
    if not element.is_list:
        return [here] if element.name in owner or f"_{element.name}" in owner else []
    return [replace(here, index=index) for index in range(length(here))]


def length(place: Place) -> int:
    """Return how many items a list has, those among them that are nothing but extensions."""
    held, twin = place.owner.get(place.name), place.owner.get(f"_{place.name}")
    return max(len(each) if isinstance(each, list) else 0 for each in (held, twin))


def _extensions(place: Place, release: str) -> list[Place]:
    """Return the extensions of a primitive, which stand in its twin."""
    twin = place.owner.get(f"_{place.name}")
    if place.index is not None:
        twin = twin[place.index] if isinstance(twin, list) and place.index < len(twin) else None
    if not isinstance(twin, dict):
        return []
    known = elements.table(release)["Extension"]
    return _items(twin, known["extension"], known)


# --------------------------------------------------------------------------------------------------------- tests


def _holds(place: Place, test: Test, release: str) -> bool:
    values = [found.value for found in _walk([place], test.path, release)]
    if test.literal is None:
        return bool(values) is not test.negated
    equal = any(_equals(value, test.literal) for value in values)
    # Of nothing FHIRPath says neither that it is equal nor that it differs.
    return (equal is not test.negated) if values else False


def _equals(value: Any, literal: Literal) -> bool:
    if isinstance(literal, bool) or isinstance(value, bool):
        return value is literal
    if isinstance(literal, Decimal):
        return isinstance(value, int | Decimal) and value == literal
    return isinstance(value, str) and value == literal
