"""The laws of a format, asked of the samples that stand in its document and of variations of them.

For a sample s and each variation of it that reading takes, with the records r = read(s):

- *right*: each record of r is a right record of ours;
- *back*: write(r) is s, to the letter: fillers, unknown members and the spelling of numbers too (of a feed in which the
  rows of several records are mixed: record by record);
- *edit*: a change of one place of r, where it can be written and is not left out with a line, is read back as that
  change and nothing else, but for the order of lists that stand in columns.

A sample must be taken. A variation may be refused; another is made in its place.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.formats.joining import is_unsplit
from fhir_infusion.mapping.formats.times import NotTakenError
from fhir_infusion.mapping.laws import Broken, Proof, edit, without_texts
from fhir_infusion.mapping.residue import digest
from fhir_infusion.records import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.laws import Dice

Json = dict[str, Any]

_TRIES: Final = 12
_POOL: Final[dict[str, tuple[Any, ...]]] = {
    "decimal": (0, 7, Decimal("0.10"), Decimal("1234.500"), 250),
    "whole": (1, 7, 90, 365),
    "boolean": (True, False),
    "date": ("2024-02-29", "1960-12-01"),
    "time": ("00:00:00", "23:59:00"),
    "dateTime": (
        "2024-02-29T00:00:00+00:00",
        "2025-01-31T23:59:00+01:00",
        "2025-07-04T12:30:00-04:00",
        "2025-10-26T03:15:00+01:00",
    ),
}
"""Typed values that a variation may put in the place of another; those of text come from the samples."""


def prove_format(one: Format, samples: list[Any], dice: Callable[[int], Dice], count: int) -> Proof:
    """Ask the laws of each sample and of ``count`` variations."""
    broken: list[Broken] = []
    refused = 0
    for seed, sample in enumerate(samples):
        try:
            broken += [Broken(law, seed, path) for law, path in _ask(one, sample, dice(seed))]
        except Refused as refusal:
            refused += 1
            first = refusal.issues[0]
            told = f"{first.path}: {first.reason}; accepted: {first.accepted}"
            broken.append(Broken("taken", seed, told))
    for seed in range(count if samples and not broken else 0):
        rolled = dice(seed)
        for _ in range(_TRIES):
            try:
                found = list(_ask(one, _varied_sample(one, samples[seed % len(samples)], rolled), rolled))
            except Refused:
                continue
            broken += [Broken(law, seed, path) for law, path in found]
            break
        else:
            refused += 1
    return Proof(len(samples) + count, refused, tuple(broken))


def _ask(one: Format, value: Any, dice: Dice) -> Iterator[tuple[str, str]]:
    """Yield the laws that do not hold for a value.

    Raises ``Refused`` where the value is not taken.
    """
    records = [translation.result for translation in one.read(value)]
    for record in records:
        check.refuse(record)
    written = one.write(records).values
    yield from _first("back", one.apart(value), one.apart(written))
    chosen = dice.randrange(len(records))
    edited = edit(records[chosen], dice)
    try:
        written_anew = one.write([*records[:chosen], edited, *records[chosen + 1 :]])
        if any(is_unsplit(line.why) for line in written_anew.translations[chosen].ledger.exceptions):
            return
        back = one.read(written_anew.values)[chosen].result
        check.refuse(back)
    except (Refused, IndexError):
        return
    yield from _first("edit", *(_sorted(_meant(one_side), one.without_order) for one_side in (edited, back)))


def _first(law: str, left: Any, right: Any) -> Iterator[tuple[str, str]]:
    for path in differences(left, right):
        yield law, path or "the whole"
        return


_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+")


def _meant(value: Any) -> Any:
    """Return what a record says: without residue and texts that describe, its moments as moments."""
    return _moments(without_texts(bare(value)))


def _sorted(value: Any, names: frozenset[str]) -> Any:
    """Return a record with the lists of these names in an order of their content."""
    if isinstance(value, list):
        return [_sorted(inner, names) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {name: _sorted(inner, names) for name, inner in value.items()}
    return {name: sorted(inner, key=digest) if name in names else inner for name, inner in made.items()}


def _moments(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _moments(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moments(inner) for inner in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


# ------------------------------------------------------------------------------------------------ variations


def _varied_sample(one: Format, sample: Any, dice: Dice) -> Any:
    objects = one.unpacked(sample)
    varied = vary(one.given.root, objects, dice)
    if objects is sample:
        return varied
    made = one.packed(varied if isinstance(varied, list) else [varied])
    return made if isinstance(varied, list) else made[0]


def vary(root: Node, sample: Any, dice: Dice) -> Any:
    """Return a sample with one place changed: a value, a filler, an unknown member, or a list with more or less."""
    if isinstance(sample, list) and sample:
        index = dice.randrange(len(sample))
        if dice.random() < _SELDOM:
            return [*sample[:index], *sample[index + 1 :]] or sample
        return [vary(root, item, dice) if at == index else item for at, item in enumerate(sample)]
    return _varied(root, sample, dice) if isinstance(sample, dict) else sample


_SELDOM: Final = 0.2


def _varied(node: Node, value: Json, dice: Dice) -> Json:
    names = [name for name in value if _holds(node, name)]
    if not names or dice.random() < _SELDOM:
        return {**value, _UNKNOWN[dice.randrange(len(_UNKNOWN))]: _STRANGE[dice.randrange(len(_STRANGE))]}
    name = names[dice.randrange(len(names))]
    if dice.random() < _SELDOM:
        return {key: held for key, held in value.items() if key != name}
    return {**value, name: _other(node, name, value[name], dice)}


_UNKNOWN: Final = ("neu", "x-new field", "display", "id", "a.b[0]", "_y", "Ü 1")
_STRANGE: Final[tuple[Any, ...]] = ("a text", 7, Decimal("1.50"), None, "", [], {"a": [1, None]}, [{"b": ""}], False)
"""Members that no shape knows, with names and values that only JSON would allow."""


def _holds(node: Node, name: str) -> bool:
    return name in _spelled(node)


def _spelled(node: Node) -> dict[str, Node]:
    """Return the members of a node, those in its lists of rows among them, for the rows of a feed hold both."""
    found = node.spelled()
    for inner in (node.members or {}).values():
        if inner.members is not None and inner.is_list and not inner.columns:
            found = {**inner.spelled(), **found}
    return found


def _other(node: Node, name: str, value: Any, dice: Dice) -> Any:
    inner = _spelled(node)[name]
    if isinstance(value, list) and value:
        index = dice.randrange(len(value))
        if dice.random() < _SELDOM:
            return [*value, value[index]] if dice.random() < 0.5 else [*value[:index], *value[index + 1 :]]
        changed = _varied(inner, value[index], dice) if isinstance(value[index], dict) else value[index]
        return [changed if at == index else item for at, item in enumerate(value)]
    if isinstance(value, dict):
        return _varied(inner, value, dice)
    if dice.random() < _SELDOM or inner.parts:
        return ""
    return _value(inner, value, dice)


def _value(node: Node, value: Any, dice: Dice) -> Any:
    spelling = node.spelling
    if spelling is None:
        return value
    if spelling.type in ("string", "group"):
        return f"{value}9" if isinstance(value, str) else value
    pool = _POOL[spelling.type]
    try:
        return spelling.write(pool[dice.randrange(len(pool))])
    except NotTakenError:
        return value
