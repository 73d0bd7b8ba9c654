"""Every code that the project uses is in a published source, under the name that is given there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from fhir_infusion.records import fields, units
from tests.codes_in_use import CLOSED, OF_OUR_JSON, UCUM, atoms, in_use, rows

ROOT: Final = Path(__file__).parents[2]
USED: Final = in_use()


def test_codes_are_found_wherever_they_may_stand() -> None:
    places = {place for use in USED.values() for place in use.places}
    for begin in (
        *("tests/golden/", "profiles/", "fhir_infusion/", "mappings/codes/", "mappings/README.md", "mappings/r4/"),
        *("InfusionOrder.status", "value_rules", "timing_findings", "not_infusions", "subset", "units"),
    ):
        assert any(place.startswith(begin) for place in places), begin


def test_every_code_in_use_has_its_published_source() -> None:
    lacking = {pair: sorted(use.places)[:3] for pair, use in USED.items() if pair[0] != UCUM and pair not in rows()}
    assert lacking == {}


def test_every_unit_in_use_is_built_of_atoms_that_the_table_of_ucum_has() -> None:
    # A unit of several atoms has no row of its own: the grammar of UCUM (ucumvert) says what it is built of.
    found = {code for system, code in USED if system == UCUM}
    assert {code for code in found if not units.is_ucum(code)} == set()
    assert {atom for code in found for atom in atoms(code)} == {code for system, code in rows() if system == UCUM}


def test_no_source_is_of_a_code_that_nothing_uses() -> None:
    assert [pair for pair in rows() if pair[0] != UCUM and pair not in USED] == []


def test_a_source_is_one_place_that_can_be_looked_up() -> None:
    at_commit = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/blob/[0-9a-f]{40}/[^ ]+")
    for row in rows().values():
        source, key = row["published source"], row["key"]
        assert row["display"], row
        if source.startswith("https://github.com/"):
            assert at_commit.fullmatch(source), row
            assert re.fullmatch(r"line [1-9][0-9]*", key), row
        else:
            assert source.startswith(("https://hl7.org/fhir/R4/", "https://hl7.org/fhir/R5/", "profiles/")), row
            assert key == row["system|code"].rpartition("|")[2], row


@pytest.mark.parametrize("pair", sorted(pair for pair, row in rows().items() if row["published source"][0] == "p"))
def test_a_source_of_our_own_has_the_code(pair: tuple[str, str]) -> None:
    content = json.loads((ROOT / rows()[pair]["published source"]).read_text(encoding="utf-8"))
    assert content["url"] == pair[0]
    displays = {concept["code"]: concept["display"] for concept in content["concept"]}
    assert displays[pair[1]] == rows()[pair]["display"]


def is_named(name: str, display: str) -> bool:
    """Whether a display is the source's: capitals aside, and for SNOMED CT with or without the tag in brackets."""
    return name.casefold() in {display.casefold(), re.sub(r" \([^()]+\)$", "", display).casefold()}


def test_a_display_in_use_is_that_of_the_source() -> None:
    wrong = {
        pair: (name, rows()[pair]["display"])
        for pair, use in USED.items()
        if pair in rows()
        for name in use.names
        if not is_named(name, rows()[pair]["display"])
    }
    assert wrong == {}


def test_a_display_of_something_else_is_seen() -> None:
    assert is_named("Intravenous route", "Intravenous route (qualifier value)")
    assert is_named("vancomycin", "Vancomycin")
    assert not is_named("Subcutaneous route", "Intravenous route (qualifier value)")
    assert not is_named("Intravenous", "Intravenous route (qualifier value)")


def test_every_closed_list_of_the_record_is_of_a_named_system_or_never_in_fhir() -> None:
    lists = {f"{name}.{one.name}" for name, each in fields.table().items() for one in each.values() if one.codes}
    assert lists == CLOSED.keys() | OF_OUR_JSON
