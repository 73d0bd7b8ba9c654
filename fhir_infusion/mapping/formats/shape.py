"""The shape of a site's JSON, and the typed tree that the mapping engine works on.

``prepare`` turns the site's JSON into that tree: member names become names of paths, values become typed, what stands
for nothing is kept aside under a name of its own, and what the shape does not know stays as it came. ``restore`` undoes
it. Whatever the engine then leaves over of the tree is residue, and goes back to where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from fhir_infusion.errors import BREAKS_FHIR, BREAKS_RULE, Issue
from fhir_infusion.mapping.formats.columns import gather, spread
from fhir_infusion.mapping.formats.joining import unsplit
from fhir_infusion.mapping.formats.names import aside, is_aside, plain, plain_aside, safe, shown
from fhir_infusion.mapping.formats.nodes import JOINED, Node
from fhir_infusion.mapping.formats.times import NotTakenError
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.number import from_spelling, spelling_of


@dataclass(slots=True)
class Turning:
    """One turn of a value: what is refused, and what is told of what went back or did not."""

    fillers: tuple[Any, ...]
    issues: list[Issue] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def refuse(self, at: str, reason: str, accepted: str, rule: str, status: int = BREAKS_FHIR) -> None:
        """Note a refusal; the turn goes on, so that all are told at once."""
        self.issues.append(Issue("error", "value", at, reason, accepted, rule, status))

    def is_filler(self, value: Any) -> bool:
        """Whether a value stands for nothing."""
        return any(type(value) is type(filler) and value == filler for filler in self.fillers)


# ------------------------------------------------------------------------------------------------ from the site


def prepare(node: Node, value: Any, at: str, turn: Turning) -> Any:
    """Return the typed value of a member; what is wrong with it is noted in ``turn``."""
    if node.is_list:
        if not isinstance(value, list):
            turn.refuse(at, "this is no list", "a list", "shape")
            return None
        return [_prepared(node, item, f"{at}[{index}]", turn) for index, item in enumerate(value)]
    return _prepared(node, value, at, turn)


def _prepared(node: Node, value: Any, at: str, turn: Turning) -> Any:
    if node.members is not None:
        if not isinstance(value, dict):
            turn.refuse(at, "this is no object", "an object", "shape")
            return None
        return _prepared_object(node, node.members, value, at, turn)
    if node.spelling is None:
        return value
    try:
        return node.spelling.take(value)
    except NotTakenError as wrong:
        turn.refuse(at, wrong.reason, wrong.accepted, node.spelling.name)
        return None


def _prepared_object(node: Node, members: dict[str, Node], value: dict[str, Any], at: str, turn: Turning) -> Any:
    made: dict[str, Any] = {}
    parts = {part for inner in members.values() if inner.parts or inner.columns for part in inner.names}
    for name, held in value.items():
        if name in parts:
            continue
        inner = members.get(name)
        if inner is None and node.closed:
            turn.refuse(_join(at, shown(name)), _UNKNOWN, "the members of the shape", "closed")
        elif inner is None and (meant := _slip(name, members, value, turn)):
            turn.refuse(_join(at, shown(name)), _NEAR, f"{meant}, or a name that is not so near to it", "near")
        elif inner is None or inner.kept:
            made |= _kept(name, held)
        elif turn.is_filler(held) or held in ([], {}):
            made[aside(name, is_filler=True)] = _text(held)
        else:
            made[inner.path_name] = prepare(inner, held, _join(at, inner.path_name), turn)
    for inner in members.values():
        if inner.parts:
            _prepare_joined(inner, value, made, at, turn)
        elif inner.columns:
            _prepare_columns(inner, value, made, at, turn)
    return made


def _kept(name: str, value: Any) -> dict[str, Any]:
    """Return a member that goes back as it came, under a name that says so."""
    return {aside(name, is_filler=value is None): _text(value)} if _holds_nothing(value) else {safe(name): value}


_UNKNOWN: Final = "the shape does not know this member, and it stands where it could change what the patient gets"


_JOINED: Final = "these members say one value together"


_NEAR: Final = "this is a member of the shape but for case, blanks and marks, and that one is missing"


def _slip(name: str, members: dict[str, Node], value: dict[str, Any], turn: Turning) -> str:
    """Return the member of the shape that an unknown one most likely means, where that one is missing; else nothing."""
    for inner in members.values():
        for one in inner.names:
            if _folded(one) == _folded(name) and (one not in value or turn.is_filler(value[one])) and not inner.kept:
                return one
    return ""


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold() or name


def _prepare_joined(node: Node, value: dict[str, Any], made: dict[str, Any], at: str, turn: Turning) -> None:
    there = {name: value[name] for name in node.parts if name in value}
    empty = {name: held for name, held in there.items() if turn.is_filler(held)}
    if len(empty) == len(there):
        made |= {aside(name, is_filler=True): _text(held) for name, held in empty.items()}
        return
    texts = [there.get(name) for name in node.parts]
    here = _join(at, safe(node.parts[0]))
    if node.joining is not None:
        whole = None if empty else node.joining.join(texts)
        if whole is not None:
            made[node.path_name] = whole
        elif node.joining.is_kept:
            for name, held in there.items():
                made |= {aside(name, is_filler=True): _text(held)} if name in empty else _kept(name, held)
        else:
            turn.refuse(here, _JOINED, f"text without '{node.joining.mark}' in each of {node.name}", "joined")
        return
    if empty or not all(isinstance(text, str) and JOINED not in text for text in texts):
        turn.refuse(here, _JOINED, f"text in each of {node.name}", "joined")
        return
    made[node.path_name] = _prepared(node, JOINED.join(map(str, texts)), here, turn)


def _prepare_columns(node: Node, value: dict[str, Any], made: dict[str, Any], at: str, turn: Turning) -> None:
    gathered = gather(node.columns, value, turn.is_filler)
    here = _join(at, node.path_name)
    before = len(turn.issues)
    if gathered.elements:
        made[node.path_name] = prepare(node, gathered.elements, here, turn)
    places = {
        f"{here}[{index}].{safe(name)}": _join(at, safe(column))
        for index, one in enumerate(gathered.came_from)
        for name, column in one.has.items()
    }
    turn.issues[before:] = [replace(one, path=places.get(one.path, one.path)) for one in turn.issues[before:]]
    for name in gathered.left:
        if turn.is_filler(value[name]):
            made[aside(name, is_filler=True)] = _text(value[name])
        else:
            reason = "this belongs to something else, and nothing says that it is there"
            turn.refuse(_join(at, safe(name)), reason, "it beside what it belongs to, or without it", "columns")


def _holds_nothing(value: Any) -> bool:
    """Whether a value is or holds what no JSON of ours may hold: null, an empty text, list or object."""
    if isinstance(value, dict | list):
        return not value or any(map(_holds_nothing, value.values() if isinstance(value, dict) else value))
    return value is None or value == ""


def _text(value: Any) -> str:
    return _ENCODE.encode(value).decode()


def ordered_text(value: Any) -> bytes:
    """Return a value as the text of its JSON, members in the order of their names."""
    return _ORDERED.encode(value)


def _raw(value: object) -> msgspec.Raw:
    if isinstance(value, Decimal):
        return msgspec.Raw(spelling_of(value).encode())
    raise TypeError(f"JSON does not know {type(value).__name__}")


_ENCODE: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_raw)
_ORDERED: Final = msgspec.json.Encoder(order="sorted", decimal_format="number", enc_hook=_raw)
_DECODE: Final = msgspec.json.Decoder(float_hook=from_spelling)


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


# ------------------------------------------------------------------------------------------------ back to the site


def restore(node: Node, value: Any, at: str, turn: Turning) -> Any:
    """Return the site's value of a typed one; what cannot be said is noted in ``turn``."""
    if node.is_list and isinstance(value, list):
        return [_restored(node, item, f"{at}[{index}]", turn) for index, item in enumerate(value)]
    return _restored(node, value, at, turn)


def _restored(node: Node, value: Any, at: str, turn: Turning) -> Any:
    if node.members is not None and isinstance(value, dict):
        return _restored_object(node.members, value, at, turn)
    if node.spelling is None:
        return value
    try:
        written = node.spelling.write(value)
        node.spelling.take(written)
    except NotTakenError as wrong:
        turn.refuse(at, wrong.reason, wrong.accepted, node.spelling.name, BREAKS_RULE)
        return None
    return written


def _decoded(held: Any, at: str, turn: Turning) -> Any:
    try:
        return _DECODE.decode(held)
    except (msgspec.DecodeError, TypeError):
        turn.refuse(at, "this residue is not the text of JSON", "the residue read with it, or none", "residue")
        return None


def _restored_parts(node: Node, value: Any, at: str, turn: Turning) -> dict[str, Any]:
    """Return the members that say a value together."""
    if node.joining is not None:
        parts = node.joining.split(str(value), len(node.parts))
        if parts is None and node.joining.is_kept:
            turn.lines.append(Line(at, "dropped", why=unsplit(node.parts)))
        elif parts is None:
            accepted = f"{', '.join(node.parts)} with '{node.joining.mark}' between, none of them empty"
            turn.refuse(at, _JOINED, accepted, "joined", BREAKS_RULE)
        return dict(zip(node.parts, parts or (), strict=False))
    texts = str(_restored(node, value, at, turn)).split(JOINED)
    if len(texts) != len(node.parts):
        turn.refuse(at, _JOINED, f"text in each of {node.name}", "joined", BREAKS_RULE)
        return {}
    return dict(zip(node.parts, texts, strict=True))


def _restored_object(members: dict[str, Node], value: dict[str, Any], at: str, turn: Turning) -> dict[str, Any]:
    known = {inner.path_name: inner for inner in members.values() if not inner.kept}
    said: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    for name, held in value.items():
        inner = known.get(name)
        here = _join(at, name)
        if is_aside(name):
            continue
        if inner is None:
            said.setdefault(plain(name), held)  # what a record has by now is said in place of what was kept
        elif inner.columns:
            lists[inner.name] = restore(inner, held, here, turn)
        elif inner.parts:
            said |= _restored_parts(inner, held, here, turn)
        else:
            said[inner.name] = restore(inner, held, here, turn)
    for inner in known.values():
        if inner.name in lists and (wrong := spread(inner.columns, lists[inner.name], said, turn.is_filler)):
            accepted = "elements that the columns of the format say, each once"
            turn.refuse(_join(at, inner.path_name), wrong, accepted, "columns", BREAKS_RULE)
    for name, held in value.items():
        if is_aside(name) and plain_aside(name) not in said:
            said[plain_aside(name)] = _decoded(held, _join(at, name), turn)
    order = {name: index for index, node in enumerate(members.values()) for name in node.names}
    return dict(sorted(said.items(), key=lambda pair: order.get(pair[0], len(order))))
