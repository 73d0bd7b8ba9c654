"""The way to FHIR written by hand, for the shape of order that the benchmark uses, R4.

What a good programmer writes for one shape: plain dict building, no validation, no residue, no ledger, nothing unknown.
It gives exactly what the mapping gives, which ``measure`` checks; it is the measure of what a mapping may cost.

It may do less than the mapping must: it knows which members are there and looks for no others, takes every unit for
UCUM and every array for one of known elements in the right order, and hands on parts of its input (codings, references)
where the mapping makes new ones.
"""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

UCUM: Final = "http://unitsofmeasure.org"
OURS: Final = "https://w3id.org/fhir-infusion/StructureDefinition/"
ORDERS: Final = "https://example.org/fhir-infusion/orders"
KINDS: Final = "https://w3id.org/fhir-infusion/CodeSystem/measurement-kind"
BASIS: Final = "http://terminology.hl7.org/CodeSystem/dose-rate-type"
TOTAL_VOLUME: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Medication.totalVolume"

CARE_SETTING: Final = OURS + "care-setting"
INFUSION_TYPE: Final = OURS + "infusion-type"
PATIENT_DETAILS: Final = OURS + "patient-details"
CONCENTRATION: Final = OURS + "final-concentration"
CONTAINER: Final = OURS + "container"
DILUENT: Final = OURS + "diluent-restriction"
FILTER: Final = OURS + "in-line-filter"
ROLE: Final = OURS + "ingredient-role"
SUFFICIENT: Final = OURS + "quantity-sufficient"
STEP_ROLE: Final = OURS + "step-role"
MAX_RATE: Final = OURS + "max-rate"
CALCULATED_FROM: Final = OURS + "calculated-from"
TITRATION: Final = OURS + "titration"
CYCLE: Final = OURS + "timing-cycle"


def quantity_out(quantity: Json) -> Json:
    """Write a quantity: UCUM where it has a unit code."""
    fhir = {"value": quantity["value"]}
    if "unit" in quantity:
        fhir["system"] = UCUM
        fhir["code"] = quantity["unit"]
    if "unit_text" in quantity:
        fhir["unit"] = quantity["unit_text"]
    return fhir


def ratio_out(ratio: Json) -> Json:
    """Write a ratio."""
    return {"numerator": quantity_out(ratio["numerator"]), "denominator": quantity_out(ratio["denominator"])}


def concept_out(concept: Json) -> Json:
    """Write a concept; codings have the same members on both sides."""
    fhir: Json = {}
    if "codings" in concept:
        fhir["coding"] = concept["codings"]
    if "text" in concept:
        fhir["text"] = concept["text"]
    return fhir


def step_out(step: Json) -> Json:
    """Write a step as a dosage instruction."""
    fhir: Json = {"id": step["step_id"]}
    for name in ("sequence", "text"):
        if name in step:
            fhir[name] = step[name]
    fhir["timing"] = timing_out(step["timing"])
    fhir["route"] = concept_out(step["route"])
    if "method" in step:
        fhir["method"] = concept_out(step["method"])
    extensions: list[Json] = []
    if "role" in step:
        extensions.append({"url": STEP_ROLE, "valueCode": step["role"]})
    if "max_rate" in step:
        extensions.append({"url": MAX_RATE, "valueQuantity": quantity_out(step["max_rate"])})
    if "titration" in step:
        goal, limits = step["titration"], step["titration"]["goal_range"]
        value = {"low": quantity_out(limits["low"]), "high": quantity_out(limits["high"])}
        parts = [
            {"url": "goal", "valueString": goal["goal"]},
            {"url": "goalMeasure", "valueCodeableConcept": concept_out(goal["goal_measure"])},
            {"url": "goalRange", "valueRange": value},
        ]
        extensions.append({"url": TITRATION, "extension": parts})
    if extensions:
        fhir["extension"] = extensions
    fhir["doseAndRate"] = [dosing_out(dosing) for dosing in step["dosings"]]
    return fhir


def dosing_out(dosing: Json) -> Json:
    """Write one dose with its rate."""
    basis: Json = {"coding": [{"system": BASIS, "code": dosing["basis"]}]}
    if "basis_text" in dosing:
        basis["text"] = dosing["basis_text"]
    fhir: Json = {"type": basis, "doseQuantity": quantity_out(dosing["dose"])}
    if "rate" in dosing:
        fhir["rateQuantity"] = quantity_out(dosing["rate"])
    if "calculated_from" in dosing:
        fhir["extension"] = [{"url": CALCULATED_FROM, "valueCode": kind} for kind in dosing["calculated_from"]]
    return fhir


def timing_out(timing: Json) -> Json:  # noqa: C901  straight-line code, as it would be written by hand
    """Write a timing."""
    fhir: Json = {}
    repeat: Json = {}
    if "code" in timing:
        fhir["code"] = concept_out(timing["code"])
    if "events" in timing:
        fhir["event"] = timing["events"]
    if "bounds_length" in timing:
        repeat["boundsDuration"] = quantity_out(timing["bounds_length"])
    elif "bounds_period" in timing:
        repeat["boundsPeriod"] = timing["bounds_period"]
    if "duration" in timing:
        repeat["duration"] = timing["duration"]["value"]
        repeat["durationUnit"] = timing["duration"]["unit"]
    for name in ("count", "frequency", "period"):
        if name in timing:
            repeat[name] = timing[name]
    if "period_unit" in timing:
        repeat["periodUnit"] = timing["period_unit"]
    if repeat:
        fhir["repeat"] = repeat
    if "weeks" in timing:
        weeks = [{"url": "week", "valueUnsignedInt": week} for week in timing["weeks"]]
        fhir["extension"] = [{"url": CYCLE, "extension": weeks}]
    return fhir


def medication_out(preparation: Json, drug: Json) -> Json:
    """Write a preparation as a contained Medication."""
    extensions: list[Json] = []
    if "total_volume" in preparation:
        extensions.append({"url": TOTAL_VOLUME, "valueQuantity": quantity_out(preparation["total_volume"])})
    if "final_concentration" in preparation:
        extensions.append({"url": CONCENTRATION, "valueRatio": ratio_out(preparation["final_concentration"])})
    if "container" in preparation:
        extensions.append({"url": CONTAINER, "valueCodeableConcept": concept_out(preparation["container"])})
    if "diluent_restriction" in preparation:
        extensions.append({"url": DILUENT, "valueString": preparation["diluent_restriction"]})
    if "filter" in preparation:
        extensions.append({"url": FILTER, "valueString": preparation["filter"]})
    fhir: Json = {"resourceType": "Medication", "id": "preparation", "code": concept_out(drug)}
    if extensions:
        fhir["extension"] = extensions
    fhir["ingredient"] = [ingredient_out(ingredient) for ingredient in preparation["ingredients"]]
    return fhir


def ingredient_out(ingredient: Json) -> Json:
    """Write an ingredient."""
    extensions: list[Json] = [{"url": ROLE, "valueCode": ingredient["role"]}]
    if "quantity_sufficient" in ingredient:
        extensions.append({"url": SUFFICIENT, "valueBoolean": ingredient["quantity_sufficient"]})
    fhir = {
        "id": ingredient["ingredient_id"],
        "itemCodeableConcept": concept_out(ingredient["drug"]),
        "isActive": ingredient["is_active"],
        "extension": extensions,
    }
    if "strength" in ingredient:
        fhir["strength"] = ratio_out(ingredient["strength"])
    return fhir


def measurement_out(measurement: Json) -> Json:
    """Write a measurement as a contained Observation."""
    code: Json = {"coding": [{"system": KINDS, "code": measurement["kind"]}]}
    if "text" in measurement:
        code["text"] = measurement["text"]
    return {
        "resourceType": "Observation",
        "id": measurement["measurement_id"],
        "status": "final",
        "code": code,
        "valueQuantity": quantity_out(measurement["value"]),
        "effectiveDateTime": measurement["time"],
    }


def to_fhir(record: Json) -> Json:
    """Write an order as a MedicationRequest."""
    patient = record["patient"]
    details = [{"url": "birthDate", "valueDate": patient["birth_date"]}, {"url": "sex", "valueCode": patient["sex"]}]
    fhir: Json = {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": ORDERS, "value": record["order_id"]}],
        "status": record["status"],
        "intent": record["intent"],
        "priority": record["priority"],
        "medicationReference": {"reference": "#preparation"},
        "subject": {
            "type": patient["type"],
            "identifier": patient["identifier"],
            "display": patient["name"],
            "extension": [{"url": PATIENT_DETAILS, "extension": details}],
        },
        "authoredOn": record["ordered_at"],
        "requester": record["prescriber"],
        "reasonCode": [concept_out(reason) for reason in record["reasons"]],
        "dosageInstruction": [step_out(step) for step in record["steps"]],
        "extension": [
            {"url": CARE_SETTING, "valueCode": record["care_setting"]},
            {"url": INFUSION_TYPE, "valueCode": record["infusion_type"]},
        ],
    }
    if "encounter" in record:
        fhir["encounter"] = record["encounter"]
    contained = [medication_out(record["preparation"], record["drug"])]
    if "measurements" in record:
        measurements = record["measurements"]
        contained.extend(measurement_out(measurement) for measurement in measurements)
        fhir["supportingInformation"] = [{"reference": "#" + one["measurement_id"]} for one in measurements]
        contained.sort(key=lambda resource: resource["id"])
    fhir["contained"] = contained
    if "dispense" in record:
        dispense = record["dispense"]
        fhir["dispenseRequest"] = {
            "quantity": quantity_out(dispense["quantity"]),
            "expectedSupplyDuration": quantity_out(dispense["supply"]),
        }
    return fhir
