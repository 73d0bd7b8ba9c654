"""Hypothesis strategies for records, and ways to spoil one.

Examples come from ``fhir_infusion.records.examples`` by a seed: fast, and a failing example is printed whole.
"""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import strategies as st

from fhir_infusion.records.examples import example

Record = dict[str, Any]

_SEEDS = st.integers(min_value=0, max_value=2**32)


def orders(*, residue: bool = True) -> st.SearchStrategy[Record]:
    """Valid orders in their interchange form."""
    return _SEEDS.map(lambda seed: example("InfusionOrder", Random(seed), residue=residue))


def administrations(*, residue: bool = True) -> st.SearchStrategy[Record]:
    """Valid administrations in their interchange form, some of them to be split."""
    return _SEEDS.map(lambda seed: example("Administration", Random(seed), residue=residue))


def records(*, residue: bool = True) -> st.SearchStrategy[Record]:
    """Valid records of both kinds."""
    return orders(residue=residue) | administrations(residue=residue)


def split_administrations() -> st.SearchStrategy[Record]:
    """Valid administrations that go to FHIR as parent and children."""
    return administrations().filter(lambda record: record.get("representation") == "split")


def spoiled() -> st.SearchStrategy[Record]:
    """Records with one to three places changed: many are wrong, some still right."""
    return st.tuples(records(), _SEEDS).map(lambda made: spoil(made[0], Random(made[1])))


JUNK: tuple[Any, ...] = (
    None, "", " ", "bogus", "5", "x" * 70, "2024-02-30", "2024-13", "2024-01-01T10:00:00", "a b", " a", "\x00", "\ud800", "1.50",
    0, -1, 1, 5, 10**18, 2**31, 1.5, True, False, [], {}, [None], ["x"], [{}], {"a": 1}, {"value": 5}, {"unit": "mcg"},
    {"value": -1, "unit": "mg"}, {"value": 1, "unit": "mg", "comparator": "<"}, {"text": "x"}, "mg\u200b", "javascript:x",
    "~derived", "Practitioner/../x", "preparation",
)  # fmt: skip


def spoil(record: Record, dice: Random) -> Record:
    """Return the record with one to three members, elements or names changed."""
    spoiled_record = deepcopy(record)
    for _ in range(dice.randrange(3) + 1):
        _spoil_once(spoiled_record, dice)
    return spoiled_record


def _spoil_once(record: Record, dice: Random) -> None:
    holders: list[Any] = [place for place in _holders(record) if place]
    if not holders:
        return
    holder = dice.choice(holders)
    name = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
    kind = dice.randrange(6)
    if kind == 0:
        del holder[name]
    elif kind == 1:
        holder[name] = deepcopy(dice.choice(JUNK))
    elif kind == 2 and isinstance(holder, list):
        holder.append(deepcopy(holder[name]))
    elif kind == 3 and isinstance(holder, dict):
        holder[dice.choice(("nope", "value", "unit", "text", "record", "status", "comparator"))] = deepcopy(
            dice.choice(JUNK)
        )
    elif kind == 4:
        other = dice.choice(holders)
        holder[name] = deepcopy(dice.choice(list(other.values()) if isinstance(other, dict) else other))
    else:
        holder[name] = [deepcopy(holder[name])]


def _holders(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return [part, *(found for name, item in part.items() if name != "residue" for found in _holders(item))]
    if isinstance(part, list):
        return [part, *(found for item in part for found in _holders(item))]
    return []
