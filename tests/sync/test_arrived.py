"""Whether what is there holds a version of ours: on values, without a peer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store.links import Link
from fhir_infusion.sync import arrived

Json = dict[str, Any]


def order(dose: str, **members: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": Decimal(dose)}}]}],
        **members,
    }


def link(base: Json, acknowledged: int = 1) -> Link:
    text = fhir_json.write(base).decode()
    return Link("peer", "MedicationRequest/ours", "theirs", "1", 'W/"1"', "", text, last_acked_version=acknowledged)


REMARK = {"note": [{"text": "looked at"}]}


def test_f6_the_newest_version_that_is_all_there_is_what_was_agreed_on():
    versions = [(2, order("2.50")), (3, order("3.50")), (4, order("4.50"))]
    found = arrived.agreed(link(order("1.50")), versions, order("3.5", **REMARK))
    assert (found.last_acked_version, found.last_sent_version) == (3, 3)
    assert fhir_json.read(found.base) == {**order("3.50"), "id": "theirs"}
    assert found.version_id == "1"


def test_f6_a_version_that_is_there_in_part_was_not_agreed_on():
    before = link(order("1.50"))
    versions = [(2, order("2.50", priority="urgent"))]
    assert arrived.agreed(before, versions, order("2.50", **REMARK)) == before


def test_f6_a_version_that_changes_nothing_or_is_older_says_nothing():
    before = link(order("1.50"), acknowledged=2)
    versions = [(1, order("9.50")), (2, order("1.50")), (3, order("1.5"))]
    assert arrived.agreed(before, versions, order("9.50")) == before


def test_f6_a_remark_of_ours_is_there_beside_theirs():
    versions = [(2, order("1.50", note=[{"text": "ours"}]))]
    there = order("1.50", note=[{"text": "theirs"}, {"text": "ours"}])
    assert arrived.agreed(link(order("1.50")), versions, there).last_acked_version == 2
    assert arrived.agreed(link(order("1.50")), versions, order("1.50", **REMARK)).last_acked_version == 1


def test_f6_h17_a_create_is_ours_only_with_our_patient_and_our_dose():
    fresh, versions = link(order("1.50"), acknowledged=0), [(1, order("1.50"))]
    found = arrived.created(fresh, versions, order("1.5", status="on-hold", **REMARK))
    assert found is not None
    assert (found.last_acked_version, found.version_id, found.etag) == (1, "", "")
    assert arrived.created(fresh, versions, order("2.50")) is None
    assert arrived.created(fresh, versions, order("1.50", subject={"reference": "Patient/2"})) is None
