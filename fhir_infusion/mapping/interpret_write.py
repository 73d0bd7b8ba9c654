"""Writing by interpreting the plan step by step: the oracle of the compiled writer.

In this order:
1. each record field goes to the first of its places whose conditions hold and whose codec takes it;
2. arrays of slices, and the contained resources, are put together;
3. the residue of the same release goes back to where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.code_tables import NO_WAY_BACK
from fhir_infusion.mapping.codecs import DECLINED, SHARED, SKIPPED
from fhir_infusion.mapping.paths import show_fhir
from fhir_infusion.mapping.plan import FObj, Plan, leaves_of
from fhir_infusion.mapping.putback import Assembly, put_back
from fhir_infusion.mapping.residue import plain_tokens, read_key
from fhir_infusion.mapping.trace import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.code_tables import Recoding
    from fhir_infusion.mapping.paths import Condition, FStep
    from fhir_infusion.mapping.plan import IMember, IObj, Items, Leaf

Json = dict[str, Any]


@dataclass(slots=True)
class _Target:
    """The FHIR object that a scope writes to, the record object of the scope, and the path to it for the ledger."""

    fhir: Json
    fobj: FObj
    record: Any
    path: str = ""

    def shown(self, steps: tuple[FStep, ...]) -> str:
        """Return the whole FHIR path of a path in this scope."""
        inside = show_fhir(steps)
        return f"{self.path}.{inside}" if self.path and inside != "." else self.path or inside

    def holds(self, conditions: Iterable[Condition]) -> bool:
        """Whether the conditions that decide writing hold."""
        return all(condition.side == "fhir" or condition.holds(self.record) for condition in conditions)


@dataclass(slots=True)
class _Writing:
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

    Raises:
        Refused: with every reason found.
    """
    resource: Json = dict(plan.root.fobj.always)
    state = _Writing(plan, Assembly(plan), recorder)
    content = {name: value for name, value in record.items() if name != "residue"}
    _write_obj(plan.root.iobj, content, _Target(resource, plan.root.fobj, record), "", state)
    if state.issues:
        raise Refused(*state.issues)
    residue = record.get("residue", ())
    lost = state.assembly.finish(resource, residue, state.refuse)
    recorder.lines.extend((*lost, *put_back(residue, lost)))
    if state.issues:
        raise Refused(*state.issues)
    return resource


def _write_obj(iobj: IObj, value: Json, target: _Target, at: str, state: _Writing) -> None:
    for name in value:
        if name not in iobj.members:
            accepted = ", ".join(iobj.members)
            state.refuse(_join(at, name), "this is not a field of the record", accepted, "structure")
    # What makes a contained resource goes first: its id is the record's, and other fields write into it.
    for name, member in sorted(iobj.members.items(), key=lambda pair: pair[1].follow is None):
        if name in value:
            _write_member(member, value[name], target, _join(at, name), state)


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _write_member(member: IMember, value: Any, target: _Target, at: str, state: _Writing) -> None:
    if member.const is not None:
        if value != member.const:
            reason = "the value differs from the one that this mapping demands"
            state.refuse(at, reason, str(member.const), "value", "const")
        else:
            state.recorder.mapped(at, "", "const")
        return
    if member.drop:
        state.recorder.dropped(at, member.drop, value)
        return
    if (member.only is not None or member.items) and isinstance(value, list):
        _write_elements(member, value, target, at, state)
        return
    _write_object(member, value, target, at, state)


def _write_object(member: IMember, value: Any, target: _Target, at: str, state: _Writing) -> None:
    """Write a record object, as a contained resource where the plan says so, or a simple value."""
    if member.follow is not None:
        steps, follow = member.follow
        key = value.get(follow.key)
        identifier = read_key(key) if key is not None else None
        _enter(target, steps, state, at, identifier or follow.default_id)
        if key is not None:
            state.recorder.mapped(f"{at}.{follow.key}", target.shown(steps), "contained")
        value = {name: inner for name, inner in value.items() if name != follow.key}
    if member.obj is not None:
        _write_obj(member.obj, value, target, at, state)
        return
    _write_leaf(member.leaves, value, target, at, state)


def _write_elements(member: IMember, value: list[Any], target: _Target, at: str, state: _Writing) -> None:
    elements = [(f"{at}[{index}]", item) for index, item in enumerate(value)]
    if member.only is not None and (member.first or len(value) == 1) and _only_applies(member, target):
        place, first = elements.pop(0)
        _write_member(member.only, first, target, place, state)
    if elements:
        _write_list(member.items, elements, target, at, state)


def _only_applies(member: IMember, target: _Target) -> bool:
    """Whether some place for a lone element has its conditions met; else the list's own place takes it."""
    if not member.first and not any(items.mode != "many" for items in member.items):
        return True
    return member.only is not None and any(target.holds(leaf.conditions) for leaf in leaves_of(member.only))


def _write_leaf(leaves: list[Leaf], value: Any, target: _Target, at: str, state: _Writing) -> None:
    for leaf in leaves:
        if not target.holds(leaf.conditions):
            continue
        result = _encode(leaf, value)
        if result is SKIPPED:
            state.recorder.mapped(at, "", "derived key, never written out")
            return
        if result is DECLINED:
            continue
        holder = _enter(target, leaf.fhir[:-1], state, at)
        name = leaf.fhir[-1].name
        if name in holder:
            reason = "another field already stands in this place of the resource"
            state.refuse(at, reason, "one of the two", "business-rule", "alternative")
            return
        holder[name] = result
        if leaf.codec.codes and leaf.codec.shared.intersection(value if leaf.each else (value,)):
            state.recorder.warnings.append((leaf.pair, SHARED))
        if leaf.carried:
            state.recorder.carried(at, "extension", target.shown(leaf.fhir), leaf, value)
        else:
            state.recorder.mapped(at, target.shown(leaf.fhir), leaf.codec.name, leaf, value)
        return
    told = "; ".join(leaf.codec.accepts for leaf in leaves if leaf.codec.accepts)
    accepted = told or "a value that a pair of the mapping takes"
    state.refuse(at, "no pair of the mapping takes this value in this release", accepted, "code-invalid")


def _encode(leaf: Leaf, value: Any) -> Any:
    """Return what the codec makes of a value, or of each value of a list; ``DECLINED`` where it takes not all of it."""
    if not leaf.each:
        return leaf.codec.write(value)
    results = [leaf.codec.write(item) for item in value]
    return DECLINED if any(item is DECLINED for item in results) else results


def _write_list(lists: list[Items], value: list[tuple[str, Any]], target: _Target, at: str, state: _Writing) -> None:
    """Write the elements of a list, each with its record path, to the first place that takes them."""
    fitting = (one for one in lists if (one.mode != "many" or len(value) > 1) and target.holds(one.conditions))
    items = next(fitting, None)
    if items is None:
        reason = "no pair of the mapping takes a list of this length in this release"
        state.refuse(at, reason, "a list that a pair takes", "business-rule")
        return
    array = items.fhir[-1]
    holder = _enter(target, items.fhir[:-1], state, at)
    elements: list[tuple[str | None, Any]] = []
    tokens = list(plain_tokens((item for _, item in value), array.token)) if items.scope.plain else []
    for index, (here, item) in enumerate(value):
        element: Json = dict(items.scope.fobj.always)
        inner = _Target(element, items.scope.fobj, item, target.shown(items.fhir))
        if items.scope.plain:
            _write_leaf(items.scope.iobj.members[""].leaves, item, inner, here, state)
            elements.append((tokens[index], element))
            continue
        key = item.get(items.scope.key)
        if not items.follow:
            told, sent = len(state.recorder.lines), _recoded(items.scope.recoding, item, here, state)
            _write_obj(items.scope.iobj, sent, inner, here, state)
            if items.scope.recoding is not None and sent is not item:
                state.recorder.recoded(told, items.scope.recoding.name)
            elements.append((key, element))
            continue
        identifier = (read_key(key) if key else None) or items.default_id(index)
        if key is not None:
            state.recorder.mapped(f"{here}.{items.scope.key}", inner.path, "contained")
        element["id"] = identifier
        content = {name: held for name, held in item.items() if name != items.scope.key}
        _write_obj(items.scope.iobj, content, inner, here, state)
        state.assembly.contain(element, at, state.refuse)
        elements.append((key or identifier, state.assembly.reference(identifier)))
    if items.warn:
        state.recorder.warnings.append((items.pair, items.warn))
    state.assembly.place_list(holder, array, items, elements)


def _recoded(recoding: Recoding | None, item: Json, at: str, state: _Writing) -> Json:
    """Return a coding as its code table writes it."""
    changed = {} if recoding is None else recoding.write(item)
    if recoding is not None and changed is DECLINED:
        state.refuse(f"{at}.code", NO_WAY_BACK, recoding.accepts(item, recoding.to_internal), "code-invalid")
        return item
    return {**item, **changed} if changed else item


def _enter(target: _Target, steps: tuple[FStep, ...], state: _Writing, at: str, identifier: str | None = None) -> Json:
    """Return the FHIR object at the end of the steps, made on the way where it is not there yet."""
    holder, fobj = target.fhir, target.fobj
    for step in steps:
        member = fobj.members[step.name]
        if step.follow:
            follow = member.follows[step.follow]
            holder = state.assembly.follow(holder, member.name, follow, identifier, at, state.refuse)
            fobj = follow.obj
        elif step.criteria:
            number = next(n for n, one in enumerate(member.slices) if one.obj and one.step.criteria == step.criteria)
            holder, fobj = state.assembly.slice(holder, member, number), member.slices[number].obj or fobj
        else:
            fobj = member.obj or FObj(member.type)  # a member that is only followed has no object of its own
            holder = holder.setdefault(step.name, dict(fobj.always))
    return holder
