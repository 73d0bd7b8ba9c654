"""Compiling the reading of values: the alternatives of one place, and their codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.codecs import KEY, PLAIN
from fhir_infusion.mapping.compile_arrays import MARKS, Here

if TYPE_CHECKING:
    from fhir_infusion.mapping.compile_read import Writer
    from fhir_infusion.mapping.plan import FMember, Leaf

RATES: Final = {"rate": "is_rate({})", "not-rate": "not is_rate({})"}
"""The tests by which two pairs share a quantity."""


def leaves(writer: Writer, member: FMember, value: str, here: Here) -> None:
    """Write the alternatives of a value: the first whose condition holds and whose codec takes it."""
    put, block = writer.source.put, writer.source.block
    if len(member.leaves) == 1:
        single(writer, member, value, here)
        return
    done = writer.source.local("ok")
    put(f"{done} = False")
    quantities = all(leaf.codec.members is not None for leaf in member.leaves)
    # Read once for all of them. Its residue stays where one takes it; where none does, the work is thrown away.
    taken = quantity(writer, member.name, value, here) if quantities else ""
    for leaf in member.leaves:
        with block(f"if {' and '.join([f'not {done}', *asked(writer, leaf)])}:"):
            if taken:
                result, test = taken, RATES.get(leaf.codec.name, "").format(taken)
            else:
                result, test = decoded(writer, leaf, member.name, value, here)
            if test:
                with block(f"if {test}:"):
                    writer.set(leaf, result)
                    put(f"{done} = True")
            else:
                writer.set(leaf, result)
                put(f"{done} = True")
    with block(f"if not {done}:"):
        put("raise Irregular")


def single(writer: Writer, member: FMember, value: str, here: Here) -> None:
    """Write the only pair of a value."""
    put, block = writer.source.put, writer.source.block
    (leaf,) = member.leaves
    tests = asked(writer, leaf)
    if tests:
        with block(f"if not ({' and '.join(tests)}):"):
            put("raise Irregular")
    result, test = decoded(writer, leaf, member.name, value, here)
    if test:
        with block(f"if not ({test}):"):
            put("raise Irregular")
    writer.set(leaf, result)


def asked(writer: Writer, leaf: Leaf) -> list[str]:
    """Return the expressions of the conditions on the FHIR side."""
    return [writer.source.condition(condition, "f") for condition in leaf.conditions if condition.side == "fhir"]


def decoded(writer: Writer, leaf: Leaf, name: str, value: str, here: Here) -> tuple[str, str]:
    """Write the decoding; return the variable, and the test that it was not declined, empty where it never is."""
    if leaf.each:
        return every(writer, leaf, value)
    if leaf.codec is PLAIN:
        return value, ""
    if leaf.codec.members is not None:
        result = quantity(writer, name, value, here)
        return result, RATES.get(leaf.codec.name, "").format(result)
    result = writer.source.local("y")
    put = writer.source.put
    if leaf.codec is KEY:
        put(f"{result} = write_key({value}) if {value}[:1] == '~' else {value}")
        return result, ""
    if leaf.codec.codes is not None:
        put(f"{result} = {writer.source.name(leaf.codec.codes[1], 'codes')}.get({value}, D)")
    else:
        put(f"{result} = {writer.source.name(leaf.codec.read, 'read')}({value})")
    return result, f"{result} is not D"


def every(writer: Writer, leaf: Leaf, value: str) -> tuple[str, str]:
    """Write the decoding of each value of a list; return as ``decoded``."""
    put, block = writer.source.put, writer.source.block
    with block(f"if None in {value}:"):
        put("raise Irregular")
    if leaf.codec is PLAIN:
        return value, ""
    result = writer.source.local("y")
    read = writer.source.name(leaf.codec.read, "read")
    put(f"{result} = [{read}(e) for e in {value}]")
    with block(f"if D in {result}:"):
        put(f"{result} = D")
    return result, f"{result} is not D"


def quantity(writer: Writer, name: str, value: str, here: Here) -> str:
    """Write the reading of a quantity; return its variable."""
    result = writer.source.local("y")
    guard = writer.source.name(MARKS, "marks") if here.guarded else "None"
    path = writer.join(here.prefix, name)
    writer.source.put(f"{result} = usual_quantity({value})")
    writer.source.put(f"if {result} is None: {result} = quantity({value}, E, {path}, {guard})")
    return result
