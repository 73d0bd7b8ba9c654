"""The ways on which a FHIR resource comes in, each with how a resource is put into its request and the answer is read.

A resource is sent as R4 says it, in the words of the release; what is changed in it is a stored one where the way
changes one. :data:`WAYS` has each way of each release.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from werkzeug.test import TestResponse

from tests.exact_json import dumps
from tests.fhir.kit import GONE, changed, given, order
from tests.web.conftest import FHIR, Client, Json, exact, issues

RELEASES: Final = ("r4", "r4b", "r5")
JSON_PATCH: Final = "application/json-patch+json"
FORM: Final = "application/x-www-form-urlencoded"
STORED: Final = "stored"
"""The id of the order and of the administration that are there, in version 1."""
IF_MATCH: Final = {"If-Match": 'W/"1"'}
UNUSED: Final = "identifier=urn:x|unused"
USED: Final = "identifier=urn:x|stored"


def in_release(resource: Json, release: str) -> Json:
    """Return a resource of R4 in the words of a release."""
    if release != "r5":
        return resource
    said: Json = {}
    for name, value in resource.items():
        if name.startswith("medication"):
            said["medication"] = {"concept" if name.endswith("Concept") else "reference": value}
        else:
            said[name.replace("effective", "occurence")] = value
    return said


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of what was sent: the status, the issue codes, the whole text."""

    status: int
    codes: frozenset[str]
    text: str


def whole(reply: TestResponse) -> Answer:
    """The answer is the reply."""
    told = issues(reply) if reply.status_code >= 400 else []
    return Answer(reply.status_code, frozenset(one["code"] for one in told), reply.text)


def entry(reply: TestResponse) -> Answer:
    """The answer stands in the only entry of a batch."""
    if reply.status_code != 200:
        return whole(reply)
    response = exact(reply)["entry"][0]["response"]
    codes = frozenset(one["code"] for one in response.get("outcome", {}).get("issue", ()))
    return Answer(int(response["status"][:3]), codes, reply.text)


def judged(reply: TestResponse) -> Answer:
    """The answer is what ``$validate`` tells, with status 200: the status of the errors is not told."""
    if reply.status_code != 200:
        return whole(reply)
    told = exact(reply)["issue"]
    errors = frozenset(one["code"] for one in told if one["severity"] in {"error", "fatal"})
    return Answer(0 if errors else 200, errors, reply.text)


@dataclass(frozen=True, slots=True)
class Way:
    """A way in. ``rule`` is that of the route; ``body`` gives the text of the request for a resource."""

    name: str
    method: str
    rule: str
    path: str
    body: Callable[[Json], str]
    media: str = FHIR
    headers: tuple[tuple[str, str], ...] = ()
    read: Callable[[TestResponse], Answer] = whole
    changes: bool = False
    criteria: str = ""
    release: str = "r4"

    @property
    def patches(self) -> bool:
        """Whether what is sent is what a patch makes of the stored one."""
        return "PATCH" in self.name.upper()

    def send(self, client: Client, body: str | bytes, media: str | None = None, **more: str) -> TestResponse:
        """Send the text of a request."""
        headers = {**dict(self.headers), **{name.replace("_", "-").title(): value for name, value in more.items()}}
        chosen = self.media if media is None else media
        return client.flask.open(self.path, method=self.method, data=body, content_type=chosen or None, headers=headers)

    def with_resource(self, resource: Json) -> str:
        """Return the text of a request that brings a resource, which is R4."""
        own: Json = {"id": STORED} if self.changes and resource.get("id") in {"o1", "a1"} else {}
        if value := "stored" if self.changes else self.criteria:
            own["identifier"] = [{"system": "urn:x", "value": value}]
        return self.body(in_release({**resource, **own}, self.release))


def parameters(resource: Json) -> str:
    return dumps({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": resource}]})


def json_patch(release: str, fhir_type: str) -> Callable[[Json], str]:
    """Return what makes the JSON Patch that turns the stored resource into another."""
    before = next(one for one in stored_ones(release) if one["resourceType"] == fhir_type)

    def body(resource: Json) -> str:
        gone = [{"op": "remove", "path": f"/{name}"} for name in before if name not in resource]
        set_ = [
            {"op": "add", "path": f"/{name}", "value": value}
            for name, value in resource.items()
            if before.get(name) != value or type_differs(before.get(name), value)
        ]
        return dumps([*gone, *set_])

    return body


def type_differs(one: Any, other: Any) -> bool:
    """Tell 0 from false, and one spelling of a number from another."""
    return dumps(one) != dumps(other)


def bundle(kind: str, method: str, url: str, **request: str) -> Callable[[Json], str]:
    """Return what puts a resource into the only entry of a Bundle."""

    def body(resource: Json) -> str:
        asked = {"method": method, "url": url, **request}
        return dumps({"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource, "request": asked}]})

    return body


def patching_bundle(kind: str, release: str, fhir_type: str) -> Callable[[Json], str]:
    def body(resource: Json) -> str:
        data = base64.b64encode(json_patch(release, fhir_type)(resource).encode()).decode()
        binary = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}
        return bundle(kind, "PATCH", f"{fhir_type}/{STORED}", ifMatch='W/"1"')(binary)

    return body


def ways(release: str, fhir_type: str) -> list[Way]:
    """Return the ways of a release on which a resource of a type comes in."""
    base, rule = f"/fhir/{release}", "/fhir/<release>"
    here, of_type = f"{base}/{fhir_type}", f"{rule}/<fhir_type>"
    of_one, at = f"{of_type}/<resource_id>", f"{here}/{STORED}"
    match = tuple(IF_MATCH.items())
    new = "a1" if fhir_type.endswith("Administration") else "o1"
    found: list[tuple[Any, ...]] = [
        ("create", "POST", of_type, here, dumps),
        ("create with If-None-Exist", "POST", of_type, here, dumps, FHIR, (("If-None-Exist", UNUSED),)),
        ("create with Idempotency-Key", "POST", of_type, here, dumps, FHIR, (("Idempotency-Key", f"a-key-{fhir_type}"),)),
        ("update as create", "PUT", of_one, f"{here}/{new}", dumps),
        ("update", "PUT", of_one, at, dumps, FHIR, match, whole, True),
        ("create by criteria", "PUT", of_type, f"{here}?{UNUSED}", dumps, FHIR, (), whole, False, "unused"),
        ("update by criteria", "PUT", of_type, f"{here}?{USED}", dumps, FHIR, match, whole, True),
        ("JSON Patch", "PATCH", of_one, at, json_patch(release, fhir_type), JSON_PATCH, match, whole, True),
        ("JSON Patch by criteria", "PATCH", of_type, f"{here}?{USED}", json_patch(release, fhir_type), JSON_PATCH, match, whole, True),
        ("batch, POST", "POST", rule, base, bundle("batch", "POST", fhir_type), FHIR, (), entry),
        ("batch, PUT", "POST", f"{rule}/", f"{base}/", bundle("batch", "PUT", f"{fhir_type}/{new}"), FHIR, (), entry),
        ("batch, PATCH", "POST", rule, base, patching_bundle("batch", release, fhir_type), FHIR, (), entry, True),
        ("transaction, POST", "POST", rule, base, bundle("transaction", "POST", fhir_type)),
        ("transaction, PUT", "POST", rule, base, bundle("transaction", "PUT", f"{fhir_type}/{STORED}", ifMatch='W/"1"'), FHIR, (), whole, True),
        ("transaction, PATCH", "POST", f"{rule}/", f"{base}/", patching_bundle("transaction", release, fhir_type), FHIR, (), whole, True),
        ("$validate", "POST", f"{of_type}/$validate", f"{here}/$validate", dumps, FHIR, (), judged),
        ("$validate, Parameters", "POST", f"{of_type}/$validate", f"{here}/$validate", parameters, FHIR, (), judged),
        ("$validate of one", "POST", f"{of_one}/$validate", f"{at}/$validate", dumps, FHIR, (), judged, True),
    ]  # fmt: skip
    return [replace(Way(*one), release=release) for one in found]


def stored_ones(release: str) -> list[Json]:
    """The order and the administration that the ways change; no text describes what a patch may change."""
    identifier = [{"system": "urn:x", "value": "stored"}]
    made = (changed(order(), "dosageInstruction/0/text", GONE), given())
    return [in_release({**one, "id": STORED, "identifier": identifier}, release) for one in made]


WAYS: Final = {
    (release, one): ways(release, one)
    for release in RELEASES
    for one in ("MedicationRequest", "MedicationAdministration")
}
