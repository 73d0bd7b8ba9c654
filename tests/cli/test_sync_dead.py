"""``sync dead``, ``replay``, ``skip``, ``quarantine`` and ``rewind``: by number and version, audited, no content in lists."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store import audit, open_reader
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import ADMINISTRATIONS, ORDERS, Clock, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

MR = "MedicationRequest"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """One order arrived (row 1), one was rejected (row 2), and one of theirs could not be taken."""
    peer = Peer()
    rig = open_rig(peer, tmp_path / "rig.db", Clock())
    rig.place(order("A-1"))
    rig.settle()
    peer.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    rig.place(order("A-2"))
    rig.settle()
    (one,) = peer.all(MR)
    bad = {**one, "status": "bogus", "identifier": [{"system": "urn:theirs", "value": "T-1"}]}
    peer.put(bad, "bad")
    rig.pull()
    rig.close()
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'database = "sqlite:///{tmp_path}/rig.db"\norder_system = "{ORDERS}"\n'
        f'administration_system = "{ADMINISTRATIONS}"\n[remotes.peer]\nbase_url = "{peer.base}"\n'
    )
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(settings))
    yield peer
    peer.close()


def trail(tmp_path: Path, action: str) -> list[tuple[str, str]]:
    store = open_reader(f"sqlite:///{tmp_path}/rig.db", Clock())
    entries = store.read("default", lambda tx: audit.entries(tx, limit=1000))
    store.close()
    return [(entry.client, entry.detail) for entry in entries if entry.action == action]


def test_what_was_put_aside_is_listed_shown_and_replayed_by_its_number(cli: Run, there: Peer, tmp_path: Path):
    listed = cli("sync", "dead", "list")
    assert (listed.code, "Jane" in listed.out) == (0, False)
    (line,) = listed.json
    assert (line["row"], line["remote"], line["state"], line["code"]) == (2, "peer", "dead", "422")
    assert cli("sync", "dead", "list", "peer").json == listed.json
    shown = cli("sync", "dead", "show", "2")
    assert (shown.code, "Jane" in shown.out, shown.json[0]["content"]["resourceType"]) == (0, True, MR)
    assert trail(tmp_path, "read") == [(f"command:{os.getuid()}", "outbox row 2")]
    ran = cli("sync", "replay", "peer", "--state", "dead", "--reason", "their rule is gone")
    assert (ran.code, ran.json[-1]) == (0, {"remote": "peer", "rows": {"replayed": 1}})
    assert (ran.json[0]["what"], ran.json[0]["now"]) == ("replayed", "acked")
    assert cli("sync", "dead", "list").out == ""
    assert len([one for one in there.all(MR) if one["id"] != "bad"]) == 2
    assert cli("audit", "verify").code == 0


def test_what_arrived_in_a_time_is_replayed_without_a_write(cli: Run, there: Peer):
    writes = len(there.writes())
    window = ("--from", "2025-05-01", "--to", "2025-05-02T00:00:00Z")
    ran = cli("sync", "replay", "peer", *window, "--reason", "to be sure")
    assert (ran.code, ran.json) == (0, [{"remote": "peer", "rows": {"still-there": 1}}])
    ran = cli("sync", "replay", "peer", "--row", "1", "--reason", "to be sure")
    assert (ran.code, ran.json) == (0, [{"remote": "peer", "rows": {"still-there": 1}}])
    assert len(there.writes()) == writes


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    "chosen",
    [
        [],
        ["--row", "1", "--state", "dead"],
        ["--from", "2025-05-01"],
        ["--from", "then", "--to", "now"],
        ["--row", "0"],
    ],
)
def test_a_replay_of_nothing_in_particular_is_wrong_usage(cli: Run, chosen: list[str]):
    assert cli("sync", "replay", "peer", *chosen, "--reason", "x").code == 2


def test_a_row_that_is_put_aside_once_more_by_its_replay_is_told_so(cli: Run, there: Peer):
    there.lies.append(once(Act(effect=False, status=422), lambda asked: asked.type == MR and asked.writes))
    ran = cli("sync", "replay", "peer", "--row", "2", "--reason", "their rule is gone")
    assert (ran.code, ran.json[-1]["rows"]) == (1, {"replayed": 1})
    assert {name: ran.json[0][name] for name in ("row", "what", "now", "code")} == {
        "row": 2,
        "what": "replayed",
        "now": "dead",
        "code": "422",
    }


@pytest.mark.usefixtures("there")
def test_what_names_no_row_is_wrong_usage(cli: Run):
    assert cli("sync", "dead", "show", "abc").code == 2


def test_a_row_is_given_up_with_a_reason(cli: Run, there: Peer):
    assert cli("sync", "skip", "2").code == 2
    ran = cli("sync", "skip", "2", "--reason", "written on paper")
    assert (ran.code, [one["row"] for one in ran.json]) == (0, [2])
    again = cli("sync", "skip", "2", "--reason", "written on paper")
    assert (again.code, again.out) == (1, "")
    assert cli("sync", "dead", "list").out == ""
    assert len([one for one in there.all(MR) if one["id"] != "bad"]) == 1


def test_what_waits_for_a_remote_that_no_section_names_any_more_is_told_listed_and_given_up(
    cli: Run, there: Peer, tmp_path: Path
):
    unset = cli("sync", "skip", "--unset", "peer", "--reason", "it is shut down")
    assert (unset.code, "no section names" in unset.err) == (2, True)
    named = tmp_path / "settings.toml"
    text = named.read_text()
    named.write_text(text.replace("[remotes.peer]", "[remotes.other]"))
    lines = {line["endpoint"]: line for line in cli("sync", "status").json}
    assert lines.keys() == {"other", "peer"}
    assert (lines["peer"]["direction"], lines["peer"]["next"]) == ("none", ["sync dead list peer"])
    assert [(one["row"], one["state"]) for one in cli("sync", "dead", "list", "peer").json] == [(2, "dead")]
    assert cli("sync", "dead", "list", "other").out == ""
    assert cli("sync", "skip", "2", "--unset", "peer", "--reason", "x").code == 2
    ran = cli("sync", "skip", "--unset", "peer", "--reason", "it is shut down")
    assert (ran.code, [one["row"] for one in ran.json]) == (0, [2])
    assert [line["endpoint"] for line in cli("sync", "status").json] == ["other"]
    assert len([one for one in there.all(MR) if one["id"] != "bad"]) == 1


@pytest.mark.usefixtures("there")
def test_what_could_not_be_taken_is_listed_shown_and_tried_again(cli: Run, tmp_path: Path):
    listed = cli("sync", "quarantine", "list")
    (line,) = listed.json
    assert (line["remote"], line["version"], "Jane" in listed.out) == ("peer", f"{MR}/bad/_history/1", False)
    assert line["codes"]
    shown = cli("sync", "quarantine", "show", "peer", line["version"])
    assert "bogus" in shown.json[0]["content"]
    assert len(trail(tmp_path, "read")) == 1
    retried = cli("sync", "quarantine", "retry", "peer", "--reason", "once more")
    assert retried.code == 1
    assert retried.json == [{"remote": "peer", "tried": 1, "taken": 0, "left": 1}]
    assert cli("sync", "quarantine", "show", "peer", "nonsense").code == 1
    never = cli("sync", "quarantine", "retry", "peer", f"{MR}/77/_history/1", "--reason", "once more")
    assert (never.code, never.out) == (1, "")
    assert "accepted: one that `fhir-infusion sync quarantine list` shows" in never.err


def test_where_nothing_is_quarantined_a_retry_says_so(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    peer = Peer()
    open_rig(peer, tmp_path / "rig.db", Clock()).close()
    monkeypatch.setenv("FHIR_INFUSION_DATABASE", f"sqlite:///{tmp_path}/rig.db")
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[remotes.peer]\nbase_url = "{peer.base}"\n')
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(settings))
    ran = cli("sync", "quarantine", "retry", "peer", "--reason", "once more")
    assert (ran.code, ran.json) == (0, [{"remote": "peer", "tried": 0, "taken": 0, "left": 0}])
    peer.close()


@pytest.mark.usefixtures("there")
def test_a_feed_is_read_from_an_earlier_moment_on(cli: Run):
    ran = cli("sync", "rewind", "peer", "--type", MR, "--to", "2025-04-01T00:00:00Z", "--reason", "a gap")
    assert (ran.code, ran.json[0]["now"]) == (0, "2025-04-01T00:00:00.000Z")
    pulled = cli("sync", "pull", "peer").json[0]["pulled"][0]
    assert (pulled["received"], pulled["trouble"]) == (0, "")
    assert cli("sync", "rewind", "peer", "--type", MR, "--to", "2999-01-01", "--reason", "x").code == 1
    assert cli("sync", "rewind", "peer", "--type", "Patient", "--to", "2025-01-01", "--reason", "x").code == 2
