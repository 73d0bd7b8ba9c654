"""Compiling a plan into straight-line reading functions, one per scope and one per kind of closed object.

Each function asks a FHIR object for the members that the plan knows, in the plan's order, and sets record fields. It
counts what it took: where the count differs from what is there, the rest becomes residue.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.mapping import compile_arrays, runtime
from fhir_infusion.mapping.closed import Closed, Path, alike_below, shape
from fhir_infusion.mapping.codecs import DECLINED, PLAIN
from fhir_infusion.mapping.compile_arrays import MARKS, Here
from fhir_infusion.mapping.compile_leaves import leaves
from fhir_infusion.mapping.criteria import contained_by_id
from fhir_infusion.mapping.paths import IStep
from fhir_infusion.mapping.plan import FMember, FObj, Items, Leaf, Plan, Scope, leaves_of
from fhir_infusion.mapping.residue import REFERENCE_MARKS, RESOURCE_MARKS, Entry, write_key
from fhir_infusion.mapping.source import Source
from fhir_infusion.mapping.trace import Warned
from fhir_infusion.records.rates import is_rate
from fhir_infusion.records.residue_rules import escape

Json = dict[str, Any]
Read = Callable[[Json], tuple[Json, list[Entry], list[Warned]]]


@dataclass(slots=True)
class _Function:
    """One function being written: the variables of its record objects, and what is asked at its end."""

    scope: Scope
    objects: dict[Path, str] = field(default_factory=dict)
    uses: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    flags: list[Leaf | Items] = field(default_factory=list)
    top: tuple[int, ...] = ()


def read_source(plan: Plan) -> Source:
    """Return the source of a plan's reading functions."""
    source = Source(
        {
            "D": DECLINED,
            "R": runtime,
            "Irregular": runtime.Irregular,
            "escape": escape,
            "is_rate": is_rate,
            "quantity": runtime.quantity,
            "usual_quantity": runtime.usual_quantity,
            "write_key": write_key,
        }
    )
    shared = Shared()
    for scope in plan.scopes:
        Writer(source, plan, scope, shared).function()
    while shared.waiting:
        name, writer, fobj, guarded = shared.waiting.pop()
        writer.closed_function(name, fobj, guarded=guarded)
    return source


def compile_read(plan: Plan) -> Read:
    """Return the compiled reader of a plan."""
    namespace = read_source(plan).functions(f"<read {plan.document} {plan.release}>")
    root = namespace[f"read_{plan.root.number}"]

    def read(resource: Json) -> tuple[Json, list[Entry], list[Warned]]:
        state = runtime.Reading(contained_by_id(resource) if "contained" in resource else {})
        record: Json = root(resource, state)
        if "contained" in resource:
            runtime.leave_contained(resource["contained"], state)
        for entry in state.entries:
            if entry[0][0] == "/":
                entry[0] = entry[0][1:]
        return record, state.entries, state.warnings

    return read


@dataclass(slots=True)
class Shared:
    """The functions of closed objects, by what decides their source; ``waiting`` are those not written yet."""

    names: dict[tuple[Any, ...], str] = field(default_factory=dict)
    waiting: list[tuple[str, Writer, FObj, bool]] = field(default_factory=list)


class Writer:
    """Writes the source of one function: of a scope, or of a closed object at the record path ``base``."""

    def __init__(self, source: Source, plan: Plan, scope: Scope, shared: Shared, base: Path = ()) -> None:
        self.source, self.plan, self.scope, self.shared, self.base = source, plan, scope, shared, base
        self.at = _Function(scope)
        self.closed = Closed(scope)
        self.guarded = scope.guarded
        self.top = scope is plan.root

    def function(self) -> None:
        """Write the function of the scope."""
        put = self.source.put
        with self.source.block(f"def read_{self.scope.number}(f, C):"):
            put("r = {}; E = C.entries")
            self.at.top = self.source.where()
            hole = len(self.source.lines)
            contained = "resourceType" in self.scope.fobj.always and not self.top
            marks = MARKS | RESOURCE_MARKS if contained else MARKS
            self.object(self.scope.fobj, Here("f", "''", self.guarded, marks), root=True, contained=contained)
            for name, member in self.scope.iobj.members.items():
                if member.const is not None:
                    put(f"r[{name!r}] = {member.const!r}")
            self.late_checks()
            if self.scope.recoding is not None:
                put(f"R.recode(r, {self.source.name(self.scope.recoding.read, 'recoding')})")
            put("return r.get('')" if self.scope.plain else "return r")
            self.source.begin(self.at.uses)
            if self.at.flags:
                self.source.lines.insert(hole, "    late = 0")

    def closed_function(self, name: str, fobj: FObj, *, guarded: bool) -> None:
        """Write the function of a closed object: ``p`` is the path of its residue."""
        with self.source.block(f"def {name}(f, C, p):"):
            self.source.put("r = {}; E = C.entries")
            self.object(fobj, Here("f", "p", guarded))
            self.source.put("return r")
            self.source.begin(self.at.uses)

    def one_closed(self, fobj: FObj, path: Path, value: str, here: Here) -> None:
        """Write the call of a closed object's function, and the setting of what it returns."""
        put, block = self.source.put, self.source.block
        key = (shape(fobj, len(path)), here.guarded)
        name = self.shared.names.get(key)
        if name is None:
            name = self.shared.names[key] = self.source.variable("object_")
            writer = Writer(self.source, self.plan, self.scope, self.shared, path)
            self.shared.waiting.append((name, writer, fobj, here.guarded))
        made, same = self.source.local("y"), alike_below(fobj, path)
        if same:
            with block(f"if {value} and {value}.keys() <= {self.source.name(same, 'same')}:"):
                put(f"{made} = {value}.copy()")
            with block("else:"):
                put(f"{made} = {name}({value}, C, {here.prefix})")
        else:
            put(f"{made} = {name}({value}, C, {here.prefix})")
        put(f"{self.record_object(path[:-1])}[{path[-1].name!r}] = {made}")

    def late_checks(self) -> None:
        """Ask that each value was read from the place that writing would choose."""
        if self.at.flags:
            with self.source.block("if late:"):
                for number, pair in enumerate(self.at.flags):
                    with self.source.block(f"if late & {1 << number} and {self.elsewhere(pair)}:"):
                        self.source.put("raise Irregular")

    def elsewhere(self, pair: Leaf | Items) -> str:
        """Return the expression of whether writing would choose another place than that of a pair."""
        if isinstance(pair, Items) and pair.mode == "rest" and pair.owner is not None and pair.owner.only is not None:
            first = self.at.objects.get((*pair.internal[:-1], IStep(pair.internal[-1].name, "first")), "None")
            if first != "None":
                self.at.uses[first].append(self.at.top)
            held = {
                " and ".join(self.source.condition(c, "r") for c in p.conditions if c.side == "internal") or "True"
                for p in leaves_of(pair.owner.only)
            }
            return f"{first} is None and ({' or '.join(sorted(held))})"
        tests: list[str] = []
        for rival in pair.rivals:
            asked = [self.source.condition(c, "r") for c in rival.conditions if c.side == "internal"]
            holds = " and ".join(asked) or "True"
            if rival is pair:
                tests.append(f"({holds})")
                break
            tests.append(f"not ({holds})")
        return f"not ({' and '.join(tests)})"

    def object(
        self, fobj: FObj, here: Here, *, root: bool = False, contained: bool = False, sure: frozenset[str] = frozenset()
    ) -> None:
        """Write the reading of one FHIR object in the variable ``here.value``; ``sure`` is known to be as demanded."""
        put, block = self.source.put, self.source.block
        demanded = fobj.always
        for name, value in demanded.items():
            if name not in sure:
                with block(f"if {here.value}.get({name!r}) != {value!r}:"):
                    put("raise Irregular")
        known = set(fobj.members) | set(demanded) | set(fobj.drops) | ({"id"} if contained else set())
        start = len(demanded) + (1 if contained else 0)
        if len(fobj.members) == 1 and not (root or contained or fobj.drops or next(iter(fobj.members.values())).slices):
            # Nothing to count: the one member is there, or the object says nothing.
            member = next(iter(fobj.members.values()))
            with block(f"if {member.name!r} not in {here.value}:"):
                put("raise Irregular")
            self.member(member, Here(here.value, here.prefix, here.guarded, here.marks), "")
            with block(f"if len({here.value}) != {start + 1}:"):
                self.leave(here, known)
            return
        count = self.source.local("n")
        empty = self.source.local("z") if any(member.slices for member in fobj.members.values()) else ""
        put(f"{count} = {start}" + (f"; {empty} = {start}" if empty else ""))
        for name in fobj.drops:
            with block(f"if {name!r} in {here.value}:"):
                put(f"{count} += 1")
        for member in fobj.members.values():
            guarded = here.guarded or (root and self.top and member.name in self.plan.guarded)
            with block(f"if {member.name!r} in {here.value}:"):
                put(f"{count} += 1")
                self.member(member, Here(here.value, here.prefix, guarded, here.marks), empty)
        if root and self.top:
            known.add("contained")
            put(f"if 'contained' in f: {count} += 1")
            with block(f"if {count} != len(f):"):
                put(
                    f"R.leave_root(f, {self.source.name(frozenset(known), 'known')}, E, "
                    f"{self.source.name(self.plan.guarded, 'guarded')})"
                )
            return
        if not root and not contained:
            with block(f"if {count} == {empty or start}:"):
                put("raise Irregular")
        with block(f"if {count} != len({here.value}):"):
            self.leave(here, known)

    def leave(self, here: Here, known: set[str]) -> None:
        """Write that the members no pair takes become residue."""
        guard = self.source.name(here.marks, "marks") if here.guarded else "None"
        known_name = self.source.name(frozenset(known), "known")
        self.source.put(f"R.leave({here.value}, {known_name}, {here.prefix}, E, {guard})")

    def member(self, member: FMember, here: Here, empty: str) -> None:
        """Write the reading of one member, which is there."""
        held = f"{here.value}[{member.name!r}]"
        if len(member.leaves) == 1 and member.leaves[0].codec is PLAIN and not member.leaves[0].each:
            leaves(self, member, held, here)  # taken once, so it needs no variable
            return
        value = self.source.local("x")
        self.source.put(f"{value} = {held}")
        if member.slices:
            compile_arrays.sliced(self, member, value, here, empty)
        elif member.rest:
            items = member.rest[0]
            compile_arrays.read_list(self, items, value, member.name, here)
        elif member.leaves:
            leaves(self, member, value, here)
        else:
            self.nested(member, value, here)

    def inner(self, fobj: FObj, here: Here, *, sure: frozenset[str] = frozenset()) -> None:
        """Write the reading of an object inside another: by a function of its own where it is closed."""
        path = self.closed.path(fobj)
        if len(path) > len(self.base):
            self.one_closed(fobj, path, here.value, here)
        else:
            self.object(fobj, here, sure=sure)

    def nested(self, member: FMember, value: str, here: Here) -> None:
        """Write an object inlined, or a reference followed into a contained resource."""
        put, block = self.source.put, self.source.block
        inner = Here(value, self.join(here.prefix, member.name + "."), here.guarded)
        if not member.follows:
            if member.obj is not None:
                self.inner(member.obj, inner)
            return
        found = self.source.local("q")
        put(f"{found} = {value}.get('reference')")
        put(f"{found} = C.contained.get({found}[1:]) if {found} and {found}[0] == '#' else None")
        head = "if"
        for type_name, follow in member.follows.items():
            with block(f"{head} {found} is not None and {found}.get('resourceType') == {type_name!r}:"):
                if follow.owner is None:
                    put("raise Irregular")
                    continue
                path, identifier = self.source.local("p"), self.source.local("i")
                put(f"if {found}['id'] in C.used: raise Irregular")
                put(
                    f"{identifier} = {found}['id']; C.used.add({identifier}); "
                    f"{path} = '/contained[' + escape({identifier}) + '].'"
                )
                self.object(follow.obj, Here(found, path, here.guarded, MARKS | RESOURCE_MARKS), contained=True)
                owner = self.record_object(follow.owner)
                with block(f"if {identifier} != {follow.default_id!r} or not {owner}:"):
                    put(f"{owner}[{follow.key!r}] = write_key({identifier})")
                with block(f"if len({value}) != 1:"):
                    guard = self.source.name(MARKS | REFERENCE_MARKS, "marks") if here.guarded else "None"
                    put(
                        f"R.leave({value}, {self.source.name(frozenset({'reference'}), 'known')}, "
                        f"{inner.prefix}, E, {guard}, {found})"
                    )
            head = "elif"
        with block("else:"):
            if member.obj is None:
                put("raise Irregular")
            else:
                self.object(member.obj, inner)

    def set(self, leaf: Leaf, value: str) -> None:
        """Write the setting of a record field."""
        put, block = self.source.put, self.source.block
        if not leaf.internal:  # a simple value is its own scope
            put(f"r[''] = {value}")
            return
        owner = self.record_object(leaf.internal[:-1])
        last = leaf.internal[-1]
        if (len(leaf.rivals) > 1 and last.mode != "first") or last.mode == "only":
            with block(f"if {last.name!r} in {owner}:"):
                put("raise Irregular")
        self.flag(leaf)
        self.warn(leaf)
        if last.mode == "first":
            put("raise Irregular")
        put(f"{owner}[{last.name!r}] = " + (f"[{value}]" if last.mode == "only" else value))

    def warn(self, pair: Leaf | Items) -> None:
        """Tell that a pair with a warning was used."""
        if pair.warn:
            self.source.put(f"C.warnings.append({(pair.pair, pair.warn)!r})")

    def flag(self, pair: Leaf | Items) -> None:
        """Note that a value was read from one place of several."""
        if len(pair.rivals) > 1 or pair.conditions or (isinstance(pair, Items) and pair.mode == "rest"):
            self.source.put(f"late |= {1 << len(self.at.flags)}")
            self.at.flags.append(pair)

    def record_object(self, steps: tuple[IStep, ...]) -> str:
        """Write the making of a record object where it is not there yet; return its variable."""
        if steps == self.base:
            return "r"
        name = self.at.objects.get(steps)
        if name is None:
            name = self.at.objects[steps] = self.source.variable("o")
        self.at.uses.setdefault(name, []).append(self.source.where())
        with self.source.block(f"if {name} is None:"):
            parent = self.record_object(steps[:-1])
            last = steps[-1]
            if last.mode == "first":
                self.source.put(f"{name} = {{}}; {parent}.setdefault({last.name!r}, []).insert(0, {name})")
            elif last.mode == "only":
                with self.source.block(f"if {last.name!r} in {parent}:"):
                    self.source.put("raise Irregular")
                self.source.put(f"{name} = {{}}; {parent}[{last.name!r}] = [{name}]")
            else:
                self.source.put(f"{name} = {parent}[{last.name!r}] = {{}}")
        return name

    @staticmethod
    def join(prefix: str, literal: str) -> str:
        """Return the expression of a path below a prefix expression."""
        if prefix.endswith("'"):  # what ends with text is one text with what follows
            start = prefix.rindex(" + '") + 3 if " + '" in prefix else 0
            return prefix[:start] + repr(literal_eval(prefix[start:]) + literal)
        return f"{prefix} + {literal!r}"
