"""A first load by bulk export, against every fault of it: nothing lost, nothing doubled, nothing passed over silently."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import inbox, loads, standing
from fhir_infusion.store.failpoint import EXIT_STATUS
from fhir_infusion.sync import bulk, files
from fhir_infusion.sync.pull import pull
from fhir_infusion.sync.remote import reading
from tests import exact_json
from tests.counts import count
from tests.faults.exporting import Exporting, an_order
from tests.faults.peer import Act, Asked, once
from tests.faults.pushing import start
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR = "MedicationRequest"
TOLD = {"remote": "peer", "wait_seconds": 0, "percent": None}


@pytest.fixture
def there() -> Iterator[Exporting]:
    one = Exporting()
    yield one
    one.close()


@pytest.fixture
def rig(there: Exporting, database: str) -> Iterator[Rig]:
    one = open_rig(there, database, Clock())
    yield one
    one.close()


def to_its_end(rig: Rig, types: str = "", most: int = 60) -> list[dict[str, Any]]:
    """Load as the command does, with the clock in place of waiting; return every answer."""
    steps = []
    for _ in range(most):
        steps.append(bulk.load(rig.service, "peer", types))
        if steps[-1]["state"] in {"done", "refused"}:
            return steps
        rig.clock.move(steps[-1]["wait_seconds"])
    raise AssertionError(steps[-3:])


def values(rig: Rig) -> list[str]:
    return sorted((one["identifier"][0]["value"] for one in rig.all()), key=int)


def everything(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def watermark(rig: Rig, type_: str = MR) -> str:
    return rig.service.store.read(TENANT, lambda tx: inbox.cursor(tx, "peer", type_)).watermark


def is_file(asked: Asked) -> bool:
    return asked.type == "file"


def end_of(there: Exporting, count: int) -> int:
    """Return where in its file the first so many lines end."""
    return sum(len(exact_json.dumps(one)) + 1 for one in there.all(MR)[:count])


def test_s7_a_load_takes_all_that_is_there_and_the_next_pull_goes_on_from_its_moment(there: Exporting, rig: Rig):
    there.fill(25)
    there.per_file = 10
    steps = to_its_end(rig)
    applied = sum(step["applied"] for step in steps)
    wanted = {"state": "done", "files": 3, "files_stored": 3, "received": 25, "applied": 25, "trouble": ""}
    assert {**steps[-1], "applied": applied} == {**TOLD, **wanted}
    assert values(rig) == everything(25)
    assert there.ended == ["1"]
    (asked,) = there.kept("$export")
    assert asked.query == {
        "_type": "MedicationRequest,MedicationAdministration",
        "_outputFormat": "application/fhir+ndjson",
    }
    assert asked.headers["prefer"] == "respond-async"
    assert watermark(rig) == there.transaction_time
    assert watermark(rig, "MedicationAdministration") == there.transaction_time
    there.put(an_order(25, "1"))
    assert [one.received for one in rig.pull()] == [1, 0]
    assert values(rig) == everything(26)
    assert rig.alerts() == []


def test_s7_one_type_is_loaded_alone(there: Exporting, rig: Rig):
    there.fill(2)
    to_its_end(rig, MR)
    assert there.kept("$export")[0].query["_type"] == MR
    assert watermark(rig, "MedicationAdministration") == ""


def test_s7_f9_the_status_is_never_asked_before_the_peer_said(there: Exporting, rig: Rig):
    there.fill(3)
    there.running, there.retry_after = 3, "120"
    first = bulk.load(rig.service, "peer", "")
    assert (first["state"], first["wait_seconds"], first["percent"]) == ("waiting", 120, 40)
    rig.clock.move(119)
    for _ in range(5):  # a command that was interrupted and is given again waits on
        again = bulk.load(rig.service, "peer", "")
        assert (again["state"], again["wait_seconds"]) == ("waiting", 1)
    assert len(there.kept("status")) == 1
    rig.clock.move(1)
    to_its_end(rig)
    assert values(rig) == everything(3)
    assert len([one for one in there.kept("status") if one.method == "GET"]) == 4


@pytest.mark.parametrize("where", ["$export", "status", "file"])
@pytest.mark.parametrize("status", [429, 503])
def test_s7_f9_a_window_that_the_peer_asks_for_is_kept(there: Exporting, rig: Rig, where: str, status: int):
    there.fill(3)
    busy = Act(effect=False, status=status, headers={"Retry-After": "60"})
    there.lies.append(once(busy, lambda asked: asked.type == where))
    first = bulk.load(rig.service, "peer", "")
    assert (first["state"], first["wait_seconds"], first["trouble"]) == ("waiting", 60, "throttled")
    to_its_end(rig)
    assert values(rig) == everything(3)
    assert there.exports == 1


@pytest.mark.parametrize("cut", ["in a line", "between lines", "before the first"])
def test_s7_a_file_that_is_cut_goes_on_behind_what_is_stored(
    there: Exporting, rig: Rig, cut: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "AT_ONCE", 4)
    there.fill(20)
    monkeypatch.setattr(reading, "PIECE", 1)
    places = {"in a line": end_of(there, 10) + 30, "between lines": end_of(there, 9), "before the first": 1}
    there.lies.append(once(Act(close="half", cut=places[cut]), is_file))
    first = bulk.load(rig.service, "peer", "")
    assert (first["state"], first["trouble"]) == ("waiting", "connection broken")
    assert first["received"] == {"in a line": 10, "between lines": 9, "before the first": 0}[cut]
    to_its_end(rig)
    assert values(rig) == everything(20)
    assert rig.quarantined() == []


def test_s7_a_file_without_a_known_end_and_one_shorter_than_its_count_are_not_whole(there: Exporting, rig: Rig):
    there.fill(6)
    there.counts = True
    lines = [exact_json.dumps(one).encode() for one in there.all(MR)]
    short = b"".join(one + b"\n" for one in lines[:4])

    def shortened(asked: Asked) -> Act | None:
        return Act(effect=False, status=200, body=short) if is_file(asked) else None

    there.lies.append(shortened)
    first = bulk.load(rig.service, "peer", "")
    assert (first["received"], first["trouble"]) == (4, "a file is shorter than its count")
    assert watermark(rig) == ""
    there.lies.clear()
    to_its_end(rig)
    assert values(rig) == everything(6)


def test_s7_a_file_whose_lines_changed_their_order_is_stored_from_its_first_line_on(
    there: Exporting, rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "AT_ONCE", 3)
    there.fill(12)
    monkeypatch.setattr(reading, "PIECE", 1)
    there.lies.append(once(Act(close="half", cut=end_of(there, 7)), is_file))
    assert bulk.load(rig.service, "peer", "")["received"] == 7
    (name,) = there.files
    there.files[name].reverse()
    to_its_end(rig)
    assert values(rig) == everything(12)


@pytest.mark.parametrize("where", ["status", "file"])
@pytest.mark.parametrize("status", [404, 410])
def test_s7_an_export_that_expired_is_begun_anew(there: Exporting, rig: Rig, where: str, status: int):
    there.fill(5)
    there.lies.append(once(Act(effect=False, status=status), lambda asked: asked.type == where))
    to_its_end(rig)
    assert values(rig) == everything(5)
    assert there.exports == 2


def test_s7_a_peer_that_loses_every_export_is_left_to_the_ordinary_pull(there: Exporting, rig: Rig):
    there.fill(2)
    there.lies.append(lambda asked: Act(effect=False, status=404) if asked.type == "status" else None)
    done = to_its_end(rig)[-1]
    assert (done["state"], there.exports) == ("refused", bulk.STARTS)
    assert [one.received for one in rig.pull()] == [2, 0]


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
def test_s7_a_peer_without_bulk_export_is_told_and_pulled_as_ever(there: Exporting, rig: Rig, status: int):
    there.fill(2)
    there.lies.append(lambda asked: Act(effect=False, status=status) if asked.type == "$export" else None)
    done = to_its_end(rig)[-1]
    assert (done["state"], done["trouble"]) == (
        "refused",
        "it offers no bulk export; `fhir-infusion sync pull` reads it page by page",
    )
    assert [one.received for one in rig.pull()] == [2, 0]


@pytest.mark.parametrize("place", ["https://other.example/x", "http://127.0.0.1:1/fhir", "{base}.evil", "{base}/../x"])
def test_s7_a_file_of_another_host_is_refused_and_nothing_is_asked_there(there: Exporting, rig: Rig, place: str):
    there.fill(2)
    there.elsewhere = place.format(base=there.base)
    done = to_its_end(rig)[-1]
    assert (done["state"], done["trouble"]) == ("refused", "a file lies at an address that is not of this endpoint")
    assert there.kept("file") == []
    assert there.ended == ["1"]


@pytest.mark.parametrize("where", ["", "https://elsewhere.example/status/1"])
def test_s7_a_kick_off_without_an_address_of_its_own_is_trouble(there: Exporting, rig: Rig, where: str):
    there.lies.append(
        lambda asked: (
            Act(effect=False, status=202, headers={"Content-Location": where}) if asked.type == "$export" else None
        )
    )
    told = bulk.load(rig.service, "peer", "")
    assert (told["state"], told["trouble"]) == ("waiting", "the address of the export is not one of this endpoint")


def test_s7_a_line_that_is_no_json_is_put_aside_with_its_text_and_the_others_are_taken(there: Exporting, rig: Rig):
    there.fill(3)
    there.extra[MR] = [
        b"{ CANARY",
        b"",
        b'{"resourceType":"Patient","id":"x"}',
        b'{"resourceType":"MedicationRequest"}',
    ]
    done = to_its_end(rig)[-1]
    assert (done["received"], done["trouble"]) == (6, "")
    assert values(rig) == everything(3)
    assert len(rig.quarantined()) == 3


def test_s7_a_line_above_the_cap_is_told_and_the_watermark_does_not_pass_it(
    there: Exporting, rig: Rig, caplog: pytest.LogCaptureFixture
):
    there.fill(3)
    long = {**an_order(3, "1"), "note": [{"text": "CANARY" * 4000}], "id": "77", "meta": {"versionId": "1"}}
    there.extra[MR] = [exact_json.dumps(long).encode()]
    rig.close()
    again = open_rig(there, rig.service.settings.database, rig.clock, max_bytes=20_000)
    rig.service, rig.peer = again.service, again.peer
    done = to_its_end(rig)[-1]
    assert (done["state"], done["received"], len(rig.ids())) == ("done", 3, 3)
    assert done["trouble"] == "lines above max_bytes: 1; the next pull asks for all again"
    assert watermark(rig) == ""
    assert rig.alerts() == ["load-line-too-long"]
    assert "CANARY" not in caplog.text


def test_s7_f19_what_the_export_says_is_deleted_becomes_a_tombstone_with_an_alarm(there: Exporting, rig: Rig):
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.settle()
    one, other = there.all(MR)
    there.delete(MR, one["id"])
    entries = [{"request": {"method": "DELETE", "url": f"{MR}/{id_}"}} for id_ in (one["id"], other["id"], "999")]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    there.extra["deleted"] = [exact_json.dumps(bundle).encode()]
    there.lies.append(
        once(Act(effect=False, status=500), lambda asked: asked.method == "GET" and asked.id == one["id"])
    )
    steps = to_its_end(rig)
    assert [step["trouble"] for step in steps] == ["a deleted resource could not be asked for", ""]
    assert sorted(rig.alerts()) == ["deleted-active", "gone"]
    links = [rig.link(MR, id_) for id_ in rig.ids()]
    assert sorted(link.ladder == "gone" for link in links if link is not None) == [False, True]


@pytest.mark.parametrize(("code", "passes"), [("transient", False), ("not-supported", True)])
def test_s7_what_the_peer_could_not_give_is_told_and_awaited_where_it_may_come(
    there: Exporting, rig: Rig, code: str, passes: object
):
    there.fill(2)
    issues = [{"severity": "error", "code": code, "diagnostics": "CANARY"}, {"severity": "warning", "code": "security"}]
    there.extra["error"] = [exact_json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode()]
    done = to_its_end(rig)[-1]
    assert done["trouble"] == f"left out by the peer: {code}"
    assert bool(watermark(rig)) is passes
    assert values(rig) == everything(2)


def test_s7_an_older_state_of_an_export_does_not_win_over_what_was_pulled_since_h7(there: Exporting, rig: Rig):
    there.fill(2)
    there.running, there.retry_after = 1, "60"
    bulk.load(rig.service, "peer", "")
    (first, _) = there.all(MR)
    there.put({**first, "status": "stopped"}, first["id"])
    rig.clock.move(3600)  # whoever gave the load up for an hour: pulls go on
    assert [one.received for one in rig.pull()] == [2, 0]
    to_its_end(rig)
    assert sorted(one["status"] for one in rig.all()) == ["active", "stopped"]


def test_s7_a_pull_stands_aside_for_a_load_that_goes_on_but_not_for_one_that_was_given_up(there: Exporting, rig: Rig):
    there.fill(2)
    there.running, there.retry_after = 1, "60"
    bulk.load(rig.service, "peer", "")
    assert {one.trouble for one in rig.pull()} == {"a bulk load goes on"}
    rig.clock.move(60 + loads.ASIDE_MS / 1000)
    assert {one.trouble for one in rig.pull()} == {""}
    with rig.service.store.alone(f"pull {TENANT} peer"):
        assert bulk.load(rig.service, "peer", "")["state"] == "waiting"


def test_s7_another_choice_of_types_is_another_load(there: Exporting, rig: Rig):
    there.fill(2)
    there.running, there.retry_after = 1, "60"
    bulk.load(rig.service, "peer", "")
    to_its_end(rig, MR)
    assert [one.query["_type"] for one in there.kept("$export")] == ["MedicationRequest,MedicationAdministration", MR]
    assert pull(rig.peer, TENANT)[0].trouble == ""


def test_s7_a_peer_that_drips_is_cut_at_the_deadline_of_a_piece_and_the_load_goes_on(there: Exporting, database: str):
    there.fill(3)
    there.lies.append(once(Act(drip_seconds=0.05), is_file))
    rig = open_rig(there, database, Clock(), deadline_seconds=1)
    since = time.monotonic()
    assert bulk.load(rig.service, "peer", "")["trouble"] in {"no answer in time", "connection broken"}
    assert time.monotonic() - since < 30  # the whole file would take longer
    to_its_end(rig)
    assert values(rig) == everything(3)
    rig.close()


STEPS = ("load.begun", "load.asked", "load.lines:2", "load.move", "pull.applied:5")


@pytest.mark.parametrize("step", STEPS)
def test_f2_s7_a_load_killed_at_a_named_step_takes_everything_once(there: Exporting, tmp_path: Path, step: str):
    there.fill(450)
    there.running, there.retry_after = 1, "1"
    process = start(there.base, tmp_path / "rig.db", 0, step, loads=True)
    process.join(120)
    assert process.exitcode == EXIT_STATUS
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    rig.clock.at = datetime.now(UTC) + timedelta(seconds=15)
    done = to_its_end(rig)[-1]
    assert (done["state"], done["received"], done["trouble"]) == ("done", 450, "")
    assert values(rig) == everything(450)
    assert there.exports == (2 if step == "load.begun" else 1)
    assert [one.received for one in rig.pull()] == [0, 0]
    rig.close()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_s7_many_are_loaded_with_bounded_memory(there: Exporting, tmp_path: Path):
    many = count(4_000, 100_000)
    there.fill(many)
    there.per_file = many * 2 // 3
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    rig.clock.at = datetime.now(UTC)
    before = resident()
    most = before
    while True:
        done = bulk.load(rig.service, "peer", "")
        most = max(most, resident())
        if done["state"] == "done":
            break
        assert not done["trouble"]
    assert done["received"] == many
    assert most - before < 150 * 1024 * 1024
    counted = rig.service.store.read(TENANT, lambda tx: standing.incoming(tx, "peer", (MR,), "applied"))
    assert counted == many
    rig.close()


def resident() -> int:
    """Return the memory that this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
