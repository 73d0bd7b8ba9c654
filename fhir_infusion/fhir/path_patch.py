"""FHIRPath Patch: operations on elements, in a Parameters resource. Pure.

https://hl7.org/fhir/R4/fhirpatch.html. ``add`` sets an element, or appends to a list; ``insert`` and ``move`` work on
the items of a list; ``replace`` needs exactly one element, ``delete`` one or none. A number is written as the patch
writes it, and what is not touched as it was. All operations are done, or none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import elements, path_reader, places
from fhir_infusion.fhir.json import Resource
from fhir_infusion.fhir.patching import MOST_OPERATIONS, Budget, malformed, unappliable, without_empty
from fhir_infusion.fhir.path_reader import Name, Path
from fhir_infusion.fhir.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.fhir.elements import Element

_NEEDS: Final = {
    "add": ("path", "name", "value"),
    "insert": ("path", "value", "index"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
_TYPES: Final = {
    "type": ("valueCode", "valueString"),
    "path": ("valueString",),
    "name": ("valueString",),
    "index": ("valueInteger",),
    "source": ("valueInteger",),
    "destination": ("valueInteger",),
}
_PARTS: Final = (*_TYPES, "value")


@dataclass(frozen=True, slots=True)
class Value:
    """What is put somewhere: of the datatype named, or without one the members of an element without a name.

    ``twin`` is what stands beside a primitive. Members are names with the values that they are to have, in order.
    """

    type: str = ""
    content: Any = None
    twin: Any = None
    members: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; ``place`` is its own in the Parameters."""

    place: str
    kind: str
    path: Path
    name: str = ""
    value: Value | None = None
    index: int = 0
    source: int = 0
    destination: int = 0


def apply(operations: tuple[Operation, ...], resource: Resource, release: str) -> Resource:
    """Return what the operations make of a resource, which is not the caller's any more.

    Raises:
        Refused: 422, an operation cannot be done; with its place.
    """
    budget = Budget()
    for one in operations:
        _DO[one.kind](_At(resource, one, release, budget))
    return without_empty(resource)


@dataclass(frozen=True, slots=True)
class _At:
    """An operation, and what it is done to."""

    resource: Resource
    one: Operation
    release: str
    budget: Budget

    def found(self, path: Path | None = None) -> list[Place]:
        """Return where a path leads, that of the operation unless another is given."""
        return places.find(self.resource, self.one.path if path is None else path, self.release)

    def single(self, path: Path | None = None) -> Place:
        """Return the one place that a path leads to."""
        found = self.found(path)
        if len(found) != 1:
            raise self.refused("the path leads to " + ("several elements" if found else "nothing"), "to one element")
        return found[0]

    def items(self) -> Place:
        """Return the list that the path names, as a place without index."""
        *before, last = self.one.path
        if not isinstance(last, Name):
            raise self.refused("the path leads to no list", "the name of a list at its end")
        owner = self.single(tuple(before))
        element = self.element(owner, last.name, None)
        if not element.is_list or not isinstance(owner.value, dict):
            raise self.refused("the path leads to no list", "the name of a list at its end")
        return Place(owner.value, element.name, None, element, places.children_of(owner, self.release))

    def element(self, owner: Place, name: str, value: Value | None) -> Element:
        """Return the element of this name that an element may have; of a choice the one of the value's type."""
        named = [one for one in places.children_of(owner, self.release).values() if one.path_name == name]
        fitting = [one for one in named if not one.choice or value is None or _is_of(one, value.type)]
        if not named:
            raise self.refused("there is no such element here", "an element of the type at this path")
        if len(fitting) != 1:
            raise self.refused("the element is a choice of types, and the value of none of them", "one of its types")
        return fitting[0]

    def refused(self, reason: str, accepted: str) -> Exception:
        """Return the refusal of this operation."""
        return unappliable(self.one.place, reason, accepted)

    def value(self) -> Value:
        """Return the value of the operation, which was read with it."""
        if self.one.value is None:
            raise TypeError("this operation has a value")
        return self.one.value

    def json(self, element: Element, value: Value) -> Any:
        """Return a value as the JSON of an element; primitive content as it was sent."""
        if not value.members:
            return self.budget.copied(value.content, self.one.place)
        made: dict[str, Any] = {}
        here = Place({element.name: made}, element.name, None, element, {})
        for name, member in value.members:
            inner = self.element(here, name, member)
            content = self.json(inner, member)
            if inner.is_list:
                made.setdefault(inner.name, []).append(content)
            elif inner.name in made:
                raise self.refused("an element stands twice that may stand once", "it once")
            else:
                made[inner.name] = content
        return made


# ------------------------------------------------------------------------------------------------------ the five


def _add(at: _At) -> None:
    owner, value = at.single(), at.value()
    if not isinstance(owner.value, dict):
        raise at.refused("the path leads to no element that has others", "such an element")
    element = at.element(owner, at.one.name, value)
    known = places.children_of(owner, at.release)
    here = Place(owner.value, element.name, None, element, known)
    if element.is_list:
        _insert_at(at, here, places.length(here))
        return
    there = [one.name for one in known.values() if one.path_name == element.path_name]
    if any(f"{mark}{name}" in owner.value for name in there for mark in ("", "_")):
        raise at.refused("the element is there already, and may stand once", "replace")
    _set(at, here, value)


def _insert(at: _At) -> None:
    here = at.items()
    if at.one.index > places.length(here):
        raise at.refused("there is no such index to insert at", "0 up to the length of the list")
    _insert_at(at, here, at.one.index)


def _delete(at: _At) -> None:
    found = at.found()
    if len(found) > 1:
        raise at.refused("the path leads to several elements", "to one element")
    for place in found:
        _clear(at, place)


def _replace(at: _At) -> None:
    place, value = at.single(), at.value()
    if place.index is not None:
        _clear(at, place)
        _insert_at(at, replace(place, index=None), place.index)
        return
    element = place.element
    if element.choice:
        fitting = [one for one in place.among.values() if one.choice == element.choice and _is_of(one, value.type)]
        if len(fitting) != 1:
            raise at.refused("the element is a choice of types, and the value of none of them", "one of its types")
        element = fitting[0]
    _refuse_whole(at, place)
    if element.name != place.name:
        _clear(at, place)
    place.owner.pop(f"_{element.name}", None)
    _set(at, replace(place, name=element.name, element=element), value)


def _move(at: _At) -> None:
    here, source, destination = at.items(), at.one.source, at.one.destination
    count = places.length(here)
    if max(source, destination) >= count:
        raise at.refused("there is no such index in the list", "indexes of items that are there")
    for name in (here.name, f"_{here.name}"):
        items = here.owner.get(name)
        if isinstance(items, list):
            items += [None] * (count - len(items))
            items.insert(destination, items.pop(source))


_DO: Final[dict[str, Callable[[_At], None]]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _is_of(element: Element, type_name: str) -> bool:
    return element.type == type_name or (element.type, type_name) == ("SimpleQuantity", "Quantity")


def _set(at: _At, place: Place, value: Value) -> None:
    content = at.json(place.element, value)
    if content is None:
        place.owner.pop(place.name, None)
    else:
        place.owner[place.name] = content
    if value.twin is not None:
        place.owner[f"_{place.name}"] = at.budget.copied(value.twin, at.one.place)


def _insert_at(at: _At, place: Place, index: int) -> None:
    """Insert the value into a list, and into the list of its twins where there is one or has to be one."""
    value = at.value()
    content, twin = at.json(place.element, value), f"_{place.name}"
    new = {place.name: content, twin: at.budget.copied(value.twin, at.one.place) if value.twin is not None else None}
    for name, item in new.items():
        items = place.owner.get(name)
        if not isinstance(items, list):
            if item is None:
                continue
            items = place.owner[name] = []
        items += [None] * (index - len(items))
        items.insert(index, item)


def _refuse_whole(at: _At, place: Place) -> None:
    if place.value is at.resource:
        raise at.refused("the whole resource is no element of it", "an update, or a deletion")


def _clear(at: _At, place: Place) -> None:
    _refuse_whole(at, place)
    for name in (place.name, f"_{place.name}"):
        held = place.owner.get(name)
        if place.index is None:
            place.owner.pop(name, None)
        elif isinstance(held, list) and place.index < len(held):
            held.pop(place.index)


# -------------------------------------------------------------------------------------------------------- reading


def read(parameters: Resource) -> tuple[Operation, ...]:
    """Return the operations of a Parameters resource, as it was read from strict JSON.

    Raises:
        Refused: 400, it is no patch.
    """
    listed = parameters.get("parameter")
    if set(parameters) - {"resourceType", "id", "meta", "parameter"} or not isinstance(listed, list):
        raise malformed("Parameters", "no FHIRPath Patch", "parameters named operation")
    if len(listed) > MOST_OPERATIONS:
        raise malformed("Parameters.parameter", "too many operations", f"at most {MOST_OPERATIONS}")
    return tuple(_operation(one, f"Parameters.parameter[{number}]") for number, one in enumerate(listed))


def _operation(one: Any, place: str) -> Operation:
    named = isinstance(one, dict) and one.get("name") == "operation" and set(one) == {"name", "part"}
    if not named or not isinstance(one["part"], list):
        raise malformed(place, "no operation", 'the name "operation" with its parts')
    parts: dict[str, Any] = {}
    for number, part in enumerate(one["part"]):
        name = part.get("name") if isinstance(part, dict) else None
        if name not in _PARTS or name in parts:
            accepted = f"once each: {', '.join(_PARTS)}"
            raise malformed(f"{place}.part[{number}]", "a part that an operation does not have", accepted)
        parts[str(name)] = _value(part, f"{place}.part[{number}]") if name == "value" else _plain(part, place)
    needs = _NEEDS.get(str(parts.get("type")))
    if needs is None:
        raise malformed(f"{place}.part", "no such type of operation", ", ".join(_NEEDS))
    if set(parts) != {"type", *needs}:
        raise malformed(f"{place}.part", "not the parts of this operation", ", ".join(("type", *needs)))
    path = path_reader.read(parts.pop("path"), f"{place}.part")
    return Operation(place, parts.pop("type"), path, **parts)


def _plain(part: dict[str, Any], place: str) -> str | int:
    """Return the value of a part that is a text or an index."""
    name = str(part["name"])
    allowed = _TYPES[name]
    value = next((part[one] for one in allowed if one in part), None)
    is_index = allowed == ("valueInteger",)
    right = type(value) is int and value >= 0 if is_index else isinstance(value, str)
    if len(part) != 2 or not right:
        raise malformed(f"{place}.part", "a part without its value", f"{name} with {' or '.join(allowed)}")
    return value  # type: ignore[return-value]  # of one of the two by now


def _value(part: dict[str, Any], place: str) -> Value:
    """Return what is to be put somewhere: ``value[x]``, a resource, or the members of an element as parts."""
    rest = {name: value for name, value in part.items() if name != "name"}
    if set(rest) == {"part"} and isinstance(rest["part"], list):
        inner = rest["part"]
        if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in inner):
            raise malformed(place, "a part without a name", "name and value[x], or parts")
        return Value(members=tuple((one["name"], _value(one, place)) for one in inner))
    if set(rest) == {"resource"}:
        return Value("Resource", rest["resource"])
    names = {name.lstrip("_") for name in rest}
    (name,) = names if len(names) == 1 else ("",)
    if not name.startswith("value") or len(name) == len("value"):
        raise malformed(place, "not one value", "value[x], or parts")
    type_ = name.removeprefix("value")
    primitive = type_[0].lower() + type_[1:]
    return Value(primitive if primitive in elements.PRIMITIVES else type_, rest.get(name), rest.get(f"_{name}"))
