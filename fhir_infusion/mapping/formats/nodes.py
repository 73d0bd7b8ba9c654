"""The shape of a site's JSON as a format says it: each member, how it is spelled, and while what it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.document import Mark
from fhir_infusion.mapping.formats.columns import Column, names_of
from fhir_infusion.mapping.formats.joining import Joining
from fhir_infusion.mapping.formats.names import safe
from fhir_infusion.mapping.formats.packing import Packing
from fhir_infusion.mapping.formats.values import Spelling

if TYPE_CHECKING:
    from collections.abc import Mapping

JOINED: Final = " + "
"""Joins the names of members that say one value together, and their texts."""


@dataclass(frozen=True, slots=True)
class SiteElement:
    """One member as the engine's element table has it."""

    name: str
    type: str
    is_list: bool
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keeping:
    """While what a member that no pair takes goes back, see ``beside``.

    ``names`` are the ways to the members that must be unchanged, all where there are none; ``always``: whatever is
    edited. ``refuse``: where it may not go back the record is refused.
    """

    names: tuple[tuple[str, ...], ...] = ()
    always: bool = False
    refuse: bool = False

    def and_(self, other: Keeping) -> Keeping:
        """Return what holds for two members that go back together, or not at all."""
        refuse = self.refuse or other.refuse
        if self.always or other.always:
            one = other if self.always else self
            return replace(one, refuse=refuse)
        named = self.names and other.names
        return Keeping(tuple(dict.fromkeys((*self.names, *other.names))) if named else (), refuse=refuse)


@dataclass(slots=True)
class Node:
    """One member of the site's JSON, or the whole.

    ``spelling`` is set where it is a simple value, ``members`` where it is an object; with neither it is kept as it
    is, as ``keeping`` says. ``parts`` are the members that say the value together; with ``joining`` each has a text of
    its own. ``columns`` are those that the elements of a list stand in. ``packing``: the site writes it otherwise than
    as a JSON object or list. ``is_status``: its pairs say the status and nothing else; the whole has the
    ``status_codes`` of the format. ``closed``: no unknown member may stand in it.
    """

    name: str
    mark: Mark
    is_list: bool = False
    spelling: Spelling | None = None
    members: dict[str, Node] | None = None
    parts: tuple[str, ...] = ()
    joining: Joining | None = None
    closed: bool = False
    keeping: Keeping = Keeping()
    columns: tuple[Column, ...] = ()
    packing: Packing = field(default_factory=Packing)
    is_status: bool = False
    status_codes: frozenset[str] = frozenset()

    @property
    def path_name(self) -> str:
        """Return the name that paths have for it."""
        return safe(self.name)

    @property
    def kept(self) -> bool:
        """Whether it says nothing to a record."""
        return self.spelling is None and self.members is None

    @property
    def kept_whole(self) -> bool:
        """Whether it is an object, or a list of them, of which no part says anything to a record."""
        return bool(self.members) and all(inner.kept or inner.kept_whole for inner in (self.members or {}).values())

    def joined_of(self, name: str) -> Node | None:
        """Return the member that is joined of others, this one of the site among them."""
        return next((one for one in (self.members or {}).values() if one.joining and name in one.parts), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the site's members that it stands in."""
        return tuple(names_of(self.columns)) or self.parts or (self.name,)

    def spelled(self) -> dict[str, Node]:
        """Return the names of the site's members in this object, each with what says how it is spelled."""
        found: dict[str, Node] = {}
        for inner in (self.members or {}).values():
            within = names_of(inner.columns)
            found |= {name: (inner.members or {})[within[name]] if within else inner for name in inner.names}
        return found


def elements(root: Node) -> Mapping[str, Mapping[str, SiteElement]]:
    """Return the element table of a shape: type name -> element name -> element."""
    table: dict[str, dict[str, SiteElement]] = {}
    _elements(root, root.name, table)
    return table


def _elements(node: Node, type_name: str, table: dict[str, dict[str, SiteElement]]) -> None:
    members = table.setdefault(type_name, {})
    for inner in (node.members or {}).values():
        if inner.kept:
            continue
        name = inner.path_name
        held = f"{type_name}.{inner.name}"
        if inner.members is not None:
            _elements(inner, held, table)
        elif inner.spelling is not None and inner.spelling.members:
            table[held] = {
                said: SiteElement(said, kind, said in inner.spelling.lists)
                for said, kind in inner.spelling.members.items()
            }
        else:
            held = inner.spelling.type if inner.spelling is not None else ""
        members[name] = SiteElement(name, held, inner.is_list)
