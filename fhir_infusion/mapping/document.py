"""Reading mapping documents: YAML with the file and line of everything, merged along ``extends``.

Scalars stay text unless they are ``true``, ``false``, a whole number or ``~`` (which removes): YAML's other guesses
(``no`` as false, ``1.50`` as a float) have no place in a table of codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from fhir_infusion.errors import DocumentError

TOP_LEVEL = frozenset(
    {"mapping", "between", "extends", "uses", "systems", "always", "mapped-or-refused", "drop", "pairs", "fragments", "defaults"}
)
FRAGMENT_KEYS = frozenset({"between", "always", "drop", "pairs"})
PAIR_KEYS = frozenset({"fhir", "codes", "as", "from", "key", "pairs", "when", "const", "drop", "why", "warn", "always"})


class Mark(NamedTuple):
    """Where something stands: file and line."""

    file: str
    line: int

    def __str__(self) -> str:
        """Write ``file:line``."""
        return f"{self.file}:{self.line}"


class Table(dict[str, Any]):
    """A YAML mapping that knows its place and the place of each key."""

    mark: Mark
    marks: dict[str, Mark]


class Sequence(list[Any]):
    """A YAML sequence that knows its place."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Document:
    """One mapping document after ``extends``. Members are as in the file; ``file`` names the outermost file."""

    name: str
    file: str
    content: Table


def read_yaml(file: str, text: str) -> Table:
    """Read one document.

    Raises ``DocumentError`` where it is not YAML, repeats a key, or is not a mapping.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{file}:{line}: not YAML: {error.problem}") from None
    value = _convert(node, file) if node is not None else None
    if not isinstance(value, Table):
        raise DocumentError(f"{file}:1: a document is a mapping; accepted keys: {', '.join(sorted(TOP_LEVEL))}")
    return value


def _convert(node: yaml.Node, file: str) -> Any:
    mark = Mark(file, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        table = Table()
        table.mark, table.marks = mark, {}
        for key_node, value_node in node.value:
            key, key_mark = str(key_node.value), Mark(file, key_node.start_mark.line + 1)
            if key in table:
                raise DocumentError(f"{key_mark}: '{key}' stands twice; the first is at line {table.marks[key].line}")
            table[key], table.marks[key] = _convert(value_node, file), key_mark
        return table
    if isinstance(node, yaml.SequenceNode):
        sequence = Sequence(_convert(item, file) for item in node.value)
        sequence.mark = mark
        return sequence
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        plain = {"true": True, "false": False, "~": None, "null": None, "": None}
        if text in plain:
            return plain[text]
        if re.fullmatch(r"-?\d+", text):
            return int(text)
    return text


def merge(base: Table, change: Table) -> Table:
    """Lay ``change`` over ``base``: tables merge by key, ``~`` removes, everything else replaces."""
    merged = Table(base)
    merged.mark, merged.marks = change.mark, {**base.marks, **change.marks}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
            continue
        old = merged.get(key)
        if isinstance(value, Table) and isinstance(old, str):
            old_table = Table({"fhir": old})
            old_table.mark, old_table.marks = base.marks[key], {"fhir": base.marks[key]}
            old = old_table
        merged[key] = merge(old, value) if isinstance(value, Table) and isinstance(old, Table) else value
    return merged


def resolve(name: str, tables: Mapping[str, Table]) -> Document:
    """Return the document ``name`` (path without ``.yaml``) with everything it extends merged in.

    Raises ``DocumentError`` where a document is missing or extends itself.
    """
    chain: list[Table] = []
    seen: list[str] = []
    wanted: str | None = name
    while wanted is not None:
        if wanted not in tables:
            place = chain[-1].marks.get("extends", chain[-1].mark) if chain else Mark(name + ".yaml", 1)
            raise DocumentError(f"{place}: there is no document '{wanted}'; accepted: {', '.join(sorted(tables))}")
        if wanted in seen:
            raise DocumentError(f"{chain[-1].marks['extends']}: '{wanted}' extends itself")
        seen.append(wanted)
        chain.append(tables[wanted])
        wanted = chain[-1].get("extends")
    content = chain[-1]
    for change in reversed(chain[:-1]):
        content = merge(content, change)
    for key in content:
        if key not in TOP_LEVEL:
            raise DocumentError(f"{content.marks[key]}: '{key}' is not a member; accepted: {', '.join(sorted(TOP_LEVEL))}")
    return Document(name, name + ".yaml", content)
