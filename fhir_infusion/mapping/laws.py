"""The laws of a lens, asked of generated records before a document is used.

For a record r that writing accepts, its resource f = write(r) and what reading returns:

- *back*: read(f) is r, derived keys and residue aside;
- *again*: write(read(f)) is f, to the digit;
- *edit*: a change of one place of read(f) comes back as that change and nothing else, texts that describe aside;
- *other*: read in one release, written and read in the other, is the same record;
- *oracle*: the compiled functions and the interpreter agree.

A place that FHIR cannot hold is refused by name, never lost: a refusal breaks no law, but too many refusals do, and
so does a place that is refused whenever it is there: of such a pair the laws say nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.codecs import SHARED
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.compile import interpreted
from fhir_infusion.records.fields import table
from fhir_infusion.records.number import spelling_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.mapping.lens import Lens

Json = dict[str, Any]

IN_WORDS: Final = {
    "back": "what is written is read back",
    "again": "what was read is written again as it was",
    "edit": "an edit changes what it names and nothing else",
    "other": "the other release says the same",
    "oracle": "the compiled functions and the interpreter agree",
    "taken": "a sample is taken",
}
"""What each law says, in a few words; ``taken`` is one of formats."""

_ORACLE_SHARE = 0.2
"""The interpreter is slow, so it is asked for a share of the examples."""


class Dice(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 to below ``stop``."""
        ...


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that does not hold: for which example, and where the two sides differ first."""

    law: str
    seed: int
    path: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place of the record that writing refused, why, and in how many examples."""

    path: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What asking the laws gave.

    ``refusals`` are the places and reasons of the refusals with their number, the most frequent first; ``never`` those
    of places that were refused each time. It holds where nothing is broken, most examples were not refused and no
    place is refused each time.
    """

    asked: int
    refused: int
    broken: tuple[Broken, ...]
    refusals: tuple[Refusal, ...] = ()
    never: tuple[Refusal, ...] = ()

    @property
    def too_many(self) -> bool:
        """Whether so many examples were refused that the laws say nothing."""
        return self.refused * 2 >= max(self.asked, 1)

    @property
    def holds(self) -> bool:
        """Whether the document may be used."""
        return not (self.broken or self.never or self.too_many)


class _Refusals:
    """Counts where and why examples are refused, and notes what was written."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._fields: set[str] = set()
        self._written: set[str] = set()

    def refused(self, record: Json, refusal: Refused) -> None:
        """Take in a refusal; each place of a record counts once."""
        self._fields |= set(_fields(record))
        self._counts.update({(_INDEX.sub("", issue.path), issue.reason) for issue in refusal.issues})

    def written(self, record: Json) -> None:
        """Take in a record that was written."""
        self._written |= set(_fields(record))

    def found(self) -> tuple[tuple[Refusal, ...], tuple[Refusal, ...]]:
        """Return all refusals, and those of a field that was there often enough and never once written."""
        every = tuple(Refusal(path, reason, count) for (path, reason), count in self._counts.most_common())
        times: Counter[str] = Counter()
        for one in every:
            times[one.path] += one.count
        lost = {path for path, count in times.items() if count >= _OFTEN and path in self._fields - self._written}
        return every, tuple(one for one in every if one.path in lost)


_INDEX: Final = re.compile(r"\[\d+\]")
_OFTEN: Final = 3
"""How often a field must have been refused before that says something of its pair."""


def _fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a record without indexes."""
    if isinstance(value, list):
        for inner in value:
            yield from _fields(inner, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            yield here
            yield from _fields(inner, here)


def prove(
    lens: Lens,
    records: Callable[[int], list[Json]],
    dice: Callable[[int], Dice],
    count: int,
    other: Lens | None = None,
) -> Proof:
    """Ask the laws of ``count`` seeded examples.

    ``records`` makes the records of a seed in the form that becomes one resource each; ``other`` is the lens of the
    same resource type in another release.
    """
    asked = refused = 0
    refusals = _Refusals()
    broken: list[Broken] = []
    for seed in range(count):
        for record in records(seed):
            asked += 1
            try:
                translation = lens.write(record)
                written = translation.result
            except Refused as refusal:
                refused += 1
                refusals.refused(record, refusal)
                continue
            refusals.written(record)
            if any(issue.reason == SHARED for issue in translation.findings):
                continue  # said aloud: this code cannot come back as itself
            broken.extend(Broken(law, seed, path) for law, path in _ask(lens, record, written, dice(seed), other))
    return Proof(asked, refused, tuple(broken), *refusals.found())


def _ask(lens: Lens, record: Json, written: Json, dice: Dice, other: Lens | None) -> Iterator[tuple[str, str]]:
    try:
        read = lens.read(written).result
    except Refused as refusal:
        yield "back", refusal.issues[0].path
        return
    yield from _differ("back", bare(record), bare(read))
    try:
        again = lens.write(read).result
    except Refused as refusal:
        yield "again", refusal.issues[0].path
        return
    yield from _differ("again", written, again)
    if dice.random() < _ORACLE_SHARE:
        yield from _oracle(lens, record, written)
    yield from _edit(lens, read, dice)
    if other is not None:
        try:
            crossed = other.read(other.write(read).result).result
        except Refused:
            return
        yield from _differ("other", bare(record), bare(crossed))


def _oracle(lens: Lens, record: Json, written: Json) -> Iterator[tuple[str, str]]:
    reader, writer = interpreted(lens.plan)
    try:
        yield from _differ("oracle", written, writer(record)[0])
    except Refused as refusal:
        yield "oracle", refusal.issues[0].path
    yield from _differ("oracle", bare(lens.read(written).result), bare(reader(written)[0]))


def _edit(lens: Lens, record: Json, dice: Dice) -> Iterator[tuple[str, str]]:
    edited = edit(record, dice)
    try:
        back = lens.read(lens.write(edited).result).result
    except Refused:
        return
    yield from _differ("edit", without_texts(bare(edited)), without_texts(bare(back)))


def edit(record: Json, dice: Dice) -> Json:
    """Return the record with one place changed: a value, or a list with an element less, more or moved."""
    places = [place for place in _places(record, ()) if place[0] not in ("record", "residue", "representation")]
    if not places:
        return record
    path = places[dice.randrange(len(places))]
    return _changed(record, path, dice)  # type: ignore[no-any-return]  # a record stays a record


def _places(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "residue" and not name.endswith("_id"):
                yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        if len(value) > 1 and isinstance(value[0], dict):
            yield path
        for index, inner in enumerate(value):
            yield from _places(inner, (*path, index))
    elif path and path[-1] in _WORDS and isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        yield path


_WORDS = frozenset({"text", "code", "value", "display", "name", "instructions", "author_name"}) | {
    f"{who}_instruction" for who in ("patient", "clinical")
}


def _changed(value: Any, path: tuple[str | int, ...], dice: Dice) -> Any:
    if path:
        head, *rest = path
        if isinstance(value, dict):
            return {**value, head: _changed(value[head], tuple(rest), dice)}
        return [_changed(inner, tuple(rest), dice) if index == head else inner for index, inner in enumerate(value)]
    if isinstance(value, list):
        return value[1:] if dice.random() < 0.5 else [*value[1:], value[0]]
    return f"{value}x" if isinstance(value, str) else Decimal(spelling_of(value)) + 1


_DESCRIBING = [field for members in table().values() for field in members.values() if field.describes]
_TEXTS = frozenset(field.name for field in _DESCRIBING if not field.nested)
"""The texts that describe: an edit of what they tell of removes them."""
_NAMED = frozenset(field.name for field in _DESCRIBING if field.nested)
"""The codes whose words describe."""


def without_texts(value: Any) -> Any:
    """Return a record without the texts that describe, and without the words of codes that do."""
    if isinstance(value, dict):
        kept = {name: without_texts(inner) for name, inner in value.items() if name not in _TEXTS}
        for name in _NAMED & kept.keys():
            if isinstance(kept[name], dict):
                kept[name] = {part: inner for part, inner in kept[name].items() if part != "text"}
                kept = {part: inner for part, inner in kept.items() if part != name or inner}
        return kept
    return [without_texts(inner) for inner in value] if isinstance(value, list) else value


def _differ(law: str, left: Any, right: Any) -> Iterator[tuple[str, str]]:
    for path in differences(left, right):
        yield law, path
        return
