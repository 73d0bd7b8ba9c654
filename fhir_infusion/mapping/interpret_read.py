"""Reading by interpreting the plan step by step: the oracle of the compiled reader, and the source of messages and traces.

In this order:
1. each member of a FHIR object goes to the pair that takes it, or becomes residue (refused below a guarded element);
2. an object in which no pair took anything becomes residue as a whole;
3. an element of a list that holds residue gets a key, so that the residue finds it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.codecs import DECLINED, UCUM
from fhir_infusion.mapping.criteria import classify, contained_by_id, followed
from fhir_infusion.mapping.paths import IStep, show_internal
from fhir_infusion.mapping.plan import FMember, FObj, Follow, Items, Leaf, Plan, leaves_of
from fhir_infusion.mapping.residue import MARKED, Entry, derived_key, display_residue, escape, holds_only_marks, plain_token, prefix, write_key
from fhir_infusion.mapping.trace import Recorder

Json = dict[str, Any]

RESOURCE_MARKS = frozenset({"text", "meta", "language", "implicitRules"})
REFERENCE_MARKS = frozenset({"display", "type", "identifier"})


@dataclass(slots=True)
class Reading:
    """The state of one reading."""

    plan: Plan
    contained: dict[str, Json]
    recorder: Recorder
    entries: list[Entry] = field(default_factory=list)
    used_contained: set[str] = field(default_factory=set)
    used_keys: set[str] = field(default_factory=set)
    issues: list[Issue] = field(default_factory=list)
    guarded: bool = False
    firsts: dict[tuple[int, str], Any] = field(default_factory=dict)
    late: list[tuple[Leaf | Items, Json, str]] = field(default_factory=list)

    def refuse(self, at: str, reason: str, accepted: str, code: str = "not-supported", rule: str = "") -> None:
        """Note a refusal; reading goes on, so that all are told at once."""
        self.issues.append(Issue("error", code, at, reason, accepted, rule, BREAKS_RULE))
        self.recorder.refused(at, reason)


def read(plan: Plan, resource: Json, recorder: Recorder) -> tuple[Json, list[Entry]]:
    """Read a FHIR resource into a record and the collected residue entries.

    Raises ``Refused`` with every reason found.
    """
    state = Reading(plan, contained_by_id(resource), recorder)
    record: Json = {}
    _read_obj(plan.root.fobj, resource, record, _Root(record, resource), plan.fhir_type, state, top=True)
    for name, member in plan.root.iobj.members.items():
        if member.const is not None:
            record[name] = member.const
    _contained_residue(resource, state)
    _check_chosen(state)
    if state.issues:
        raise Refused(*state.issues)
    for entry in state.entries:
        entry[0] = entry[0].lstrip("/")
    return record, state.entries


@dataclass(slots=True)
class _Root:
    """The record and FHIR object of the scope that paths and conditions are relative to."""

    record: Json
    fhir: Json
    path: str = ""

    def join(self, path: str) -> str:
        """Return the whole record path of a path in this scope."""
        return f"{self.path}.{path}" if self.path and path != "." else self.path or path


def _read_obj(fobj: FObj, value: Json, record: Json, root: _Root, at: str, state: Reading, *, top: bool = False, marks: frozenset[str] = frozenset()) -> int:
    """Read one FHIR object, its members in the order of the plan; return how many of them a pair took."""
    content = 0
    left: list[str] = []
    for name, demanded in fobj.always.items():
        if value.get(name) != demanded:
            state.refuse(f"{at}.{name}", "the value differs from the one that this mapping demands", f"{demanded}", "value", "always")
        state.recorder.mapped(f"{at}.{name}", "", "always", value=demanded)
    for name, member in fobj.members.items():
        inner = value.get(name)
        if inner is None:
            continue
        if top:
            state.guarded = name in state.plan.guarded
        start, told = len(state.entries), len(state.recorder.lines)
        took = _read_member(member, inner, record, root, f"{at}.{name}", state)
        content += took
        if not took:
            del state.entries[start:], state.recorder.lines[told:]
            left.append(name)
    for name, inner in value.items():
        if name in fobj.always or (name in fobj.members and name not in left) or (top and name == "contained"):
            continue
        if top:
            state.guarded = name in state.plan.guarded
        if name in fobj.drops:
            content += 1
            state.recorder.dropped(f"{at}.{name}", fobj.drops[name], inner)
        elif name != "id" or top or "resourceType" not in fobj.always:
            _leave(name, inner, f"{at}.{name}", state, marks, value)
    return content


def _leave(name: str, value: Any, at: str, state: Reading, marks: frozenset[str], described: Json) -> None:
    """Keep an element as residue, or refuse it where meaning must not be residue.

    A display goes with a digest of what it describes, and goes back only beside the same.
    """
    if name == "display":
        state.entries.append(["display" + MARKED, None, display_residue(value, described)])
        state.recorder.carried(at, "residue", value=value)
        return
    if name == "modifierExtension":
        state.refuse(at, "an unknown modifier extension can change the meaning of what it stands in", "no modifierExtension", "extension", "modifier-extension")
    elif state.guarded and name not in ("id", "extension") and name[0] != "_" and name not in marks and not holds_only_marks(value):
        state.refuse(at, "this element has no place in the record and must not be carried unread", "an element that the mapping takes", rule="mapped-or-refused")
    state.entries.append([name, None, value])
    state.recorder.carried(at, "residue", value=value)


def _read_member(member: FMember, value: Any, record: Json, root: _Root, at: str, state: Reading) -> int:
    if member.slices or member.rest:
        return _read_array(member, value, record, root, at, state)
    if member.leaves:
        return _read_leaf(member, value, root, at, state)
    content = 0
    start = len(state.entries)
    follow, resource = _followed(member, value, state)
    if follow is not None and resource is not None:
        content += _read_follow(follow, resource, record, root, at, state)
    if member.obj is not None and (follow is None or follow.owner is None):
        content += _read_obj(member.obj, value, record, root, at, state)
    elif follow is not None:
        for name, inner in value.items():
            if name != "reference":
                _leave(name, inner, f"{at}.{name}", state, REFERENCE_MARKS, resource or value)
    prefix(state.entries, start, member.name)
    return content


def _followed(member: FMember, value: Any, state: Reading) -> tuple[Follow | None, Json | None]:
    for type_name, follow in member.follows.items():
        resource = followed(value, state.contained, type_name)
        if resource is not None:
            return follow, resource
    return None, None


def _read_follow(follow: Follow, resource: Json, record: Json, root: _Root, at: str, state: Reading) -> int:
    identifier = resource["id"]
    state.used_contained.add(identifier)
    start = len(state.entries)
    state.recorder.mapped(f"{at}.reference", "", "contained")
    state.recorder.mapped(f"{at}->{follow.type}.id", "", "contained")
    _read_obj(follow.obj, resource, record, root, f"{at}->{follow.type}", state, marks=RESOURCE_MARKS)
    prefix(state.entries, start, f"/contained[{escape(identifier)}]")
    if follow.owner is not None:
        owner = _get(root.record, follow.owner)
        if owner is None:
            owner = {}
            _set(root.record, follow.owner, owner, state)
        if identifier != default_id(follow.owner) or not owner:
            owner[follow.key] = write_key(identifier)
    return 1


def default_id(owner: tuple[IStep, ...]) -> str:
    """Return the id of a contained resource whose record object names none."""
    return owner[-1].name.replace("_", "-")


def _read_leaf(member: FMember, value: Any, root: _Root, at: str, state: Reading) -> int:
    for leaf in member.leaves:
        if any(condition.side == "fhir" and not condition.holds(root.fhir) for condition in leaf.conditions):
            continue
        result = [leaf.codec.read(item) for item in value] if leaf.each and isinstance(value, list) else leaf.codec.read(value)
        if result is DECLINED or (leaf.each and (not isinstance(value, list) or any(item is DECLINED or item is None for item in result))):
            continue
        if leaf.internal and not _set(root.record, leaf.internal, result, state):
            state.refuse(at, "the same is said in another place of this resource", "it said once", "business-rule", "alternative")
        if not leaf.internal:
            root.record[""] = result
        if len(leaf.rivals) > 1 or leaf.conditions:
            state.late.append((leaf, root.record, at))
        state.recorder.mapped(at, root.join(show_internal(leaf.internal)), leaf.codec.name, leaf, _known_members(leaf, value))
        if leaf.codec.members is not None:
            _quantity_leftovers(leaf, member.name, value, result, at, state)
        return 1
    accepted = "; ".join(leaf.codec.accepts for leaf in member.leaves if leaf.codec.accepts) or "a value that a pair of the mapping takes"
    state.refuse(at, "no pair of the mapping takes this value", accepted, "code-invalid")
    return 1


def _check_chosen(state: Reading) -> None:
    """Refuse what was read from a place that writing would not choose: it would come back elsewhere."""
    for pair, record, at in state.late:
        if isinstance(pair, Items) and pair.mode == "rest" and pair.owner is not None and pair.owner.only is not None:
            held = any(all(c.side == "fhir" or c.holds(record) for c in place.conditions) for place in leaves_of(pair.owner.only))
            if held and (id(_get(record, pair.internal[:-1])), pair.internal[-1].name) not in state.firsts:
                state.refuse(at, "the first of these belongs in a place of its own, which is empty", "the first in its place", "business-rule", "alternative")
            continue
        chosen = next((rival for rival in pair.rivals if all(c.side == "fhir" or c.holds(record) for c in rival.conditions)), None)
        if chosen is not pair:
            state.refuse(at, "this is not the place for it here", "it said in the place that the mapping writes", "business-rule", "alternative")


def _known_members(leaf: Leaf, value: Any) -> Any:
    return {name: inner for name, inner in value.items() if name in leaf.codec.members} if leaf.codec.members is not None else value


def _quantity_leftovers(leaf: Leaf, name: str, value: Json, result: Json, at: str, state: Reading) -> None:
    for inner in value:
        if inner not in leaf.codec.members:  # type: ignore[operator]  # the caller asked
            _leave(inner, value[inner], f"{at}.{inner}", state, frozenset(), value)
            state.entries[-1][0] = f"{name}.{inner}"
    if value.get("code") != result.get("unit") and value.get("system") == UCUM:
        state.entries.append([name + MARKED, None, value])
        state.recorder.repaired(f"{at}.code", root_pair=leaf)


def _read_array(member: FMember, value: Any, record: Json, root: _Root, at: str, state: Reading) -> int:
    """Read an array of which each element goes to a slice, to the list of the rest, or becomes residue."""
    chosen = classify(member, value, state.contained)
    places: list[Any] = [None] * len(value)
    content = 0
    for number in range(len(member.slices) + 1):
        indexes = [index for index, one in enumerate(chosen) if one == number]
        if not indexes:
            continue
        part = member.slices[number] if number < len(member.slices) else None
        if part is not None and part.obj is not None:
            start, told = len(state.entries), len(state.recorder.lines)
            if not _read_obj(part.obj, value[indexes[0]], record, root, f"{at}[{indexes[0]}]", state):
                del state.entries[start:], state.recorder.lines[told:]
                chosen[indexes[0]] = -1
                continue
            prefix(state.entries, start, f"{member.name}[{escape(part.step.token)}]")
            places[indexes[0]] = part.step.token
            content += 1
            continue
        items = part.items if part is not None else member.rest[0]
        if items is None:
            continue
        group: list[tuple[Any, str | None]] = []
        for position, index in enumerate(indexes):
            before = [item for item, _ in group]
            group.append(_read_item(items, value[index], member.name, before, f"{at}[{index}]", state, root))
            places[index] = (items, group, position)
        content += len(group)
        if items.mode == "many" and len(group) < 2:
            state.refuse(at, "a single element is not expected in this place", "two or more; one alone has its own place", "business-rule", "alternative")
        if items.warn:
            state.recorder.warnings.append((items.pair, items.warn))
        if not _set(root.record, items.internal, [item for item, _ in group], state):
            state.refuse(at, "the same is said in another place of this resource", "it said once", "business-rule", "alternative")
        if len(items.rivals) > 1 or items.mode == "rest":
            state.late.append((items, root.record, at))
    _order_residue(member.name, value, chosen, places, state, at)
    return content


def _token(place: Any, state: Reading) -> str:
    if isinstance(place, str):
        return place
    items, group, index = place
    item, token = group[index]
    if token is None:
        token = _key_of(items, [each for each, _ in group], index, state)
        group[index] = (item, token)
    return token


def _key_of(items: Items, elements: list[Any], index: int, state: Reading) -> str:
    """Return the key of a record element, deriving one where it has none; a simple value is named by itself."""
    if items.scope.plain:
        return plain_token(elements, index, items.fhir[-1].token)
    item = elements[index]
    key = item.get(items.scope.key)
    if key is None:
        key = derived_key(item, state.used_keys)
        item[items.scope.key] = key
    state.used_keys.add(key)
    return str(key)


def _order_residue(name: str, value: list[Any], chosen: list[int], places: list[Any], state: Reading, at: str) -> None:
    """Keep the elements that no pair takes, each behind its sibling, and the order of the others where it differs."""
    mapped = [number for number in chosen if number >= 0]
    if mapped != sorted(mapped):
        state.entries.append([f"{name}[*]", None, [_token(place, state) for place in places if place is not None]])
    before: Any = None
    for index, element in enumerate(value):
        if chosen[index] >= 0:
            before = places[index]
            continue
        if state.guarded and name != "extension" and not holds_only_marks(element):
            state.refuse(f"{at}[{index}]", "this element has no place in the record and must not be carried unread", "an element that the mapping takes", rule="mapped-or-refused")
        state.entries.append([f"{name}[]", None if before is None else _token(before, state), element])
        state.recorder.carried(f"{at}[{index}]", "residue", value=element)


def _read_item(items: Items, element: Any, name: str, before: list[Any], at: str, state: Reading, root: _Root) -> tuple[Any, str | None]:
    """Read one element of a list through its scope; return the record element and its key where it has one.

    ``before`` are the record elements of those before it.
    """
    scope, position = items.scope, len(before)
    start = len(state.entries)
    item: Json = {}
    source = element
    if items.follow:
        source = followed(element, state.contained, items.follow)
        state.used_contained.add(source["id"])
    if items.follow:
        state.recorder.mapped(f"{at}.reference", "", "contained", items)
    inner_root = _Root(item, source, root.join(f"{items.internal[-1].name}[{position}]" if len(items.internal) == 1 else f"{show_internal(items.internal)}[{position}]"))
    _read_obj(scope.fobj, source, item, inner_root, at, state, marks=RESOURCE_MARKS if items.follow else frozenset())
    if items.follow:
        identifier = source["id"]
        prefix(state.entries, start, f"/contained[{escape(identifier)}]")
        if identifier != item_id(items, position) or not item:
            item[scope.key] = write_key(identifier)
        behind = len(state.entries)
        for inner in element:
            if inner != "reference":
                _leave(inner, element[inner], f"{at}.{inner}", state, REFERENCE_MARKS, source)
        prefix(state.entries, behind, f"{name}[{escape(write_key(identifier))}]")
        return item, write_key(identifier)
    result = item.get("") if scope.plain else item
    if len(state.entries) == start:
        return result, item.get(scope.key) if not scope.plain else None
    token = _key_of(items, [*before, result], position, state)
    prefix(state.entries, start, f"{name}[{escape(token)}]")
    return result, token


def item_id(items: Items, position: int) -> str:
    """Return the id of a contained resource whose record element names none."""
    return f"{items.internal[-1].name.replace('_', '-')}-{position + 1}"


def _contained_residue(resource: Json, state: Reading) -> None:
    """Keep the contained resources that no reference of a pair leads to, and the order of the others."""
    contained = resource.get("contained")
    if contained is None:
        return
    mapped: list[str] = []
    for index, item in enumerate(contained):
        identifier = item.get("id")
        if identifier in state.used_contained:
            mapped.append(identifier)
        else:
            state.entries.append(["contained[]", mapped[-1] if mapped else None, item])
            state.recorder.carried(f"{state.plan.fhir_type}.contained[{index}]", "residue", value=item)
    if mapped != sorted(mapped):
        state.entries.append(["contained[*]", None, mapped])


def _get(record: Json, steps: tuple[IStep, ...]) -> Any:
    value: Any = record
    for step in steps:
        value = value.get(step.name) if isinstance(value, dict) else None
        if step.mode in ("only", "first") and isinstance(value, list):
            value = value[0]
    return value


def _set(record: Json, steps: tuple[IStep, ...], value: Any, state: Reading) -> bool:
    """Set a record field; return whether it was free."""
    for step in steps[:-1]:
        if step.mode == "first":
            first = state.firsts.get((id(record), step.name))
            if first is None:
                first = state.firsts[id(record), step.name] = {}
                record.setdefault(step.name, []).insert(0, first)
            record = first
        elif step.mode == "only":
            inner = record.setdefault(step.name, [{}])
            if len(inner) != 1:
                return False
            record = inner[0]
        else:
            record = record.setdefault(step.name, {})
    last = steps[-1]
    if last.mode == "first" and (id(record), last.name) not in state.firsts:
        state.firsts[id(record), last.name] = value
        record.setdefault(last.name, []).insert(0, value)
        return True
    if last.mode == "rest":
        record.setdefault(last.name, []).extend(value)
        return True
    if last.name in record:
        return False
    record[last.name] = [value] if last.mode == "only" else value
    return True
