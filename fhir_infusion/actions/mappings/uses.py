"""Where pairs are used in examples, with the value on both sides: an engineer believes what he sees.

Resources are read; records are written and what comes of it is read again, so that both sides are there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions.mappings.along import value_at
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.formats.names import readable
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

    def site(self, one: Format, label: str, value: Any) -> None:
        """Take in a document of a site's JSON."""
        try:
            objects = one.apart(value)
        except Refused:
            return
        for given in objects:
            with suppress(Refused):
                read = one.read_one(given)
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
                values = value_at(seen.record, seen.to), value_at(seen.given, _inside(place))
                return Use(seen.label, *map(_text, values))
        return None


def _inside(path: str) -> str:
    """Return a path without the name of what it begins in."""
    return path.partition(".")[2]


def _text(value: Any) -> str:
    text = fhir_json.write(value).decode()
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
