"""A mapping document as somebody edits it: checked, proven and tried beside the one that is served.

What is edited are documents, tables of a closed vocabulary without expressions; nothing in them runs. Loading them
costs a second of the processor all the same, so one is tried at a time, and only for operators where there are tokens.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions.prove import proofs
from fhir_infusion.config import Settings, mapping_texts, mappings_dir
from fhir_infusion.errors import DocumentError, Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import apart
from fhir_infusion.translator import FHIR_TYPE, Translator, load_library
from fhir_infusion.web.examples import therapies
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.workbench.items import Item, items_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.web.workbench.asked import Asked

Json = dict[str, Any]

MOST_DIFFERENCES: Final = 200
MOST_COMPLAINTS: Final = 50
_EXAMPLES: Final = 10
"""Asked of each lens: a few hundred milliseconds."""

_ONE: Final = threading.Lock()
_PATIENCE: Final = 5
"""Seconds that a second trial waits for the first."""

_LINE: Final = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+): ")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the documents; ``line`` is that of the edited one, where the complaint is about it."""

    text: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where the result is another one: as JSON, empty where there is nothing."""

    path: str
    live: str
    edited: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of an edited document. Without a change nothing is tried."""

    document: str
    text: str
    is_changed: bool = False
    complaints: tuple[Complaint, ...] = ()
    proof: str = ""
    broken: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    more: int = 0
    refused: tuple[str, ...] = ()
    changed_examples: tuple[tuple[str, str], ...] | None = field(default=None)


def documents(settings: Settings) -> dict[str, str]:
    """Return the texts of the documents as they stand in the files, by path."""
    return mapping_texts(mappings_dir(settings))


def trial(translator: Translator, settings: Settings, asked: Asked, given: Any, live: Item) -> Trial:
    """Return what an edited document does: to itself, to what was pasted, and to the laws.

    Raises:
        Refused: 400, there is no such document.
        Unavailable: others are being tried.
    """
    texts = documents(settings)
    if asked.document not in texts:
        raise parameter_refusal("document", "there is no such document", ", ".join(texts))
    text = asked.mapping or texts[asked.document]
    if text.strip() == texts[asked.document].strip():
        return Trial(asked.document, text)
    with _alone():
        try:
            edited = _edited(settings, {**texts, asked.document: text}, asked)
        except DocumentError as error:
            return Trial(asked.document, text, is_changed=True, complaints=_complaints(error, asked.document))
        done = Trial(asked.document, text, is_changed=True)
        done = _proven(done, edited, settings, asked, live)
        done = _compared(done, edited, asked, given, live)
        return replace(done, changed_examples=_on_all(translator, edited, asked)) if asked.every else done


@contextmanager
def _alone() -> Iterator[None]:
    if not _ONE.acquire(timeout=_PATIENCE):
        raise Unavailable("another mapping is being tried")
    try:
        yield
    finally:
        _ONE.release()


def _edited(settings: Settings, texts: dict[str, str], asked: Asked) -> Translator:
    name = asked.document.rpartition("/")[2].removesuffix(".yaml")
    wanted = {asked.overlay, name if asked.document.startswith("overlays/") else ""} - {""}
    library = load_library(settings, lambda: texts, overlays=wanted)
    return Translator(library, settings)


def _complaints(error: DocumentError, document: str) -> tuple[Complaint, ...]:
    found = []
    for text in error.complaints[:MOST_COMPLAINTS]:
        place = _LINE.match(text)
        found.append(Complaint(text, int(place["line"]) if place and place["file"] == document else None))
    return tuple(found)


def _proven(done: Trial, edited: Translator, settings: Settings, asked: Asked, live: Item) -> Trial:
    """Ask the laws of a few examples: of the kind that is shown in both releases, or of the formats."""
    kind = FHIR_TYPE.get(str((live.record or {}).get("record", "")))
    library = edited.library
    is_format = asked.document.startswith("formats/")
    shown = {
        place: lens
        for place, lens in library.lenses.items()
        if not is_format and place[1] == (kind or place[1]) and place[2] == (asked.overlay or None)
    }
    concerned = replace(library, lenses=shown, formats=library.formats if is_format else {})
    asked_for = refused = 0
    broken: list[str] = []
    for name, proof in proofs(concerned, settings, _EXAMPLES):
        asked_for, refused = asked_for + proof.asked, refused + proof.refused
        broken += [
            f"{name}: the law '{one.law}' does not hold at {one.path} (example {one.seed})" for one in proof.broken[:5]
        ]
        broken += [f"{name}: {one.path} is refused each time: {one.reason}" for one in proof.never]
    said = f"{asked_for} examples asked, {refused} refused, {'nothing' if not broken else 'something'} broken"
    return replace(done, proof=said, broken=tuple(broken))


def _compared(done: Trial, edited: Translator, asked: Asked, given: Any, live: Item) -> Trial:
    """Compare what the input becomes with what the documents that are served make of it."""
    if given is None:
        return done
    items = items_of(edited, given, asked).items
    now = items[min(asked.record, len(items) - 1)] if items else Item(None)
    if now.issues:
        return replace(done, refused=tuple(f"{issue.path}: {issue.reason}" for issue in now.issues[:MOST_COMPLAINTS]))
    found = list(_differences(_result(live), _result(now)))
    return replace(done, differences=tuple(found[:MOST_DIFFERENCES]), more=max(0, len(found) - MOST_DIFFERENCES))


def _result(item: Item) -> Any:
    if not item.written:
        return item.record if not item.issues else None
    resources = [part.resource for part in item.parts]
    return resources[0] if len(resources) == 1 else resources


def _differences(live: Any, edited: Any) -> Iterator[Difference]:
    seen_residue = False
    for one in apart({"live": live, "edited": edited}):
        path = one["path"]
        if path.startswith("residue"):
            # Which entry of the residue says nothing to whoever changes a document.
            if seen_residue:
                continue
            seen_residue, path = True, "residue"
        yield Difference(path or "the whole", *(_text(one[side]) if side in one else "" for side in ("live", "edited")))


def _text(value: Any) -> str:
    return fhir_json.write_pretty(value).decode().rstrip()


def _on_all(translator: Translator, edited: Translator, asked: Asked) -> tuple[tuple[str, str], ...]:
    """Return the examples whose result changes, each with the first place."""
    found: list[tuple[str, str]] = []
    for one in therapies().values():
        before, now = (_turned(each, one.record, asked) for each in (translator, edited))
        change = next(_differences(before, now), None)
        if change is not None:
            found.append((one.name, change.path))
    return tuple(found)


def _turned(translator: Translator, record: Json, asked: Asked) -> Any:
    try:
        return translator.to_fhir(record, asked.release, asked.overlay or None, strict=asked.strict).results
    except Refused as refused:
        return {"refused": [f"{issue.path}: {issue.reason}" for issue in refused.issues]}
