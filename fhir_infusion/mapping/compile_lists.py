"""Compiling the writing of arrays: lists element by element, and the putting together of slices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fhir_infusion.mapping.criteria import classifier
from fhir_infusion.mapping.plan import FMember, Items, alike

if TYPE_CHECKING:
    from fhir_infusion.mapping.compile_write import Writer


@dataclass(slots=True)
class Array:
    """An array that is put together at the end of the function."""

    holder: str
    member: FMember
    singles: dict[int, tuple[str, str]] = field(default_factory=dict)
    lists: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The variables of its parts."""
        return [name for name, _ in self.singles.values()] + [
            name for source, elements, _ in self.lists.values() for name in (source, elements)
        ]


def write_items(writer: Writer, lists: list[Items], value: str) -> None:
    """Write the alternatives of a list."""
    block = writer.source.block
    head = "if"
    for items in lists:
        tests = [writer.conditions(items)]
        if items.mode == "many":
            tests.append(f"len({value}) > 1")
        with block(f"{head} {' and '.join(tests)}:"):
            write_list(writer, items, value)
        head = "elif"
    with block("else:"):
        writer.source.put("raise Irregular")


def write_list(writer: Writer, items: Items, value: str) -> None:
    """Write a list element by element."""
    put, block = writer.source.put, writer.source.block
    elements, source = writer.source.variable("a"), writer.source.variable("i")
    writer.note(elements)
    writer.note(source)
    member = items.member
    if member is None:
        return
    writer.holder(items.fhir[:-1])
    writer.warn(items)
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
        put(f"{elements} = []; {source} = {value}")
        same = alike(items.scope)
        made = f"write_{items.scope.number}(e, W)"
        if same:  # an element that is the same on both sides is copied
            made = f"e.copy() if e.keys() <= {writer.source.name(same, 'same')} else {made}"
        put(f"for e in {value}: {elements}.append({made})")
    number = len(member.slices)
    if items.fhir[-1].criteria:
        number = next(n for n, part in enumerate(member.slices) if part.items is items)
        for path, constant in member.slices[number].constants if not items.follow else ():
            if len(path) > 1:
                put(f"for e in {elements}: set_deep(e, {path!r}, {constant!r})")
    array = writer.array(items.fhir[:-1], member)
    if number in array.lists:
        put(f"{array.lists[number][1]}, {array.lists[number][0]} = {elements}, {source}")
    else:
        array.lists[number] = (source, elements, key)


def assembled(writer: Writer, array: Array) -> None:
    """Write the putting together of an array."""
    put, block = writer.source.put, writer.source.block
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
                f"R.put_lists(W.assembly, {array.holder}, {name!r}, {writer.source.name(array.member, 'member')}, "
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
                with block(f"if {writer.source.name(classifier(array.member), 'classify')}(z, W.contained) != g:"):
                    put("raise Irregular")
