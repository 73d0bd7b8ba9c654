"""The way from FHIR written by hand, keeping what it does not know: ``hand_in`` with the contract of the mapping.

It takes the same shape of order, R4, and makes the same record. Besides, it

- looks in every object for members that it does not know, in every array for extensions, identifiers, codings and
  contained resources that it does not know or has already, and keeps each aside with its path;
- looks at the system of every unit, and finds an extension by its url, an identifier or code by its system;
- copies every object and list, so that the record shares nothing with the resource.

It does not validate: a member that every order of the shape has is taken to be there and of its type. It puts nothing
back, and keeps no order of elements. What is kept aside is the part of the input itself. Paths are pairs of what is
outside and a name, made into text only where something is kept.
"""

from __future__ import annotations

from typing import Final

from tests.bench.hand_in_parts import (
    IDENTIFIER,
    Json,
    Left,
    Path,
    coded_in,
    concept_in,
    copied,
    keep,
    quantity_in,
    ratio_in,
    reference_in,
)
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
)

PERIOD: Final = frozenset({"start", "end"})
STEP: Final = frozenset({"id", "sequence", "text", "timing", "route", "method", "extension", "doseAndRate"})
DOSING: Final = frozenset({"type", "doseQuantity", "rateQuantity", "extension"})
TIMING: Final = frozenset({"code", "event", "repeat", "extension"})
REPEAT: Final = frozenset(
    {"boundsDuration", "boundsPeriod", "duration", "durationUnit", "count", "frequency", "period", "periodUnit"}
)
MEDICATION: Final = frozenset({"resourceType", "id", "code", "extension", "ingredient"})
INGREDIENT: Final = frozenset({"id", "itemCodeableConcept", "isActive", "extension", "strength"})
OBSERVATION: Final = frozenset({"resourceType", "id", "status", "code", "valueQuantity", "effectiveDateTime"})
SUBJECT: Final = frozenset({"type", "identifier", "display", "extension"})
ORDER: Final = frozenset(
    {
        "resourceType", "identifier", "status", "intent", "priority", "medicationReference", "subject", "authoredOn",
        "requester", "reasonCode", "dosageInstruction", "extension", "encounter", "supportingInformation", "contained",
        "dispenseRequest",
    }
)  # fmt: skip
CODE_VALUE: Final = frozenset({"url", "valueCode"})
STRING_VALUE: Final = frozenset({"url", "valueString"})
BOOLEAN_VALUE: Final = frozenset({"url", "valueBoolean"})
DATE_VALUE: Final = frozenset({"url", "valueDate"})
NUMBER_VALUE: Final = frozenset({"url", "valueUnsignedInt"})
QUANTITY_VALUE: Final = frozenset({"url", "valueQuantity"})
RATIO_VALUE: Final = frozenset({"url", "valueRatio"})
RANGE_VALUE: Final = frozenset({"url", "valueRange"})
CONCEPT_VALUE: Final = frozenset({"url", "valueCodeableConcept"})
PARTS: Final = frozenset({"url", "extension"})
SYSTEM_VALUE: Final = frozenset({"system", "value"})
ONLY_REFERENCE: Final = frozenset({"reference"})
LIMITS: Final = frozenset({"low", "high"})
DISPENSE: Final = frozenset({"quantity", "expectedSupplyDuration"})


def step_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a dosage instruction."""
    step: Json = {"step_id": fhir["id"]}
    for name in ("sequence", "text"):
        if name in fhir:
            step[name] = fhir[name]
    step["timing"] = timing_in(fhir["timing"], (path, "timing"), left)
    step["route"] = concept_in(fhir["route"], (path, "route"), left)
    if "method" in fhir:
        step["method"] = concept_in(fhir["method"], (path, "method"), left)
    inner = (path, "extension")
    for extension in fhir.get("extension", ()):
        url = extension.get("url")
        if url == STEP_ROLE and "valueCode" in extension and "role" not in step:
            step["role"], known = extension["valueCode"], CODE_VALUE
        elif url == MAX_RATE and "valueQuantity" in extension and "max_rate" not in step:
            step["max_rate"], known = quantity_in(extension["valueQuantity"], inner, left), QUANTITY_VALUE
        elif url == TITRATION and "extension" in extension and "titration" not in step:
            step["titration"], known = titration_in(extension["extension"], inner, left), PARTS
        else:
            left.append((inner, extension))
            continue
        if len(extension) != 2:
            keep(extension, known, inner, left)
    inner = (path, "doseAndRate")
    step["dosings"] = [dosing_in(dosing, inner, left) for dosing in fhir["doseAndRate"]]
    if not fhir.keys() <= STEP:
        keep(fhir, STEP, path, left)
    return step


def titration_in(parts: list[Json], path: Path, left: Left) -> Json:
    """Read what an infusion is titrated to."""
    titration: Json = {}
    for part in parts:
        url = part.get("url")
        if url == "goal" and "valueString" in part and "goal" not in titration:
            titration["goal"], known = part["valueString"], STRING_VALUE
        elif url == "goalMeasure" and "valueCodeableConcept" in part and "goal_measure" not in titration:
            titration["goal_measure"], known = concept_in(part["valueCodeableConcept"], path, left), CONCEPT_VALUE
        elif url == "goalRange" and "valueRange" in part and "goal_range" not in titration:
            limits, known = part["valueRange"], RANGE_VALUE
            low, high = quantity_in(limits["low"], path, left), quantity_in(limits["high"], path, left)
            titration["goal_range"] = {"low": low, "high": high}
            if len(limits) != 2:
                keep(limits, LIMITS, path, left)
        else:
            left.append((path, part))
            continue
        if len(part) != 2:
            keep(part, known, path, left)
    return titration


def dosing_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read one dose with its rate."""
    basis, text = coded_in(fhir["type"], BASIS, (path, "type"), left)
    dosing: Json = {"basis": basis, "dose": quantity_in(fhir["doseQuantity"], (path, "doseQuantity"), left)}
    if text is not None:
        dosing["basis_text"] = text
    if "rateQuantity" in fhir:
        dosing["rate"] = quantity_in(fhir["rateQuantity"], (path, "rateQuantity"), left)
    inner = (path, "extension")
    for extension in fhir.get("extension", ()):
        if extension.get("url") == CALCULATED_FROM and "valueCode" in extension:
            dosing.setdefault("calculated_from", []).append(extension["valueCode"])
            if len(extension) != 2:
                keep(extension, CODE_VALUE, inner, left)
        else:
            left.append((inner, extension))
    if not fhir.keys() <= DOSING:
        keep(fhir, DOSING, path, left)
    return dosing


def timing_in(fhir: Json, path: Path, left: Left) -> Json:  # noqa: C901, PLR0912  straight-line code, as it would be written by hand
    """Read a timing."""
    timing: Json = {}
    if "code" in fhir:
        timing["code"] = concept_in(fhir["code"], (path, "code"), left)
    if "event" in fhir:
        timing["events"] = fhir["event"].copy()
    if "repeat" in fhir:
        repeat, inner = fhir["repeat"], (path, "repeat")
        if "boundsDuration" in repeat:
            timing["bounds_length"] = quantity_in(repeat["boundsDuration"], (inner, "boundsDuration"), left)
        elif "boundsPeriod" in repeat:
            timing["bounds_period"] = copied(repeat["boundsPeriod"], PERIOD, (inner, "boundsPeriod"), left)
        if "duration" in repeat:
            timing["duration"] = {"value": repeat["duration"], "unit": repeat["durationUnit"]}
        for name in ("count", "frequency", "period"):
            if name in repeat:
                timing[name] = repeat[name]
        if "periodUnit" in repeat:
            timing["period_unit"] = repeat["periodUnit"]
        if not repeat.keys() <= REPEAT:
            keep(repeat, REPEAT, inner, left)
    for extension in fhir.get("extension", ()):
        if extension.get("url") == CYCLE and "extension" in extension and "weeks" not in timing:
            timing["weeks"] = weeks_in(extension["extension"], (path, "extension"), left)
            if len(extension) != 2:
                keep(extension, PARTS, (path, "extension"), left)
        else:
            left.append(((path, "extension"), extension))
    if not fhir.keys() <= TIMING:
        keep(fhir, TIMING, path, left)
    return timing


def weeks_in(parts: list[Json], path: Path, left: Left) -> list[int]:
    """Read the weeks of a cycle."""
    weeks: list[int] = []
    for week in parts:
        if week.get("url") == "week" and "valueUnsignedInt" in week:
            weeks.append(week["valueUnsignedInt"])
            if len(week) != 2:
                keep(week, NUMBER_VALUE, path, left)
        else:
            left.append((path, week))
    return weeks


def preparation_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a contained Medication."""
    preparation: Json = {}
    inner = (path, "extension")
    for extension in fhir.get("extension", ()):
        url = extension.get("url")
        if url == TOTAL_VOLUME and "valueQuantity" in extension and "total_volume" not in preparation:
            preparation["total_volume"] = quantity_in(extension["valueQuantity"], inner, left)
            known = QUANTITY_VALUE
        elif url == CONCENTRATION and "valueRatio" in extension and "final_concentration" not in preparation:
            preparation["final_concentration"] = ratio_in(extension["valueRatio"], inner, left)
            known = RATIO_VALUE
        elif url == CONTAINER and "valueCodeableConcept" in extension and "container" not in preparation:
            preparation["container"] = concept_in(extension["valueCodeableConcept"], inner, left)
            known = CONCEPT_VALUE
        elif url == DILUENT and "valueString" in extension and "diluent_restriction" not in preparation:
            preparation["diluent_restriction"], known = extension["valueString"], STRING_VALUE
        elif url == FILTER and "valueString" in extension and "filter" not in preparation:
            preparation["filter"], known = extension["valueString"], STRING_VALUE
        else:
            left.append((inner, extension))
            continue
        if len(extension) != 2:
            keep(extension, known, inner, left)
    inner = (path, "ingredient")
    preparation["ingredients"] = [ingredient_in(ingredient, inner, left) for ingredient in fhir["ingredient"]]
    if not fhir.keys() <= MEDICATION:
        keep(fhir, MEDICATION, path, left)
    return preparation


def ingredient_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read an ingredient."""
    ingredient: Json = {
        "ingredient_id": fhir["id"],
        "drug": concept_in(fhir["itemCodeableConcept"], (path, "itemCodeableConcept"), left),
        "is_active": fhir["isActive"],
    }
    for extension in fhir["extension"]:
        url = extension.get("url")
        if url == ROLE and "valueCode" in extension and "role" not in ingredient:
            ingredient["role"], known = extension["valueCode"], CODE_VALUE
        elif url == SUFFICIENT and "valueBoolean" in extension and "quantity_sufficient" not in ingredient:
            ingredient["quantity_sufficient"], known = extension["valueBoolean"], BOOLEAN_VALUE
        else:
            left.append(((path, "extension"), extension))
            continue
        if len(extension) != 2:
            keep(extension, known, (path, "extension"), left)
    if "strength" in fhir:
        ingredient["strength"] = ratio_in(fhir["strength"], (path, "strength"), left)
    if not fhir.keys() <= INGREDIENT:
        keep(fhir, INGREDIENT, path, left)
    return ingredient


def measurement_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a contained Observation."""
    kind, text = coded_in(fhir["code"], KINDS, (path, "code"), left)
    measurement = {
        "measurement_id": fhir["id"],
        "kind": kind,
        "value": quantity_in(fhir["valueQuantity"], (path, "valueQuantity"), left),
        "time": fhir["effectiveDateTime"],
    }
    if text is not None:
        measurement["text"] = text
    if fhir["status"] != "final":
        left.append(((path, "status"), fhir["status"]))
    if len(fhir) != len(OBSERVATION):
        keep(fhir, OBSERVATION, path, left)
    return measurement


def patient_in(fhir: Json, left: Left) -> Json:
    """Read the subject."""
    path = (None, "subject")
    identifier = copied(fhir["identifier"], IDENTIFIER, (path, "identifier"), left)
    patient: Json = {"type": fhir["type"], "identifier": identifier, "name": fhir["display"]}
    inner, found = (path, "extension"), False
    for extension in fhir["extension"]:
        if extension.get("url") != PATIENT_DETAILS or found:
            left.append((inner, extension))
            continue
        found = True
        for detail in extension["extension"]:
            url = detail.get("url")
            if url == "birthDate" and "valueDate" in detail and "birth_date" not in patient:
                patient["birth_date"], known = detail["valueDate"], DATE_VALUE
            elif url == "sex" and "valueCode" in detail and "sex" not in patient:
                patient["sex"], known = detail["valueCode"], CODE_VALUE
            else:
                left.append((inner, detail))
                continue
            if len(detail) != 2:
                keep(detail, known, inner, left)
        if len(extension) != 2:
            keep(extension, PARTS, inner, left)
    if len(fhir) != len(SUBJECT):
        keep(fhir, SUBJECT, path, left)
    return patient


def to_internal(fhir: Json) -> tuple[Json, Left]:  # noqa: C901, PLR0912  straight-line code, as it would be written by hand
    """Read a MedicationRequest as an order; return with it what the order does not hold, each with its path."""
    left: Left = []
    contained = {resource["id"]: resource for resource in fhir["contained"]}
    record: Json = {"record": "InfusionOrder"}
    for identifier in fhir["identifier"]:
        if identifier.get("system") == ORDERS and "value" in identifier and "order_id" not in record:
            record["order_id"] = identifier["value"]
            if len(identifier) != 2:
                keep(identifier, SYSTEM_VALUE, (None, "identifier"), left)
        else:
            left.append(((None, "identifier"), identifier))
    record["status"] = fhir["status"]
    record["intent"] = fhir["intent"]
    record["priority"] = fhir["priority"]
    reference = fhir["medicationReference"]
    medication = contained.pop(reference["reference"][1:])
    if len(reference) != 1:
        keep(reference, ONLY_REFERENCE, (None, "medicationReference"), left)
    record["drug"] = concept_in(medication["code"], ((None, "contained"), "code"), left)
    record["preparation"] = preparation_in(medication, (None, "contained"), left)
    record["patient"] = patient_in(fhir["subject"], left)
    record["ordered_at"] = fhir["authoredOn"]
    record["prescriber"] = reference_in(fhir["requester"], (None, "requester"), left)
    record["reasons"] = [concept_in(reason, (None, "reasonCode"), left) for reason in fhir["reasonCode"]]
    path = (None, "dosageInstruction")
    record["steps"] = [step_in(instruction, path, left) for instruction in fhir["dosageInstruction"]]
    for extension in fhir["extension"]:
        url = extension.get("url")
        if url == CARE_SETTING and "valueCode" in extension and "care_setting" not in record:
            record["care_setting"] = extension["valueCode"]
        elif url == INFUSION_TYPE and "valueCode" in extension and "infusion_type" not in record:
            record["infusion_type"] = extension["valueCode"]
        else:
            left.append(((None, "extension"), extension))
            continue
        if len(extension) != 2:
            keep(extension, CODE_VALUE, (None, "extension"), left)
    if "encounter" in fhir:
        record["encounter"] = reference_in(fhir["encounter"], (None, "encounter"), left)
    if "supportingInformation" in fhir:
        record["measurements"] = measurements_in(fhir["supportingInformation"], contained, left)
    if "dispenseRequest" in fhir:
        record["dispense"] = dispense_in(fhir["dispenseRequest"], (None, "dispenseRequest"), left)
    left.extend(((None, "contained"), resource) for resource in contained.values())
    if not fhir.keys() <= ORDER:
        keep(fhir, ORDER, None, left)
    return record, left


def measurements_in(references: list[Json], contained: dict[str, Json], left: Left) -> list[Json]:
    """Read the measurements that references lead to, and take them out of what is contained."""
    measurements: list[Json] = []
    for one in references:
        observation = contained.pop(one.get("reference", "#")[1:], None)
        if observation is None or observation["resourceType"] != "Observation":
            left.append(((None, "supportingInformation"), one))
            if observation is not None:
                left.append(((None, "contained"), observation))
            continue
        measurements.append(measurement_in(observation, (None, "contained"), left))
        if len(one) != 1:
            keep(one, ONLY_REFERENCE, (None, "supportingInformation"), left)
    return measurements


def dispense_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a dispense request."""
    if len(fhir) != 2:
        keep(fhir, DISPENSE, path, left)
    return {
        "quantity": quantity_in(fhir["quantity"], (path, "quantity"), left),
        "supply": quantity_in(fhir["expectedSupplyDuration"], (path, "expectedSupplyDuration"), left),
    }
