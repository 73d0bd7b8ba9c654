"""Notifications as a subscriber gets them: from a running service to an endpoint on loopback, with every fault."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import validate
from fhir_infusion.sync import notifications, retry
from tests.receiver import Receiver, kind_of, numbers_of, until
from tests.web.conftest import FHIR, exact
from tests.web.subscribing import Live, backported, plain, topical
from tests.web.test_fhir import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_infusion.translator import Translator
    from tests.postgresql import Server

Json = dict[str, Any]
MR = "/fhir/r4/MedicationRequest"
RELEASES = {"r4": "R4", "r4b": "R4B", "r5": "R5"}


@pytest.fixture
def live(tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(retry, "wait", lambda *_: timedelta(milliseconds=50))
    running = Live(f"sqlite:///{tmp_path}/live.db", translator)
    yield running
    running.close()


@pytest.fixture
def live_anywhere(database: str, translator: Translator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The same on each kind of database."""
    monkeypatch.setattr(retry, "wait", lambda *_: timedelta(milliseconds=50))
    running = Live(database, translator)
    yield running
    running.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as there:
        yield there


def ordered(live: Live, resource: Json, number: int) -> Json:
    reply = live.client.post(MR, numbered(resource, number), FHIR)
    assert reply.status_code == 201, reply.data
    found: Json = exact(reply)
    return found


def stopped(live: Live, order: Json) -> None:
    body = {**order, "status": "stopped"}
    version = order["meta"]["versionId"]
    assert live.client.put(f"{MR}/{order['id']}", body, FHIR, if_match=f'W/"{version}"').status_code == 200


def of_release(release: str, endpoint: str, content: str) -> Json:
    if release == "r5":
        return topical(endpoint, content=content)
    return backported(endpoint, "order-changed", content)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_topic_begins_with_a_handshake_and_tells_of_each_change(
    live: Live, receiver: Receiver, resource: Json, release: str, content: str
):
    address = live.subscribe(of_release(release, receiver.url, content), release)
    assert until(lambda: live.status(address) == "active")
    (handshake,) = receiver.bundles()
    assert (kind_of(handshake), numbers_of(handshake)) == ("handshake", [])
    order = ordered(live, resource, 1)
    assert until(lambda: len(receiver.bundles("event-notification")) == 1)
    (event,) = receiver.bundles("event-notification")
    assert numbers_of(event) == [1]
    assert [validate(fhir_json.read(one.raw), RELEASES[release]) for one in receiver.arrived] == [(), ()]
    for bundle in (handshake, event):
        assert bundle["type"] == ("subscription-notification" if release == "r5" else "history")
    told = str(event)
    focus = f"http://localhost/fhir/{release}/MedicationRequest/{order['id']}"
    assert (focus in told) == (content != "empty")
    assert ("order-changed" in told) == (content != "empty")
    entries = event["entry"][1:]
    assert len(entries) == (content == "full-resource")
    for entry in entries:
        assert entry["fullUrl"] == focus
        assert entry["resource"] == exact(live.client.get(f"/fhir/{release}/MedicationRequest/{order['id']}"))
        assert entry["request"] == {"method": "POST", "url": "MedicationRequest"}


def test_the_plain_form_of_r4_is_a_nudge_without_body_or_an_update_with_the_resource(
    live: Live, receiver: Receiver, resource: Json
):
    headers = {"header": ["Authorization: Bearer secret-of-the-client"]}
    nudged = live.subscribe(plain(receiver.url, "MedicationRequest?status=active", **headers), "r4")
    assert live.status(nudged) == "active"
    order = ordered(live, resource, 1)
    assert until(lambda: len(receiver.arrived) == 1)
    (nudge,) = receiver.arrived
    assert (nudge.method, nudge.path, nudge.body) == ("POST", "/hook", None)
    assert nudge.headers["authorization"] == "Bearer secret-of-the-client"
    live.subscribe(plain(receiver.url, "MedicationRequest?status=stopped", payload=FHIR), "r4")
    stopped(live, order)
    assert until(lambda: len(receiver.arrived) == 2)
    time.sleep(0.3)
    (_, whole) = receiver.arrived
    assert (whole.method, whole.path) == ("PUT", f"/hook/MedicationRequest/{order['id']}")
    assert whole.body == exact(live.client.get(f"{MR}/{order['id']}"))
    assert whole.headers["content-type"].startswith(FHIR)


def test_a_search_with_any_parameter_is_asked_of_the_changed_version_only(
    live: Live, receiver: Receiver, resource: Json
):
    live.subscribe(plain(receiver.url, "MedicationRequest?priority=stat&status=active", payload=FHIR), "r4")
    ordered(live, {**resource, "priority": "stat"}, 1)
    ordered(live, {**resource, "priority": "routine"}, 2)
    last = ordered(live, {**resource, "priority": "stat"}, 3)
    assert until(lambda: len(receiver.arrived) == 2)
    assert receiver.arrived[-1].body["id"] == last["id"]


def test_a_subscription_is_narrowed_by_patient_and_status(live: Live, receiver: Receiver, resource: Json):
    mine = {**resource, "subject": {"reference": "Patient/mine"}}
    other = {**resource, "subject": {"reference": "Patient/other"}}
    by = [{"filterParameter": "patient", "value": "Patient/mine"}, {"filterParameter": "status", "value": "active"}]
    address = live.subscribe(topical(receiver.url, filterBy=by))
    back = live.subscribe(
        backported(receiver.url, "order-changed", "id-only", "MedicationRequest?patient=mine&status=active"), "r4"
    )
    assert until(lambda: {live.status(address), live.status(back)} == {"active"})
    order = ordered(live, mine, 1)
    ordered(live, other, 2)
    stopped(live, order)
    ordered(live, mine, 3)
    assert until(lambda: sorted(receiver.numbers()) == [1, 1, 2, 2])


def test_a_stopped_order_and_a_reaction_are_topics_of_their_own(
    live: Live, receiver: Receiver, resource: Json, administration: Json
):
    with Receiver() as other:
        stops = live.subscribe(topical(receiver.url, "order-stopped"))
        reactions = live.subscribe(topical(other.url, "reaction-recorded"))
        assert until(lambda: {live.status(stops), live.status(reactions)} == {"active"})
        order = ordered(live, resource, 1)
        stopped(live, order)
        assert until(lambda: receiver.numbers() == [1])
        told = {**administration, "administration_id": "with-reaction"}
        told["reactions"] = [{"reaction_id": "r1", "what": {"text": "urticaria"}}]
        calm = {name: value for name, value in told.items() if name != "reactions"} | {"administration_id": "calm"}
        for body in (calm, told):
            reply = live.client.post("/api/administrations", body)
            assert reply.status_code == 201, reply.data
        assert until(lambda: other.numbers() == [1])
        again = {**told, "notes": [{"text": "seen by a nurse"}]} if "notes" not in told else told
        path = f"/api/administrations/{exact(reply)['id']}"
        assert live.client.put(path, again, if_match=reply.headers["ETag"]).status_code == 200
        time.sleep(0.3)
        assert other.numbers() == [1]


def test_events_that_an_endpoint_missed_come_in_order_once_it_is_back(live: Live, receiver: Receiver, resource: Json):
    address = live.subscribe(topical(receiver.url, maxCount=3))
    assert until(lambda: live.status(address) == "active")
    receiver.always = 500
    for number in range(8):
        ordered(live, resource, number)
    assert until(lambda: live.status(address) == "error")
    failing = len(receiver.arrived)
    receiver.always = 200
    assert until(lambda: live.status(address) == "active")
    got = [number for one in receiver.arrived[failing:] if one.body for number in numbers_of(one.body)]
    assert until(lambda: receiver.numbers()[-1] == 8)
    took = [numbers_of(one) for one in receiver.bundles("event-notification")]
    assert max(len(one) for one in took) <= 3
    seen: list[int] = []
    for one in receiver.numbers():
        assert one in {*seen, len(seen) + 1}, "an event came before the one before it"
        seen += [one] * (one not in seen)
    assert seen == list(range(1, 9))
    assert got


@pytest.mark.parametrize("fault", ["drop", 302, 404, 503, 3.0])
def test_a_notification_that_fails_comes_again_under_its_number(
    live: Live, receiver: Receiver, resource: Json, fault: float | str
):
    address = live.subscribe(topical(receiver.url, timeout=1))
    assert until(lambda: live.status(address) == "active")
    receiver.lies = deque([fault, fault])
    ordered(live, resource, 1)
    assert until(lambda: len(receiver.numbers()) == 3)
    time.sleep(0.4)
    assert receiver.numbers() == [1, 1, 1]
    assert live.status(address) == "active"
    assert all(one.path == "/hook" for one in receiver.arrived), "a redirect was followed"


def test_a_handshake_that_is_refused_makes_an_error_and_no_event_is_counted(
    live: Live, receiver: Receiver, resource: Json
):
    receiver.always = 403
    address = live.subscribe(backported(receiver.url), "r4")
    assert until(lambda: live.status(address) == "error")
    assert exact(live.client.get(address))["error"] == "the endpoint answered 403"
    ordered(live, resource, 1)
    time.sleep(0.2)
    receiver.always = 200
    assert until(lambda: live.status(address) == "active")
    assert "error" not in exact(live.client.get(address))
    ordered(live, resource, 2)
    assert until(lambda: receiver.numbers() == [1])


def test_a_service_that_restarts_goes_on_where_it_was(live: Live, receiver: Receiver, resource: Json):
    address = live.subscribe(topical(receiver.url))
    assert until(lambda: live.status(address) == "active")
    receiver.always = 500
    for number in range(4):
        ordered(live, resource, number)
    live.restart()
    ordered(live, resource, 5)
    receiver.always = 200
    assert until(lambda: receiver.numbers()[-1:] == [5])
    assert set(receiver.numbers()) == {1, 2, 3, 4, 5}
    assert until(lambda: live.status(address) == "active")


def test_four_parallel_writers_and_a_restart_give_numbers_without_gaps_or_repeats(
    live_anywhere: Live, receiver: Receiver, resource: Json
):
    live = live_anywhere
    address = live.subscribe(topical(receiver.url, maxCount=7))
    assert until(lambda: live.status(address) == "active")
    failures: list[BaseException] = []

    def write(writer: int, half: int) -> None:
        try:
            for number in range(10):
                ordered(live, resource, 1000 * half + 100 * writer + number)
                # A refused change takes no number.
                bad = {**resource, "status": "no-such-status"}
                assert live.client.post(MR, bad, FHIR).status_code == 400
        except BaseException as failure:  # noqa: BLE001  told by the test
            failures.append(failure)

    for half in (1, 2):
        writers = [threading.Thread(target=write, args=(writer, half)) for writer in range(4)]
        for one in writers:
            one.start()
        for one in writers:
            one.join()
        if half == 1:
            live.restart()
    assert failures == []
    assert until(lambda: receiver.numbers()[-1:] == [80], 20)
    assert receiver.numbers() == list(range(1, 81))
    again = exact(live.client.get(f"{address}/$events?eventsSinceNumber=1"))
    assert numbers_of(again) == list(range(1, 81))


def test_a_stop_is_told_within_two_seconds_behind_many_others(live: Live, receiver: Receiver, resource: Json):
    with Receiver() as slow:
        slow.always = 1.5
        busy = [
            live.subscribe(plain(slow.url, "MedicationRequest?status=active", payload=FHIR), "r4") for _ in "x" * 20
        ]
        stops = live.subscribe(topical(receiver.url, "order-stopped"))
        assert until(lambda: live.status(stops) == "active")
        orders = [ordered(live, resource, number) for number in range(6)]
        assert until(lambda: len(slow.arrived) >= 8)
        begun = time.monotonic()
        stopped(live, orders[3])
        assert until(lambda: receiver.numbers() == [1], 4)
        assert receiver.arrived[-1].at - begun < 2
        for address in busy:
            live.client.flask.delete(address)


def test_a_heartbeat_is_sent_where_nothing_happens(live: Live, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fhir_infusion.fhir.subscriptions.LEAST_HEARTBEAT", 1)
    address = live.subscribe(topical(receiver.url, heartbeatPeriod=1))
    assert until(lambda: len(receiver.bundles("heartbeat")) == 2)
    assert [validate(fhir_json.read(one.raw), "R5") for one in receiver.arrived[:3]] == [()] * 3
    assert live.status(address) == "active"


def test_a_subscription_ends_when_it_is_to(live: Live, receiver: Receiver, resource: Json):
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    address = live.subscribe(topical(receiver.url, end=end))
    assert until(lambda: live.status(address) == "active")
    assert until(lambda: live.status(address) == "off")
    ordered(live, resource, 1)
    time.sleep(0.3)
    assert receiver.numbers() == []


def test_a_subscription_that_is_off_is_silent_and_one_requested_anew_goes_on(
    live: Live, receiver: Receiver, resource: Json
):
    address = live.subscribe(topical(receiver.url))
    assert until(lambda: live.status(address) == "active")
    ordered(live, resource, 1)
    assert until(lambda: receiver.numbers() == [1])
    body = exact(live.client.get(address))
    assert live.client.put(address, {**body, "status": "off"}, FHIR).status_code == 200
    ordered(live, resource, 2)
    body = exact(live.client.put(address, {**body, "status": "requested"}, FHIR))
    assert until(lambda: live.status(address) == "active")
    ordered(live, resource, 3)
    assert until(lambda: receiver.numbers() == [1, 2])
    assert len(receiver.bundles("handshake")) == 2


def test_what_a_release_cannot_say_is_told_of_without_the_resource(live: Live, receiver: Receiver, resource: Json):
    address = live.subscribe(backported(receiver.url, "order-stopped", "full-resource"), "r4")
    assert until(lambda: live.status(address) == "active")
    order = ordered(live, resource, 1)
    path = f"/fhir/r5/MedicationRequest/{order['id']}"
    body = exact(live.client.get(path))
    reply = live.client.put(path, {**body, "status": "ended"}, FHIR, if_match='W/"1"')
    assert reply.status_code == 200, reply.data
    assert until(lambda: receiver.numbers() == [1])
    (event,) = receiver.bundles("event-notification")
    assert len(event["entry"]) == 1
    assert order["id"] in str(event["entry"][0])
    assert validate(fhir_json.read(receiver.arrived[-1].raw), "R4") == ()


def test_an_endpoint_that_takes_longer_than_a_lease_is_told_by_one_process_and_once(
    postgresql_server: Server,
    receiver: Receiver,
    resource: Json,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(notifications, "LEASE_SECONDS", 1)
    url = postgresql_server.emptied()
    one, other = Live(url, translator), Live(url, translator)
    try:
        address = one.subscribe(topical(receiver.url, content="id-only"))
        assert until(lambda: one.status(address) == "active")
        receiver.lies.append(4.0)
        for number in range(3):
            ordered(other, resource, number)
        assert until(lambda: receiver.numbers()[-1:] == [3])
        time.sleep(0.5)
        assert receiver.numbers() == [1, 2, 3]
        receiver.lies.append(4.0)
        ordered(one, resource, 3)
        assert until(lambda: receiver.numbers()[-1:] == [4])
        one.close()  # what is being sent is waited for, and kept meanwhile
        other.close()
        assert receiver.numbers() == [1, 2, 3, 4]
    finally:
        one.close()
        other.close()
