"""Writing by interpreting the plan step by step: the oracle of the compiled writer.

In this order:
1. each record field goes to the first of its places whose conditions hold and whose codec takes it;
2. arrays of slices, and the contained resources, are put together;
3. the residue of the same release goes back to where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.codecs import DECLINED, SKIPPED
from fhir_infusion.mapping.interpret_read import default_id, item_id
from fhir_infusion.mapping.paths import FStep, show_fhir
from fhir_infusion.mapping.plan import FMember, FObj, Follow, IMember, IObj, Items, Leaf, Plan, leaves_of
from fhir_infusion.mapping.putback import Assembly
from fhir_infusion.mapping.residue import plain_token, read_key
from fhir_infusion.mapping.trace import Recorder

Json = dict[str, Any]


@dataclass(slots=True)
class _Target:
    """The FHIR object that a scope writes to, with the record object of the scope."""

    fhir: Json
    fobj: FObj
    record: Any


@dataclass(slots=True)
class Writing:
    """The state of one writing."""

    plan: Plan
    assembly: Assembly
    recorder: Recorder
    issues: list[Issue] = field(default_factory=list)

    def refuse(self, at: str, reason: str, accepted: str, code: str = "not-supported", rule: str = "") -> None:
        """Note a refusal; writing goes on, so that all are told at once."""
        self.issues.append(Issue("error", code, at, reason, accepted, rule, BREAKS_RULE))
        self.recorder.refused(at, reason)


def write(plan: Plan, record: Json, recorder: Recorder) -> Json:
    """Write a record as a FHIR resource.

    Raises ``Refused`` with every reason found.
    """
    resource: Json = dict(plan.root.fobj.always)
    state = Writing(plan, Assembly(plan), recorder)
    _write_obj(plan.root.iobj, record, _Target(resource, plan.root.fobj, record), "", state, skip=("residue",))
    if state.issues:
        raise Refused(*state.issues)
    recorder.lines.extend(state.assembly.finish(resource, record.get("residue", ()), state.refuse))
    if state.issues:
        raise Refused(*state.issues)
    return resource


def _write_obj(iobj: IObj, value: Json, target: _Target, at: str, state: Writing, skip: tuple[str, ...] = ()) -> None:
    for name in value:
        if name not in iobj.members and name not in skip:
            state.refuse(_join(at, name), "this is not a field of the record", ", ".join(iobj.members), "structure")
    for name, member in sorted(iobj.members.items(), key=lambda pair: pair[1].follow is None):
        if name in value:
            _write_member(member, value[name], target, _join(at, name), state)


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _write_member(member: IMember, value: Any, target: _Target, at: str, state: Writing) -> None:
    if member.const is not None:
        if value != member.const:
            state.refuse(at, "the value differs from the one that this mapping demands", str(member.const), "value", "const")
        return
    if member.drop:
        state.recorder.dropped(at, member.drop, value)
        return
    if isinstance(value, list) and (member.only is not None or member.items):
        if member.only is not None and (member.first or len(value) == 1) and _only_applies(member, target):
            _write_member(member.only, value[0], target, f"{at}[0]", state)
            value = value[1:]
        if value:
            _write_list(member.items, value, target, at, state)
        return
    if member.follow is not None:
        steps, follow = member.follow
        key = value.get(follow.key)
        identifier = read_key(key) if key is not None else None
        _enter(target, steps, state, at, identifier or default_id(follow.owner or ()))
        if key is not None:
            state.recorder.mapped(f"{at}.{follow.key}", show_fhir(steps), "contained")
        value = {name: inner for name, inner in value.items() if name != follow.key}
    if member.obj is not None:
        _write_obj(member.obj, value, target, at, state)
        return
    _write_leaf(member.leaves, value, target, at, state)


def _only_applies(member: IMember, target: _Target) -> bool:
    """Whether some place for a lone element has its conditions met; else the list's own place takes it."""
    if not member.first and not any(items.mode != "many" for items in member.items):
        return True
    return member.only is not None and any(_holds(leaf.conditions, target) for leaf in leaves_of(member.only))


def _holds(conditions: tuple[Any, ...], target: _Target) -> bool:
    return all(condition.side == "fhir" or condition.holds(target.record) for condition in conditions)


def _write_leaf(leaves: list[Leaf], value: Any, target: _Target, at: str, state: Writing) -> None:
    for leaf in leaves:
        if not _holds(leaf.conditions, target):
            continue
        result = [leaf.codec.write(item) for item in value] if leaf.each else leaf.codec.write(value)
        if result is SKIPPED:
            return
        if result is DECLINED or (leaf.each and any(item is DECLINED for item in result)):
            continue
        holder = _enter(target, leaf.fhir[:-1], state, at)
        name = leaf.fhir[-1].name
        if name in holder:
            state.refuse(at, "another field already stands in this place of the resource", "one of the two", "business-rule", "alternative")
            return
        holder[name] = result
        if leaf.carried:
            state.recorder.carried(at, "extension", show_fhir(leaf.fhir), leaf, value)
        else:
            state.recorder.mapped(at, show_fhir(leaf.fhir), leaf.codec.name, leaf, value)
        return
    accepted = "; ".join(leaf.codec.accepts for leaf in leaves if leaf.codec.accepts) or "a value that a pair of the mapping takes"
    state.refuse(at, "no pair of the mapping takes this value in this release", accepted, "code-invalid")


def _write_list(lists: list[Items], value: list[Any], target: _Target, at: str, state: Writing) -> None:
    items = next((one for one in lists if (one.mode != "many" or len(value) > 1) and _holds(one.conditions, target)), None)
    if items is None:
        state.refuse(at, "no pair of the mapping takes a list of this length in this release", "a list that a pair takes", "business-rule")
        return
    array = items.fhir[-1]
    holder = _enter(target, items.fhir[:-1], state, at)
    elements: list[tuple[str | None, Any]] = []
    for index, item in enumerate(value):
        key = item.get(items.scope.key) if not items.scope.plain else None
        element: Json = dict(items.scope.fobj.always)
        here = f"{at}[{index}]"
        if items.follow:
            identifier = (read_key(key) if key else None) or item_id(items, index)
            element["id"] = identifier
            _write_obj(items.scope.iobj, {n: v for n, v in item.items() if n != items.scope.key}, _Target(element, items.scope.fobj, item), here, state)
            state.assembly.contain(element, at, state.refuse)
            elements.append((key or identifier, state.assembly.reference(identifier)))
        elif items.scope.plain:
            _write_leaf(items.scope.iobj.members[""].leaves, item, _Target(element, items.scope.fobj, item), here, state)
            elements.append((plain_token(value, index, array.token), element))
        else:
            _write_obj(items.scope.iobj, item, _Target(element, items.scope.fobj, item), here, state)
            elements.append((key, element))
    if items.warn:
        state.recorder.warnings.append((items.pair, items.warn))
    state.assembly.place_list(holder, array, items, elements)


def _enter(target: _Target, steps: tuple[FStep, ...], state: Writing, at: str, identifier: str | None = None) -> Json:
    """Return the FHIR object at the end of the steps, made on the way where it is not there yet."""
    holder, fobj = target.fhir, target.fobj
    for step in steps:
        member = fobj.members[step.name]
        if step.follow:
            holder, fobj = _enter_follow(holder, member, member.follows[step.follow], state, at, identifier), member.follows[step.follow].obj
        elif step.criteria:
            number = next(n for n, part in enumerate(member.slices) if part.obj is not None and part.step.criteria == step.criteria)
            part = member.slices[number]
            holder, fobj = state.assembly.slice(holder, member, number), part.obj  # type: ignore[assignment]  # obj is not None
        else:
            inner = member.obj
            if inner is None:  # the member is followed only
                inner = FObj(member.type)
            holder, fobj = holder.setdefault(step.name, dict(inner.always)), inner
    return holder


def _enter_follow(holder: Json, member: FMember, follow: Follow, state: Writing, at: str, identifier: str | None) -> Json:
    return state.assembly.follow(holder, member.name, follow, identifier, at, state.refuse)
