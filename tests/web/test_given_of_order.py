"""What the FHIR facade tells of an administration beside its order: a slip of ten, an order that was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import FHIR, issues

if TYPE_CHECKING:
    from tests.web.conftest import Client

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
TELL = {"Prefer": "return=OperationOutcome"}


def quantity(value: int, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def ratio(value: int) -> Json:
    return {"numerator": quantity(value, "mL"), "denominator": quantity(8, "h")}


def order(status: str = "active") -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "o1",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": "sodium chloride 0.9 %"},
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [{"doseAndRate": [{"rateRatio": ratio(1000)}]}],
    }


def given(rate: int, status: str = "completed") -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "id": "a1",
        "status": status,
        "medicationCodeableConcept": {"text": "sodium chloride 0.9 %"},
        "subject": {"reference": "Patient/p1"},
        "effectivePeriod": {"start": "2026-03-01T10:00:00Z"},
        "request": {"reference": "MedicationRequest/o1"},
        "dosage": {"rateRatio": ratio(rate)},
    }


def told(client: Client, ordered: Json, record: Json) -> list[str]:
    assert client.put("/fhir/r4/MedicationRequest/o1", ordered, FHIR).status_code == 201
    reply = client.put("/fhir/r4/MedicationAdministration/a1", record, FHIR, **TELL)
    assert reply.status_code == 201
    return [issue["reason"].split("; accepted:")[0] for issue in issues(reply)]


@pytest.mark.parametrize(
    ("ordered", "record", "said"),
    [
        (order(), given(10000), "the rate is 1250 mL/h; the largest ordered is 125 mL/h"),
        (order("stopped"), given(1000, "in-progress"), "it is running, and its order is stopped"),
        (order("cancelled"), given(1000), "something was given, and its order is cancelled"),
        (order("entered-in-error"), given(1000, "stopped"), "something was given, and its order is entered-in-error"),
    ],
)
def test_what_is_given_beyond_its_order_is_told_to_who_records_it(
    client: Client, ordered: Json, record: Json, said: str
):
    assert said in told(client, ordered, record)


def test_what_is_given_as_ordered_is_taken_without_a_word(client: Client):
    assert not [reason for reason in told(client, order(), given(1000)) if "order" in reason]
