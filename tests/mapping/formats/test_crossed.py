"""What looks crossed in a format is told by `mapping check`, and nothing of what is shipped does."""

from __future__ import annotations

import pytest

from fhir_infusion.config import mappings_dir
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.crossed import crossed
from fhir_infusion.mapping.formats.format import build_format

TEXTS = {path.stem: path.read_text("utf-8") for path in (mappings_dir() / "formats").glob("*.yaml")}


def told(name: str, *changes: tuple[str, str]) -> list[str]:
    """Return what looks crossed in a shipped format with changes, without its place."""
    text = TEXTS[name]
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    one = build_format(f"formats/{name}.yaml", read_yaml(f"formats/{name}.yaml", text), {})
    lines = list(crossed(one.given, one.lens.plan))
    assert all(line.startswith(f"formats/{name}.yaml:") for line in lines)
    return [line.partition(": ")[2] for line in lines]


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_of_what_is_shipped_looks_crossed(name: str):
    assert told(name) == []


CROSSED: list[tuple[str, list[tuple[str, str]], list[str]]] = [
    (
        "ward-orders",
        [("start: drugs.First Dose", "start: drugs.Last Dose"), ("end: drugs.Last Dose", "end: drugs.First Dose")],
        [
            "'Last Dose' is a start and 'First Dose' its end, and their names say otherwise; accepted: each at its own",
        ],
    ),
    (
        "ward-orders",
        [("active: ACTIVE", "active: STOPPED"), ("stopped: STOPPED", "stopped: ACTIVE")],
        [
            "'active' is what the site writes 'STOPPED', the name of another code of codes(status); accepted: 'stopped' for it",
            "'stopped' is what the site writes 'ACTIVE', the name of another code of codes(status); accepted: 'active' for it",
        ],
    ),
    ("home-infusion", [("flag(Y,N)", "flag(N,Y)")], ["the yes of 'PRN_YN' is 'N', its no 'Y'; accepted: yes first"]),
    (
        "chemo-list",
        [("unit: kg}, has: {amount: weight_kg}", "unit: cm}, has: {amount: weight_kg}")],
        ["the unit of 'weight_kg' is always 'cm', and its name says kg; accepted: its unit"],
    ),
    (
        "home-infusion",
        [("total_volume.unit: {const: mL}", "total_volume.unit: {const: mg}")],
        [
            "the unit of 'VOL_ML' is always 'mg', and its name says ml; accepted: its unit",
            "'total_volume' is a volume, and its unit is always 'mg'; accepted: a unit of a volume",
        ],
    ),
    (
        "pump-events",
        [
            ("dose.unit: {site: dose_unit, codes: dose-units}", "dose.unit: {const: mg/h}"),
            ("    dose_unit: text", "    dose_unit: kept"),
        ],
        ["a dose with a unit per time, 'mg/h', is a rate; accepted: a pair for `rate`"],
    ),
]


@pytest.mark.parametrize(("name", "changes", "lines"), CROSSED)
def test_what_looks_crossed_is_told_with_what_would_be_right(
    name: str, changes: list[tuple[str, str]], lines: list[str]
):
    assert told(name, *changes) == lines


def test_a_table_whose_words_are_the_names_of_its_own_codes_by_turns_is_told_once_for_each():
    assert told("home-infusion", ("routine: RTN", "routine: URGENT"), ("urgent: URG", "urgent: U")) == [
        "'routine' is what the site writes 'URGENT', the name of another code of codes(priority); accepted: 'urgent' for it"
    ]
