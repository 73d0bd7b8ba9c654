"""``fhir-infusion amounts``: what was given of each ingredient, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_examples import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

Json = dict[str, Any]

CHARTED: Json = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "contained": [
        {
            "resourceType": "Medication",
            "id": "bag",
            "code": {"text": "magnesium in saline"},
            "ingredient": [
                {
                    "itemCodeableConcept": {"text": "magnesium sulfate"},
                    "strength": {
                        "numerator": {"value": 2, "system": "http://unitsofmeasure.org", "code": "g"},
                        "denominator": {"value": 50, "system": "http://unitsofmeasure.org", "code": "mL"},
                    },
                }
            ],
        }
    ],
    "medicationReference": {"reference": "#bag"},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2026-03-01T08:00:00Z",
    "dosage": {"dose": {"value": 37.5, "system": "http://unitsofmeasure.org", "code": "mL"}},
}
SUM = "magnesium sulfate (preparation.ingredients[0]): 2 g per 50 mL x 37.5 mL = 1.5 g"


def test_a_resource_a_record_and_a_bundle_of_one_give_the_same_sum(cli: Run):
    record = cli("translate", "--to", "internal", stdin=json.dumps(CHARTED)).out
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": CHARTED}]}
    for given in (json.dumps(CHARTED), record, json.dumps(bundle)):
        ran = cli("amounts", stdin=given)
        assert (ran.code, ran.lines) == (0, [f"stdin: {SUM}"])


def test_for_programs_it_is_a_line_of_json(cli: Run):
    ran = cli("amounts", "--json", stdin=json.dumps(CHARTED))
    assert ran.code == 0
    assert ran.json == [
        {
            "file": "stdin",
            "amounts": [
                {
                    "path": "preparation.ingredients[0]",
                    "drug": "magnesium sulfate",
                    "amount": {"value": 1.5, "unit": "g"},
                    "exact": True,
                    "how": "2 g per 50 mL x 37.5 mL = 1.5 g",
                }
            ],
            "not_computed": [],
        }
    ]


def test_what_cannot_be_computed_is_told_and_is_no_refusal(cli: Run):
    dosage = {"dose": {"value": 1, "unit": "bag"}}
    ran = cli("amounts", stdin=json.dumps({**CHARTED, "dosage": dosage}))
    assert ran.code == 0
    assert ran.lines == ["stdin: dose_given: not computed: its unit is not a UCUM code, and a unit is never guessed"]


def test_an_order_is_refused_for_nothing_was_given(cli: Run):
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "magnesium sulfate"},
        "subject": {"reference": "Patient/1"},
    }
    ran = cli("amounts", stdin=json.dumps(order))
    assert (ran.code, ran.out) == (1, "")
    assert "nothing was given by an order" in ran.err


def test_what_is_wrong_is_refused_with_its_place(cli: Run):
    ran = cli("amounts", stdin=json.dumps({**CHARTED, "status": "bogus"}))
    assert (ran.code, ran.out) == (1, "")
    assert "status" in ran.err


def test_the_published_mixture_of_oracle_health_gives_what_its_documentation_says_to_compute(cli: Run):
    file: Path = EXAMPLES / "cerner-docs" / "R4_MEDICATION_ADMINISTRATION_BUNDLE.json"
    if not file.exists():
        pytest.skip(f"the published examples are not here: {EXAMPLES}")
    ran = cli("amounts", "--json", file)
    assert ran.code == 0
    mixture, not_done = ran.json
    assert [(one["drug"], one["amount"]) for one in mixture["amounts"]] == [
        ("potassium acetate", {"value": 40, "unit": "meq"}),
        ("K-Sol", {"value": 40, "unit": "meq"}),
        ("Dextrose 10% with 0.2% NaCl", {"value": 250, "unit": "mL"}),
    ]
    assert mixture["not_computed"] == []
    assert not_done["amounts"] == []
    assert [one["reason"] for one in not_done["not_computed"]] == ["the status is not-done: nothing counts as given"]
