"""Patch: exact, through every rule of an update, and nothing stored where it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exact_json import loads
from tests.web.conftest import FHIR, Client, Json, exact, issues

MR = "/fhir/r4/MedicationRequest"
MA = "/fhir/r4/MedicationAdministration"
JSON_PATCH = "application/json-patch+json"
RELEASES = ("r4", "r4b", "r5")
CANARY = "JaneQPatient"
NO_TEXT = '[{"op":"remove","path":"/dosageInstruction/0/text"}]'
STAT = '[{"op":"add","path":"/priority","value":"stat"}]'


def made(client: Client, resource: Json) -> tuple[str, Json]:
    reply = client.post(MR, resource, FHIR)
    assert reply.status_code == 201, reply.text
    body: Json = exact(reply)
    return f"{MR}/{body['id']}", body


def replaced(path: str, value: str) -> str:
    return f'[{{"op":"replace","path":"{path}","value":{value}}}]'


def both(one: str, other: str) -> str:
    """Two patches as one."""
    return f"{one[:-1]},{other[1:]}"


def parameters(kind: str, path: str, **value: Any) -> str:
    from tests.exact_json import dumps  # noqa: PLC0415  of this helper alone

    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    return dumps(
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": [*parts, *({"name": "value", **value},) * bool(value)]}],
        }
    )


@pytest.mark.parametrize("release", RELEASES)
def test_a_json_patch_makes_a_version_and_keeps_every_digit_it_does_not_touch(
    client: Client, resource: Json, release: str
):
    base = f"/fhir/{release}/MedicationRequest"
    sent = client.post(MR, resource, FHIR)
    first = client.get(f"{base}/{exact(sent)['id']}")
    reply = client.patch(f"{base}/{exact(sent)['id']}", STAT, if_match='W/"1"')
    assert (reply.status_code, reply.headers["ETag"]) == (200, 'W/"2"')
    assert reply.headers["Location"].endswith("/_history/2")
    was, now = exact(first), exact(reply)
    assert now["priority"] == "stat"
    assert {**now, "meta": None, "priority": None} == {**was, "meta": None, "priority": None}
    assert '"value":400.0' in reply.text


def test_a_dose_is_written_as_the_patch_writes_it(client: Client, resource: Json):
    path, _ = made(client, resource)
    place = "/dosageInstruction/0/doseAndRate/0/doseQuantity/value"
    reply = client.patch(path, both(replaced(place, "401.50"), NO_TEXT), if_match='W/"1"')
    assert reply.status_code == 200, reply.text
    assert '"value":401.50' in reply.text
    assert '"value":401.50' in client.get(path).text


def test_words_that_state_the_old_dose_do_not_stand_beside_the_new_one_h14(client: Client, resource: Json):
    narrative = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">400 mg</div>'}
    path, _ = made(client, {**resource, "text": narrative})
    dose = replaced("/dosageInstruction/0/doseAndRate/0/doseQuantity/value", "401.50")
    refused = client.patch(path, dose, if_match='W/"1"')
    assert refused.status_code == 422
    assert [one["path"] for one in issues(refused)] == ["MedicationRequest.dosageInstruction[0].text"]
    new = replaced("/dosageInstruction/0/text", '"401.50 mg"')
    reply = client.patch(path, both(dose, new), if_match='W/"1"')
    assert (reply.status_code, "text" in exact(reply)) == (200, False)
    assert exact(reply)["dosageInstruction"][0]["text"] == "401.50 mg"


@pytest.mark.parametrize("release", ["r4", "r4b"])
def test_a_fhirpath_patch_does_the_same(client: Client, resource: Json, release: str):
    path, _ = made(client, resource)
    place = "MedicationRequest.dosageInstruction[0].doseAndRate[0].dose.ofType(Quantity).value"
    path = path.replace("r4", release)
    gone = client.patch(path, parameters("delete", "dosageInstruction[0].text"), FHIR, if_match='W/"1"')
    assert gone.status_code == 200
    body = parameters("replace", place, valueDecimal=loads("401.50"))
    reply = client.patch(path, body, FHIR, if_match='W/"2"')
    assert reply.status_code == 200, reply.text
    assert '"value":401.50' in reply.text


def test_a_fhirpath_patch_in_r5(client: Client, resource: Json):
    path, _ = made(client, resource)
    body = parameters("replace", "MedicationRequest.intent", valueCode="filler-order")
    reply = client.patch(path.replace("r4", "r5"), body, FHIR, if_match='W/"1"')
    assert (reply.status_code, exact(reply)["intent"]) == (200, "filler-order")
    assert exact(client.get(path))["intent"] == "filler-order"


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ("[]", JSON_PATCH),
        (replaced("/status", '"active"'), JSON_PATCH),
        ('[{"op":"test","path":"/status","value":"active"}]', JSON_PATCH),
        ('[{"op":"add","path":"/meta/versionId","value":"9"}]', JSON_PATCH),
        (both(replaced("/priority", '"asap"'), replaced("/priority", '"routine"')), JSON_PATCH),
        (parameters("delete", "MedicationRequest.basedOn"), FHIR),
    ],
)
def test_a_patch_that_changes_nothing_makes_no_version(client: Client, resource: Json, body: str, media: str):
    path, first = made(client, {**resource, "priority": "routine"})
    for where in (path, path.replace("r4", "r5")):
        reply = client.patch(where, body, media, if_match='W/"1"')
        assert (reply.status_code, reply.headers["ETag"]) == (200, 'W/"1"'), reply.text
    assert exact(client.get(path)) == first


def test_an_order_is_patched_only_by_who_read_it_and_an_administration_by_anybody_h17(client: Client, resource: Json):
    path, _ = made(client, resource)
    body = STAT
    missing, stale = client.patch(path, body), client.patch(path, body, if_match='W/"7"')
    assert (missing.status_code, issues(missing)[0]["code"]) == (400, "required")
    assert (stale.status_code, issues(stale)[0]["code"]) == (412, "conflict")
    given = {
        "resourceType": "MedicationAdministration",
        "status": "in-progress",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/7"},
        "effectiveDateTime": "2026-01-01",
    }
    administration = f"{MA}/{exact(client.post(MA, given, FHIR))['id']}"
    done = client.patch(administration, replaced("/status", '"completed"'))
    assert (done.status_code, exact(done)["status"]) == (200, "completed")
    assert client.patch(administration, replaced("/status", '"stopped"'), if_match='W/"1"').status_code == 412


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (replaced("/status", '"bogus"'), "code-invalid"),
        (replaced("/status", "5"), "value"),
        ('[{"op":"remove","path":"/subject"}]', "required"),
        (f'[{{"op":"add","path":"/unknown","value":"{CANARY}"}}]', "structure"),
        ('[{"op":"add","path":"/doNotPerform","value":true}]', "business-rule"),
        (
            '[{"op":"add","path":"/modifierExtension","value":[{"url":"http://x.example/m","valueBoolean":true}]}]',
            "extension",
        ),
        (replaced("/subject", '{"reference":"Patient/somebody-else"}'), "business-rule"),
        (replaced("/identifier/0/value", f'"{CANARY}"'), "business-rule"),
        (replaced("/id", '"other"'), "business-rule"),
        ('[{"op":"remove","path":"/id"}]', "business-rule"),
        (replaced("/resourceType", '"Patient"'), "business-rule"),
        ('[{"op":"remove","path":"/resourceType"}]', "business-rule"),
        ('[{"op":"remove","path":"/nothing"}]', "processing"),
        (f'[{{"op":"test","path":"/status","value":"{CANARY}"}}]', "processing"),
        (both(replaced("/dosageInstruction/0/doseAndRate/0/doseQuantity/value", "-1"), NO_TEXT), "value"),
        ('[{"op":"add","path":"/authoredOn","value":"2026-02-30"}]', "value"),
    ],
)
def test_a_patch_that_cannot_be_applied_or_makes_no_right_resource_is_422_and_stores_nothing(
    client: Client, resource: Json, body: str, code: str
):
    path, first = made(client, resource)
    reply = client.patch(path, body, if_match='W/"1"')
    assert (reply.status_code, CANARY in reply.text) == (422, False)
    assert code in {one["code"] for one in issues(reply)}
    assert exact(client.get(path)) == first


def test_a_stopped_order_is_not_patched_back_to_life_h8(client: Client, resource: Json):
    path, _ = made(client, {**resource, "status": "stopped"})
    reply = client.patch(path, replaced("/status", '"active"'), if_match='W/"1"')
    assert (reply.status_code, issues(reply)[0]["path"]) == (422, "status")


@pytest.mark.parametrize(
    ("name", "body", "media", "status", "code"),
    [
        ("no JSON", "[{", JSON_PATCH, 400, "structure"),
        ("an empty body", "", JSON_PATCH, 400, "structure"),
        ("a byte order mark", "\ufeff[]", JSON_PATCH, 400, "structure"),
        ("an object", "{}", JSON_PATCH, 400, "structure"),
        ("a doubled member", '[{"op":"add","op":"add","path":"/a","value":1}]', JSON_PATCH, 400, "structure"),
        ("a huge exponent", '[{"op":"add","path":"/a","value":1e99999}]', JSON_PATCH, 400, "too-costly"),
        ("19 digits", '[{"op":"add","path":"/a","value":1234567890123456789}]', JSON_PATCH, 400, "too-long"),
        ("NaN", '[{"op":"add","path":"/a","value":NaN}]', JSON_PATCH, 400, "structure"),
        ("null", '[{"op":"add","path":"/a","value":null}]', JSON_PATCH, 400, "value"),
        ("a lone surrogate", '[{"op":"add","path":"/a","value":"\\ud800"}]', JSON_PATCH, 400, "structure"),
        ("NUL", '[{"op":"add","path":"/a","value":"\\u0000"}]', JSON_PATCH, 400, "value"),
        ("nothing but depth", "[" * 40 + "]" * 40, JSON_PATCH, 400, "too-costly"),
        ("an unknown operation", f'[{{"op":"{CANARY}","path":"/a"}}]', JSON_PATCH, 400, "structure"),
        ("no pointer", f'[{{"op":"remove","path":"{CANARY}"}}]', JSON_PATCH, 400, "structure"),
        ("1 MiB and more", "[" + " " * 1024 * 1024 + "]", JSON_PATCH, 413, "too-long"),
        ("another resource", '{"resourceType":"Patient"}', FHIR, 400, "structure"),
        ("no Parameters", "[]", FHIR, 400, "structure"),
        ("no path", parameters("delete", f"{CANARY}.."), FHIR, 400, "structure"),
        ("a script", parameters("delete", "note.where(text.matches('(a+)+'))"), FHIR, 400, "structure"),
        (
            "a huge exponent in Parameters",
            parameters("replace", "note", valueDecimal=loads("1e99999")),
            FHIR,
            400,
            "too-costly",
        ),
        ("a merge patch", "{}", "application/merge-patch+json", 415, "not-supported"),
        ("an XML patch", "<diff/>", "application/xml-patch+xml", 415, "not-supported"),
        ("no media type", "[]", "", 415, "not-supported"),
        ("a form", "a=b", "application/x-www-form-urlencoded", 415, "not-supported"),
        ("another character set", "[]", f"{JSON_PATCH}; charset=latin-1", 415, "not-supported"),
        ("another release", "[]", f"{FHIR}; fhirVersion=5.0", 415, "not-supported"),
    ],
)
def test_a_bad_patch_is_refused_whatever_it_is(
    client: Client, resource: Json, name: str, body: str, media: str, status: int, code: str
):
    path, first = made(client, resource)
    reply = client.patch(path, body, media, if_match='W/"1"')
    assert (name, reply.status_code) == (name, status), reply.text
    assert code in {one["code"] for one in issues(reply)}
    assert CANARY not in reply.text
    assert exact(client.get(path)) == first


def test_a_patch_of_what_is_not_there_is_404_and_of_what_was_deleted_410(client: Client, resource: Json):
    body = STAT
    assert client.patch(f"{MR}/nothing", body, if_match='W/"1"').status_code == 404
    assert client.patch("/fhir/r4/Basic/1", body).status_code == 404
    path, _ = made(client, {**resource, "status": "stopped"})
    assert client.delete(path, if_match='W/"1"').status_code == 204
    assert client.patch(path, body, if_match='W/"2"').status_code == 410


def test_what_this_release_cannot_say_whole_is_not_patched_in_it(client: Client, resource: Json):
    order = {
        **{name: value for name, value in resource.items() if not name.startswith("medication")},
        "medication": {"concept": {"text": "dobutamine"}},
        "device": [{"reference": {"reference": "Device/1"}}],
    }
    first = exact(client.post("/fhir/r5/MedicationRequest", order, FHIR))
    path = f"{MR}/{first['id']}"
    shown = client.get(path)
    reply = client.patch(path, STAT, if_match='W/"1"')
    if shown.status_code == 200 and "SUBSETTED" in shown.text:
        assert (reply.status_code, "patching it in R5" in reply.text) == (422, True)
    else:
        assert reply.status_code in {200, 406}
    ended = {**order, "status": "ended", "identifier": [{"system": "urn:x", "value": "2"}]}
    other = exact(client.post("/fhir/r5/MedicationRequest", ended, FHIR))
    assert client.patch(f"{MR}/{other['id']}", STAT, if_match='W/"1"').status_code == 406


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [("return=minimal", None), ("return=representation", "MedicationRequest"), ("return=OperationOutcome",) * 2],
)
def test_prefer_decides_the_body_of_the_answer(client: Client, resource: Json, prefer: str, kind: str | None):
    path, _ = made(client, resource)
    reply = client.patch(path, STAT, if_match='W/"1"', prefer=prefer)
    assert (reply.status_code, reply.headers["ETag"]) == (200, 'W/"2"')
    assert reply.data == b"" if kind is None else exact(reply)["resourceType"] == (kind.removeprefix("return="))


def test_a_patch_of_what_comes_along(client: Client):
    patient = {"resourceType": "Patient", "name": [{"given": ["A", "B"]}], "birthDate": "1970-01"}
    path = f"/fhir/r4/Patient/{exact(client.post('/fhir/r4/Patient', patient, FHIR))['id']}"
    reply = client.patch(path, '[{"op":"remove","path":"/name/0/given/0"},{"op":"remove","path":"/birthDate"}]')
    assert (reply.status_code, exact(reply)["name"], "birthDate" in exact(reply)) == (200, [{"given": ["B"]}], False)
    assert client.patch(path, '[{"op":"add","path":"/birthDate","value":"yesterday"}]').status_code == 422
