"""Each code table as a ConceptMap is right FHIR, in R4 and R5, and HL7's validator sees one that is not."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.mapping.concept_maps import UNITS, concept_map
from fhir_infusion.translator import open_translator
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]


@cache
def tables() -> dict:
    return {**open_translator(Settings(), overlays=()).library.codes, UNITS.name: UNITS}


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_each_code_table_is_a_right_concept_map(hl7: Hl7, release: str):
    names = [name for name, table in sorted(tables().items()) if table.is_for(release)]
    found = hl7.validate([concept_map(tables()[name], release) for name in names], release)
    assert {name: errors(one) for name, one in zip(names, found, strict=True) if errors(one)} == {}


@pytest.mark.parametrize(("release", "other"), [("R4", "R5"), ("R5", "R4")])
def test_a_concept_map_of_the_other_release_is_wrong(hl7: Hl7, release: str, other: str):
    (found,) = hl7.validate([concept_map(tables()["v2-routes"], other)], release)
    assert errors(found)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_a_concept_map_from_or_to_a_code_that_is_none_is_wrong(hl7: Hl7, release: str):
    right = concept_map(tables()["order-intent"], release)
    no_source, no_target = copy.deepcopy(right), copy.deepcopy(right)
    no_source["group"][0]["element"][0]["code"] = "wish"
    no_target["group"][0]["element"][0]["target"][0]["code"] = "wish"
    for found in hl7.validate([no_source, no_target], release):
        assert any("wish" in one.message for one in found)
