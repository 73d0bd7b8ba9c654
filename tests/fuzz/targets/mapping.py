"""The mapping: a resource goes there and back, and nothing of it is lost, or it is refused."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.number import from_spelling
from tests.generators import spoil
from tests.laws.attempts import as_sent, assert_translated_or_refused
from tests.laws.kit import golden_resources, vary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 32_768

_MAPPED: Final = re.compile(rb"(R4B|R4|R5)\n(.*)", re.DOTALL)


def run(data: bytes) -> None:
    """Translate a resource there and back: nothing is lost, or it is refused."""
    found = _MAPPED.fullmatch(data)
    if found is None:
        return
    with suppress(Refused):
        tree = fhir_json.read(found[2])
        assert_translated_or_refused(tree, found[1].decode())


def corpus() -> Iterator[bytes]:
    """Give some of what the golden records become."""
    for release in ("R4", "R5"):
        for resource in golden_resources(release)[::20]:
            yield release.encode() + b"\n" + fhir_json.write(resource)


def change(data: bytes, most_bytes: int, seed: int, text: Callable[[bytes, int], bytes]) -> bytes:
    """Change a resource as a tree, which stays JSON: in some places of its shape, or in the text of one place."""
    head, _, body = data.partition(b"\n")
    dice = Random(seed)
    tree = _read(body)
    kind = dice.randrange(4)
    if tree is None or kind == 3:
        return text(data, most_bytes)
    changed = dice.choice((spoil, vary))(tree, dice) if kind else _with_another_text(tree, dice, text)
    made = head + b"\n" + as_sent(changed)
    return made if len(made) <= most_bytes else data


def _read(body: bytes) -> Any:
    try:
        return fhir_json.read(body)
    except Refused:
        return None


def _with_another_text(tree: Any, dice: Random, text: Callable[[bytes, int], bytes]) -> Any:
    """Return the JSON with one of its strings or numbers changed as bytes are; in place, of a tree of our own."""
    holders = [(holder, name) for holder in _holders(tree) for name in _names(holder) if _is_leaf(holder[name])]
    if holders:
        holder, name = dice.choice(holders)
        old = holder[name]
        new = text(str(old).encode(errors="surrogatepass"), 200).decode(errors="replace")
        is_number = not isinstance(old, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", new)
        holder[name] = from_spelling(new) if is_number else new
    return tree


def _holders(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict | list):
        yield tree
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from _holders(inner)


def _names(holder: Any) -> Any:
    return list(holder) if isinstance(holder, dict) else range(len(holder))


def _is_leaf(value: Any) -> bool:
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)
