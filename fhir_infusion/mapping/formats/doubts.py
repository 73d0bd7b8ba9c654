"""What an engineer is told of a format that is used all the same.

Two records of the samples with one number, what looks crossed, and what no pair takes and looks like an amount.
A dose, a rate or a limit that is only kept says nothing to a record: no rule checks it, FHIR never shows it, and it
stays behind with the first edit.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.mapping.compare import bare
from fhir_infusion.mapping.formats.crossed import crossed
from fhir_infusion.mapping.formats.groups import Feed
from fhir_infusion.mapping.formats.names import shown, words
from fhir_infusion.mapping.formats.places import NUMBERS
from fhir_infusion.mapping.formats.undoing import UNDONE
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.formats.nodes import Node

_LIKE: Final = "looks like an amount or a cancellation: no rule looks at it"
_PAIR: Final = "a pair for it, or what the shape says of it, such as kept"
_SAID: Final = """
dose doses dosis dosage dosierung rate laufrate flow amount menge strength volume vol volumen vtbi bolus basal limit
max maximum cap concentration conc konzentration weight wt gewicht bsa kof duration dauer titration
void voided cancel cancelled canceled deleted storno storniert corrected correction invalid revoked withdrawn
kg mg ug mcg µg ng ml mmol meq mval ie iu ui units m2 m²
"""
_WORDS: Final = frozenset(_SAID.split())
_AMOUNT: Final = re.compile(
    r"[<>≤≥=]*\s*[0-9]+(?:[.,][0-9]+)?\s*(?:[nuµm]?g|mcg|kg|m?l|mmol|meq|mval|ie|iu|ui|e|units?|%|gtt|drops)\b.*",
    re.IGNORECASE | re.DOTALL,
)


def doubts(one: Format, samples: Sequence[Any]) -> list[str]:
    """Return a line, with the place in the document, for each member that is kept and looks like an amount."""
    found = [
        f"{mark}: {text}"
        for sample in samples
        for each in one.apart(sample)
        for mark, text in _of_value(one.given.root, each)
    ]
    if any(isinstance(filler, int | str) and str(filler) in ("0", "0.0", "0,0") for filler in one.given.fillers):
        zero = "zero stands for nothing (`absent`): a rate of zero, which is a pause, is not read"
        found.append(f"{one.given.mark}: {zero}; accepted: `absent` without it")
    if isinstance(one.given.group, Feed) and not one.given.group.order:
        what = "the feed names no `order`: rows that come late are taken for the last ones"
        found.append(f"{one.given.mark}: {what}; accepted: `order` with the member that is their moment")
    looks = crossed(one.given, one.lens.plan)
    return list(dict.fromkeys([*_of_shape(one.given.root), *looks, *found, *_of_numbers(one, samples)]))


def _of_numbers(one: Format, samples: Iterable[Any]) -> Iterator[str]:
    """Yield a line where two records of the samples have one number and are not of one patient and drug."""
    number = NUMBERS[one.record]
    seen: dict[Any, Any] = {}
    for sample in samples:
        for each in one.apart(sample):
            with contextlib.suppress(Refused):  # the laws tell of a sample that is not taken
                record = one.read_one(each).result
                who = [bare(record.get(name)) for name in ("patient", "drug")]
                if not same(seen.setdefault(record[number], who), who):
                    what = f"two records of the samples have one {number}, and not one patient and drug"
                    yield f"{one.given.pairs.mark}: {what}; accepted: a number that no other record has"


def _of_shape(node: Node) -> Iterator[str]:
    for inner in (node.members or {}).values():
        if inner.kept and not inner.keeping.names and _is_name(inner.name):
            yield f"{inner.mark}: {_told(inner)}"
        yield from _of_shape(inner)


def _told(node: Node) -> str:
    after = "goes back beside an edited dose" if node.keeping.always else "stays behind once anything is edited"
    return f"'{node.name}' is kept and {_LIKE}, and it {after}; accepted: a pair"


def unknown(one: Format, value: Any) -> list[Issue]:
    """Return a finding for each member that the shape does not know and that looks like an amount."""
    return [
        Issue(
            "warning",
            "informational",
            f"{one.name}.{path}",
            f"the shape does not know this, and it {_LIKE}",
            _PAIR,
            "kept",
        )
        for inner, path, _ in _strange(one.given.root, value, "")
        if inner is None
    ]


def _of_value(node: Node, value: Any) -> Iterator[tuple[str, str]]:
    for inner, path, holder in _strange(node, value, ""):
        if inner is not None:
            yield str(inner.mark), _told(inner)
        else:
            text = f"'{path.rpartition('.')[2]}' of a sample is not in the shape and {_LIKE}"
            yield str(holder.mark), f"{text}, and it stays behind once anything is edited; accepted: a pair"


def _strange(node: Node, value: Any, at: str) -> Iterator[tuple[Node | None, str, Node]]:
    """Yield each member that no pair takes and looks like an amount: its shape if any, its path, what it stands in."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _strange(node, item, f"{at}[{position}]")
    if not isinstance(value, dict) or node.members is None:
        return
    known = node.spelled()
    for name, held in value.items():
        inner, here = known.get(name), f"{at}.{shown(name)}".lstrip(".")
        if inner is None and (_is_name(name) or _is_amount(held)):
            yield None, here, node
        elif inner is not None and inner.kept:
            if not inner.keeping.names and inner.name != UNDONE and _is_amount(held):
                yield inner, here, node
        elif inner is not None:
            yield from _strange(inner, held, here)


def _is_name(name: str) -> bool:
    return not _WORDS.isdisjoint(words(name))


def _is_amount(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_name(name) or _is_amount(held) for name, held in value.items())
    if isinstance(value, list):
        return any(map(_is_amount, value))
    return isinstance(value, str) and _AMOUNT.fullmatch(value.strip()) is not None
