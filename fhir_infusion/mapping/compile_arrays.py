"""Compiling the reading of arrays: lists element by element, and arrays of slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_infusion.mapping.criteria import classifier
from fhir_infusion.mapping.residue import REFERENCE_MARKS, escape

if TYPE_CHECKING:
    from fhir_infusion.mapping.compile_read import Writer
    from fhir_infusion.mapping.plan import FMember, Items

MARKS = frozenset({"id", "extension"})
"""What may stand below a guarded element without a pair."""


@dataclass(slots=True)
class Here:
    """Where the writer of the source stands: the FHIR object, the path of its residue, and whether it is guarded."""

    value: str
    prefix: str
    guarded: bool
    marks: frozenset[str] = MARKS


def read_list(writer: Writer, items: Items, value: str, name: str, here: Here) -> str:
    """Write the reading of a list element by element; return the variable of the record list."""
    put, block = writer.source.put, writer.source.block
    made = writer.source.variable("a")
    put(f"{made} = []")
    if items.mode == "many":
        with block(f"if len({value}) < 2:"):
            put("raise Irregular")
    with block(f"for e in {value}:"):
        put("m = len(E)")
        if items.follow:
            followed_item(writer, items, made, name, here)
        else:
            put(f"i = read_{items.scope.number}(e, C)")
            with block("if len(E) != m:"):
                known = f"{made}, {items.fhir[-1].token!r}" if items.scope.plain else repr(items.scope.key)
                named = "named" if items.scope.plain else "keyed"
                put(f"R.{named}(i, {known}, C, m, {writer.join(here.prefix, name)})")
            put(f"{made}.append(i)")
    owner = writer.record_object(items.internal[:-1])
    last = items.internal[-1].name
    writer.flag(items)
    writer.warn(items)
    if items.mode == "rest":
        put(f"{owner}.setdefault({last!r}, []).extend({made})")
    else:
        with block(f"if {last!r} in {owner}:"):
            put("raise Irregular")
        put(f"{owner}[{last!r}] = {made}")
    return made


def followed_item(writer: Writer, items: Items, made: str, name: str, here: Here) -> None:
    """Write one element that is a reference to a contained resource."""
    put, block = writer.source.put, writer.source.block
    stem = items.internal[-1].name.replace("_", "-") + "-"
    put("q = C.contained[e['reference'][1:]]; k = q['id']; C.used.add(k)")
    put(f"i = read_{items.scope.number}(q, C)")
    put("R.below(E, m, '/contained[' + escape(k) + '].')")
    with block(f"if k != {stem!r} + str(len({made}) + 1) or not i:"):
        put(f"i[{items.scope.key!r}] = write_key(k)")
    with block("if len(e) != 1:"):
        known = writer.source.name(frozenset({"reference"}), "known")
        guard = writer.source.name(MARKS | REFERENCE_MARKS, "marks") if here.guarded else "None"
        put(f"R.leave(e, {known}, {writer.join(here.prefix, name + '[')} + escape(write_key(k)) + '].', E, {guard}, q)")
    put(f"{made}.append(i)")


def sliced(writer: Writer, member: FMember, value: str, here: Here, empty: str) -> None:
    """Write the reading of an array of slices."""
    put, block = writer.source.put, writer.source.block
    parts, chosen, groups = (writer.source.variable(stem) for stem in "wcg")
    classified(writer, member, value, parts, chosen)
    with block(f"if not {parts}:"):
        if here.guarded and member.name != "extension":
            put("raise Irregular")
        put(f"E.append([{writer.join(here.prefix, member.name)}, None, {value}]); {empty} += 1")
    with block("else:"):
        put(f"{groups} = {{}}")
        for number, part in enumerate(member.slices):
            if part.obj is not None:
                one = writer.source.variable("e")
                put(f"{one} = {parts}.get({number})")
                with block(f"if {one} is not None:"):
                    put(f"{one} = {one}[0]; {groups}[{number}] = {part.step.token!r}")
                    writer.object(
                        part.obj,
                        Here(one, writer.join(here.prefix, f"{member.name}[{escape(part.step.token)}]."), here.guarded),
                    )
            elif part.items is not None:
                group(writer, part.items, number, parts, groups, member.name, here)
        for items in member.rest:
            group(writer, items, len(member.slices), parts, groups, member.name, here)
        with block(f"if {chosen} is not None:"):
            put(f"R.order({member.name!r}, {here.prefix}, {value}, {chosen}, {groups}, C, guarded={here.guarded})")


def group(writer: Writer, items: Items, number: int, parts: str, groups: str, name: str, here: Here) -> None:
    """Write the reading of the elements of a list slice."""
    several = writer.source.variable("e")
    writer.source.put(f"{several} = {parts}.get({number})")
    with writer.source.block(f"if {several} is not None:"):
        made = read_list(writer, items, several, name, here)
        key = "" if items.scope.plain else items.scope.key
        writer.source.put(f"{groups}[{number}] = ({made}, {key!r}, {items.fhir[-1].token!r})")


def classified(writer: Writer, member: FMember, value: str, parts: str, chosen: str) -> None:
    """Write the sorting of elements into slices: ``parts`` by number, ``chosen`` where order or residue matters."""
    put, block = writer.source.put, writer.source.block
    simple = all(
        len(s.step.criteria) == 1 and s.step.criteria[0].test == "=" and len(s.step.criteria[0].path) == 1
        for s in member.slices
    )
    names = {s.step.criteria[0].path for s in member.slices}
    values = [s.step.criteria[0].value for s in member.slices]
    put(f"{parts} = {{}}; {chosen} = None; last = 0")
    if not simple or len(names) != 1 or len(set(values)) != len(values) or member.rest:
        put(f"{chosen} = {writer.source.name(classifier(member), 'classify')}({value}, C.contained)")
        with block(f"for e, k in zip({value}, {chosen}):"):
            with block("if k < last:"):
                put("last = 1000")
            with block("else:"):
                put("last = k")
            with block("if k >= 0:"):
                put(f"{parts}.setdefault(k, []).append(e)")
        put(f"if last != 1000: {chosen} = None")
        return
    numbers = writer.source.name({v: n for n, v in enumerate(values)}, "slices")
    singles = writer.source.name(frozenset(n for n, s in enumerate(member.slices) if s.obj is not None), "singles")
    all_chosen = writer.source.variable("c")
    put(f"{all_chosen} = []")
    with block(f"for e in {value}:"):
        put(f"k = {numbers}.get(e.get({names.pop()[0]!r}), -1)")
        with block(f"if k in {parts}:"):
            with block(f"if k in {singles}:"):
                put("k = -1")
            with block("else:"):
                put(f"{parts}[k].append(e)")
        with block("elif k >= 0:"):
            put(f"{parts}[k] = [e]")
        put(f"{all_chosen}.append(k)")
        with block("if k < last:"):
            put(f"{chosen} = {all_chosen}")
        put("last = k")
