"""Several resources at a peer with one identifier of ours: found, told, and ended but for one: F11 and hazard H5."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import audit
from fhir_infusion.sync import duplicates
from tests.faults.peer import Act, once
from tests.faults.rig import TENANT, Rig, order

MR = "MedicationRequest"


def listed(rig: Rig) -> list[str]:
    return list(duplicates.found_in_listing(rig.peer, TENANT, MR))


def examined(rig: Rig) -> dict[str, Any]:
    (aggregate,) = listed(rig)
    found = duplicates.examine(rig.peer, TENANT, aggregate)
    assert found is not None
    return found.line("peer")


def repaired(rig: Rig) -> dict[str, Any]:
    (aggregate,) = listed(rig)
    return duplicates.undouble(rig.service, "command:7", "peer", aggregate, "seen by the pharmacy")


def statuses(rig: Rig) -> dict[str, str]:
    return {one["id"]: one["status"] for one in rig.there.all(MR)}


def test_f11_what_a_peer_created_twice_at_once_is_ended_but_for_the_oldest_and_the_order_goes_on(rig: Rig) -> None:
    rig.place(order("B-1"))
    rig.settle()
    rig.there.double_create = True
    rig.place(order("B-1.2"))
    assert rig.settle() == ["acked", "duplicate"]
    rig.amend(order("B-1.2", priority="stat"))
    rig.there.double_create = False
    # Held back: nothing more is sent of a resource that is there twice.
    assert rig.settle(rounds=3)[1:] == ["duplicate", "pending"]
    first, second = sorted(statuses(rig))[-2:]
    told = examined(rig)
    assert (told["keep"], told["end"]) == (f"{MR}/{first}", [f"{MR}/{second}"])
    assert repaired(rig)["keep"] == f"{MR}/{first}"
    assert statuses(rig)[second] == "entered-in-error"
    rig.settle()
    there = {one["id"]: one for one in rig.there.all(MR)}
    assert (there[first]["priority"], there[first]["status"]) == ("stat", "active")
    assert listed(rig) == []
    rig.pull()
    rig.pull()
    assert (rig.quarantined(), rig.conflicts(), len(rig.all())) == ([], [], 2)


def test_f11_a_second_one_that_appears_late_is_found_and_told_within_one_pull(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    (there,) = rig.there.all(MR)
    rig.clock.move(100)
    rig.there.put(there, "late")
    rig.pull()
    assert "quarantined ambiguous-identifier" in rig.alerts()
    assert examined(rig) == {
        "remote": "peer",
        "resource": f"{MR}/{rig.ids()[0]}",
        "linked": f"{MR}/{there['id']}",
        "keep": f"{MR}/{there['id']}",
        "end": [f"{MR}/late"],
    }
    repaired(rig)
    assert statuses(rig) == {there["id"]: "active", "late": "entered-in-error"}
    assert rig.quarantined() == []
    rig.amend(order("A-1", status="stopped"))
    rig.settle()
    rig.pull()
    assert statuses(rig) == {there["id"]: "stopped", "late": "entered-in-error"}
    assert (rig.quarantined(), len(rig.all())) == ([], 1)
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    (ended,) = [one for one in entries if one.action == "sync-duplicate-ended"]
    assert (ended.client, ended.detail) == (
        "command:7",
        f"peer: {MR}/late there entered in error: seen by the pharmacy",
    )


def test_f11_the_one_that_has_our_newest_version_is_kept_though_another_is_older(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    rig.there.put(there, "older")
    rig.amend(order("A-1", priority="stat"))
    rig.settle()
    assert examined(rig)["keep"] == f"{MR}/{there['id']}"


def test_h5_where_none_equals_ours_none_is_picked(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    for id_ in (there["id"], "second"):
        rig.there.put({**there, "dosageInstruction": [{"text": id_}]}, id_)
    told = examined(rig)
    assert (told["why"], "keep" in told, "end" in told) == ("none equals ours", False, False)
    writes = len(rig.there.writes())
    assert repaired(rig)["why"] == "none equals ours"
    assert len(rig.there.writes()) == writes


def test_one_that_changes_in_this_moment_is_not_overwritten_and_is_told_as_failed(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    rig.there.put(there, "second")
    rig.there.lies.append(once(Act(effect=False, status=412), lambda asked: asked.method == "PUT"))
    answer = repaired(rig)
    assert answer["failed"] == {f"{MR}/second": "stale"}
    assert statuses(rig)["second"] == "active"
    put = [asked for asked in rig.there.asked if asked.method == "PUT"]
    assert put[-1].headers["if-match"] == 'W/"1"'


@pytest.mark.parametrize("lie", [Act(status=500), Act(close="before"), Act(status=200, body=b"")])
def test_f6_an_answer_that_was_lost_is_found_by_reading_back(rig: Rig, lie: Act) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    rig.there.put(there, "second")
    rig.there.lies.append(once(lie, lambda asked: asked.method == "PUT"))
    assert "failed" not in repaired(rig)
    assert statuses(rig)["second"] == "entered-in-error"


def test_identifiers_that_are_not_of_a_resource_of_ours_are_no_duplicates(rig: Rig) -> None:
    rig.place(order("A-1"))
    rig.settle()
    (there,) = rig.there.all(MR)
    group = {"system": "urn:theirs:group", "value": "G-1"}
    for id_ in ("x", "y"):
        rig.there.put({**there, "identifier": [group]}, id_)
    assert listed(rig) == []


def test_ending_duplicates_needs_a_reason_and_a_resource(rig: Rig) -> None:
    for resource, reason in (("MedicationRequest/1", ""), ("Patient/1", "x"), ("MedicationRequest", "x")):
        with pytest.raises(Refused) as refusal:
            duplicates.undouble(rig.service, "command:7", "peer", resource, reason)
        assert refusal.value.status == 422
