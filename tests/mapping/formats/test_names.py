"""Any member name is a name of paths, one to one, and no field of a record looks like one that was changed."""

from __future__ import annotations

import re

import pytest

from fhir_infusion.mapping.formats.names import aside, plain, plain_aside, readable, safe, words
from fhir_infusion.records.fields import table

NAMES = [
    "Dose",
    "dose_amount",
    "Dose Amount",
    "dose-amount",
    "id",
    "display",
    "X_00_id",
    "A_00_x",
    "J_00_x",
    "_y",
    "7up",
    "",
    "ä",
    "a.b[0]",
    "__",
    "x_2_",
    "日本",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_and_fits_the_paths_of_residue(name):
    made = safe(name)
    assert plain(made) == name
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", made)
    assert plain_aside(aside(name, is_filler=True)) == name


@pytest.mark.parametrize("made", ["X_00__110000_", "a_ffffffffffff_", "a_d800_", "a_dfff_"])
def test_what_is_no_character_stays_as_it_is_for_any_record_may_name_it(made):
    assert plain(made) == made.removeprefix("X_00_")
    assert plain(f"a_{0x10FFFF:x}__{0xE000:x}_") == "a\U0010ffff\ue000"


def test_no_two_names_are_one():
    assert len({safe(name) for name in NAMES}) == len(NAMES)


def test_a_path_is_shown_with_the_names_of_the_site():
    assert readable(f"ward.drugs[0].{safe('Dose Amount')}.{safe('dose_unit')}") == "ward.drugs[0].Dose Amount.dose_unit"


def test_the_fields_of_records_are_shown_as_they_are():
    names = {name for members in table().values() for name in members}
    assert {name for name in names if readable(name) != name} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ratePerM2", ["rate", "per", "m2"]),
        ("DOSE_PER_M2", ["dose", "per", "m2"]),
        ("mg/m²", ["mg", "m²"]),
        ("µg je kg", ["µg", "je", "kg"]),
        ("XMLRate", ["xml", "rate"]),
        ("Ärztliche Prüfung 12", ["ärztliche", "prüfung"]),
        ("status2", ["status"]),
        ("m2x", ["m", "x"]),
        ("", []),
    ],
)
def test_a_name_is_taken_apart_into_its_words(text: str, found: list[str]):
    assert words(text) == found
