"""Growing the two trees of a plan: the nodes on the way to a pair, and the pair at its end on both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fhir_infusion.mapping.paths import Condition, FStep, IStep, show_fhir, show_internal
from fhir_infusion.mapping.plan import FMember, FObj, Follow, IMember, IObj, Items, Leaf, Scope, Slice
from fhir_infusion.mapping.types import BESIDE, Types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.document import Mark


@dataclass(frozen=True, slots=True)
class Place:
    """Where pairs stand: scope, the way from its start on both sides, the types there, the conditions in force."""

    scope: Scope
    internal: tuple[IStep, ...]
    itype: str
    fhir: tuple[FStep, ...]
    ftype: str
    conditions: tuple[Condition, ...] = ()

    @property
    def contained(self) -> bool:
        """Whether the FHIR object is a contained resource, whose id is kept by whoever follows the reference."""
        if self.fhir:
            return bool(self.fhir[-1].follow)
        return "resourceType" in self.scope.fobj.always


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of one plan while they grow; two pairs that cannot share a place are a complaint."""

    types: Types

    def fhir_node(self, scope: Scope, steps: tuple[FStep, ...], mark: Mark) -> FObj | None:
        """Return the FHIR node at the end of the steps, made where it is not there yet."""
        fobj = scope.fobj
        for step in steps:
            member = self._fhir_member(fobj, step.name)
            if member.leaves and not step.follow:
                self._complain(mark, f"'{step.name}' is mapped as a value elsewhere and cannot be an object here")
                return None
            lists = [one.items for one in member.slices if one.items is not None and one.step.criteria == step.criteria]
            if lists:
                self._complain(mark, f"'{show_fhir(steps)}' {_EACH} (at {lists[0].mark})")
                return None
            fobj = self._descend(fobj, step)
        return fobj

    def _fhir_member(self, fobj: FObj, name: str) -> FMember:
        member = fobj.members.get(name)
        if member is None:
            element = self.types.members(fobj.type).get(name)
            made = FMember(name, BESIDE, is_list=False)
            member = made if element is None else FMember(name, element.type, element.is_list)
            fobj.members[name] = member
        return member

    def _descend(self, fobj: FObj, step: FStep) -> FObj:
        member = self._fhir_member(fobj, step.name)
        if step.follow:
            made = Follow(step.follow, FObj(step.follow, always={"resourceType": step.follow}))
            return member.follows.setdefault(step.follow, made).obj
        if step.criteria:
            for known in member.slices:
                if known.step.criteria == step.criteria and known.obj is not None:
                    return known.obj
            constants = self.types.constants(step, member.type)
            fixed = FObj(member.type, always={path[0]: value for path, value in constants if len(path) == 1})
            member.slices.append(Slice(replace(step, repeats=False), member.type, fixed, None, constants))
            return fixed
        if member.obj is None:
            member.obj = FObj(member.type)
        return member.obj

    def field_node(self, scope: Scope, steps: tuple[IStep, ...]) -> IMember:
        """Return the record field at the end of the steps, at least one, made where it is not there yet."""
        iobj, member = scope.iobj, _field(scope.iobj, steps[0])
        for step in steps[1:]:
            if member.obj is None:
                member.obj = IObj(self.types.fields[iobj.type][member.name].type)
            iobj, member = member.obj, _field(member.obj, step)
        return member

    def own_follow(self, place: Place, mark: Mark) -> None:
        """Let the record object that maps a whole contained resource own its id."""
        if not place.fhir or not place.fhir[-1].follow or self.fhir_node(place.scope, place.fhir, mark) is None:
            return
        fobj = place.scope.fobj
        for step in place.fhir[:-1]:
            fobj = self._descend(fobj, step)
        follow = fobj.members[place.fhir[-1].name].follows[place.fhir[-1].follow]
        follow.owner, follow.key = place.internal, self.types.key_of(place.itype)
        if place.internal:
            self.field_node(place.scope, place.internal).follow = (place.fhir, follow)
        else:
            self._complain(mark, "the element itself cannot be a contained resource; follow the reference in each pair")

    def attach_leaf(self, leaf: Leaf, scope: Scope) -> None:
        """Hang a value into both trees."""
        last = leaf.fhir[-1]
        if last.criteria:
            self._complain(leaf.mark, f"'{show_fhir(leaf.fhir)}' ends in a slice; name the value inside it")
            return
        fobj = self.fhir_node(scope, leaf.fhir[:-1], leaf.mark)
        if fobj is None:
            return
        member = self._fhir_member(fobj, last.name)
        if member.obj is not None or member.slices or member.rest:
            self._complain(leaf.mark, f"'{show_fhir(leaf.fhir)}' is mapped as an object elsewhere")
            return
        for other in _undecided(member.leaves, leaf):
            self._complain(leaf.mark, f"'{show_fhir(leaf.fhir)}' {_TWICE} (the other at {other.mark})")
        member.leaves.append(leaf)
        if not leaf.internal:
            scope.iobj.members.setdefault("", IMember("")).leaves.append(leaf)
            return
        held = self.field_node(scope, leaf.internal)
        for other in _undecided(held.leaves, leaf):
            if show_fhir(other.fhir) != show_fhir(leaf.fhir):
                self._complain(leaf.mark, f"'{show_internal(leaf.internal)}' {_TWICE} (the other at {other.mark})")
        held.leaves.append(leaf)
        leaf.rivals = held.leaves

    def attach_items(self, items: Items, scope: Scope) -> bool:
        """Hang a list into both trees; return whether there was room for it."""
        array, mark = items.fhir[-1], items.mark
        fobj = self.fhir_node(scope, items.fhir[:-1], mark)
        if fobj is None:
            return False
        member = self._fhir_member(fobj, array.name)
        if array.criteria and any(one.step.criteria == array.criteria for one in member.slices):
            self._complain(mark, f"'{show_fhir(items.fhir)}' is mapped twice")
            return False
        if not array.criteria and member.rest:
            self._complain(mark, f"'{show_fhir(items.fhir)}' is mapped twice (the other at {member.rest[0].mark})")
            return False
        if array.criteria:
            constants = self.types.constants(array, member.type)
            items.scope.fobj.always.update({path[0]: value for path, value in constants if len(path) == 1})
            member.slices.append(Slice(replace(array, repeats=False), member.type, None, items, constants))
        else:
            member.rest.append(items)
        items.member = member
        held = self.field_node(scope, items.internal)
        if not items.conditions:
            same = [other for other in held.items if not other.conditions and other.mode == items.mode]
            if same:
                self._complain(mark, f"'{show_internal(items.internal)}' {_TWICE} (the other at {same[0].mark})")
                return False
        held.items.append(items)
        items.owner, items.rivals = held, held.items
        return True

    def _complain(self, mark: Mark, what: str) -> None:
        self.types.complaints.add(mark, what)


_EACH = "is a list mapped element by element elsewhere and has no single element"
_TWICE = "is mapped twice without a `when`"


def _field(iobj: IObj, step: IStep) -> IMember:
    member = iobj.members.setdefault(step.name, IMember(step.name))
    if step.mode not in ("only", "first"):
        return member
    member.only, member.first = member.only or IMember(step.name), step.mode == "first"
    return member.only


def _undecided(others: Iterable[Leaf], leaf: Leaf) -> list[Leaf]:
    """Return the leaves that neither a condition nor a codec that declines tells apart from this one."""
    if leaf.conditions:
        return []
    halves = {"rate", "not-rate"}
    return [other for other in others if not other.conditions and {other.codec.name, leaf.codec.name} != halves]
