"""JSON as lines to be looked at: every digit as it is, and each element with its path, by which others find it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STEP: Final = re.compile(r"[^.\[\]]+(?:\[[^\]]*\])*")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of JSON. ``path`` is empty where the line only closes what others opened; a ``title`` is no JSON."""

    indent: int
    name: str
    text: str
    path: str = ""
    title: str = ""


@dataclass(slots=True)
class Side:
    """The lines of one side, and where in it each path is. Several trees stand one after the other, each with a title.

    A path in the tree number 2 is found as ``2:status``.
    """

    rows: list[Row] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, number: int, tree: Any, title: str = "") -> None:
        """Add a tree."""
        if title:
            self.rows.append(Row(0, "", "", "", title))
        self._put(tree, f"{number}:", "", 0, "")

    def at(self, number: int, path: str) -> int | None:
        """Return the line of a path, or of the innermost part of it that is there; ``None`` where nothing of it is.

        The name of a FHIRPath choice (``dose``) leads to the member that it is written as (``doseQuantity``).
        """
        whole = f"{number}:{path}"
        found = self.places.get(whole)
        if found is not None:
            return found
        reached = f"{number}:"
        for step in _STEP.findall(path):
            # In a path with one list inside the other the brackets of both follow each other.
            following = self._below(reached, step)
            if following is None:
                break
            reached = following
        return self.places.get(reached) if reached != f"{number}:" else None

    def has(self, number: int, path: str) -> bool:
        """Say whether there is this very path."""
        return f"{number}:{path}" in self.places

    def _below(self, reached: str, step: str) -> str | None:
        name, bracket, index = step.partition("[")
        names = self.names.get(reached, [])
        told = next((one for one in names if one == name), None)
        told = told or next((one for one in names if one.startswith(name) and one[len(name) :][:1].isupper()), None)
        if told is None:
            return None
        here = _join(reached, told)
        return f"{here}{bracket}{index}" if f"{here}{bracket}{index}" in self.places else here

    def _put(self, value: Any, path: str, name: str, indent: int, comma: str) -> None:
        if not path.endswith(":"):
            self.places[path] = len(self.rows)
        told = f"{fhir_json.write(name).decode()}: " if name else ""
        if not isinstance(value, dict | list) or not value:
            self.rows.append(Row(indent, told, fhir_json.write(value).decode() + comma, _shown(path)))
            return
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        self.rows.append(Row(indent, told, opening, _shown(path)))
        for at, (inner, below, label) in enumerate(self._inner(value, path)):
            self._put(inner, below, label, indent + 1, "," if at < len(value) - 1 else "")
        self.rows.append(Row(indent, "", closing + comma))

    def _inner(self, value: Any, path: str) -> Iterator[tuple[Any, str, str]]:
        if isinstance(value, dict):
            self.names[path] = list(value)
            for name, inner in value.items():
                yield inner, _join(path, name), name
        else:
            for index, inner in enumerate(value):
                yield inner, f"{path}[{index}]", ""


def _join(path: str, name: str) -> str:
    return f"{path}{name}" if path.endswith(":") else f"{path}.{name}"


def _shown(path: str) -> str:
    return path.partition(":")[2]


def window(count: int, size: int, wanted: int) -> tuple[int, int, int]:
    """Return from where to where a page of lines goes, and how many pages there are; ``wanted`` counts from 0."""
    pages = max(1, -(-count // size))
    page = min(wanted, pages - 1)
    return page * size, min(count, (page + 1) * size), pages


def leaves(rows: Iterable[Row]) -> int:
    """Count the lines that hold a simple value."""
    return sum(bool(row.path) and row.text[-1] not in "{[" for row in rows)
