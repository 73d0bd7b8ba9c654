"""What one release can say and another cannot: told by name, never left out, and no hindrance to what stands beside it.

https://hl7.org/fhir/http.html#search: an entry whose ``search.mode`` is ``outcome`` tells of the search itself.
"""

from __future__ import annotations

import pytest

from tests.exact_json import dumps
from tests.fhir.kit import EXAMPLES
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


R4_ORDER: Json = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "dobutamine"},
    "subject": {"reference": "Patient/7"},
}
R4_GIVEN: Json = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "medicationCodeableConcept": {"text": "dobutamine"},
    "subject": {"reference": "Patient/7"},
    "effectiveDateTime": "2026-01-01",
}
# Right in both releases; Organization.telecom and a Device.type that is no list are R4's alone.
PLAIN: Json = {"resourceType": "Organization", "id": "plain", "name": "Pharmacy"}
CALLED: Json = {
    "resourceType": "Organization",
    "id": "called",
    "name": "Ward",
    "telecom": [{"system": "phone", "value": "1"}],
}
ROLE: Json = {"resourceType": "PractitionerRole", "id": "role", "organization": {"reference": "#called"}}
PUMP: Json = {"resourceType": "Device", "id": "pump", "type": {"text": "pump"}}
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def in_r5(client: Client, resource: Json) -> Json:
    """The resource, written in R4, as R5 says it, without what the server sets."""
    stored = made(client, resource, "r4")
    reply = client.get(f"/fhir/r5/{resource['resourceType']}/{stored['id']}")
    assert reply.status_code == 200, reply.text
    body: Json = exact(reply)
    del body["id"], body["meta"]["versionId"], body["meta"]["lastUpdated"]
    return body


def test_contained_resources_that_are_right_in_both_releases_go_along_whatever_becomes_of_the_others(client: Client):
    body = in_r5(
        client,
        {
            **R4_ORDER,
            "contained": [CALLED, PLAIN, ROLE],
            "requester": {"reference": "#role"},
            "recorder": {"reference": "#role", "display": "A. Person"},
            "performer": {"reference": "#plain"},
        },
    )
    # The role points to what cannot go along, and so stays with it; what else is said of the recorder stands.
    assert body == {
        **ORDER,
        "meta": {"tag": [SUBSETTED]},
        "contained": [PLAIN],
        "recorder": {"display": "A. Person"},
        "performer": [{"reference": "#plain"}],
    }


def test_an_element_of_a_list_of_which_nothing_is_left_goes_as_a_whole(client: Client):
    body = in_r5(
        client,
        {
            **R4_GIVEN,
            "contained": [PUMP],
            "device": [{"id": "kept", "reference": "#pump"}, {"reference": "Device/7"}, {"reference": "#pump"}],
            "performer": [
                {"function": {"text": "nurse"}, "actor": {"reference": "#pump"}},
                {"actor": {"reference": "Practitioner/1"}},
            ],
        },
    )
    assert body == {
        **GIVEN,
        "meta": {"tag": [SUBSETTED]},
        "device": [{"reference": {"reference": "Device/7"}}],
        "performer": [{"actor": {"reference": {"reference": "Practitioner/1"}}}],
    }


def test_what_a_preparation_is_made_of_is_never_left_out(client: Client):
    mixture = {
        "resourceType": "Medication",
        "id": "bag",
        "code": {"text": "dobutamine in glucose"},
        "ingredient": [{"itemReference": {"reference": "#glucose"}}, {"itemCodeableConcept": {"text": "dobutamine"}}],
    }
    rest = {name: value for name, value in R4_ORDER.items() if name != "medicationCodeableConcept"}
    stored = made(
        client,
        {
            **rest,
            "contained": [mixture, {"resourceType": "Substance", "id": "glucose", "code": {"text": "glucose"}}],
            "medicationReference": {"reference": "#bag"},
        },
        "r4",
    )
    reply = client.get(f"/fhir/r5/MedicationRequest/{stored['id']}")
    assert reply.status_code == 406
    assert [(one["code"], one["path"]) for one in issues(reply)] == [
        ("not-supported", "MedicationRequest.contained[0].ingredient[0].item.reference.reference")
    ]
    assert issues(reply)[0]["reason"].endswith("accepted: reading it in R4 or R4B")


JP = EXAMPLES / "jp-core-from-fsh" / "MedicationAdministration-jp-medicationadministration-injection-example-2.json"


@pytest.mark.skipif(not JP.exists(), reason="the published examples are not here")
def test_a_published_administration_with_a_contained_pump_and_side_is_read_in_the_other_release(client: Client):
    text = JP.read_text(encoding="utf-8")
    reply = client.post("/fhir/r4/MedicationAdministration", text, FHIR)
    read = exact(client.get(f"/fhir/r5/MedicationAdministration/{exact(reply)['id']}"))
    assert read["device"] == [{"reference": {"display": "IV Pump"}}]
    assert [one["resourceType"] for one in read["contained"]] == ["BodyStructure", "Medication"]
    assert read["meta"]["tag"] == [SUBSETTED]


def test_what_loses_nothing_is_not_tagged_and_labels_hold_in_every_release(client: Client):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    meta = {"security": [label], "tag": [{"code": "ours"}]}
    assert in_r5(client, {**R4_ORDER, "meta": meta}) == {**ORDER, "meta": meta}
    assert in_r5(client, {**R4_ORDER, "meta": {"profile": ["http://a.example/p"], **meta}})["meta"] == {
        "security": [label],
        "tag": [{"code": "ours"}, SUBSETTED],
    }


def test_what_was_read_as_a_subset_is_not_kept_as_one_when_it_is_written_back(client: Client):
    stored = made(client, {**R4_ORDER, "contained": [CALLED], "requester": {"reference": "#called"}}, "r4")
    address = f"/fhir/r5/MedicationRequest/{stored['id']}"
    read = exact(client.get(address))
    assert read["meta"]["tag"] == [SUBSETTED]
    reply = client.put(address, {**read, "status": "stopped"}, FHIR, if_match='W/"1"')
    assert reply.status_code == 200
    assert exact(reply)["status"] == "stopped"
    assert "tag" not in exact(reply)["meta"]


def test_a_reference_that_the_other_release_does_not_allow_does_not_go_out_there(client: Client):
    assert in_r5(client, {**R4_ORDER, "performer": {"reference": "Device/1"}}) == {
        **ORDER,
        "meta": {"tag": [SUBSETTED]},
    }
    given = {
        **R4_GIVEN,
        "partOf": [{"reference": "Procedure/1"}],
        "performer": [
            {"function": {"text": "pump"}, "actor": {"reference": "Organization/1"}},
            {"actor": {"reference": "Practitioner/1"}},
        ],
    }
    assert in_r5(client, given) == {
        **GIVEN,
        "meta": {"tag": [SUBSETTED]},
        "partOf": [{"reference": "Procedure/1"}],
        "performer": [{"actor": {"reference": {"reference": "Practitioner/1"}}}],
    }


def test_a_kind_of_device_as_performer_does_not_go_out_in_r4_and_is_not_lost_where_it_was_written(client: Client):
    stored = made(client, {**ORDER, "performer": [{"reference": "DeviceDefinition/1"}, {"reference": "Patient/7"}]})
    address = f"MedicationRequest/{stored['id']}"
    read = exact(client.get(f"/fhir/r4/{address}"))
    assert "DeviceDefinition" not in dumps(read)
    assert read["meta"]["tag"] == [SUBSETTED]
    assert exact(client.get(f"/fhir/r5/{address}")) == stored


@pytest.mark.parametrize("other", ["r4b", "r5"])
def test_what_is_written_back_as_it_was_read_in_another_release_keeps_the_words_of_its_dosage_h2(
    client: Client, other: str
):
    ordered = {"coding": [{"system": DOSE_TYPE, "code": "ordered", "display": "Ordered"}]}
    dosage = {"text": "5 mg over one hour", "doseAndRate": [{"type": ordered, "doseQuantity": {"value": 5, **MG}}]}
    stored = made(client, {**R4_ORDER, "text": NARRATIVE, "dosageInstruction": [dosage]}, "r4")
    address = f"MedicationRequest/{stored['id']}"
    read = client.get(f"/fhir/{other}/{address}")
    assert client.put(f"/fhir/{other}/{address}", read.text, FHIR, if_match='W/"1"').status_code == 200
    now = exact(client.get(f"/fhir/r4/{address}"))
    assert now["dosageInstruction"] == stored["dosageInstruction"]
    assert now["text"] == stored["text"]


DOSE_TYPE = "http://terminology.hl7.org/CodeSystem/dose-rate-type"
MG = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">5 mg over one hour</div>'}


def test_what_goes_back_in_the_other_release_takes_along_what_it_refers_to(client: Client):
    own = "https://example.org/fhir/StructureDefinition"
    line = [
        {"url": f"{own}/pump", "valueReference": {"reference": "#pump"}},
        {"url": f"{own}/line", "valueCode": "left"},
    ]
    sent = {**R4_ORDER, "contained": [PUMP], "dosageInstruction": [{"extension": line, "text": "5 mg"}]}
    address = f"MedicationRequest/{made(client, sent, 'r4')['id']}"
    read = exact(client.get(f"/fhir/r5/{address}"))
    assert "contained" not in read
    told = client.put(
        f"/fhir/r5/{address}", {**read, "status": "on-hold"}, FHIR, if_match='W/"1"', prefer="return=OperationOutcome"
    )
    assert (told.status_code, "it is not kept" in told.text) == (200, False)
    now = exact(client.get(f"/fhir/r4/{address}"))
    assert {name: now[name] for name in sent} == {**sent, "status": "on-hold"}


def test_what_cannot_go_back_takes_nothing_else_with_it(client: Client):
    meta = {"profile": ["https://example.org/fhir/StructureDefinition/ours"]}
    sent = {**R4_ORDER, "meta": meta, "contained": [CALLED], "requester": {"reference": "#called"}}
    address = f"MedicationRequest/{made(client, sent, 'r4')['id']}"
    read = exact(client.get(f"/fhir/r5/{address}"))
    other = {**read, "requester": {"reference": "Practitioner/1"}}
    told = client.put(f"/fhir/r5/{address}", other, FHIR, if_match='W/"1"', prefer="return=OperationOutcome")
    assert any(one["reason"].endswith("is another now: contained") for one in issues(told))
    now = exact(client.get(f"/fhir/r4/{address}"))
    assert "contained" not in now
    assert now["meta"]["profile"] == meta["profile"]


def test_what_refers_to_a_contained_resource_is_not_kept_beside_another_one_of_that_id(client: Client):
    pump = {"url": "https://example.org/fhir/StructureDefinition/pump", "valueReference": {"reference": "#pump"}}
    sent = {**R4_ORDER, "contained": [PUMP], "dosageInstruction": [{"extension": [pump], "text": "5 mg"}]}
    address = f"MedicationRequest/{made(client, sent, 'r4')['id']}"
    ward = {"resourceType": "Organization", "id": "pump", "name": "Ward"}
    other = {**exact(client.get(f"/fhir/r5/{address}")), "contained": [ward], "requester": {"reference": "#pump"}}
    told = client.put(f"/fhir/r5/{address}", other, FHIR, if_match='W/"1"', prefer="return=OperationOutcome")
    assert any(one["reason"].endswith("another now: dosageInstruction.extension, contained") for one in issues(told))
    now = exact(client.get(f"/fhir/r4/{address}"))
    assert (now["contained"], now["dosageInstruction"]) == ([ward], [{"text": "5 mg"}])


def test_a_reference_that_the_other_release_does_not_allow_is_told_where_a_change_there_loses_it(client: Client):
    sent = {**R4_ORDER, "performer": {"reference": "Device/1"}, "note": [{"text": "by pump"}]}
    address = f"MedicationRequest/{made(client, sent, 'r4')['id']}"
    read = exact(client.get(f"/fhir/r5/{address}"))
    assert "performer" not in read
    other = {**read, "status": "on-hold"}
    told = client.put(f"/fhir/r5/{address}", other, FHIR, if_match='W/"1"', prefer="return=OperationOutcome")
    (told_of,) = [one["reason"] for one in issues(told) if "is not kept" in one["reason"]]
    assert told_of.endswith("is not kept: performer")
