"""A change under an Idempotency-Key happens once: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import func, select

from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.store.tables import AUDIT, SUBSCRIPTIONS, VERSIONS
from fhir_infusion.web.app import create_app
from fhir_infusion.web.fhir import bundle, inner
from tests.exact_json import dumps
from tests.fhir.kit import order
from tests.web.bad_ways import in_release
from tests.web.conftest import FHIR, JSON, Client, Json, exact, issues
from tests.web.subscribing import plain, topical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

    from fhir_infusion.store import Tx

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOOK: Final = "http://127.0.0.1:9/hook"
JSON_PATCH: Final = "application/json-patch+json"
MR: Final = "MedicationRequest"
KNOWN: Final = {"system": "urn:x", "value": "known"}


@dataclass(frozen=True)
class Asked:
    """A change. ``path`` may name what is there: ``{one}`` an order, ``{subscription}`` a subscription."""

    method: str
    path: str
    body: Any = None
    media: str = FHIR
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


@dataclass(frozen=True)
class There:
    """A service with an order, two patients and a subscription in it."""

    service: Service
    client: Client
    release: str
    names: dict[str, str]

    def send(self, asked: Asked, key: str) -> TestResponse:
        body = asked.body(self) if callable(asked.body) else asked.body
        return self.client.flask.open(
            asked.path.format(base=f"/fhir/{self.release}", **self.names),
            method=asked.method,
            data=None if body is None else dumps(body),
            content_type=asked.media if body is not None else None,
            headers=[*asked.headers, ("Idempotency-Key", key), ("Prefer", "return=representation")],
        )

    def change_everything(self) -> None:
        """Let somebody else change, end or make again what the cases change."""
        base = f"/fhir/{self.release}"
        order_there, told_there = (
            f"{base}/{MR}/{self.names['one']}",
            f"{base}/Subscription/{self.names['subscription']}",
        )
        for name in ("kept", "nobody"):
            self.client.put(f"{base}/Patient/{name}", {**PATIENT, "id": name, "birthDate": "1970"}, FHIR)
        version = self.client.get(order_there).headers["ETag"]
        held = resource(self, id=self.names["one"], status="on-hold")
        assert self.client.put(order_there, held, FHIR, if_match=version).status_code == 200
        ended = {**subscription(self), "id": self.names["subscription"], "status": "off"}
        self.client.put(told_there, ended, FHIR)

    @contextmanager
    def restarted(self) -> Iterator[There]:
        """Give the same, served by another process from the same database."""
        self.service.store.close()
        store = open_store(self.service.settings.database, self.service.clock)
        service = replace(self.service, store=store)
        try:
            yield replace(self, service=service, client=Client(create_app(service).test_client(use_cookies=False)))
        finally:
            store.close()

    def state(self) -> tuple[int, ...]:
        def counted(tx: Tx) -> tuple[int, ...]:
            tables = (VERSIONS, SUBSCRIPTIONS, AUDIT)
            return tuple(tx.connection.execute(select(func.count()).select_from(one)).scalar_one() for one in tables)

        return self.service.store.read("default", counted)


def resource(there: There, **changes: Any) -> Json:
    found: Json = in_release({**order(), **changes}, there.release)
    return found


def subscription(there: There) -> Json:
    return topical(HOOK) if there.release == "r5" else plain(HOOK)


def parameters(**references: str) -> Json:
    named = [
        {"name": name.replace("_", "-"), "valueReference": {"reference": reference}}
        for name, reference in references.items()
    ]
    return {"resourceType": "Parameters", "parameter": named}


def entries(kind: str, *asked: tuple[str, str, Json | None]) -> Json:
    made = [
        {"request": {"method": method, "url": url}, **({} if body is None else {"resource": body})}
        for method, url, body in asked
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": made}


def changed(there: There) -> Json:
    return resource(there, id=there.names["one"], priority="stat")


PATIENT: Final = {"resourceType": "Patient", "active": True}
READ_FIRST: Final = (("If-Match", 'W/"1"'),)
PRIORITY: Final = [{"op": "add", "path": "/priority", "value": "stat"}]
PATH_PATCH: Final = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "add"},
                {"name": "path", "valueString": MR},
                {"name": "name", "valueString": "priority"},
                {"name": "value", "valueCode": "stat"},
            ],
        }
    ],
}

CASES: Final[dict[str, Asked]] = {
    "create": Asked("POST", "{base}/Patient", PATIENT, status=201),
    "conditional create": Asked(
        "POST", "{base}/Patient", PATIENT, headers=(("If-None-Exist", "identifier=urn:x|none"),), status=201
    ),
    "conditional create of what is there": Asked(
        "POST", "{base}/Patient", PATIENT, headers=(("If-None-Exist", "identifier=urn:x|known"),)
    ),
    "update": Asked("PUT", "{base}/MedicationRequest/{one}", changed, headers=READ_FIRST),
    "update that changes nothing": Asked(
        "PUT", "{base}/Patient/kept", {**PATIENT, "id": "kept", "identifier": [KNOWN]}
    ),
    "update that creates": Asked("PUT", "{base}/Patient/new", {**PATIENT, "id": "new"}, status=201),
    "conditional update": Asked(
        "PUT", "{base}/Patient?identifier=urn:x|known", {**PATIENT, "identifier": [KNOWN], "gender": "other"}
    ),
    "conditional update that creates": Asked(
        "PUT", "{base}/Patient?identifier=urn:x|n", {**PATIENT, "identifier": [{**KNOWN, "value": "n"}]}, status=201
    ),
    "JSON Patch": Asked("PATCH", "{base}/MedicationRequest/{one}", PRIORITY, JSON_PATCH, READ_FIRST),
    "FHIRPath Patch": Asked("PATCH", "{base}/MedicationRequest/{one}", PATH_PATCH, headers=READ_FIRST),
    "patch that appends": Asked(
        "PATCH", "{base}/Patient/kept", [{"op": "add", "path": "/identifier/-", "value": KNOWN}], JSON_PATCH
    ),
    "conditional patch": Asked(
        "PATCH",
        "{base}/Patient?identifier=urn:x|known",
        [{"op": "add", "path": "/gender", "value": "other"}],
        JSON_PATCH,
    ),
    "delete": Asked("DELETE", "{base}/Patient/kept", status=204),
    "delete of what is not there": Asked("DELETE", "{base}/Patient/nobody", status=204),
    "conditional delete": Asked("DELETE", "{base}/Patient?identifier=urn:x|known", status=204),
    "subscribe": Asked("POST", "{base}/Subscription", subscription, status=201),
    "change of a subscription": Asked(
        "PUT",
        "{base}/Subscription/{subscription}",
        lambda there: {**subscription(there), "id": there.names["subscription"]},
    ),
    "end of a subscription": Asked("DELETE", "{base}/Subscription/{subscription}", status=204),
    "transaction": Asked(
        "POST", "{base}", entries("transaction", ("POST", "Patient", PATIENT), ("GET", "Patient/kept", None))
    ),
    "batch": Asked(
        "POST",
        "{base}",
        entries(
            "batch", ("POST", "Patient", PATIENT), ("DELETE", "Patient/kept", None), ("PUT", "Patient/kept", PATIENT)
        ),
    ),
    "$merge": Asked(
        "POST", "{base}/Patient/$merge", parameters(source_patient="Patient/kept", target_patient="Patient/other")
    ),
    "order": Asked("POST", "/api/orders", lambda _: dict(ORDER), JSON, status=201),
}
ORDER: Json = {}
ON_EACH: Final = [(name, release) for name in CASES for release in ("r4", "r5") if name != "order" or release == "r4"]


@pytest.fixture
def release() -> str:
    return "r4"


@pytest.fixture
def there(service: Service, client: Client, order: Json, release: str) -> There:
    ORDER.clear()
    ORDER.update({name: value for name, value in order.items() if name != "order_id"})
    found = There(service, client, release, {})
    base = f"/fhir/{release}"
    for name, identifier in (("kept", [KNOWN]), ("other", [{**KNOWN, "value": "other"}])):
        made = client.put(f"{base}/Patient/{name}", {**PATIENT, "id": name, "identifier": identifier}, FHIR)
        assert made.status_code == 201
    made = client.post(f"{base}/{MR}", resource(found), FHIR)
    assert made.status_code == 201, made.text
    found.names["one"] = exact(made)["id"]
    made = client.post(f"{base}/Subscription", subscription(found), FHIR)
    assert made.status_code == 201, made.text
    found.names["subscription"] = exact(made)["id"]
    return found


def told(reply: TestResponse) -> tuple[Any, ...]:
    """All that an answer says, but for what is of this one exchange."""
    headers = {name: value for name, value in reply.headers if name != "X-Correlation-Id"}
    return reply.status_code, headers, reply.data


@on_sqlite
@pytest.mark.parametrize(("name", "release"), ON_EACH)
def test_a_change_sent_again_under_its_key_is_answered_as_it_was_first_and_happens_once_h5_h17(there: There, name: str):
    """At once, after others changed what it changed, and after a restart."""
    asked = CASES[name]
    first = there.send(asked, "k")
    assert first.status_code == asked.status, first.text
    after = there.state()
    assert told(there.send(asked, "k")) == told(first)
    assert there.state() == after
    there.change_everything()
    after = there.state()
    assert told(there.send(asked, "k")) == told(first)
    assert there.state() == after
    with there.restarted() as again:
        assert told(again.send(asked, "k")) == told(first)
        assert again.state() == after


@on_sqlite
@pytest.mark.parametrize(("name", "release"), ON_EACH)
def test_another_request_under_the_same_key_is_422_and_names_the_header(there: There, name: str):
    asked = CASES[name]
    assert there.send(asked, "k").status_code == asked.status
    after = there.state()
    for other in others(asked):
        refused = there.send(other, "k")
        assert (refused.status_code, issues(refused)[0]["code"]) == (422, "business-rule"), (other, refused.text)
        assert issues(refused)[0]["path"].endswith("Idempotency-Key")
    assert there.state() == after


def others(asked: Asked) -> list[Asked]:
    """Return the same to another address and with another condition or body."""
    found = [Asked("DELETE", "{base}/Patient/another", status=204)]
    if isinstance(asked.body, dict) and asked.body.get("resourceType") == "Patient":
        found.append(replace(asked, body={**asked.body, "birthDate": "1970"}))
    if asked.body is None:
        found.append(replace(asked, headers=(("If-Match", 'W/"7"'),)))
    if isinstance(asked.body, dict) and "entry" in asked.body:
        found.append(replace(asked, body={**asked.body, "entry": asked.body["entry"][:1]}))
    return found


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_the_same_request_under_another_key_is_another_one(there: There):
    first, second = (there.send(CASES["create"], key) for key in ("k", "k2"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["Location"] != second.headers["Location"]


@pytest.mark.parametrize(
    ("name", "release"), [(name, "r4") for name in ("create", "update", "patch that appends", "delete", "subscribe")]
)
def test_of_many_at_once_under_one_key_one_has_its_effect_and_all_get_its_answer_h5(there: There, name: str):
    asked = CASES[name]
    before = there.state()
    answers: list[tuple[Any, ...]] = []

    def send() -> None:
        answers.append(told(there.send(asked, "k")))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [answers[0]] * 8
    assert answers[0][0] == asked.status
    written = sum(there.state()[:2]) - sum(before[:2])
    assert written == 1


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_what_was_refused_is_not_kept_and_may_be_sent_put_right_under_its_key(there: There):
    base = f"/fhir/{there.release}"
    refused = there.send(Asked("POST", f"{base}/Patient", {**PATIENT, "gender": "?"}), "k")
    assert refused.status_code == 400
    assert there.send(CASES["create"], "k").status_code == 201


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_a_batch_that_was_cut_short_is_completed_under_its_key(there: There, monkeypatch: pytest.MonkeyPatch):
    asked = Asked("POST", "{base}", entries("batch", ("POST", "Patient", PATIENT), ("POST", "Patient", PATIENT)))
    real: Callable[..., Any] = inner.answer

    def dying(within: Any, one: Any, *more: Any) -> Any:
        if one.place == 1:
            raise KeyboardInterrupt
        return real(within, one, *more)

    before = there.state()[0]
    monkeypatch.setattr(bundle, "answer", dying)
    with pytest.raises(KeyboardInterrupt):
        there.send(asked, "k")
    monkeypatch.setattr(bundle, "answer", real)
    done = there.send(asked, "k")
    assert [one["response"]["status"] for one in exact(done)["entry"]] == ["201 Created"] * 2
    assert there.state()[0] == before + 2
