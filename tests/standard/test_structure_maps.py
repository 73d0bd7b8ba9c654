"""Each mapping as a StructureMap, and what an operation answers, is right FHIR; the validator sees what is not."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions.map_names import map_names, structure_map, written_out
from fhir_infusion.config import Settings
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.examples import texts
from fhir_infusion.web.fhir import transform
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def translator() -> Translator:
    return open_translator(Settings())


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_each_mapping_is_a_right_structure_map(hl7: Hl7, translator: Translator, release: Any):
    names = list(map_names(translator, release).values())
    found = hl7.validate([structure_map(translator, one) for one in names], release)
    assert {name.id: errors(one) for name, one in zip(names, found, strict=True) if errors(one)} == {}
    one = structure_map(translator, names[0])
    (wrong,) = hl7.validate([{**one, "group": [{"name": "no input"}]}], release)
    assert errors(wrong)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_each_mapping_with_a_rule_for_each_pair_is_a_right_structure_map(
    hl7: Hl7, translator: Translator, release: Any
):
    names = [one for one in map_names(translator, release).values() if one.overlay in ("", "example-site")]
    made = [written_out(translator, one) for one in names]
    found = hl7.validate(made, release)
    assert {name.id: errors(one) for name, one in zip(names, found, strict=True) if errors(one)} == {}
    nowhere = copy.deepcopy(made[0])
    nowhere["group"][0]["rule"][0]["source"][0]["context"] = "elsewhere"
    (wrong,) = hl7.validate([nowhere], release)
    assert errors(wrong)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_what_debug_answers_is_right_fhir(hl7: Hl7, translator: Translator, release: Any):
    """FHIRPath Lab's extensions of a part are not published as definitions."""
    name = map_names(translator, release)[f"infusion-order-to-fhir-{release.lower()}"]
    record = fhir_json.read(texts()["1-order-infliximab"])
    done = translator.to_fhir(record, release)
    told = transform.traced(translator, name, done, done.results[0])
    (found,) = hl7.validate([told], release, allow_unknown_extensions=True)
    assert errors(found) == []
