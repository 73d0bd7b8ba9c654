"""The way to FHIR written by hand, refusing what it does not know: ``hand_out`` with the contract of the mapping.

It takes the same shape of order and makes the same resource, R4. Besides, it looks in every object of the record for
members that it does not know and refuses them by name, takes the system of a unit from the record where it is there,
and copies every object and list, so that the resource shares nothing with the record.

It does not validate: a member that every order of the shape has is taken to be there and of its type. It puts no
residue back; a record with residue is refused.
"""

from __future__ import annotations

from typing import Any, Final

from tests.bench.hand_out import (
    BASIS,
    CALCULATED_FROM,
    CARE_SETTING,
    CONCENTRATION,
    CONTAINER,
    CYCLE,
    DILUENT,
    FILTER,
    INFUSION_TYPE,
    KINDS,
    MAX_RATE,
    ORDERS,
    PATIENT_DETAILS,
    ROLE,
    STEP_ROLE,
    SUFFICIENT,
    TITRATION,
    TOTAL_VOLUME,
    UCUM,
)

Json = dict[str, Any]

QUANTITY: Final = frozenset({"value", "unit", "unit_text", "unit_system"})
CONCEPT: Final = frozenset({"codings", "text"})
CODING: Final = frozenset({"system", "version", "code", "display"})
IDENTIFIER: Final = frozenset({"use", "system", "value"})
REFERENCE: Final = frozenset({"reference", "type", "identifier", "display"})
PERIOD: Final = frozenset({"start", "end"})
STEP: Final = frozenset(
    {"step_id", "sequence", "text", "timing", "route", "method", "role", "max_rate", "titration", "dosings"}
)
DOSING: Final = frozenset({"basis", "basis_text", "dose", "rate", "calculated_from"})
TIMING: Final = frozenset(
    {
        "code", "events", "bounds_length", "bounds_period", "duration", "count", "frequency", "period", "period_unit",
        "weeks",
    }
)  # fmt: skip
PREPARATION: Final = frozenset(
    {"total_volume", "final_concentration", "container", "diluent_restriction", "filter", "ingredients"}
)
INGREDIENT: Final = frozenset({"ingredient_id", "drug", "is_active", "role", "quantity_sufficient", "strength"})
MEASUREMENT: Final = frozenset({"measurement_id", "kind", "text", "value", "time"})
ORDER: Final = frozenset(
    {
        "record", "order_id", "status", "intent", "priority", "drug", "preparation", "patient", "ordered_at",
        "prescriber", "reasons", "steps", "care_setting", "infusion_type", "encounter", "measurements", "dispense",
    }
)  # fmt: skip


class UnknownMembersError(ValueError):
    """A record holds members that would be lost."""


def copied(value: Json, known: frozenset[str]) -> Json:
    """Copy an object that is the same on both sides."""
    if not value.keys() <= known:
        raise UnknownMembersError(*(value.keys() - known))
    return value.copy()


def quantity_out(quantity: Json) -> Json:
    """Write a quantity: UCUM where it has a unit code of no other system."""
    fhir = {"value": quantity["value"]}
    if "unit" in quantity:
        fhir["system"] = quantity.get("unit_system", UCUM)
        fhir["code"] = quantity["unit"]
    elif "unit_system" in quantity:
        fhir["system"] = quantity["unit_system"]
    if "unit_text" in quantity:
        fhir["unit"] = quantity["unit_text"]
    if not quantity.keys() <= QUANTITY:
        raise UnknownMembersError(*(quantity.keys() - QUANTITY))
    return fhir


def ratio_out(ratio: Json) -> Json:
    """Write a ratio."""
    if len(ratio) != 2:
        raise UnknownMembersError(*(ratio.keys() - {"numerator", "denominator"}))
    return {"numerator": quantity_out(ratio["numerator"]), "denominator": quantity_out(ratio["denominator"])}


def concept_out(concept: Json) -> Json:
    """Write a concept; codings have the same members on both sides."""
    fhir: Json = {}
    if "codings" in concept:
        fhir["coding"] = [copied(coding, CODING) for coding in concept["codings"]]
    if "text" in concept:
        fhir["text"] = concept["text"]
    if not concept.keys() <= CONCEPT:
        raise UnknownMembersError(*(concept.keys() - CONCEPT))
    return fhir


def reference_out(reference: Json) -> Json:
    """Write a reference by identifier; it has the same members on both sides."""
    fhir = copied(reference, REFERENCE)
    if "identifier" in fhir:
        fhir["identifier"] = copied(fhir["identifier"], IDENTIFIER)
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
        extensions.append({"url": TITRATION, "extension": titration_out(step["titration"])})
    if extensions:
        fhir["extension"] = extensions
    fhir["doseAndRate"] = [dosing_out(dosing) for dosing in step["dosings"]]
    if not step.keys() <= STEP:
        raise UnknownMembersError(*(step.keys() - STEP))
    return fhir


def titration_out(titration: Json) -> list[Json]:
    """Write what an infusion is titrated to."""
    limits = titration["goal_range"]
    if len(limits) != 2:
        raise UnknownMembersError(*(limits.keys() - {"low", "high"}))
    if len(titration) != 3:
        raise UnknownMembersError(*(titration.keys() - {"goal", "goal_measure", "goal_range"}))
    return [
        {"url": "goal", "valueString": titration["goal"]},
        {"url": "goalMeasure", "valueCodeableConcept": concept_out(titration["goal_measure"])},
        {"url": "goalRange", "valueRange": {"low": quantity_out(limits["low"]), "high": quantity_out(limits["high"])}},
    ]


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
    if not dosing.keys() <= DOSING:
        raise UnknownMembersError(*(dosing.keys() - DOSING))
    return fhir


def timing_out(timing: Json) -> Json:  # noqa: C901  straight-line code, as it would be written by hand
    """Write a timing."""
    fhir: Json = {}
    repeat: Json = {}
    if "code" in timing:
        fhir["code"] = concept_out(timing["code"])
    if "events" in timing:
        fhir["event"] = timing["events"].copy()
    if "bounds_length" in timing:
        repeat["boundsDuration"] = quantity_out(timing["bounds_length"])
    elif "bounds_period" in timing:
        repeat["boundsPeriod"] = copied(timing["bounds_period"], PERIOD)
    if "duration" in timing:
        duration = timing["duration"]
        if len(duration) != 2:
            raise UnknownMembersError(*(duration.keys() - {"value", "unit"}))
        repeat["duration"] = duration["value"]
        repeat["durationUnit"] = duration["unit"]
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
    if not timing.keys() <= TIMING:
        raise UnknownMembersError(*(timing.keys() - TIMING))
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
    if not preparation.keys() <= PREPARATION:
        raise UnknownMembersError(*(preparation.keys() - PREPARATION))
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
    if not ingredient.keys() <= INGREDIENT:
        raise UnknownMembersError(*(ingredient.keys() - INGREDIENT))
    return fhir


def measurement_out(measurement: Json) -> Json:
    """Write a measurement as a contained Observation."""
    code: Json = {"coding": [{"system": KINDS, "code": measurement["kind"]}]}
    if "text" in measurement:
        code["text"] = measurement["text"]
    if not measurement.keys() <= MEASUREMENT:
        raise UnknownMembersError(*(measurement.keys() - MEASUREMENT))
    return {
        "resourceType": "Observation",
        "id": measurement["measurement_id"],
        "status": "final",
        "code": code,
        "valueQuantity": quantity_out(measurement["value"]),
        "effectiveDateTime": measurement["time"],
    }


def subject_out(patient: Json) -> Json:
    """Write the patient."""
    if len(patient) != 5:
        raise UnknownMembersError(*(patient.keys() - {"type", "identifier", "name", "birth_date", "sex"}))
    details = [{"url": "birthDate", "valueDate": patient["birth_date"]}, {"url": "sex", "valueCode": patient["sex"]}]
    return {
        "type": patient["type"],
        "identifier": copied(patient["identifier"], IDENTIFIER),
        "display": patient["name"],
        "extension": [{"url": PATIENT_DETAILS, "extension": details}],
    }


def to_fhir(record: Json) -> Json:
    """Write an order as a MedicationRequest.

    Raises ``UnknownMembersError`` for what it would lose.
    """
    fhir: Json = {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": ORDERS, "value": record["order_id"]}],
        "status": record["status"],
        "intent": record["intent"],
        "priority": record["priority"],
        "medicationReference": {"reference": "#preparation"},
        "subject": subject_out(record["patient"]),
        "authoredOn": record["ordered_at"],
        "requester": reference_out(record["prescriber"]),
        "reasonCode": [concept_out(reason) for reason in record["reasons"]],
        "dosageInstruction": [step_out(step) for step in record["steps"]],
        "extension": [
            {"url": CARE_SETTING, "valueCode": record["care_setting"]},
            {"url": INFUSION_TYPE, "valueCode": record["infusion_type"]},
        ],
    }
    if "encounter" in record:
        fhir["encounter"] = reference_out(record["encounter"])
    contained = [medication_out(record["preparation"], record["drug"])]
    if "measurements" in record:
        measurements = record["measurements"]
        contained.extend(measurement_out(measurement) for measurement in measurements)
        fhir["supportingInformation"] = [{"reference": "#" + one["measurement_id"]} for one in measurements]
        contained.sort(key=lambda resource: resource["id"])
    fhir["contained"] = contained
    if "dispense" in record:
        dispense = record["dispense"]
        if len(dispense) != 2:
            raise UnknownMembersError(*(dispense.keys() - {"quantity", "supply"}))
        fhir["dispenseRequest"] = {
            "quantity": quantity_out(dispense["quantity"]),
            "expectedSupplyDuration": quantity_out(dispense["supply"]),
        }
    if not record.keys() <= ORDER:
        raise UnknownMembersError(*(record.keys() - ORDER))
    return fhir
