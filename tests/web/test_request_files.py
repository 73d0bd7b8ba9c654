"""The requests for other tools: each of the ``.http`` file is sent, and the Postman collection holds the same ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from click.testing import CliRunner

from fhir_infusion.cli.schema import command
from fhir_infusion.web import openapi, openapi_requests
from fhir_infusion.web.examples import texts
from tests.web.conftest import FHIR, Client, exact
from tests.web.subscribing import plain

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Where nothing else can be: there is no remote, no conflict, and an order that has begun is not deleted.
OTHERS = {
    ("GET", "/api/sync/rows/{{row}}"): 404,
    **{("GET", f"/api/sync/remotes/{{{{remote}}}}/{what}"): 404 for what in ("aside", "quarantine")},
    **{("POST", f"/api/sync/remotes/{{{{remote}}}}/{what}"): 404 for what in ("replay", "skip", "quarantine")},
    ("GET", "/api/sync/conflicts/{{conflict_id}}"): 404,
    ("POST", "/api/sync/conflicts/{{conflict_id}}/resolve"): 404,
    ("DELETE", "/fhir/r4/MedicationRequest/{{id_of_resource}}"): 409,
    ("DELETE", "/fhir/r4/MedicationRequest?identifier=https://example.org/fhir-infusion/orders|DEMO-3"): 409,
}


def printed(name: str) -> str:
    done = CliRunner().invoke(command, [name])
    assert done.exit_code == 0, done.output
    return done.stdout


@dataclass(frozen=True)
class Sent:
    """A request of the file, as a reader of it takes it apart."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


@cache
def variables_and_requests() -> tuple[dict[str, str], list[Sent]]:
    """Take the file apart: ``@name = value``, ``###`` between requests, a line, headers, an empty line, the body."""
    head, *parts = re.split(r"^###.*\n", printed("http"), flags=re.MULTILINE)
    variables = dict(re.findall(r"^@(\w+) = (.*)$", head, re.MULTILINE))
    requests = []
    for part in parts:
        above, _, body = part.partition("\n\n")
        line, *headers = above.splitlines()
        method, target = line.split(" ", 1)
        requests.append(Sent(method, target, dict(one.split(": ", 1) for one in headers), body.strip()))
    return variables, requests


def named(one: Sent) -> str:
    media = one.headers.get("Content-Type", "").partition("/")[2]
    return " ".join(filter(None, (one.method, one.target.removeprefix("{{base}}"), media)))


NOWHERE = {"base": "", "token": "none", "conflict_id": "none", "remote": "none", "row": "1", "version": "1"}


def patients(client: Client) -> dict[str, str]:
    for name in ("source", "target"):
        patient = {"resourceType": "Patient", "id": name}
        assert client.put(f"/fhir/r4/Patient/{name}", patient, FHIR).status_code == 201
    return {"id_of_patient": "source", "id_of_other_patient": "target"}


@pytest.fixture
def there(client: Client) -> Callable[[str], str]:
    """Put what the requests are about into the service; returns what fills the variables in."""
    known = dict(NOWHERE)
    for kind, name in (("order", "1-order-infliximab"), ("administration", "3-administration-dobutamine")):
        known[f"id_of_{kind}"] = exact(client.post(f"/api/{kind}s", texts()[name]))["id"]
    made = client.post("/fhir/r4/MedicationRequest", texts()["4-medicationrequest-fluconazole"], FHIR)
    known["id_of_resource"] = exact(made)["id"]
    known |= patients(client)
    hook = client.post("/fhir/r4/Subscription", plain("http://127.0.0.1:9/hook"), FHIR)
    known["subscription_id"] = exact(hook)["id"]
    export = client.get("/fhir/r4/$export", prefer="respond-async")
    known["export_id"] = export.headers["Content-Location"].rpartition("/")[2]

    def fill(text: str) -> str:
        return re.sub(r"{{(\w+)}}", lambda found: known[found[1]], text)

    return fill


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("one", variables_and_requests()[1], ids=named)
def test_each_request_of_the_file_is_answered_as_the_document_says(
    client: Client, there: Callable[[str], str], one: Sent
):
    headers = {name: there(value) for name, value in one.headers.items()}
    reply = client.flask.open(there(one.target), method=one.method, headers=headers, data=there(one.body))
    target = one.target.removeprefix("{{base}}")
    assert str(reply.status_code) in declared(one.method, target), reply.text
    expected = OTHERS.get((one.method, target))
    assert reply.status_code == expected if expected else reply.status_code < 300, reply.text


MADE = {
    "/api/orders": "id_of_order",
    "/api/administrations": "id_of_administration",
    "/fhir/r4/$export": "export_id",
    "/fhir/r4/Subscription": "subscription_id",
    "/fhir/r4/MedicationRequest": "id_of_resource",
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_goes_through_the_file_and_sets_its_variables_to_what_was_answered_is_answered_well_to_the_end(
    client: Client,
):
    known = {**NOWHERE, **patients(client)}

    def fill(text: str) -> str:
        return re.sub(r"{{(\w+)}}", lambda found: known[found[1]], text)

    for one in variables_and_requests()[1]:
        headers = {name: fill(value) for name, value in one.headers.items()}
        reply = client.flask.open(fill(one.target), method=one.method, headers=headers, data=fill(one.body))
        target = one.target.removeprefix("{{base}}")
        expected = OTHERS.get((one.method, target))
        told = f"{one.method} {target}: {reply.text}"
        assert reply.status_code == expected if expected else reply.status_code < 300, told
        if "ETag" in reply.headers and "/_history/" not in target:
            known["version"] = reply.headers["ETag"].split('"')[1]
        if one.method == "POST" and target in MADE:
            shown = reply.headers.get("Content-Location") or exact(reply)["id"]
            known[MADE[target]] = shown.rpartition("/")[2]


def declared(method: str, target: str) -> set[str]:
    """Return the statuses that the document names for an address."""
    path = target.partition("?")[0]
    operations = openapi.description()["paths"]
    found = [
        methods[method.lower()]
        for address, methods in operations.items()
        if method.lower() in methods and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/$]+", re.escape(address)), path)
    ]
    assert found, target
    return {status for operation in found for status in operation["responses"]}


def test_the_file_has_every_operation_and_names_each_variable_that_it_uses():
    variables, requests = variables_and_requests()
    used = {name for one in requests for name in re.findall(r"{{(\w+)}}", f"{one.target}{one.headers}{one.body}")}
    assert used == set(variables)
    assert all(variables.values())
    asked = {(one.method, one.target.removeprefix("{{base}}")) for one in requests}
    assert asked == {(one.method, one.target) for one in openapi_requests.requests(openapi.description())}
    operations = sum(len(methods) for methods in openapi.description()["paths"].values())
    assert len(requests) >= operations > 60


def test_the_collection_holds_the_same_requests_in_the_published_format():
    made: dict[str, Any] = json.loads(printed("postman"))
    schema = json.loads((Path(__file__).parent / "postman_collection.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(made)
    items = [one["request"] for folder in made["item"] for one in folder["item"]]
    variables, requests = variables_and_requests()
    assert {one["key"]: one["value"] for one in made["variable"]} == variables
    bodies = sorted((one.method, one.target, one.body) for one in requests)
    assert sorted((one["method"], one["url"]["raw"], body_of(one)) for one in items) == bodies
    for one in items:
        asked = "&".join(f"{each['key']}={each['value']}" for each in one["url"].get("query", ()))
        path = "/".join(["{{base}}", *one["url"]["path"]])
        assert one["url"]["raw"] == (f"{path}?{asked}" if asked else path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**made, "item": [{"name": "neither a folder nor a request"}]})


def body_of(request: dict[str, Any]) -> str:
    body = request.get("body", {"mode": "raw", "raw": ""})
    if body["mode"] == "urlencoded":
        return "&".join(f"{one['key']}={one['value']}" for one in body["urlencoded"])
    return str(body["raw"])


def test_openapi_is_printed_as_it_is_served(client: Client):
    assert json.loads(printed("openapi")) == json.loads(client.get("/openapi.json").data)
