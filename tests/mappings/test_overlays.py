"""The world as it is: what guides and products send, read with the shipped overlays or without any, and back as it came."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import differences
from fhir_infusion.records.number import from_spelling
from fhir_infusion.records.parts import join
from tests.golden_write import translator
from tests.test_examples import EXAMPLES, examples

Json = dict[str, Any]

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
ISIK_REPLACES = "https://gematik.de/fhir/isik/StructureDefinition/ExtensionISiKMedicationRequestReplaces"
MII_KIND = "https://www.medizininformatik-initiative.de/fhir/core/modul-medikation/StructureDefinition/wirkstofftyp"
MII_SYSTEM = "https://www.medizininformatik-initiative.de/fhir/core/modul-medikation/CodeSystem/wirkstofftyp"
RENDERED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.renderedDosageInstruction"
CERNER = "https://fhir-ehr.cerner.com/r4/StructureDefinition/"
RELEASES = ("R4", "R5")


def quantity(value: int | str, code: str, unit: str | None = None) -> Json:
    """Return a Quantity; a number with a point is given as it is written."""
    return {
        "value": from_spelling(value) if isinstance(value, str) else value,
        **({"unit": unit} if unit else {}),
        "system": "http://unitsofmeasure.org",
        "code": code,
    }


def per(numerator: Json, denominator: Json) -> Json:
    return {"numerator": numerator, "denominator": denominator}


def resource(fhir_type: str, release: str = "R4", **more: Any) -> Json:
    """Return a small order or administration of a paclitaxel infusion, of an invented patient."""
    drug = {"text": "paclitaxel"}
    order = fhir_type == "MedicationRequest"
    moment = {"effectiveDateTime" if release == "R4" else "occurenceDateTime": "2026-05-04T10:00:00Z"}
    made: Json = {
        "resourceType": fhir_type,
        "status": "active" if order else "completed",
        **({"intent": "order"} if order else moment),
        **({"medicationCodeableConcept": drug} if release == "R4" else {"medication": {"concept": drug}}),
        "subject": {"reference": "Patient/1"},
        **more,
    }
    if "contained" in more:
        made.pop("medicationCodeableConcept", None)
        made["medicationReference"] = {"reference": "#bag"}
    return made


def read(given: Json, overlay: str | None = None, release: str = "R4") -> Json:
    """Read a resource, asserting that it comes back equal."""
    done = translator().to_internal(deepcopy(given), release, overlay)
    (back,) = translator().to_fhir(done.results[0], release, overlay, as_sent=True).results
    assert list(differences(given, back)) == []
    return done.results[0]


def findings(given: Json, overlay: str | None = None, release: str = "R4") -> set[str]:
    return {issue.rule for issue in translator().to_internal(deepcopy(given), release, overlay).findings}


def without_overlay(given: Json) -> str:
    return str(read(given).get("residue", ""))


# --- ISiK and MII: rateRatio and rateQuantity both ------------------------------------------------------------------------

RATES = {
    "rateQuantity": (quantity(250, "mL/h"), "rate", {"value": 250, "unit": "mL/h"}),
    "rateRatio": (
        per(quantity(1000, "mg"), quantity(46, "min")),
        "rate_ratio",
        per({"value": 1000, "unit": "mg"}, {"value": 46, "unit": "min"}),
    ),
}


@pytest.mark.parametrize("overlay", [None, "isik", "mii"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("release", RELEASES)
def test_isik_mii_a_rate_is_read_as_it_was_stated_and_never_made_the_other(
    release: str, rate: str, overlay: str | None
):
    sent, name, wanted = RATES[rate]
    order = resource("MedicationRequest", release, dosageInstruction=[{"doseAndRate": [{rate: sent}]}])
    (dosing,) = read(order, overlay, release)["steps"][0]["dosings"]
    assert {key: value for key, value in dosing.items() if key.startswith("rate")} == {name: wanted}
    given = resource("MedicationAdministration", release, dosage={"dose": quantity(85, "mg"), rate: sent})
    (segment,) = read(given, overlay, release)["segments"]
    assert segment == {name: wanted}


def test_isik_the_replaced_order_is_read_from_the_extension():
    order = resource(
        "MedicationRequest",
        extension=[{"url": ISIK_REPLACES, "valueReference": {"reference": "MedicationRequest/77777"}}],
    )
    assert read(order, "isik")["replaces"] == {"reference": "MedicationRequest/77777"}
    assert "replaces" not in read(order)
    assert ISIK_REPLACES in without_overlay(order)


def test_mii_salt_and_substance_are_told_apart_and_the_rendered_instruction_is_read():
    bag = {
        "resourceType": "Medication",
        "id": "bag",
        "ingredient": [
            {
                "extension": [{"url": MII_KIND, "valueCoding": {"system": MII_SYSTEM, "code": code}}],
                "itemCodeableConcept": {"text": text},
                "strength": per(quantity(500, "mg"), quantity(100, "mL")),
            }
            for code, text in (("PIN", "vancomycin hydrochloride"), ("IN", "vancomycin"))
        ],
    }
    order = resource(
        "MedicationRequest", contained=[bag], extension=[{"url": RENDERED, "valueMarkdown": "500 mg over 1 h"}]
    )
    record = read(order, "mii")
    kinds = [one["precision"]["code"] for one in record["preparation"]["ingredients"]]
    assert kinds == ["PIN", "IN"]
    assert record["rendered_instruction"] == "500 mg over 1 h"
    assert MII_KIND in without_overlay(order)


# --- mCODE: ordered and normalised ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fhir_type", ["MedicationRequest", "MedicationAdministration"])
@pytest.mark.parametrize("release", RELEASES)
def test_mcode_the_basis_of_a_dose_and_the_intent_of_the_treatment_are_read(release: str, fhir_type: str):
    basis = {"coding": [{"system": "http://snomed.info/sct", "code": "301898006"}]}
    intent = {"text": "curative"}
    extension = [
        {"url": MCODE + "mcode-normalization-basis", "valueCodeableConcept": basis},
        {"url": MCODE + "mcode-procedure-intent", "valueCodeableConcept": intent},
    ]
    record = read(resource(fhir_type, release, extension=extension), None, release)
    assert record["dose_basis"] == {"codings": basis["coding"]}
    assert record["treatment_intent"] == intent


@pytest.mark.parametrize("release", RELEASES)
def test_mcode_a_dose_where_a_rate_belongs_is_no_rate_and_is_told(release: str):
    order = resource(
        "MedicationRequest", release, dosageInstruction=[{"doseAndRate": [{"rateQuantity": quantity(60, "mg/m2")}]}]
    )
    (dosing,) = read(order, None, release)["steps"][0]["dosings"]
    assert dosing == {"rate_as_stated": {"value": 60, "unit": "mg/m2"}, **_key(dosing)}
    assert "rate-per-time" in findings(order, None, release)


def _key(part: Json) -> Json:
    return {name: value for name, value in part.items() if name.endswith("_id")}


# --- Oracle Health (Cerner) -----------------------------------------------------------------------------------------------


def mixture(**more: Any) -> Json:
    """Return the charted result of a bag with two additives: 500 mL of 1000 mL."""
    bag = {
        "resourceType": "Medication",
        "id": "bag",
        "ingredient": [
            {
                "itemCodeableConcept": {"text": text},
                "strength": per(quantity(amount, unit), quantity(1000, "mL")),
            }
            for text, amount, unit in (("potassium acetate", 40, "mmol"), ("heparin", 500, "[iU]"))
        ],
    }
    return resource("MedicationAdministration", contained=[bag], dosage={"dose": quantity(500, "mL")}, **more)


def test_cerner_infuse_over_time_is_read_and_goes_back():
    given = mixture(
        extension=[{"url": CERNER + "infuse-over-time", "valueQuantity": quantity("120.0", "min", "minutes")}]
    )
    over = read(given, "cerner")["infuse_over"]
    assert (str(over["value"]), over["unit"]) == ("120.0", "min")
    assert CERNER in without_overlay(given)


def test_cerner_what_the_nurse_is_told_is_read_and_goes_back():
    told = [{"url": CERNER + "clinical-instruction", "valueString": "central line only"}]
    order = resource("MedicationRequest", dosageInstruction=[{"extension": told, "text": "slowly"}])
    assert read(order, "cerner")["steps"][0]["clinical_instruction"] == "central line only"


@pytest.mark.parametrize("release", RELEASES)
def test_cerner_an_edited_dose_takes_what_the_nurse_is_told_of_it_along(release: str):
    told = [{"url": CERNER + "clinical-instruction", "valueString": "40 mcg = 1 mL, IV, once"}]
    dosage = {"extension": told, "doseAndRate": [{"doseQuantity": quantity(40, "ug")}]}
    record = read(resource("MedicationRequest", release, dosageInstruction=[dosage]), "cerner", release)
    record["steps"][0]["dosings"][0]["dose"]["value"] = 80
    done = translator().to_fhir(record, release, "cerner")
    assert "40 mcg" not in str(done.results)
    assert [line.path for line in done.exceptions if line.state == "dropped"] == ["steps[0].clinical_instruction"]


@pytest.mark.parametrize("sent", [{"value": 120, "unit": "minutes"}, quantity(5, "mg")], ids=["in words", "a mass"])
def test_cerner_a_time_that_is_no_coded_length_of_time_is_told_and_goes_back_as_it_came(sent: Json):
    given = mixture(extension=[{"url": CERNER + "infuse-over-time", "valueQuantity": sent}])
    assert read(given, "cerner")["infuse_over"]["value"] == sent["value"]
    assert "drt-1" in findings(given, "cerner")


def test_cerner_our_own_infusion_runs_over_a_length_of_time():
    given = {
        "record": "Administration",
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "heparin"},
        "when": {"at": "2026-05-04T10:00:00Z"},
        "infuse_over": {"value": 5, "unit": "mg"},
    }
    with pytest.raises(Refused) as refusal:
        translator().to_fhir(given, "R4", "cerner")
    assert [issue.path for issue in refusal.value.issues] == ["infuse_over.unit"]


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"the published examples are not here: {EXAMPLES}")
def test_cerner_the_published_examples_are_read_with_the_overlay():
    found: Counter[str] = Counter()
    for _, given in examples(EXAMPLES / "cerner-docs"):
        record = read(given, "cerner")
        found["infuse over"] += "infuse_over" in record
        found["instruction"] += any("clinical_instruction" in step for step in record.get("steps", ()))
    assert found == {"infuse over": 2, "instruction": 1}


# --- UK Core: a pause ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "dosage", [{"dosage": {"rateQuantity": quantity(0, "mL/h")}}, {}], ids=["rate zero", "no dosage"]
)
def test_uk_core_a_pause_is_on_hold_and_says_that_nothing_runs(release: str, dosage: Json):
    given = resource("MedicationAdministration", release, statusReason=[{"text": "vein swollen"}], **dosage)
    given["status"] = "on-hold"
    record = read(given, None, release)
    assert record["status"] == "on-hold"
    assert record["status_reasons"] == [{"text": "vein swollen"}]
    assert [segment["rate"]["value"] for segment in record.get("segments", ())] == ([0] if dosage else [])
    assert "dose_given" not in record
    assert findings(given, None, release) == set()


@pytest.mark.parametrize("release", RELEASES)
def test_uk_core_administrations_of_one_order_without_part_of_stay_separate(release: str):
    order = {"reference": "MedicationRequest/1"}
    parts = [
        resource(
            "MedicationAdministration",
            release,
            id=name,
            request=order,
            dosage={"dose": quantity(10, "mg"), "rateQuantity": quantity(rate, "mL/h")},
        )
        for name, rate in (("a", 10), ("b", 20))
    ]
    apart = join([read(one, None, release) for one in parts])
    assert [one["order"] for one in apart] == [order, order]
    assert [one["segments"][0]["rate"]["value"] for one in apart] == [10, 20]


def test_uk_core_do_not_perform_is_refused():
    with pytest.raises(Refused) as refusal:
        translator().to_internal(resource("MedicationRequest", doNotPerform=True), "R4")
    assert [issue.path for issue in refusal.value.issues] == ["MedicationRequest.doNotPerform"]


# --- what the ledger says -------------------------------------------------------------------------------------------------


def test_the_ledger_of_a_record_names_the_whole_fhir_path_of_what_stands_in_lists():
    record = read(mixture())
    lines = translator().to_fhir(record, "R4", as_sent=True).lines
    went = {line.path: line.to for line in lines}
    bag = "medicationReference->Medication.ingredient[]"
    assert went["preparation.ingredients[0].drug.text"] == f"{bag}.itemCodeableConcept.text"
    assert went["preparation.ingredients[1].strength.numerator.value"] == f"{bag}.strength.numerator"
