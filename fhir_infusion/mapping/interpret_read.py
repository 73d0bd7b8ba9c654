"""Reading by interpreting the plan step by step: the oracle of the compiled reader, the source of messages and traces.

In this order:
1. each member of a FHIR object goes to the pair that takes it, or becomes residue (refused below a guarded element);
2. an object in which no pair took anything becomes residue as a whole;
3. an element of a list that holds residue gets a key, so that the residue finds it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.code_tables import NO_WAY_BACK
from fhir_infusion.mapping.codecs import DECLINED, UCUM
from fhir_infusion.mapping.criteria import classify, contained_by_id, followed
from fhir_infusion.mapping.paths import IStep, show_internal
from fhir_infusion.mapping.reading import Here, Reading, Root, get
from fhir_infusion.mapping.residue import (
    MARKED,
    REFERENCE_MARKS,
    RESOURCE_MARKS,
    Entry,
    below,
    holds_only_marks,
    write_key,
)
from fhir_infusion.records.residue_rules import escape

if TYPE_CHECKING:
    from fhir_infusion.mapping.code_tables import Recoding
    from fhir_infusion.mapping.plan import FMember, FObj, Follow, Items, Leaf, Plan
    from fhir_infusion.mapping.trace import Recorder

Json = dict[str, Any]

NO_MARKS: frozenset[str] = frozenset()


def read(plan: Plan, resource: Json, recorder: Recorder) -> tuple[Json, list[Entry]]:
    """Read a FHIR resource into a record and the collected residue entries.

    Raises:
        Refused: with every reason found.
    """
    state = Reading(plan, contained_by_id(resource), recorder)
    record: Json = {}
    _read_obj(plan.root.fobj, resource, Here(state, Root(record, resource), plan.fhir_type), top=True)
    for name, member in plan.root.iobj.members.items():
        if member.const is not None:
            record[name] = member.const
    state.leave_contained(resource.get("contained", []))
    state.check_chosen()
    if state.issues:
        raise Refused(*state.issues)
    for entry in state.entries:
        entry[0] = entry[0].lstrip("/")
    return record, state.entries


def _read_obj(fobj: FObj, value: Json, here: Here, *, top: bool = False, marks: frozenset[str] = NO_MARKS) -> int:
    """Read one FHIR object, its members in the order of the plan; return how many of them a pair took."""
    state = here.state
    content = 0
    left: list[str] = []
    _demand_always(fobj, value, here)
    for name, member in fobj.members.items():
        inner = value.get(name)
        if inner is None:
            continue
        if top:
            state.guarded = name in state.plan.guarded
        start, told = len(state.entries), len(state.recorder.lines)
        took = _read_member(member, inner, here.into(f".{name}"))
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
            state.recorder.dropped(f"{here.at}.{name}", fobj.drops[name], inner)
        elif name != "id" or top or "resourceType" not in fobj.always:
            here.leave(name, inner, marks, value)
    return content


def _demand_always(fobj: FObj, value: Json, here: Here) -> None:
    for name, demanded in fobj.always.items():
        at = f"{here.at}.{name}"
        if value.get(name) != demanded:
            reason = "the value differs from the one that this mapping demands"
            here.state.refuse(at, reason, f"{demanded}", "value", "always")
        here.state.recorder.mapped(at, "", "always", value=demanded)


def _read_member(member: FMember, value: Any, here: Here) -> int:
    state = here.state
    if member.slices or member.rest:
        return _read_array(member, value, here)
    if member.leaves:
        return _read_leaf(member, value, here)
    content = 0
    start = len(state.entries)
    follow, resource = _followed(member, value, state)
    if follow is not None and resource is not None:
        _read_follow(follow, resource, here)
        content += 1
    if member.obj is not None and (follow is None or follow.owner is None):
        content += _read_obj(member.obj, value, here)
    elif follow is not None:
        for name, inner in value.items():
            if name != "reference":
                here.leave(name, inner, REFERENCE_MARKS, value, resource)
    below(state.entries, start, f"{member.name}.")
    return content


def _followed(member: FMember, value: Any, state: Reading) -> tuple[Follow | None, Json | None]:
    for type_name, follow in member.follows.items():
        resource = followed(value, state.contained, type_name)
        if resource is not None and (follow.owner is None or resource["id"] not in state.used_contained):
            return follow, resource
    return None, None


def _read_follow(follow: Follow, resource: Json, here: Here) -> None:
    """Read the contained resource behind a reference."""
    state, inside = here.state, here.into(f"->{follow.type}")
    identifier = resource["id"]
    state.used_contained.add(identifier)
    start = len(state.entries)
    state.recorder.mapped(f"{here.at}.reference", "", "contained")
    state.recorder.mapped(f"{inside.at}.id", "", "contained")
    _read_obj(follow.obj, resource, inside, marks=RESOURCE_MARKS)
    below(state.entries, start, f"/contained[{escape(identifier)}].")
    if follow.owner is not None:
        owner = get(here.root.record, follow.owner)
        if owner is None:
            owner = {}
            state.put(here.root.record, follow.owner, owner)
        if identifier != follow.default_id or not owner:
            owner[follow.key] = write_key(identifier)


def _read_leaf(member: FMember, value: Any, here: Here) -> int:
    state, root, at = here.state, here.root, here.at
    for leaf in member.leaves:
        if any(condition.side == "fhir" and not condition.holds(root.fhir) for condition in leaf.conditions):
            continue
        result = _decode(leaf, value)
        if result is DECLINED:
            continue
        if not leaf.internal:
            root.record[""] = result
        elif not state.put(root.record, leaf.internal, result):
            state.refuse_twice(at)
        if len(leaf.rivals) > 1 or leaf.conditions:
            state.late.append((leaf, root.record, at))
        members = leaf.codec.members
        known = value if members is None else {name: inner for name, inner in value.items() if name in members}
        state.recorder.mapped(at, root.join(show_internal(leaf.internal)), leaf.codec.name, leaf, known)
        if members is not None:
            _leave_quantity(leaf, (member.name, members), value, result, here)
        return 1
    told = "; ".join(leaf.codec.accepts for leaf in member.leaves if leaf.codec.accepts)
    accepted = told or "a value that a pair of the mapping takes"
    state.refuse(at, "no pair of the mapping takes this value", accepted, "code-invalid")
    return 1


def _decode(leaf: Leaf, value: Any) -> Any:
    """Return what the codec makes of a value, or of each value of a list; ``DECLINED`` where it takes not all of it."""
    if not leaf.each:
        return leaf.codec.read(value)
    if not isinstance(value, list):
        return DECLINED
    results = [leaf.codec.read(item) for item in value]
    return DECLINED if any(item is DECLINED or item is None for item in results) else results


def _leave_quantity(leaf: Leaf, taken: tuple[str, frozenset[str]], value: Json, result: Json, here: Here) -> None:
    """Keep what stands beside the members of a quantity, and the quantity itself where its unit was repaired."""
    name, members = taken
    entries = here.state.entries
    for inner in value:
        if inner not in members:
            here.leave(inner, value[inner], NO_MARKS, value)
            entries[-1][0] = f"{name}.{entries[-1][0]}"
    if value.get("code") != result.get("unit") and value.get("system") == UCUM:
        entries.append([name + MARKED, None, value])
        here.state.recorder.repaired(f"{here.at}.code", root_pair=leaf)


# --- arrays -----------------------------------------------------------------------------------------------------------

_Place = tuple["Items", list[tuple[Any, str | None]], int] | str | None
"""Where an element of an array went: into a slice (its token), or into a list, at a position; ``None``: nowhere."""


def _read_array(member: FMember, value: Any, here: Here) -> int:
    """Read an array of which each element goes to a slice, to the list of the rest, or becomes residue."""
    state = here.state
    chosen = classify(member, value, state.contained)
    places: list[_Place] = [None] * len(value)
    content = 0
    for number in range(len(member.slices) + 1):
        indexes = [index for index, one in enumerate(chosen) if one == number]
        if not indexes:
            continue
        part = member.slices[number] if number < len(member.slices) else None
        if part is not None and part.obj is not None:
            start, told = len(state.entries), len(state.recorder.lines)
            if not _read_obj(part.obj, value[indexes[0]], here.into(f"[{indexes[0]}]")):
                del state.entries[start:], state.recorder.lines[told:]
                chosen[indexes[0]] = -1
                continue
            below(state.entries, start, f"{member.name}[{escape(part.step.token)}].")
            places[indexes[0]] = part.step.token
            content += 1
            continue
        items = part.items if part is not None else member.rest[0]
        if items is not None:
            _read_list(items, value, indexes, places, here)
            content += len(indexes)
    _leave_rest(member.name, value, chosen, places, here)
    return content


def _read_list(items: Items, value: list[Any], indexes: list[int], places: list[_Place], here: Here) -> None:
    """Read the elements of one list of an array."""
    state, at = here.state, here.at
    group: list[tuple[Any, str | None]] = []
    read: list[Any] = []
    for position, index in enumerate(indexes):
        group.append(_read_item(items, value[index], read, here.into(f"[{index}]")))
        read.append(group[-1][0])
        places[index] = (items, group, position)
    if items.mode == "many" and len(group) < 2:
        reason = "a single element is not expected in this place"
        state.refuse(at, reason, "two or more; one alone has its own place", "business-rule", "alternative")
    if items.warn:
        state.recorder.warnings.append((items.pair, items.warn))
    if not state.put(here.root.record, items.internal, read):
        state.refuse_twice(at)
    if len(items.rivals) > 1 or items.mode == "rest":
        state.late.append((items, here.root.record, at))


def _read_item(items: Items, element: Any, before: list[Any], here: Here) -> tuple[Any, str | None]:
    """Read one element of a list through its scope; return the record element and its key where it has one.

    ``before`` are the record elements of those before it.
    """
    if items.follow:
        return _read_followed_item(items, element, len(before), here)
    state, scope = here.state, items.scope
    start, told = len(state.entries), len(state.recorder.lines)
    item: Json = {}
    _read_obj(scope.fobj, element, _inside(items, item, element, len(before), here))
    if scope.recoding is not None:
        _recode(scope.recoding, item, told, here)
    result = item.get("") if scope.plain else item
    if len(state.entries) == start:
        return result, item.get(scope.key) if not scope.plain else None
    token = state.key_of(items, [*before, result], len(before))
    below(state.entries, start, f"{items.fhir[-1].name}[{escape(token)}].")
    return result, token


def _recode(recoding: Recoding, item: Json, told: int, here: Here) -> None:
    """Move system and code of a coding; its lines are those from ``told`` on."""
    changed = recoding.read(item)
    if changed is DECLINED:
        accepted = recoding.accepts(item, recoding.to_fhir)
        here.state.refuse(f"{here.at}.code", NO_WAY_BACK, accepted, "code-invalid")
    elif changed:
        item.update(changed)
        here.state.recorder.recoded(told, recoding.name)


def _read_followed_item(items: Items, element: Json, position: int, here: Here) -> tuple[Json, str]:
    """Read an element that is a reference to a contained resource: the resource is then the element."""
    state = here.state
    source = followed(element, state.contained, items.follow) or {}
    identifier = source["id"]
    key = write_key(identifier)
    state.used_contained.add(identifier)
    within = here.into(f"->{items.follow}")
    state.recorder.mapped(f"{here.at}.reference", "", "contained", items)
    state.recorder.mapped(f"{within.at}.id", "", "contained", items)
    item: Json = {}
    start = len(state.entries)
    _read_obj(items.scope.fobj, source, _inside(items, item, source, position, within), marks=RESOURCE_MARKS)
    below(state.entries, start, f"/contained[{escape(identifier)}].")
    if identifier != items.default_id(position) or not item:
        item[items.scope.key] = key
    start = len(state.entries)
    for name, inner in element.items():
        if name != "reference":
            here.leave(name, inner, REFERENCE_MARKS, element, source)
    below(state.entries, start, f"{items.fhir[-1].name}[{escape(key)}].")
    return item, key


def _inside(items: Items, item: Json, source: Json, position: int, here: Here) -> Here:
    """Return the start of the scope of one element."""
    name = items.internal[-1].name
    last = IStep(name, "rest" if items.mode == "rest" else "")  # where in the list is known when the first was read
    path = here.root.join(f"{show_internal((*items.internal[:-1], last))}[{position}]")
    return Here(here.state, Root(item, source, path), here.at)


def _leave_rest(name: str, value: list[Any], chosen: list[int], places: list[_Place], here: Here) -> None:
    """Keep the elements that no pair takes, each behind its sibling, and the order of the others where it differs."""
    state = here.state
    mapped = [number for number in chosen if number >= 0]
    if mapped != sorted(mapped):
        state.entries.append([f"{name}[*]", None, [_token(place, state) for place in places if place is not None]])
    before: _Place = None
    for index, element in enumerate(value):
        if chosen[index] >= 0:
            before = places[index]
            continue
        at = f"{here.at}[{index}]"
        if state.guarded and name != "extension" and not holds_only_marks(element):
            state.refuse_unread(at)
        state.entries.append([f"{name}[]", None if before is None else _token(before, state), element])
        state.recorder.carried(at, "residue", value=element)


def _token(place: _Place, state: Reading) -> str | None:
    """Name the place of an element, which gives a record element a key where it has none."""
    if place is None or isinstance(place, str):
        return place
    items, group, index = place
    item, token = group[index]
    if token is None:
        token = state.key_of(items, [each for each, _ in group], index)
        group[index] = (item, token)
    return token
