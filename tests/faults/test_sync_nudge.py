"""A peer that tells of a change: it is applied here at once, whatever else is sent to that address."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_infusion.errors import Refused, SettingsError
from fhir_infusion.sync import subscribing, worker
from fhir_infusion.web.app import create_app
from tests.counts import count
from tests.faults.exporting import an_order
from tests.faults.peer import Act, Asked, Peer
from tests.faults.rig import Clock, Rig, open_rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "MedicationRequest"
SECRET = "a-token-of-the-hook"


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object, **__: object) -> None:
        pass


class World:
    """A service with its worker and its address, and a peer that is polled every ten minutes."""

    def __init__(self, database: Path, folder: Path) -> None:
        (folder / "hook.token").write_text(SECRET)
        self.there = Peer()
        clock = Clock()
        self.rig: Rig = open_rig(self.there, database, clock)
        remote = replace(
            self.rig.service.settings.remotes[0],
            poll_seconds=600,
            hook_base="http://127.0.0.1:1",
            hook_token_file=folder / "hook.token",
        )
        settings = replace(self.rig.service.settings, remotes=(remote,))
        self.service = replace(self.rig.service, clock=lambda: datetime.now(UTC), settings=settings)
        self.worker = worker.Worker(self.service)
        app = create_app(self.service, worker=self.worker)
        self.server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def send(self, path: str, method: str = "POST", body: bytes = b"", token: str = f"Bearer {SECRET}") -> int:
        url = f"http://127.0.0.1:{self.server.server_port}{path}"
        headers = {"Content-Type": "application/fhir+json", **({"Authorization": token} if token else {})}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=20) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def feeds(self) -> int:
        """Return how often the orders there were asked for."""
        return len([one for one in list(self.there.asked) if one.type == MR and not one.id])

    def close(self) -> None:
        self.worker.stop()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.rig.close()
        self.there.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "rig.db", tmp_path)
    yield one
    one.close()


def within(seconds: float, what: Callable[[], object]) -> float:
    since = time.monotonic()
    while not what():
        assert time.monotonic() - since < seconds
        time.sleep(0.02)
    return time.monotonic() - since


@pytest.mark.parametrize(("method", "path"), [("POST", "/hooks/peer"), ("PUT", "/hooks/peer/MedicationRequest/9")])
def test_s8_a_change_that_the_peer_tells_of_is_applied_within_two_seconds_though_it_is_polled_every_ten_minutes(
    world: World, method: str, path: str
):
    patient = world.there.put({"resourceType": "Patient", "identifier": [{"system": "urn:m", "value": "1"}]})
    world.worker.start()
    within(30, lambda: world.worker.health()[0].pulled_at)
    times = []
    for number in range(3):
        time.sleep(1)
        world.there.put(an_order(number, patient["id"]))
        before = len(world.rig.ids())
        assert world.send(path, method, b'{"resourceType":"MedicationRequest","status":"CANARY"}') == 204
        times.append(within(20, lambda: len(world.rig.ids()) > before))  # noqa: B023  called at once
    # The first one loads what is needed for it. At short counts other tests run beside it, and delay each.
    assert min(times) < count(short=20, long=2)
    assert {(one["status"], "CANARY" in str(one)) for one in world.rig.all()} == {("active", False)}


def test_s8_a_storm_of_nudges_costs_a_pull_a_second(world: World):
    world.worker.start()
    within(30, lambda: world.worker.health()[0].pulled_at)
    before, since = world.feeds(), time.monotonic()
    threads = [threading.Thread(target=lambda: [world.send("/hooks/peer") for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(2.5)
    pulls = world.feeds() - before
    assert 1 <= pulls <= time.monotonic() - since + 1


def test_s8_a_wrong_token_an_unknown_remote_and_a_flood_are_refused_alike_and_nudge_nobody(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    nudged: list[str] = []
    monkeypatch.setattr(world.worker, "nudge", nudged.append)
    for token in ("", "Bearer ", "Bearer other", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", "Bearer \xff"):
        assert world.send("/hooks/peer", token=token) == 401
    assert world.send("/hooks/none") == 401
    assert world.send("/hooks/none", token="Bearer ") == 401
    assert world.send("/hooks/peer", "PUT", b"CANARY" * 200_000) == 413
    assert nudged == []
    assert world.send("/hooks/peer", body=b"\xff{ CANARY") == 204
    assert nudged == ["peer"]
    assert "CANARY" not in caplog.text
    assert SECRET not in caplog.text


def test_s8_subscriptions_are_made_once_for_each_type_and_deleted_again(world: World):
    made = subscribing.subscribe(world.service, "test", "peer", "on")
    assert made == subscribing.subscribe(world.service, "test", "peer", "on")
    there = world.there.all("Subscription")
    assert [one["id"] for one in there] == made["subscriptions"]
    assert [one["criteria"] for one in there] == ["MedicationRequest?", "MedicationAdministration?"]
    assert {str(one["channel"]) for one in there} == {
        str(
            {
                "type": "rest-hook",
                "endpoint": "http://127.0.0.1:1/hooks/peer",
                "header": [f"Authorization: Bearer {SECRET}"],
            }
        )
    }
    deleted: list[str] = []

    def delete(asked: Asked) -> Act | None:
        if asked.method != "DELETE":
            return None
        deleted.append(asked.id)
        return Act(effect=False, status=204)

    world.there.lies.append(delete)
    assert subscribing.subscribe(world.service, "test", "peer", "off") == {"remote": "peer", "subscriptions": []}
    assert deleted == made["subscriptions"]
    assert subscribing.subscribe(world.service, "test", "peer", "off")["subscriptions"] == []


def test_s8_a_peer_that_takes_no_subscription_is_told_and_nothing_is_left(world: World):
    world.there.lies.append(
        lambda asked: (
            Act(effect=False, status=422) if asked.body.get("criteria") == "MedicationAdministration?" else None
        )
    )
    deleted: list[str] = []

    def delete(asked: Asked) -> Act | None:
        if asked.method != "DELETE":
            return None
        deleted.append(asked.id)
        return Act(effect=False, status=204)

    world.there.lies.append(delete)
    with pytest.raises(Refused, match="took no Subscription"):
        subscribing.subscribe(world.service, "test", "peer", "on")
    assert len(deleted) == 1


def test_s8_an_r5_peer_is_subscribed_to_by_its_topics_or_told_to_have_none(world: World):
    remote = replace(world.service.settings.remotes[0], release="R5")
    service = replace(world.service, settings=replace(world.service.settings, remotes=(remote,)))
    with pytest.raises(Refused, match="no SubscriptionTopic for MedicationRequest"):
        subscribing.subscribe(service, "test", "peer", "on")
    for type_ in ("MedicationRequest", "MedicationAdministration"):
        base = f"http://hl7.org/fhir/StructureDefinition/{type_}"
        topic: dict[str, Any] = {
            "url": f"urn:topic:{type_}",
            "status": "active",
            "resourceTrigger": [{"resource": base}],
        }
        world.there.put({"resourceType": "SubscriptionTopic", **topic})
    made = subscribing.subscribe(service, "test", "peer", "on")
    there = world.there.all("Subscription")
    assert [one["topic"] for one in there] == ["urn:topic:MedicationRequest", "urn:topic:MedicationAdministration"]
    assert ({one["content"] for one in there}, len(made["subscriptions"])) == ({"empty"}, 2)


def test_s8_without_an_address_of_ours_nothing_is_subscribed_to(world: World):
    remote = replace(world.service.settings.remotes[0], hook_base="", hook_token_file=None)
    service = replace(world.service, settings=replace(world.service.settings, remotes=(remote,)))
    with pytest.raises(SettingsError, match="hook_base"):
        subscribing.subscribe(service, "test", "peer", "on")
