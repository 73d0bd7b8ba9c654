"""The second peer behaves as the sync tests assume, and otherwise than HAPI. If one fails, the server changed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from tests.real.test_hapi import SYSTEM, order, patient

if TYPE_CHECKING:
    from tests.real.server import Medplum


def placed(medplum: Medplum, value: str) -> dict:
    subject = medplum.call("POST", "Patient", patient(f"p-{uuid4()}")).json["id"]
    made = medplum.call("POST", "MedicationRequest", order(value, f"Patient/{subject}"))
    assert made.status == 201, made.text
    created: dict = made.json
    return created


def test_a_dose_of_1_50_comes_back_as_1_5(medplum: Medplum):
    made = placed(medplum, f"o-{uuid4()}")
    assert '"value":1.5,' in medplum.call("GET", f"MedicationRequest/{made['id']}").text


def test_a_version_id_is_a_uuid_and_a_stale_if_match_is_answered_with_412(medplum: Medplum):
    made = placed(medplum, f"o-{uuid4()}")
    version = made["meta"]["versionId"]
    assert str(UUID(version)) == version
    changed = {**made, "status": "on-hold"}
    path = f"MedicationRequest/{made['id']}"
    assert medplum.call("PUT", path, changed, {"If-Match": f'W/"{version}"'}).status == 200
    assert medplum.call("PUT", path, changed, {"If-Match": f'W/"{version}"'}).status == 412


def test_a_conditional_create_that_is_repeated_creates_nothing(medplum: Medplum):
    value = f"p-{uuid4()}"
    condition = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    answers = [medplum.call("POST", "Patient", patient(value), condition).status for _ in range(2)]
    assert answers == [201, 200]
    assert len(medplum.all(f"Patient?identifier={SYSTEM}%7C{value}")) == 1


def test_a_page_has_no_next_link_and_what_was_deleted_reads_404(medplum: Medplum):
    made = [placed(medplum, f"o-{uuid4()}") for _ in range(2)]
    page = medplum.call("GET", "MedicationRequest?_count=1").json
    assert (len(page["entry"]), page.get("link", [])) == (1, [])
    assert medplum.call("DELETE", f"MedicationRequest/{made[0]['id']}").status == 200
    assert medplum.call("GET", f"MedicationRequest/{made[0]['id']}").status == 404
