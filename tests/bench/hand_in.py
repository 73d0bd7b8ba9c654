"""The way from FHIR written by hand, for the shape of order that the benchmark uses, R4; see ``hand_out``."""

from __future__ import annotations

from typing import Any

from tests.bench.hand_out import (
    CALCULATED_FROM,
    CARE_SETTING,
    CONCENTRATION,
    CONTAINER,
    CYCLE,
    DILUENT,
    FILTER,
    INFUSION_TYPE,
    MAX_RATE,
    ROLE,
    STEP_ROLE,
    SUFFICIENT,
    TITRATION,
    TOTAL_VOLUME,
)

Json = dict[str, Any]


def quantity_in(fhir: Json) -> Json:
    """Read a quantity."""
    quantity = {"value": fhir["value"]}
    if "code" in fhir:
        quantity["unit"] = fhir["code"]
    if "unit" in fhir:
        quantity["unit_text"] = fhir["unit"]
    return quantity


def ratio_in(fhir: Json) -> Json:
    """Read a ratio."""
    return {"numerator": quantity_in(fhir["numerator"]), "denominator": quantity_in(fhir["denominator"])}


def concept_in(fhir: Json) -> Json:
    """Read a concept."""
    concept: Json = {}
    if "coding" in fhir:
        concept["codings"] = fhir["coding"]
    if "text" in fhir:
        concept["text"] = fhir["text"]
    return concept


def step_in(fhir: Json) -> Json:
    """Read a dosage instruction."""
    step: Json = {"step_id": fhir["id"]}
    for name in ("sequence", "text"):
        if name in fhir:
            step[name] = fhir[name]
    step["timing"] = timing_in(fhir["timing"])
    step["route"] = concept_in(fhir["route"])
    if "method" in fhir:
        step["method"] = concept_in(fhir["method"])
    for extension in fhir.get("extension", ()):
        url = extension["url"]
        if url == STEP_ROLE:
            step["role"] = extension["valueCode"]
        elif url == MAX_RATE:
            step["max_rate"] = quantity_in(extension["valueQuantity"])
        elif url == TITRATION:
            step["titration"] = titration_in(extension)
    step["dosings"] = [dosing_in(dosing) for dosing in fhir["doseAndRate"]]
    return step


def titration_in(fhir: Json) -> Json:
    """Read what an infusion is titrated to."""
    titration: Json = {}
    for part in fhir["extension"]:
        if part["url"] == "goal":
            titration["goal"] = part["valueString"]
        elif part["url"] == "goalMeasure":
            titration["goal_measure"] = concept_in(part["valueCodeableConcept"])
        elif part["url"] == "goalRange":
            limits = part["valueRange"]
            titration["goal_range"] = {"low": quantity_in(limits["low"]), "high": quantity_in(limits["high"])}
    return titration


def dosing_in(fhir: Json) -> Json:
    """Read one dose with its rate."""
    dosing: Json = {"basis": fhir["type"]["coding"][0]["code"], "dose": quantity_in(fhir["doseQuantity"])}
    if "text" in fhir["type"]:
        dosing["basis_text"] = fhir["type"]["text"]
    if "rateQuantity" in fhir:
        dosing["rate"] = quantity_in(fhir["rateQuantity"])
    if "extension" in fhir:
        dosing["calculated_from"] = [one["valueCode"] for one in fhir["extension"] if one["url"] == CALCULATED_FROM]
    return dosing


def timing_in(fhir: Json) -> Json:  # noqa: C901  straight-line code, as it would be written by hand
    """Read a timing."""
    timing: Json = {}
    if "code" in fhir:
        timing["code"] = concept_in(fhir["code"])
    if "event" in fhir:
        timing["events"] = fhir["event"]
    repeat = fhir.get("repeat", {})
    if "boundsDuration" in repeat:
        timing["bounds_length"] = quantity_in(repeat["boundsDuration"])
    elif "boundsPeriod" in repeat:
        timing["bounds_period"] = repeat["boundsPeriod"]
    if "duration" in repeat:
        timing["duration"] = {"value": repeat["duration"], "unit": repeat["durationUnit"]}
    for name in ("count", "frequency", "period"):
        if name in repeat:
            timing[name] = repeat[name]
    if "periodUnit" in repeat:
        timing["period_unit"] = repeat["periodUnit"]
    for extension in fhir.get("extension", ()):
        if extension["url"] == CYCLE:
            timing["weeks"] = [week["valueUnsignedInt"] for week in extension["extension"]]
    return timing


def preparation_in(fhir: Json) -> Json:
    """Read a contained Medication."""
    preparation: Json = {}
    for extension in fhir.get("extension", ()):
        url = extension["url"]
        if url == TOTAL_VOLUME:
            preparation["total_volume"] = quantity_in(extension["valueQuantity"])
        elif url == CONCENTRATION:
            preparation["final_concentration"] = ratio_in(extension["valueRatio"])
        elif url == CONTAINER:
            preparation["container"] = concept_in(extension["valueCodeableConcept"])
        elif url == DILUENT:
            preparation["diluent_restriction"] = extension["valueString"]
        elif url == FILTER:
            preparation["filter"] = extension["valueString"]
    preparation["ingredients"] = [ingredient_in(ingredient) for ingredient in fhir["ingredient"]]
    return preparation


def ingredient_in(fhir: Json) -> Json:
    """Read an ingredient."""
    ingredient: Json = {
        "ingredient_id": fhir["id"],
        "drug": concept_in(fhir["itemCodeableConcept"]),
        "is_active": fhir["isActive"],
    }
    for extension in fhir["extension"]:
        if extension["url"] == ROLE:
            ingredient["role"] = extension["valueCode"]
        elif extension["url"] == SUFFICIENT:
            ingredient["quantity_sufficient"] = extension["valueBoolean"]
    if "strength" in fhir:
        ingredient["strength"] = ratio_in(fhir["strength"])
    return ingredient


def measurement_in(fhir: Json) -> Json:
    """Read a contained Observation."""
    measurement = {
        "measurement_id": fhir["id"],
        "kind": fhir["code"]["coding"][0]["code"],
        "value": quantity_in(fhir["valueQuantity"]),
        "time": fhir["effectiveDateTime"],
    }
    if "text" in fhir["code"]:
        measurement["text"] = fhir["code"]["text"]
    return measurement


def to_internal(fhir: Json) -> Json:
    """Read a MedicationRequest as an order."""
    contained = {resource["id"]: resource for resource in fhir["contained"]}
    medication = contained[fhir["medicationReference"]["reference"][1:]]
    subject = fhir["subject"]
    patient: Json = {"type": subject["type"], "identifier": subject["identifier"], "name": subject["display"]}
    for detail in subject["extension"][0]["extension"]:
        if detail["url"] == "birthDate":
            patient["birth_date"] = detail["valueDate"]
        else:
            patient["sex"] = detail["valueCode"]
    record: Json = {
        "record": "InfusionOrder",
        "order_id": fhir["identifier"][0]["value"],
        "status": fhir["status"],
        "intent": fhir["intent"],
        "priority": fhir["priority"],
        "drug": concept_in(medication["code"]),
        "preparation": preparation_in(medication),
        "patient": patient,
        "ordered_at": fhir["authoredOn"],
        "prescriber": fhir["requester"],
        "reasons": [concept_in(reason) for reason in fhir["reasonCode"]],
        "steps": [step_in(instruction) for instruction in fhir["dosageInstruction"]],
    }
    for extension in fhir["extension"]:
        if extension["url"] == CARE_SETTING:
            record["care_setting"] = extension["valueCode"]
        elif extension["url"] == INFUSION_TYPE:
            record["infusion_type"] = extension["valueCode"]
    if "encounter" in fhir:
        record["encounter"] = fhir["encounter"]
    if "supportingInformation" in fhir:
        references = fhir["supportingInformation"]
        record["measurements"] = [measurement_in(contained[one["reference"][1:]]) for one in references]
    if "dispenseRequest" in fhir:
        request = fhir["dispenseRequest"]
        record["dispense"] = {
            "quantity": quantity_in(request["quantity"]),
            "supply": quantity_in(request["expectedSupplyDuration"]),
        }
    return record
