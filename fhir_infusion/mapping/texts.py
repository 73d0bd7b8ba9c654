"""Text that describes what stands beside it: kept while that is unchanged, removed when it was edited.

A display, a dosage text or a narrative tells in words what its siblings say, so an edited dose must not go out beside
the old sentence. When a resource is read, the residue keeps pairs of digests (text, what it describes). When the record
is written, a text whose digest is known beside another meaning than its own is stale; a text that is not known was
written by the editor and stays. The pairs hold no place, so inserting or reordering changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from zlib import crc32

from fhir_infusion.mapping.digests import digest_of, digest_of_said
from fhir_infusion.mapping.named_words import EDITED, coded, hushed, spoken
from fhir_infusion.mapping.residue import TEXTS
from fhir_infusion.mapping.sealing import sealer
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.fields import Field

Json = dict[str, Any]
FieldTable = Mapping[str, Mapping[str, Field]]
Digest = Callable[[Any], int]
Bags = tuple[tuple[Digest, int], ...]
"""Each way to make a digest, with that of what is in the bag."""

_WAYS: Final[tuple[Digest, ...]] = (digest_of_said, digest_of)
"""How seals are made, and how they were before derived keys were left out. Whoever writes in another release a record
that was read gives it these keys: it says the same."""

_STEP: Final = "Step"

WHOLE: Final = "whole"
"""Stands before the digest of the whole record, which a narrative describes."""


def _simple(members: Mapping[str, Field]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the simple fields that a text describes, and with the texts all simple fields."""
    simple = [field for field in members.values() if not (field.nested or field.is_list or field.kind == "json")]
    told = tuple(field.name for field in simple if not (field.describes or field.key))
    return told, frozenset(field.name for field in simple)


def _is_named(field: Field, members: Mapping[str, Field]) -> bool:
    """Whether words stand with codes: in a code that describes, or as the text of codings."""
    return field.nested or "codings" in members


def _whole(record: Json) -> Json:
    return {name: value for name, value in record.items() if name not in ("residue", "resource_id")}


class Texts:
    """The describing texts of one record type, found by walking its field table."""

    def __init__(self, root: str, fields: FieldTable) -> None:
        """Note for each type which fields describe and which lead to further records."""
        self._root = root
        self._words = {
            name: tuple(f.name for f in members.values() if f.describes and not _is_named(f, members))
            for name, members in fields.items()
        }
        # A key is no meaning: a copy without it says the same.
        self._aside = {
            name: frozenset((*self._words[name], *(f.name for f in members.values() if f.key)))
            for name, members in fields.items()
        }
        self._named = {
            name: tuple(f.name for f in members.values() if f.describes and _is_named(f, members))
            for name, members in fields.items()
        }
        self._inner = {
            name: {f.name: f.type for f in members.values() if f.nested and f.name != "residue"}
            for name, members in fields.items()
        }
        self._leads = self._leading()
        self._simple = {name: _simple(members) for name, members in fields.items()}
        lists = {name: frozenset(f.name for f in members.values() if f.is_list) for name, members in fields.items()}
        self._seal = sealer(
            root, self._words, self._named, self._leads, self._simple, lists, self._meaning, spoken, coded
        )

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
        self._seal(record, pairs, self._bag(record))
        if narrative:
            pairs.append(f"{WHOLE}.{digest_of_said(_whole(record)):x}")
        return " ".join(pairs)

    def _bag(self, record: Json, digest: Digest = digest_of_said) -> int:
        """Return the digest of what is in the bag, which the texts of the steps tell of; 0 where there is no such."""
        words = self._words.get(_STEP, ())
        if not any(word in step for step in record.get("steps", ()) for word in words):
            return 0
        return digest([record.get("drug"), record.get("medication"), record.get("preparation")])

    def _meaning(self, value: Json, type_name: str, bag: int, digest: Digest = digest_of_said) -> int:
        """Return the digest of what the texts describe: the other fields; at the top, what makes the dose.

        The text of a step tells what is in the bag as well.
        """
        names, simple = self._simple[type_name]
        if value.keys() <= simple:
            get = value.get
            return crc32("\x1f".join([f"{get(name)}" for name in names]).encode())
        if type_name == self._root:
            return digest({name: inner for name, inner in value.items() if name in _ROOT_MEANING})
        aside = self._aside[type_name]
        own = digest({name: inner for name, inner in value.items() if name not in aside})
        return own ^ bag if type_name == _STEP else own

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
        bags = tuple((digest, self._bag(record, digest)) for digest in _WAYS)
        result = self._freshen(record, self._root, "", known, lines, bags)
        whole = {f"{digest(_whole(record)):x}" for digest in _WAYS}
        edited = WHOLE in known and not whole & known[WHOLE]
        kept = [entry for entry in record["residue"] if not (edited and entry.get("path") == "text")]
        if len(kept) != len(record["residue"]):
            lines.append(Line("text", "dropped", "", "the narrative described the record before it was edited"))
            result = {**result, "residue": kept}
        return result, lines

    def _freshen(
        self, value: Json, type_name: str, at: str, known: Mapping[str, set[str]], lines: list[Line], bags: Bags
    ) -> Json:
        changes: Json = {}
        for word in self._words[type_name]:
            if word in value:
                meanings = known.get(f"{crc32(value[word].encode()):x}")
                if meanings is not None and not any(
                    f"{self._meaning(value, type_name, bag, digest):x}" in meanings for digest, bag in bags
                ):
                    lines.append(Line(f"{at}{word}", "dropped", "", EDITED))
                    changes[word] = None
        for name, inner_type in self._leads[type_name].items():
            inner = value.get(name)
            if isinstance(inner, dict):
                made = self._freshen(inner, inner_type, f"{at}{name}.", known, lines, bags)
                if made is not inner:
                    changes[name] = made or None
            elif inner is not None:
                made_list = [
                    self._freshen(item, inner_type, f"{at}{name}[{index}].", known, lines, bags)
                    for index, item in enumerate(inner)
                ]
                if any(new is not old for new, old in zip(made_list, inner, strict=True)):
                    changes[name] = [item for item in made_list if item] or None
        fresh = _merged(value, changes)
        unnamed = hushed(fresh, self._named[type_name], at, known, lines)
        return _merged(fresh, unnamed)


def _merged(value: Json, changes: Json) -> Json:
    """Return a value with its changes, without what became ``None``; the value itself where nothing changed."""
    return {name: inner for name, inner in {**value, **changes}.items() if inner is not None} if changes else value


_ROOT_MEANING: Final = frozenset(
    {"steps", "drug", "medication", "preparation", "route", "body_site", "method", "dose_given", "segments", "when"}
)
"""What the texts at the top of a record (rendered instruction, dosage text) describe."""
