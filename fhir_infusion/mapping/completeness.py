"""Nothing of a record is forgotten: every field of every record type in use is mapped, constant or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Names of fields, one inside the other."""
NO_PAIR: Final = "has no pair; map it"

if TYPE_CHECKING:
    from fhir_infusion.mapping.document import Mark
    from fhir_infusion.mapping.plan import IMember, IObj, Scope
    from fhir_infusion.mapping.types import Types


def check_complete(scope: Scope, types: Types, mark: Mark, skip: set[str], wrong: set[Path]) -> None:
    """Complain of every field of a scope that has no pair.

    ``skip`` are fields that are nobody's to map, ``wrong`` those whose pair is complained of already.
    """
    if not scope.plain:
        _check(scope.iobj, (scope.name,), types, mark, {scope.key, *skip}, wrong)


def _check(iobj: IObj, way: Path, types: Types, mark: Mark, skip: set[str], wrong: set[Path]) -> None:
    where = ".".join(way)
    for name, item in types.fields[iobj.type].items():
        member = iobj.members.get(name)
        if name in skip or (item.key and member is None):
            continue
        unpaired = member is None or not member.in_use
        if unpaired and (*way[1:], name) in wrong:
            continue
        if member is None or unpaired:
            what = f"the field '{name}' of {iobj.type} {NO_PAIR}, or drop it with a `why`"
            types.complaints.add(mark, f"{where}: {what}")
            continue
        what = _unpaired(name, member)
        if what and (*way[1:], name) not in wrong:
            types.complaints.add(mark, f"{where}: {what}")
        for inner in (member.obj, member.only.obj if member.only else None):
            if inner is not None:
                _check(inner, (*way, name), types, mark, set(), wrong)


def _unpaired(name: str, member: IMember) -> str:
    """Say what is missing where a list has a place for some of its elements only; empty where nothing is."""
    modes = {items.mode for items in member.items}
    if member.first and "rest" not in modes:
        return f"'{name}[first]' needs '{name}[rest]': there is no first only"
    if "rest" in modes and not member.first:
        return f"'{name}[rest]' needs '{name}[first]'; a list with one place is '{name}[]'"
    return ""
