"""Reading mapping documents: YAML with the file and line of everything, merged along ``extends``.

Scalars stay text unless they are ``true``, ``false``, a whole number or ``~`` (which removes): YAML's other guesses
(``no`` as false, ``1.50`` as a float) have no place in a table of codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.complaints import near


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


Shapes = Mapping[str, tuple[type, ...]]
"""What the value of each member may be."""

DOCUMENT_SHAPES: Final[Shapes] = {
    "mapping": (str,),
    "between": (Table,),
    "extends": (str,),
    "uses": (list,),
    "systems": (Table,),
    "always": (Table,),
    "mapped-or-refused": (list,),
    "drop": (Table,),
    "pairs": (Table,),
    "fragments": (Table,),
    "defaults": (Table,),
}
FRAGMENT_SHAPES: Final[Shapes] = {"between": (Table,), "always": (Table,), "drop": (Table,), "pairs": (Table,)}
PAIR_SHAPES: Final[Shapes] = {
    "fhir": (str,),
    "codes": (str,),
    "as": (str,),
    "from": (str,),
    "key": (str,),
    "pairs": (Table,),
    "when": (str,),
    "const": (str, int, bool),
    "drop": (bool, Table),
    "why": (str,),
    "warn": (str,),
    "always": (Table,),
}
CODE_TABLE_SHAPES: Final[Shapes] = {
    "codes": (str,),
    "url": (str,),
    "description": (str,),
    "source": (str,),
    "target": (str,),
    "release": (str,),
    "map": (Table,),
    "back": (Table,),
}
OVERLAY_SHAPES: Final[Shapes] = {
    "overlay": (str,),
    "description": (str,),
    "defaults": (Table,),
    "readings": (list,),
    "documents": (Table,),
}

_WORDS: Final[Mapping[type, str]] = {
    str: "text",
    list: "a list",
    Table: "a table",
    bool: "true or false",
    int: "a number",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One mapping document after ``extends``; members are as in the files."""

    name: str
    content: Table


def misshapen(table: Table, shapes: Shapes, what: str) -> list[str]:
    """Return a complaint for each member of a table that is not known, or whose value is of the wrong kind.

    ``what`` names what the members belong to, such as ``a pair``. In a document any member may be ``~``.
    """
    empty = shapes is DOCUMENT_SHAPES
    found = []
    for name, value in table.items():
        if name not in shapes:
            found.append(
                f"{table.marks[name]}: '{name}' is not a member of {what}; accepted: {', '.join(sorted(shapes))}"
            )
        elif not isinstance(value, shapes[name]) and not (empty and value is None):
            wanted = " or ".join(_WORDS[kind] for kind in shapes[name])
            found.append(f"{table.marks[name]}: `{name}` of {what} is {wanted}")
    return found


_HINTS: Final[Mapping[str, str]] = {
    "'\\t'": "; accepted: blanks, no tabs",
    "mapping values are not allowed here": "; accepted: one `key: value` a line, text with ': ' in it in quotes",
    "but got '['": "; accepted: text with [ or ] in it in quotes, where it stands between { and }",
    "but found '<scalar>'": "; accepted: what follows text in quotes on the next line",
    "found another document": "; accepted: one document in a file",
    "expected <block end>": "; accepted: lines that belong together begin below each other",
}
"""What to do about what the YAML reader says, by a part of its words."""


def read_yaml(file: str, text: str) -> Table:
    """Read one document.

    Raises:
        DocumentError: it is not YAML, repeats a key, or is not a mapping.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        value = _convert(node, file) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        hint = next((hint for part, hint in _HINTS.items() if part in str(error.problem)), "")
        raise DocumentError(f"{file}:{line}: not YAML: {error.problem}{hint}") from None
    except yaml.YAMLError:
        raise DocumentError(f"{file}:1: not YAML: a character that no YAML holds") from None
    except RecursionError:
        raise DocumentError(
            f"{file}:1: it is nested too deep; accepted: no more levels than the shipped documents have"
        ) from None
    if not isinstance(value, Table):
        raise DocumentError(f"{file}:1: a document is a mapping; accepted keys: {', '.join(sorted(DOCUMENT_SHAPES))}")
    return value


class _Loader(yaml.SafeLoader):
    """Reads YAML without aliases: a few lines of them can stand for more than fits into any memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias where a node stands."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # its stubs leave it out
            raise yaml.MarkedYAMLError(problem="an alias, which documents do not have", problem_mark=mark)
        found: yaml.Node | None = super().compose_node(parent, index)
        return found


def _convert(node: yaml.Node, file: str) -> Any:
    mark = Mark(file, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        table = Table()
        table.mark, table.marks = mark, {}
        for key_node, value_node in node.value:
            key, key_mark = str(key_node.value), Mark(file, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError(f"{key_mark}: not YAML that is taken: a list or table as a key; accepted: a text")
            if key in table:
                raise DocumentError(f"{key_mark}: '{key}' stands twice; the first is at line {table.marks[key].line}")
            table[key], table.marks[key] = _convert(value_node, file), key_mark
        return table
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, file) for item in node.value]
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        plain = {"true": True, "false": False, "~": None, "null": None, "": None}
        if text in plain:
            return plain[text]
        if re.fullmatch(r"0|-?[1-9]\d*", text):  # a code such as 007 stays what it is
            return int(text)
    return text


def merge(base: Table, change: Table, complaints: list[str] | None = None) -> Table:
    """Lay ``change`` over ``base``: tables merge by key, ``~`` removes, everything else replaces.

    ``complaints`` are told of each ``~`` that removes nothing.
    """
    merged = Table(base)
    merged.mark, merged.marks = change.mark, {**base.marks, **change.marks}
    for key, value in change.items():
        if value is None:
            if merged.pop(key, None) is None and complaints is not None:
                complaints.append(f"{change.marks[key]}: there is no '{key}' to remove; accepted: {near(key, base)}")
            continue
        old = merged.get(key)
        if isinstance(value, Table) and isinstance(old, str):
            old_table = Table({"fhir": old})
            old_table.mark, old_table.marks = base.marks[key], {"fhir": base.marks[key]}
            old = old_table
        merged[key] = merge(old, value, complaints) if isinstance(value, Table) and isinstance(old, Table) else value
    return merged


def resolve(name: str, tables: Mapping[str, Table], complaints: list[str] | None = None) -> Document:
    """Return the document ``name`` (path without ``.yaml``) with everything it extends merged in.

    ``complaints`` are told of each ``~`` that removes nothing.

    Raises:
        DocumentError: a document is missing, extends itself, or has a member that is not known or of the wrong kind.
    """
    chain: list[tuple[str, Table]] = []
    wanted: str | None = name
    while wanted is not None:
        place = chain[-1][1].marks["extends"] if chain else Mark(name + ".yaml", 1)
        if wanted not in tables:
            raise DocumentError(f"{place}: there is no document '{wanted}'; accepted: {', '.join(sorted(tables))}")
        if any(wanted == seen for seen, _ in chain):
            raise DocumentError(f"{place}: '{wanted}' extends itself")
        wrong = misshapen(tables[wanted], DOCUMENT_SHAPES, "a document")
        if wrong:
            raise DocumentError(*wrong)
        chain.append((wanted, tables[wanted]))
        wanted = tables[wanted].get("extends")
    content = chain[-1][1]
    for _, change in reversed(chain[:-1]):
        content = merge(content, change, complaints)
    return Document(name, content)
