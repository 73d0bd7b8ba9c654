"""A person decides what was held: whose state stands, by the ordinary way of writing, with a reason that is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import audit
from fhir_infusion.sync.resolve import Keep, resolve
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR = "MedicationRequest"
OURS = [{"step_id": "run", "text": "ours"}]


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer()
    one = open_rig(there, database, Clock())
    yield one
    one.close()
    there.close()


def _there(rig: Rig) -> dict[str, Any]:
    (resource,) = rig.there.all(MR)
    return resource


def _change_there(rig: Rig, text: str = "theirs", **members: Any) -> None:
    there = _there(rig)
    rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": text}], **members})


def _texts(rig: Rig) -> tuple[str, str]:
    """Return our dosage text and theirs."""
    ours = rig.resource(MR, rig.ids()[0])
    return ours["dosageInstruction"][0]["text"], _there(rig)["dosageInstruction"][0]["text"]


def _conflict(rig: Rig) -> str:
    """Hold a conflict about the dosage, with a row of ours that it keeps back; return its id."""
    rig.place(order("A-1"))
    rig.settle()
    _change_there(rig)
    rig.amend(order("A-1", steps=OURS))
    assert rig.settle(rounds=3) == ["acked", "conflict"]
    (held,) = rig.conflicts()
    return held.conflict_id


def _decide(rig: Rig, conflict: str, keep: Keep) -> dict[str, Any]:
    return resolve(rig.service, "command:7", conflict, keep, "asked the ward")


def _refused(rig: Rig, conflict: str, keep: Keep = "ours") -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        _decide(rig, conflict, keep)
    return refusal.value.status, refusal.value.issues[0].rule or refusal.value.issues[0].code


def _trail(rig: Rig) -> list[tuple[str, str, str]]:
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    actions = {"conflict-resolved", "outbox-decision"}
    return [(entry.action, entry.client, entry.detail) for entry in entries if entry.action in actions]


def _goes_on(rig: Rig) -> bool:
    """Say whether later changes flow both ways."""
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours again"}]))
    rig.settle()
    first = _texts(rig)
    _change_there(rig, "theirs again")
    rig.pull()
    return (first, _texts(rig)) == (("ours again",) * 2, ("theirs again",) * 2) and rig.conflicts() == []


def test_ours_is_sent_there_over_their_version_and_both_go_on(rig: Rig):
    conflict = _conflict(rig)
    done = _decide(rig, conflict, "ours")
    assert done == {
        "id": conflict,
        "endpoint": "peer",
        "resource": f"{MR}/{rig.ids()[0]}",
        "kept": "ours",
        "version": 2,
    }
    assert rig.settle() == ["acked", "superseded", "acked"]
    assert (_texts(rig), rig.conflicts()) == (("ours", "ours"), [])
    assert _trail(rig) == [
        ("conflict-resolved", "command:7", f"conflict {conflict}: ours: asked the ward"),
        ("outbox-decision", "command:7", "outbox row 2 conflict -> superseded: ours: asked the ward"),
    ]
    assert _goes_on(rig)


def test_theirs_is_a_new_version_here_that_is_not_sent_back_and_both_go_on(rig: Rig):
    conflict = _conflict(rig)
    sent = len(rig.there.writes(MR))
    assert _decide(rig, conflict, "theirs")["version"] == 3
    assert rig.settle() == ["acked", "superseded"]
    assert (_texts(rig), rig.conflicts(), len(rig.there.writes(MR))) == (("theirs", "theirs"), [], sent)
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    assert ("update", "command:7", 3, "from peer") in [(e.action, e.client, e.version, e.detail) for e in entries]
    assert _goes_on(rig)


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_what_a_side_changed_since_is_shown_before_anything_is_decided(rig: Rig, side: str, keep: Keep):
    conflict = _conflict(rig)
    if side == "theirs":
        _change_there(rig, "theirs since")
    else:
        rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours since"}]))
    before = (_texts(rig), rig.states())
    assert _refused(rig, conflict, keep) == (409, "conflict")
    assert (_texts(rig), rig.states()) == before
    (held,) = rig.conflicts()
    shown = [fhir_json.read(text)["dosageInstruction"][0]["text"] for text in (held.ours, held.theirs)]
    assert shown == list(before[0])
    _decide(rig, conflict, keep)
    rig.settle()
    stands = before[0][0 if keep == "ours" else 1]
    assert (_texts(rig), rig.conflicts()) == ((stands, stands), [])
    assert _goes_on(rig)


@pytest.mark.parametrize(
    "change", [{"status": "active"}, {"subject": {"identifier": {"system": "urn:x", "value": "2"}}}]
)
def test_theirs_does_not_stand_where_no_change_may_do_that_and_ours_does(rig: Rig, change: dict[str, Any]):
    rig.place(order("A-1"))
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    ours = _there(rig)
    rig.there.put({**ours, **change})
    rig.pull()
    (held,) = rig.conflicts()
    assert _refused(rig, held.conflict_id, "theirs")[0] == 422
    assert rig.conflicts() == [held]
    _decide(rig, held.conflict_id, "ours")
    rig.settle()
    there = _there(rig)
    assert (there["status"], there["subject"]) == ("stopped", ours["subject"])
    assert rig.conflicts() == []


def test_a_resource_with_our_identifier_that_was_never_linked_is_linked_by_the_decision(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    theirs = {name: value for name, value in _there(rig).items() if name not in {"id", "meta"}}
    other = Peer()
    other.put({**theirs, "priority": "stat"})
    rig.peer.close()
    settings = rig.service.settings
    elsewhere = replace(settings.remotes[0], name="elsewhere", base_url=other.base)
    rig.service = replace(rig.service, settings=replace(settings, remotes=(elsewhere,)))
    rig.peer, rig.there = type(rig.peer)(rig.service, elsewhere), other
    rig.pull()
    from fhir_infusion.store import conflicts  # noqa: PLC0415  the rig lists those of its first peer

    (held,) = rig.service.store.read(TENANT, conflicts.listed)
    assert held.fields == ("identifier",)
    _decide(rig, held.conflict_id, "theirs")
    assert (rig.resource(MR, rig.ids()[0])["priority"], len(rig.ids())) == ("stat", 1)
    other.close()


def test_what_is_gone_there_is_flagged_and_the_conflict_closed(rig: Rig):
    conflict = _conflict(rig)
    rig.there.delete(MR, _there(rig)["id"])
    assert _decide(rig, conflict, "ours")["kept"] == "gone there"
    assert "gone" in rig.alerts()
    rig.amend(order("A-1", priority="stat"))
    assert rig.settle() == ["acked", "superseded", "dead"]
    assert (rig.there.all(MR), rig.conflicts()) == ([], [])


def test_a_decision_needs_a_reason_and_an_open_conflict(rig: Rig):
    conflict = _conflict(rig)
    with pytest.raises(Refused, match="a reason is required"):
        resolve(rig.service, "command:7", conflict, "ours", " ")
    assert _refused(rig, "none") == (404, "not-found")
    _decide(rig, conflict, "ours")
    assert _refused(rig, conflict) == (404, "not-found")
