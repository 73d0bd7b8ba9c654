"""Compiling a plan into straight-line reading functions, one per scope.

Each function asks a FHIR object for the members that the plan knows, in the plan's order, and sets record fields. It
counts what it took: where the count differs from what is there, the rest becomes residue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.mapping import compile_arrays, runtime
from fhir_infusion.mapping.codecs import DECLINED, PLAIN, QUANTITY
from fhir_infusion.mapping.compile_arrays import MARKS, Here
from fhir_infusion.mapping.criteria import contained_by_id
from fhir_infusion.mapping.paths import IStep
from fhir_infusion.mapping.plan import FMember, FObj, Items, Leaf, Plan, Scope, alike, leaves_of
from fhir_infusion.mapping.residue import REFERENCE_MARKS, RESOURCE_MARKS, Entry, escape, write_key
from fhir_infusion.mapping.source import Source
from fhir_infusion.mapping.trace import Warned

Json = dict[str, Any]
Read = Callable[[Json], tuple[Json, list[Entry], list[Warned]]]


@dataclass(slots=True)
class _Function:
    """One function being written: the variables of its record objects, and what is asked at its end."""

    scope: Scope
    objects: dict[tuple[IStep, ...], str] = field(default_factory=dict)
    flags: dict[str, Leaf | Items] = field(default_factory=dict)


def compile_read(plan: Plan) -> Read:
    """Return the compiled reader of a plan."""
    source = Source(
        {"D": DECLINED, "R": runtime, "Irregular": runtime.Irregular, "escape": escape, "write_key": write_key}
    )
    for scope in plan.scopes:
        Writer(source, plan, scope).function()
    namespace = source.functions(f"<read {plan.document} {plan.release}>")
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


class Writer:
    """Writes the source of one scope's function."""

    def __init__(self, source: Source, plan: Plan, scope: Scope) -> None:
        self.source, self.plan, self.scope = source, plan, scope
        self.at = _Function(scope)
        self.guarded = scope.guarded
        self.top = scope is plan.root

    def function(self) -> None:
        """Write the function."""
        put = self.source.put
        same = alike(self.scope)
        with self.source.block(f"def read_{self.scope.number}(f, C):"):
            if same:
                put(f"if f.keys() <= {self.source.name(same, 'same')}: return f.copy()")
            put("r = {}")
            put("E = C.entries")
            hole = len(self.source.lines)
            contained = "resourceType" in self.scope.fobj.always and not self.top
            marks = MARKS | RESOURCE_MARKS if contained else MARKS
            self.object(self.scope.fobj, Here("f", "''", self.guarded, marks), root=True, contained=contained)
            for name, member in self.scope.iobj.members.items():
                if member.const is not None:
                    put(f"r[{name!r}] = {member.const!r}")
            self.late_checks()
            put("return r.get('')" if self.scope.plain else "return r")
            names = [*self.at.objects.values(), *self.at.flags]
            if names:
                self.source.lines.insert(hole, "    " + " = ".join(names) + " = None")

    def late_checks(self) -> None:
        """Ask that each value was read from the place that writing would choose."""
        for flag, pair in self.at.flags.items():
            if (
                isinstance(pair, Items)
                and pair.mode == "rest"
                and pair.owner is not None
                and pair.owner.only is not None
            ):
                first = self.at.objects.get((*pair.internal[:-1], IStep(pair.internal[-1].name, "first")), "None")
                held = {
                    " and ".join(self.source.condition(c, "r") for c in p.conditions if c.side == "internal") or "True"
                    for p in leaves_of(pair.owner.only)
                }
                with self.source.block(f"if {flag} and {first} is None and ({' or '.join(sorted(held))}):"):
                    self.source.put("raise Irregular")
                continue
            tests: list[str] = []
            for rival in pair.rivals:
                asked = [self.source.condition(c, "r") for c in rival.conditions if c.side == "internal"]
                holds = " and ".join(asked) or "True"
                if rival is pair:
                    tests.append(f"({holds})")
                    break
                tests.append(f"not ({holds})")
            with self.source.block(f"if {flag} and not ({' and '.join(tests)}):"):
                self.source.put("raise Irregular")

    def object(self, fobj: FObj, here: Here, *, root: bool = False, contained: bool = False) -> None:
        """Write the reading of one FHIR object in the variable ``here.value``."""
        put, block = self.source.put, self.source.block
        count, empty = self.source.variable("n"), self.source.variable("z")
        demanded = fobj.always
        for name, value in demanded.items():
            with block(f"if {here.value}.get({name!r}) != {value!r}:"):
                put("raise Irregular")
        start = len(demanded) + (1 if contained else 0)
        put(f"{count} = {start}; {empty} = {start}")
        known = set(fobj.members) | set(demanded) | set(fobj.drops) | ({"id"} if contained else set())
        for name in fobj.drops:
            with block(f"if {name!r} in {here.value}:"):
                put(f"{count} += 1")
        for member in fobj.members.values():
            guarded = here.guarded or (root and self.top and member.name in self.plan.guarded)
            value = self.source.variable("x")
            with block(f"if {member.name!r} in {here.value}:"):
                put(f"{value} = {here.value}[{member.name!r}]; {count} += 1")
                self.member(member, value, Here(here.value, here.prefix, guarded, here.marks), empty)
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
            with block(f"if {count} == {empty}:"):
                put("raise Irregular")
        guard = self.source.name(here.marks, "marks") if here.guarded else "None"
        with block(f"if {count} != len({here.value}):"):
            put(f"R.leave({here.value}, {self.source.name(frozenset(known), 'known')}, {here.prefix}, E, {guard})")

    def member(self, member: FMember, value: str, here: Here, empty: str) -> None:
        """Write the reading of one member, whose value is in the variable ``value``."""
        if member.slices:
            compile_arrays.sliced(self, member, value, here, empty)
        elif member.rest:
            items = member.rest[0]
            compile_arrays.read_list(self, items, value, member.name, here)
        elif member.leaves:
            self.leaves(member, value, here)
        else:
            self.nested(member, value, here)

    def nested(self, member: FMember, value: str, here: Here) -> None:
        """Write an object inlined, or a reference followed into a contained resource."""
        put, block = self.source.put, self.source.block
        inner = Here(value, self.join(here.prefix, member.name + "."), here.guarded)
        if not member.follows:
            if member.obj is not None:
                self.object(member.obj, inner)
            return
        found = self.source.variable("q")
        put(f"{found} = {value}.get('reference')")
        put(f"{found} = C.contained.get({found}[1:]) if {found} and {found}[0] == '#' else None")
        head = "if"
        for type_name, follow in member.follows.items():
            with block(f"{head} {found} is not None and {found}.get('resourceType') == {type_name!r}:"):
                if follow.owner is None:
                    put("raise Irregular")
                    continue
                path, identifier = self.source.variable("p"), self.source.variable("i")
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

    def leaves(self, member: FMember, value: str, here: Here) -> None:
        """Write the alternatives of a value: the first whose condition holds and whose codec takes it."""
        put, block = self.source.put, self.source.block
        single = len(member.leaves) == 1
        done = self.source.variable("ok")
        if not single:
            put(f"{done} = False")
        for leaf in member.leaves:
            tests = [self.source.condition(condition, "f") for condition in leaf.conditions if condition.side == "fhir"]
            if not single:
                tests.insert(0, f"not {done}")
            with block(f"if {' and '.join(tests) or 'True'}:"):
                result = self.decoded(leaf, value)
                with block("if True:" if result[1] else f"if {result[0]} is not D:"):
                    self.set(leaf, result[0])
                    if leaf.codec.members is not None:
                        self.quantity(leaf, member.name, value, result[0], here)
                    if not single:
                        put(f"{done} = True")
                if single and not result[1]:
                    with block("else:"):
                        put("raise Irregular")
            if single and tests:
                with block("else:"):
                    put("raise Irregular")
        if not single:
            with block(f"if not {done}:"):
                put("raise Irregular")

    def decoded(self, leaf: Leaf, value: str) -> tuple[str, bool]:
        """Write the decoding; return the variable, and whether it can never be declined."""
        put, block = self.source.put, self.source.block
        result = self.source.variable("y")
        if leaf.each:
            with block(f"if None in {value}:"):
                put("raise Irregular")
            if leaf.codec is PLAIN:
                return value, True
            read = self.source.name(leaf.codec.read, "read")
            put(f"{result} = [{read}(e) for e in {value}]")
            with block(f"if D in {result}:"):
                put(f"{result} = D")
            return result, False
        if leaf.codec is PLAIN:
            return value, True
        if leaf.codec.codes is not None:
            put(f"{result} = {self.source.name(leaf.codec.codes[1], 'codes')}.get({value}, D)")
            return result, False
        put(f"{result} = {self.source.name(leaf.codec.read, 'read')}({value})")
        return result, leaf.codec is QUANTITY or leaf.codec.name == "key"

    def quantity(self, leaf: Leaf, name: str, value: str, result: str, here: Here) -> None:
        """Write what is kept of a quantity: members besides its own, and the original of a repaired unit."""
        put, block = self.source.put, self.source.block
        known = self.source.name(leaf.codec.members, "known")
        usual = f"len({value}) == 3 and 'value' in {value} and 'system' in {value} and 'code' in {value}"
        with block(f"if not ({usual} and {result}['unit'] is {value}['code']):"):
            with block(f"if not {value}.keys() <= {known}:"):
                guard = self.source.name(MARKS, "marks") if here.guarded else "None"
                put(f"R.leave({value}, {known}, {self.join(here.prefix, name + '.')}, E, {guard})")
            with block(f"if {result}.get('unit') != {value}.get('code'):"):
                put(f"E.append([{self.join(here.prefix, name + '~')}, None, {value}])")

    def set(self, leaf: Leaf, value: str) -> None:
        """Write the setting of a record field."""
        put, block = self.source.put, self.source.block
        if not leaf.internal:
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
            flag = self.source.variable("t")
            self.at.flags[flag] = pair
            self.source.put(f"{flag} = True")

    def record_object(self, steps: tuple[IStep, ...]) -> str:
        """Write the making of a record object where it is not there yet; return its variable."""
        if not steps:
            return "r"
        name = self.at.objects.get(steps)
        if name is None:
            name = self.at.objects[steps] = self.source.variable("o")
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
        if prefix.startswith("'") and prefix.endswith("'") and " + " not in prefix:
            return repr(prefix[1:-1] + literal)
        return f"{prefix} + {literal!r}"
