"""A peer that was restored from a backup is noticed and left alone until a person says otherwise (F18, H7, H19)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import audit
from fhir_infusion.sync import replaying, restored
from fhir_infusion.sync.mending import mend
from fhir_infusion.sync.reconcile import reconcile
from fhir_infusion.sync.resolve import resolve
from fhir_infusion.sync.status import gauges, status
from tests.faults.rig import TENANT, Rig, order

MR = "MedicationRequest"
LATER = timedelta(minutes=3)
PAUSED = "paused: restored; see `fhir-infusion sync resume`"


def _theirs(rig: Rig) -> dict[str, Any]:
    (resource,) = rig.there.all(MR)
    return resource


def _dosed(rig: Rig, text: str) -> dict[str, Any]:
    there = _theirs(rig)
    return {**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": text}]}


def _ours(rig: Rig) -> str:
    return str(rig.resource(MR, rig.ids()[0])["dosageInstruction"][0].get("text"))


def _is_paused(rig: Rig) -> bool:
    """Say whether nothing more is pulled or pushed, and one alarm stands in the trail."""
    asked = len(rig.there.asked)
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": f"ours {asked}"}]))
    rig.push()
    troubles = {one.trouble for one in rig.pull()}
    alarms = [one for one in rig.alerts() if one.startswith("restored")]
    return len(rig.there.asked) == asked and troubles == {PAUSED} and len(alarms) == 1


def test_f18_an_older_version_that_is_current_again_pauses_the_peer_and_does_not_win(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    rig.there.put(_dosed(rig, "theirs"))
    rig.pull()
    assert _ours(rig) == "theirs"
    rig.there.restore(backup)
    assert rig.pull()[0].trouble == PAUSED
    assert _ours(rig) == "theirs"
    assert _is_paused(rig)


def test_f18_an_older_version_that_we_wrote_and_never_read_pauses_the_peer(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    backup = rig.there.backup()
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "newer"}]))
    rig.settle()
    rig.there.restore(backup)
    assert rig.pull()[0].trouble == PAUSED
    assert _ours(rig) == "newer"
    assert _is_paused(rig)


def test_f18_a_restore_that_reaches_back_further_than_the_overlap_is_noticed_by_the_newest_row(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    rig.there.step(timedelta(hours=5))
    rig.there.put(_dosed(rig, "theirs"))
    rig.pull()
    rig.there.restore(backup)
    rig.there.step(timedelta(hours=1))
    rig.pull()
    assert _ours(rig) == "theirs"
    assert _is_paused(rig)


@pytest.mark.parametrize("is_read", [True, False])
def test_f18_a_version_id_that_comes_a_second_time_with_other_content_pauses_the_peer(
    rig: Rig, *, is_read: bool
) -> None:
    rig.place(order("A-1"))
    rig.settle()
    backup = rig.there.backup()
    rig.there.put(_dosed(rig, "first"))
    if is_read:
        rig.pull()
    else:
        rig.there.restore(backup)
        rig.amend(order("A-1", steps=[{"step_id": "run", "text": "first"}]))
        rig.settle()  # version 2 is ours, and was never pulled
    rig.there.restore(backup)
    rig.there.step(timedelta(hours=1))
    rig.there.put(_dosed(rig, "second"))
    assert rig.pull()[0].trouble == PAUSED
    assert _ours(rig) == "first"
    assert _is_paused(rig)


def test_f18_h8_a_restore_that_lost_only_what_was_new_is_noticed_though_more_was_written_since(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    rig.place(order("A-2"))
    rig.settle()
    rig.there.restore(backup)
    rig.place(order("A-3"))
    rig.settle()
    rig.pull()
    assert rig.alerts() == []  # what was written so lately may be shown late
    rig.there.step(LATER)
    for _ in range(3):
        rig.clock.move(60)
        rig.pull()
    assert rig.alerts() == ["gone", "deleted-active", "vanished"]
    rig.amend(order("A-2", priority="stat"))
    assert rig.settle()[-1] == "dead"
    assert len(rig.there.all(MR)) == 2  # never created again by itself
    (dead,) = [row.seq for row in rig.rows() if row.state == "dead"]
    counts = replaying.replay(rig.service, "command:7", "peer", str(dead), "their backup lost it")["rows"]
    assert counts == {"replayed": 1}
    assert {one["identifier"][0]["value"]: one.get("priority") for one in rig.there.all(MR)} == {
        "A-1": None,
        "A-2": "stat",
        "A-3": None,
    }


def test_f16_f18_what_is_neither_shown_nor_found_for_a_while_after_it_was_written_is_not_believed_lost(
    rig: Rig,
) -> None:
    for number in (1, 2, 3):
        rig.place(order(f"A-{number}"))
    rig.settle()
    kept = rig.there.backup()
    late = [key for key in rig.there.resources if key[0] == MR][1:]
    for key in late:
        del rig.there.resources[key]
    for number in range(10, 14):  # newer ones, by which the others are not among the newest any more
        rig.place(order(f"A-{number}"))
    rig.settle()
    for _ in range(2):
        assert [one.trouble for one in rig.pull()] == ["", ""]
    rig.there.resources |= {key: kept[key] for key in late}
    rig.there.step(LATER)
    for _ in range(2):
        assert [one.trouble for one in rig.pull()] == ["", ""]
    assert (rig.alerts(), rig.peer.missed) == ([], set())
    assert {link.ladder for id_ in rig.ids() if (link := rig.link(MR, id_)) is not None} == {"B"}


def _counted(rig: Rig) -> tuple[Any, Any]:
    """Return how many are said to be lost by the status and by the metrics."""
    (line,) = status(rig.service)
    return line["lost"], gauges(rig.service)['fhir_infusion_sync_lost{endpoint="peer"}'][1]


def _lost_several(rig: Rig) -> None:
    """Restore the peer to before several creates of ours, and write one more."""
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    for number in (2, 3):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.there.restore(backup)
    rig.place(order("A-4"))
    rig.settle()
    rig.there.step(LATER)


def test_f18_h8_h18_a_restore_that_lost_several_of_the_newest_pauses_the_peer_and_they_are_counted_until_told_again(
    rig: Rig,
) -> None:
    _lost_several(rig)
    assert rig.pull()[0].trouble == PAUSED
    assert len(rig.there.all(MR)) == 2
    _resume(rig)
    for _ in range(3):
        rig.clock.move(60)
        assert [one.trouble for one in rig.pull()] == ["", ""]
    assert len(rig.there.all(MR)) == 2
    assert rig.alerts().count("vanished") == 2
    assert _counted(rig) == (2, 2)
    lost = [row.seq for row in rig.rows() if rig.link_state(row.aggregate) == "lost"]
    told = replaying.replay(rig.service, "command:7", "peer", " ".join(map(str, lost)), "their backup lost them")
    assert told["rows"] == {"sent-again": 2}
    assert _counted(rig) == (0, 0)
    assert len(rig.there.all(MR)) == 4
    assert set(rig.states()) == {"acked"}


def test_f18_h8_what_a_restore_lost_is_named_by_reconcile_and_sent_again_by_decision_only(rig: Rig) -> None:
    _lost_several(rig)
    found = [one.kind for one in reconcile(rig.peer, TENANT, MR)]
    assert sorted(found) == ["equal", "equal", "vanished", "vanished"]
    names = " ".join(one.name for one in reconcile(rig.peer, TENANT, MR) if one.repair)
    mend(rig.service, "command:7", "peer", names, "to have it told")
    again = sorted(reconcile(rig.peer, TENANT, MR), key=lambda one: one.kind)
    assert [one.kind for one in again] == ["equal", "equal", "lost", "lost"]
    assert len(rig.there.all(MR)) == 2
    lost = [str(row.seq) for row in rig.rows() if rig.link_state(row.aggregate) == "lost"]
    replaying.replay(rig.service, "command:7", "peer", " ".join(lost), "their backup lost them")
    assert [one.kind for one in reconcile(rig.peer, TENANT, MR)] == ["equal"] * 4


def test_f18_an_index_that_shows_an_old_version_for_a_while_pauses_nothing(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    old = _theirs(rig)
    rig.there.put(_dosed(rig, "theirs"))
    rig.pull()
    rig.there.shown[MR, old["id"]] = old
    assert [one.trouble for one in rig.pull()] == ["", ""]
    assert not [one for one in rig.alerts() if one.startswith("restored")]
    assert _ours(rig) == "theirs"


def _resume(rig: Rig) -> dict[str, Any]:
    return restored.resume(rig.service, "command:7", "peer", "asked their operators")


def _lost_change(rig: Rig, **members: Any) -> None:
    """Restore the peer to before a change of ours that it had acknowledged, and notice it."""
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.settle()
    rig.pull()
    backup = rig.there.backup()
    rig.amend(order("A-1", **members))
    rig.settle()
    rig.there.restore(backup)
    assert rig.pull()[0].trouble == PAUSED


def test_f18_after_resuming_what_is_there_as_agreed_goes_on_and_the_rest_is_held(rig: Rig) -> None:
    _lost_change(rig, steps=[{"step_id": "run", "text": "newer"}])
    assert _resume(rig) == {"remote": "peer", "tenant": TENANT, "was": "restored"}
    assert [one.trouble for one in rig.pull()] == ["", ""]
    (conflict,) = rig.conflicts()
    assert conflict.fields == ("restored",)
    rig.amend(order("A-2", priority="stat"))
    rig.settle(rounds=10)
    by_value = {one["identifier"][0]["value"]: one for one in rig.there.all(MR)}
    assert by_value["A-2"]["priority"] == "stat"
    resolve(rig.service, "command:7", conflict.conflict_id, "ours", "the backup lost it")
    rig.settle()
    texts = {one["identifier"][0]["value"]: one["dosageInstruction"][0].get("text") for one in rig.there.all(MR)}
    assert texts["A-1"] == "newer"
    before = (rig.alerts(), [len(kept.versions) for kept in rig.there.resources.values()])
    for _ in range(3):
        rig.pull()
        rig.settle()
    assert (rig.alerts(), [len(kept.versions) for kept in rig.there.resources.values()]) == before
    assert [one.trouble for one in rig.pull()] == ["", ""]


def test_f18_h6_a_stop_that_the_restored_peer_lost_is_told_by_an_alarm_of_its_own(rig: Rig) -> None:
    _lost_change(rig, status="stopped")
    _resume(rig)
    rig.pull()
    assert "restored-active" in rig.alerts()
    assert rig.resource(MR, rig.id_of(MR, "A-1"))["status"] == "stopped"


def test_f18_h17_after_resuming_a_change_of_ours_does_not_overwrite_what_is_there_unseen(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    backup = rig.there.backup()
    rig.there.put(_dosed(rig, "first"))
    rig.pull()
    rig.there.restore(backup)
    rig.there.step(timedelta(hours=1))
    rig.there.put(_dosed(rig, "second"))
    rig.pull()
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    _resume(rig)
    rig.settle(rounds=5)
    assert _theirs(rig)["dosageInstruction"][0]["text"] == "second"
    assert len(rig.conflicts()) == 1


def test_f18_going_on_needs_a_reason_and_is_in_the_trail(rig: Rig) -> None:
    with pytest.raises(Refused) as refusal:
        _resume(rig)
    assert refusal.value.status == 404
    _lost_change(rig, priority="stat")
    with pytest.raises(Refused) as refusal:
        restored.resume(rig.service, "command:7", "peer", " ")
    assert refusal.value.status == 422
    _resume(rig)
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    told = [(one.client, one.detail) for one in entries if one.action == "sync-resumed"]
    assert told == [("command:7", "peer: restored: asked their operators")]
