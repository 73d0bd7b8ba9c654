"""A unit in words as it was sent goes with its unit, and goes away when that is edited."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.unit_texts import UnitTexts
from fhir_infusion.records import parts
from fhir_infusion.records.fields import table
from tests.golden_write import translator

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
TEXTS = UnitTexts("InfusionOrder", table())


def quantity(value: int, unit: str, text: str) -> Json:
    return {"value": value, "unit": text, "system": UCUM, "code": unit}


def request(dose: Json, **more: Json) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "morphine"},
        "subject": {"reference": "Patient/1"},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": dose, **more}]}],
    }


def read(dose: Json, **more: Json) -> Json:
    (record,) = translator().to_internal(request(dose, **more), "R4").results
    return fhir_json.read(fhir_json.write(record))


def edited(record: Json, name: str = "dose", **members: Any) -> Json:
    record["steps"][0]["dosings"][0][name] |= members
    return record


def written(record: Json) -> tuple[Json, list[str]]:
    """Return the dosing that goes out, and the places that the ledger says were dropped."""
    done = translator().to_fhir(record, "R4")
    dropped = [line.path for line in done.exceptions if line.state == "dropped"]
    assert [line.path for line in done.lines if line.state == "dropped"] == dropped
    return done.results[0]["dosageInstruction"][0]["doseAndRate"][0], dropped


def refused(record: Json) -> list[tuple[int, str, str]]:
    with pytest.raises(Refused) as refusal:
        translator().to_fhir(record, "R4", as_sent=False)
    return [(issue.status, issue.rule, issue.path) for issue in refusal.value.issues]


AT = "steps[0].dosings[0].dose.unit_text"


@pytest.mark.parametrize(
    ("text", "unit", "new"),
    [
        ("milligram(s)", "mg", "ug"),
        ("mg", "mg", "ug"),
        ("mgs", "mg", "g"),
        ("units", "[iU]", "mg"),
        ("Einheiten", "[iU]", "k[iU]"),
        ("Stück", "{Stueck}", "mg"),
    ],
)
def test_the_text_of_a_unit_that_was_edited_goes_out_no_more_h9(text: str, unit: str, new: str):
    record = edited(read(quantity(6, unit, text)), value=12, unit=new)
    assert written(record) == ({"doseQuantity": {"value": 12, "system": UCUM, "code": new}}, [AT])


def test_a_repaired_unit_that_was_edited_loses_its_text_and_the_original():
    done, dropped = written(edited(read(quantity(6, "mcg", "mcg")), unit="mg"))
    assert done == {"doseQuantity": {"value": 6, "system": UCUM, "code": "mg"}}
    assert dropped[0] == AT
    assert [place.rpartition(".")[2] for place in dropped[1:]] == ["doseQuantity"]


@pytest.mark.parametrize("text", ["milligram(s)", "as written"])
def test_an_edited_value_leaves_the_text_of_its_unit(text: str):
    record = edited(read(quantity(6, "mg", text)), value=12)
    assert written(record) == ({"doseQuantity": quantity(12, "mg", text)}, [])


def test_a_text_that_was_written_by_the_editor_stays():
    record = edited(read(quantity(6, "mg", "milligram(s)")), value=12, unit="ug", unit_text="microgram(s)")
    assert written(record) == ({"doseQuantity": quantity(12, "ug", "microgram(s)")}, [])


def test_a_text_that_means_the_new_unit_too_stays():
    record = edited(read(quantity(6, "mL", "ml")), unit="ml")
    assert written(record) == ({"doseQuantity": quantity(6, "ml", "ml")}, [])


def test_a_contradicting_text_that_the_editor_wrote_is_refused_h9():
    record = edited(read(quantity(6, "mg", "mg")), unit_text="ug")
    assert refused(record) == [(422, "unit-text", AT)]


def test_a_contradicting_text_that_another_quantity_was_read_with_is_refused_h9():
    """It stands more often than it was read: here the text was edited, not the unit."""
    record = edited(read(quantity(6, "mg", "mg"), rateQuantity=quantity(5, "ug/h", "ug/h")), unit_text="ug/h")
    assert refused(record) == [(422, "unit-text", AT)]


def test_only_the_text_of_the_edited_unit_goes():
    record = edited(read(quantity(6, "mg", "milligram(s)"), rateQuantity=quantity(5, "mg/h", "mg/hour")), unit="ug")
    assert written(record) == (
        {"doseQuantity": {"value": 6, "system": UCUM, "code": "ug"}, "rateQuantity": quantity(5, "mg/h", "mg/hour")},
        [AT],
    )


def test_an_edited_unit_of_another_system_loses_its_text_too():
    dose = {"value": 6, "unit": "Tablette", "system": "urn:units", "code": "TAB"}
    done, dropped = written(edited(read(dose), unit="CAP"))
    assert (done, dropped) == ({"doseQuantity": {"value": 6, "system": "urn:units", "code": "CAP"}}, [AT])


def test_a_text_that_contradicted_its_unit_as_it_was_sent_stays_with_it():
    sent = quantity(6, "ug", "mg")
    record = read(sent)
    assert written(record) == ({"doseQuantity": sent}, [])
    assert written(edited(record, unit="g")) == ({"doseQuantity": {"value": 6, "system": UCUM, "code": "g"}}, [AT])


def test_a_record_that_was_not_read_from_fhir_is_held_to_the_rule():
    record = edited(read(quantity(6, "mg", "milligram(s)")), unit="ug")
    del record["residue"]
    assert refused(record) == [(422, "unit-text", AT)]


def test_a_record_of_the_wrong_shape_is_refused_for_its_shape():
    record = edited(read(quantity(6, "mg", "milligram(s)")), unit=5)
    assert refused(record) == [(400, "", "steps[0].dosings[0].dose.unit")]


def test_strict_mode_refuses_to_drop_the_text():
    record = edited(read(quantity(6, "mg", "milligram(s)")), unit="ug")
    with pytest.raises(Refused) as refusal:
        translator().to_fhir(record, "R4", strict=True)
    assert [(issue.status, issue.rule, issue.path) for issue in refusal.value.issues] == [(422, "strict", AT)]


def test_a_segment_of_a_split_administration_loses_the_text_of_its_edited_unit():
    segments = [
        {"segment_id": key, "start": start, "dose": {"value": value, "unit": "mg", "unit_text": "milligram(s)"}}
        for key, start, value in (("s1", "2024-01-01T10:00:00Z", 5), ("s2", "2024-01-01T11:00:00Z", 10))
    ]
    record = {
        "record": "Administration",
        "administration_id": "a1",
        "representation": "split",
        "status": "completed",
        "drug": {"text": "morphine"},
        "patient": {"reference": "Patient/1"},
        "when": {"start": "2024-01-01T10:00:00Z"},
        "segments": segments,
    }
    sent = translator().to_fhir(record, "R4").results
    (whole,) = parts.join([translator().to_internal(part, "R4").results[0] for part in sent])
    whole["segments"][1]["dose"]["unit"] = "ug"
    done = translator().to_fhir(whole, "R4")
    assert [part.get("dosage") for part in done.results] == [
        None,
        {"dose": quantity(5, "mg", "milligram(s)")},
        {"dose": {"value": 10, "system": UCUM, "code": "ug"}},
    ]
    assert [line.path for line in done.exceptions if line.state == "dropped"] == ["segments[1].dose.unit_text"]


def test_a_record_without_unit_texts_has_no_seal():
    assert TEXTS.seal({"record": "InfusionOrder", "steps": [{"dosings": [{"dose": {"value": 1, "unit": "g"}}]}]}) == ""
    assert TEXTS.seal({"steps": [{"dosings": [{"dose": {"value": 1, "unit_text": "bag"}}]}]}) == "", "there is no unit"


def test_every_quantity_of_a_record_is_sealed():
    dose = {"value": 1, "unit": "g", "unit_text": "gram"}
    record = {
        "steps": [
            {
                "dosings": [
                    {
                        "dose": dose,
                        "dose_range": {"low": dose, "high": dose},
                        "rate_ratio": {"numerator": dose, "denominator": dose},
                    }
                ]
            }
        ],
        "preparation": {"ingredients": [{"amount": dose}], "total_volume": dose},
        "measurements": [{"value": dose}],
        "dispense": {"initial_fill": {"quantity": dose}},
    }
    assert len(TEXTS.seal(record).split()) == 9
