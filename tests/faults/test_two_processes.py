"""Two processes of one ``serve``: what one of them was told the other knows at once, and goes on with where one dies."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from http.client import HTTPException
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from tests.counts import count
from tests.documents import base_documents
from tests.exact_json import loads
from tests.faults.rig import order as record_of
from tests.faults.sides import FHIR, Side, sides
from tests.fhir.kit import order
from tests.real.serving import Serving, eventually
from tests.receiver import Receiver, until
from tests.web import test_linearizable
from tests.web.subscribing import plain, topical

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests import postgresql

pytestmark = pytest.mark.timeout(count(900, 7200))

MR = "/fhir/r4/MedicationRequest"
SYSTEM = "urn:test:two"
Json = dict[str, Any]
Both = list[tuple[str, Side]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    url = ""
    if request.param == "postgresql":
        server: postgresql.Server = request.getfixturevalue("postgresql_server")
        url = server.database()
    one = Serving(tmp_path_factory.mktemp("two"), "", url, processes=2)
    one.start()
    eventually(lambda: one.log.read_text().count('"serving"') == 2)
    yield one
    one.kill()


@pytest.fixture
def both(serving: Serving) -> Iterator[Both]:
    with sides(serving) as found:
        yield found


def named(value: str, **changed: Any) -> Json:
    body = order(identifier=[{"system": SYSTEM, "value": value}], **changed)
    del body["id"]
    return body


def test_what_one_process_acknowledged_the_other_says_at_once_whatever_it_is_asked(both: Both):
    (_, one), (_, other) = both
    for turn in range(20):
        here, there = (one, other) if turn % 2 else (other, one)
        value = f"turn-{turn}"
        made = here.ask("POST", MR, named(value))
        assert made.status == 201, made.text
        id_ = made.body["id"]
        address = f"{MR}/{id_}"
        assert there.ask("GET", address).body == made.body
        (entry,) = there.ask("GET", f"{MR}?identifier={SYSTEM}|{value}").body["entry"]
        assert entry["resource"] == made.body
        again = there.ask("POST", MR, named(value), If_None_Exist=f"identifier={SYSTEM}|{value}")
        assert (again.status, again.body["id"]) == (200, id_)
        changed = {**made.body, "note": [{"text": "changed"}]}
        second = there.ask("PUT", address, changed, If_Match='W/"1"')
        assert (second.status, second.headers["etag"]) == (200, 'W/"2"'), second.text
        assert here.ask("PUT", address, changed, If_Match='W/"1"').status == 412
        assert here.ask("GET", address, If_None_Match='W/"1"').body == second.body
        assert here.ask("GET", address, If_None_Match='W/"2"').status == 304
        path = [{"op": "replace", "path": "/note/0/text", "value": "third"}]
        third = here.ask("PATCH", address, path, If_Match='W/"2"', Content_Type="application/json-patch+json")
        assert (third.status, third.body["note"]) == (200, [{"text": "third"}]), third.text
        history = there.ask("GET", f"{address}/_history").body
        assert [one["resource"]["meta"]["versionId"] for one in history["entry"]] == ["3", "2", "1"]
        assert there.ask("GET", f"{address}/_history/1").body == made.body
        stopped = there.ask("PUT", address, {**third.body, "status": "stopped"}, If_Match='W/"3"')
        assert stopped.status == 200, stopped.text
        assert here.ask("DELETE", address, If_Match='W/"4"').status in {200, 204}
        assert there.ask("GET", address).status == 410
        assert "entry" not in there.ask("GET", f"{MR}?identifier={SYSTEM}|{value}").body


def test_an_order_of_our_json_is_one_order_at_both_processes(both: Both):
    (_, one), (_, other) = both
    for turn in range(10):
        here, there = (one, other) if turn % 2 else (other, one)
        record = record_of(f"ours-{turn}")
        first = here.ask("POST", "/api/orders", record, Content_Type="application/json")
        again = there.ask("POST", "/api/orders", record, Content_Type="application/json")
        assert (first.status, again.status) == (201, 200), again.text
        assert again.body["id"] == first.body["id"]
        assert (
            here.ask("GET", f"/api/orders?order_id=ours-{turn}").body
            == there.ask("GET", f"/api/orders?order_id=ours-{turn}").body
        )


def test_a_key_that_one_process_answered_is_answered_the_same_at_the_other(both: Both):
    (_, one), (_, other) = both
    key = {"Idempotency_Key": "once-at-both"}
    first, again = (side.ask("POST", MR, named("keyed"), **key) for side in (one, other))
    assert (again.status, again.headers["location"], again.body) == (
        first.status,
        first.headers["location"],
        first.body,
    )
    assert other.ask("POST", MR, named("another"), **key).status == 422
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": named(f"together-{number}"), "request": {"method": "POST", "url": "MedicationRequest"}}
            for number in range(20)
        ],
    }
    key = {"Idempotency_Key": "together-at-both"}
    first, again = (side.ask("POST", "/fhir/r4", bundle, **key) for side in (other, one))
    assert (first.status, again.status, again.body["entry"]) == (200, 200, first.body["entry"])
    found = one.ask("GET", f"{MR}?_count=100&_elements=identifier").body["entry"]
    values = [entry["resource"]["identifier"][0]["value"] for entry in found if "identifier" in entry["resource"]]
    assert len([value for value in values if value.startswith("together-")]) == 20


def lines_of(side: Side, address: str) -> list[str]:
    answer = side.ask("GET", address)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/fhir+ndjson"), answer.text
    return answer.text.splitlines()


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_an_export_is_asked_at_one_process_and_fetched_at_the_other_also_where_the_one_dies_in_the_middle(
    serving: Serving,
):
    long = [{"text": f"{number} " + "x" * 9_000} for number in range(20)]
    with sides(serving) as ((_, one), (_, other)):
        made = [one.ask("POST", MR, named(f"long-{number}", note=long)).body for number in range(60)]
        begun = one.ask("GET", "/fhir/r4/$export?_type=MedicationRequest", Prefer="respond-async")
        assert begun.status == 202
        status = path_of(begun.headers["content-location"])
        assert (
            other.ask("PUT", f"{MR}/{made[0]['id']}", {**made[0], "status": "stopped"}, If_Match='W/"1"').status == 200
        )
        manifest = other.ask("GET", status)
        assert manifest.status == 200
        (output,) = manifest.body["output"]
        file = path_of(output["url"])
        whole = lines_of(other, file)
        told: list[Any] = [loads(line) for line in whole]
        assert {body["id"] for body in made} <= {body["id"] for body in told}
        # As it was when it was asked for, though the other process has changed it since.
        assert [body["status"] for body in told if body["id"] == made[0]["id"]] == ["active"]
        reading = one.opened("GET", file)
        assert reading.read(100_000).decode()[:50] == whole[0][:50]
        os.kill(int(one.process(serving.workers())), signal.SIGKILL)
        assert lines_of(other, file) == whole
    with sides(serving) as ((_, one), (_, other)):
        assert lines_of(one, file) == whole
        assert lines_of(other, file) == whole
        assert one.ask("DELETE", status).status == 202
        assert [other.ask("GET", address).status for address in (status, file)] == [404, 404]


def writing(side: Side, first: int, number: int) -> None:
    for value in range(first, first + number):
        assert side.ask("POST", MR, named(f"event-{value}")).status == 201


def test_subscribers_get_each_event_once_and_in_order_while_both_processes_write_and_their_endpoint_fails(both: Both):
    (_, one), (_, other) = both
    with Receiver() as there, Receiver() as plainly:
        body = topical(there.url, content="id-only", maxCount=1, heartbeatPeriod=30)
        made = one.ask("POST", "/fhir/r5/Subscription", body)
        simple = other.ask(
            "POST", "/fhir/r4/Subscription", plain(plainly.url, "MedicationRequest?status=active", payload=FHIR)
        )
        assert (made.status, simple.status) == (201, 201), made.text + simple.text
        address, simply = f"/fhir/r5/Subscription/{made.body['id']}", f"/fhir/r4/Subscription/{simple.body['id']}"
        for side in (one, other):
            assert until(lambda side=side: side.ask("GET", address).body["status"] == "active")
            assert until(lambda side=side: side.ask("GET", simply).body["status"] == "active")
        there.lies += [500, "drop", 503]
        threads = [threading.Thread(target=writing, args=(side, 100 * n, 20)) for n, (_, side) in enumerate(both)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert until(lambda: set(there.numbers()) == set(range(1, 41)), 60), there.numbers()
        numbers = there.numbers()
        # An event that was refused, or of which no answer was read, comes again before any other.
        assert sorted(set(numbers)) == list(dict.fromkeys(numbers))
        assert len(numbers) == 43
        assert until(lambda: len(plainly.arrived) == 40, 30)
        assert len({one.path for one in plainly.arrived}) == 40
        for side in (one, other):
            told = side.ask("GET", f"{address}/$status").body["entry"][0]["resource"]
            assert int(told["eventsSinceSubscriptionStart"]) == 40
        assert [side.ask("DELETE", path).status for side, path in ((one, simply), (other, address))] == [204, 204]
        assert [side.ask("GET", path).status for side, path in ((other, simply), (one, address))] == [404, 404]


def test_the_events_of_a_process_that_was_killed_while_it_told_of_them_are_told_by_the_other(serving: Serving):
    with Receiver() as there:
        with sides(serving) as both:
            (_, one), (_, other) = both
            made = one.ask("POST", "/fhir/r5/Subscription", topical(there.url, content="id-only", timeout=2))
            address = f"/fhir/r5/Subscription/{made.body['id']}"
            assert until(lambda: one.ask("GET", address).body["status"] == "active")
            there.always = 1.5
            writing(one, 1000, 1)
            assert until(lambda: len(there.bundles("event-notification")) == 1)
            for pid, _ in both:
                os.kill(int(pid), signal.SIGKILL)
            there.always = 200
        with sides(serving) as ((_, one), (_, other)):
            writing(other, 1001, 1)
            assert until(lambda: set(there.numbers()) == {1, 2}, 45), there.numbers()
            assert one.ask("DELETE", address).status == 204


def counted(side: Side, route: str) -> int:
    text = side.ask("GET", "/metrics").text
    found = [line for line in text.splitlines() if line.startswith("fhir_infusion_requests_total") and route in line]
    return sum(int(line.rpartition(" ")[2]) for line in found)


def test_each_process_tells_what_both_have_answered_also_after_one_died(serving: Serving):
    route, form = "/<fhir_type>/_search", {"Content_Type": "application/x-www-form-urlencoded"}
    with sides(serving) as both:
        (pid, one), (_, other) = both
        before = counted(one, route)
        for number, (_, side) in enumerate(both):
            answers = [side.ask("POST", f"{MR}/_search", "_count=1", **form) for _ in range(3 + number)]
            assert [answer.status for answer in answers] == [200] * (3 + number)
        assert [counted(side, route) - before for _, side in both] == [7, 7]
        os.kill(int(pid), signal.SIGKILL)
        assert counted(other, route) - before == 7
    with sides(serving) as both:
        assert [counted(side, route) - before for _, side in both] == [7, 7]


class Poster(threading.Thread):
    """Posts orders over one connection after the other, until the service does not answer any more."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._port = port
        self.statuses: set[int] = set()
        self.acknowledged: dict[str, str] = {}
        self.doubtful = ""

    def run(self) -> None:
        number = 0
        while True:
            try:
                side = Side(self._port)
            except OSError:
                return
            try:
                while True:
                    self.doubtful = f"{self.name}-{number}"
                    record = record_of(self.doubtful)
                    answer = side.ask("POST", "/api/orders", record, Content_Type="application/json")
                    self.statuses.add(answer.status)
                    if answer.status == 201:
                        self.acknowledged[self.doubtful] = answer.body["id"]
                        number += 1
            except (OSError, HTTPException):
                continue
            finally:
                side.close()


def test_what_was_acknowledged_until_the_service_was_told_to_end_is_there_and_what_was_not_is_not_doubled(
    serving: Serving,
):
    posters = [Poster(serving.port, f"ending-{number}") for number in range(8)]
    for poster in posters:
        poster.start()
    assert until(lambda: all(len(poster.acknowledged) >= 3 for poster in posters), 60)
    serving.stop()
    for poster in posters:
        poster.join(60)
        assert not poster.is_alive()
        assert poster.statuses <= {201, 503}
    assert '"fault"' not in serving.log.read_text()
    serving.start()
    eventually(lambda: len(serving.workers()) == 2)
    with sides(serving) as ((_, one), (_, other)):
        for poster in posters:
            again = other.ask("POST", "/api/orders", record_of(poster.doubtful), Content_Type="application/json")
            assert again.status in {200, 201}
            for name, id_ in {**poster.acknowledged, poster.doubtful: again.body["id"]}.items():
                found = one.ask("GET", f"/api/orders/{id_}").body
                assert (found["record"]["order_id"], found["version"]) == (name, "1")
                assert [entry["id"] for entry in one.ask("GET", f"/api/orders?order_id={name}").body["items"]] == [id_]


@pytest.mark.timeout(900)
def test_documents_that_one_process_is_told_to_read_anew_are_used_by_both_and_wrong_ones_by_none(tmp_path: Path):
    directory = tmp_path / "mappings"
    document = base_documents(directory)
    right = document.read_text()
    one = Serving(tmp_path, f'mappings = "{directory}"\n', processes=2)
    try:
        one.start()
        eventually(lambda: one.log.read_text().count('"serving"') == 2)
        with sides(one) as ((_, here), (_, there)):
            before = in_use(here)
            assert in_use(there) == before
            document.write_text(f"{right}# a word of the site\n")
            os.kill(int(one.pid), signal.SIGHUP)
            after = eventually(lambda: (found := in_use(here)) != before and found, 180)
            eventually(lambda: in_use(there) == after, 180)
            document.write_text("pears: {}")
            refused = here.ask("POST", "/api/mappings/reload", "")
            assert refused.status == 422
            assert "r4/infusion-order.yaml:1" in refused.text
            os.kill(int(one.pid), signal.SIGHUP)
            eventually(lambda: one.log.read_text().count('"mappings-refused"') == 3, 180)
            assert [in_use(here), in_use(there)] == [after, after]
            document.write_text(right)
            assert here.ask("POST", "/api/mappings/reload", "").status == 200
            assert in_use(here) == before
            eventually(lambda: in_use(there) == before, 180)
            assert [side.ask("GET", "/health/ready").status for side in (here, there)] == [200, 200]
    finally:
        one.kill()


def in_use(side: Side) -> str:
    return str(side.ask("GET", "/api/mappings").body["digest"])


@contextmanager
def by_turns(port: int) -> Iterator[Any]:
    """Give what asks over four connections a thread, by turns, each of which leads to either process."""
    mine, opened = threading.local(), list[Side]()

    def call(method: str, path: str, body: Json | None, if_match: str) -> tuple[int, Any]:
        if not hasattr(mine, "turns"):
            own = [Side(port) for _ in range(4)]
            opened.extend(own)
            mine.turns = cycle(own)
        answer = next(mine.turns).ask(method, path, body, **({"If_Match": if_match} if if_match else {}))
        return answer.status, answer.body

    try:
        yield call
    finally:
        for side in opened:
            side.close()


def test_f28_what_clients_that_ask_both_processes_by_turns_see_of_one_order_is_linearizable(serving: Serving):
    for turn in range(count(2, 40)):
        with by_turns(serving.port) as call:
            test_linearizable.run(call, f"T-{turn}", count(120, 1000))
