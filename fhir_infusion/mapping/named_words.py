"""The words of codes: those of a code that tell what stands beside it, and the text of a concept.

"every 6 hours" in the code of a timing tells the frequency beside it: an edit of that makes the words stale, never the
code. Which codes speak so is said by the field table (``Field.describes`` of a nested field). The text of any concept
tells what its codings say: where one of these was changed or removed it is stale, where one was added it is not.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from fhir_infusion.mapping.digests import digest_of
from fhir_infusion.mapping.trace import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = dict[str, Any]

EDITED: Final = "the text described this before it was edited"


_MANY: Final = 8
"""More codes than a concept has that people write; with more, one that was added is taken for a change."""


def coded(text: str, codings: Iterable[Json]) -> str:
    """Return the digests of the text of a concept and of what it tells, its codings, as one pair."""
    return f"{_of_text(text)}.{_of_codes(_codes(codings))}"


def spoken(beside: Json, name: str, concept: Json | None) -> Iterator[tuple[int | None, str, str]]:
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
        yield None, f"{crc32(b'named ' + concept['text'].encode()):x}", f"{digest_of([told, codes]):x}"
    for index, coding in enumerate(codings):
        if "display" in coding:
            meaning = digest_of([rhythm, coding.get("system"), coding.get("code")])
            yield index, f"{crc32(b'named ' + coding['display'].encode()):x}", f"{meaning:x}"


def hushed(
    value: Json, names: tuple[str, ...], at: str, known: Mapping[str, set[str]], lines: list[Line]
) -> dict[str, Json | None]:
    """Return the codes that have stale words, without these."""
    changes: dict[str, Json | None] = {}
    for name in names:
        concept = value.get(name)
        if isinstance(concept, str):
            if _is_outlived(concept, _codes(value.get("codings", ())), known):
                lines.append(Line(f"{at}{name}", "dropped", "", EDITED))
                changes[name] = None
            continue
        stale = _stale(value, name, concept, known)
        if concept is not None and stale:
            lines.extend(Line(f"{at}{name}.{place}", "dropped", "", EDITED) for place in sorted(stale.values()))
            changes[name] = _quiet(concept, stale) or None
    return changes


def _of_text(text: str) -> str:
    return f"{crc32(b'coded ' + text.encode()):x}"


Codes = tuple[tuple[str, str], ...]


def _codes(codings: Iterable[Json]) -> Codes:
    """Return what the codings of a concept say, in an order of its own: the codes, the display where there is none."""
    told = [
        (str(coding.get("system")), str(coding["code"] if "code" in coding else coding.get("display")))
        for coding in codings
    ]
    return tuple(sorted(told) if len(told) > 1 else told)


@lru_cache(maxsize=8192)
def _of_codes(codes: Codes) -> str:
    return f"{digest_of(codes):x}"


def _is_outlived(text: str, codes: Codes, known: Mapping[str, set[str]]) -> bool:
    """Whether a text was read beside codings of which not all are there now; alone, it says all there is."""
    meanings = known.get(_of_text(text))
    if meanings is None or not codes:
        return False
    sizes = range(1, len(codes) + 1) if len(codes) <= _MANY else (len(codes),)
    return not any(_of_codes(some) in meanings for size in sizes for some in combinations(codes, size))


def _stale(beside: Json, name: str, concept: Json | None, known: Mapping[str, set[str]]) -> dict[int | None, str]:
    """Return the words of a code that described what was edited: the coding (None: the text), and the place."""
    return {
        index: "text" if index is None else f"codings[{index}].display"
        for index, text, meaning in spoken(beside, name, concept)
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
