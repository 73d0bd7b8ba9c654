"""HL7's validator judges what subscribers are sent, and the topics that they subscribe to.

R4's notifications claim profiles of the Subscriptions R5 Backport, and its topics are made of cross-version extensions;
for both ``definitions/r4`` has stand-ins. Those of
R4B are not judged here: there is no validator of R4B, and R4 has no SubscriptionStatus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.notifications import Standing, Told, notification, status
from fhir_infusion.fhir.topics import TOPICS, resource_of
from tests.golden_write import GOLDEN
from tests.standard.hl7 import errors

if TYPE_CHECKING:
    from fhir_infusion.fhir.notifications import Kind
    from fhir_infusion.fhir.releases import ReleaseName
    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]

Json = dict[str, Any]
BASE = "https://infusions.example/fhir/r4"
AT = "2026-03-01T08:00:00.000Z"
KINDS: tuple[Kind, ...] = ("handshake", "heartbeat", "event-notification", "query-event")
each_release = pytest.mark.parametrize("release", ["R4", "R5"])


def told(release: str) -> dict[str, list[Told]]:
    """Return events as each content tells them."""
    file = GOLDEN / "33-dobutamine-titration" / f"order.{release.lower()}.json"
    order = {**fhir_json.read(file.read_bytes()), "id": "o1"}
    focus = f"{BASE}/MedicationRequest/o1"
    return {
        "empty": [Told(7, AT)],
        "id-only": [Told(7, AT, focus), Told(8, AT, focus)],
        "full-resource": [Told(7, AT, focus, order, created=True)],
    }


def made(release: ReleaseName, kind: Kind, events: list[Told], error: str = "") -> Json:
    state = "error" if error else "active"
    standing = Standing(f"{BASE}/Subscription/s1", state, TOPICS[0].url, 8, AT, error)
    name = "urn:uuid:292d3c72-edc1-4d8a-afaa-d85e19c7f563"
    return notification(release, kind, standing, events, name)


def read_again(value: Json) -> Json:
    return fhir_json.read(fhir_json.write(value))


@each_release
@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_a_notification_is_right_with_each_content(hl7: Hl7, release: ReleaseName, content: str):
    found = hl7.validate(
        [read_again(made(release, kind, told(release)[content] if "event" in kind else [])) for kind in KINDS], release
    )
    assert [errors(each) for each in found] == [[] for _ in KINDS]


@each_release
def test_the_status_of_a_subscription_is_right_also_where_it_failed(hl7: Hl7, release: ReleaseName):
    standing = Standing(f"{BASE}/Subscription/s1", "error", TOPICS[0].url, 8, AT, "the endpoint answers 500")
    found = hl7.validate([status(release, "query-status", standing)], release)
    assert [errors(each) for each in found] == [[]]


@each_release
def test_a_topic_is_right(hl7: Hl7, release: ReleaseName):
    found = hl7.validate([resource_of(one, release) for one in TOPICS], release)
    assert [errors(each) for each in found] == [[] for _ in TOPICS]


def test_the_stand_ins_find_what_is_no_notification(hl7: Hl7):
    right = made("R4", "event-notification", told("R4")["id-only"])
    (first,) = right["entry"]
    parameters = first["resource"]["parameter"]
    wrong = [
        {**right, "type": "collection"},
        {**right, "entry": [{**first, "resource": {"resourceType": "Patient"}}]},
        *(
            {**right, "entry": [{**first, "resource": {**first["resource"], "parameter": changed}}]}
            for changed in (
                [one for one in parameters if one["name"] != "status"],
                [*parameters, {"name": "colour", "valueString": "red"}],
                [{**one, "valueCode": "bogus"} if one["name"] == "status" else one for one in parameters],
            )
        ),
    ]
    assert all(errors(each) for each in hl7.validate(wrong, "R4"))
