"""Whatever is thrown at the translator, it translates without loss or refuses with reasons; nothing else is ever raised."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from fhir_infusion.cli.corpus import resources_in
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from tests.counts import count
from tests.generators import spoil
from tests.golden_write import goldens, translator
from tests.laws.attempts import as_sent, assert_told, assert_translated_or_refused, attempt
from tests.laws.kit import SEEDS, Json, each_record, each_release, golden_resources, published, records, vary

EXAMPLES = count(150, 5000)
PUBLISHED = published()

either_mutation = pytest.mark.parametrize("mutate", [spoil, vary], ids=["spoiled", "varied"])


@either_mutation
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_a_mutated_golden_resource_comes_back_equal_or_is_refused(release: str, mutate: Any, seed: int):
    dice = Random(seed)
    mutated = mutate(dice.choice(golden_resources(release)), dice)
    assert_translated_or_refused(mutated, release)


@pytest.mark.skipif(not PUBLISHED, reason="the published examples are not here")
@either_mutation
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_a_mutated_published_example_comes_back_equal_or_is_refused(mutate: Any, seed: int):
    dice = Random(seed)
    release, file = dice.choice(PUBLISHED)
    found = [resource for _, resource in resources_in("", fhir_json.read(file.read_bytes()))]
    resource = dice.choice(found)
    if resource.get("resourceType") in translator().types:
        assert_translated_or_refused(mutate(resource, dice), release)


@either_mutation
@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_a_mutated_record_is_written_and_read_back_or_refused(record_type: str, release: str, mutate: Any, seed: int):
    dice = Random(seed)
    for record in records(record_type, seed):
        read, refusal = attempt(fhir_json.read, as_sent(mutate(record, dice)))
        if refusal is None:
            translated, refusal = attempt(translator().to_fhir, read, release)
        if refusal is not None:
            assert_told(refusal)
            continue
        for resource in translated.results:
            translator().to_internal(fhir_json.read(fhir_json.write(resource)), release)


NEITHER: tuple[Json, ...] = (
    {},
    {"resourceType": None},
    {"resourceType": ["MedicationRequest"]},
    {"resourceType": "Patient"},
    {"record": None},
    {"record": {}},
    {"record": ["InfusionOrder"]},
    {"record": "Patient"},
)


@pytest.mark.parametrize("junk", NEITHER, ids=str)
@each_release
def test_what_is_no_resource_or_record_at_all_is_refused(release: str, junk: Any):
    for work in (translator().to_internal, translator().to_fhir):
        with pytest.raises(Refused):
            work(junk, release)


def test_mutated_resources_are_accepted_often_enough_to_mean_something():
    dice = Random(5)
    resources = golden_resources("R4")
    accepted = sum(assert_translated_or_refused(vary(dice.choice(resources), dice), "R4") for _ in range(100))
    assert 15 <= accepted <= 95


def test_every_golden_record_is_among_what_is_mutated():
    assert len(golden_resources("R4")) >= len(goldens())


def test_a_mutation_changes_its_copy_only():
    resource: Json = golden_resources("R4")[0]
    before = fhir_json.write(resource)
    for seed in range(50):
        vary(resource, Random(seed))
        spoil(resource, Random(seed))
    assert fhir_json.write(resource) == before
