"""Telling again: what arrived is not written twice, what the peer lost is; and the other tools for what was put aside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import aside, audit, endpoints, inbox
from fhir_infusion.sync import inspecting, replaying
from tests.counts import count
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR = "MedicationRequest"
WHO = "command:7"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer(page=200)
    one = open_rig(there, database, Clock())
    yield one
    one.close()
    there.close()


def replay_all(rig: Rig, reason: str = "after the outage") -> dict[str, int]:
    """Replay all that was acknowledged until now, part by part as the command does."""
    until, after, counts = rig.clock() + timedelta(days=1), 0, dict[str, int]()
    while rows := rig.service.store.read(
        TENANT,
        lambda tx: aside.told_between(tx, "peer", until - timedelta(days=365), until, after, 200),  # noqa: B023
    ):
        after = rows[-1].seq
        numbers = " ".join(str(row.seq) for row in rows)
        answer = replaying.replay(rig.service, WHO, "peer", numbers, reason)
        for what, number in answer["rows"].items():
            counts[what] = counts.get(what, 0) + number
    return counts


def trail(rig: Rig, action: str) -> list[tuple[str, str]]:
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=10_000))
    return [(one.client, one.detail) for one in entries if one.action == action]


def refused(rig: Rig, rows: str, reason: str = "x") -> int | None:
    with pytest.raises(Refused) as refusal:
        replaying.replay(rig.service, WHO, "peer", rows, reason)
    return refusal.value.status


@pytest.mark.slow
@pytest.mark.timeout(14_400)
def test_replaying_what_arrived_writes_nothing_however_much_it_is(rig: Rig) -> None:
    is_small = rig.service.store.is_shared  # PostgreSQL takes three times as long to place the orders
    total = count(200, 10_000) if is_small else count(1_000, 100_000)
    for number in range(total // 10):
        # Ten orders of a patient: the patient is looked for once.
        for part in range(10):
            rig.place(order(f"P{number}.{part}"))
    rig.push()
    assert set(rig.states()) == {"acked"}
    before = len(rig.there.writes())
    versions = sum(len(kept.versions) for kept in rig.there.resources.values())
    assert replay_all(rig) == {"still-there": total}
    assert len(rig.there.writes()) == before
    assert sum(len(kept.versions) for kept in rig.there.resources.values()) == versions


def test_a_week_of_every_kind_is_replayed_without_a_write(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.settle()
    rig.amend(order("A-1", priority="stat"))
    rig.change(administration("G-1", "A-1", 5, "7.50", 9))
    rig.settle()
    rig.amend(order("A-1", priority="stat", status="stopped"))
    rig.settle()
    before = len(rig.there.writes())
    counts = replay_all(rig)
    assert counts.keys() == {"still-there", "older"}
    assert counts["still-there"] == 5
    assert len(rig.there.writes()) == before
    assert rig.states() == ["acked"] * len(rig.rows())


def test_what_the_peer_has_lost_is_sent_again_once_and_what_it_deleted_is_not(rig: Rig) -> None:
    for number in range(3):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.amend(order("A-0", priority="stat"))
    rig.settle()
    by_value = {one["identifier"][0]["value"]: one["id"] for one in rig.there.all(MR)}
    del rig.there.resources[MR, by_value["A-0"]]
    rig.there.delete(MR, by_value["A-1"])
    before = len(rig.there.writes())
    assert replay_all(rig) == {"gone": 1, "older": 1, "sent-again": 1, "still-there": 1}
    assert len(rig.there.writes()) == before + 1
    there = {one["identifier"][0]["value"]: one.get("priority") for one in rig.there.all(MR)}
    assert there == {"A-0": "stat", "A-2": None}
    assert rig.alerts() == ["gone", "deleted-active"]
    assert replay_all(rig) == {"gone": 1, "older": 1, "still-there": 2}
    assert len(rig.there.writes()) == before + 1
    (told,) = trail(rig, "outbox-decision")
    assert told[1].endswith("acked -> pending, peer has lost it: after the outage")


def test_what_changed_there_since_is_taken_and_not_overwritten_by_a_replay(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "note": [{"text": "seen"}]})
    before = len(rig.there.writes())
    assert replay_all(rig) == {"changed-there": 1}
    assert len(rig.there.writes()) == before
    assert rig.all()[0]["note"] == [{"text": "seen"}]


def test_a_peer_that_cannot_be_asked_is_said_so_and_nothing_is_sent(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(once(Act(effect=False, status=500), lambda asked: asked.method == "GET"))
    assert replay_all(rig) == {"unasked": 1}
    assert len(rig.there.writes(MR)) == 1


def test_one_whose_newest_version_a_person_gave_up_is_not_said_to_be_on_its_way(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert replay_all(rig) == {"on-its-way": 1}
    replaying.skip(rig.service, WHO, str(rig.rows()[-1].seq), "written on paper")
    assert replay_all(rig) == {"superseded": 1}


def test_a_row_put_aside_is_replayed_and_one_that_a_later_version_overtook_is_refused_and_skipped(rig: Rig) -> None:
    for number in (1, 2):
        rig.there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
        rig.place(order(f"A-{number}"))
        rig.settle()
    rig.amend(order("A-2", priority="stat"))
    rig.settle()
    assert rig.states() == ["dead", "dead", "acked"]
    one, two, _ = (row.seq for row in rig.rows())
    answer = replaying.replay(rig.service, WHO, "peer", f"{one} {two} 99999", "fixed there")
    assert answer["rows"] == {"not-found": 1, "refused": 1, "replayed": 1}
    assert [(line["row"], line["what"]) for line in answer["told"]] == [
        (one, "replayed"),
        (two, "refused"),
        (99999, "not-found"),
    ]
    assert rig.states() == ["acked", "dead", "acked"]
    skipped = replaying.skip(rig.service, WHO, str(two), "overtaken")
    assert [line["row"] for line in skipped["skipped"]] == [two]
    assert rig.states() == ["acked", "superseded", "acked"]
    with pytest.raises(Refused) as refusal:
        replaying.skip(rig.service, WHO, "99999", "x")
    assert refusal.value.status == 404
    assert len(trail(rig, "outbox-decision")) == 2
    assert trail(rig, "sync-replayed") == [(WHO, "peer: 1 not-found, 1 refused, 1 replayed: fixed there")]


def test_h19_a_replay_needs_a_reason_numbers_and_a_remote_that_is_not_paused(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    assert [refused(rig, rows, reason) for rows, reason in (("1", " "), ("", "x"), ("-1", "x"), ("one", "x"))] == [
        422
    ] * 4
    assert refused(rig, " ".join(map(str, range(1, 400)))) == 422
    rig.service.store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    assert refused(rig, "1") == 409


def test_a_row_is_shown_with_its_content_and_who_looked_is_in_the_trail(rig: Rig) -> None:
    rig.there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    rig.place(order("A-1"))
    rig.settle()
    (row,) = rig.rows()
    shown = inspecting.show_row(rig.service, WHO, str(row.seq))
    assert (shown["state"], shown["code"], shown["release"]) == ("dead", "422", "R4")
    assert shown["content"] == rig.all()[0]
    assert trail(rig, "read") == [(WHO, f"outbox row {row.seq}")]
    with pytest.raises(Refused) as refusal:
        inspecting.show_row(rig.service, WHO, "99999")
    assert refusal.value.status == 404


def test_what_was_quarantined_is_shown_and_taken_once_its_reason_is_gone(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    other = {**there, "identifier": [{"system": "urn:theirs", "value": "T-1"}], "id": "x"}
    rig.there.put({**other, "status": "bogus"}, "bad")
    rig.there.put(other, "good")
    rig.pull()
    (one,) = rig.quarantined()
    name = f"{MR}/{one.id}/_history/{one.version}"
    shown = inspecting.show_quarantined(rig.service, WHO, "peer", name)
    assert '"bogus"' in shown["content"]
    assert trail(rig, "read") == [(WHO, f"peer: {MR}/bad there, quarantined")]
    answer = inspecting.retry_quarantined(rig.service, WHO, "peer", name, "once more")
    assert (answer["tried"], answer["taken"], answer["left"]) == (1, 0, 1)
    # One that was put aside for a fault of ours, mended since.
    (good,) = [kept for kept in rig.there.all(MR) if kept["id"] == "good"]
    version = good["meta"]["versionId"]
    rig.service.store.transact(TENANT, lambda tx: inbox.mark(tx, "peer", MR, "good", version, "quarantined", "poison"))
    answer = inspecting.retry_quarantined(rig.service, WHO, "peer", f"{MR}/good/_history/{version}", "mended")
    assert (answer["tried"], answer["taken"], answer["left"]) == (1, 1, 0)
    assert len(rig.all()) == 2
    for listed, reason in (("", "x"), (name, " "), (MR, "x")):
        with pytest.raises(Refused) as refusal:
            inspecting.retry_quarantined(rig.service, WHO, "peer", listed, reason)
        assert refusal.value.status == 422
    with pytest.raises(Refused) as refusal:
        inspecting.show_quarantined(rig.service, WHO, "peer", f"{MR}/none/_history/1")
    assert refusal.value.status == 404


def test_a_feed_is_read_from_an_earlier_moment_on_and_nothing_is_taken_twice(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    for number in range(3):
        rig.there.put({**there, "identifier": [{"system": "urn:theirs", "value": f"T-{number}"}]}, f"t{number}")
    rig.there.step(timedelta(days=2))
    rig.there.put({**there, "identifier": [{"system": "urn:theirs", "value": "T-9"}]}, "t9")
    rig.pull()
    before = rig.service.store.read(TENANT, lambda tx: inbox.cursor(tx, "peer", MR)).watermark
    kept = {one["id"]: one["meta"]["versionId"] for one in rig.all()}
    answer = inspecting.rewind(rig.service, WHO, "peer", MR, "2025-05-01T00:00:00Z", "a gap")
    assert answer == {"remote": "peer", "type": MR, "was": before, "now": "2025-05-01T00:00:00.000Z"}
    asked = len(rig.there.asked)
    orders, _ = rig.pull()
    assert (orders.received, orders.trouble) == (0, "")
    question = next(one for one in rig.there.asked[asked:] if one.type == MR)
    assert question.query["_lastUpdated"] < "ge2025-05-01T00:00:00Z"
    assert rig.service.store.read(TENANT, lambda tx: inbox.cursor(tx, "peer", MR)).watermark == before
    assert {one["id"]: one["meta"]["versionId"] for one in rig.all()} == kept
    assert trail(rig, "sync-rewound") == [(WHO, f"peer: {MR} from {before} to 2025-05-01T00:00:00.000Z: a gap")]


@pytest.mark.parametrize(
    ("to", "reason"), [("", "x"), ("soon", "x"), ("2999-01-01T00:00:00Z", "x"), ("2025-05-01", " ")]
)
def test_going_back_needs_a_moment_before_the_watermark_and_a_reason(rig: Rig, to: str, reason: str) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    with pytest.raises(Refused) as refusal:
        inspecting.rewind(rig.service, WHO, "peer", MR, to, reason)
    assert refusal.value.status == 422


def test_nobody_goes_back_in_a_feed_that_is_being_read(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    with rig.service.store.alone(f"pull {TENANT} peer"), pytest.raises(Refused) as refusal:
        inspecting.rewind(rig.service, WHO, "peer", MR, "2025-05-01T00:00:00Z", "x")
    assert refusal.value.status == 409


def test_content_of_rows_is_in_no_listing(rig: Rig) -> None:
    rig.there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    rig.place(order("A-1"))
    rig.settle()
    (row,) = rig.service.store.read(TENANT, lambda tx: aside.put_aside(tx, "peer"))
    line: dict[str, Any] = inspecting.line_of(TENANT, row)
    assert "Jane" not in str(line)
    assert (line["row"], line["state"], line["code"], line["stop"]) == (row.seq, "dead", "422", False)
