from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest

from fhir_infusion.records.check import check
from fhir_infusion.records.equality import same
from fhir_infusion.records.examples import example
from fhir_infusion.records.fields import table
from fhir_infusion.records.number import Spelled
from tests.counts import count

NUMBER = count(600, 10_000)
LEAST = 0.02


def walk(part, type_name, found):
    for name, value in part.items():
        field = table()[type_name][name]
        values = value if field.is_list else [value]
        found[type_name, name].add(min(len(values), 3) if field.is_list else 0)
        if field.is_list and any(same(values[0], other) for other in values[1:]):
            found["equal", field.nested].add(0)
        for item in values:
            if field.nested:
                walk(item, field.type, found)
            elif field.kind == "decimal":
                found["spelled", isinstance(item, Spelled)].add(0)


def reachable(root):
    names = [root]
    for name in names:
        names += dict.fromkeys(
            field.type for field in table()[name].values() if field.nested and field.type not in names
        )
    return names


@pytest.mark.parametrize("root", ["InfusionOrder", "Administration"])
def test_every_field_is_in_two_of_a_hundred_examples_and_every_list_has_one_and_three_elements(root):
    times: Counter[Any] = Counter()
    lengths: dict[Any, Counter[int]] = defaultdict(Counter)
    for seed in range(NUMBER):
        record = example(root, Random(seed))
        assert check(record)
        found: dict[Any, set[int]] = defaultdict(set)
        walk(record, root, found)
        times.update(found.keys())
        for place, seen in found.items():
            lengths[place].update(seen)
    fields = {(name, field.name): field for name in reachable(root) for field in table()[name].values()}
    assert [place for place in fields if times[place] < LEAST * NUMBER] == []
    lists = [place for place, field in fields.items() if field.is_list]
    assert [place for place in lists if not lengths[place][1] or not lengths[place][3]] == []
    assert (
        min(times["equal", True], times["equal", False], times["spelled", True], times["spelled", False])
        > LEAST * NUMBER
    )


def test_an_example_is_a_function_of_its_dice():
    assert same(example("Administration", Random(7)), example("Administration", Random(7)))
    assert not same(example("InfusionOrder", Random(1)), example("InfusionOrder", Random(2)))


def test_residue_may_be_left_out():
    assert any("residue" in example("InfusionOrder", Random(seed)) for seed in range(20))
    assert not any("residue" in example("InfusionOrder", Random(seed), residue=False) for seed in range(20))


def test_keys_stand_in_lists_only_where_fhir_has_room_for_them():
    def keyed(part, type_name):
        for name, value in part.items():
            field = table()[type_name][name]
            for item in value if field.is_list else [value] if field.nested else []:
                if field.nested:
                    own = {held.name for held in table()[field.type].values() if held.key}
                    if not field.is_list and field.name not in {"preparation", "body_structure"}:
                        assert own.isdisjoint(item)
                    keyed(item, field.type)

    for seed in range(100):
        keyed(example("InfusionOrder", Random(seed)), "InfusionOrder")
