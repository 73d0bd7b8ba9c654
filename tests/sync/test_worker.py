"""The worker's threads, the commands' entry and the status, against a store of its own and a real socket."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, find, place_order
from fhir_infusion.config import Remote
from fhir_infusion.errors import SettingsError
from fhir_infusion.store import endpoints, outbox
from fhir_infusion.sync import push, sending, worker, works
from fhir_infusion.sync.outgoing import Crossing, outgoing
from fhir_infusion.sync.status import status
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import CALLER, MRN, ORDERS, TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.service import Service
    from fhir_infusion.store.versions import Bound


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    one = open_rig(there, database, Clock())
    yield one
    one.close()


def _within(seconds: float, what: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _with_remotes(service: Service, *remotes: Remote) -> Service:
    return replace(service, settings=replace(service.settings, remotes=remotes))


def test_the_worker_pushes_and_pulls_by_itself_and_ends_in_order(rig: Rig, there: Peer):
    there.put(
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "dobutamine"},
            "subject": {"identifier": {"system": MRN, "value": "mrn-9"}},
        }
    )
    rig.place(order("A-1"))
    runs = worker.Worker(rig.service)
    runs.start()
    _within(60, lambda: rig.states() == ["acked"] and len(rig.ids()) == 2)
    _within(60, lambda: all(one.pulled_at and one.pushed_at and one.beat_at for one in runs.health()))
    assert [(one.endpoint, one.circuit) for one in runs.health()] == [("peer", "")]
    runs.stop()
    rig.place(order("A-2"))
    time.sleep(0.7)
    assert rig.states() == ["acked", "pending"]


def test_h18_a_paused_remote_is_not_said_to_be_pushed_to(rig: Rig):
    rig.service.store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    runs = worker.Worker(rig.service)
    runs.start()
    _within(60, lambda: all(one.beat_at for one in runs.health()))
    runs.stop()
    assert [(one.pushed_at, one.pulled_at, one.paused) for one in runs.health()] == [(None, None, "restored")]


def test_one_pulls_from_a_peer_at_a_time(rig: Rig):
    with rig.service.store.alone(f"pull {TENANT} peer") as alone:
        assert alone
        assert {one.trouble for one in rig.pull()} == {"somebody else pulls now"}
    assert {one.trouble for one in rig.pull()} == {""}


def test_what_another_process_pulled_just_now_is_not_asked_for_again(rig: Rig):
    line = worker._Line(rig.peer)
    assert not line._pulled_elsewhere()
    rig.pull()
    # One process writes SQLite: whatever was pulled, it pulled itself.
    assert line._pulled_elsewhere() is rig.service.store.is_shared
    assert line.health().pulled_at == (rig.clock() if rig.service.store.is_shared else None)
    rig.clock.move(rig.peer.remote.poll_seconds)
    assert not line._pulled_elsewhere()


def test_f8_a_peer_that_hangs_holds_back_no_other(there: Peer, database: str):
    slow = Peer()
    released = threading.Event()
    slow.lies.append(lambda _: Act(until=released))
    rig = open_rig(there, database, Clock())
    service = _with_remotes(rig.service, Remote("slow", slow.base), Remote("fast", there.base))
    rig.service = service
    rig.place(order("A-1"))
    runs = worker.Worker(service)
    runs.start()
    _within(60, lambda: there.all("MedicationRequest"))
    slow.lies.clear()
    released.set()
    runs.stop()
    rig.close()
    slow.close()


def test_f20_a_row_that_makes_us_fail_is_put_aside_and_holds_back_no_other(
    rig: Rig, there: Peer, monkeypatch: pytest.MonkeyPatch
):
    poisoned = rig.place(order("A-1")).id
    rig.place(order("B-1"))

    def failing(crossing: Crossing, resource: dict, bound: Bound | None) -> object:
        if crossing.stored.id == poisoned:
            raise RecursionError
        return outgoing(crossing, resource, bound)

    monkeypatch.setattr("fhir_infusion.sync.preparing.outgoing", failing)
    rig.push()
    assert rig.states() == ["pending", "acked"]
    assert rig.settle() == ["dead", "acked"]
    assert rig.rows()[0].last_error_code == "crash-5"
    assert rig.alerts() == ["poison"]
    assert len(there.all("MedicationRequest")) == 1


def test_f20_an_order_that_the_peers_release_cannot_say_is_put_aside_with_an_alarm_and_holds_back_no_other(
    rig: Rig, there: Peer
):
    ended = {
        "resourceType": "MedicationRequest",
        "status": "ended",
        "intent": "order",
        "medication": {"concept": {"text": "dobutamine"}},
        "subject": {"identifier": {"system": "urn:test:mrn", "value": "mrn-A-1"}},
    }
    accept_resource.create(rig.service, CALLER, "R5", ended)
    rig.place(order("B-1"))
    assert rig.settle() == ["dead", "acked"]
    assert rig.rows()[0].last_error_code == "untranslatable not-supported/release"
    assert rig.alerts() == ["untranslatable"]
    assert len(there.all("MedicationRequest")) == 1


def test_f22_wrong_credentials_put_no_order_aside_and_leave_the_endpoint_alone(rig: Rig, there: Peer):
    there.lies.append(once(Act(effect=False, status=401), lambda _: True, times=3))
    rig.place(order("A-1"))
    rig.push()
    assert (rig.states(), rig.peer.circuit.why) == (["pending"], "unauthorized")
    sent = len(there.asked)
    rig.push()
    assert len(there.asked) == sent
    assert rig.settle() == ["acked"]


class Running(Clock):
    """A clock that runs."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


def test_f21_a_row_that_is_worked_on_for_long_is_not_given_to_another_worker(
    there: Peer, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "LEASE_SECONDS", 1)
    rig = open_rig(there, database, Running())
    there.lies.append(lambda _: time.sleep(0.6))
    rig.place(order("A-1"))
    pushing = threading.Thread(target=rig.push)
    pushing.start()
    claimed: list[outbox.Row] = []
    while pushing.is_alive():
        time.sleep(0.2)
        claimed += rig.service.store.transact(TENANT, lambda tx: outbox.claim(tx, "peer", "other", 5, 9))
    pushing.join()
    assert (rig.states(), claimed) == (["acked"], [])
    assert len(there.writes("MedicationRequest")) == 1
    rig.close()


def test_one_remote_is_synced_by_name_and_only_in_its_direction(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    pushed, pulled = worker.sync_now(rig.service, "peer")
    assert (pushed, [one.received for one in pulled]) == (1, [1, 0])
    only = _with_remotes(rig.service, Remote("peer", there.base, direction="pull"))
    with pytest.raises(SettingsError, match="direction"):
        worker.sync_now(only, "peer", "push")
    with pytest.raises(SettingsError, match="no section"):
        worker.sync_now(only, "other")


def test_h18_a_push_by_hand_says_how_much_is_left(rig: Rig, there: Peer):
    asked = {"remote": "peer", "direction": "push"}
    rig.place(order("A-1"))
    there.lies.append(lambda _: Act(effect=False, status=503))
    told = {"remote": "peer", "direction": "push", "pulled": []}
    assert works.do(rig.service, "sync", asked) == {**told, "taken": 1, "waiting": 1}
    there.lies.clear()
    rig.clock.move(1000)
    assert works.do(rig.service, "sync", asked) == {**told, "taken": 1, "waiting": 0}


def test_p8_a_remote_gets_the_versions_of_its_tenant_only_and_what_it_has_goes_to_that_tenant(
    there: Peer, database: str
):
    other = Peer()
    rig = open_rig(there, database, Clock())
    south = Remote("south", there.base)
    north = Remote("north", other.base, tenant="north")
    service = rig.service = _with_remotes(rig.service, south, north)
    rig.place(order("A-1"))
    place_order.place(service, replace(CALLER, tenant="north"), order("B-1"))
    assert _rows(service) == {"default": [("south", "pending")], "north": [("north", "pending")]}
    for one, name in ((there, "C-1"), (other, "D-1")):
        one.put(
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "identifier": [{"system": ORDERS, "value": name}],
                "medicationCodeableConcept": {"text": "dobutamine"},
                "subject": {"identifier": {"system": MRN, "value": "mrn-9"}},
            }
        )
    runs = worker.Worker(service)
    runs.start()
    _within(60, lambda: all(len(names) == 2 for names in (_orders(service, "default"), _orders(service, "north"))))
    _within(60, lambda: _rows(service) == {"default": [("south", "acked")], "north": [("north", "acked")]})
    runs.stop()
    assert {tenant: _orders(service, tenant) for tenant in ("default", "north")} == {
        "default": {"A-1", "C-1"},
        "north": {"B-1", "D-1"},
    }
    assert [{_name(one) for one in peer.all("MedicationRequest")} for peer in (there, other)] == [
        {"A-1", "C-1"},
        {"B-1", "D-1"},
    ]
    rig.close()
    other.close()


def test_p8_rows_of_another_tenant_than_the_remotes_are_never_sent(there: Peer, database: str):
    rig = open_rig(there, database, Clock())
    rig.place(order("A-1"))
    rig.service = _with_remotes(rig.service, Remote("peer", there.base, tenant="north"))
    assert worker.sync_now(rig.service, "peer", "push") == (0, ())
    runs = worker.Worker(rig.service)
    runs.start()
    _within(60, lambda: all(one.pushed_at for one in runs.health()))
    runs.stop()
    assert (rig.states(), there.all("MedicationRequest")) == (["pending"], [])
    rig.close()


def _rows(service: Service) -> dict[str, list[tuple[str, str]]]:
    """Return endpoint and state of all rows of the outbox, by tenant."""
    return {
        tenant: [(row.endpoint, row.state) for row in service.store.read(tenant, outbox.rows)]
        for tenant in ("default", "north")
    }


def _orders(service: Service, tenant: str) -> set[str]:
    """Return what the orders of a tenant are called."""
    found = find.records(service, replace(CALLER, tenant=tenant), "MedicationRequest", [], 10)
    return {one.record["order_id"] for one in found.entries}


def _name(resource: dict[str, Any]) -> str:
    return str(next(one["value"] for one in resource["identifier"] if one["system"] == ORDERS))


def test_the_status_tells_ages_and_numbers(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    rig.place(order("B-1", status="cancelled"))
    rig.clock.move(90)
    (one,) = status(rig.service)
    feeds = one.pop("feeds")
    assert one == {
        "endpoint": "peer",
        "tenant": "default",
        "direction": "both",
        **dict.fromkeys(("paused", "trouble"), ""),
        **dict.fromkeys(("paused_seconds", "trouble_seconds", "can", "probed_seconds")),
        "outbox": {"acked": 1, "pending": 1},
        "unknown": 0,
        "dead": 0,
        "oldest_pending_seconds": 90,
        "oldest_stop_seconds": 90,
        "conflicts": 0,
        "identities": 0,
        "patients_aside": 0,
        "lost": 0,
        "deleted_active": 0,
        "quarantined": 0,
    }
    assert feeds["MedicationRequest"]["last_success_seconds"] == 90
    assert feeds["MedicationRequest"]["watermark"].startswith("2025-05-01T00:00:00")


def test_what_a_worker_that_slept_too_long_did_is_not_recorded(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    store = rig.service.store
    (stale,) = store.transact(TENANT, lambda tx: outbox.claim(tx, "peer", "one", 5, 9))
    rig.clock.move(60)
    assert rig.settle() == ["acked"]
    with pytest.raises(outbox.StaleLease):
        push.deliver(rig.peer, TENANT, stale)
    assert (rig.states(), len(there.writes("MedicationRequest"))) == (["acked"], 1)


@pytest.mark.parametrize(
    ("version", "level", "told"),
    [
        ("4.0.1", "INFO", "R4: creates MedicationRequest B, MedicationAdministration B"),
        ("5.0.0", "WARNING", "states R5, set is R4: creates MedicationRequest B, MedicationAdministration B"),
    ],
)
def test_at_the_start_one_line_says_what_a_peer_is(
    rig: Rig, there: Peer, caplog: pytest.LogCaptureFixture, version: str, level: str, told: str
):
    said = {**there._statement(), "fhirVersion": version}
    there._statement = lambda: said  # type: ignore[method-assign]
    caplog.set_level("INFO")
    runs = worker.Worker(rig.service)
    runs.start()
    _within(60, lambda: any(one.message == "remote" for one in caplog.records))
    runs.stop()
    assert [(one.levelname, vars(one)["code"]) for one in caplog.records if one.message == "remote"] == [(level, told)]


def test_a_peer_that_does_not_answer_at_the_start_is_told_in_one_line(rig: Rig, there: Peer):
    there.lies.append(lambda _: Act(effect=False, status=500))
    assert worker.what_it_is(rig.peer) == "status 500"
