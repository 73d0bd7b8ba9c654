"""Unit texts: kept while the unit beside them is unchanged, removed when it was edited.

``milligram(s)`` stands beside ``mg``; once the unit is ``ug`` it must not go out. A unit text tells the unit alone, so
an edited value leaves it. When a resource is read, its residue keeps a pair of digests (text, unit) for each quantity.
A text that was read beside another unit than its own is stale, unless it means the new unit too. One that contradicts
the unit and stands more often than it was read was written by the editor, and is left to the rule ``unit-text`` to
refuse. The pairs hold no place, so inserting or reordering changes nothing; a record without them loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from fhir_infusion.mapping.source import Source
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.unit_words import contradict, meanings

if TYPE_CHECKING:
    from fhir_infusion.records.fields import Field

Json = dict[str, Any]
FieldTable = Mapping[str, Mapping[str, "Field"]]

UNITS: Final = "$units"
"""The path of the residue entry; in a joined administration the key of the part stands before it."""

_QUANTITY: Final = "Quantity"
_EDITED: Final = "the text named the unit before it was edited"


class UnitTexts:
    """The unit texts of one record type, found by walking its field table."""

    def __init__(self, root: str, fields: FieldTable) -> None:
        """Note which fields lead to quantities, and generate the walk over them."""
        self._root = root
        self._leads = _leading(fields)
        lists = {
            name: frozenset(field.name for field in held.values() if field.is_list) for name, held in fields.items()
        }
        self._collect = _collector(root, self._leads, lists)

    def seal(self, record: Json) -> str:
        """Return the digest pairs of a record just read, as one text; empty where no unit has a text."""
        pairs: list[str] = []
        self._collect(record, pairs.append)
        return " ".join(pairs)

    def fresh(self, record: Json) -> tuple[Json, list[Line]]:
        """Return the record without stale unit texts, and a line for each; the input is not changed."""
        residue = record.get("residue")
        sealed = [entry["value"] for entry in residue if _is_seal(entry)] if isinstance(residue, list) else []
        if not sealed:
            return record, []
        now = self.seal(record)
        if [now] == sealed:
            return record, []
        read = " ".join(sealed).split()
        known: dict[str, set[str]] = {}
        for pair in read:
            text, _, unit = pair.partition(".")
            known.setdefault(text, set()).add(unit)
        more = Counter(_text_of(pair) for pair in now.split())
        more.subtract(_text_of(pair) for pair in read)
        lines: list[Line] = []
        return self._freshen(record, self._root, "", (known, more), lines), lines

    def _freshen(
        self, value: Json, type_name: str, at: str, read: tuple[Mapping[str, set[str]], Counter[str]], lines: list[Line]
    ) -> Json:
        if type_name == _QUANTITY:
            if not _is_stale(value, *read):
                return value
            lines.append(Line(f"{at}unit_text", "dropped", "", _EDITED))
            return {name: inner for name, inner in value.items() if name != "unit_text"}
        changes: Json = {}
        for name, inner_type in self._leads[type_name].items():
            inner = value.get(name)
            if isinstance(inner, list):
                made = [
                    self._freshen(item, inner_type, f"{at}{name}[{index}].", read, lines)
                    for index, item in enumerate(inner)
                ]
                if any(new is not old for new, old in zip(made, inner, strict=True)):
                    changes[name] = made
            elif inner is not None:
                one = self._freshen(inner, inner_type, f"{at}{name}.", read, lines)
                if one is not inner:
                    changes[name] = one
        return {**value, **changes} if changes else value


def _is_seal(entry: Json) -> bool:
    return str(entry["path"]).rpartition(".")[2] == UNITS


def _is_stale(quantity: Json, known: Mapping[str, set[str]], more: Counter[str]) -> bool:
    text, unit = quantity.get("unit_text"), quantity.get("unit")
    if text is None or unit is None:
        return False
    digest, _, own = _pair(text, unit, quantity.get("unit_system")).partition(".")
    if digest not in known or own in known[digest]:
        return False
    if "unit_system" in quantity:
        return True
    if contradict(unit, text):
        return more[digest] <= 0
    return not meanings(text)


def _text_of(pair: str) -> str:
    return pair.partition(".")[0]


@lru_cache(maxsize=8192)
def _pair(text: str, unit: str, system: str | None) -> str:
    return f"{crc32(text.encode()):x}.{crc32(f'{unit} {system}'.encode()):x}"


def _leading(fields: FieldTable) -> Mapping[str, Mapping[str, str]]:
    """Return for each type the fields below which there are quantities."""
    inner = {
        name: {field.name: field.type for field in held.values() if field.nested and field.name != "residue"}
        for name, held in fields.items()
    }
    found = {_QUANTITY}
    while more := {name for name, held in inner.items() if name not in found and not found.isdisjoint(held.values())}:
        found |= more
    return {name: {field: held for field, held in led.items() if held in found} for name, led in inner.items()}


def _collector(
    root: str, leads: Mapping[str, Mapping[str, str]], lists: Mapping[str, frozenset[str]]
) -> Callable[[Json, Callable[[str], None]], None]:
    """Return generated code for the walk, which every reading makes: a function for each type, quantities in line."""
    source = Source({"pair": _pair})
    for name in _below(root, leads):
        with source.block(f"def units_{name}(v, add):"):
            for field, inner in leads[name].items():
                with source.block(f"if {field!r} in v:"):
                    value = "e" if field in lists[name] else f"v[{field!r}]"
                    if field in lists[name]:
                        source.put(f"for e in v[{field!r}]:")
                    indent = " " if field in lists[name] else ""
                    if inner != _QUANTITY:
                        source.put(f"{indent}units_{inner}({value}, add)")
                        continue
                    source.put(f"{indent}q = {value}; t = q.get('unit_text')")
                    source.put(
                        f"{indent}if t is not None and 'unit' in q: add(pair(t, q['unit'], q.get('unit_system')))"
                    )
    collect: Callable[[Json, Callable[[str], None]], None] = source.functions(f"<unit texts {root}>")[f"units_{root}"]
    return collect


def _below(root: str, leads: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    waiting, found = [root], {root}
    while waiting:
        name = waiting.pop()
        yield name
        new = {inner for inner in leads[name].values() if inner != _QUANTITY} - found
        found |= new
        waiting += new
