"""One input through the documents, in its own direction, and two outcomes compared.

A resource becomes a record, a record becomes resources; several resources are one Bundle, a Bundle gives its records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.actions import bundles
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import apart, differences
from fhir_infusion.records.parts import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.translator import Translator

Json = dict[str, Any]
Outcome = Json | tuple[str, ...] | None
"""The result as one JSON object, the places of the refusal, or nothing where no document maps such an input."""

State = Literal["same", "changed", "refused", "skipped"]
STATES: Final[tuple[State, ...]] = ("same", "changed", "refused", "skipped")


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of an input under two sets of documents.

    ``paths`` are the places that differ, ``places`` those of a refusal by both; ``left`` and ``right`` the outcomes.
    """

    state: State
    left: Outcome
    right: Outcome
    paths: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def refused_now(self) -> bool:
        """Whether only what comes second refuses the input, or maps it no more."""
        return self.state == "changed" and not isinstance(self.right, dict)

    @property
    def refused_before(self) -> bool:
        """Whether only what comes first refused the input, or mapped it not."""
        return self.state == "changed" and not isinstance(self.left, dict)

    def in_words(self) -> str:
        """Return what differs, or where both refuse; no values."""
        if self.state == "skipped":
            return "no mapping for this resource type"
        if self.state == "refused":
            return " ".join(self.places)
        words = [
            f"refused {when}: {' '.join(side)}" if side is not None else f"no mapping {when}"
            for when, side in (("before", self.left), ("now", self.right))
            if not isinstance(side, dict)
        ]
        return " ".join(self.paths or words)

    def document(self) -> Json:
        """Return the same as JSON, without values."""
        sides = {"before": self.left, "now": self.right}
        refused = {when: list(side) for when, side in sides.items() if isinstance(side, tuple)}
        found = {"state": self.state, "paths": list(self.paths), "refused": refused}
        return {name: value for name, value in found.items() if value}


def turn(
    translator: Translator, given: Json, release: str, overlay: str | None, *, as_sent: bool | None = None
) -> Outcome:
    """Translate an input in its own direction; see ``Translator.to_fhir`` for ``as_sent``."""
    try:
        if "resourceType" not in given:
            return _as_one(translator.to_fhir(given, release, overlay, as_sent=as_sent).results)
        if given["resourceType"] == "Bundle":
            return _records(translator, given, release, overlay)
        if given["resourceType"] not in translator.types:
            return None
        return translator.to_internal(given, release, overlay).results[0]
    except Refused as error:
        return places(error)


def places(error: Refused) -> tuple[str, ...]:
    """Return where something is refused, each place once."""
    return tuple(dict.fromkeys(issue.path or "the whole" for issue in error.issues))


def _as_one(resources: list[Json]) -> Json:
    return resources[0] if len(resources) == 1 else bundles.collection(resources)


def _records(translator: Translator, bundle: Json, release: str, overlay: str | None) -> Outcome:
    """Return the record of a Bundle, or ``{"records": […]}`` where it holds several; the rest is passed over."""
    entries = [entry for _, entry in bundles.resolved(bundle) if isinstance(entry, dict)]
    resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
    mapped = [one for one in resources if one.get("resourceType") in translator.types]
    if not mapped:
        return None
    read = [translator.to_internal(one, release, overlay).results[0] for one in mapped]
    records = join(read) if len(read) > 1 else read
    return records[0] if len(records) == 1 else {"records": records}


def compare(left: Outcome, right: Outcome) -> Compared:
    """Compare two outcomes of one input: numbers as written, arrays in order, objects in any."""
    if left is None and right is None:
        return Compared("skipped", left, right)
    if isinstance(left, tuple) and left == right:
        return Compared("refused", left, right, places=left)
    if isinstance(left, dict) and isinstance(right, dict):
        # Which entry of the residue says nothing to whoever changes a document.
        paths = tuple(dict.fromkeys(re.sub(r"^residue\[.*", "residue", path) for path in differences(left, right)))
        return Compared("changed" if paths else "same", left, right, paths)
    return Compared("changed", left, right)


@dataclass(frozen=True, slots=True)
class Change:
    """One simple value that two JSON values do not share: its path, and its text on each side, empty where it lacks."""

    path: str
    want: str
    got: str

    def lines(self) -> Iterator[str]:
        """Yield ``-path: want`` and ``+path: got``."""
        for sign, text in (("-", self.want), ("+", self.got)):
            if text:
                yield f"{sign}{self.path or 'the whole'}: {text}"


def changes(want: Any, got: Any) -> Iterator[Change]:
    """Yield every simple value that differs, with both spellings."""
    for found in apart({"want": want, "got": got}):
        sides = [dict(_simple(found[side], found["path"])) if side in found else {} for side in ("want", "got")]
        for path in dict.fromkeys(path for side in sides for path in side):
            texts = [side.get(path, "") for side in sides]
            if texts[0] != texts[1]:
                yield Change(path, *texts)


def _simple(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the JSON text of every simple value; an empty object or array is one."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _simple(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _simple(inner, f"{path}[{index}]")
    else:
        yield path, fhir_json.write(value).decode()
