"""The peer behaves as the sync tests assume. If one of these fails, the server changed, not the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.real.server import Hapi

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(1800)]  # the first start may fetch the server

SYSTEM = "https://hospital.example/mrn"


def patient(value: str) -> dict:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}]}


def order(value: str, subject: str, dose: str = "1.50") -> str:
    return (
        '{"resourceType": "MedicationRequest", "status": "active", "intent": "order",'
        f' "identifier": [{{"system": "https://hospital.example/orders", "value": "{value}"}}],'
        f' "medicationCodeableConcept": {{"text": "dobutamine"}}, "subject": {{"reference": "{subject}"}},'
        f' "dosageInstruction": [{{"doseAndRate": [{{"doseQuantity": {{"value": {dose}, "unit": "mg",'
        ' "system": "http://unitsofmeasure.org", "code": "mg"}}]}]}'
    )


@pytest.fixture
def subject(hapi: Hapi) -> str:
    return f"Patient/{hapi.call('POST', 'Patient', patient(f'p-{uuid4()}')).json['id']}"


def test_a_created_resource_is_read_back_with_every_digit(hapi: Hapi, subject: str):
    created = hapi.call("POST", "MedicationRequest", order(f"o-{uuid4()}", subject))
    assert (created.status, created.headers["etag"]) == (201, 'W/"1"')
    read = hapi.call("GET", f"MedicationRequest/{created.json['id']}")
    assert read.status == 200
    assert '"value":1.50' in read.text.replace(" ", "")


def test_a_search_by_identifier_finds_exactly_the_one(hapi: Hapi, subject: str):
    value = f"o-{uuid4()}"
    identity = hapi.call("POST", "MedicationRequest", order(value, subject)).json["id"]
    found = hapi.all(f"MedicationRequest?identifier=https://hospital.example/orders%7C{value}")
    assert [resource["id"] for resource in found] == [identity]


def test_a_conditional_create_that_is_repeated_creates_nothing(hapi: Hapi):
    value = f"p-{uuid4()}"
    condition = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    first = hapi.call("POST", "Patient", patient(value), condition)
    second = hapi.call("POST", "Patient", patient(value), condition)
    assert (first.status, second.status) == (201, 200)
    assert len(hapi.all(f"Patient?identifier={SYSTEM}%7C{value}")) == 1


def test_a_current_if_match_updates_and_a_stale_one_is_answered_with_409(hapi: Hapi, subject: str):
    value = f"o-{uuid4()}"
    identity = hapi.call("POST", "MedicationRequest", order(value, subject)).json["id"]
    changed = order(value, subject, "2.0").replace("{", f'{{"id": "{identity}", ', 1)
    current = hapi.call("PUT", f"MedicationRequest/{identity}", changed, {"If-Match": 'W/"1"'})
    stale = hapi.call("PUT", f"MedicationRequest/{identity}", changed.replace("2.0", "3.0"), {"If-Match": 'W/"1"'})
    assert (current.status, current.headers["etag"], stale.status) == (200, 'W/"2"', 409)
    assert '"value":2.0' in hapi.call("GET", f"MedicationRequest/{identity}").text.replace(" ", "")


def test_pages_of_a_search_by_last_update_hold_each_resource_once(hapi: Hapi, subject: str):
    made = [hapi.call("POST", "MedicationRequest", order(f"o-{uuid4()}", subject)).json for _ in range(5)]
    since = made[0]["meta"]["lastUpdated"].replace("+", "%2B")
    found = hapi.all(f"MedicationRequest?_lastUpdated=ge{since}&subject={subject}&_sort=_lastUpdated&_count=2")
    assert [resource["id"] for resource in found] == [resource["id"] for resource in made]


def test_a_dangling_reference_is_refused(hapi: Hapi):
    assert hapi.call("POST", "MedicationRequest", order(f"o-{uuid4()}", "Patient/nobody")).status == 400


def test_a_killed_server_comes_back_at_the_same_address_with_what_it_acknowledged(running_hapi: Hapi):
    created = running_hapi.call("POST", "Patient", patient(f"p-{uuid4()}")).json
    before = running_hapi.pid
    running_hapi.restart()
    assert running_hapi.pid != before
    assert running_hapi.call("GET", f"Patient/{created['id']}").json == created
