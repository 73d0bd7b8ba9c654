"""Compiling the reading of arrays: lists element by element, and arrays of slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_infusion.mapping.closed import simple
from fhir_infusion.mapping.criteria import classifier, look_up
from fhir_infusion.mapping.plan import alike
from fhir_infusion.mapping.residue import REFERENCE_MARKS
from fhir_infusion.records.residue_rules import escape

if TYPE_CHECKING:
    from fhir_infusion.mapping.compile_read import Writer
    from fhir_infusion.mapping.plan import FMember, Items, Slice

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
    if items.mode == "many":
        with block(f"if len({value}) < 2:"):
            put("raise Irregular")
    put(f"{made} = []")
    with block(f"for e in {value}:"):
        if items.follow:
            put("m = len(E)")
            followed_item(writer, items, made, name, here)
        else:
            one_item(writer, items, made, name, here)
    owner = writer.record_object(items.internal[:-1])
    last = items.internal[-1].name
    writer.flag(items)
    writer.warn(items)
    if items.mode == "rest":
        put(f"{owner}.setdefault({last!r}, []).extend({made})")
    else:
        if not simple(items):
            with block(f"if {last!r} in {owner}:"):
                put("raise Irregular")
        put(f"{owner}[{last!r}] = {made}")
    return made


def one_item(writer: Writer, items: Items, made: str, name: str, here: Here) -> None:
    """Write one element, named where it left residue. One that is the same on both sides is copied."""
    put, block = writer.source.put, writer.source.block
    same = alike(items.scope)
    if same:
        with block(f"if e.keys() <= {writer.source.name(same, 'same')}:"):
            put(f"{made}.append(e.copy())")
            put("continue")
    put(f"m = len(E); i = read_{items.scope.number}(e, C)")
    with block("if len(E) != m:"):
        known = f"{made}, {items.fhir[-1].token!r}" if items.scope.plain else repr(items.scope.key)
        named = "named" if items.scope.plain else "keyed"
        put(f"R.{named}(i, {known}, C, m, {writer.join(here.prefix, name)})")
    put(f"{made}.append(i)")


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
    parts, chosen = writer.source.local("w"), writer.source.local("c")
    classified(writer, member, value, parts, chosen)
    with block(f"if not {parts}:"):
        if here.guarded and member.name != "extension":
            put("raise Irregular")
        put(f"E.append([{writer.join(here.prefix, member.name)}, None, {value}]); {empty} += 1")
    with block("else:"):
        groups: list[tuple[int, str]] = []
        for number, part in enumerate(member.slices):
            with block(f"if {number} in {parts}:"):
                if part.obj is not None:
                    one = writer.source.local("e")
                    put(f"{one} = {parts}[{number}]")
                    place = writer.join(here.prefix, f"{member.name}[{escape(part.step.token)}].")
                    writer.inner(part.obj, Here(one, place, here.guarded), sure=_sure(part))
                    groups.append((number, repr(part.step.token)))
                elif part.items is not None:
                    groups.append((number, group(writer, part.items, number, parts, member.name, here)))
        for items in member.rest:
            number = len(member.slices)
            with block(f"if {number} in {parts}:"):
                groups.append((number, group(writer, items, number, parts, member.name, here)))
        with block(f"if {chosen} is not None:"):
            put("g = {}")
            for number, told in groups:
                put(f"if {number} in {parts}: g[{number}] = {told}")
            put(f"R.order({member.name!r}, {here.prefix}, {value}, {chosen}, g, C, guarded={here.guarded})")


def _sure(part: Slice) -> frozenset[str]:
    """Return the members that an element of the slice has as demanded, or it would not have been chosen."""
    criteria = part.step.criteria
    if any(c.test == "->" for c in criteria):  # the others are then asked of what is referred to
        return frozenset()
    return frozenset(c.path[0] for c in criteria if c.test == "=" and len(c.path) == 1)


def group(writer: Writer, items: Items, number: int, parts: str, name: str, here: Here) -> str:
    """Write the reading of the elements of a list slice; return how their order is told."""
    made = read_list(writer, items, f"{parts}[{number}]", name, here)
    if items.follow:  # the id of the contained resource, whether the record says it or not
        return f"[write_key(e['reference'][1:]) for e in {parts}[{number}]]"
    key = "" if items.scope.plain else items.scope.key
    return f"({made}, {key!r}, {items.fhir[-1].token!r})"


def classified(writer: Writer, member: FMember, value: str, parts: str, chosen: str) -> None:
    """Write the sorting of elements into slices: ``parts`` by number, ``chosen`` where order or residue matters."""
    put, block = writer.source.put, writer.source.block
    held = writer.source.name(frozenset(n for n, part in enumerate(member.slices) if part.obj is not None), "singles")
    quick = look_up(member)
    if quick is None:
        put(f"{chosen} = {writer.source.name(classifier(member), 'classify')}({value}, C.contained)")
        put(f"{parts}, {chosen} = R.parted({value}, {chosen}, {held})")
        return
    numbers = writer.source.name(quick.numbers, "slices")
    if quick.rest >= 0:
        with block(f"if len({value}) == 1:"):
            put(f"e = {value}[0]; k = {numbers}.get(e.get({quick.name!r}), {quick.rest})")
            for number, test in quick.fits.items():
                if test is not None:
                    put(f"if k == {number} and not {writer.source.name(test, 'fits')}(e): k = {quick.rest}")
            put(f"{parts} = {{k: e if k in {held} else {value}}}; {chosen} = None")
        with block("else:"):
            put(f"{chosen} = {writer.source.name(quick.classify, 'classify')}({value}, C.contained)")
            put(f"{parts}, {chosen} = R.parted({value}, {chosen}, {held})")
        return
    singles = len(quick.fits)
    element = "e" if singles == len(member.slices) else f"e if k in {held} else [e]" if singles else "[e]"
    put(f"{parts} = {{}}; {chosen} = None; last = -1")
    with block(f"for e in {value}:"):
        put(f"k = {numbers}.get(e.get({quick.name!r}), -1)")
        with block("if k <= last:"):
            chosen_now = f"R.sorted_out({value}, {quick.name!r}, {numbers}, {held})"
            put(f"{parts}, {chosen} = R.parted({value}, {chosen_now}, {held})")
            put("break")
        put(f"{parts}[k] = {element}; last = k")
