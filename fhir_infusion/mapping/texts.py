"""Text that describes what stands beside it: kept while that is unchanged, removed when it was edited.

A display, a dosage text or a narrative tells in words what its siblings say, so an edited dose must not go out beside
the old sentence. When a resource is read, the residue keeps pairs of digests (text, what it describes). When the record
is written, a text whose digest is known beside another meaning than its own is stale; a text that is not known was
written by the editor and stays. The pairs hold no place, so inserting or reordering changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from zlib import crc32

import msgspec

from fhir_infusion.mapping.residue import TEXTS
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.fields import Field
from fhir_infusion.records.number import Spelled, spelling_of

Json = dict[str, Any]
FieldTable = Mapping[str, Mapping[str, Field]]

_EDITED: Final = "the text described this before it was edited"

WHOLE: Final = "whole"
"""Stands before the digest of the whole record, which a narrative describes."""


def _unknown(value: Any) -> str:
    if isinstance(value, Spelled):
        return spelling_of(value)
    message = f"a record holds no {type(value).__name__}"
    raise TypeError(message)


_ENCODE = msgspec.json.Encoder(order="sorted", decimal_format="string", enc_hook=_unknown)


def _crc(value: Any) -> int:
    return crc32(_ENCODE.encode(value))


def _simple(members: Mapping[str, Field]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the simple fields that a text describes, and with the texts all simple fields."""
    simple = [field for field in members.values() if not (field.nested or field.is_list or field.kind == "json")]
    return tuple(field.name for field in simple if not field.describes), frozenset(field.name for field in simple)


def _whole(record: Json) -> Json:
    return {name: value for name, value in record.items() if name not in ("residue", "resource_id")}


class Texts:
    """The describing texts of one record type, found by walking its field table."""

    def __init__(self, root: str, fields: FieldTable) -> None:
        """Note for each type which fields describe and which lead to further records."""
        self._root = root
        self._words = {
            name: tuple(f.name for f in members.values() if f.describes and not f.nested)
            for name, members in fields.items()
        }
        self._named = {
            name: tuple(f.name for f in members.values() if f.describes and f.nested)
            for name, members in fields.items()
        }
        self._inner = {
            name: {f.name: f.type for f in members.values() if f.nested and f.name != "residue"}
            for name, members in fields.items()
        }
        self._leads = self._leading()
        self._simple = {name: _simple(members) for name, members in fields.items()}

    def _leading(self) -> Mapping[str, Mapping[str, str]]:
        """Keep only the fields below which some text describes."""
        found = {name for name, words in self._words.items() if words}
        grown = True
        while grown:
            more = {
                name
                for name, inner in self._inner.items()
                if name not in found and any(t in found for t in inner.values())
            }
            grown = bool(more)
            found |= more
        return {name: {field: t for field, t in inner.items() if t in found} for name, inner in self._inner.items()}

    def seal(self, record: Json, *, narrative: bool) -> str:
        """Return the digest pairs of a record just read, as one text; empty where nothing describes."""
        pairs: list[str] = []
        self._collect(record, self._root, pairs, _bag(record))
        if narrative:
            pairs.append(f"{WHOLE}.{_crc(_whole(record)):x}")
        return " ".join(pairs)

    def _collect(self, value: Json, type_name: str, pairs: list[str], bag: int) -> None:
        for word in self._words[type_name]:
            text = value.get(word)
            if text is not None:
                pairs.append(f"{crc32(text.encode()):x}.{self._meaning(value, type_name, bag):x}")
        for name in self._named[type_name]:
            pairs.extend(f"{text}.{meaning}" for _, text, meaning in _spoken(value, name, value.get(name)))
        leads = self._leads[type_name]
        for name, inner in value.items():
            inner_type = leads.get(name)
            if inner_type is None:
                continue
            if inner.__class__ is dict:
                self._collect(inner, inner_type, pairs, bag)
            else:
                for item in inner:
                    self._collect(item, inner_type, pairs, bag)

    def _meaning(self, value: Json, type_name: str, bag: int) -> int:
        """Return the digest of what the texts describe: the other fields; at the top, what makes the dose.

        The text of a step tells what is in the bag as well.
        """
        names, simple = self._simple[type_name]
        if value.keys() <= simple:
            get = value.get
            return crc32("\x1f".join([f"{get(name)}" for name in names]).encode())
        if type_name == self._root:
            return _crc({name: inner for name, inner in value.items() if name in _ROOT_MEANING})
        words = self._words[type_name]
        return _crc({name: inner for name, inner in value.items() if name not in words}) ^ (
            bag if type_name == "Step" else 0
        )

    def fresh(self, record: Json) -> tuple[Json, list[Line]]:
        """Return the record without stale texts, and a line for each that was removed. The input is not changed."""
        sealed = next((entry["value"] for entry in record.get("residue", ()) if entry.get("path") == TEXTS), None)
        if sealed is None or sealed == self.seal(record, narrative=WHOLE in sealed):
            return record, []
        known: dict[str, set[str]] = {}
        for pair in str(sealed).split():
            text, _, meaning = pair.partition(".")
            known.setdefault(text, set()).add(meaning)
        lines: list[Line] = []
        result = self._freshen(record, self._root, "", known, lines, _bag(record))
        edited = WHOLE in known and f"{_crc(_whole(record)):x}" not in known[WHOLE]
        kept = [entry for entry in record["residue"] if not (edited and entry.get("path") == "text")]
        if len(kept) != len(record["residue"]):
            lines.append(Line("text", "dropped", "", "the narrative described the record before it was edited"))
            result = {**result, "residue": kept}
        return result, lines

    def _freshen(
        self, value: Json, type_name: str, at: str, known: Mapping[str, set[str]], lines: list[Line], bag: int
    ) -> Json:
        changes: Json = {}
        for word in self._words[type_name]:
            if word in value:
                meanings = known.get(f"{crc32(value[word].encode()):x}")
                if meanings is not None and f"{self._meaning(value, type_name, bag):x}" not in meanings:
                    lines.append(Line(f"{at}{word}", "dropped", "", _EDITED))
                    changes[word] = None
        for name, inner_type in self._leads[type_name].items():
            inner = value.get(name)
            if isinstance(inner, dict):
                made = self._freshen(inner, inner_type, f"{at}{name}.", known, lines, bag)
                if made is not inner:
                    changes[name] = made or None
            elif inner is not None:
                made_list = [
                    self._freshen(item, inner_type, f"{at}{name}[{index}].", known, lines, bag)
                    for index, item in enumerate(inner)
                ]
                if any(new is not old for new, old in zip(made_list, inner, strict=True)):
                    changes[name] = made_list
        changes |= _hushed({**value, **changes}, self._named[type_name], at, known, lines)
        if not changes:
            return value
        merged = {**value, **changes}
        return {name: inner for name, inner in merged.items() if inner is not None}


def _spoken(beside: Json, name: str, concept: Json | None) -> Iterator[tuple[int | None, str, str]]:
    """Yield the words of a code: the coding (None: the text), and the digests of the words and of what they describe.

    The text tells everything beside the code, where that says how often at all: else it alone does, and stays. A
    display tells how often. The digest of the words is another than that of the same words elsewhere.
    """
    if not concept:
        return
    rhythm = {part: beside[part] for part in _RHYTHM if part in beside}
    codings = concept.get("codings", ())
    if "text" in concept:
        told = {part: inner for part, inner in beside.items() if part != name} if rhythm else {}
        codes = [[coding.get("system"), coding.get("code")] for coding in codings]
        yield None, f"{crc32(b'named ' + concept['text'].encode()):x}", f"{_crc([told, codes]):x}"
    for index, coding in enumerate(codings):
        if "display" in coding:
            meaning = _crc([rhythm, coding.get("system"), coding.get("code")])
            yield index, f"{crc32(b'named ' + coding['display'].encode()):x}", f"{meaning:x}"


def _hushed(
    value: Json, names: tuple[str, ...], at: str, known: Mapping[str, set[str]], lines: list[Line]
) -> dict[str, Json | None]:
    """Return the codes that have stale words, without these."""
    changes: dict[str, Json | None] = {}
    for name in names:
        concept = value.get(name)
        stale = _stale(value, name, concept, known)
        if concept is not None and stale:
            lines.extend(Line(f"{at}{name}.{place}", "dropped", "", _EDITED) for place in sorted(stale.values()))
            changes[name] = _quiet(concept, stale) or None
    return changes


def _stale(beside: Json, name: str, concept: Json | None, known: Mapping[str, set[str]]) -> dict[int | None, str]:
    """Return the words of a code that described what was edited: the coding (None: the text), and the place."""
    return {
        index: "text" if index is None else f"codings[{index}].display"
        for index, text, meaning in _spoken(beside, name, concept)
        if text in known and meaning not in known[text]
    }


def _quiet(concept: Json, stale: Mapping[int | None, str]) -> Json:
    """Return a code without its stale words."""
    codings = [
        {part: inner for part, inner in coding.items() if part != "display"} if index in stale else coding
        for index, coding in enumerate(concept.get("codings", ()))
    ]
    left = {**concept, "codings": [coding for coding in codings if coding]}
    return {part: inner for part, inner in left.items() if inner and (part != "text" or None not in stale)}


_RHYTHM: Final = (
    *("events", "frequency", "frequency_max", "period", "period_max", "period_unit", "days_of_week", "times_of_day"),
    *("when", "offset", "days_of_cycle", "cycle_length", "weeks"),
)
"""The fields of a timing that say how often, which its code does in a word."""


def _bag(record: Json) -> int:
    """Return the digest of what is in the bag, which the texts of the steps tell of; 0 where nothing is stated."""
    if "steps" not in record:
        return 0
    return _crc([record.get("drug"), record.get("medication"), record.get("preparation")])


_ROOT_MEANING: Final = frozenset(
    {"steps", "drug", "medication", "preparation", "route", "body_site", "method", "dose_given", "segments", "when"}
)
"""What the texts at the top of a record (rendered instruction, dosage text) describe."""
