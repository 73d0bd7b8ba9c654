"""Building a plan from documents: every path, type, table and key is checked here, on both sides.

All complaints of a document are collected, each with file:line and what would be accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.aliases import Aliases
from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.mapping.codecs import KEY, QUANTITY_TYPES, Codec
from fhir_infusion.mapping.complaints import Complaints, near
from fhir_infusion.mapping.completeness import check_complete
from fhir_infusion.mapping.document import PAIR_SHAPES, Document, Mark, Table, misshapen
from fhir_infusion.mapping.fits import FITS, Fits
from fhir_infusion.mapping.fragments import Fragments
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
from fhir_infusion.mapping.plan import FObj, IObj, Items, Leaf, Plan, Scope
from fhir_infusion.mapping.trees import Place, Trees
from fhir_infusion.mapping.types import Element, ElementTable, End, FieldTable, Types

if TYPE_CHECKING:
    from fhir_infusion.records.fields import Field


@dataclass(frozen=True, slots=True)
class _Given:
    """One pair as the document gives it; a bare path has an empty table."""

    key: str
    table: Table
    mark: Mark

    @property
    def warn(self) -> str:
        return str(self.table.get("warn", ""))


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a document is built with.

    ``fragments`` are those of the documents in ``uses``, with their places; ``systems`` the URIs behind ``$name``;
    ``codes`` the tables, ``fits`` which types a kind fits; ``whole``: each field has a pair; ``elsewhere``: releases.
    """

    fragments: Mapping[str, Table]
    systems: Mapping[str, str]
    elements: ElementTable
    fields: FieldTable
    codes: Mapping[str, CodeTable]
    fits: Mapping[str, frozenset[str]] = field(default_factory=lambda: FITS)
    whole: bool = True
    elsewhere: Mapping[str, ElementTable] = field(default_factory=dict)


def build(document: Document, ingredients: Ingredients) -> Plan:
    """Build the plan of a document.

    Raises:
        DocumentError: with every complaint.
    """
    content = document.content
    between = content.get("between")
    if not isinstance(between, Table) or not {"internal", "fhir", "release"} <= between.keys():
        raise DocumentError(f"{content.mark}: `between` names internal, fhir and release")
    internal, fhir = between["internal"], between["fhir"]
    for side, what, table in (
        ("internal", "a record type", ingredients.fields),
        ("fhir", "a FHIR type", ingredients.elements),
    ):
        name = str(between[side])
        if name not in table:
            raise DocumentError(f"{between.marks[side]}: '{name}' is not {what}; accepted: {near(name, table)}")
    builder = _Builder(ingredients, frozenset(content.get("mapped-or-refused") or ()))
    root = builder.build(content, internal, fhir)
    if builder.complaints.lines:
        raise DocumentError(*dict.fromkeys(builder.complaints.lines))
    defaults = dict(content.get("defaults") or {})
    plan = Plan(document.name, internal, fhir, between["release"], root, builder.guarded, builder.scopes, defaults)
    plan.drops, plan.aliases = bool(builder.drops), frozenset(builder.aliases.used)
    return plan


@dataclass(slots=True)
class _Builder:
    """Builds one plan. ``shared`` are the scopes of lists of one fragment, each built once.

    ``wrong`` are the fields whose pair is complained of, by scope: that they have no place yet is only what follows.
    """

    given: Ingredients
    guarded: frozenset[str]
    complaints: Complaints = field(init=False)
    scopes: list[Scope] = field(default_factory=list)
    shared: dict[tuple[int, bool, str], Scope] = field(default_factory=dict)
    drops: list[tuple[FObj, str, Mark]] = field(default_factory=list)
    wrong: set[tuple[int, tuple[str, ...]]] = field(default_factory=set)
    types: Types = field(init=False)
    trees: Trees = field(init=False)
    fits: Fits = field(init=False)
    fragments: Fragments = field(init=False)
    aliases: Aliases = field(init=False)

    def __post_init__(self) -> None:
        """Hand the tables and the complaints to those who check."""
        self.complaints = Complaints(elsewhere=self.given.elsewhere)
        self.types = Types(self.given.elements, self.given.fields, self.complaints)
        self.trees = Trees(self.types)
        self.fits = Fits(self.given.codes, self.complaints, self.given.fits)
        self.fragments = Fragments(self.given.fragments, self.complaints)
        self.aliases = Aliases(self.given.systems, self.complaints)

    def build(self, content: Table, internal: str, fhir: str) -> Scope:
        """Build every scope of the document; return the outermost."""
        root = self._scope(internal, FObj(fhir), IObj(internal))
        place = Place(root, (), internal, (), fhir)
        self._members(content, place)
        self._pairs(content.get("pairs") or Table(), place)
        for name in self.guarded:
            if name not in (known := self.given.elements[fhir]):
                self.complaints.unknown_element(content.marks["mapped-or-refused"], name, fhir, known)
        self._check_drops(root)
        mark = content.marks.get("pairs", content.mark)
        for scope in self.scopes if self.given.whole else ():
            wrong = {path for number, path in self.wrong if number == scope.number}
            check_complete(scope, self.types, mark, {"residue"} if scope is root else set(), wrong)
        return root

    def _scope(self, name: str, fobj: FObj, iobj: IObj) -> Scope:
        scope = Scope(name, fobj, iobj, number=len(self.scopes))
        self.scopes.append(scope)
        return scope

    def _members(self, table: Table, place: Place) -> None:
        """Take in ``always`` and ``drop`` of a document, fragment or pair."""
        always, drops = table.get("always"), table.get("drop")
        if not isinstance(always, Table) and not isinstance(drops, Table):
            return
        fobj = self.trees.fhir_node(place.scope, place.fhir, table.marks.get("always") or table.marks["drop"])
        if fobj is None:
            return
        members = self.types.members(place.ftype)
        if isinstance(always, Table):
            self._always(always, fobj, members)
        if isinstance(drops, Table):
            self._drops(drops, fobj, members)

    def _always(self, always: Table, fobj: FObj, members: Mapping[str, Element]) -> None:
        for name, value in always.items():
            mark = always.marks[name]
            element = members.get(name)
            if element is None and name != "resourceType":
                self.complaints.unknown_element(mark, name, fobj.type, members)
            elif element is not None and element.codes and value not in element.codes:
                self.complaints.unknown(mark, str(value), f"a code of FHIR's {name}", element.codes)
            fobj.always[name] = self.aliases.one(value, mark) if isinstance(value, str) else value

    def _drops(self, drops: Table, fobj: FObj, members: Mapping[str, Element]) -> None:
        for name, why in drops.items():
            if not (reason := why.get("why") if isinstance(why, Table) else why):
                self.complaints.add(drops.marks[name], "a drop names its `why`")
            elif name not in members:
                self.complaints.unknown_element(drops.marks[name], name, fobj.type, members)
            else:
                fobj.drops[name] = str(reason)
                self.drops.append((fobj, name, drops.marks[name]))

    def _check_drops(self, root: Scope) -> None:
        """Complain where a drop would leave out what a pair takes, or what must be mapped or refused."""
        for fobj, name, mark in self.drops:
            if name in fobj.members:
                self.complaints.add(mark, f"'{name}' cannot be dropped: pairs take it")
            elif fobj is root.fobj and name in self.guarded:
                self.complaints.add(mark, f"'{name}' cannot be dropped: it is in `mapped-or-refused`")

    def _pairs(self, pairs: Table, place: Place) -> None:
        for key, value in pairs.items():
            mark, before = pairs.marks[key], len(self.complaints.lines)
            for alternative in value if isinstance(value, list) else [value]:
                try:
                    self._pair(key, alternative, mark, place)
                except PathError as error:
                    self.complaints.add(mark, str(error))
            if len(self.complaints.lines) > before:
                meant = self.types.meant(place.itype, key)
                way = (*(step.name for step in place.internal), *meant)
                self.wrong |= {(place.scope.number, way[:end]) for end in range(1, len(way) + 1)}

    def _pair(self, key: str, value: Any, mark: Mark, place: Place) -> None:
        table = value if isinstance(value, Table) else Table()
        if isinstance(value, Table):
            mark = value.mark if value.mark.file == mark.file else mark
            wrong = misshapen(value, PAIR_SHAPES, "a pair")
            if wrong:
                self.complaints.lines.extend(wrong)
                return
        elif not isinstance(value, str):
            self.complaints.add(mark, "a pair is a FHIR path, a table with `fhir`, or a list of these")
            return
        given = _Given(key, table, mark)
        isteps = parse_internal(key)
        target = self.types.internal_end(place.itype, isteps, mark)
        if target is None:
            return
        if "const" in table or table.get("drop") is True:
            self._fixed(given, isteps, target, place)
            return
        text = value if isinstance(value, str) else table.get("fhir")
        if not isinstance(text, str):
            self.complaints.add(mark, f"'{key}' has no `fhir` path")
            return
        fsteps = parse_fhir(self.aliases.all_of(text, mark))
        if "when" in table:
            condition = self._condition(table["when"], place, table.marks["when"])
            place = replace(place, conditions=(*place.conditions, condition))
        self._route(given, isteps, fsteps, target, place)

    def _route(
        self, given: _Given, isteps: tuple[IStep, ...], fsteps: tuple[FStep, ...], target: Field, place: Place
    ) -> None:
        """Decide what a pair is: a list mapped element by element, an object inlined, or a leaf."""
        repeat = next((index for index, step in enumerate(fsteps) if step.repeats), None)
        if repeat is not None:
            self._items(given, isteps, (fsteps[: repeat + 1], fsteps[repeat + 1 :]), target, place)
            return
        end = self.types.fhir_end(place.ftype, fsteps, given.mark)
        if end is None:
            return
        mode = isteps[-1].mode if isteps else ""
        if mode in ("list", "many", "rest"):
            what = f"'{given.key}' is a list; its FHIR path needs [] (each element) or a repeating slice"
            self.complaints.add(given.mark, what)
            return
        is_list = target.is_list and mode not in ("only", "first")
        inner = replace(
            place,
            internal=(*place.internal, *isteps),
            itype=target.type,
            fhir=(*place.fhir, *fsteps),
            ftype=end.type,
        )
        if not target.nested or (target.type == "Quantity" and end.type in QUANTITY_TYPES):
            if is_list == end.is_list:
                self._leaf(given, target, end, inner)
                return
            sides = f"'{show_internal(isteps)}' is {_shape(is_list)} and '{show_fhir(fsteps)}' is {_shape(end.is_list)}"
            self.complaints.add(given.mark, sides)
            return
        if is_list or end.is_list:
            what = f"'{given.key}': a list of objects is mapped with name[] on both sides, or name[only] to one element"
            self.complaints.add(given.mark, what)
            return
        self.trees.own_follow(inner, given.mark)
        self._inline(given, inner)

    def _leaf(self, given: _Given, target: Field, end: End, at: Place) -> None:
        self._demand_without(given, ("pairs", "from", "key", "always", "drop"), "a value")
        codec = self.fits.codec(target, end, given.table, given.mark)
        if codec is not None:
            leaf = _leaf(at.internal, at.fhir, codec, at, given.mark)
            leaf.each, leaf.warn = end.is_list, given.warn
            self.trees.attach_leaf(leaf, at.scope)

    def _demand_without(self, given: _Given, words: tuple[str, ...], what: str) -> None:
        for word in words:
            if word in given.table:
                self.complaints.add(given.table.marks[word], f"`{word}` does not apply to {what}")

    def _inline(self, given: _Given, inner: Place) -> None:
        """Map an object by its pairs or by a fragment, whose members then stand in the tree of this scope."""
        self._demand_without(given, ("as",) if inner.scope.recoding else ("as", "codes"), "an object")
        key = self.types.key_of(inner.itype)
        if key and "id" in self.types.members(inner.ftype) and not inner.contained:
            steps = (*inner.internal, IStep(key)), (*inner.fhir, FStep("id"))
            self.trees.attach_leaf(_leaf(*steps, KEY, inner, given.mark), inner.scope)
        own = isinstance(given.table.get("pairs"), Table)
        if given.warn and not own and inner.internal:
            what = "`warn` stands on a value or a list, not on a whole object"
            self.complaints.add(given.table.marks["warn"], what)
        self._members(given.table, inner)
        if own:
            self._pairs(given.table["pairs"], inner)
            return
        fragment = self.fragments.find(given.table.get("from"), inner.itype, inner.ftype, given.mark)
        if fragment is not None:
            self._members(fragment, inner)
            self._pairs(fragment.get("pairs") or Table(), inner)

    def _items(
        self,
        given: _Given,
        isteps: tuple[IStep, ...],
        fsteps: tuple[tuple[FStep, ...], tuple[FStep, ...]],
        target: Field,
        place: Place,
    ) -> None:
        """Add a list mapped element by element. ``fsteps`` are the way to the array, and the way on in its elements."""
        if not target.is_list or (target.nested and isteps[-1].mode not in ("list", "many", "rest")):
            name = show_internal(isteps)
            what = f"'{name}' must be a list (name[], name[many] or name[rest]) where the FHIR path has []"
            self.complaints.add(given.mark, what)
            return
        way, trail = fsteps
        end = self.types.fhir_end(place.ftype, way, given.mark)
        if end is None:
            return
        array = (*place.fhir, *way)
        name = show_internal((*place.internal, *isteps))
        follow = next((criterion.value for criterion in way[-1].criteria if criterion.test == "->"), "")
        made = FObj(follow, always={"resourceType": follow}) if follow else FObj(end.type)
        guarded = place.scope.guarded or (place.scope.number == 0 and array[0].name in self.guarded)
        sharable = target.nested and not trail and not way[-1].criteria and "pairs" not in given.table
        shared: tuple[int, bool, str] | None = None
        if sharable:
            fragment = self.fragments.find(given.table.get("from"), target.type, made.type, given.mark)
            if fragment is None:
                return
            shared = (id(fragment), guarded, given.table.get("codes", ""))
        ready = self.shared.get(shared) if shared is not None else None
        scope = ready or self._list_scope(name, made, target, guarded=guarded)
        scope.recoding = self.fits.recoding(target, made.type, given.table)
        if shared is not None:
            self.shared[shared] = scope
        if given.table.get("key", scope.key) != scope.key:
            self.complaints.add(given.table.marks["key"], f"the key of {target.type} is '{scope.key}'")
        items = Items(
            internal=(*place.internal, *isteps),
            fhir=array,
            scope=scope,
            conditions=place.conditions,
            mark=given.mark,
            pair=f"{name} : {show_fhir(array)}",
            mode=isteps[-1].mode or "list",
            follow=follow,
            warn=given.warn,
        )
        if not self.trees.attach_items(items, place.scope) or ready is not None:
            return
        start = Place(scope, (), target.type, (), made.type)
        if trail:
            self._route(replace(given, key="."), (), trail, replace(target, is_list=False), start)
        elif scope.plain:
            what = "a list of simple values on an array of objects needs the path of the value behind []"
            self.complaints.add(given.mark, what)
        else:
            self._inline(given, start)

    def _list_scope(self, name: str, element: FObj, target: Field, *, guarded: bool) -> Scope:
        scope = self._scope(name, element, IObj(target.type))
        scope.plain, scope.guarded = not target.nested, guarded
        scope.key = self.types.key_of(target.type) if target.nested else ""
        return scope

    def _fixed(self, given: _Given, isteps: tuple[IStep, ...], target: Field, place: Place) -> None:
        """Set a field that is not in FHIR: constant, or dropped with a reason."""
        if not isteps:
            self.complaints.add(given.mark, "the element itself is mapped by `from`, `pairs` or the path behind []")
            return
        member = self.trees.field_node(place.scope, (*place.internal, *isteps))
        if "const" in given.table:
            member.const = given.table["const"]
            self.fits.check_constant(target, member.const, given.mark)
        elif not given.table.get("why"):
            self.complaints.add(given.mark, "a drop names its `why`")
        else:
            member.drop = str(given.table["why"])

    def _condition(self, text: str, place: Place, mark: Mark) -> Condition:
        condition = parse_condition(text)
        self.types.check_condition(condition, place.itype, place.ftype, mark)
        if condition.side == "fhir":
            if any(step.criteria or step.follow for step in place.fhir):
                self.complaints.add(mark, "a condition on the FHIR side cannot stand below a slice")
            return replace(condition, path=(*(step.name for step in place.fhir), *condition.path))
        if any(step.mode for step in place.internal):
            self.complaints.add(mark, "a condition on the internal side cannot stand below [only]")
        return replace(condition, path=(*(step.name for step in place.internal), *condition.path))


def _leaf(internal: tuple[IStep, ...], fhir: tuple[FStep, ...], codec: Codec, at: Place, mark: Mark) -> Leaf:
    return Leaf(internal, fhir, codec, at.conditions, mark, f"{show_internal(internal)} : {show_fhir(fhir)}")


def _shape(is_list: bool) -> str:  # noqa: FBT001  its one argument is the question
    return "a list" if is_list else "single"
