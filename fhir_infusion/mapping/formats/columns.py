"""Members of one object that are elements of a list: a dose for each square metre beside the dose made of it.

A flat object of a site has a column for each of several things of one kind: weight, height and surface; an ordered and
a calculated dose; sodium, potassium and calcium. To the pairs they are elements of one list, each with what the
document says of it (``is``) and what stands in its columns (``has``):

    columns:
      doses:
        - {is: {basis: ordered}, has: {value: Per m2, unit: Per m2 Unit}}
        - {is: {basis: calculated}, has: {value: Dose, unit: Unit}, with: [Per m2]}
        - {has: {value: Dose, unit: Unit}, without: [Per m2]}

An element is there where one of its own columns says something, and each of ``with``, and none of ``without``. Its own
are those that it shares with no other but one that begins with the same column, which is another way to take it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.document import Shapes, Table, misshapen
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.formats.nodes import Node

Json = dict[str, Any]
IsFiller = Callable[[Any], bool]

COLUMN_SHAPES: Final[Shapes] = {"is": (Table,), "has": (Table,), "with": (list,), "without": (list,)}
NO_COLUMN: Final = "the format has no columns for an element that says this"
READ_OTHERWISE: Final = "the columns would be read as something else"


@dataclass(frozen=True, slots=True)
class Column:
    """The columns of one element: ``has`` is the element's member -> the site's; ``says`` is what it always says."""

    says: Mapping[str, Any]
    has: Mapping[str, str]
    beside: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()

    @property
    def first(self) -> str:
        """Return the first column."""
        return next(iter(self.has.values()))

    def is_there(self, value: Json, is_filler: IsFiller) -> bool:
        """Whether an object of the site has the element."""

        def said(name: str) -> bool:
            return name in value and not is_filler(value[name])

        return any(map(said, self.own)) and all(map(said, self.beside)) and not any(map(said, self.without))

    def takes(self, element: Json) -> bool:
        """Whether an element could stand in these columns."""
        return all(name in self.has or name in self.says for name in element) and all(
            name in element and same(element[name], value) for name, value in self.says.items()
        )


@dataclass(slots=True)
class Gathered:
    """The elements of a list, the columns that each came from, and the columns that came into none."""

    elements: list[Json] = field(default_factory=list)
    came_from: list[Column] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def names_of(columns: Iterable[Column]) -> dict[str, str]:
    """Return the names of all columns, and the member of an element that each is."""
    return {column: name for one in columns for name, column in one.has.items()}


def gather(columns: tuple[Column, ...], value: Json, is_filler: IsFiller) -> Gathered:
    """Return the elements that an object of the site has."""
    found = Gathered()
    for one in columns:
        if one.is_there(value, is_filler):
            held = {name: value[column] for name, column in one.has.items() if column in value}
            found.elements.append({**one.says, **held})
            found.came_from.append(one)
    taken = {column for one in found.came_from for column in one.has.values()}
    found.left = [name for name in names_of(columns) if name in value and name not in taken]
    return found


def spread(columns: tuple[Column, ...], elements: list[Json], said: Json, is_filler: IsFiller) -> str:
    """Put elements into the columns of an object of the site; return why that cannot be, or nothing."""
    for element in elements:
        one = next((one for one in columns if one.takes(element)), None)
        if one is None:
            return NO_COLUMN
        for name, column in one.has.items():
            if name in element and not same(said.setdefault(column, element[name]), element[name]):
                return "another element says another thing in the same column"
    back = gather(columns, said, is_filler).elements
    left = list(elements)
    for element in back:
        left = _without(left, element)
    return "" if len(back) == len(elements) and not left else READ_OTHERWISE


def _without(elements: list[Json], element: Json) -> list[Json]:
    at = next((at for at, one in enumerate(elements) if same(one, element)), len(elements))
    return [*elements[:at], *elements[at + 1 :]]


def columns_of(table: Table, root: Node, complaints: list[str]) -> None:
    """Read ``columns`` into the shape; what is wrong is added to the complaints."""
    for path, given in table.items():
        mark = table.marks[path]
        holder, node = _list_at(root, str(path))
        if holder is None or node is None:
            complaints.append(f"{mark}: '{path}' is no list of objects in the shape; accepted: one given with []")
        elif not isinstance(given, list) or not given:
            complaints.append(f"{mark}: the columns of '{path}' are a list of elements, each with `has`")
        else:
            made = [_column(one, node, mark, complaints) for one in given]
            node.columns = _with_own([one for one in made if one is not None])
            known = {**names_of(node.columns), **(holder.members or {})}
            complaints += [
                f"{mark}: '{name}' is a column of '{path}', and a member of the shape besides"
                for name in names_of(node.columns)
                if name in (holder.members or {})
            ]
            complaints += [
                f"{mark}: '{name}' is neither a column nor a member beside '{path}'; accepted: {', '.join(known)}"
                for one in node.columns
                for name in (*one.beside, *one.without)
                if name not in known
            ]


def _with_own(columns: list[Column]) -> tuple[Column, ...]:
    return tuple(
        replace(
            one,
            own=frozenset(
                column
                for column in one.has.values()
                if all(column not in other.has.values() for other in columns if other.first != one.first)
            ),
        )
        for one in columns
    )


def _list_at(root: Node, path: str) -> tuple[Node | None, Node | None]:
    """Return the object that holds a list of the shape, and the list."""
    holder: Node | None = root
    *before, last = path.split(".")
    for name in before:
        holder = (holder.members or {}).get(name) if holder is not None else None
    node = (holder.members or {}).get(last) if holder is not None else None
    return (holder, node) if node is not None and node.is_list and node.members is not None else (None, None)


def _column(given: Any, node: Node, mark: Any, complaints: list[str]) -> Column | None:
    if not isinstance(given, Table):
        complaints.append(f"{mark}: columns are tables with `has`, and may have `is`, `with` and `without`")
        return None
    wrong = misshapen(given, COLUMN_SHAPES, "a table of columns")
    says, has = given.get("is") or Table(), given.get("has") or Table()
    if not wrong and not has:
        wrong.append(f"{given.mark}: columns have one or more in `has`")
    members = node.members or {}
    wrong += [
        f"{given.mark}: '{name}' is no member of '{node.name}[]' in the shape; accepted: {', '.join(members)}"
        for name in ({**says, **has} if not wrong else ())
        if name not in members
    ]
    complaints += wrong
    if wrong:
        return None
    return Column(
        dict(says),
        {name: str(column) for name, column in has.items()},
        tuple(map(str, given.get("with") or ())),
        tuple(map(str, given.get("without") or ())),
    )
