"""Bad input: each with its status and issue code, nothing stored, no value told, the service up (reliability 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.exact_json import dumps
from tests.web.conftest import FHIR, Client, Json, exact, issues

if TYPE_CHECKING:
    from collections.abc import Callable

MR = "/fhir/r4/MedicationRequest"
CANARY = "JaneQPatient"


def dosage(resource: Json) -> Json:
    found: Json = resource["dosageInstruction"][0]
    return found


def dose(resource: Json) -> Json:
    found: Json = dosage(resource)["doseAndRate"][0]
    return found


def text(change: Callable[[str], str]) -> Callable[[Json], str]:
    return lambda resource: change(dumps(resource))


def edited(change: Callable[[Json], Any]) -> Callable[[Json], str]:
    def make(resource: Json) -> str:
        change(resource)
        return dumps(resource)

    return make


def deep(levels: int) -> Json:
    inner: Json = {"url": "http://x.example/a", "valueString": "a"}
    for _ in range(levels):
        inner = {"url": "http://x.example/a", "extension": [inner]}
    return inner


FHIR_ROWS: list[tuple[str, Callable[[Json], str | bytes], int, set[str]]] = [
    ("not JSON", text(lambda _: f"{CANARY} {{"), 400, {"structure"}),
    ("an empty body", text(lambda _: ""), 400, {"structure"}),
    ("a byte order mark", text(lambda whole: "\ufeff" + whole), 400, {"structure"}),
    ("trailing bytes", text(lambda whole: whole + "x"), 400, {"structure"}),
    ("a lone surrogate", text(lambda whole: whole.replace("Fluconazole", "\\ud800")), 400, {"structure", "value"}),
    ("NaN", text(lambda whole: whole.replace("400.0", "NaN")), 400, {"structure"}),
    ("Infinity", text(lambda whole: whole.replace("400.0", "-Infinity")), 400, {"structure"}),
    ("a top-level array", text(lambda whole: f"[{whole}]"), 400, {"structure"}),
    ("a top-level number", text(lambda _: "5"), 400, {"structure"}),
    ("a doubled property", text(lambda whole: whole[:-1] + ',"status":"cancelled"}'), 400, {"structure"}),
    (
        "a doubled property far below",
        text(lambda whole: whole.replace('"periodUnit"', '"period":2,"periodUnit"')),
        400,
        {"structure"},
    ),
    ("an unknown element", edited(lambda resource: resource.update(dosage=CANARY)), 400, {"structure"}),
    ("an array for one value", edited(lambda resource: resource.update(status=["active"])), 400, {"structure"}),
    ("one value for an array", edited(lambda resource: resource.update(identifier={"value": "x"})), 400, {"structure"}),
    ("a nested array", edited(lambda resource: resource.update(note=[[{"text": "x"}]])), 400, {"structure"}),
    ("an empty object", edited(lambda resource: resource.update(encounter={})), 400, {"structure"}),
    ("an empty array", edited(lambda resource: resource.update(note=[])), 400, {"structure"}),
    ("an empty text", edited(lambda resource: resource.update(language="")), 400, {"structure", "value"}),
    ("no resourceType", edited(lambda resource: resource.pop("resourceType")), 400, {"structure"}),
    ("another resourceType", edited(lambda resource: resource.update(resourceType="Patient")), 400, {"structure"}),
    (
        "a contained resource of unknown type",
        edited(lambda resource: resource.update(contained=[{"resourceType": CANARY, "id": "a"}])),
        400,
        {"structure"},
    ),
    ("33 levels", edited(lambda resource: resource.update(extension=[deep(20)])), 400, {"too-costly", "too-long"}),
    (
        "20,001 elements",
        edited(lambda resource: resource.update(note=[{"text": "a"}] * 20_001)),
        400,
        {"too-costly", "too-long"},
    ),
    (
        "a text above 64 kB",
        edited(lambda resource: resource.update(note=[{"text": "a" * 65_537}])),
        400,
        {"too-costly", "too-long"},
    ),
    (
        "19 digits",
        text(lambda whole: whole.replace("400.0", "1234567890.123456789")),
        400,
        {"too-costly", "too-long"},
    ),
    ("a huge exponent", text(lambda whole: whole.replace("400.0", "1e999999999")), 400, {"too-costly", "too-long"}),
    ("1 MiB and a byte", text(lambda whole: whole + " " * (1024 * 1024 + 1 - len(whole))), 413, {"too-long"}),
    ("2 MiB", text(lambda whole: whole + " " * (2 * 1024 * 1024)), 413, {"too-long"}),
    ("a string for a number", text(lambda whole: whole.replace("400.0", '"5"')), 400, {"value"}),
    ("a number for a string", edited(lambda resource: resource.update(language=5)), 400, {"value"}),
    ("a word for a boolean", edited(lambda resource: resource.update(doNotPerform="no")), 400, {"value"}),
    ("an epoch for a date", edited(lambda resource: resource.update(authoredOn=1700000000)), 400, {"value"}),
    ("null for a dose", text(lambda whole: whole.replace("400.0", "null")), 400, {"value", "structure"}),
    ("an id of 65 characters", edited(lambda resource: resource.update(id="a" * 65)), 400, {"value"}),
    ("an id with a space", edited(lambda resource: resource.update(id="a b")), 400, {"value"}),
    ("a control character", text(lambda whole: whole.replace("Fluconazole", "\\u0000")), 400, {"value", "structure"}),
    (
        "a time without a zone",
        edited(lambda resource: resource.update(authoredOn="2026-01-02T07:45:00")),
        400,
        {"value"},
    ),
    ("30 February", edited(lambda resource: resource.update(authoredOn="2026-02-30")), 400, {"value"}),
    (
        "a code outside a required binding",
        edited(lambda resource: resource.update(status=CANARY)),
        400,
        {"code-invalid"},
    ),
    (
        "two rate[x]",
        edited(lambda resource: dose(resource).update(rateQuantity={"value": 100, "unit": "mL/h"})),
        400,
        {"structure"},
    ),
    ("no subject", edited(lambda resource: resource.pop("subject")), 400, {"required", "structure"}),
    (
        "an unknown modifierExtension",
        edited(
            lambda resource: resource.update(modifierExtension=[{"url": "http://x.example/m", "valueBoolean": True}])
        ),
        422,
        {"extension"},
    ),
    (
        "an unknown modifierExtension in a dosage",
        edited(
            lambda resource: dosage(resource).update(
                modifierExtension=[{"url": "http://x.example/m", "valueBoolean": True}]
            )
        ),
        422,
        {"extension"},
    ),
    (
        "unknown implicitRules",
        edited(lambda resource: resource.update(implicitRules="http://x.example/rules")),
        422,
        {"not-supported"},
    ),
    ("a prohibition", edited(lambda resource: resource.update(doNotPerform=True)), 422, {"business-rule"}),
    (
        "a comparator in a dose",
        edited(lambda resource: dose(resource)["doseQuantity"].update(comparator="<")),
        400,
        {"invariant", "structure"},
    ),
    ("a negative dose", text(lambda whole: whole.replace("400.0", "-400.0")), 422, {"value"}),
    (
        "a script in the narrative",
        edited(
            lambda resource: resource.update(
                text={
                    "status": "generated",
                    "div": '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>',
                }
            )
        ),
        422,
        {"invariant"},
    ),
    (
        "a reference that runs a script",
        edited(lambda resource: resource.update(encounter={"reference": "javascript:alert(1)"})),
        422,
        {"business-rule"},
    ),
    (
        "a bidi character in the drug",
        edited(lambda resource: resource["medicationCodeableConcept"].update(text="Fluconazole \u202e 004")),
        422,
        {"value"},
    ),
]


@pytest.mark.parametrize(("make", "status", "codes"), [row[1:] for row in FHIR_ROWS], ids=[row[0] for row in FHIR_ROWS])
def test_a_wrong_resource_is_refused_and_nothing_is_stored(
    client: Client, resource: Json, make: Callable[[Json], str | bytes], status: int, codes: set[str]
):
    reply = client.post(MR, make(resource), FHIR)
    assert reply.status_code == status, reply.text
    told = issues(reply)
    assert {one["code"] for one in told} & codes, told
    assert all(one["reason"] for one in told)
    assert CANARY not in reply.text
    assert "entry" not in exact(client.get(MR))
    assert client.get("/health/live").status_code == 200


OURS_ROWS: list[tuple[str, Callable[[Json], str], int, set[str]]] = [
    ("not JSON", text(lambda _: CANARY), 400, {"structure"}),
    ("a doubled property", text(lambda whole: whole[:-1] + ',"status":"draft"}'), 400, {"structure"}),
    ("an unknown member", edited(lambda order: order.update(dosage=CANARY)), 400, {"structure"}),
    ("a string for a number", text(lambda whole: whole.replace("72.50", '"5"')), 400, {"value"}),
    ("no patient", edited(lambda order: order.pop("patient")), 400, {"required"}),
    ("an unknown status", edited(lambda order: order.update(status=CANARY)), 400, {"code-invalid"}),
    (
        "a negative rate",
        edited(lambda order: order["steps"][0]["dosings"][0]["rate"].update(value=-1)),
        422,
        {"value"},
    ),
    (
        "an unknown unit",
        edited(lambda order: order["steps"][0]["dosings"][0].update(dose={"value": 1, "unit": "blobs"})),
        422,
        {"code-invalid"},
    ),
    ("33 levels", text(lambda _: '{"a":' * 33 + "1" + "}" * 33), 400, {"too-costly", "too-long"}),
    ("2 MiB", text(lambda whole: whole + " " * (2 * 1024 * 1024)), 413, {"too-long"}),
]


@pytest.mark.parametrize(("make", "status", "codes"), [row[1:] for row in OURS_ROWS], ids=[row[0] for row in OURS_ROWS])
def test_a_wrong_record_is_refused_and_nothing_is_stored(
    client: Client, order: Json, make: Callable[[Json], str], status: int, codes: set[str]
):
    reply = client.post("/api/orders", make(order))
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = exact(reply)
    assert (body["status"], body["correlation_id"]) == (status, reply.headers["X-Correlation-Id"])
    assert {one["code"] for one in body["issues"]} & codes, body
    assert CANARY not in reply.text
    assert exact(client.get("/api/orders"))["items"] == []


@pytest.mark.parametrize(
    ("path", "media"),
    [
        (MR, "application/fhir+xml"),
        (MR, "application/xml"),
        (MR, "text/plain"),
        (MR, "application/x-www-form-urlencoded"),
        (MR, "multipart/form-data; boundary=x"),
        (MR, "application/fhir+json; fhirVersion=5.0"),
        (MR, "application/fhir+json; charset=latin-1"),
        (MR, ""),
        ("/api/orders", "application/fhir+json"),
        ("/api/orders", "text/json"),
        (f"{MR}/_search", "application/fhir+json"),
    ],
)
def test_a_body_of_another_media_type_is_415(client: Client, resource: Json, path: str, media: str):
    reply = client.flask.post(path, data=dumps(resource), content_type=media or None)
    assert (reply.status_code, issues(reply)[0]["code"]) == (415, "not-supported")


@pytest.mark.parametrize(
    "media", ["application/fhir+json; fhirVersion=4.0", "application/json", "application/fhir+json;charset=UTF-8"]
)
def test_json_of_the_right_release_is_taken(client: Client, resource: Json, media: str):
    assert client.post(MR, resource, media).status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
def test_an_encoded_body_is_415(client: Client, resource: Json, encoding: str):
    assert client.post(MR, resource, FHIR, content_encoding=encoding).status_code == 415


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (MR, "application/fhir+xml", 406),
        (MR, "text/html", 406),
        (MR, "application/fhir+json; fhirVersion=5.0", 406),
        (MR, "application/fhir+json;q=0", 406),
        (MR, "application/fhir+json; fhirVersion=4.0", 200),
        (MR, "application/fhir+xml;q=0.9, application/fhir+json;q=0.1", 200),
        (MR, "*/*", 200),
        (MR, "application/json", 200),
        (f"{MR}?_format=json", "text/html", 200),
        (f"{MR}?_format=xml", "*/*", 406),
        (f"{MR}?_format=application/fhir%2Bjson", "text/html", 200),
        ("/api/orders", "application/xml", 406),
        ("/api/orders", "application/json", 200),
    ],
)
def test_accept_is_met_or_406(client: Client, path: str, accept: str, status: int):
    assert client.get(path, accept=accept).status_code == status


def test_a_body_shorter_than_declared_is_400_incomplete(client: Client, resource: Json):
    whole = dumps(resource).encode()
    reply = client.flask.post(
        MR,
        data=whole,
        content_type=FHIR,
        environ_overrides={"CONTENT_LENGTH": str(len(whole) + 10), "wsgi.input_terminated": True},
    )
    assert (reply.status_code, issues(reply)[0]["code"]) == (400, "incomplete")
    assert "entry" not in exact(client.get(MR))


def test_an_answer_names_at_most_100_issues(client: Client, resource: Json):
    resource["note"] = [{"text": "a", "x": 1}] * 3000
    reply = client.post(MR, resource, FHIR)
    assert reply.status_code == 400
    assert len(issues(reply)) <= 100
    assert len(reply.data) < 64_000


def test_an_unexpected_failure_is_500_with_the_correlation_id_alone(
    client: Client, resource: Json, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object, **__: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr("fhir_infusion.actions.find.search", fail)
    reply = client.get(f"{MR}?identifier={CANARY}")
    assert reply.status_code == 500
    (issue,) = issues(reply)
    assert (issue["code"], reply.headers["X-Correlation-Id"] in issue["reason"]) == ("exception", True)
    assert CANARY not in reply.text
    fault = next(record for record in caplog.records if record.msg == "fault")
    assert vars(fault)["line"]["correlation_id"] == reply.headers["X-Correlation-Id"]
    assert client.post(MR, resource, FHIR).status_code == 201


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("_count=-1", "http._count"),
        ("_count=abc", "http._count"),
        ("_page=forged", "http._page"),
        ("patient=", "patient"),
        ("status=%00", ""),
        ("identifier=%c0%af", ""),
        ("%c0%af=x", ""),
        ("authoredon=2024-13-01", "authoredon"),
    ],
)
def test_a_wrong_parameter_of_a_search_is_400_invalid(client: Client, query: str, path: str):
    replies = [client.get(f"/fhir/r4/MedicationRequest?{query}")]
    replies.append(client.post("/fhir/r4/MedicationRequest/_search", query, "application/x-www-form-urlencoded"))
    for reply in replies:
        assert (reply.status_code, [one["code"] for one in issues(reply)]) == (400, ["invalid"])
    assert issues(replies[0])[0]["path"] == path


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "http.limit"),
        ("limit=x", "http.limit"),
        ("page=forged", "http.page"),
        ("patient=", "http.patient"),
        ("status=%00", ""),
        ("order_id=%c0%af", ""),
        ("status=bogus", "status"),
        ("status=active,bogus", "status"),
        ("changed_since=yesterday", "changed_since"),
    ],
)
def test_a_wrong_parameter_of_our_own_listing_is_400_invalid(client: Client, query: str, path: str):
    reply = client.get(f"/api/orders?{query}")
    assert (reply.status_code, [(one["code"], one["path"]) for one in issues(reply)]) == (400, [("invalid", path)])


def test_a_status_that_there_is_not_is_answered_with_those_that_there_are(client: Client):
    body = exact(client.get("/api/administrations?status=active"))
    assert body["issues"][0]["accepted"] == (
        "in-progress, not-done, on-hold, completed, entered-in-error, stopped, unknown"
    )
