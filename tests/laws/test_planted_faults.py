"""The comparisons that the laws rest on see what they must see: each planted fault is found, in every golden resource."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import differences as between
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from fhir_infusion.records.number import from_spelling, spelling_of
from tests import exact_json
from tests.laws.kit import (
    Json,
    Place,
    at,
    changed,
    each_release,
    golden_resources,
    lens,
    places,
    record_type_of,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def numbers(resource: Json) -> list[Place]:
    return [
        path for path, value in places(resource) if isinstance(value, int | Decimal) and not isinstance(value, bool)
    ]


def lists(resource: Json) -> list[Place]:
    found = [(path, value) for path, value in places(resource) if isinstance(value, list) and len(value) > 1]
    return [path for path, value in found if value != list(reversed(value))]


def one_digit_more(number: Any) -> Any:
    """1.5 becomes 1.50: the same number, written otherwise."""
    text = spelling_of(number)
    return from_spelling(text + ("0" if "." in text else ".0"))


FAULTS: dict[str, tuple[Callable[[Json], list[Place]], Callable[[Json, Place], Json]]] = {
    "a number changed": (numbers, lambda resource, path: changed(resource, path, lambda number: number + 1)),
    "1.50 become 1.5": (numbers, lambda resource, path: changed(resource, path, one_digit_more)),
    "a list reordered": (lists, lambda resource, path: changed(resource, path, lambda old: old[::-1])),
    "an element doubled": (lists, lambda resource, path: changed(resource, path, lambda old: [*old, old[0]])),
    "an element lost": (lists, lambda resource, path: without(resource, (*path, 0))),
    "a member lost": (numbers, without),
    "a number become text": (numbers, lambda resource, path: changed(resource, path, spelling_of)),
}


@each_release
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_by_every_comparison(release: str, fault: str):
    where, plant = FAULTS[fault]
    planted = 0
    for resource in golden_resources(release):
        for path in where(resource):
            faulty = plant(resource, path)
            assert list(differences(resource, faulty)), f"{fault} at {path}: unseen by the laws"
            assert list(between.differences(resource, faulty)), f"{fault} at {path}: unseen by roundtrip"
            left, right = exact_json.loads(fhir_json.write(resource)), exact_json.loads(fhir_json.write(faulty))
            assert left != right, f"{fault} at {path}: unseen by the independent reader"
            planted += 1
    assert planted > 50


@each_release
def test_a_dose_changed_on_the_way_would_break_the_law(release: str):
    """A lens that changes a dose is found out: the faulty record does not give the resource back."""
    for resource in golden_resources(release):
        here = lens(record_type_of(resource), release)
        record = here.read(resource).result
        for path, value in places(record):
            if path[-1] == "dose" and isinstance(value, dict) and "value" in value:
                faulty = changed(record, (*path, "value"), lambda number: number * 10 + 1)
                assert list(differences(resource, here.write(faulty).result))
                assert at(faulty, path) != value
