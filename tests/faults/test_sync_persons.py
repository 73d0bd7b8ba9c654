"""What persons decide at the same time, or while something is on its way: done once, or refused, and both sides agree."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.sync import inspecting
from fhir_infusion.sync.replaying import replay, skip
from fhir_infusion.sync.resolve import Keep, resolve
from tests import exact_json
from tests.faults.peer import Act, Asked, Peer, once
from tests.faults.rig import Rig, of_theirs, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MR = "MedicationRequest"
WHY = "asked the ward"


def _at_once(*works: Callable[[], object]) -> list[Any]:
    """Do all of it at the same time; return what each gave, or the status with which it was refused."""
    gate = threading.Barrier(len(works))
    ends: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], object]) -> None:
        gate.wait()
        try:
            ends[number] = work()
        except Refused as refused:
            ends[number] = refused.status
        except BaseException as failure:  # noqa: BLE001  told by the test
            ends[number] = failure

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not [end for end in ends if isinstance(end, BaseException)], ends
    return ends


def _a_write(asked: Asked) -> bool:
    return asked.writes and asked.type == MR


def _text(resource: dict[str, Any]) -> str:
    return str(resource["dosageInstruction"][0].get("text", ""))


def _texts(rig: Rig) -> tuple[str, str]:
    (ours,), (there,) = rig.all(), rig.there.all(MR)
    return _text(ours), _text(there)


def _change_there(rig: Rig, text: str) -> None:
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "dosageInstruction": [{"text": text}]}, there["id"])


def _conflict(rig: Rig) -> str:
    rig.place(order("A-1"))
    rig.settle()
    _change_there(rig, "theirs")
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.settle()
    rig.pull()
    (conflict,) = rig.conflicts()
    return conflict.conflict_id


# ---------------------------------------------------------------------------------------------------- replay, skip


def test_h5_rows_put_aside_that_two_persons_replay_at_once_are_sent_once(rig: Rig, there: Peer):
    there.lies.append(lambda asked: Act(effect=False, status=422) if _a_write(asked) else None)
    for number in range(4):
        rig.place(order(f"A-{number}"))
    assert set(rig.settle()) == {"dead"}
    there.lies.clear()
    rows = " ".join(str(row.seq) for row in rig.rows())
    ends = _at_once(*[lambda: replay(rig.service, "command:7", "peer", rows, WHY)] * 2)
    replayed = sum(end["rows"].get("replayed", 0) for end in ends)
    assert (replayed, set(rig.settle())) == (4, {"acked"})
    assert sorted(one["identifier"][0]["value"] for one in there.all(MR)) == [f"A-{number}" for number in range(4)]


def test_h5_what_the_peer_has_lost_and_two_persons_replay_at_once_is_made_once(rig: Rig, there: Peer):
    there.conditional = False
    for number in range(3):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rows = " ".join(str(row.seq) for row in rig.rows())
    for key in [key for key in there.resources if key[0] == MR]:
        del there.resources[key]
    ends = _at_once(*[lambda: replay(rig.service, "command:7", "peer", rows, WHY)] * 2)
    assert sum(end["rows"].get("sent-again", 0) for end in ends) >= 3
    assert set(rig.settle()) == {"acked"}
    assert sorted(one["identifier"][0]["value"] for one in there.all(MR)) == [f"A-{number}" for number in range(3)]


@contextmanager
def _while_its_stop_is_sent(rig: Rig, there: Peer) -> Iterator[None]:
    """Stop the order A-1, and stay where its request has arrived and is not answered yet."""
    before, going_on = len(there.writes(MR)), threading.Event()
    there.lies.append(once(Act(until=going_on), _a_write))
    rig.amend(order("A-1", status="stopped"))
    push = threading.Thread(target=rig.push)
    push.start()
    while len(there.writes(MR)) == before:
        push.join(0.02)
    yield
    going_on.set()
    push.join()


def test_h6_a_row_that_is_being_sent_is_not_given_up_and_arrives(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    with _while_its_stop_is_sent(rig, there):
        seq = rig.rows()[-1].seq
        with pytest.raises(Refused) as refusal:
            skip(rig.service, "command:7", str(seq), WHY)
        assert refusal.value.status == 422
        assert replay(rig.service, "command:7", "peer", str(seq), WHY)["rows"] == {"on-its-way": 1}
    assert rig.settle() == ["acked", "acked"]
    assert [one["status"] for one in there.all(MR)] == ["stopped"]


# ------------------------------------------------------------------------------------------------------ quarantine


@pytest.mark.parametrize("way", ["in a row", "at once"])
def test_h5_what_was_quarantined_and_is_released_twice_is_taken_once(rig: Rig, there: Peer, way: str):
    bad = there.put({**of_theirs(1), "status": "bogus"})
    rig.pull()
    (one,) = rig.quarantined()
    name = f"{MR}/{one.id}/_history/{one.version}"
    there.put({**of_theirs(1), "status": "active"}, bad["id"])

    def release() -> dict[str, Any]:
        return inspecting.retry_quarantined(rig.service, "command:7", "peer", name, WHY)

    if way == "at once":
        ends = _at_once(release, release, rig.pull)
        assert all(isinstance(end, dict) or end == 409 for end in ends[:2])
    else:
        release()
        with_second = _at_once(release)
        assert isinstance(with_second[0], dict) or with_second[0] in {404, 409, 422}
    rig.pull()
    assert len(rig.ids()) == 1


# --------------------------------------------------------------------------------------------------------- conflicts


@pytest.mark.parametrize("answers", [("ours", "theirs"), ("theirs", "theirs"), ("ours", "ours")])
def test_h17_a_conflict_that_two_persons_decide_at_once_is_decided_once(rig: Rig, answers: tuple[Keep, Keep]):
    conflict = _conflict(rig)
    ends = _at_once(*(lambda keep=keep: resolve(rig.service, "command:7", conflict, keep, WHY) for keep in answers))
    done = [end for end in ends if isinstance(end, dict)]
    assert len(done) == 1, ends
    assert next(end for end in ends if not isinstance(end, dict)) in {404, 409, 412}
    rig.settle()
    rig.pull()
    rig.settle()
    assert (_texts(rig), rig.conflicts()) == ((done[0]["kept"],) * 2, [])


@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_h17_what_changes_there_in_the_moment_of_a_decision_is_not_overwritten(rig: Rig, there: Peer, keep: Keep):
    conflict = _conflict(rig)
    reads = 0

    def lie(asked: Asked) -> Act | None:
        nonlocal reads
        if asked.method == "GET" and asked.type == MR and asked.id and not reads:
            reads += 1
            kept = there.resources[MR, asked.id].now
            assert kept is not None
            there.put({**kept, "dosageInstruction": [{"text": "theirs since"}]}, asked.id)
            return Act(status=200, headers={"ETag": f'W/"{kept["meta"]["versionId"]}"'}, body=_bytes(kept))
        return None

    there.lies.append(lie)
    resolve(rig.service, "command:7", conflict, keep, WHY)
    there.lies.clear()
    rig.clock.move(1000)
    rig.settle()
    rig.pull()
    rig.settle()
    assert _texts(rig)[1] == "theirs since"
    assert _texts(rig)[0] == "theirs since" or len(rig.conflicts()) == 1


def _bytes(resource: dict[str, Any]) -> bytes:
    return exact_json.dumps(resource).encode()


# ------------------------------------------------------------------------------------------------------------ rewind


def test_h5_h7_a_feed_that_is_read_anew_while_something_is_sent_takes_and_sends_nothing_twice(rig: Rig, there: Peer):
    for number in range(3):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.pull()
    with _while_its_stop_is_sent(rig, there):
        inspecting.rewind(rig.service, "command:7", "peer", MR, "2025-04-01T00:00:00Z", WHY)
        rig.pull()
    rig.pull()
    inspecting.rewind(rig.service, "command:7", "peer", MR, "2025-04-01T00:00:00Z", WHY)
    rig.pull()
    assert rig.settle() == ["acked"] * 4
    assert (len(there.writes(MR)), len(rig.ids())) == (4, 3)
    assert sorted(one["status"] for one in rig.all()) == ["active", "active", "stopped"]
