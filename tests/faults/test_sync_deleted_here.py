"""What was deleted here: nothing that waited is lost, nobody is told to delete, and nothing brings it back (H6, H8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.actions import delete_resource
from fhir_infusion.actions.caller import Caller
from fhir_infusion.errors import Refused
from tests.faults.invariants import demanded
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR = "MedicationRequest"
MA = "MedicationAdministration"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    there = Peer()
    with demanded(open_rig(there, tmp_path / "rig.db", Clock())) as one:
        yield one
    there.close()


def delete(rig: Rig, type_: str, id_: str) -> None:
    version = str(rig.resource(type_, id_)["meta"]["versionId"])
    assert delete_resource.delete(rig.service, Caller(TENANT, "ehr"), type_, id_, version) is not None


def is_deleted(rig: Rig, id_: str) -> bool:
    try:
        rig.resource(MR, id_)
    except Refused as refused:
        return refused.status == 410
    return False


def test_h6_a_stop_that_waits_is_sent_though_the_order_was_deleted_meanwhile(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    rig.amend(order("A-1", status="stopped"))
    (id_,) = rig.ids()
    delete(rig, MR, id_)
    states = rig.settle()
    (there,) = rig.there.all(MR)
    assert there["status"] == "stopped"
    assert set(states) == {"acked"}
    assert [asked.method for asked in rig.there.writes(MR)].count("DELETE") == 0
    assert rig.alerts() == []


def test_a_create_that_waits_is_sent_ended_though_the_order_was_deleted_meanwhile(rig: Rig):
    rig.place(order("A-1"))
    rig.amend(order("A-1", status="cancelled"))
    (id_,) = rig.ids()
    delete(rig, MR, id_)
    rig.settle()
    assert [there["status"] for there in rig.there.all(MR)] == ["cancelled"]


def test_h8_what_they_change_of_it_is_put_aside_with_an_alarm_and_does_not_bring_it_back(rig: Rig):
    rig.place(order("A-1", status="cancelled"))
    rig.settle()
    (id_,) = rig.ids()
    delete(rig, MR, id_)
    rig.pull()
    assert rig.quarantined() == []
    (there,) = rig.there.all(MR)
    rig.clock.move(3600)
    rig.there.put({**there, "status": "active"}, there["id"])
    rig.pull()
    assert is_deleted(rig, id_)
    assert [one.codes for one in rig.quarantined()] == ["deleted-here"]
    assert "quarantined deleted-here" in rig.alerts()
    # The next rounds are quiet.
    alerts = rig.alerts()
    rig.settle()
    rig.pull()
    assert rig.alerts() == alerts


def test_h5_another_of_theirs_with_its_identifier_makes_no_second_one(rig: Rig):
    rig.place(order("A-1", status="cancelled"))
    rig.settle()
    (id_,) = rig.ids()
    delete(rig, MR, id_)
    (there,) = rig.there.all(MR)
    rig.there.put({**there, "status": "active"}, "another")
    rig.pull()
    assert is_deleted(rig, id_)
    assert rig.all() == []
    assert len(rig.quarantined()) == 1


def test_what_is_given_for_a_deleted_order_still_reaches_them(rig: Rig):
    rig.place(order("A-1", status="completed"))
    rig.settle()
    (id_,) = rig.ids()
    delete(rig, MR, id_)
    rig.give(administration("B-1", "A-1", 5))
    states = rig.settle()
    assert set(states) == {"acked"}
    (order_there,) = rig.there.all(MR)
    requests = {there.get("request", {}).get("reference") for there in rig.there.all(MA)}
    assert requests == {f"{MR}/{order_there['id']}"}


def test_what_is_held_in_a_conflict_is_not_deleted(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    (id_,) = rig.ids()
    (there,) = rig.there.all(MR)
    rig.clock.move(3600)
    rig.there.put({**there, "status": "completed"}, there["id"])
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    rig.pull()
    assert len(rig.conflicts()) == 1
    with pytest.raises(Refused) as caught:
        delete(rig, MR, id_)
    (issue,) = caught.value.issues
    assert (issue.status, issue.rule) == (409, "deletion-held")
