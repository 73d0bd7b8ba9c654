"""``sync reconcile``: what differs is told line by line without a value, and repaired only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.peer import Act, Peer, once
from tests.faults.rig import ADMINISTRATIONS, ORDERS, Clock, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

MR = "MedicationRequest"
MA = "MedicationAdministration"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """Bring a peer out of step with a database that the settings name."""
    peer = Peer()
    rig = open_rig(peer, tmp_path / "rig.db", Clock())
    for number in range(4):
        rig.place(order(f"A-{number}"))
    rig.settle()
    rig.pull()
    remote = {one["identifier"][0]["value"]: one for one in peer.all(MR)}
    peer.put({**remote["A-1"], "note": [{"text": "CANARY"}]})
    rig.amend(order("A-2", steps=[{"step_id": "run", "text": "CANARY"}]))
    del peer.resources[MR, remote["A-3"]["id"]]
    rig.close()
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'database = "sqlite:///{tmp_path}/rig.db"\norder_system = "{ORDERS}"\n'
        f'administration_system = "{ADMINISTRATIONS}"\n[remotes.peer]\nbase_url = "{peer.base}"\n'
    )
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(settings))
    yield peer
    peer.close()


def test_a_dry_run_tells_what_differs_changes_nothing_and_a_repair_ends_equal(cli: Run, there: Peer):
    ran = cli("sync", "reconcile", "peer")
    assert (ran.code, ran.err, "CANARY" in ran.out) == (1, "", False)
    *lines, orders, administrations = ran.json
    assert [(one["kind"], one["repair"], one.get("elements", [])) for one in lines] == [
        ("ours-newer", "push", ["dosageInstruction"]),
        ("theirs-newer", "receive", ["note"]),
        ("vanished", "tombstone", []),
    ]
    kinds = {"equal": 1, "ours-newer": 1, "theirs-newer": 1, "vanished": 1}
    assert orders == {"remote": "peer", "type": MR, "kinds": kinds, "equal": False}
    assert administrations == {"remote": "peer", "type": MA, "kinds": {}, "equal": True}
    assert cli("sync", "reconcile", "peer").json == ran.json
    assert len(there.writes(MR)) == 4
    repaired = cli("sync", "reconcile", "peer", "--repair", "--reason", "after the outage")
    assert (repaired.code, repaired.err) == (0, "")
    assert repaired.json[-2] == {
        "remote": "peer",
        "type": MR,
        "repaired": {"ours-newer": 1, "theirs-newer": 1, "vanished": 1},
        "left": [],
    }
    again = cli("sync", "reconcile", "peer", "--type", MR)
    assert (again.code, again.json) == (
        0,
        [
            {"remote": "peer", "kind": "lost", "ours": lines[-1]["ours"]},
            {"remote": "peer", "type": MR, "kinds": {"equal": 3, "lost": 1}, "equal": True},
        ],
    )
    assert cli("audit", "verify").code == 0


def test_what_a_repair_leaves_to_a_person_is_not_counted_as_repaired(cli: Run, there: Peer):
    there.put(next(one for one in there.all(MR) if one["identifier"][0]["value"] == "A-0"), "second")
    ran = cli("sync", "reconcile", "peer", "--type", MR, "--repair", "--reason", "after the outage")
    (repaired,) = [line for line in ran.json if "repaired" in line]
    assert (ran.code, repaired["repaired"]) == (1, {"ours-newer": 1, "theirs-newer": 1, "vanished": 1})
    assert [(one["kind"], one["theirs"]) for one in repaired["left"]] == [("duplicate", f"{MR}/second")]


@pytest.mark.usefixtures("there")
def test_a_repair_needs_a_reason(cli: Run):
    assert cli("sync", "reconcile", "peer", "--repair").code == 2
    assert cli("sync", "reconcile", "nobody").code == 2


def test_a_peer_that_cannot_be_listed_is_trouble_and_nothing_is_repaired(cli: Run, there: Peer):
    there.lies.append(once(Act(effect=False, status=500), lambda asked: asked.type == MR, times=100))
    ran = cli("sync", "reconcile", "peer", "--repair", "--reason", "x")
    assert ran.code == 1
    assert ran.json[0]["trouble"]
    assert "is not repaired" in ran.err
    assert len(there.writes(MR)) == 4


def test_a_server_without_what_was_linked_is_not_believed_to_have_lost_it_one_by_one(
    cli: Run, there: Peer, tmp_path: Path
):
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    for number in range(12):
        rig.place(order(f"B-{number}"))
    rig.settle()
    rig.close()
    there.resources.clear()
    ran = cli("sync", "reconcile", "peer", "--type", MR, "--repair", "--reason", "x")
    assert (ran.code, ran.json[-1]["kinds"]) == (1, {"vanished": 16})
    assert "another server" in ran.json[-1]["trouble"]
    assert cli("sync", "reconcile", "peer", "--type", MR).json[-1]["kinds"] == {"vanished": 16}
