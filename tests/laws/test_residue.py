"""What no pair takes comes back in its place: unknown extensions, ids, primitive marks, contained resources, orders, digits."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.records.number import from_spelling, spelling_of
from tests import exact_json
from tests.counts import count
from tests.laws.kit import (
    SEEDS,
    Json,
    Place,
    at,
    each_record,
    each_release,
    golden_resources,
    lens,
    places,
    record_type_of,
    through_text,
    written,
)

EXAMPLES = count(500, 10_000)
UNKNOWN = "https://other.example/StructureDefinition/unknown"


def unknown(number: int) -> Json:
    return {"url": f"{UNKNOWN}-{number}", "valueDecimal": from_spelling("1.50")}


def inject(resource: Json, dice: Random, times: int) -> Json:
    """Return a copy with unknown extensions, element ids, primitive marks and contained resources at random places."""
    copy = deepcopy(resource)
    for number in range(times):
        kind = dice.randrange(4)
        if kind == 0:
            _extend(dice.choice([copy, *_objects(copy)]), unknown(number), dice)
        elif kind == 1:
            dice.choice([copy, *_objects(copy)]).setdefault("id", f"injected-{number}")
        elif kind == 2:
            _mark(copy, number, dice)
        else:
            contained = copy.setdefault("contained", [])
            contained.insert(
                dice.randrange(len(contained) + 1),
                {"resourceType": "Basic", "id": f"injected-{number}", "code": {"text": "unknown"}},
            )
    return copy


def _objects(resource: Json) -> list[Json]:
    """Return the objects that an extension may be put on: all but extensions that hold a value."""
    return [
        value
        for _, value in places(resource)
        if isinstance(value, dict) and not any(name.startswith("value") for name in value if "url" in value)
    ]


def _extend(holder: Json, extension: Json, dice: Random) -> None:
    extensions = holder.setdefault("extension", [])
    extensions.insert(dice.randrange(len(extensions) + 1), extension)


def _mark(resource: Json, number: int, dice: Random) -> None:
    """Put an extension on a primitive, ``_name`` beside ``name``; on one of a list with nulls for the others."""
    found = [
        (path, value)
        for path, value in places(resource)
        if isinstance(path[-1], str) and path[-1] not in {"resourceType", "id", "url", "reference"}
    ]
    simple = [
        (path, value)
        for path, value in found
        if not isinstance(value, dict) and not (isinstance(value, list) and isinstance(value[0], dict))
    ]
    if not simple:
        return
    path, value = dice.choice(simple)
    if str(path[-1]).startswith("_") or "div" in path:
        return
    mark = {"extension": [unknown(number)]}
    holder = at(resource, path[:-1])
    if isinstance(value, list):
        marks: list[Json | None] = [None] * len(value)
        marks[dice.randrange(len(value))] = mark
        holder.setdefault(f"_{path[-1]}", marks)
    else:
        holder.setdefault(f"_{path[-1]}", mark)


def assert_comes_back(record_type: str, release: str, resource: Json) -> None:
    here = lens(record_type, release)
    record = here.read(resource).result
    back = here.write(through_text(record)).result
    assert list(differences(resource, back)) == []


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_what_is_unknown_comes_back_in_its_place(record_type: str, release: str, seed: int):
    dice = Random(seed)
    for _, resource in written(record_type, release, seed):
        assert_comes_back(record_type, release, inject(resource, dice, 1 + dice.randrange(6)))


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_what_is_unknown_changes_nothing_of_what_is_known(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    for _, resource in written(record_type, release, seed):
        odd = deepcopy(resource)
        for number in range(3):
            _extend(dice.choice([odd, *_objects(odd)]), unknown(number), dice)
        assert list(differences(bare(here.read(resource).result), bare(here.read(odd).result))) == []


@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_a_golden_resource_comes_back_with_everything_unknown_in_it(release: str, seed: int):
    dice = Random(seed)
    resource = dice.choice(golden_resources(release))
    assert_comes_back(record_type_of(resource), release, inject(resource, dice, 12))


def shuffled(resource: Json, dice: Random) -> Json:
    """Return a copy with every array in another order."""
    copy = deepcopy(resource)
    for path, value in list(places(copy)):
        if isinstance(value, list) and not str(path[-1]).startswith("_"):
            dice.shuffle(value)
    return copy


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_mixed_slices_come_back_in_the_order_in_which_they_came(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    for _, resource in written(record_type, release, seed):
        mixed = shuffled(inject(resource, dice, 4), dice)
        try:
            here.read(mixed)
        except Refused:
            continue  # the first of two may have a place of its own that the other has not
        assert_comes_back(record_type, release, mixed)


def test_shuffled_resources_are_mostly_accepted():
    accepted = asked = 0
    for seed in range(count(40, 400)):
        for _, resource in written("InfusionOrder", "R4", seed):
            asked += 1
            try:
                lens("InfusionOrder", "R4").read(shuffled(resource, Random(seed)))
            except Refused:
                continue
            accepted += 1
    assert accepted >= 0.7 * asked


SPELLINGS = ("1.50", "1.5", "0.10", "1E3", "1.0E-8", "1e2", "1E+2", "100", "0.00000001", "1234567890123456.10", "3.0")


def respelled(resource: Json, dice: Random) -> tuple[Json, list[Place]]:
    """Return a copy in which every decimal is written another way, and their paths."""
    copy, paths = deepcopy(resource), []
    for path, value in list(places(copy)):
        if path[-1] == "value" and isinstance(value, int | Decimal) and not isinstance(value, bool):
            at(copy, path[:-1])["value"] = from_spelling(dice.choice(SPELLINGS))
            paths.append(path)
    return copy, paths


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_numbers_keep_the_way_in_which_they_are_written(record_type: str, release: str, seed: int):
    dice = Random(seed)
    here = lens(record_type, release)
    for _, resource in written(record_type, release, seed):
        odd, paths = respelled(resource, dice)
        text = fhir_json.write(odd)
        record = fhir_json.read(fhir_json.write(here.read(fhir_json.read(text)).result))
        back = fhir_json.write(here.write(record).result)
        assert exact_json.loads(back) == exact_json.loads(text)
        assert [spelling_of(at(odd, path)) for path in paths] == [
            at(exact_json.loads(back), path).text for path in paths
        ]


def test_the_spellings_are_really_on_the_wire():
    (_, resource), *_ = written("InfusionOrder", "R4", 3)
    text = "".join(fhir_json.write(respelled(resource, Random(seed))[0]).decode() for seed in range(20))
    missing: list[Any] = [spelling for spelling in SPELLINGS if f":{spelling}" not in text.replace(" ", "")]
    assert missing == []
