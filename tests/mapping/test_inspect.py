"""Asking documents: which pair takes a path, what a corpus leaves over, what a change would change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import elements
from fhir_infusion.mapping.coverage import Coverage, coverage
from fhir_infusion.mapping.inspect import Pair, matching, pairs, plain
from fhir_infusion.mapping.library import Library, load
from tests.mapping.kit import CONCEPT, KIT, SETTINGS, lens_of, texts_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens

TABLES = {"R4": elements.table("R4"), "R5": elements.table("R5")}

CODING = """
mapping: coding
between: {internal: Coding, fhir: Extension, release: R4}
pairs:
  code:
    - {fhir: valueCode, when: system missing}
    - {fhir: valueCoding.code, when: "fhir:valueCoding exists"}
  system: valueCoding.system
  version: valueCoding.version
  display: valueCoding.display
  user_selected: valueCoding.userSelected
"""


def shipped(library: Library, release: str = "R4", fhir_type: str = "MedicationRequest") -> Lens:
    lens = library.lens(release, fhir_type)
    assert lens is not None
    return lens


def test_every_pair_is_told_with_whole_paths_and_its_line():
    assert list(pairs(lens_of(CONCEPT, "CodeableConcept", kit=KIT))) == [
        Pair("codings[]", "CodeableConcept.coding[]", "list, key coding_id", "", "document.yaml:6"),
        Pair("codings[].coding_id", "CodeableConcept.coding[].id", "key", "", "document.yaml:6"),
        Pair("codings[].system", "CodeableConcept.coding[].system", "plain", "", "kit.yaml:7"),
        Pair("codings[].version", "CodeableConcept.coding[].version", "plain", "", "kit.yaml:7"),
        Pair("codings[].code", "CodeableConcept.coding[].code", "plain", "", "kit.yaml:7"),
        Pair("codings[].display", "CodeableConcept.coding[].display", "plain", "", "kit.yaml:7"),
        Pair("codings[].user_selected", "CodeableConcept.coding[].userSelected", "plain", "", "kit.yaml:7"),
        Pair("text", "CodeableConcept.text", "plain", "", "document.yaml:7"),
    ]


def test_a_pair_tells_its_conditions():
    told = [(pair.fhir, pair.when) for pair in matching(lens_of(CODING, "Extension"), "Cod") if pair.internal == "code"]
    assert told == [
        ("Extension.valueCode", "system missing"),
        ("Extension.valueCoding.code", "fhir:valueCoding exists"),
    ]


@pytest.mark.parametrize(
    ("path", "hits"),
    [
        ("text", {"text"}),
        ("codings[0].code", {"codings[].code"}),
        ("coding[].display", {"codings[].display"}),
        ("CodeableConcept.coding[2].display", {"codings[].display"}),
        ("codeableconcept.TEXT", {"text"}),
        ("codin.", set()),
        ("CodeableConcept.codings.x", set()),
    ],
)
def test_a_path_of_either_side_finds_its_pair_with_and_without_brackets(path: str, hits: set[str]):
    assert {pair.internal for pair in matching(lens_of(CONCEPT, "CodeableConcept", kit=KIT), path)} == hits


def test_a_path_in_brackets_is_found_as_it_stands(library: Library):
    found = {pair.internal for pair in matching(shipped(library), "extension[url=https://w3id.org")}
    assert {"care_setting", "infusion_type"} <= found
    assert "status" not in found


def test_the_shipped_documents_explain_a_dose(library: Library):
    (pair,) = matching(shipped(library), "dosageInstruction.doseAndRate.doseQuantity")
    assert (pair.internal, pair.how) == ("steps[].dosings[].dose", "quantity")
    assert pair.mark.startswith("r4/types.yaml:")


def test_lists_that_lead_to_themselves_are_told_once(library: Library):
    found = [pair.internal for pair in pairs(shipped(library))]
    assert len(found) > 500
    assert len(found) < 5000


def test_brackets_are_disregarded():
    assert plain("a[0].b[url=https://x/y.z].c[]") == "a.b.c"


# --- coverage ---------------------------------------------------------------------------------------------------------


def order(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        **members,
    }


def test_a_corpus_is_counted_by_state_and_what_is_left_by_path(library: Library):
    resources = [
        order(
            implicitRules="urn:r",
            text={"div": "x"},
            meta={"versionId": "1"},
            extension=[{"url": "urn:x", "valueCode": "a"}],
        ),
        order(note=[{"text": "a", "_text": {"id": "i"}}]),
        order(status="odd"),
    ]
    lens = shipped(library)
    found = coverage(lambda resource: (lens.read(resource).ledger.lines(), "note" not in resource), resources)
    assert found == Coverage(
        resources=3,
        changed=1,
        refused=1,
        states=Counter({"mapped": 9, "carried": 2}),
        reasons=Counter({("MedicationRequest.status", "no pair of the mapping takes this value"): 1}),
        left=Counter(
            {
                ("aside", "extension.url"): 1,
                ("aside", "extension.valueCode"): 1,
                ("aside", "meta.versionId"): 1,
                ("aside", "text.div"): 1,
                ("carried", "implicitRules"): 1,
                ("carried", "note._text.id"): 1,
            }
        ),
    )
    assert found.share == 9 / 11
    assert found.infusion_share == 1


def test_dosage_ingredients_and_times_are_counted_as_the_infusion(library: Library):
    given = order(authoredOn="2024-05-01", dosageInstruction=[{"text": "slow", "_text": {"id": "i"}}], priority="stat")
    found = coverage(lambda resource: (shipped(library).read(resource).ledger.lines(), True), [given])
    assert found.infusion == {"mapped": 2, "carried": 1}
    assert found.infusion_share == 2 / 3


def test_a_corpus_of_nothing_is_mapped_wholly():
    assert coverage(lambda _: ((), True), []).share == 1


# --- what a change changes --------------------------------------------------------------------------------------------


def library_of(text: str, **files: str) -> Library:
    return load(texts_of(text, kit=KIT, **files), TABLES, SETTINGS)
