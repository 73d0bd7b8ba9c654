"""Compiling a plan into straight-line writing functions, one per scope and one per kind of closed object.

Each function asks a record object for the fields that the plan knows and sets FHIR elements. It counts what it took:
where the count differs from what is there, the interpreter says which field is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.mapping import runtime
from fhir_infusion.mapping.closed import Closed, Path, alike_below, common, fixed_below, shape
from fhir_infusion.mapping.codecs import DECLINED, KEY, PLAIN, SHARED, SKIPPED
from fhir_infusion.mapping.compile_lists import Array, assembled, write_items
from fhir_infusion.mapping.paths import FStep, IStep
from fhir_infusion.mapping.plan import FMember, FObj, IMember, IObj, Items, Leaf, Plan, Scope, Slice, leaves_of
from fhir_infusion.mapping.putback import Assembly
from fhir_infusion.mapping.residue import read_key
from fhir_infusion.mapping.source import Source
from fhir_infusion.mapping.trace import Line, Warned

Json = dict[str, Any]
Write = Callable[[Json], tuple[Json, list[Line], list[Warned]]]


@dataclass(slots=True)
class _Shared:
    """The functions of closed objects, by what decides their source; ``waiting`` are those not written yet."""

    names: dict[tuple[Any, ...], str] = field(default_factory=dict)
    waiting: list[tuple[str, Writer, IObj, Path]] = field(default_factory=list)


def write_source(plan: Plan) -> Source:
    """Return the source of a plan's writing functions."""
    source = Source(
        {
            "D": DECLINED,
            "S": SKIPPED,
            "R": runtime,
            "Irregular": runtime.Irregular,
            "read_key": read_key,
            "set_deep": runtime.set_deep,
        }
    )
    shared = _Shared()
    for scope in plan.scopes:
        Writer(source, plan, scope, shared).function()
    while shared.waiting:
        name, writer, iobj, at = shared.waiting.pop()
        writer.closed_function(name, iobj, at)
    return source


def compile_write(plan: Plan) -> Write:
    """Return the compiled writer of a plan."""
    namespace = write_source(plan).functions(f"<write {plan.document} {plan.release}>")
    root = namespace[f"write_{plan.root.number}"]

    def write(record: Json) -> tuple[Json, list[Line], list[Warned]]:
        residue = record.get("residue", ())
        deep = runtime.has_deep_residue(residue)
        state = runtime.Writing(Assembly(plan) if deep else None)
        resource: Json = root(record, state)
        if state.assembly is not None:
            return resource, state.assembly.finish(resource, residue, runtime.irregular), state.warnings
        if state.contained:
            resource["contained"] = [item for _, item in sorted(state.contained.items())]
        return resource, Assembly(plan).finish(resource, residue, runtime.irregular) if residue else [], state.warnings

    return write


class Writer:
    """Writes the source of one function: of a scope, or of a closed object at the FHIR path ``base``."""

    def __init__(self, source: Source, plan: Plan, scope: Scope, shared: _Shared, base: tuple[FStep, ...] = ()) -> None:
        self.source, self.plan, self.scope, self.shared, self.base = source, plan, scope, shared, base
        self.closed = Closed(scope)
        self.holders: dict[tuple[FStep, ...], str] = {}
        self.uses: dict[str, list[tuple[int, ...]]] = {}
        self.arrays: dict[tuple[tuple[FStep, ...], str], Array] = {}

    def function(self) -> None:
        """Write the function of the scope."""
        put, block = self.source.put, self.source.block
        top = self.scope is self.plan.root
        with block(f"def write_{self.scope.number}(r, W):"):
            if self.scope.recoding is not None:
                put(f"r = r.copy(); R.recode(r, {self.source.name(self.scope.recoding.write, 'recoding')})")
            put(f"f = {self.constants(self.scope.fobj.always)}")
            if self.scope.plain:
                self.leaf(self.scope.iobj.members[""].leaves, "r")
            else:
                skip = 1 if self.scope.key and self.scope.key not in self.scope.iobj.members else 0
                self.object(self.scope.iobj, "r", ["residue"] if top else [self.scope.key] if skip else [], ())
            self.assemble()
            put("return f")
            self.source.begin(self.uses)

    def closed_function(self, name: str, iobj: IObj, at: Path) -> None:
        """Write the function of a closed object; one that comes to nothing is left to the interpreter."""
        put, block = self.source.put, self.source.block
        with block(f"def {name}(r, W):"):
            always = self.fobj(self.base).always
            put(f"f = {self.constants(always)}")
            for path, value in self.deep(self.base):
                put(f"set_deep(f, {path!r}, {value!r})")
            self.object(iobj, "r", [], at)
            self.assemble()
            with block(f"if len(f) == {len(always)}:"):
                put("raise Irregular")
            put("return f")
            self.source.begin(self.uses)

    def assemble(self) -> None:
        """Write the putting together of arrays, inner ones first: an outer one may ask what its elements hold."""
        for _, array in sorted(self.arrays.items(), key=lambda pair: -len(pair[0][0])):
            for name in array.names:
                self.note(name)
            assembled(self, array)

    def note(self, name: str) -> None:
        """Note a use of a variable that is ``None`` until it is set."""
        self.uses.setdefault(name, []).append(self.source.where())

    def one_closed(self, iobj: IObj, path: tuple[FStep, ...], at: Path, value: str) -> None:
        """Write the call of a closed object's function, and the setting of what it returns."""
        put, block = self.source.put, self.source.block
        fobj, step, deep = self.fobj(path), path[-1], self.deep(path)
        key = (shape(fobj, len(at)), tuple(iobj.members), deep)
        function = self.shared.names.get(key)
        if function is None:
            function = self.shared.names[key] = self.source.variable("object_")
            writer = Writer(self.source, self.plan, self.scope, self.shared, path)
            self.shared.waiting.append((function, writer, iobj, at))
        made, same = self.source.local("y"), alike_below(fobj, at)
        if same:
            with block(f"if {value} and {value}.keys() <= {self.source.name(same, 'same')}:"):
                put(f"{made} = {value}.copy()")
            with block("else:"):
                put(f"{made} = {function}({value}, W)")
        else:
            put(f"{made} = {function}({value}, W)")
        parent = self.holder(path[:-1])
        if step.criteria:
            name = self.holders[path] = self.source.variable("h")
            put(f"{name} = {made}")
            self.sliced(path, name)
        else:
            put(f"{parent}[{step.name!r}] = {made}")

    def deep(self, steps: tuple[FStep, ...]) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Return the constants with a longer path that an element of a slice has."""
        if not steps[-1].criteria:
            return ()
        return tuple((path, value) for path, value in self.slice(steps)[1].constants if len(path) > 1)

    def slice(self, steps: tuple[FStep, ...]) -> tuple[int, Slice]:
        """Return the number and the slice of the element at the end of the steps."""
        member = self.fmember((*steps[:-1], FStep(steps[-1].name)))
        return next(
            (number, part)
            for number, part in enumerate(member.slices)
            if part.obj is not None and part.step.criteria == steps[-1].criteria
        )

    def sliced(self, steps: tuple[FStep, ...], name: str) -> None:
        """Note that a variable holds the one element of a slice."""
        number, part = self.slice(steps)
        member = self.fmember((*steps[:-1], FStep(steps[-1].name)))
        self.array(steps[:-1], member).singles[number] = (name, part.step.token)

    @staticmethod
    def constants(always: Json, value: str = "") -> str:
        """Return the expression of a new FHIR object; ``...`` stands for a value that is computed."""
        return "{" + ", ".join(f"{name!r}: {value if one is ... else repr(one)}" for name, one in always.items()) + "}"

    def inner(self, member: IMember, value: str, at: Path) -> None:
        """Write a record object inside another: by a function of its own where it is closed."""
        if member.obj is None:
            return
        if member.follow is None and not fixed_below(member.obj):
            path = common([pair.fhir[:-1] for pair in leaves_of(member)])
            if len(path) > len(self.base) and not path[-1].follow and self.closed.path(self.fobj(path)) == at:
                self.one_closed(member.obj, path, at, value)
                return
        skip = [member.follow[1].key] if member.follow is not None else []
        self.object(member.obj, value, skip, at)

    def object(self, iobj: IObj, value: str, skip: list[str], at: Path) -> None:
        """Write the fields of one record object in the variable ``value``."""
        put, block = self.source.put, self.source.block
        count = self.source.local("n")
        put(f"{count} = 0")
        for name in skip:
            put(f"if {name!r} in {value}: {count} += 1")
        for name, member in sorted(iobj.members.items(), key=lambda pair: pair[1].follow is None):
            if name in skip:
                continue
            inner = self.source.local("x")
            with block(f"if {name!r} in {value}:"):
                put(f"{inner} = {value}[{name!r}]; {count} += 1")
                self.member(member, inner, (*at, IStep(name)))
        with block(f"if {count} != len({value}):"):
            put("raise Irregular")

    def member(self, member: IMember, value: str, at: Path) -> None:
        """Write one record field, whose value is in the variable ``value``."""
        put, block = self.source.put, self.source.block
        if member.const is not None:
            with block(f"if {value} != {member.const!r}:"):
                put("raise Irregular")
        elif member.drop:
            put("raise Irregular")
        elif member.only is not None:
            one = self.source.local("x")
            tests = [] if member.first else [f"len({value}) == 1"]
            if member.first or any(items.mode != "many" for items in member.items):
                places = {self.conditions(leaf) for leaf in leaves_of(member.only)}
                tests.append("(" + " or ".join(sorted(places)) + ")")
            with block(f"if {' and '.join(tests)}:"):
                put(f"{one} = {value}[0]")
                self.member(member.only, one, at)
                if member.first:
                    put(f"{value} = {value}[1:]")
            with block(f"if {value}:" if member.first else "else:"):
                write_items(self, member.items, value)
        elif member.items:
            write_items(self, member.items, value)
        elif member.obj is not None:
            if member.follow is not None:
                self.follow(member, value)
            self.inner(member, value, at)
        else:
            self.leaf(member.leaves, value)

    def follow(self, member: IMember, value: str) -> None:
        """Write the contained resource that a record object becomes, and the reference to it."""
        if member.follow is None:
            return
        put = self.source.put
        steps, follow = member.follow
        holder = self.holder(steps[:-1])
        name = self.holders.setdefault(steps, self.source.variable("h"))
        self.note(name)
        key = self.source.local("k")
        put(f"{key} = {value}.get({follow.key!r})")
        put(f"{key} = ({key} and read_key({key})) or {follow.default_id!r}")
        put(
            f"{name} = {self.constants(follow.obj.always)}; {name}['id'] = {key}; "
            f"{holder}[{steps[-1].name!r}] = {{'reference': '#' + {key}}}; W.contain({name})"
        )

    def conditions(self, pair: Leaf | Items) -> str:
        """Return the expression of the internal conditions of a place."""
        return " and ".join(self.source.condition(c, "r") for c in pair.conditions if c.side == "internal") or "True"

    def leaf(self, leaves: list[Leaf], value: str) -> None:
        """Write the alternatives of a value: the first whose condition holds and whose codec takes it."""
        put, block = self.source.put, self.source.block
        if len(leaves) == 1 and self.conditions(leaves[0]) == "True":
            self.place(leaves[0], value, None)
            return
        done = self.source.local("ok")
        put(f"{done} = False")
        for leaf in leaves:
            with block(f"if not {done} and {self.conditions(leaf)}:"):
                self.place(leaf, value, done)
        with block(f"if not {done}:"):
            put("raise Irregular")

    def place(self, leaf: Leaf, value: str, done: str | None) -> None:
        """Write the encoding of a value and its setting; ``done`` is the flag of alternatives."""
        put, block = self.source.put, self.source.block
        sure = leaf.codec is PLAIN or leaf.codec.name == "quantity"
        if leaf.codec.shared:
            shared = self.source.name(leaf.codec.shared, "shared")
            told = f"{shared}.intersection({value})" if leaf.each else f"{value} in {shared}"
            put(f"if {told}: W.warnings.append({(leaf.pair, SHARED)!r})")
        result = self.encoded(leaf, value)
        if leaf.each and not sure:
            with block(f"if D in {result}:"):
                put(f"{result} = D")
        if leaf.codec is KEY:
            with block(f"if {result} is not S:"):
                self.set(leaf, result)
            if done:
                put(f"{done} = True")
        elif sure:
            self.set(leaf, result)
            if done:
                put(f"{done} = True")
        else:
            with block(f"if {result} is not D:"):
                self.set(leaf, result)
                if done:
                    put(f"{done} = True")
            if not done:
                with block("else:"):
                    put("raise Irregular")

    def encoded(self, leaf: Leaf, value: str) -> str:
        """Write the encoding of a value, or of each value of a list; return the variable that holds it."""
        if leaf.codec is PLAIN:
            return value
        result = self.source.local("y")
        write = self.source.name(leaf.codec.write, "write")
        one = f"{write}({{}})"
        if leaf.codec.codes is not None:
            one = f"{self.source.name(leaf.codec.codes[0], 'codes')}.get({{}}, D)"
        elif leaf.codec is KEY:
            one = f"{write}({{0}}) if {{0}}[:1] == '~' else {{0}}"
        made = f"[{one.format('e')} for e in {value}]" if leaf.each else one.format(value)
        self.source.put(f"{result} = {made}")
        return result

    def set(self, leaf: Leaf, value: str) -> None:
        """Write the setting of a FHIR element."""
        steps, name = leaf.fhir[:-1], leaf.fhir[-1].name
        if steps != self.base and self.is_alone(steps) and not self.deep(steps):
            # The only value of its slice: made in one go.
            variable = self.holders[steps] = self.source.variable("h")
            self.note(variable)
            self.holder(steps[:-1])
            self.source.put(f"{variable} = {self.constants({**self.fobj(steps).always, name: Ellipsis}, value)}")
            self.sliced(steps, variable)
            self.warn(leaf)
            return
        holder = self.holder(steps)
        if len(self.fmember(leaf.fhir).leaves) > 1:
            with self.source.block(f"if {name!r} in {holder}:"):
                self.source.put("raise Irregular")
        self.source.put(f"{holder}[{name!r}] = {value}")
        self.warn(leaf)

    def is_alone(self, steps: tuple[FStep, ...]) -> bool:
        """Whether the object at the end of the steps is an element of a slice that holds one value."""
        if not steps or not steps[-1].criteria:
            return False
        members = list(self.fobj(steps).members.values())
        return len(members) == 1 and len(members[0].leaves) == 1

    def warn(self, pair: Leaf | Items) -> None:
        """Tell that a pair with a warning was used."""
        if pair.warn:
            self.source.put(f"W.warnings.append({(pair.pair, pair.warn)!r})")

    def fmember(self, steps: tuple[FStep, ...]) -> FMember:
        """Return the plan's member at the end of the steps."""
        return self.fobj(steps[:-1]).members[steps[-1].name]

    def fobj(self, steps: tuple[FStep, ...]) -> FObj:
        """Return the plan's object at the end of the steps."""
        fobj = self.scope.fobj
        for step in steps:
            member = fobj.members[step.name]
            if step.follow:
                fobj = member.follows[step.follow].obj
            elif step.criteria:
                fobj = next(
                    part.obj for part in member.slices if part.obj is not None and part.step.criteria == step.criteria
                )
            elif member.obj is not None:
                fobj = member.obj
            else:
                fobj = FObj(member.type)
        return fobj

    def holder(self, steps: tuple[FStep, ...]) -> str:
        """Write the making of a FHIR object where it is not there yet; return its variable."""
        if steps == self.base:
            return "f"
        name = self.holders.get(steps)
        if name is None:
            name = self.holders[steps] = self.source.variable("h")
        self.note(name)
        put = self.source.put
        with self.source.block(f"if {name} is None:"):
            parent = self.holder(steps[:-1])
            step = steps[-1]
            if step.follow:
                put("raise Irregular")
            elif step.criteria:
                put(f"{name} = {self.constants(self.fobj(steps).always)}")
                for path, value in self.deep(steps):
                    put(f"set_deep({name}, {path!r}, {value!r})")
                self.sliced(steps, name)
            else:
                put(f"{name} = {parent}[{step.name!r}] = {self.constants(self.fobj(steps).always)}")
        return name

    def array(self, steps: tuple[FStep, ...], member: FMember) -> Array:
        """Return the array of a holder that is put together at the end."""
        holder = "f" if steps == self.base else self.holders[steps]
        return self.arrays.setdefault((steps, member.name), Array(holder, member))
