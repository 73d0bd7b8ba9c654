"""The laws are only as good as the examples that they are asked of: these reach every field, every pair, every length."""

from __future__ import annotations

import functools
import re
from collections import Counter
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from fhir_infusion.config import mappings_dir, read_texts
from fhir_infusion.mapping.document import read_yaml, resolve
from fhir_infusion.mapping.inspect import pairs, plain
from fhir_infusion.records.equality import same
from fhir_infusion.records.examples import example
from fhir_infusion.records.fields import Field, table
from tests.counts import count
from tests.laws.kit import Json, each_record, each_release, lens, written

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST: Final = 2
"""Per cent of the examples."""

FIELD_EXAMPLES: Final = count(1200, 20_000)
PAIR_EXAMPLES: Final = count(500, 5000)


@functools.cache
def records_of(record_type: str) -> tuple[Json, ...]:
    return tuple(example(record_type, Random(seed)) for seed in range(FIELD_EXAMPLES))


def held(value: Json, type_name: str) -> Iterator[tuple[str, Field, Any]]:
    """Yield every field of a record and of what is in it: the type it belongs to, the field, its value or None."""
    for name, field in table()[type_name].items():
        inner = value.get(name)
        yield type_name, field, inner
        if field.nested and inner is not None:
            for part in inner if field.is_list else (inner,):
                yield from held(part, field.type)


def reachable(type_name: str, found: set[str] | None = None) -> set[str]:
    """Return the names of the types that a record can hold, itself among them."""
    found = set() if found is None else found
    if type_name not in found:
        found.add(type_name)
        for field in table()[type_name].values():
            if field.nested:
                reachable(field.type, found)
    return found


@each_record
def test_every_field_is_in_two_per_cent_of_the_examples(record_type: str):
    seen: Counter[tuple[str, str]] = Counter()
    for record in records_of(record_type):
        seen.update({(owner, field.name) for owner, field, value in held(record, record_type) if value is not None})
    wanted = [(owner, name) for owner in reachable(record_type) for name in table()[owner]]
    rare = [field for field in wanted if seen[field] * 100 < LEAST * FIELD_EXAMPLES]
    assert rare == []


@each_record
def test_every_list_has_none_one_and_three_elements_and_equal_ones(record_type: str):
    lengths: dict[tuple[str, str], set[int]] = {}
    equal: set[tuple[str, str]] = set()
    for record in records_of(record_type):
        for owner, field, value in held(record, record_type):
            if field.is_list:
                place = owner, field.name
                lengths.setdefault(place, set()).add(min(len(value or ()), 3))
                bare = [_without_keys(element, field) for element in value or ()]
                if place not in equal and any(same(one, two) for n, one in enumerate(bare) for two in bare[:n]):
                    equal.add(place)
    assert {place: sorted(found) for place, found in lengths.items() if not {0, 1, 3} <= found | _required(place)} == {}
    assert sorted(set(lengths) - equal) == []


def _required(place: tuple[str, str]) -> set[int]:
    owner, name = place
    return {0} if table()[owner][name].required else set()


def _without_keys(value: Any, field: Field) -> Any:
    if not field.nested:
        return value
    fields = table()[field.type]
    return {name: inner for name, inner in value.items() if not fields[name].key}


# --- pairs ------------------------------------------------------------------------------------------------------------


@functools.cache
def used_pairs(record_type: str, release: str) -> tuple[int, Counter[tuple[str, str]]]:
    """Return how many resources were read, and in how many of them each pair of paths was used, ends and ways to them."""
    used: Counter[tuple[str, str]] = Counter()
    asked = 0
    here = lens(record_type, release)
    for seed in range(PAIR_EXAMPLES):
        for _, resource in written(record_type, release, seed):
            asked += 1
            ends = {(bare(line.to), bare(line.path)) for line in here.read(resource).ledger.lines() if line.to}
            used.update({(left, right) for to, path in ends for left in prefixes(to) for right in prefixes(path)})
    return asked, used


def bare(path: str) -> str:
    """Return a path without brackets and without the types that references are followed to."""
    return re.sub(r"->\w+", "", plain(path))


def prefixes(path: str) -> list[str]:
    """``a.b.c`` gives a, a.b, a.b.c."""
    return list(accumulate(path.split("."), lambda left, right: f"{left}.{right}"))


@each_record
@each_release
def test_every_pair_of_a_document_is_used_in_two_per_cent_of_the_examples(record_type: str, release: str):
    asked, used = used_pairs(record_type, release)
    rare = [pair for pair in stated_pairs(record_type, release) if used[pair] * 100 < LEAST * asked]
    assert rare == []


@each_record
@each_release
def test_every_line_of_the_fragments_is_used_in_two_per_cent_of_the_examples(record_type: str, release: str):
    """A fragment is used in many places; each of its lines is used in some of them, each list too.

    The key of what is not in a list is no line of a document: an id read there comes back, as tests of residue show.
    """
    asked, used = used_pairs(record_type, release)
    by_line: Counter[str] = Counter()
    for pair in pairs(lens(record_type, release)):
        if pair.how != "key" or pair.internal.rpartition(".")[0].endswith("[]"):
            by_line[pair.mark] += used[bare(pair.internal), bare(pair.fhir)]
    rare = sorted(mark for mark, times in by_line.items() if times * 100 < LEAST * asked)
    assert rare == []


def stated_pairs(record_type: str, release: str) -> list[tuple[str, str]]:
    """Return each alternative of each pair that stands in the document itself, as plain paths."""
    plan = lens(record_type, release).plan
    texts = read_texts(mappings_dir(), ".yaml")
    tables = {name.removesuffix(".yaml"): read_yaml(name, text) for name, text in texts.items()}
    content = resolve(plan.document, tables).content
    return list(_stated(content["pairs"], "", plan.fhir_type))


def _stated(table: Any, internal: str, fhir: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        here = f"{internal}.{bare(name)}" if internal else bare(name)
        for one in value if isinstance(value, list) else [value]:
            place = one.get("fhir") if isinstance(one, dict) else one
            if place is None:
                continue  # a constant or a drop has no place in FHIR
            there = f"{fhir}.{bare(place)}"
            yield here, there
            if isinstance(one, dict) and "pairs" in one:
                yield from _stated(one["pairs"], here, there)


def test_the_counting_sees_what_is_rare():
    assert prefixes(bare("a[x].b->C.c")) == ["a", "a.b", "a.b.c"]
    asked, used = used_pairs("InfusionOrder", "R4")
    assert used["status", "MedicationRequest.status"] == asked
    assert used["status", "MedicationRequest.intent"] == 0


@pytest.mark.parametrize("record_type", ["InfusionOrder", "Administration"])
def test_an_example_is_a_function_of_its_seed(record_type: str):
    assert same(example(record_type, Random(7)), example(record_type, Random(7)))
    assert not same(example(record_type, Random(7)), example(record_type, Random(8)))
