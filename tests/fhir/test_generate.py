"""The quick validator never passes what the collecting one finds fault with, and nothing makes either stumble."""

from __future__ import annotations

import copy
import random
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given as each
from hypothesis import strategies as st

from fhir_infusion.fhir.collect import collect
from fhir_infusion.fhir.generate import quick
from fhir_infusion.fhir.validate import validate
from tests.fhir.kit import FILES, changed, needs_examples, places, read, release_of
from tests.fhir.test_validate import BROKEN, EXT, RIGHT

JUNK: list[Any] = [
    "x", "", " ", 5, -1, 0, Decimal("1.5"), True, False, None, [], {}, ["x"], [None], {"value": 1}, {"value": -1, "unit": "mg"},
    "2024-01-01", "2024-02-30T10:00:00Z", "active", "http://x.org", "#m", "#", "Patient/1", "Practitioner/1", "a b", "\u202e",
    {"reference": "Patient/1"}, {"reference": "#m"}, {"reference": "javascript:x"}, {"reference": "a b"}, {"text": "x"},
    {"coding": [{"code": "x"}]}, {"extension": [EXT]}, {"id": "x"}, [{"text": "x"}], [[1]], {"resourceType": "Medication", "id": "m"},
    [{"resourceType": "Medication", "id": "m"}], [EXT], [{"url": "x"}], {"start": "2024", "end": "2023"},
]  # fmt: skip


class Spoil(NamedTuple):
    dice: random.Random
    names: list[str]


def put_junk(node: Any, last: Any, spoil: Spoil) -> None:
    node[last] = copy.deepcopy(spoil.dice.choice(JUNK))


def remove(node: Any, last: Any, _spoil: Spoil) -> None:
    del node[last]


def wrap(node: Any, last: Any, _spoil: Spoil) -> None:
    node[last] = [node[last]]


def unwrap(node: Any, last: Any, _spoil: Spoil) -> None:
    if isinstance(node[last], list) and node[last]:
        node[last] = node[last][0]


def add_twin(node: Any, last: Any, spoil: Spoil) -> None:
    if isinstance(node, dict):
        node[f"_{last}"] = copy.deepcopy(spoil.dice.choice(JUNK))


def add_inside(node: Any, last: Any, spoil: Spoil) -> None:
    if isinstance(node[last], dict):
        node[last][spoil.dice.choice(ADDED)] = copy.deepcopy(spoil.dice.choice(JUNK))


def move(node: Any, last: Any, spoil: Spoil) -> None:
    if isinstance(node, dict):
        node[spoil.dice.choice(spoil.names)] = copy.deepcopy(node[last])


ADDED = ["extension", "modifierExtension", "id", "value", "contained", "comparator", "text", "implicitRules"]
WAYS = [put_junk, put_junk, remove, wrap, unwrap, add_twin, add_inside, move]


def mutated(resource: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return a copy that is spoiled in one to three places."""
    copied = copy.deepcopy(resource)
    for _ in range(dice.randint(1, 3)):
        all_places = places(copied)
        if all_places:
            *steps, last = dice.choice(all_places)
            node: Any = copied
            for step in steps:
                node = node[step]
            dice.choice(WAYS)(node, last, Spoil(dice, [str(step) for place in all_places for step in place]))
    return copied


SEEDS = [(release, resource) for release, resource in RIGHT] + [
    ("R4", changed(base, place, value)) for base, place, value, *_ in BROKEN
]


@each(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_law_a_quick_yes_means_that_nothing_is_found(seed, dice):
    release, resource = seed
    for step in range(10):
        broken = mutated(resource, random.Random(dice + step))
        issues = collect(broken, release)
        assert all(issue.reason and issue.code and issue.status in {400, 422} for issue in issues)
        if quick(broken, release):
            assert issues == ()
        else:
            assert validate(broken, release) == issues


NAMES = [
    "status",
    "id",
    "contained",
    "extension",
    "url",
    "valueString",
    "subject",
    "reference",
    "text",
    "div",
    "_status",
]
NAMES += ["dosageInstruction", "resourceType"]
nodes = st.recursive(
    st.sampled_from([value for value in JUNK if not isinstance(value, list | dict)]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)


@each(nodes)
def test_law_any_json_gets_an_answer(node):
    resource = {"resourceType": "MedicationRequest", **node} if isinstance(node, dict) else node
    assert isinstance(validate(resource, "R4"), tuple)


@needs_examples
def test_law_mutations_of_published_examples_never_pass_quickly_with_an_issue():
    dice = random.Random(7)
    seen = 0
    for file in FILES:
        resource = read(file)
        if len(str(resource)) > 20_000 or resource["resourceType"] == "Extension":
            continue
        for _ in range(3):
            broken = mutated(resource, dice)
            issues = collect(broken, release_of(file))
            seen += bool(issues)
            assert not (issues and quick(broken, release_of(file)))
    assert seen > len(FILES)
