"""Putting a resource together: slices into arrays, contained resources into ``contained``, residue to its place.

Shared by the interpreter and the compiled writer; pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.codecs import QUANTITY_MEMBERS, read_quantity, write_quantity
from fhir_infusion.mapping.criteria import classify
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.plan import FMember, Follow, Items, Plan
from fhir_infusion.mapping.residue import ABSENT, MARKED, arrange, describes, digest, is_repair, mark_tokens, split_path
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from fhir_infusion.mapping.paths import FStep

Json = dict[str, Any]
Refuse = Callable[..., None]


def family(release: str) -> str:
    """Return what stands for all releases of which residue has the same places; a format stands for itself."""
    return "R4" if release == "R4B" else release


@dataclass(slots=True)
class _Array:
    """An array being put together: its elements by slice number, the rest behind all slices."""

    holder: Json
    name: str
    parts: dict[int, list[tuple[str | None, Any]]] = field(default_factory=dict)
    left: list[tuple[str | None, Any]] = field(default_factory=list)
    order: list[str] | None = None
    member: FMember | None = None

    def place(self, number: int) -> str:
        """Name a slice of the array; the rest has no name."""
        slices = self.member.slices if self.member is not None else []
        return slices[number].step.token if number < len(slices) else ""


@dataclass(slots=True)
class Assembly:
    """What is not in its place yet."""

    plan: Plan
    arrays: dict[tuple[int, str], _Array] = field(default_factory=dict)
    contained: dict[str, Json] = field(default_factory=dict)
    follows: dict[tuple[int, str], Json] = field(default_factory=dict)
    waiting: list[tuple[Json, str, Json]] = field(default_factory=list)

    def array(self, holder: Json, name: str, member: FMember | None = None) -> _Array:
        """Return the array under this name, begun where it is not there yet."""
        key = (id(holder), name)
        array = self.arrays.get(key)
        if array is None:
            array = self.arrays[key] = _Array(holder, name)
            holder.setdefault(name, None)
        if member is not None:
            array.member = member
        return array

    def slice(self, holder: Json, member: FMember, number: int) -> Json:
        """Return the one element of a slice, made with its constants where it is not there yet."""
        array = self.array(holder, member.name, member)
        part = array.parts.get(number)
        if part is not None:
            return part[0][1]  # type: ignore[no-any-return]  # elements are objects
        known = member.slices[number]
        element: Json = dict(known.obj.always) if known.obj is not None else {}
        _set_constants(element, known.constants)
        array.parts[number] = [(known.step.token, element)]
        return element

    def place_list(self, holder: Json, array: FStep, items: Items, elements: list[tuple[str | None, Any]]) -> None:
        """Place the elements of a list: a slice of an array, or all of it."""
        member = self._member_of(items)
        number = len(member.slices)
        if array.criteria:
            number = next(n for n, part in enumerate(member.slices) if part.items is items)
            if not items.follow:
                for _, element in elements:
                    _set_constants(element, member.slices[number].constants)
        self.array(holder, array.name, member).parts[number] = elements

    def _member_of(self, items: Items) -> FMember:
        assert items.member is not None  # noqa: S101  set when the plan is built
        return items.member

    def follow(self, holder: Json, name: str, follow: Follow, identifier: str | None, at: str, refuse: Refuse) -> Json:
        """Return the contained resource behind a reference, made where it is not there yet."""
        key = (id(holder), name)
        resource = self.follows.get(key)
        if resource is not None:
            return resource
        resource = self.follows[key] = dict(follow.obj.always)
        if follow.owner is not None:
            resource["id"] = identifier or follow.owner[-1].name.replace("_", "-")
            holder[name] = self.reference(resource["id"])
            self.contain(resource, at, refuse)
        else:
            self.waiting.append((holder, name, resource))
        return resource

    @staticmethod
    def reference(identifier: str) -> Json:
        """Return the reference to a contained resource."""
        return {"reference": "#" + identifier}

    def contain(self, resource: Json, at: str, refuse: Refuse) -> None:
        """Add a contained resource; the same id again must be the same resource."""
        known = self.contained.setdefault(resource["id"], resource)
        if known is not resource and known != resource:
            refuse(at, "two contained resources would have one id", "ids that differ", "duplicate")

    def finish(self, resource: Json, residue: Iterable[Json], refuse: Refuse) -> list[Line]:
        """Put everything in its place; return the lines of what did not go back.

        An array of slices is read again: an element that would come back as something else is refused.
        """
        for holder, name, followed in self.waiting:
            identifier = str(holder.get(name, {}).get("reference", ""))
            if identifier.startswith("#"):
                followed["id"] = identifier[1:]
                self.contained.setdefault(identifier[1:], followed)
        lines: list[Line] = []
        mine = [entry for entry in residue if self._is_mine(entry, lines)]
        if self.contained or any(entry["path"].startswith("contained[]") for entry in mine):
            array = self.array(resource, "contained")
            array.parts[0] = sorted(self.contained.items())
        late: list[tuple[Json, Json]] = []
        for entry in mine:
            self._put(resource, entry, lines, late)
        for array in self.arrays.values():
            mapped = [pair for number in sorted(array.parts) for pair in array.parts[number]]
            array.holder[array.name] = arrange(mapped, array.left, array.order)
        for array in self.arrays.values():
            self._check_slices(array, refuse)
        self._put_late(late, lines)
        return lines

    def _check_slices(self, array: _Array, refuse: Refuse) -> None:
        member = array.member
        if member is None or not member.slices:
            return
        written = [(number, element) for number in sorted(array.parts) for _, element in array.parts[number]]
        if classify(member, [element for _, element in written], self.contained) != [number for number, _ in written]:
            refuse(
                array.name,
                "an element of this list would be read back as another field",
                "each element where the mapping looks for it",
                "business-rule",
                "slice",
            )

    def _put_late(self, late: list[tuple[Json, Json]], lines: list[Line]) -> None:
        """Put back what asks what stands beside it, when everything else is in place: displays, then marks."""
        for holder, entry in late:
            if split_path(entry["path"])[-1][0] == "display" + MARKED:
                self._put_display(holder, entry, lines)
        places: dict[tuple[int, str], dict[str, int]] = {}
        for holder, entry in late:
            name, token = split_path(entry["path"])[-1]
            if token is not None:
                key = (id(holder), name)
                if key not in places:
                    values = holder.get(name[1:])
                    places[key] = {
                        one: at for at, one in enumerate(mark_tokens(values) if isinstance(values, list) else ())
                    }
                self._put_mark(holder, entry, places[key], lines)
            elif name[0] == "_":
                self._put_beside(holder, entry, lines)

    def _put_display(self, holder: Json, entry: Json, lines: list[Line]) -> None:
        """Put a display back beside what it described when it was read."""
        reference = str(holder.get("reference", ""))
        described = self.contained.get(reference[1:], holder) if reference.startswith("#") else holder
        if "display" not in holder and describes(described) == entry["value"]["of"]:
            holder["display"] = entry["value"]["display"]
        else:
            lines.append(
                Line(
                    entry["path"].removesuffix(MARKED), "dropped", "", "the display described this before it was edited"
                )
            )

    @staticmethod
    def _put_mark(holder: Json, entry: Json, places: Mapping[str, int], lines: list[Line]) -> None:
        """Put a mark back beside the simple value of a list that it belongs to, or tell how many marks there were.

        ``places`` are the values of the list by their tokens.
        """
        name, token = split_path(entry["path"])[-1]
        if token is not None and token in places:
            holder.setdefault(name, [None] * len(places))[places[token]] = entry["value"]
        elif token != "*":  # noqa: S105  a place in an array, no secret
            lines.append(Line(entry["path"], "dropped", "", "the element that it belonged to is gone"))
        elif name in holder and not any(holder[name][entry["value"] :]):
            del holder[name][entry["value"] :]

    @staticmethod
    def _put_beside(holder: Json, entry: Json, lines: list[Line]) -> None:
        """Put a mark back beside the simple value that it stood beside, or where it stood alone beside none."""
        path, mark = entry["path"].removesuffix(MARKED), entry["value"]
        name = split_path(path)[-1][0]
        beside = holder.get(name[1:])
        if path == entry["path"]:
            stays, why = beside is None, "the value that was absent is there now"
        else:
            stays = beside is not None and digest(beside) == mark["of"]
            mark, why = mark["mark"], "the value that it stood beside was edited"
        if stays:
            holder[name] = mark
        else:
            lines.append(Line(path, "dropped", "", why))

    def _is_mine(self, entry: Json, lines: list[Line]) -> bool:
        if entry["path"].startswith("$"):  # it tells of the whole, and is no part of it
            return False
        if family(entry["release"]) != family(self.plan.release):
            if not split_path(entry["path"])[-1][0].startswith(ABSENT):  # a filler says nothing
                why = f"residue of {entry['release']} has no place in {self.plan.release}"
                lines.append(Line(_shown(entry), "dropped", "", why))
            return False
        return True

    def _put(self, resource: Json, entry: Json, lines: list[Line], late: list[tuple[Json, Json]]) -> None:
        """Put one residue entry back, or leave it for later; a line says so where its place is gone."""
        parts = split_path(entry["path"])
        holder: Any = resource
        for name, token in parts[:-1]:
            holder = self._step(resource, holder, name, token)
            if not isinstance(holder, dict):
                lines.append(Line(entry["path"], "dropped", "", "the element that it belonged to is gone"))
                return
        name, token = parts[-1]
        if name[0] == "_" or name == "display" + MARKED:
            late.append((holder, entry))
        elif token == "*":  # noqa: S105  a place in an array, no secret
            self.array(holder, name).order = list(entry["value"])
        elif token == "":
            self.array(holder, name).left.append((entry.get("after"), entry["value"]))
        elif name.endswith(MARKED):
            written = holder.get(name.removesuffix(MARKED))
            if isinstance(written, dict) and _is_repaired(entry["value"], written):
                written |= entry["value"]  # in place: other entries go back into it
            else:
                why = "the quantity with the repaired unit was edited"
                lines.append(Line(entry["path"].removesuffix(MARKED), "dropped", "", why))
        elif name in holder:
            lines.append(Line(entry["path"], "dropped", "", "the record now says this itself"))
        else:
            holder[name] = entry["value"]

    def _step(self, resource: Json, holder: Any, name: str, token: str | None) -> Any:
        if token is None:
            return holder.get(name)
        if holder is resource and name == "contained":
            return self.contained.get(token)
        array = self.arrays.get((id(holder), name))
        if array is None:
            return None
        return next((element for part in array.parts.values() for key, element in part if key == token), None)


def put_back(residue: Iterable[Json], lost: Iterable[Line]) -> list[Line]:
    """Return the lines of the residue that went back; ``lost`` are those of what did not.

    What tells of the whole, of an order or of a repaired unit is no element of its own.
    """
    gone = Counter(line.path for line in lost)
    lines: list[Line] = []
    for entry in residue:
        name, token = split_path(entry["path"])[-1]
        if name[0] == "$" or token == "*" or is_repair(name):  # noqa: S105  a place in an array, no secret
            continue
        path = _shown(entry).removesuffix(MARKED)
        if gone[path]:
            gone[path] -= 1
        else:
            lines.append(Line(path, "carried", "", "residue"))
    return lines


def _shown(entry: Json) -> str:
    """Return the path of an entry as a line tells it: that of a site's format has the site's own names."""
    return readable(entry["path"]) if entry["release"].startswith("format:") else str(entry["path"])


def _is_repaired(original: Json, written: Json) -> bool:
    """Return whether a quantity is what its original is written as, to the digit."""
    members = {name: value for name, value in written.items() if name in QUANTITY_MEMBERS}
    return same(members, write_quantity(read_quantity(original)))


def _set_constants(element: Json, constants: Iterable[tuple[tuple[str, ...], str]]) -> None:
    for path, value in constants:
        inner = element
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value


def without_references(value: Any, lost: frozenset[str], at: str, lines: list[Line]) -> Any:
    """Return a record without the references to contained resources that do not go out; a line for each.

    What else a reference says stays, and an element of a list of which nothing is left goes with it. Patient, drug and
    preparation are never left out: without what they point to the resource is refused.
    """
    if isinstance(value, list):
        kept_items = ((f"{at}[{index}]", item) for index, item in enumerate(value))
        made_items = ((here, item, without_references(item, lost, here, lines)) for here, item in kept_items)
        return [made for here, item, made in made_items if made == item or _stays(item, made, here, lines)]
    if not isinstance(value, dict):
        return value
    reference = value.get("reference")
    if isinstance(reference, str) and reference in lost:
        lines.append(Line(at, "dropped", "", "the contained resource that it points to has no place in this release"))
        rest = {name: inner for name, inner in value.items() if name != "reference"}
        return rest if rest.keys() & {"identifier", "display"} else {}
    kept: Json = {}
    for name, inner in value.items():
        here = f"{at}.{name}" if at else name
        made = inner if name in _NEVER_WITHOUT else without_references(inner, lost, here, lines)
        if made == inner or made not in ([], {}):
            kept[name] = made
    return kept


_NEVER_WITHOUT: Final = frozenset({"residue", "patient", "drug", "medication", "preparation"})


def _stays(item: Any, made: Any, at: str, lines: list[Line]) -> bool:
    """Say whether an element that has lost a reference stays: it holds more than its key, a performer its actor."""
    if made == {}:
        return False
    if any(not name.endswith("_id") for name in made) and ("actor" not in item or "actor" in made):
        return True
    lines.append(Line(at, "dropped", "", "it is nothing without the contained resource that it points to"))
    return False
