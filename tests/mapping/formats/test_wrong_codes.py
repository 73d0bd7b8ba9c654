"""A format whose codes can never be right, or mean another amount than the site's, does not load."""

from __future__ import annotations

import pytest

from fhir_infusion.config import mappings_dir
from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.format import build_format

TWO = ": these are two amounts; accepted: the unit that '{}' means"


def complaints(name: str, right: str, wrong: str) -> list[str]:
    file = f"formats/{name}.yaml"
    text = (mappings_dir() / file).read_text()
    assert right in text
    with pytest.raises(DocumentError) as told:
        build_format(file, read_yaml(file, text.replace(right, wrong, 1)), {})
    return list(told.value.complaints)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "told"),
    [
        (
            "ward-orders",
            "{mg: mg, g: g,",
            "{mg: g, g: gg,",
            "'mg', which the site writes 'g' by codes(units)" + TWO.format("g"),
        ),
        (
            "ward-orders",
            "ug: mcg,",
            "mcg: mcg,",
            "'mcg', which the site writes 'mcg' by codes(units): the unit is not a UCUM code; accepted: ug",
        ),
        (
            "ward-orders",
            "{mL/h: ml/h,",
            "{L/h: ml/h,",
            "'L/h', which the site writes 'ml/h' by codes(rate-units)" + TWO.format("ml/h"),
        ),
        (
            "tpn-pharmacy",
            "{const: mL/h}",
            "{const: mL/hr}",
            "the unit of this is always 'mL/hr': the unit is not a UCUM code; accepted: mL/h",
        ),
        (
            "ward-orders",
            "{const: $drugs}",
            "{const: drugs}",
            "a system is always 'drugs', which is no URI but the name of one; accepted: $drugs",
        ),
        (
            "ward-orders",
            "period: 8, unit: h}",
            "period: 8, unit: hours}",
            "'hours', which 'Q8H' says of unit, is no code of codes(period_unit); accepted: s, min, h, d, wk, mo, a",
        ),
    ],
)
def test_a_code_that_can_not_be_right_is_told_with_its_line_and_what_would_be_accepted(
    name: str, right: str, wrong: str, told: str
):
    (line,) = complaints(name, right, wrong)
    place, _, words = line.partition(": ")
    assert words == told
    assert place.startswith(f"formats/{name}.yaml:")


def test_units_that_are_exchanged_are_told_each():
    assert len(complaints("ward-orders", "{mg: mg, g: g,", "{mg: g, g: mg,")) == 2


@pytest.mark.parametrize("word", ["ML/HR", "ml/Std", "mL/h"])
def test_another_word_for_the_same_unit_or_one_that_nobody_knows_is_taken(word: str):
    file = "formats/home-infusion.yaml"
    text = (mappings_dir() / file).read_text()
    assert "mL/h: ML/HR" in text
    build_format(file, read_yaml(file, text.replace("mL/h: ML/HR", f'mL/h: "{word}"')), {})
