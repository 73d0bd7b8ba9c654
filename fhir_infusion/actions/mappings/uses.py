"""Where pairs are used in examples, with the value on both sides: an engineer believes what he sees.

Resources are read; records are written and what comes of it is read again, so that both sides are there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.formats.shape import JOINED
from fhir_infusion.mapping.inspect import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.inspect import Pair
    from fhir_infusion.mapping.trace import Line
    from fhir_infusion.translator import Translator

Json = dict[str, Any]

MOST_SHOWN: Final = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a pair: the input, and the JSON text of the value in the record and on the other side."""

    label: str
    record: str
    other: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """An input with the record that it became, and one place of it with the place in the record."""

    label: str
    given: Json
    record: Json
    path: str
    to: str


@dataclass(slots=True)
class Uses:
    """The first use of each pair in the examples that were taken in."""

    _found: dict[tuple[str, str], dict[str, _Seen]] = field(default_factory=dict)

    def resource(self, translator: Translator, label: str, given: Json, release: str, overlay: str | None) -> None:
        """Take in a resource, or a record of ours, which is written first; what is refused has no use to show."""
        try:
            if "resourceType" not in given:
                for one in translator.to_fhir(given, release, overlay).results:
                    self.resource(translator, label, one, release, overlay)
            elif given["resourceType"] in translator.types:
                read = translator.to_internal(given, release, overlay)
                self._take(label, given, read.results[0], read.lines)
        except Refused:
            return

    def site(self, one: Format, label: str, given: Json) -> None:
        """Take in an object of a site's JSON, as ``Format.apart`` gives it."""
        try:
            read = one.read_one(given)
        except Refused:
            return
        self._take(label, given, read.result, read.ledger.lines())

    def _take(self, label: str, given: Json, record: Json, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.mark and line.to:
                places = self._found.setdefault((line.mark, plain(line.to)), {})
                places.setdefault(plain(line.path), _Seen(label, given, record, line.path, line.to))

    def of(self, pair: Pair) -> Use | None:
        """Return the first use of a pair, if there is one."""
        other = plain(readable(pair.fhir))
        for path, seen in self._found.get((pair.mark, plain(pair.internal)), {}).items():
            if path == other or path.startswith(f"{other}."):
                place = seen.path
                while plain(place) != other:
                    place = place.rpartition(".")[0]
                return Use(seen.label, _text(_at(seen.record, seen.to)), _text(_at(seen.given, _inside(place))))
        return None


def _inside(path: str) -> str:
    """Return a path without the name of what it begins in."""
    return path.partition(".")[2]


_INDEX: Final = re.compile(r"\[(\d+|only|first)\]")
_FOLLOWED: Final = re.compile(r"->\w+")


def _at(whole: Json, path: str) -> Any:
    """Return the value at a path of the ledger; a code that stands for several members is the value of each."""
    value: Any = whole
    while path and isinstance(value, dict | list):
        path = path.removeprefix(".")
        if isinstance(value, list):
            index = _INDEX.match(path)
            if index is None:
                return value
            value, path = value[int(index[1]) if index[1].isdigit() else 0], path[index.end() :]
        elif followed := _FOLLOWED.match(path):
            value, path = _contained(whole, value), path[followed.end() :]
        else:
            name = max((name for name in value if _begins(path, name)), key=len, default=None)
            if name is None:
                return {part: value[part] for part in path.split(JOINED) if part in value}
            value, path = value[name], path[len(name) :]
    return value


def _begins(path: str, name: str) -> bool:
    return path.startswith(name) and path[len(name) :][:1] in ("", ".", "[", "-")


def _contained(whole: Json, reference: Json) -> Any:
    """Return the contained resource that a reference names."""
    id_ = str(reference.get("reference", "")).removeprefix("#")
    return next((one for one in whole.get("contained", ()) if one.get("id") == id_), {})


def _text(value: Any) -> str:
    text = fhir_json.write(value).decode()
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
