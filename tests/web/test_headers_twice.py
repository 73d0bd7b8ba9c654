"""A condition or key that stands in two lines of a request: neither is taken for another one, with which it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.exact_json import dumps, loads
from tests.web.conftest import FHIR, Client, Json, exact, issues
from tests.web.test_bundle import BASE, bundle, entry
from tests.web.test_conditional import PATIENT, patient, stored

if TYPE_CHECKING:
    from tests.web.conftest import Connect

ONE, TWO = "identifier=urn:p|1", "identifier=urn:p|2"


def sent(connect: Connect, method: str, path: str, body: object, *lines: str) -> tuple[int, Any]:
    """Return status and body of the answer to a request with these lines in its head."""
    text = dumps(body).encode() if body else b""
    head = (f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {FHIR}", *lines, "Connection: close")
    theirs, _ = connect()
    theirs.sendall("\r\n".join((*head, f"Content-Length: {len(text)}", "", "")).encode() + text)
    whole = b""
    while piece := theirs.recv(65536):
        whole += piece
    answered, _, told = whole.partition(b"\r\n\r\n")
    return int(answered.split()[1]), loads(told) if told else None


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("If-None-Exist", ONE, TWO),
        ("If-None-Exist", ONE, ONE),
        ("If-None-Exist", ONE, ""),
        ("Idempotency-Key", "key-1", "key-2"),
        ("Idempotency-Key", "key-1", "key-1"),
    ],
)
@pytest.mark.parametrize("path", [PATIENT, "/api/orders"])
def test_h5_what_stands_in_two_lines_and_may_in_one_only_is_400_and_nothing_is_done(
    connect: Connect, client: Client, order: Json, path: str, name: str, one: str, two: str
):
    client.post(PATIENT, patient("2"), FHIR)
    body = patient("2") if path == PATIENT else order
    status, told = sent(connect, "POST", path, body, f"{name}: {one}", f"{name.lower()}: {two}")
    assert status == 400
    if path == PATIENT:
        (issue,) = told["issue"]
        assert (issue["code"], issue["expression"]) == ("value", [f"http.{name}"])
    else:
        (issue,) = told["issues"]
        assert (issue["code"], issue["path"]) == ("value", f"http.{name}")
    assert "urn:p" not in str(told)
    assert "key-1" not in str(told)
    assert len(stored(client, PATIENT)) == 1
    assert exact(client.get("/api/orders"))["items"] == []


def test_s7_a_hook_hears_what_hapi_tells_it_with_two_conditions_that_mean_nothing_there(connect: Connect):
    lines = ("If-None-Exist: http://127.0.0.1/hooks/hapi", "If-None-Exist: http://127.0.0.1/hooks/hapi?")
    assert sent(connect, "POST", "/hooks/hapi", None, *lines)[0] == 401  # asked for its token, as ever


def test_h5_what_may_stand_in_two_lines_is_one_list_in_which_nothing_is_missed(connect: Connect, client: Client):
    client.put(f"{PATIENT}/1", patient(id="1"), FHIR)
    seen = ('If-None-Match: W/"7"', 'If-None-Match: W/"1"')
    assert sent(connect, "GET", f"{PATIENT}/1", None, *seen)[0] == 304
    other = patient(id="1", active=True)
    for lines in (
        ('If-Match: W/"1"', 'If-Match: W/"7"'),
        ('If-Match: W/"1"', 'If-Match: W/"1"'),
        ("If-Match: *", 'If-Match: W/"1"'),
        ("If-None-Match: *", "If-None-Match: *"),
    ):
        status, told = sent(connect, "PUT", f"{PATIENT}/1", other, *lines)
        assert (status, told["issue"][0]["code"]) == (400, "value")
    lines = ("Prefer: handling=strict", "Prefer: return=minimal")
    assert sent(connect, "PUT", f"{PATIENT}/1", other, *lines) == (200, None)


@pytest.mark.parametrize(
    "two",
    [
        f"{ONE},{TWO}",
        f"{ONE}, {TWO}",
        f"{ONE},Patient?{TWO}",
        f"Patient?{ONE},?{TWO}",
        f"{ONE},/fhir/r4/Patient?{TWO}",
        f"{ONE},http://localhost/fhir/r4/Patient?{TWO}",
        f"{ONE}&active=true,{TWO}",
        f"{ONE},name:exact=x",
        f"{ONE},organization.name=x",
        f"{ONE},_id=x",
    ],
)
def test_h5_criteria_that_were_joined_on_their_way_are_refused_and_make_no_second_one(client: Client, two: str):
    client.post(PATIENT, patient("2"), FHIR)
    for reply in (
        client.post(PATIENT, patient("2"), FHIR, if_none_exist=two),
        client.post(BASE, bundle(entry("POST", "Patient", patient("2"), ifNoneExist=two)), FHIR),
    ):
        (issue,) = issues(reply)
        assert (reply.status_code, issue["code"]) == (400, "value")
        assert "urn:p" not in reply.text
    assert len(stored(client, PATIENT)) == 1


@pytest.mark.parametrize(
    "one",
    [
        "identifier=urn:p|9,urn:p|2",
        "identifier=urn:p|9=,urn:p|2",
        "identifier=urn:p|9,urn:p|2&active:missing=true",
        "name=identifier=x,none&_id=x",
        "identifier=urn:p|9,name:p|2&active=true",
        "name=x\\,identifier=y",
        "name=x%2Cidentifier=y",
        "name=x,http://h.example/Patient?identifier=y",
    ],
)
def test_a_comma_in_criteria_parts_values_as_it_does_in_a_search(client: Client, one: str):
    client.post(PATIENT, patient("2"), FHIR)
    assert client.post(PATIENT, patient("2"), FHIR, if_none_exist=one).status_code in {200, 201}
