"""Resources as other systems write them: wrong unit codes, no rate where a rate belongs, text that says otherwise.

Each is read, told, and goes back as it came; nothing is guessed. The samples are invented.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from tests.golden_write import translator

Json = dict[str, Any]
D = Decimal

UCUM = "http://unitsofmeasure.org"
BASIS = "http://terminology.hl7.org/CodeSystem/dose-rate-type"
RELEASES = ("R4", "R4B", "R5")
each_release = pytest.mark.parametrize("release", RELEASES)


def coded(value: int | Decimal, code: str, text: str | None = None) -> Json:
    return {"value": value, "unit": text or code, "system": UCUM, "code": code}


def drug(release: str) -> Json:
    concept = {"text": "drug"}
    return {"medication": {"concept": concept}} if release == "R5" else {"medicationCodeableConcept": concept}


def order(release: str, text: str | None = None, **dosing: Json) -> Json:
    said = {} if text is None else {"text": text}
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        **drug(release),
        "subject": {"reference": "Patient/1"},
        "dosageInstruction": [{**said, "doseAndRate": [dosing]}],
    }


def administration(release: str, **dosage: Json | str) -> Json:
    when = "occurenceDateTime" if release == "R5" else "effectiveDateTime"
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        **drug(release),
        "subject": {"reference": "Patient/1"},
        when: "2026-03-01T08:00:00Z",
        "dosage": dosage,
    }


def read_and_back(resource: Json, release: str) -> tuple[Json, list[tuple[str, str]], list[str]]:
    """Return the record, its findings by rule and path, and the ledger's lines of repairs; assert that it goes back."""
    done = translator().to_internal(resource, release)
    (record,) = done.results
    again = fhir_json.read(fhir_json.write(record))
    (back,) = translator().to_fhir(again, release).results
    assert list(differences(resource, back)) == []
    repaired = [line.path.partition(".")[2] for line in done.lines if "unit repaired" in line.why]
    return record, [(issue.rule, issue.path) for issue in done.findings], repaired


REPAIRED = [("mcg", "ug"), ("mEq", "meq"), ("IU", "[iU]"), ("cc", "mL")]
REPAIRED_RATES = [("mL/hr", "mL/h"), ("mcg/kg/min", "ug/kg/min"), ("mEq/hr", "meq/h"), ("IU/hr", "[iU]/h")]


@each_release
@pytest.mark.parametrize(("wrong", "right"), REPAIRED)
def test_a_dose_in_a_wrong_unit_is_read_as_the_stated_rule_repairs_it_and_goes_back_as_it_came(
    release: str, wrong: str, right: str
):
    record, findings, repaired = read_and_back(order(release, doseQuantity=coded(D("1.50"), wrong)), release)
    dose = record["steps"][0]["dosings"][0]["dose"]
    assert (str(dose["value"]), dose["unit"], dose["unit_text"]) == ("1.50", right, wrong)
    assert repaired == ["dosageInstruction[0].doseAndRate[0].doseQuantity.code"]
    assert findings == []
    record, _, repaired = read_and_back(administration(release, dose=coded(D("1.50"), wrong)), release)
    assert (str(record["dose_given"]["value"]), record["dose_given"]["unit"]) == ("1.50", right)
    assert repaired == ["dosage.dose.code"]


@each_release
@pytest.mark.parametrize(("wrong", "right"), REPAIRED_RATES)
def test_a_rate_in_a_wrong_unit_is_read_as_a_rate_and_goes_back_as_it_came(release: str, wrong: str, right: str):
    record, _, repaired = read_and_back(order(release, rateQuantity=coded(D("2.50"), wrong)), release)
    (dosing,) = record["steps"][0]["dosings"]
    assert (str(dosing["rate"]["value"]), dosing["rate"]["unit"]) == ("2.50", right)
    assert "rate_as_stated" not in dosing
    assert repaired == ["dosageInstruction[0].doseAndRate[0].rateQuantity.code"]
    record, _, repaired = read_and_back(administration(release, rateQuantity=coded(D("2.50"), wrong)), release)
    (segment,) = record["segments"]
    assert (str(segment["rate"]["value"]), segment["rate"]["unit"]) == ("2.50", right)
    assert repaired == ["dosage.rateQuantity.code"]


@each_release
@pytest.mark.parametrize("unit", ["units", "tbl", "MCG", "gtt"])
def test_a_unit_that_no_rule_repairs_is_kept_as_it_came_and_told(release: str, unit: str):
    record, findings, repaired = read_and_back(order(release, doseQuantity=coded(5, unit)), release)
    assert record["steps"][0]["dosings"][0]["dose"]["unit"] == unit
    assert ("ucum", "steps[0].dosings[0].dose.unit") in findings
    assert repaired == []


@each_release
@pytest.mark.parametrize(("unit", "rule"), [("ML", "unit-case"), ("G", "unit-case"), ("Mg", "unit-case"), ("KG", "ucum"), ("iu", "ucum")])  # fmt: skip
def test_a_unit_in_the_wrong_case_is_told_and_kept_as_it_came_h9(release: str, unit: str, rule: str):
    record, findings, repaired = read_and_back(order(release, doseQuantity=coded(D("250.0"), unit)), release)
    assert record["steps"][0]["dosings"][0]["dose"]["unit"] == unit
    assert findings == [(rule, "steps[0].dosings[0].dose.unit")]
    assert repaired == []
    record, findings, _ = read_and_back(administration(release, dose=coded(D("250.0"), unit)), release)
    assert findings == [(rule, "dose_given.unit")]


@each_release
@pytest.mark.parametrize("quantity", [{"unit": "ML/HR"}, {"unit": "mL/H"}, {"unit": "MCG/KG/MIN"}, {"system": UCUM, "code": "ML/HR"}])  # fmt: skip
def test_a_rate_in_capitals_is_a_rate_and_goes_back_as_it_came(release: str, quantity: Json):
    record, findings, _ = read_and_back(order(release, rateQuantity={"value": 125, **quantity}), release)
    assert record["steps"][0]["dosings"][0].keys() >= {"rate"}
    assert "rate-per-time" not in [rule for rule, _ in findings]


@each_release
@pytest.mark.parametrize("unit", ["mcg", "mL/hr", "mEq", "IU", "cc"])
def test_a_unit_in_words_alone_stays_words(release: str, unit: str):
    record, _, repaired = read_and_back(order(release, doseQuantity={"value": 5, "unit": unit}), release)
    assert record["steps"][0]["dosings"][0]["dose"] == {"value": 5, "unit_text": unit}
    assert repaired == []


@each_release
@pytest.mark.parametrize("unit", ["mcg", "mEq", "IU", "cc"])
def test_a_unit_of_another_system_is_never_repaired(release: str, unit: str):
    dose = {"value": 5, "unit": unit, "system": "urn:oid:2.999.7", "code": unit}
    record, _, repaired = read_and_back(order(release, doseQuantity=dose), release)
    held = record["steps"][0]["dosings"][0]["dose"]
    assert (held["unit"], held["unit_system"]) == (unit, "urn:oid:2.999.7")
    assert repaired == []


@each_release
@pytest.mark.parametrize(
    "stated", [coded(20, "min"), coded(60, "mg/m2"), coded(5, "mg")], ids=["duration", "dose per area", "dose"]
)
def test_a_duration_or_a_dose_where_a_rate_belongs_is_never_a_rate_and_is_told(release: str, stated: Json):
    record, findings, _ = read_and_back(order(release, rateQuantity=stated), release)
    (dosing,) = record["steps"][0]["dosings"]
    assert dosing.keys() == {"rate_as_stated"}
    assert ("rate-per-time", "steps[0].dosings[0].rate_as_stated") in findings
    record, findings, _ = read_and_back(administration(release, rateQuantity=stated), release)
    (segment,) = record["segments"]
    assert segment.keys() == {"rate_as_stated"}
    assert ("rate-per-time", "segments[0].rate_as_stated") in findings


@each_release
def test_text_that_contradicts_the_structure_is_told_and_neither_is_changed(release: str):
    said = "Infuse at 8 L/min"
    record, findings, _ = read_and_back(order(release, said, rateQuantity=coded(50, "mL/h")), release)
    assert record["steps"][0]["text"] == said
    assert record["steps"][0]["dosings"][0]["rate"]["value"] == 50
    assert ("text-contradicts", "steps[0].text") in findings
    given = administration(release, text="gave 500 mg", dose=coded(50, "mg"))
    record, findings, _ = read_and_back(given, release)
    assert (record["text"], record["dose_given"]["value"]) == ("gave 500 mg", 50)
    assert ("text-contradicts", "text") in findings


@each_release
def test_text_that_says_what_the_structure_says_is_not_told(release: str):
    _, findings, _ = read_and_back(order(release, "Infuse at 50 mL/hr", rateQuantity=coded(50, "mL/h")), release)
    assert findings == []


@each_release
def test_a_unit_text_that_contradicts_its_code_is_told_and_stays(release: str):
    record, findings, _ = read_and_back(order(release, doseQuantity=coded(5, "mg", "mcg")), release)
    assert record["steps"][0]["dosings"][0]["dose"] == {"value": 5, "unit": "mg", "unit_text": "mcg"}
    assert ("unit-text", "steps[0].dosings[0].dose.unit_text") in findings


@each_release
@pytest.mark.parametrize(("code", "told"), [("29463-7", True), ("3141-9", True), ("8302-2", False), ("2164-2", False)])
def test_pounds_taken_for_kilograms_are_told_by_a_body_weight_of_loinc(release: str, code: str, *, told: bool):
    """189 lb are 85.7 kg; 18 units/kg/h were multiplied by 189."""
    weight = {
        "resourceType": "Observation",
        "id": "w",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": coded(189, "[lb_av]", "lb"),
    }
    resource = order(release)
    resource["contained"] = [weight]
    resource["supportingInformation"] = [{"reference": "#w"}]
    resource["dosageInstruction"][0]["doseAndRate"] = [
        {"type": {"coding": [{"system": BASIS, "code": basis}]}, "rateQuantity": rate}
        for basis, rate in (("ordered", coded(18, "[iU]/kg/h")), ("calculated", coded(3402, "[iU]/h")))
    ]
    record, findings, _ = read_and_back(resource, release)
    assert "measurements" not in record
    assert (("calculated-dose", "steps[0].dosings[1].rate") in findings) is told


@each_release
def test_a_ratio_and_a_quantity_of_one_rate_stay_what_they_were(release: str):
    ratio = {"numerator": coded(1000, "mL"), "denominator": coded(8, "h")}
    for resource in (order(release, rateRatio=ratio), administration(release, rateRatio=ratio)):
        record, _, _ = read_and_back(resource, release)
        held = record["steps"][0]["dosings"][0] if "steps" in record else record["segments"][0]
        assert held.keys() == {"rate_ratio"}
        assert (held["rate_ratio"]["numerator"]["value"], held["rate_ratio"]["denominator"]["value"]) == (1000, 8)
