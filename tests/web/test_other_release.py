"""What one release can say and another cannot: told by name, never left out, and no hindrance to what stands beside it.

https://hl7.org/fhir/http.html#search: an entry whose ``search.mode`` is ``outcome`` tells of the search itself.
"""

from __future__ import annotations

import pytest

from tests.web.conftest import FHIR, Client, Json, exact, issues

ORDER: Json = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medication": {"concept": {"text": "dobutamine"}},
    "subject": {"reference": "Patient/7"},
}
GIVEN: Json = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "medication": {"concept": {"text": "dobutamine"}},
    "subject": {"reference": "Patient/7"},
    "occurenceDateTime": "2026-01-01",
}
TIMED = {name: value for name, value in GIVEN.items() if name != "occurenceDateTime"}
ONLY_IN_R5 = [
    pytest.param({**ORDER, "status": "ended"}, "status", id="ended"),
    pytest.param({**GIVEN, "dosage": {"text": "as told"}}, "MedicationAdministration.dosage", id="text only"),
    pytest.param(
        {**TIMED, "occurenceTiming": {"event": ["2026-01-01"]}},
        "MedicationAdministration.effective",
        id="timing",
    ),
]


def made(client: Client, resource: Json, release: str = "r5") -> Json:
    reply = client.post(f"/fhir/{release}/{resource['resourceType']}", resource, FHIR)
    assert reply.status_code == 201, reply.text
    body: Json = exact(reply)
    return body


@pytest.mark.parametrize(("resource", "path"), ONLY_IN_R5)
def test_a_row_that_this_release_cannot_say_is_named_in_the_page_and_hinders_no_other(
    client: Client, resource: Json, path: str
):
    beside = ORDER if resource["resourceType"] == "MedicationRequest" else GIVEN
    made(client, beside)
    stored = made(client, resource)
    made(client, beside)
    listing = f"/fhir/r4/{resource['resourceType']}"
    bundle = exact(client.get(listing))
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "outcome", "match"]
    named = f"{resource['resourceType']}/{stored['id']}"
    outcome = bundle["entry"][1]["resource"]
    assert set(bundle["entry"][1]) == {"resource", "search"}
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"], issue["expression"]) == ("error", "not-supported", [path])
    assert issue["diagnostics"].startswith(f"{named} version 1 cannot be said in R4: ")
    assert issue["diagnostics"].endswith("accepted: reading it in R5")
    assert issue["details"]["coding"][0]["code"] == "release"


@pytest.mark.parametrize(("resource", "path"), ONLY_IN_R5)
def test_reading_what_this_release_cannot_say_is_406_and_names_the_release_that_can(
    client: Client, resource: Json, path: str
):
    stored = made(client, resource)
    address = f"/fhir/r4/{resource['resourceType']}/{stored['id']}"
    for reply in (client.get(address), client.get(f"{address}/_history/1")):
        assert reply.status_code == 406
        (issue,) = issues(reply)
        assert (issue["code"], issue["path"]) == ("not-supported", path)
        assert issue["reason"].endswith("accepted: reading it in R5")
    assert exact(client.get(f"/fhir/r5/{resource['resourceType']}/{stored['id']}")) == stored
    kind = "orders" if resource["resourceType"] == "MedicationRequest" else "administrations"
    assert client.get(f"/api/{kind}/{stored['id']}").status_code == 200
    assert len(exact(client.get(f"/api/{kind}"))["items"]) == 1


def test_pages_go_on_over_rows_that_this_release_cannot_say(client: Client):
    ids = [made(client, {**ORDER, "status": status})["id"] for status in ("active", "ended", "ended", "active")]
    seen: list[str] = []
    address: str | None = "/fhir/r4/MedicationRequest?_count=1"
    while address:
        bundle = exact(client.get(address))
        (entry,) = bundle["entry"]
        seen.append(f"{entry['search']['mode']} {entry['resource'].get('id', '')}".strip())
        address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    assert seen == [f"match {ids[0]}", "outcome", "outcome", f"match {ids[3]}"]


def test_no_patient_data_stand_in_what_is_told_of_an_unsaid_row(client: Client):
    made(
        client,
        {**ORDER, "status": "ended", "medication": {"concept": {"text": "CANARY"}}, "note": [{"text": "CANARY"}]},
    )
    reply = client.get("/fhir/r4/MedicationRequest?patient=Patient/7")
    assert exact(reply)["entry"][0]["search"] == {"mode": "outcome"}
    assert "CANARY" not in reply.text
    assert "Patient/7" not in reply.text.replace("patient=Patient%2F7", "")


def test_a_row_at_which_we_fail_is_named_in_the_page_and_hinders_no_other(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    good = made(client, ORDER)
    bad = made(client, {**ORDER, "priority": "stat"})
    translator = client.flask.application.extensions["fhir-infusion"].service.translator
    turn = type(translator).to_fhir

    def fails(self: object, record: Json, *arguments: object, **options: object):
        if record.get("priority") == "stat":
            raise KeyError("CANARY")
        return turn(self, record, *arguments, **options)

    monkeypatch.setattr(type(translator), "to_fhir", fails)
    reply = client.get("/fhir/r4/MedicationRequest")
    first, second = exact(reply)["entry"]
    assert first["resource"]["id"] == good["id"]
    assert second["search"] == {"mode": "outcome"}
    (issue,) = second["resource"]["issue"]
    assert issue["code"] == "exception"
    assert issue["diagnostics"].startswith(f"MedicationRequest/{bad['id']} version 1 cannot be said in R4: ")
    assert "CANARY" not in reply.text
    assert client.get(f"/fhir/r4/MedicationRequest/{bad['id']}").status_code == 500


def test_a_conditional_create_that_finds_what_this_release_cannot_say_answers_without_it(client: Client):
    identifier = {"system": "urn:test", "value": "1"}
    stored = made(client, {**ORDER, "status": "ended", "identifier": [identifier]})
    r4 = {name: value for name, value in ORDER.items() if name != "medication"}
    reply = client.post(
        "/fhir/r4/MedicationRequest",
        {**r4, "medicationCodeableConcept": {"text": "dobutamine"}, "identifier": [identifier]},
        FHIR,
        if_none_exist="identifier=urn:test|1",
    )
    assert (reply.status_code, reply.headers["ETag"]) == (200, 'W/"1"')
    assert reply.headers["Location"].endswith(f"/{stored['id']}/_history/1")
    assert issues(reply)[0]["code"] == "not-supported"
