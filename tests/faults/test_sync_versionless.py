"""A server that keeps no versions: no versionId, no ETag, no If-Match; what is there is told by its text alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import restored
from tests.faults.invariants import demanded
from tests.faults.peer import DROP, Act, Asked, Peer, once
from tests.faults.rig import Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR = "MedicationRequest"


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource, or a Bundle of them, without version ids."""
    if resource["resourceType"] == "Bundle":
        entries = [{**one, "resource": _bare(one["resource"])} for one in resource["entry"]]
        return {**resource, "entry": entries}
    meta = {name: text for name, text in resource.get("meta", {}).items() if name != "versionId"}
    return {**resource, "meta": meta} if meta else resource


class Versionless(Peer):
    """That server."""

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None, Act | None]:
        status, headers, resource, act = super().answer(asked)
        headers = {name: text.partition("/_history")[0] for name, text in headers.items() if name != "ETag"}
        return status, headers, _bare(resource) if resource is not None else None, act


@pytest.fixture
def server() -> Iterator[Versionless]:
    one = Versionless()
    one.checks_match = False
    yield one
    one.close()


@pytest.fixture
def rig(server: Versionless, tmp_path: Path) -> Iterator[Rig]:
    with demanded(open_rig(server, tmp_path / "ours.db", Clock())) as one:
        yield one


def _changed(rate: int) -> dict[str, Any]:
    dosing = {"dosing_id": "rate", "rate": {"value": rate, "unit": "ug/kg/min"}}
    return order("A-1", steps=[{"step_id": "run", "dosings": [dosing]}])


def _reads(server: Peer) -> int:
    return len([one for one in server.asked if one.method == "GET" and one.type == MR and one.id])


def test_what_is_told_to_a_server_without_versions_arrives_once_without_a_look_before_each_change(
    rig: Rig, server: Versionless
):
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    rig.pull()
    before = _reads(server)
    for rate in (6, 7, 8):
        rig.amend(_changed(rate))
        rig.settle()
    assert (rig.states(), len(server.writes(MR)), _reads(server)) == (["acked"] * 4, 4, before)
    rig.pull()
    assert (len(rig.ids()), rig.conflicts(), rig.alerts()) == (1, [], [])


def test_f6_there_a_stop_whose_answer_was_lost_is_verified_by_what_is_there(rig: Rig, server: Versionless):
    rig.place(order("A-1"))
    rig.settle()
    server.lies.append(once(DROP, lambda asked: asked.writes))
    rig.amend(order("A-1", status="stopped"))
    assert rig.settle() == ["acked", "acked"]
    assert (len(server.writes(MR)), [one["status"] for one in server.all(MR)]) == (2, ["stopped"])


def test_what_is_changed_there_is_taken_once(rig: Rig, server: Versionless):
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    (there,) = server.all(MR)
    server.put({**there, "priority": "stat"}, there["id"])
    for _ in range(3):
        rig.pull()
    (ours,) = rig.all()
    assert (ours["priority"], ours["meta"]["versionId"]) == ("stat", "2")
    assert len(server.writes(MR)) == 1


def test_f18_h17_after_a_restore_there_what_is_not_as_agreed_is_looked_at_before_a_change_goes_over_it(
    rig: Rig, server: Versionless
):
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    backup = server.backup()
    rig.amend(_changed(7))
    rig.settle()
    rig.pull()
    restored.pause(rig.peer, "default", "")
    server.restore(backup)
    server.step(timedelta(hours=1))
    (there,) = server.all(MR)
    server.put({**there, "dosageInstruction": [{"text": "by hand"}]}, there["id"])
    restored.resume(rig.service, "command:7", "peer", "asked them")
    rig.amend(_changed(9))
    rig.settle(rounds=10)
    (now,) = server.all(MR)
    assert now["dosageInstruction"] == [{"text": "by hand"}]
    assert [one.fields for one in rig.conflicts()] == [("restored",)]
    rig.amend(order("A-1", status="stopped"))
    rig.settle(rounds=10)
    (now,) = server.all(MR)
    assert (now["status"], now["dosageInstruction"]) == ("stopped", [{"text": "by hand"}])
