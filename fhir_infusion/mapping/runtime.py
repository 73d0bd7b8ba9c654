"""What the compiled functions call for what is not straight-line: residue, keys and order.

Where a compiled function meets what it was not made for it raises ``Irregular``; the interpreter then does the work,
with every reason if it refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.mapping.codecs import DECLINED, QUANTITY_MEMBERS, UCUM, read_quantity
from fhir_infusion.mapping.residue import (
    MARKED,
    Entry,
    below,
    derived_key,
    display_residue,
    holds_only_marks,
    left_over,
    plain_token,
    plain_tokens,
    write_key,
)
from fhir_infusion.records.residue_rules import escape
from fhir_infusion.records.units import REPAIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fhir_infusion.mapping.putback import Assembly
    from fhir_infusion.mapping.trace import Warned

Json = dict[str, Any]


_REPAIRED = frozenset(REPAIRS)


class Irregular(Exception):
    """The compiled function gives the work to the interpreter."""


class Reading:
    """The state of one compiled reading."""

    __slots__ = ("contained", "entries", "keys", "used", "warnings")

    def __init__(self, contained: dict[str, Json]) -> None:
        """Begin with the contained resources by id."""
        self.contained = contained
        self.entries: list[Entry] = []
        self.keys: dict[str, int] = {}
        self.used: set[str] = set()
        self.warnings: list[Warned] = []


class Writing:
    """The state of one compiled writing. ``keep``: there is residue to put back."""

    __slots__ = ("assembly", "contained", "keep", "warnings")

    def __init__(self, assembly: Assembly | None) -> None:
        """Begin; with an assembly where residue goes back."""
        self.assembly = assembly
        self.keep = assembly is not None
        self.warnings: list[Warned] = []
        self.contained: dict[str, Json] = assembly.contained if assembly is not None else {}

    def contain(self, resource: Json) -> None:
        """Add a contained resource."""
        if self.contained.setdefault(resource["id"], resource) is not resource:
            raise Irregular


def recode(coding: Json, change: Callable[[Json], Any]) -> None:
    """Move system and code of a coding as a code table does."""
    changed = change(coding)
    if changed is DECLINED:
        raise Irregular
    coding.update(changed)


def usual_quantity(value: Json) -> Json | None:
    """Read a quantity as nearly every one is: a number with a UCUM code, without residue; ``None`` for any other."""
    count = len(value)
    try:
        if count == 3 or count == 4:  # noqa: PLR1714  a set is slower
            code = value["code"]
            if value["system"] == UCUM and code not in _REPAIRED:
                if count == 3:
                    return {"value": value["value"], "unit": code}
                return {"value": value["value"], "unit": code, "unit_text": value["unit"]}
    except KeyError:
        pass
    return None


def quantity(value: Json, entries: list[Entry], path: str, guard: frozenset[str] | None) -> Json:
    """Read a quantity; keep members besides its own, and the original of a repaired unit."""
    result = read_quantity(value)
    if not value.keys() <= QUANTITY_MEMBERS:
        leave(value, QUANTITY_MEMBERS, path + ".", entries, guard)
    if result.get("unit") != value.get("code"):
        entries.append([path + MARKED, None, value])
    return result


def has_deep_residue(residue: Iterable[Json]) -> bool:
    """Whether residue goes back below a member of the resource, so that arrays and keys must be remembered."""
    return any("." in entry["path"] or "[" in entry["path"] or "~" in entry["path"] for entry in residue)


def leave(
    value: Json,
    known: frozenset[str],
    prefix: str,
    entries: list[Entry],
    guard: frozenset[str] | None,
    described: Json | None = None,
) -> None:
    """Keep the members that no pair takes; ``guard`` names those that may stand below a guarded element."""
    for name, inner in value.items():
        if name in known:
            continue
        if name == "display":
            entries.append([f"{prefix}display{MARKED}", None, display_residue(inner, described or value)])
        elif name == "modifierExtension" or (
            guard is not None and name not in guard and name[0] != "_" and not holds_only_marks(inner)
        ):
            raise Irregular
        else:
            entries.extend([prefix + path, None, kept] for path, kept in left_over(name, inner, value))


def leave_root(value: Json, known: frozenset[str], entries: list[Entry], guarded: frozenset[str]) -> None:
    """Keep the members of the resource itself that no pair takes."""
    for name, inner in value.items():
        if name not in known:
            if name == "modifierExtension" or (name in guarded and not holds_only_marks(inner)):
                raise Irregular
            entries.extend([path, None, kept] for path, kept in left_over(name, inner, value))


def sorted_out(value: list[Json], name: str, numbers: dict[Any, int], singles: frozenset[int]) -> list[int]:
    """Return for each element of an array the number of its slice, -1 for none; a slice of one takes the first."""
    chosen: list[int] = []
    for element in value:
        number = numbers.get(element.get(name), -1)
        chosen.append(-1 if number in singles and number in chosen else number)
    return chosen


def parted(value: list[Any], chosen: list[int], singles: frozenset[int]) -> tuple[dict[int, Any], list[int] | None]:
    """Return the elements of an array by slice, and their slices where their order, or one in no slice, is residue.

    A slice of ``singles`` is its one element, any other the list of its elements.
    """
    if len(chosen) == 1 and chosen[0] >= 0:
        return {chosen[0]: value[0] if chosen[0] in singles else value}, None
    parts: dict[int, Any] = {}
    last, told = 0, False
    for element, number in zip(value, chosen, strict=True):
        told = told or number < last
        last = number
        if number in singles:
            parts[number] = element
        elif number >= 0:
            parts.setdefault(number, []).append(element)
    return parts, chosen if told else None


def key_of(item: Json, key: str, keys: dict[str, int]) -> str:
    """Return the key of a record element, deriving one where it has none."""
    found = item.get(key)
    if found is None:
        found = item[key] = derived_key(item, keys)
    keys.setdefault(found, 1)
    return str(found)


def keyed(item: Any, key: str, state: Reading, start: int, prefix: str) -> None:
    """Name the element that the residue from ``start`` on belongs to."""
    below(state.entries, start, f"{prefix}[{escape(key_of(item, key, state.keys))}].")


def named(item: Any, before: list[Any], place: str, state: Reading, start: int, prefix: str) -> None:
    """Name the simple value that the residue from ``start`` on belongs to; ``before`` stand those before it."""
    below(state.entries, start, f"{prefix}[{escape(plain_token([*before, item], len(before), place))}].")


def order(
    name: str,
    prefix: str,
    value: list[Any],
    chosen: list[int],
    groups: dict[int, Any],
    state: Reading,
    *,
    guarded: bool,
) -> None:
    """Keep the elements that no slice takes, and the order of the others where it differs from the written one.

    ``groups`` maps each slice number to its token, to the tokens of its elements, or to the record list and the name of
    its key; simple values have no key and are named with their slice.
    """
    tokens: list[str | None] = []
    counts: dict[int, int] = {}

    def token(index: int) -> str:
        found = tokens[index]
        if found is None:
            items, key, place, position = places[index]
            found = tokens[index] = (
                key_of(items[position], key, state.keys) if key else plain_token(items, position, place)
            )
        return found

    places: list[Any] = []
    for number in chosen:
        group = groups.get(number)
        position = counts.get(number, 0)
        counts[number] = position + 1
        if number < 0 or group is None:
            tokens.append("")
            places.append(None)
        elif isinstance(group, str | list):
            tokens.append(group if isinstance(group, str) else group[position])
            places.append(None)
        else:
            tokens.append(None)
            places.append((*group, position))
    mapped = [number for number in chosen if number >= 0]
    if mapped != sorted(mapped):
        state.entries.append(
            [f"{prefix}{name}[*]", None, [token(index) for index, number in enumerate(chosen) if number >= 0]]
        )
    before: str | None = None
    last = -1
    for index, element in enumerate(value):
        if chosen[index] >= 0:
            last = index
            continue
        if guarded and name != "extension" and not holds_only_marks(element):
            raise Irregular
        before = token(last) if last >= 0 else None
        state.entries.append([f"{prefix}{name}[]", before, element])


def leave_contained(contained: list[Json], state: Reading) -> None:
    """Keep the contained resources that no reference of a pair leads to, and the order of the others."""
    mapped: list[str] = []
    for item in contained:
        identifier = item.get("id")
        if identifier in state.used:
            mapped.append(str(identifier))
        else:
            state.entries.append(["contained[]", mapped[-1] if mapped else None, item])
    if mapped != sorted(mapped):
        state.entries.append(["contained[*]", None, mapped])


def put_lists(
    assembly: Assembly,
    holder: Json,
    name: str,
    member: Any,
    singles: Iterable[tuple[int, str, Json | None]],
    lists: Iterable[tuple[int, Any, Any, str]],
) -> None:
    """Hand the parts of an array to the assembly: slices by token, lists by the keys of their record elements."""
    array = assembly.array(holder, name, member)
    for number, token, element in singles:
        if element is not None:
            array.parts[number] = [(token, element)]
    for number, items, elements, key in lists:
        if elements is None:
            continue
        if key:
            array.parts[number] = [(item.get(key), element) for item, element in zip(items, elements, strict=True)]
        else:
            array.parts[number] = list(zip(plain_tokens(items, array.place(number)), elements, strict=True))


def followed_tokens(items: list[Json], elements: list[Json], key: str) -> list[Json]:
    """Return record elements that surely have a key: the contained id where they name none."""
    return [
        item if key in item else {key: write_key(element["reference"][1:])}
        for item, element in zip(items, elements, strict=True)
    ]


def irregular(*_: object) -> None:
    """Give the work to the interpreter."""
    raise Irregular


def set_deep(element: Json, path: tuple[str, ...], value: str) -> None:
    """Set what a criterion with a longer path fixes."""
    for name in path[:-1]:
        element = element.setdefault(name, {})
    element[path[-1]] = value
