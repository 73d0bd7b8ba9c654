"""The main job against a real server: what is posted to the service as run reaches HAPI, and what changes there comes back.

The orders and administrations are those of the golden therapies, under identifiers of this run.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests import exact_json
from tests.real.serving import Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.real.server import Hapi, Reply

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(1800)]  # the first start may fetch the server

GOLDEN = Path(__file__).parent.parent / "golden"
EXAMPLE = "https://example.org/fhir-infusion"
DOBUTAMINE = "33-dobutamine-titration"
SETTINGS = """
order_system = "{own}/orders"
administration_system = "{own}/administrations"
[remotes.hapi]
base_url = "{hapi}"
poll_seconds = 1
deadline_seconds = 20
"""


class World:
    """The service, HAPI, and the namespace of this run."""

    def __init__(self, directory: Path, hapi: Hapi) -> None:
        """Prepare; start nothing."""
        self.hapi = hapi
        self.own = f"https://run-{uuid4()}.example"
        self.serving = Serving(directory, SETTINGS.format(own=self.own, hapi=hapi.base))

    def golden(self, path: Path, name: str = "") -> str:
        """Return a golden file under identifiers of this run; ``name`` sets its own records apart from other tests."""
        text = path.read_text(encoding="utf-8").replace(EXAMPLE, self.own)
        return text.replace("3301", f"3301-{name}") if name else text

    def post(self, path: str, body: str) -> Any:
        media = {"Content-Type": "application/fhir+json"} if path.startswith("/fhir") else {}
        reply = self.serving.call("POST", path, body, media)
        assert reply.status == 201, reply.text
        return reply.json

    def there(self, type_: str, kind: str, value: str) -> list[dict[str, Any]]:
        """Return what has an identifier of this run in HAPI."""
        return self.hapi.all(f"{type_}?identifier={quote(f'{self.own}/{kind}|{value}', safe='')}")

    def one(self, type_: str, kind: str, value: str) -> dict[str, Any]:
        """Wait for exactly one such resource, and return it."""
        found: list[dict[str, Any]] = eventually(lambda: self.there(type_, kind, value))
        assert len(found) == 1
        return found[0]

    def states(self) -> Counter[str]:
        """Return how many rows of the outbox are in which state, looked at from outside."""
        database = self.serving.log.parent / "service.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return Counter(state for (state,) in connection.execute("select state from outbox"))

    def acknowledged(self) -> None:
        """Wait until every row of the outbox is acknowledged."""
        eventually(lambda: not {"pending", "leased", "sent", "unknown"} & set(self.states()), 120)
        assert set(self.states()) == {"acked"}


@pytest.fixture(scope="module")
def world(hapi: Hapi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one = World(tmp_path_factory.mktemp("serving"), hapi)
    one.serving.start()
    yield one
    one.serving.stop()


def test_orders_posted_as_our_json_and_as_fhir_reach_hapi_once_each(world: World):
    posted = {}
    for number, path in enumerate(sorted(GOLDEN.glob("*/order*.r4.json"))):
        record = json.loads(world.golden(path.with_suffix("").with_suffix(".json")))
        if number % 2:
            world.post("/fhir/r4/MedicationRequest", world.golden(path))
        else:
            world.post("/api/orders", world.golden(path.with_suffix("").with_suffix(".json")))
        posted[record["order_id"]] = (path, record["patient"]["identifier"]["value"])
    world.acknowledged()
    for order_id, (path, patient) in posted.items():
        there = world.one("MedicationRequest", "orders", order_id)
        wanted = exact_json.loads(world.golden(path))
        assert isinstance(wanted, dict)
        for element in ("status", "intent", "dosageInstruction", "contained", "extension", "authoredOn", "reasonCode"):
            assert there.get(element) == wanted.get(element), (path.parent.name, element)
        (person,) = world.there("Patient", "patients", patient)
        assert there["subject"]["reference"] == f"Patient/{person['id']}"
    assert "altered" not in world.serving.log.read_text(encoding="utf-8")


def test_rate_changes_of_a_dobutamine_infusion_reach_hapi_as_linked_administrations(world: World):
    name = uuid4().hex[:8]
    folder = GOLDEN / DOBUTAMINE
    world.post("/api/orders", world.golden(folder / "order.json", name))
    whole = exact_json.loads(world.golden(folder / "administration-3-running.json", name))
    assert isinstance(whole, dict)
    last = whole["segments"][-1]
    first = {
        **whole,
        "segments": [{k: v for k, v in whole["segments"][0].items() if k not in {"end", "dose", "volume"}}],
    }
    given = world.post("/api/administrations", exact_json.dumps(first))
    world.one("MedicationAdministration", "administrations", whole["administration_id"])
    path = f"/api/administrations/{given['id']}"
    before = world.serving.call("GET", path)
    reply = world.serving.call("PUT", path, exact_json.dumps(whole), {"If-Match": before.headers["etag"]})
    assert reply.status == 200, reply.text
    world.acknowledged()
    order = world.one("MedicationRequest", "orders", f"ORD-3301-{name}")
    parent = world.one("MedicationAdministration", "administrations", whole["administration_id"])
    assert parent["request"]["reference"] == f"MedicationRequest/{order['id']}"
    for segment in whole["segments"]:
        child = world.one(
            "MedicationAdministration", "administrations", f"{whole['administration_id']}#{segment['segment_id']}"
        )
        assert child["partOf"][0]["reference"] == f"MedicationAdministration/{parent['id']}"
        assert child["request"]["reference"] == f"MedicationRequest/{order['id']}"
        assert child["dosage"]["rateQuantity"]["value"] == segment["rate"]["value"]
        assert child["subject"]["reference"] == order["subject"]["reference"]
    assert last["segment_id"] != first["segments"][0]["segment_id"]


def test_an_order_changed_in_hapi_comes_back_and_is_not_sent_again(world: World):
    name = uuid4().hex[:8]
    placed = world.post("/api/orders", world.golden(GOLDEN / DOBUTAMINE / "order.json", name))
    there = world.one("MedicationRequest", "orders", f"ORD-3301-{name}")
    changed = {**there, "status": "on-hold", "note": [{"text": "line lost, restart after new access"}]}
    reply = world.hapi.call(
        "PUT", f"MedicationRequest/{there['id']}", changed, {"If-Match": f'W/"{there["meta"]["versionId"]}"'}
    )
    assert reply.status == 200

    def ours() -> Reply | None:
        answer = world.serving.call("GET", f"/fhir/r4/MedicationRequest/{placed['id']}")
        return answer if answer.json["status"] == "on-hold" else None

    back = eventually(ours).json
    assert back["note"] == [{"text": "line lost, restart after new access"}]
    assert back["dosageInstruction"] == there["dosageInstruction"]
    assert back["subject"]["identifier"]["value"] == f"MRN-3301-{name}"
    assert "reference" not in back["subject"]
    time.sleep(3)  # three polls
    there = world.one("MedicationRequest", "orders", f"ORD-3301-{name}")
    assert there["meta"]["versionId"] == "2"
    assert world.serving.call("GET", f"/fhir/r4/MedicationRequest/{placed['id']}").json["meta"]["versionId"] == "2"


def test_an_administration_created_in_hapi_is_pulled_and_linked_to_our_order(world: World):
    name = uuid4().hex[:8]
    placed = world.post("/api/orders", world.golden(GOLDEN / DOBUTAMINE / "order.json", name))
    there = world.one("MedicationRequest", "orders", f"ORD-3301-{name}")
    value = str(uuid4())
    made = world.hapi.call(
        "POST",
        "MedicationAdministration",
        '{"resourceType": "MedicationAdministration", "status": "completed",'
        f' "identifier": [{{"system": "https://pump.example/given", "value": "{value}"}}],'
        f' "medicationCodeableConcept": {{"text": "dobutamine"}}, "subject": {{"reference": "{there["subject"]["reference"]}"}},'
        f' "request": {{"reference": "MedicationRequest/{there["id"]}"}}, "effectiveDateTime": "2026-01-15T11:00:00+01:00",'
        ' "dosage": {"dose": {"value": 4.50, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}}',
    )
    assert made.status == 201, made.text
    search = f"/fhir/r4/MedicationAdministration?identifier=https://pump.example/given%7C{value}"
    found = eventually(lambda: world.serving.call("GET", search).json.get("entry"))
    assert len(found) == 1
    ours = found[0]["resource"]
    assert ours["request"]["reference"] == f"MedicationRequest/{placed['id']}"
    assert ours["dosage"]["dose"]["value"] == exact_json.Written("4.50")
    assert ours["subject"]["identifier"]["value"] == f"MRN-3301-{name}"
    time.sleep(3)
    assert len(world.hapi.all(f"MedicationAdministration?identifier=https://pump.example/given%7C{value}")) == 1


@pytest.mark.parametrize("step", ["push.sending", "push.answered", "push.before-commit"])
def test_f2_killing_the_process_between_send_and_acknowledgement_doubles_and_loses_nothing(
    hapi: Hapi, tmp_path: Path, step: str
):
    world = World(tmp_path, hapi)
    world.serving.start(f"{step}:2")
    first = world.serving.workers()
    folder = GOLDEN / DOBUTAMINE
    names = [uuid4().hex[:8] for _ in range(3)]
    accepted = []
    for name in names:
        try:
            world.post("/api/orders", world.golden(folder / "order.json", name))
        except (OSError, AssertionError):
            continue  # it died before it answered: not accepted, but perhaps stored
        accepted.append(name)
    eventually(lambda: world.serving.workers() != first)  # it has died at the step
    world.serving.kill()
    world.serving.start()
    for name in names:
        if name not in accepted:  # a client repeats what was not answered; the same order is one order
            reply = world.serving.call("POST", "/api/orders", world.golden(folder / "order.json", name))
            assert reply.status in {200, 201}, reply.text
    world.acknowledged()
    for name in names:
        there = world.one("MedicationRequest", "orders", f"ORD-3301-{name}")
        assert there["meta"]["versionId"] == "1"
        assert len(world.there("Patient", "patients", f"MRN-3301-{name}")) == 1
    world.serving.stop()
