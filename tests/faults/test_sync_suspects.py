"""What kills or hangs the worker is put aside, and nothing else; what a person has to know is told once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.store import suspects
from fhir_infusion.sync import sending, worker
from fhir_infusion.sync.outgoing import Crossing, outgoing
from fhir_infusion.sync.status import gauges
from tests.faults.dying import dies_of
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import TENANT, Rig, open_rig, order
from tests.faults.test_sync_speed import Running, _until

if TYPE_CHECKING:
    import pytest

    from fhir_infusion.store.versions import Bound


def test_f20_a_row_that_kills_the_process_five_times_is_put_aside_and_what_was_beside_it_arrives(rig: Rig, there: Peer):
    placed = [rig.place(order(f"A-{number}")).id for number in range(9)]
    poisoned = f"MedicationRequest/{placed[2]}"
    deaths = sum(dies_of(rig, poisoned) for _ in range(30))
    assert deaths == sending.CRASHES
    assert {row.aggregate: row.state for row in rig.rows() if row.state != "acked"} == {poisoned: "dead"}
    assert [row.last_error_code for row in rig.rows() if row.state == "dead"] == ["crash-5"]
    assert rig.alerts() == ["poison"]
    assert len(there.all("MedicationRequest")) == 8


def test_f1_h6_a_stop_that_is_on_its_way_whenever_the_process_is_killed_at_its_start_is_not_put_aside(
    rig: Rig, there: Peer, monkeypatch: pytest.MonkeyPatch
):
    """A process that is killed again and again for another reason begins with what is under suspicion each time."""
    rig.place(order("A-1"))
    rig.settle()
    rig.amend(order("A-1", status="stopped"))
    (_, stop) = rig.rows()
    since_start = iter([*[0.5] * 30, 40.0])
    monkeypatch.setattr(sending.Senders, "_lived", lambda _: next(since_start))
    deaths = sum(dies_of(rig, stop.aggregate, is_worker=True) for _ in range(30))
    assert deaths == 2
    assert [row.crashes for row in rig.rows()] == [0, 2]
    assert not dies_of(rig, "", is_worker=True)
    assert rig.states() == ["acked", "acked"]
    assert [one["status"] for one in there.all("MedicationRequest")] == ["stopped"]


def test_f20_a_row_under_suspicion_for_a_day_is_put_aside_and_a_verdict_ends_the_suspicion(rig: Rig, there: Peer):
    first, second = (f"MedicationRequest/{rig.place(order(name)).id}" for name in ("A-1", "B-1"))
    assert dies_of(rig, first)
    there.lies.append(once(Act(effect=False, status=503, headers={"Retry-After": "1"})))
    assert dies_of(rig, first)
    rig.clock.move(23 * 3600)
    assert dies_of(rig, first)
    rig.clock.move(2 * 3600)
    assert rig.settle() == ["dead", "acked"]
    assert [row.crashes for row in rig.rows()] == [3, 0]
    assert rig.rows()[1].aggregate == second


def test_f20_a_row_that_hangs_is_let_go_of_and_then_put_aside_while_all_others_go_on(
    there: Peer, database: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("LEASE_SECONDS", 1), ("REQUESTS", 0), ("CRASHES", 2)):
        monkeypatch.setattr(sending, name, value)
    with demanded(open_rig(there, database, Running()), asked=database.startswith("sqlite")) as rig:
        poisoned = rig.place(order("A-1")).id
        released = threading.Event()

        def hanging(crossing: Crossing, resource: dict, bound: Bound | None) -> object:
            if crossing.stored.id == poisoned:
                released.wait(60)
            return outgoing(crossing, resource, bound)

        monkeypatch.setattr("fhir_infusion.sync.preparing.outgoing", hanging)
        rig.place(order("B-1"))
        runs = worker.Worker(rig.service)
        runs.start()
        _until(lambda: rig.states() == ["dead", "acked"], 60)
        released.set()
        runs.stop()
        for thread in threading.enumerate():  # those that hung have a connection to the database
            if thread.name.startswith("sender-"):
                thread.join(30)
        assert rig.alerts() == ["poison"]
        assert len(there.all("MedicationRequest")) == 1


def test_h6_a_stop_that_is_not_acknowledged_after_a_minute_is_told_once(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    there.lies.append(once(Act(effect=False, status=503, headers={"Retry-After": "600"}), times=100))
    rig.amend(order("A-1", status="cancelled"))
    rig.push()
    assert rig.alerts() == []
    rig.clock.move(61)
    for _ in range(3):
        rig.push()
        rig.clock.move(30)
    assert rig.alerts() == ["stop-late"]
    there.lies.clear()
    assert rig.settle(200)[-1] == "acked"
    assert rig.alerts() == ["stop-late"]
    assert rig.service.store.read(TENANT, lambda tx: suspects.late_stops(tx, "peer", 60)) == ()


def test_f22_who_may_not_write_is_told_once_and_the_endpoint_is_left_alone(rig: Rig, there: Peer):
    lie = once(Act(effect=False, status=403), times=1000)
    there.lies.append(lie)
    for name in ("A-1", "B-1", "C-1"):
        rig.place(order(name))
    rig.push()
    assert (rig.peer.circuit.why, rig.alerts()) == ("forbidden", ["forbidden"])
    asked = len(there.asked)
    rig.push()
    assert len(there.asked) == asked
    rig.clock.move(3600)
    rig.push()
    assert rig.alerts() == ["forbidden"]
    there.lies.clear()
    assert set(rig.settle(300)) == {"acked"}
    there.lies.append(lie)
    rig.place(order("D-1"))
    rig.push()
    assert rig.alerts() == ["forbidden"] * 2


def test_h18_the_metrics_tell_what_status_tells_and_name_nobody(rig: Rig):
    rig.place(order("A-1", status="cancelled"))
    rig.clock.move(90)
    found = gauges(rig.service)
    told = {name: value for name, (_, value) in found.items() if "type=" not in name}
    labels = '{endpoint="peer"}'
    assert told.pop("fhir_infusion_identities") == 0
    assert told == {
        f"fhir_infusion_sync_{name}{labels}": value
        for name, value in {
            "conflicts": 0,
            "dead": 0,
            "deleted_active": 0,
            "duplicate": 0,
            "identities": 0,
            "lost": 0,
            "oldest_pending_seconds": 90,
            "oldest_stop_seconds": 90,
            "patients_aside": 0,
            "paused_seconds": 0,
            "pending": 1,
            "quarantined": 0,
            "trouble_seconds": 0,
            "unknown": 0,
        }.items()
    }
    assert {name.partition("{")[0].removeprefix("fhir_infusion_sync_") for name in found if "type=" in name} == {
        "watermark_age_seconds",
        "last_success_seconds",
        "unapplied",
    }
    never = {value for name, (_, value) in found.items() if "_age_" in name or "last_success" in name}
    assert never == {"+Inf"}  # no feed was read yet: an alarm on its age is raised
    pushed = replace(rig.service.settings.remotes[0], direction="push")
    service = replace(rig.service, settings=replace(rig.service.settings, remotes=(pushed,)))
    assert not any("type=" in name for name in gauges(service))
