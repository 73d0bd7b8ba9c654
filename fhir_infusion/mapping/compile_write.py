"""Compiling a plan into straight-line writing functions, one per scope.

Each function asks a record object for the fields that the plan knows and sets FHIR elements. It counts what it took:
where the count differs from what is there, the interpreter says which field is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fhir_infusion.mapping import runtime
from fhir_infusion.mapping.codecs import DECLINED, KEY, PLAIN, SHARED, SKIPPED
from fhir_infusion.mapping.criteria import classifier
from fhir_infusion.mapping.paths import FStep
from fhir_infusion.mapping.plan import FMember, FObj, IMember, IObj, Items, Leaf, Plan, Scope, alike, leaves_of
from fhir_infusion.mapping.putback import Assembly
from fhir_infusion.mapping.residue import read_key
from fhir_infusion.mapping.source import Source
from fhir_infusion.mapping.trace import Line, Warned

Json = dict[str, Any]
Write = Callable[[Json], tuple[Json, list[Line], list[Warned]]]


@dataclass(slots=True)
class _Array:
    """An array that is put together at the end of the function."""

    holder: str
    member: FMember
    singles: dict[int, tuple[str, str]] = field(default_factory=dict)
    lists: dict[int, tuple[str, str, str]] = field(default_factory=dict)


def compile_write(plan: Plan) -> Write:
    """Return the compiled writer of a plan."""
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
    for scope in plan.scopes:
        _Writer(source, plan, scope).function()
    namespace = source.functions(f"<write {plan.document} {plan.release}>")
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


class _Writer:
    """Writes the source of one scope's function."""

    def __init__(self, source: Source, plan: Plan, scope: Scope) -> None:
        self.source, self.plan, self.scope = source, plan, scope
        self.holders: dict[tuple[FStep, ...], str] = {}
        self.lists: list[str] = []
        self.arrays: dict[tuple[tuple[FStep, ...], str], _Array] = {}

    def function(self) -> None:
        """Write the function."""
        put, block = self.source.put, self.source.block
        top = self.scope is self.plan.root
        same = alike(self.scope)
        with block(f"def write_{self.scope.number}(r, W):"):
            if same:
                put(f"if r.keys() <= {self.source.name(same, 'same')}: return r.copy()")
            put(f"f = {self.constants(self.scope.fobj.always)}")
            hole = len(self.source.lines)
            if self.scope.plain:
                self.leaf(self.scope.iobj.members[""].leaves, "r")
            else:
                skip = 1 if self.scope.key and self.scope.key not in self.scope.iobj.members else 0
                self.object(self.scope.iobj, "r", ["residue"] if top else [self.scope.key] if skip else [])
            # Inner arrays first: an outer one may ask what its elements hold.
            for _, array in sorted(self.arrays.items(), key=lambda pair: -len(pair[0][0])):
                self.assembled(array)
            put("return f")
            names = [*self.holders.values(), *self.lists]
            if names:
                self.source.lines.insert(hole, "    " + " = ".join(names) + " = None")

    @staticmethod
    def constants(always: Json) -> str:
        """Return the expression of a new FHIR object."""
        return "{" + ", ".join(f"{name!r}: {value!r}" for name, value in always.items()) + "}"

    def object(self, iobj: IObj, value: str, skip: list[str]) -> None:
        """Write the fields of one record object in the variable ``value``."""
        put, block = self.source.put, self.source.block
        count = self.source.variable("n")
        put(f"{count} = 0")
        for name in skip:
            put(f"if {name!r} in {value}: {count} += 1")
        for name, member in sorted(iobj.members.items(), key=lambda pair: pair[1].follow is None):
            if name in skip:
                continue
            inner = self.source.variable("x")
            with block(f"if {name!r} in {value}:"):
                put(f"{inner} = {value}[{name!r}]; {count} += 1")
                self.member(member, inner)
        with block(f"if {count} != len({value}):"):
            put("raise Irregular")

    def member(self, member: IMember, value: str) -> None:
        """Write one record field, whose value is in the variable ``value``."""
        put, block = self.source.put, self.source.block
        if member.const is not None:
            with block(f"if {value} != {member.const!r}:"):
                put("raise Irregular")
        elif member.drop:
            put("raise Irregular")
        elif member.only is not None:
            one = self.source.variable("x")
            tests = [] if member.first else [f"len({value}) == 1"]
            if member.first or any(items.mode != "many" for items in member.items):
                places = {self.conditions(leaf) for leaf in leaves_of(member.only)}
                tests.append("(" + " or ".join(sorted(places)) + ")")
            with block(f"if {' and '.join(tests)}:"):
                put(f"{one} = {value}[0]")
                self.member(member.only, one)
                if member.first:
                    put(f"{value} = {value}[1:]")
            with block(f"if {value}:" if member.first else "else:"):
                self.items(member.items, value)
        elif member.items:
            self.items(member.items, value)
        elif member.obj is not None:
            if member.follow is not None:
                self.follow(member, value)
            skip = [member.follow[1].key] if member.follow is not None else []
            self.object(member.obj, value, skip)
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
        key = self.source.variable("k")
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
        done = self.source.variable("ok")
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
        result = self.source.variable("y")
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
        holder = self.holder(leaf.fhir[:-1])
        name = leaf.fhir[-1].name
        if len(self.fmember(leaf.fhir).leaves) > 1:
            with self.source.block(f"if {name!r} in {holder}:"):
                self.source.put("raise Irregular")
        self.source.put(f"{holder}[{name!r}] = {value}")
        self.warn(leaf)

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
        if not steps:
            return "f"
        name = self.holders.setdefault(steps, "")
        if not name:
            name = self.holders[steps] = self.source.variable("h")
        put = self.source.put
        with self.source.block(f"if {name} is None:"):
            parent = self.holder(steps[:-1])
            step = steps[-1]
            if step.follow:
                put("raise Irregular")
            elif step.criteria:
                member = self.fmember((*steps[:-1], FStep(step.name)))
                number = next(
                    n
                    for n, part in enumerate(member.slices)
                    if part.obj is not None and part.step.criteria == step.criteria
                )
                part = member.slices[number]
                put(f"{name} = {self.constants(self.fobj(steps).always)}")
                for path, value in part.constants:
                    if len(path) > 1:
                        put(f"set_deep({name}, {path!r}, {value!r})")
                self.array(steps[:-1], member).singles[number] = (name, part.step.token)
            else:
                put(f"{name} = {parent}[{step.name!r}] = {self.constants(self.fobj(steps).always)}")
        return name

    def array(self, steps: tuple[FStep, ...], member: FMember) -> _Array:
        """Return the array of a holder that is put together at the end."""
        holder = self.holders[steps] if steps else "f"
        return self.arrays.setdefault((steps, member.name), _Array(holder, member))

    def items(self, lists: list[Items], value: str) -> None:
        """Write the alternatives of a list."""
        block = self.source.block
        head = "if"
        for items in lists:
            tests = [self.conditions(items)]
            if items.mode == "many":
                tests.append(f"len({value}) > 1")
            with block(f"{head} {' and '.join(tests)}:"):
                self.list(items, value)
            head = "elif"
        with block("else:"):
            self.source.put("raise Irregular")

    def list(self, items: Items, value: str) -> None:
        """Write a list element by element."""
        put, block = self.source.put, self.source.block
        elements, source = self.source.variable("a"), self.source.variable("i")
        self.lists += [elements, source]
        member = items.member
        if member is None:
            return
        self.holder(items.fhir[:-1])
        self.warn(items)
        key = items.scope.key if not items.scope.plain else ""
        if items.follow:
            stem = items.internal[-1].name.replace("_", "-") + "-"
            put(f"{elements} = []")
            with block(f"for p, e in enumerate({value}):"):
                put(f"k = e.get({key!r}); k = (k and read_key(k)) or {stem!r} + str(p + 1)")
                put(
                    f"q = write_{items.scope.number}(e, W); q['id'] = k; W.contain(q); "
                    f"{elements}.append({{'reference': '#' + k}})"
                )
            put(f"{source} = R.followed_tokens({value}, {elements}, {key!r}) if W.keep else {value}")
        else:
            put(f"{elements} = [write_{items.scope.number}(e, W) for e in {value}]; {source} = {value}")
        number = len(member.slices)
        if items.fhir[-1].criteria:
            number = next(n for n, part in enumerate(member.slices) if part.items is items)
            for path, constant in member.slices[number].constants if not items.follow else ():
                if len(path) > 1:
                    put(f"for e in {elements}: set_deep(e, {path!r}, {constant!r})")
        array = self.array(items.fhir[:-1], member)
        if number in array.lists:
            put(f"{array.lists[number][1]}, {array.lists[number][0]} = {elements}, {source}")
        else:
            array.lists[number] = (source, elements, key)

    def assembled(self, array: _Array) -> None:
        """Write the putting together of an array."""
        put, block = self.source.put, self.source.block
        present = [name for name, _ in array.singles.values()] + [elements for _, elements, _ in array.lists.values()]
        name = array.member.name
        with block(f"if {' or '.join(f'{one} is not None' for one in present)}:"):
            with block("if W.keep:"):
                singles = "".join(
                    f"({number}, {token!r}, {one})," for number, (one, token) in sorted(array.singles.items())
                )
                lists = "".join(
                    f"({number}, {items}, {elements}, {key!r}),"
                    for number, (items, elements, key) in sorted(array.lists.items())
                )
                put(
                    f"R.put_lists(W.assembly, {array.holder}, {name!r}, {self.source.name(array.member, 'member')}, "
                    f"({singles}), ({lists}))"
                )
            with block("else:"):
                if not array.singles and len(present) == 1 and not array.member.slices:
                    put(f"{array.holder}[{name!r}] = {present[0]}")
                    return
                put("z = []")
                checked = bool(array.member.rest) or any(
                    c.test != "=" for part in array.member.slices for c in part.step.criteria
                )
                if checked:
                    put("g = []")
                for number in sorted({*array.singles, *array.lists}):
                    if number in array.singles:
                        one = array.singles[number][0]
                        put(f"if {one} is not None: z.append({one})" + (f"; g.append({number})" if checked else ""))
                    else:
                        elements = array.lists[number][1]
                        put(
                            f"if {elements} is not None: z += {elements}"
                            + (f"; g += [{number}] * len({elements})" if checked else "")
                        )
                put(f"{array.holder}[{name!r}] = z")
                if checked:
                    with block(f"if {self.source.name(classifier(array.member), 'classify')}(z, W.contained) != g:"):
                        put("raise Irregular")
