"""What a site writes otherwise than as a JSON object or list: rows by position, texts of several parts, lone elements.

The shape gives each as the object or the list that it means; ``packed`` says how the site writes it:

    packed:
      .: {array: [Run, At, Rate], header: true}     each object is an array, the first one names the places
      PID.Id: {repeats: "~", parts: "^"}            "4711^^^WARD~88^^^CITY" is a list of objects
      RXR: {repeats: alone}                         without brackets where there is one

``unpacked`` and ``packed`` work on the site's own JSON, before and after everything else, and lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE
from fhir_infusion.mapping.document import Shapes, Table, misshapen
from fhir_infusion.mapping.formats.groups import Each, Feed
from fhir_infusion.mapping.formats.undoing import UNDONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fhir_infusion.mapping.document import Mark
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.formats.shape import Turning

Json = dict[str, Any]

PACKED_SHAPES: Final[Shapes] = {"array": (list,), "header": (bool,), "parts": (str,), "repeats": (str,)}
WHOLE: Final = "."
"""The path of each object, or row, of an input."""
ALONE: Final = "alone"
_NO_TEXT: Final = frozenset({"number", "whole", "flag", "digits"})
"""The spellings that are no JSON text, so no part of one."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How the site writes an object or a list.

    ``array`` are the members at the places of an array; ``header``: the first array of an input has their names.
    ``parts`` is the mark between members in one text, ``repeats`` the one between elements. ``alone``: one element has
    no brackets.
    """

    array: tuple[str, ...] = ()
    header: bool = False
    parts: str = ""
    repeats: str = ""
    alone: bool = False


def wire(root: Node, group: Each | Feed | None) -> Node:
    """Return the shape of what the site sends: one row of a feed, and the list of what is ``each`` a record."""
    members = dict(root.members or {})
    if isinstance(group, Each):
        members[group.name] = replace(members[group.name], is_list=True)
    elif isinstance(group, Feed):
        members |= members.pop(group.rows).members or {}
        for name in (UNDONE, *(one.name for one in group.derived)):
            members.pop(name, None)
    return replace(root, members=members)


def is_packed(node: Node) -> bool:
    """Whether anything in a shape is written otherwise than as JSON objects and lists."""
    return node.packing != Packing() or any(map(is_packed, (node.members or {}).values()))


def _names(node: Node) -> tuple[str, ...]:
    """Return the names of the site's members in an object, in the order of the shape."""
    return tuple(name for inner in (node.members or {}).values() for name in inner.names)


# ------------------------------------------------------------------------------------------------ from the site


def unpacked_input(node: Node, value: Any, turn: Turning) -> Any:
    """Return an input of the site as an object or a list of them; what is wrong is noted in ``turn``."""
    if not node.packing.array:
        one = (
            [_unpacked(node, item, f"[{at}]", turn) for at, item in enumerate(value)]
            if isinstance(value, list)
            else None
        )
        return _unpacked(node, value, "", turn) if one is None else one
    rows = several(node, value)
    if node.packing.header:
        if rows[:1] != [list(node.packing.array)]:
            turn.refuse("[0]", "this is not the row with the names", ", ".join(node.packing.array), "packed")
            return []
        rows = rows[1:]
    return [_unpacked(node, row, f"[{at}]", turn) for at, row in enumerate(rows)]


def several(node: Node, value: Any) -> list[Any]:
    """Return the objects or rows of an input, as the site writes them; one alone is a list of one."""
    if isinstance(value, list) and not (node.packing.array and any(not isinstance(row, list) for row in value)):
        return value
    return [value]


def _listed(node: Node, value: Any, at: str, turn: Turning) -> Any:
    """Return the value of a member; a list as such."""
    if not node.is_list or turn.is_filler(value):
        return value if turn.is_filler(value) else _unpacked(node, value, at, turn)
    if node.packing.repeats and isinstance(value, str):
        value = value.split(node.packing.repeats)
    elif node.packing.alone:
        if isinstance(value, list) and len(value) == 1:
            turn.refuse(at, "one element stands without brackets here", "it without brackets", "packed")
        value = value if isinstance(value, list) else [value]
    if not isinstance(value, list):
        return value
    return [_unpacked(node, item, f"{at}[{index}]", turn) for index, item in enumerate(value)]


def _unpacked(node: Node, value: Any, at: str, turn: Turning) -> Any:
    if node.members is None:
        return value
    names, how = node.packing.array, node.packing
    if how.array:
        if not isinstance(value, list) or len(value) != len(names):
            accepted = f"an array of {len(names)}: {', '.join(names)}"
            turn.refuse(at, "this is no array with a value at each place", accepted, "packed")
            return {}
        value = dict(zip(names, value, strict=True))
    elif how.parts:
        names = _names(node)
        texts = value.split(how.parts) if isinstance(value, str) else []
        if not texts or len(texts) > len(names):
            accepted = f"text of at most {len(names)} parts with '{how.parts}' between: {', '.join(names)}"
            turn.refuse(at, "this is no text of these parts", accepted, "packed")
            return {}
        value = dict(zip(names, texts, strict=False))
    if not isinstance(value, dict):
        return value
    inside = node.members
    return {
        name: _listed(inside[name], held, f"{at}.{name}" if at else name, turn) if name in inside else held
        for name, held in value.items()
    }


# ------------------------------------------------------------------------------------------------ to the site


def packed_input(node: Node, objects: Iterable[Any], turn: Turning) -> list[Any]:
    """Return objects as the site writes them, with the names before them where it does."""
    made = [_packed(node, one, "", turn) for one in objects]
    return [list(node.packing.array), *made] if node.packing.header else made


def _packed_list(node: Node, value: Any, at: str, turn: Turning) -> Any:
    if not node.is_list or not isinstance(value, list):
        return _packed(node, value, at, turn)
    made = [_packed(node, item, f"{at}[{index}]", turn) for index, item in enumerate(value)]
    if node.packing.repeats:
        return _joined(node.packing.repeats, made, at, turn)
    return made[0] if node.packing.alone and len(made) == 1 else made


def _packed(node: Node, value: Any, at: str, turn: Turning) -> Any:
    if node.members is None or not isinstance(value, dict):
        return value
    made = {
        name: _packed_list(node.members[name], held, f"{at}.{name}" if at else name, turn)
        if name in node.members
        else held
        for name, held in value.items()
    }
    how = node.packing
    if not how.array and not how.parts:
        return made
    names = how.array or _names(node)
    for name in made:
        if name not in names:
            turn.refuse(at, "a member has no place here", f"these alone: {', '.join(names)}", "packed", BREAKS_RULE)
    filler = turn.fillers[0]
    if how.array:
        return [made.get(name, filler) for name in names]
    last = max((place for place, name in enumerate(names, 1) if name in made), default=0)
    return _joined(how.parts, [made.get(name, "") for name in names[:last]], at, turn)


def _joined(mark: str, texts: list[Any], at: str, turn: Turning) -> str:
    if not all(isinstance(text, str) and mark not in text for text in texts):
        reason = "this stands in one text with others, and holds the mark between them"
        turn.refuse(at, reason, f"text without '{mark}'", "packed", BREAKS_RULE)
    return mark.join(map(str, texts))


# ------------------------------------------------------------------------------------------------ from the document


def packings_of(table: Table, root: Node, group: Each | Feed | None, fillers: tuple[Any, ...]) -> list[str]:
    """Read ``packed`` into the shape; return what is wrong with it."""
    whole = wire(root, group)
    found: list[str] = []
    for path, given in table.items():
        mark = table.marks[path]
        node = _at(whole if path == WHOLE else root, path)
        wrong = misshapen(given, PACKED_SHAPES, "`packed`") if isinstance(given, Table) else []
        if node is None or not isinstance(given, Table) or not given:
            what = (
                f"'{path}' is packed by a table with `array`, `parts` or `repeats`, and is a member of the shape, or ."
            )
            wrong.append(f"{mark}: {what}")
        if node is None or wrong:
            found += wrong
            continue
        is_each = isinstance(group, Each) and path == group.name
        node.packing = _packing(given)
        found += _wrong(node, given, mark, fillers, is_whole=path == WHOLE, is_each=is_each)
        if path == WHOLE:
            root.packing = node.packing
    found += _wrong_parts(root, "")
    return found


def _at(node: Node | None, path: str) -> Node | None:
    for name in path.split(".") if path != WHOLE else ():
        node = ((node and node.members) or {}).get(name)
    return node


def _packing(given: Table) -> Packing:
    repeats = given.get("repeats", "")
    return Packing(
        tuple(map(str, given.get("array") or ())),
        given.get("header", False),
        given.get("parts", ""),
        "" if repeats == ALONE else repeats,
        repeats == ALONE,
    )


def _wrong(
    node: Node, given: Table, mark: Mark, fillers: tuple[Any, ...], *, is_whole: bool, is_each: bool
) -> Iterator[str]:
    how = node.packing
    if (("array" in given or how.parts) and node.members is None) or (how.array and how.parts):
        yield f"{mark}: `array` and `parts` say how an object is written, one of them; accepted: a member with members"
    if ("repeats" in given and not (node.is_list or is_each)) or (is_whole and given.keys() - {"array", "header"}):
        yield f"{mark}: `repeats` says how a list is written; accepted: a list of the shape, such as name[]"
    if how.repeats and node.members is not None and not how.parts:
        yield f"{mark}: an element of a text is no object; accepted: `parts` beside `repeats`"
    if "header" in given and not (is_whole and how.array):
        yield f"{mark}: a header names the places of each row; accepted: it beside `array` at '{WHOLE}'"
    if "array" in given and sorted(how.array) != sorted(_names(node)):
        yield f"{mark}: `array` has each member once, in the order of their places; accepted: {', '.join(_names(node))}"
    if how.array and not fillers:
        yield f"{mark}: a place of an array is never missing; accepted: `absent` with what stands for nothing there"
    if (how.parts or how.repeats) and "" not in fillers:
        yield f'{mark}: a part of a text may be empty; accepted: `absent` with ""'


def _wrong_parts(node: Node, marks: str) -> Iterator[str]:
    """Yield a complaint for each part of a text that cannot be one; ``marks`` are those around."""
    for inner in (node.members or {}).values():
        how = inner.packing
        around = marks + (node.packing.parts or "")
        mine = [mark for mark in (how.repeats, how.parts) if mark]
        if around:
            simple = inner.members is None and (not inner.is_list or how.repeats)
            text = inner.spelling is None or inner.spelling.name not in _NO_TEXT
            if not ((simple and text) or (inner.members is not None and how.parts)):
                what = f"'{inner.name}' stands in one text with others, and is no text"
                yield f"{inner.mark}: {what}; accepted: a spelling in quotes, or an object with `parts`"
        if any(mark in around for mark in mine) or len(set(mine)) < len(mine):
            yield f"{inner.mark}: the mark in '{inner.name}' is one of what it stands in; accepted: another one"
        yield from _wrong_parts(inner, around + how.repeats)
