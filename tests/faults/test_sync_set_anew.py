"""A remote that was out of the settings for a while, or not told of a type, and is in them again: nothing old goes out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.errors import Refused
from fhir_infusion.store import aside, audit
from fhir_infusion.sync import replaying
from fhir_infusion.sync.advice import advice
from fhir_infusion.sync.status import gauges, status
from fhir_infusion.sync.worker import sync_now
from tests.faults.peer import RESET, Act, Peer, once
from tests.faults.rig import TENANT, Rig, administration, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR, MA = "MedicationRequest", "MedicationAdministration"


@contextmanager
def unset(rig: Rig) -> Iterator[None]:
    """Have our side work without the remote, as after a start without its section."""
    before, kept = rig.service, rig.service.settings
    rig.service = replace(before, settings=_with_remotes(kept, ()))
    yield
    rig.service = before


def _with_remotes(settings: Settings, remotes: tuple[Any, ...]) -> Settings:
    return Settings(**{one.name: getattr(settings, one.name) for one in fields(settings)} | {"remotes": remotes})


def _rated(value: int) -> list[dict[str, Any]]:
    rate = {"value": value, "unit": "ug/kg/min"}
    return [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}]


def _rate(resource: dict[str, Any]) -> str:
    return str(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"])


def test_h7_h6_what_waited_is_not_sent_in_its_old_version_and_the_stop_made_meanwhile_is(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    rig.amend(order("A-1", steps=_rated(7)))
    with unset(rig):
        rig.amend(order("A-1", steps=_rated(8)))
        rig.amend(order("A-1", status="stopped", steps=_rated(8)))
    assert rig.settle() == ["acked", "superseded", "acked"]
    (remote,) = there.all(MR)
    assert (remote["status"], _rate(remote), remote["meta"]["versionId"]) == ("stopped", "8", "2")
    assert rig.alerts() == ["untold"]


def test_h7_a_create_that_waited_goes_out_as_the_order_is_now(rig: Rig, there: Peer):
    there.lies.append(lambda _: RESET)
    rig.place(order("A-1"))
    rig.push()
    there.lies.clear()
    with unset(rig):
        rig.amend(order("A-1", status="stopped", steps=_rated(8)))
    rig.clock.move(60)
    assert rig.settle() == ["superseded", "acked"]
    (remote,) = there.all(MR)
    assert (remote["status"], _rate(remote), remote["meta"]["versionId"]) == ("stopped", "8", "1")


def test_h6_a_stop_of_which_nothing_waited_is_told_once_the_remote_is_set_again(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.place(order("A-2"))
    rig.give(administration("G-1", "A-2", 5))
    rig.settle()
    sent = len(there.writes())
    with unset(rig):
        rig.amend(order("A-1", status="stopped"))
        rig.change(administration("G-1", "A-2", 6))
        rig.place(order("A-3"))
    sync_now(rig.service, "peer")
    rig.settle()
    assert {one["identifier"][0]["value"]: one["status"] for one in there.all(MR)} == {
        "A-1": "stopped",
        "A-2": "active",
    }
    assert [one["dosage"]["rateQuantity"]["value"] for one in there.all(MA) if "dosage" in one] == [6]
    assert len(there.writes()) == sent + 2  # of the administration only the segment says something else now
    assert sorted(rig.alerts()) == ["untold"] * 3
    sync_now(rig.service, "peer")
    assert len(there.writes()) == sent + 2


def test_what_changed_there_meanwhile_is_merged_with_what_was_not_told(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    with unset(rig):
        rig.amend(order("A-1", steps=_rated(8)))
    (remote,) = there.all(MR)
    there.put({**remote, "note": [{"text": "theirs"}]})
    sync_now(rig.service, "peer")
    rig.settle()
    (remote,) = there.all(MR)
    (ours,) = rig.all()
    assert [(_rate(one), one["note"][0]["text"]) for one in (remote, ours)] == [("8", "theirs")] * 2


def test_what_a_person_gave_up_and_what_was_never_there_are_not_told_by_that(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    there.lies.append(once(Act(effect=False, status=422)))
    rig.amend(order("A-1", steps=_rated(8)))
    assert rig.settle() == ["acked", "dead"]
    rig.service.store.transact(TENANT, lambda tx: aside.skip(tx, rig.rows()[1].seq, "asked the ward", "command:7"))
    with unset(rig):
        rig.place(order("A-2"))
    sync_now(rig.service, "peer")
    assert [(one["identifier"][0]["value"], _rate(one)) for one in there.all(MR)] == [("A-1", "5")]
    assert rig.alerts() == ["rejected"]
    rig.amend(order("A-1", steps=_rated(9)))
    assert rig.settle()[-1] == "acked"


def _statuses(rig: Rig) -> list[dict[str, Any]]:
    return [one for one in status(rig.service) if one["direction"] == "none"]


def test_h18_h6_what_waits_for_a_remote_that_no_section_names_is_shown_with_its_stops_and_what_to_do(
    rig: Rig, there: Peer
):
    rig.place(order("A-1"))
    rig.settle()
    rig.amend(order("A-1", status="stopped"))
    rig.place(order("A-2"))
    assert _statuses(rig) == []
    with unset(rig):
        rig.clock.move(300)
        (line,) = _statuses(rig)
        assert (line["endpoint"], line["tenant"], line["outbox"]) == ("peer", TENANT, {"acked": 1, "pending": 2})
        assert (line["oldest_pending_seconds"], line["oldest_stop_seconds"]) == (300, 300)
        stop, gone = advice(line)
        assert (stop.is_urgent, gone.is_urgent, gone.command) == (True, True, "sync dead list peer")
        assert "2 wait" in gone.text
        found = gauges(rig.service)
        assert found[f'fhir_infusion_sync_oldest_stop_seconds{{endpoint="peer",tenant="{TENANT}"}}'][1] == 300
        assert found[f'fhir_infusion_sync_pending{{endpoint="peer",tenant="{TENANT}"}}'][1] == 2
        assert status(rig.service, "another") == []
    rig.settle()
    assert _statuses(rig) == []
    assert {one["status"] for one in there.all(MR)} == {"stopped", "active"}


def test_h6_what_waits_is_given_up_only_where_no_section_names_the_remote_and_is_not_told_later(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    rig.amend(order("A-1", steps=_rated(8)))
    waiting = str(rig.rows()[-1].seq)
    with pytest.raises(Refused) as refusal:
        replaying.skip(rig.service, "command:7", waiting, "it is shut down")
    assert refusal.value.status == 422
    with unset(rig):
        assert replaying.skip(rig.service, "command:7", waiting, "it is shut down")["skipped"][0]["version"] == 2
        assert status(rig.service) == []
        trail = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=10_000))
        decided = [(one.client, one.version, one.detail) for one in trail if one.action == "outbox-decision"]
        assert decided == [("command:7", 2, f"outbox row {waiting} pending -> superseded: it is shut down")]
    sync_now(rig.service, "peer")
    assert [_rate(one) for one in there.all(MR)] == ["5"]
    rig.amend(order("A-1", steps=_rated(9)))
    rig.settle()
    assert [_rate(one) for one in there.all(MR)] == ["9"]
