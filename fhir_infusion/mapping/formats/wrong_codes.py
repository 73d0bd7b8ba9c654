"""Codes of a format that can never be right: told where they stand, not by the first message that has one.

A unit of the record that is not UCUM, or means another amount than the site's word for it (the site's ``g`` as ``mg``),
and a code of a table that the field which it stands for does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.mapping.formats.names import plain
from fhir_infusion.mapping.inspect import records_in
from fhir_infusion.records.quantity_rules import own_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.mapping.document import Mark
    from fhir_infusion.mapping.formats.document import Given
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.plan import IMember, IObj, Leaf, Plan


def wrong_codes(given: Given, plan: Plan) -> Iterator[str]:
    """Yield a complaint for each code that no record can hold, or that means another amount than the site's."""
    for _, iobj in records_in(plan.root.iobj):
        if iobj.type == "Quantity" and "unit" in iobj.members and "unit_system" not in iobj.members:
            yield from _units(given, iobj, iobj.members["unit"])
        system = iobj.members.get("system")
        if system is not None and system.const in given.systems:
            what = f"a system is always '{system.const}', which is no URI but the name of one"
            yield f"{_beside(given, iobj)}: {what}; accepted: ${system.const}"
        for member in iobj.members.values():
            for leaf in member.leaves:
                yield from _table(given, leaf)


def _beside(given: Given, iobj: IObj) -> Mark:
    """Return where a pair stands that a constant is beside: constants have no place of their own in a plan."""
    return next((leaf.mark for member in iobj.members.values() for leaf in member.leaves), given.pairs.mark)


def _units(given: Given, iobj: IObj, unit: IMember) -> Iterator[str]:
    if isinstance(unit.const, str):
        for broken in own_unit({"unit": unit.const}):
            what = f"the unit of this is always '{unit.const}': {broken.told}"
            yield f"{_beside(given, iobj)}: {what}; accepted: {broken.told.accepted}"
    for leaf in unit.leaves:
        for code, word in leaf.codec.codes[0].items() if leaf.codec.codes is not None else ():
            for broken in own_unit({"unit": code, "unit_text": word}):
                what = f"'{code}', which the site writes '{word}' by {leaf.codec.name}"
                if broken.place == ("unit_text",):
                    yield f"{leaf.mark}: {what}: these are two amounts; accepted: the unit that '{word}' means"
                else:
                    yield f"{leaf.mark}: {what}: {broken.told}; accepted: {broken.told.accepted}"


def _table(given: Given, leaf: Leaf) -> Iterator[str]:
    """Yield a complaint for each code that a table of several members says and the field does not take."""
    if len(leaf.fhir) < 2:
        return
    node = next(_groups(given.root, leaf.fhir[-2].name), None)
    if leaf.codec.codes is None or node is None or node.spelling is None:
        return
    known, member = leaf.codec.codes[1], plain(leaf.fhir[-1].name)
    table = given.tables[node.spelling.name.removeprefix("table(").removesuffix(")")]
    for code, said in table.items():
        if member in said and said[member] not in known:
            what = f"'{said[member]}', which '{code}' says of {member}, is no code of {leaf.codec.name}"
            yield f"{table.marks[code]}: {what}; accepted: {', '.join(known)}"


def _groups(node: Node, name: str) -> Iterator[Node]:
    """Yield the members of a name whose codes stand for several members at once."""
    for inner in (node.members or {}).values():
        if inner.path_name == name and inner.spelling is not None and inner.spelling.members:
            yield inner
        yield from _groups(inner, name)
