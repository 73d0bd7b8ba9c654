"""Pairs and codes that look crossed: the site's own names say another thing than what they are mapped to.

By name: the member of an end at a start, a column in kg as cm, the site's word for one code at another, a flag whose
yes is a no. By dimension: a volume that is none, a dose per time. A name may mislead, so these are told, not refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats.names import plain, words
from fhir_infusion.mapping.inspect import records_in
from fhir_infusion.records import units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.mapping.formats.document import Given
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.plan import IMember, IObj, Leaf, Plan


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_START: Final = _set("start started begin begins begun beginn from first anfang von ab since")
_END: Final = _set("end ends ended ende stop stopped until till last bis finish finished to")
_YES: Final = _set("y yes j ja o oui s si true t 1 on ein")
_NO: Final = _set("n no nein non false f 0 off aus")
_UNITS: Final = {
    **{word: word for word in ("kg", "mg", "ug", "ng", "ml", "lb", "cm", "mm", "m2", "mmol", "meq", "min")},
    "mcg": "ug",
    "µg": "ug",
    "m²": "m2",
    "lbs": "lb",
    "hr": "h",
    "kof": "m2",
    "mval": "meq",
}
"""Words of a member's name that say a unit, and the part of the UCUM code that says the same."""


def crossed(given: Given, plan: Plan) -> Iterator[str]:
    """Yield a line, with its place in the document, for each pair or code that looks crossed."""
    for path, iobj in records_in(plan.root.iobj):
        yield from _ends(iobj)
        if iobj.type == "Quantity":
            yield from _unit(path, iobj)
        for member in iobj.members.values():
            for leaf in member.leaves:
                yield from _codes(leaf)
    yield from _shape(given.root, _unit_columns(plan))


def _ends(iobj: IObj) -> Iterator[str]:
    """Yield a line where both ends of a period are there, and each has the name of the other."""
    start, end = (_only(iobj.members.get(name)) for name in ("start", "end"))
    if start is None or end is None:
        return
    first, last = (set(words(plain(leaf.fhir[-1].name))) for leaf in (start, end))
    if (first & _END and not first & _START) and not last & _END:
        what = f"'{_name(start)}' is a start and '{_name(end)}' its end"
        yield f"{start.mark}: {what}, and their names say otherwise; accepted: each at its own"
    elif (last & _START and not last & _END) and not first & _START:
        what = f"'{_name(end)}' is an end and '{_name(start)}' its start"
        yield f"{end.mark}: {what}, and their names say otherwise; accepted: each at its own"


def _only(member: IMember | None) -> Leaf | None:
    return member.leaves[0] if member is not None and len(member.leaves) == 1 else None


def _name(leaf: Leaf) -> str:
    return plain(leaf.fhir[-1].name)


def _unit(path: str, iobj: IObj) -> Iterator[str]:
    """Yield a line where a constant unit is another than the name of the number says, or than its field can have."""
    unit, value = iobj.members.get("unit"), _only(iobj.members.get("value"))
    code = unit.const if unit is not None else None
    if not isinstance(code, str) or value is None:
        return
    if found := _other_unit(_name(value), code):
        what = f"the unit of '{_name(value)}' is always '{code}', and its name says {found}"
        yield f"{value.mark}: {what}; accepted: its unit"
    field = path.rpartition(".")[2].removesuffix("[]")
    meant, volume = units.parse(code), units.parse("mL")
    if meant is not None and volume is not None and field.endswith("volume") and meant.dimension != volume.dimension:
        yield f"{value.mark}: '{field}' is a volume, and its unit is always '{code}'; accepted: a unit of a volume"
    if field == "dose" and units.is_per_time(code):
        yield f"{value.mark}: a dose with a unit per time, '{code}', is a rate; accepted: a pair for `rate`"


def _other_unit(name: str, code: str) -> str:
    """Return the unit that a name says, where the code has no part of it."""
    said = {_UNITS[word] for word in words(name) if _UNITS.get(word)}
    parts = set(re.findall(r"[a-z]+2?", code.lower()))
    return " and ".join(sorted(said)) if said and not said & parts else ""


def _codes(leaf: Leaf) -> Iterator[str]:
    """Yield a line for each code of the record that the site writes with the word of another one of the table."""
    table = leaf.codec.codes[0] if leaf.codec.codes is not None else {}
    by_name = {_folded(code): code for code in table}
    for code, word in table.items():
        other = by_name.get(_folded(str(word)))
        if other is not None and other != code and _folded(str(table[other])) != _folded(str(word)):
            what = f"'{code}' is what the site writes '{word}', the name of another code of {leaf.codec.name}"
            yield f"{leaf.mark}: {what}; accepted: '{other}' for it"


def _folded(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


def _unit_columns(plan: Plan) -> frozenset[str]:
    """Return the names of members that pairs take as the unit of an amount."""
    return frozenset(
        plain(leaf.fhir[-1].name)
        for _, iobj in records_in(plan.root.iobj)
        if iobj.type == "Quantity" and "unit" in iobj.members
        for leaf in iobj.members["unit"].leaves
    )


def _shape(node: Node, unit: frozenset[str]) -> Iterator[str]:
    """Yield a line for each flag whose yes is a no, and each column in another unit than its name says."""
    for inner in (node.members or {}).values():
        flag = re.fullmatch(r"flag\((.*),(.*)\)", inner.spelling.name) if inner.spelling is not None else None
        if flag is not None and (flag[1].lower() in _NO or flag[2].lower() in _YES):
            yield f"{inner.mark}: the yes of '{inner.name}' is '{flag[1]}', its no '{flag[2]}'; accepted: yes first"
        for one in inner.columns:
            said: list[Any] = [value for name, value in one.says.items() if name in unit]
            for column in one.has.values():
                if said and (found := _other_unit(column, str(said[0]))):
                    what = f"the unit of '{column}' is always '{said[0]}', and its name says {found}"
                    yield f"{inner.mark}: {what}; accepted: its unit"
        yield from _shape(inner, unit)
