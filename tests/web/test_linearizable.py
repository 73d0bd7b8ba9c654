"""F28: what many clients see of one order through the FHIR interface has one order in time that explains all of it.

Each successful write makes the next version, so a history is linearizable (Herlihy and Wing, 1990) exactly where:
1. the versions written are 1, 2, 3 … without a gap, each written once, from the version that its If-Match named;
2. whatever was read is what that version says;
3. of two operations of which one ended before the other began, the later one sees no older version, and a later write
   makes a newer one;
4. a write that was refused as stale named a version that was not the newest all the while it ran.
A write of which no answer came may have happened or not; where it did, its version says so.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.web.app import create_app
from tests.counts import count
from tests.exact_json import dumps, loads
from tests.real.serving import Serving

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.service import Service

pytestmark = pytest.mark.timeout(count(900, 14_400))

Json = dict[str, Any]
FHIR = "application/fhir+json"
CLIENTS = 6
AT_ONCE = count(1, 4)
"""Orders that are worked on while the service is killed: to start it again takes longer than a history."""
PATH = "/fhir/r4/MedicationRequest"


@dataclass(frozen=True)
class Operation:
    """What one client did: ``version`` read or made, 0 where that is not known; ``named`` by If-Match."""

    kind: str
    begin: float
    end: float
    status: int
    version: int
    mark: str
    named: int = 0


@dataclass
class History:
    operations: list[Operation] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operation: Operation) -> None:
        with self.lock:
            self.operations.append(operation)


def order(value: str, mark: str) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "urn:linear", "value": value}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": "Patient/1"},
        "note": [{"text": mark}],
    }


def said(body: Json) -> tuple[int, str]:
    return int(body["meta"]["versionId"]), body["note"][0]["text"]


def client(call: Any, path: str, made: Json, number: int, operations: int, history: History) -> None:
    """Read and write one order, each write from the version read last."""
    dice = random.Random(f"{path}{number}")
    known = said(made)[0]
    for turn in range(operations):
        begin = time.monotonic()
        if dice.random() < 0.5:
            status, body = call("GET", path, None, "")
            end = time.monotonic()
            if status == 200:
                known, mark = said(body)
                history.add(Operation("read", begin, end, status, known, mark))
            continue
        mark = f"{number}-{turn}"
        changed = {**order(made["identifier"][0]["value"], mark), "id": made["id"]}
        status, body = call("PUT", path, changed, f'W/"{known}"')
        end = time.monotonic()
        version = said(body)[0] if status == 200 else 0
        history.add(Operation("write", begin, end, status, version, mark, known))
        known = version or known


def check(history: History, versions: dict[int, str]) -> None:
    """Demand that the history is linearizable; ``versions`` is what each version says now."""
    assert sorted(versions) == list(range(1, len(versions) + 1))
    writes = [one for one in history.operations if one.kind == "write" and one.version]
    assert len({one.version for one in writes}) == len(writes)
    unknown = {one.mark: one for one in history.operations if one.kind == "write" and one.status not in {200, 412}}
    for number, mark in versions.items():
        own = [one for one in writes if one.version == number]
        assert own or number == 1 or unknown[mark].named == number - 1
        assert all(one.mark == mark and one.named == number - 1 for one in own)
    for one in history.operations:
        if one.kind == "read":
            assert versions[one.version] == one.mark
    seen = [one for one in history.operations if one.version]
    for one in seen:
        for other in seen:
            if one.end < other.begin:
                assert one.version < other.version or (other.kind == "read" and one.version == other.version)
    made = {one.version: one for one in writes}
    for one in history.operations:
        if one.status == 412:
            following = made.get(one.named + 1)
            # Nobody began to replace that version before this write had ended: then it was the newest all the time.
            assert following is None or following.begin <= one.end
            assert following is not None or one.named + 1 in versions


def run(call: Any, value: str, operations: int) -> None:
    """Let clients work on one order at once, and check what they saw."""
    status, made = call("POST", PATH, order(value, "first"), "")
    assert status == 201
    path, history = f"{PATH}/{made['id']}", History()
    threads = [
        threading.Thread(target=client, args=(call, path, made, number, operations // CLIENTS, history))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status, newest = call("GET", path, None, "")
    assert status == 200
    versions = {}
    for number in range(1, said(newest)[0] + 1):
        status, body = call("GET", f"{path}/_history/{number}", None, "")
        assert status == 200
        versions[number] = said(body)[1]
    check(history, versions)
    assert len([one for one in history.operations if one.status == 200]) > operations // 4


def test_f28_what_many_clients_see_of_one_order_is_linearizable(service: Service):
    app = create_app(service)

    def call(method: str, path: str, body: Json | None, if_match: str) -> tuple[int, Json]:
        headers = {"If-Match": if_match} if if_match else {}
        reply = app.test_client(use_cookies=False).open(
            path, method=method, data=dumps(body) if body else None, content_type=FHIR, headers=headers
        )
        return reply.status_code, loads(reply.data)  # type: ignore[return-value]  # an object

    for turn in range(count(20, 200)):
        run(call, f"L-{turn}", count(120, 1000))


def test_f28_it_is_linearizable_though_the_service_is_killed_meanwhile(tmp_path: Path):
    serving = Serving(tmp_path, "")
    serving.start()

    def call(method: str, path: str, body: Json | None, if_match: str) -> tuple[int, Json]:
        headers = {"Content-Type": FHIR, **({"If-Match": if_match} if if_match else {})}
        for _ in range(600):
            try:
                reply = serving.call(method, path, body, headers)
            except (OSError, HTTPException):
                if method == "PUT":
                    return 0, {}  # it may have happened
                time.sleep(0.1)
                continue
            return reply.status, reply.json
        raise AssertionError("the service does not come back")

    def kill() -> None:
        time.sleep(0.5)
        serving.kill()
        serving.start()

    try:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for turn in range(count(5, 50)):
                orders = [f"K-{turn}-{number}" for number in range(AT_ONCE)]
                histories = [threads.submit(run, call, value, count(300, 1000)) for value in orders]
                kill()
                for history in histories:
                    history.result()
    finally:
        serving.stop()
