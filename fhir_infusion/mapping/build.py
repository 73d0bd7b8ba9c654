"""Building a plan from documents: every path, type, table and key is checked here, on both sides.

All complaints of a document are collected, each with file:line and what would be accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.codecs import table as code_table
from fhir_infusion.mapping.codecs import KEY, NAMED, PLAIN, QUANTITY, QUANTITY_TYPES, Codec
from fhir_infusion.mapping.document import FRAGMENT_KEYS, PAIR_KEYS, Document, Mark, Table
from fhir_infusion.mapping.paths import (
    Condition,
    FStep,
    IStep,
    PathError,
    parse_condition,
    parse_fhir,
    parse_internal,
    show_fhir,
    show_internal,
)
from fhir_infusion.mapping.plan import FMember, FObj, Follow, IMember, IObj, Items, Leaf, Plan, Scope, Slice
from fhir_infusion.records.fields import Field


class Element(Protocol):
    """What the mapping needs to know of a FHIR element; the table is handed in as plain data."""

    name: str
    type: str
    is_list: bool
    required: bool
    primitive: bool
    codes: tuple[str, ...]
    targets: tuple[str, ...]


ElementTable = Mapping[str, Mapping[str, Element]]
FieldTable = Mapping[str, Mapping[str, Field]]

FITS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string", "markdown", "id", "code", "xhtml"}),
    "markdown": frozenset({"markdown", "string"}),
    "code": frozenset({"code"}),
    "uri": frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    "canonical": frozenset({"canonical", "uri"}),
    "id": frozenset({"id"}),
    "date": frozenset({"date"}),
    "dateTime": frozenset({"dateTime"}),
    "instant": frozenset({"instant"}),
    "time": frozenset({"time"}),
    "decimal": frozenset({"decimal"}),
    "positiveInt": frozenset({"positiveInt"}),
    "unsignedInt": frozenset({"unsignedInt"}),
    "integer": frozenset({"integer"}),
    "boolean": frozenset({"boolean"}),
}
"""Which FHIR primitives a record kind fits: the same values on both sides."""


@dataclass(slots=True)
class _Place:
    """Where a scope of pairs stands: prefixes on both sides and the conditions in force."""

    scope: Scope
    iprefix: tuple[IStep, ...]
    itype: str
    fprefix: tuple[FStep, ...]
    ftype: str
    conditions: tuple[Condition, ...]


@dataclass(slots=True)
class Builder:
    """Builds one plan. ``fragments`` are the tables of the documents in ``uses``."""

    document: Document
    fragments: Mapping[str, tuple[Table, Mark]]
    systems: Mapping[str, str]
    elements: ElementTable
    fields: FieldTable
    codes: Mapping[str, Codec]
    complaints: list[str] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    shared: dict[tuple[int, bool], Scope] = field(default_factory=dict)

    def _guarded(self) -> frozenset[str]:
        return frozenset(self.document.content.get("mapped-or-refused") or ())

    def build(self) -> Plan:
        """Build the plan.

        Raises ``DocumentError`` with every complaint.
        """
        content = self.document.content
        between = content.get("between")
        if not isinstance(between, Table) or not {"internal", "fhir", "release"} <= between.keys():
            raise DocumentError(f"{content.mark}: `between` names internal, fhir and release")
        internal, fhir = between["internal"], between["fhir"]
        for side, name, table in (("internal", internal, self.fields), ("fhir", fhir, self.elements)):
            if name not in table:
                raise DocumentError(f"{between.marks[side]}: '{name}' is not a {side} type; accepted: {_near(name, table)}")
        root = self._scope(internal, FObj(fhir), IObj(internal))
        place = _Place(root, (), internal, (), fhir, ())
        self._members(content, place)
        self._pairs(content.get("pairs") or Table(), place)
        guarded = self._guarded()
        for name in guarded:
            if name not in self.elements[fhir]:
                self._complain(content.marks["mapped-or-refused"], f"'{name}' is not an element of {fhir}; accepted: {_near(name, self.elements[fhir])}")
        self._check_complete(root, content.marks.get("pairs", content.mark))
        if self.complaints:
            raise DocumentError(*dict.fromkeys(self.complaints))
        return Plan(self.document.name, internal, fhir, between["release"], root, guarded, self.scopes, dict(content.get("defaults") or {}))

    def _scope(self, name: str, fobj: FObj, iobj: IObj) -> Scope:
        scope = Scope(name, fobj, iobj, number=len(self.scopes))
        self.scopes.append(scope)
        return scope

    def _complain(self, mark: Mark, what: str) -> None:
        self.complaints.append(f"{mark}: {what}")

    def _members(self, table: Table, place: _Place) -> None:
        """Take in ``always`` and ``drop`` of a document, fragment or pair."""
        always = table.get("always")
        drops = table.get("drop")
        if not isinstance(always, Table) and not isinstance(drops, Table):
            return
        mark = table.marks.get("always") or table.marks["drop"]
        fobj = self._enter(place, (), mark)
        if fobj is None:
            return
        for name, value in (always or {}).items():
            if name != "resourceType" and name not in self.elements[place.ftype]:
                self._complain(always.marks[name], f"'{name}' is not an element of {place.ftype}; accepted: {_near(name, self.elements[place.ftype])}")
            fobj.always[name] = self._alias(value, always.marks[name]) if isinstance(value, str) else value
        for name, why in (drops.items() if isinstance(drops, Table) else ()):
            reason = why.get("why") if isinstance(why, Table) else why
            if not reason:
                self._complain(drops.marks[name], "a drop names its `why`")
            elif name not in self.elements[place.ftype]:
                self._complain(drops.marks[name], f"'{name}' is not an element of {place.ftype}; accepted: {_near(name, self.elements[place.ftype])}")
            else:
                fobj.drops[name] = str(reason)

    def _pairs(self, pairs: Table, place: _Place) -> None:
        for key, value in pairs.items():
            mark = pairs.marks[key]
            alternatives = value if isinstance(value, list) else [value]
            for alternative in alternatives:
                try:
                    self._pair(key, alternative, mark, place)
                except PathError as error:
                    self._complain(mark, str(error))

    def _pair(self, key: str, value: Any, mark: Mark, place: _Place) -> None:
        table = value if isinstance(value, Table) else Table()
        if isinstance(value, Table):
            mark = value.mark if value.mark.file == mark.file else mark
            for name in value:
                if name not in PAIR_KEYS:
                    self._complain(value.marks[name], f"'{name}' is not a keyword; accepted: {', '.join(sorted(PAIR_KEYS))}")
                    return
        elif not isinstance(value, str):
            self._complain(mark, "a pair is a FHIR path, a table with `fhir`, or a list of these")
            return
        isteps = parse_internal(key)
        target = self._internal_type(place.itype, isteps, mark)
        if target is None:
            return
        if "const" in table or table.get("drop") is True:
            self._fixed(place, isteps, table, mark)
            return
        text = value if isinstance(value, str) else table.get("fhir")
        if not isinstance(text, str):
            self._complain(mark, f"'{key}' has no `fhir` path")
            return
        fsteps = parse_fhir(self._aliases(text, mark))
        conditions = place.conditions
        if "when" in table:
            conditions = (*conditions, self._condition(table["when"], place, table.marks["when"]))
        self._route(key, isteps, fsteps, target, table, mark, replace(place, conditions=conditions))

    def _route(self, key: str, isteps: tuple[IStep, ...], fsteps: tuple[FStep, ...], target: Field, table: Table, mark: Mark, place: _Place) -> None:
        """Decide what a pair is: a list mapped element by element, an object inlined, or a leaf."""
        repeat = next((index for index, step in enumerate(fsteps) if step.repeats), None)
        if repeat is not None:
            self._items(isteps, fsteps[: repeat + 1], fsteps[repeat + 1 :], target, table, mark, place)
            return
        element = self._fhir_type(place.ftype, fsteps, mark)
        if element is None:
            return
        ftype, f_is_list, f_element = element
        mode = isteps[-1].mode if isteps else ""
        if mode in ("list", "many", "rest"):
            self._complain(mark, f"'{key}' is a list; its FHIR path needs [] (each element) or a repeating slice")
            return
        internal_list = target.is_list and mode not in ("only", "first")
        pair = f"{show_internal((*place.iprefix, *isteps))} : {show_fhir((*place.fprefix, *fsteps))}"
        if not target.nested or (target.type == "Quantity" and ftype in QUANTITY_TYPES):
            if internal_list != f_is_list:
                self._complain(mark, f"'{show_internal(isteps)}' is {'a list' if internal_list else 'single'} and '{show_fhir(fsteps)}' is {'a list' if f_is_list else 'single'}")
                return
            codec = self._codec(target, ftype, f_element, table, mark)
            if codec is None:
                return
            leaf = Leaf(
                (*place.iprefix, *isteps), (*place.fprefix, *fsteps), codec, place.conditions, mark, pair, internal_list, str(table.get("warn", ""))
            )
            self._attach_leaf(leaf, place, mark)
            return
        if internal_list or f_is_list:
            self._complain(mark, f"'{key}': a list of objects is mapped with name[] on both sides, or name[only] to one element")
            return
        inner = replace(place, iprefix=(*place.iprefix, *isteps), itype=target.type, fprefix=(*place.fprefix, *fsteps), ftype=ftype)
        self._own_follow(inner, fsteps, target, mark)
        self._inline(table, inner, target, ftype, mark)

    def _inline(self, table: Table, inner: _Place, target: Field, ftype: str, mark: Mark) -> None:
        key = next((name for name, item in self.fields[target.type].items() if item.key), "")
        if key and "id" in self.elements[ftype] and not self._contained(inner):
            steps, element_id = (*inner.iprefix, IStep(key)), (*inner.fprefix, FStep("id"))
            self._attach_leaf(Leaf(steps, element_id, KEY, inner.conditions, mark, f"{show_internal(steps)} : {show_fhir(element_id)}"), inner, mark)
        if "warn" in table and not isinstance(table.get("pairs"), Table) and inner.iprefix:
            self._complain(table.marks["warn"], "`warn` stands on a value or a list, not on a whole object")
        if isinstance(table.get("pairs"), Table):
            self._members(table, inner)
            self._pairs(table["pairs"], inner)
            return
        fragment = self._fragment(table, target.type, ftype, mark)
        if fragment is not None:
            self._members(table, inner)
            self._members(fragment, inner)
            self._pairs(fragment.get("pairs") or Table(), inner)

    def _contained(self, place: _Place) -> bool:
        """Whether the FHIR object of the place is a contained resource, whose id is kept by whoever follows the reference."""
        return bool(place.fprefix and place.fprefix[-1].follow) or (not place.fprefix and place.scope.fobj.always.get("resourceType") is not None)

    def _fragment(self, table: Table, itype: str, ftype: str, mark: Mark) -> Table | None:
        wanted = table.get("from")
        if wanted is not None:
            if wanted not in self.fragments:
                self._complain(mark, f"there is no fragment '{wanted}'; accepted: {_near(wanted, self.fragments)}")
                return None
            fragment = self.fragments[wanted][0]
            between = fragment.get("between") or Table()
            if (between.get("internal"), between.get("fhir")) != (itype, ftype):
                self._complain(mark, f"fragment '{wanted}' is between {between.get('internal')} and {between.get('fhir')}, not {itype} and {ftype}")
                return None
            return fragment
        fits = [
            fragment
            for fragment, _ in self.fragments.values()
            if (fragment.get("between") or {}).get("internal") == itype and (fragment.get("between") or {}).get("fhir") == ftype
        ]
        if len(fits) != 1:
            several = "no fragment is" if not fits else "several fragments are"
            self._complain(mark, f"{several} between {itype} and {ftype}; name one with `from`, or give `pairs`")
            return None
        for name in fits[0]:
            if name not in FRAGMENT_KEYS:
                self._complain(fits[0].marks[name], f"'{name}' is not a member of a fragment; accepted: {', '.join(sorted(FRAGMENT_KEYS))}")
        return fits[0]

    def _items(self, isteps: tuple[IStep, ...], array: tuple[FStep, ...], trail: tuple[FStep, ...], target: Field, table: Table, mark: Mark, place: _Place) -> None:
        """Add a list mapped element by element."""
        if not target.is_list or (target.nested and isteps[-1].mode not in ("list", "many", "rest")):
            self._complain(mark, f"'{show_internal(isteps)}' must be a list (name[], name[many] or name[rest]) where the FHIR path has []")
            return
        container = self._fhir_type(place.ftype, array, mark, whole_list=True)
        if container is None:
            return
        ftype, _, _ = container
        follow = next((c.value for c in array[-1].criteria if c.test == "->"), "")
        guarded = place.scope.guarded or (place.scope.number == 0 and (*place.fprefix, *array)[0].name in self._guarded())
        single, element_type = replace_field(target), follow or ftype
        shared = None
        if target.nested and not trail and not array[-1].criteria and not isinstance(table.get("pairs"), Table):
            fragment = self._fragment(table, target.type, element_type, mark)
            if fragment is None:
                return
            shared = (id(fragment), guarded)
        scope = self.shared.get(shared) if shared is not None else None
        ready = scope is not None
        if scope is None:
            fobj, iobj = FObj(element_type, always={"resourceType": follow} if follow else {}), IObj(target.type)
            scope = self._scope(f"{show_internal((*place.iprefix, *isteps))}", fobj, iobj)
            scope.plain, scope.guarded = not target.nested, guarded
            if shared is not None:
                self.shared[shared] = scope
        if target.nested:
            scope.key = next((name for name, item in self.fields[target.type].items() if item.key), "")
        if table.get("key", scope.key) != scope.key:
            self._complain(table.marks["key"], f"the key of {target.type} is '{scope.key}'")
        items = Items(
            (*place.iprefix, *isteps), (*place.fprefix, *array), scope, place.conditions, mark,
            f"{show_internal((*place.iprefix, *isteps))} : {show_fhir((*place.fprefix, *array))}",
            isteps[-1].mode or "list", follow, str(table.get("warn", "")),
        )
        if not self._attach_items(items, place, mark):
            return
        start = _Place(scope, (), target.type, (), element_type, ())
        if ready:
            return
        if trail:
            self._route(".", (), trail, single, table, mark, start)
        elif scope.plain:
            self._complain(mark, "a list of simple values on an array of objects needs the path of the value behind []")
        else:
            self._inline(table, start, single, element_type, mark)

    def _fixed(self, place: _Place, isteps: tuple[IStep, ...], table: Table, mark: Mark) -> None:
        member = self._imember(place, isteps, mark)
        if member is None:
            return
        if "const" in table:
            member.const = table["const"]
        elif not table.get("why"):
            self._complain(mark, "a drop names its `why`")
        else:
            member.drop = str(table["why"])

    def _condition(self, text: str, place: _Place, mark: Mark) -> Condition:
        condition = parse_condition(text)
        if condition.side == "fhir":
            if any(step.criteria or step.follow for step in place.fprefix):
                self._complain(mark, "a condition on the FHIR side cannot stand below a slice")
            return replace(condition, path=(*(step.name for step in place.fprefix), *condition.path))
        steps = tuple(IStep(name) for name in condition.path)
        self._internal_type(place.itype, steps, mark)
        if any(step.mode for step in place.iprefix):
            self._complain(mark, "a condition on the internal side cannot stand below [only]")
        return replace(condition, path=(*(step.name for step in place.iprefix), *condition.path))

    def _codec(self, target: Field, ftype: str, element: Element | None, table: Table, mark: Mark) -> Codec | None:
        if "codes" in table:
            name = table["codes"]
            if name not in self.codes:
                self._complain(table.marks["codes"], f"there is no code table '{name}'; accepted: {_near(name, self.codes)}")
                return None
            return self.codes[name]
        if "as" in table:
            if table["as"] not in NAMED:
                self._complain(table.marks["as"], f"there is no codec '{table['as']}'; accepted: {', '.join(sorted(NAMED))}")
                return None
            return NAMED[table["as"]]
        if target.nested:
            return QUANTITY
        if target.key and ftype in ("string", "id"):
            return KEY
        kind = "integer" if target.kind == "integer" else target.kind
        if kind != "key" and ftype not in FITS.get(kind, frozenset()):
            self._complain(mark, f"a record value of kind {kind} does not fit FHIR's {ftype}; accepted: {', '.join(sorted(FITS.get(kind, ())))}")
            return None
        if element is not None and element.codes and target.codes and not set(target.codes) <= set(element.codes):
            extra = sorted(set(target.codes) - set(element.codes))
            self._complain(mark, f"the record allows {', '.join(extra)}, which FHIR's {element.name} does not; give `codes`")
            return None
        if target.codes and not (element is not None and element.codes and set(element.codes) <= set(target.codes)):
            same = {code: code for code in target.codes}
            return code_table(target.name, same, same)
        return PLAIN

    def _internal_type(self, itype: str, steps: tuple[IStep, ...], mark: Mark) -> Field | None:
        if not steps:
            return Field(".", itype, False, "", False, False, False, (), "")
        item: Field | None = None
        for index, step in enumerate(steps):
            members = self.fields.get(itype)
            item = members.get(step.name) if members is not None else None
            if item is None:
                self._complain(mark, f"'{step.name}' is not a field of {itype}; accepted: {_near(step.name, members or {})}")
                return None
            if step.mode and not item.is_list:
                self._complain(mark, f"'{step.name}' is not a list; [{step.mode}] does not apply")
                return None
            if item.is_list and index < len(steps) - 1 and step.mode not in ("only", "first"):
                self._complain(mark, f"'{step.name}' is a list; its elements are mapped under `pairs`")
                return None
            itype = item.type
        return item

    def _fhir_type(self, ftype: str, steps: tuple[FStep, ...], mark: Mark, *, whole_list: bool = False) -> tuple[str, bool, Element | None] | None:
        """Return the type at the end of ``steps``, whether it is a list there, and its element."""
        element: Element | None = None
        is_list = False
        for index, step in enumerate(steps):
            if is_list:
                self._complain(mark, f"'{steps[index - 1].name}' repeats: take each element ({steps[index - 1].name}[]) or a slice; there is no first")
                return None
            if step.name.startswith("_"):
                if step.name[1:] not in self.elements[ftype]:
                    self._complain(mark, f"'{step.name[1:]}' is not an element of {ftype}; accepted: {_near(step.name[1:], self.elements[ftype])}")
                    return None
                ftype, is_list, element = "Element", False, None
                continue
            members = self.elements.get(ftype, {})
            element = members.get(step.name)
            if element is None:
                self._complain(mark, f"'{step.name}' is not an element of {ftype}; accepted: {_near(step.name, members)}")
                return None
            is_list = element.is_list
            if (step.criteria or step.repeats) and not is_list:
                self._complain(mark, f"'{step.name}' does not repeat in {ftype}")
                return None
            if step.criteria and not step.repeats:
                is_list = False
            last = index == len(steps) - 1
            if step.repeats and not (last and whole_list):
                self._complain(mark, f"'{show_fhir(steps)}': [] is in the wrong place")
                return None
            ftype = step.follow or element.type
            for criterion in step.criteria:
                self._check_criterion(criterion, ftype if not any(c.test == "->" for c in step.criteria) else "", mark)
        return ftype, is_list and not (steps[-1].repeats), element

    def _check_criterion(self, criterion: Any, ftype: str, mark: Mark) -> None:
        for name in criterion.path:
            members = self.elements.get(ftype)
            if members is None:
                return
            if name not in members:
                self._complain(mark, f"'{name}' is not an element of {ftype}; accepted: {_near(name, members)}")
                return
            ftype = members[name].type

    def _constants(self, step: FStep, ftype: str) -> tuple[tuple[tuple[str, ...], str], ...]:
        """What writing an element of the slice sets; a criterion through a list is met by the pairs inside it."""
        start = next((criterion.value for criterion in step.criteria if criterion.test == "->"), ftype)
        found = []
        for criterion in step.criteria:
            inner, single = start, criterion.test == "="
            for name in criterion.path:
                element = self.elements.get(inner, {}).get(name)
                single = single and element is not None and not element.is_list
                inner = element.type if element is not None else ""
            if single:
                found.append((criterion.path, criterion.value))
        return tuple(found)

    def _own_follow(self, inner: _Place, fsteps: tuple[FStep, ...], target: Field, mark: Mark) -> None:
        """Let the record object that maps a whole contained resource own its id."""
        if not fsteps[-1].follow:
            return
        fobj = self._enter(inner, (), mark)
        if fobj is None:
            return
        member = self._parent_member(inner)
        follow = member.follows[fsteps[-1].follow]
        follow.owner = inner.iprefix
        follow.key = next((name for name, item in self.fields[target.type].items() if item.key), "")
        imember = self._imember(replace(inner, iprefix=()), inner.iprefix, mark)
        if imember is not None:
            imember.follow = (inner.fprefix, follow)

    def _parent_member(self, place: _Place) -> FMember:
        fobj = place.scope.fobj
        for step in place.fprefix[:-1]:
            fobj = self._descend(fobj, step)
        return fobj.members[place.fprefix[-1].name]

    def _enter(self, place: _Place, more: tuple[FStep, ...], mark: Mark) -> FObj | None:
        """Return the FHIR tree node at the place, made where it is not there yet."""
        fobj = place.scope.fobj
        for step in (*place.fprefix, *more):
            member = self._fmember(fobj, step.name)
            if member.leaves and not step.follow:
                self._complain(mark, f"'{step.name}' is mapped as a value elsewhere and cannot be an object here")
                return None
            fobj = self._descend(fobj, step)
        return fobj

    def _fmember(self, fobj: FObj, name: str) -> FMember:
        member = fobj.members.get(name)
        if member is None:
            element = self.elements[fobj.type].get(name) if not name.startswith("_") else None
            member = FMember(name, element.type if element else "Element", element.is_list if element else False)
            fobj.members[name] = member
        return member

    def _descend(self, fobj: FObj, step: FStep) -> FObj:
        member = self._fmember(fobj, step.name)
        if step.follow:
            follow = member.follows.setdefault(step.follow, Follow(step.follow, FObj(step.follow, always={"resourceType": step.follow})))
            return follow.obj
        if step.criteria:
            for known in member.slices:
                if known.step.criteria == step.criteria and known.obj is not None:
                    return known.obj
            constants = self._constants(step, member.type)
            made = FObj(member.type, always={path[0]: value for path, value in constants if len(path) == 1})
            member.slices.append(Slice(replace(step, repeats=False), member.type, made, None, constants))
            return made
        if member.obj is None:
            member.obj = FObj(member.type)
        return member.obj

    def _imember(self, place: _Place, isteps: tuple[IStep, ...], mark: Mark) -> IMember | None:
        """Return the internal tree node of a path, relative to the scope of the place."""
        steps = (*place.iprefix, *isteps)
        iobj = place.scope.iobj
        member: IMember | None = None
        for index, step in enumerate(steps):
            member = iobj.members.setdefault(step.name, IMember(step.name))
            if step.mode in ("only", "first"):
                member.only, member.first = member.only or IMember(step.name), step.mode == "first"
                member = member.only
            if index < len(steps) - 1:
                if member.obj is None:
                    member.obj = IObj(self.fields[iobj.type][step.name].type)
                iobj = member.obj
        if member is None:
            self._complain(mark, "the element itself is mapped by `from`, `pairs` or the path behind []")
        return member

    def _attach_leaf(self, leaf: Leaf, place: _Place, mark: Mark) -> None:
        last = leaf.fhir[-1]
        if last.criteria:
            self._complain(mark, f"'{show_fhir(leaf.fhir)}' ends in a slice; name the value inside it")
            return
        fobj = self._enter(replace(place, fprefix=leaf.fhir[:-1]), (), mark)
        if fobj is None:
            return
        member = self._fmember(fobj, last.name)
        if member.obj is not None or member.slices or member.rest:
            self._complain(mark, f"'{show_fhir(leaf.fhir)}' is mapped as an object elsewhere")
            return
        self._check_disjoint(member.leaves, leaf, "fhir", mark)
        member.leaves.append(leaf)
        if not leaf.internal:
            leaf_holder = place.scope.iobj.members.setdefault("", IMember(""))
            leaf_holder.leaves.append(leaf)
            return
        imember = self._imember(replace(place, iprefix=()), leaf.internal, mark)
        if imember is None:
            return
        self._check_disjoint(imember.leaves, leaf, "internal", mark)
        imember.leaves.append(leaf)
        leaf.rivals = imember.leaves

    def _check_disjoint(self, others: Iterable[Leaf], leaf: Leaf, side: str, mark: Mark) -> None:
        """Two leaves may share a place only where a condition or a codec that declines tells them apart."""
        for other in others:
            guards = {other.codec.name, leaf.codec.name}
            if guards == {"rate", "not-rate"} or other.conditions or leaf.conditions:
                continue
            if side == "internal" and show_fhir(other.fhir) != show_fhir(leaf.fhir):
                self._complain(mark, f"'{show_internal(leaf.internal)}' is mapped twice without a `when` (the other at {other.mark})")
            elif side == "fhir":
                self._complain(mark, f"'{show_fhir(leaf.fhir)}' is mapped twice without a `when` (the other at {other.mark})")

    def _attach_items(self, items: Items, place: _Place, mark: Mark) -> bool:
        array = items.fhir[-1]
        fobj = self._enter(replace(place, fprefix=items.fhir[:-1]), (), mark)
        if fobj is None:
            return False
        member = self._fmember(fobj, array.name)
        if array.criteria:
            if any(known.step.criteria == array.criteria for known in member.slices):
                self._complain(mark, f"'{show_fhir(items.fhir)}' is mapped twice")
                return False
            constants = self._constants(array, member.type)
            items.scope.fobj.always.update({path[0]: value for path, value in constants if len(path) == 1})
            member.slices.append(Slice(replace(array, repeats=False), member.type, None, items, constants))
        else:
            if member.rest:
                self._complain(mark, f"'{show_fhir(items.fhir)}' is mapped twice (the other at {member.rest[0].mark})")
                return False
            member.rest.append(items)
        items.member = member
        imember = self._imember(replace(place, iprefix=()), items.internal, mark)
        if imember is None:
            return False
        if any(not other.conditions and not items.conditions and other.mode == items.mode for other in imember.items):
            self._complain(mark, f"'{show_internal(items.internal)}' is mapped twice without a `when`")
            return False
        imember.items.append(items)
        items.owner = imember
        items.rivals = imember.items
        return True

    def _check_complete(self, root: Scope, mark: Mark) -> None:
        """Every field of every record type in use is mapped, constant or dropped with a reason."""
        for scope in self.scopes:
            if not scope.plain:
                self._check_fields(scope.iobj, scope.name, mark, skip={scope.key} | ({"residue"} if scope is root else set()))

    def _check_fields(self, iobj: IObj, where: str, mark: Mark, skip: set[str]) -> None:
        for name, item in self.fields[iobj.type].items():
            if name in skip or (item.key and name not in iobj.members):
                continue
            member = iobj.members.get(name)
            if member is not None and member.first and not any(items.mode == "rest" for items in member.items):
                self._complain(mark, f"{where}: '{name}[first]' needs '{name}[rest]': there is no first only")
            if member is None or not (member.leaves or member.items or member.obj or member.only or member.drop or member.const is not None):
                self._complain(mark, f"{where}: the field '{name}' of {iobj.type} has no pair; map it, or drop it with a `why`")
                continue
            for inner in (member.obj, member.only.obj if member.only else None):
                if inner is not None:
                    self._check_fields(inner, f"{where}.{name}", mark, set())

    def _aliases(self, text: str, mark: Mark) -> str:
        """Replace ``$name`` by its URI. URIs with brackets, commas or equals signs cannot stand in a criterion."""
        if "$" not in text:
            return text
        parts = text.split("$")
        out = [parts[0]]
        for part in parts[1:]:
            end = next((i for i, ch in enumerate(part) if not (ch.isalnum() or ch in "-_.")), len(part))
            name = part[:end].rstrip(".")
            out.append(self._alias("$" + name, mark) + part[len(name) :])
        return "".join(out)

    def _alias(self, text: str, mark: Mark) -> str:
        if not text.startswith("$"):
            return text
        if text[1:] not in self.systems:
            self._complain(mark, f"'{text}' is not declared under `systems`; accepted: {_near(text[1:], self.systems)}")
            return "urn:undeclared"
        return self.systems[text[1:]]


def replace_field(item: Field) -> Field:
    """Return the field as one element of its list."""
    return replace(item, is_list=False)


def _near(name: str, names: Iterable[str]) -> str:
    """Name the nearest accepted names first, and all of them where they are few."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    if close:
        return ", ".join(close)
    return ", ".join(known) if len(known) <= 12 else ", ".join(known[:12]) + " …"
