"""What is told of a format that keeps what looks like an amount."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.mapping.formats.doubts import doubts
from tests.mapping.formats.kit import HEAD, PAIRS, SHAPE, built, small
from tests.mapping.formats.test_wrong_formats import TABLE

SITE = {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}


LIKE = "looks like an amount or a cancellation: no rule looks at it"
STAYS = f"{LIKE}, and it stays behind once anything is edited; accepted: a pair"


@pytest.mark.parametrize(
    "name", ["dose_per_m2", "DosePerM2", "MAX_RATE", "Dosis/kg", "ml", "Körper-Gewicht", "mg/m²", "VTBI"]
)
def test_a_member_that_is_kept_and_named_like_an_amount_is_told_with_its_place(name: str):
    assert doubts(small(f'"{name}": kept'), [SITE]) == [f"formats/small.yaml:14: '{name}' is kept and {STAYS}"]
    (line,) = doubts(small(f'"{name}": kept(always)'), [SITE])
    assert "goes back beside an edited dose" in line


@pytest.mark.parametrize("value", ["50 mg/m²", "1,5 ml", "<= 4 IE/kg", {"of": ["100mg"]}, {"perKg": 1}])
def test_one_of_another_name_is_told_for_what_the_samples_hold(value: Any):
    told = [f"formats/small.yaml:14: 'Basis' is kept and {STAYS}"]
    assert doubts(small("Basis: kept"), [{**SITE, "Basis": value}]) == told


def test_so_it_is_with_a_member_of_a_sample_that_the_shape_does_not_know():
    assert doubts(small(), [{**SITE, "Basis": "50 mg/m²"}, {**SITE, "Limit": 3}]) == [
        f"formats/small.yaml:8: '{name}' of a sample is not in the shape and {STAYS}" for name in ("Basis", "Limit")
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("void", "1"), ("Storniert", True), ("MAX_RATE", 5), ("Basis", "50 mg/m²")]
)
def test_one_that_comes_in_use_and_that_the_shape_does_not_know_is_a_finding_without_its_value(name: str, value: Any):
    (read,) = small().read({**SITE, name: value})
    assert [(found.path, found.reason) for found in read.findings] == [
        (f"small.{name}", f"the shape does not know this, and it {LIKE}")
    ]
    assert small().read({**SITE, "Colour": "red"})[0].findings == ()
    assert small(f"{name}: kept").read({**SITE, name: value})[0].findings == ()


def test_a_feed_without_an_order_is_told():
    feed = str(TABLE["feed"])
    assert doubts(built(feed), []) == []
    (line,) = doubts(built(feed.replace("  order: At\n", "")), [])
    assert line.startswith("formats/small.yaml:1: the feed names no `order`")


def test_zero_that_stands_for_nothing_is_told():
    for zero in ("0", '"0"', "0.0"):
        (line,) = doubts(built((HEAD + SHAPE + PAIRS).replace('absent: [""', f"absent: [{zero}")), [SITE])
        assert line.startswith("formats/small.yaml:1: zero stands for nothing")


def test_one_number_of_two_patients_or_drugs_in_the_samples_is_told():
    told = "two records of the samples have one order_id, and not one patient and drug"
    line = f"formats/small.yaml:15: {told}; accepted: a number that no other record has"
    assert doubts(small(), [SITE, {**SITE, "Drug": "Other"}]) == [line]
    assert doubts(small(), [SITE, {**SITE, "Pat": "8"}]) == [line]
    assert doubts(small(), [SITE, {**SITE, "Dose": "100"}]) == []


@pytest.mark.parametrize("member", ["Per m2: kept(with Dose, Unit)", "Printer: kept", "copies: kept(always)"])
def test_nothing_is_told_of_what_is_kept_with_its_dose_or_is_no_amount(member: str):
    assert doubts(small(member), [{**SITE, "Printer": {"copies": 2}, "Colour": "red 7"}]) == []
