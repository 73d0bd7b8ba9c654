"""Small orders and administrations, as our JSON and as FHIR."""

from __future__ import annotations

import copy

from fhir_infusion.store import audit, outbox, text

ORDERS = "https://example.org/fhir-infusion/orders"
ADMINISTRATIONS = "https://example.org/fhir-infusion/administrations"
MR = "MedicationRequest"
MA = "MedicationAdministration"
TENANT = "default"


def number(spelling):
    return text.read(f'{{"value":{spelling}}}')["value"]


def quantity(value, unit):
    return {"value": number(value), "unit": unit}


DRUG = {"codings": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "3616"}], "text": "dobutamine"}
PATIENT = {"identifier": {"system": "https://example.org/patients", "value": "MRN-1"}}


def order(order_id="ORD-1", **more):
    record = {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "drug": DRUG,
        "patient": PATIENT,
        "steps": [{"step_id": "run", "sequence": 1, "dosings": [{"dosing_id": "d", "rate": quantity("5.0", "mL/h")}]}],
        **more,
    }
    return record if order_id is None else {**record, "order_id": order_id}


def administration(administration_id="ADM-1", rates=("2.5", "5.0", "7.50"), **more):
    """Return an administration with one segment an hour; each rate is in mL/h and gives as many milligrams."""
    segments = [
        {
            "segment_id": f"s{hour}",
            "start": f"2025-05-01T{8 + hour:02}:00:00Z",
            "end": f"2025-05-01T{9 + hour:02}:00:00Z",
            "rate": quantity(rate, "mL/h"),
            "dose": quantity(rate, "mg"),
        }
        for hour, rate in enumerate(rates)
    ]
    return {
        "record": "Administration",
        "administration_id": administration_id,
        "representation": "split",
        "status": "completed",
        "order": {"type": MR, "identifier": {"system": ORDERS, "value": "ORD-1"}},
        "drug": DRUG,
        "patient": PATIENT,
        "when": {"start": "2025-05-01T08:00:00Z", "end": "2025-05-01T11:00:00Z"},
        "segments": segments,
        **more,
    }


def request(order_id="ORD-1", **more):
    """Return the MedicationRequest that a FHIR client sends."""
    return {
        "resourceType": MR,
        **({} if order_id is None else {"identifier": [{"system": ORDERS, "value": order_id}]}),
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/7"},
        "dosageInstruction": [
            {"doseAndRate": [{"rateQuantity": {"value": number("5.0"), "unit": "mL/h"} | UCUM_RATE}]}
        ],
        **more,
    }


UCUM_RATE = {"system": "http://unitsofmeasure.org", "code": "mL/h"}


def given(**more):
    """Return the MedicationAdministration that a FHIR client sends."""
    return {
        "resourceType": MA,
        "status": "in-progress",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/7"},
        "effectiveDateTime": "2025-05-01T08:00:00Z",
        "dosage": {"rateQuantity": {"value": number("5.0"), "unit": "mL/h"} | UCUM_RATE},
        **more,
    }


def changed(value, **more):
    return {**copy.deepcopy(value), **more}


def outbox_rows(service, endpoint="pharmacy"):
    return service.store.read(TENANT, lambda tx: outbox.rows(tx, endpoint))


def audited(service):
    assert service.store.read(TENANT, audit.verify) == ()
    return [(entry.action, entry.id, entry.version) for entry in service.store.read(TENANT, audit.entries)]


def body(found):
    return text.read(found.text)
