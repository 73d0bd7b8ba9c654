"""``sync conflicts`` and ``sync resolve``: what waits for a person, without a value of it, and the decision."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fhir_infusion.cli.http import Answer
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import audit, endpoints, open_reader, open_store
from tests.faults.exporting import Exporting
from tests.faults.peer import Act, Peer
from tests.faults.rig import ADMINISTRATIONS, ORDERS, Clock, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

MR = "MedicationRequest"


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Peer, str, str]]:
    """Hold a conflict in a database that the settings name; give the peer, our id and the id of the conflict."""
    there = Peer()
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    rig.place(order("A-1"))
    rig.settle()
    (remote,) = there.all(MR)
    dosage = [{**remote["dosageInstruction"][0], "text": "CANARY"}]
    there.put({**remote, "dosageInstruction": dosage, "note": [{"text": "CANARY"}]})
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    rig.settle(rounds=3)
    ids = rig.ids()[0], rig.conflicts()[0].conflict_id
    rig.close()
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'database = "sqlite:///{tmp_path}/rig.db"\norder_system = "{ORDERS}"\n'
        f'administration_system = "{ADMINISTRATIONS}"\n[remotes.peer]\nbase_url = "{there.base}"\n'
    )
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(settings))
    yield there, *ids
    there.close()


def shown(cli: Run) -> list[dict[str, Any]]:
    ran = cli("sync", "conflicts")
    assert (ran.code, ran.err, "CANARY" in ran.out) == (0, "", False)
    return ran.json


def test_conflicts_are_listed_by_place_without_values_and_decided_by_id(cli: Run, held: tuple[Peer, str, str]):
    there, id_, conflict = held
    assert shown(cli) == [
        {
            "tenant": "default",
            "id": conflict,
            "endpoint": "peer",
            "resource": f"{MR}/{id_}",
            "opened": "2025-05-01T08:00:00+00:00",
            "groups": ["clinical"],
            "theirs": ["dosageInstruction[0].text", "note"],
        }
    ]
    ran = cli("sync", "resolve", conflict, "--keep", "theirs", "--reason", "asked the ward")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json == [{"id": conflict, "endpoint": "peer", "resource": f"{MR}/{id_}", "kept": "theirs", "version": 3}]
    assert shown(cli) == []
    assert cli("audit", "verify").code == 0
    again = cli("sync", "resolve", conflict, "--keep", "ours", "--reason", "asked the ward")
    assert (again.code, again.out) == (1, "")
    accepted = "an id that `fhir-infusion sync conflicts` shows"
    assert again.err == f"fhir-infusion: there is no such open conflict; accepted: {accepted}\n"
    assert len(there.history(MR, there.all(MR)[0]["id"])) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--keep", "both", "--reason", "x"],
        ["--keep", "ours"],
        ["--reason", "x"],
        ["--keep", "ours", "--reason", " "],
    ],
)
def test_a_decision_without_a_side_or_a_reason_is_wrong_usage(cli: Run, arguments: list[str]):
    assert cli("sync", "resolve", "c1", *arguments).code == 2


def test_the_trail_names_the_account_that_decided(cli: Run, held: tuple[Peer, str, str], tmp_path: Path):
    _, _, conflict = held
    assert cli("sync", "resolve", conflict, "--keep", "ours", "--reason", "asked the ward").code == 0
    store = open_reader(f"sqlite:///{tmp_path}/rig.db", Clock())
    entries = store.read("default", lambda tx: audit.entries(tx, limit=1000))
    store.close()
    told = [(entry.client, entry.detail) for entry in entries if entry.action == "conflict-resolved"]
    assert told == [(f"command:{os.getuid()}", f"conflict {conflict}: ours: asked the ward")]


def test_a_remote_that_is_paused_goes_on_for_who_gives_a_reason(cli: Run, held: tuple[Peer, str, str], tmp_path: Path):
    assert cli("sync", "resume", "peer").code == 2
    ran = cli("sync", "resume", "peer", "--reason", "asked their operators")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("fhir-infusion: this remote is not paused; accepted: ")
    there, *_ = held
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    rig.service.store.transact("default", lambda tx: endpoints.pause(tx, "peer", "restored"))
    rig.close()
    assert "paused: restored" in cli("sync", "pull", "peer").out
    ran = cli("sync", "resume", "peer", "--reason", "asked their operators")
    assert (ran.code, ran.json) == (0, [{"remote": "peer", "tenant": "default", "was": "restored"}])
    assert "paused" not in cli("sync", "pull", "peer").out
    assert cli("audit", "verify").code == 0


def test_a_conflict_is_shown_with_its_values_to_who_asks_for_it_and_that_is_kept(
    cli: Run, held: tuple[Peer, str, str], tmp_path: Path
):
    _, id_, conflict = held
    ran = cli("sync", "conflict", "show", conflict)
    (body,) = ran.json
    assert (ran.code, body["tenant"], body["resource"], body["state"]) == (0, "default", f"{MR}/{id_}", "open")
    sides = {one["path"]: one for one in body["differences"]}
    assert {side: sides["dosageInstruction[0].text"].get(side) for side in ("ours", "theirs")} == {
        "ours": "ours",
        "theirs": "CANARY",
    }
    assert "base" not in sides["note"]
    assert "subject.reference" not in sides, "sending adds it, and both sides agree on it"
    store = open_reader(f"sqlite:///{tmp_path}/rig.db", Clock())
    entries = store.read("default", lambda tx: audit.entries(tx, limit=1000))
    store.close()
    read = [(entry.client, entry.id, entry.detail) for entry in entries if entry.action == "conflict-read"]
    assert read == [(f"command:{os.getuid()}", id_, f"conflict {conflict}")]
    assert cli("sync", "conflict", "show", "none").code == 1


def test_a_trace_tells_someone_new_what_happened_to_an_order(cli: Run, held: tuple[Peer, str, str]):
    _, id_, _ = held
    ran = cli("sync", "trace", "A-1")
    assert (ran.code, ran.err, "CANARY" in ran.out) == (0, "", False)
    lines = ran.out.splitlines()
    assert lines[:2] == [f"order = {MR}/{id_}", ""]
    assert lines[2].startswith("2025-05-01 08:00:00.000Z  order  here  version 1: active, create by test")
    assert "version 1: attempt 1: acked" in ran.out
    assert "POST MedicationRequest If-None-Exist -> 201" in ran.out
    assert "conflict-opened: conflict " in ran.out
    as_json = cli("sync", "trace", f"{ORDERS}|A-1", "--json")
    assert [one["kind"] for one in as_json.json][:2] == ["version", "queued"]
    unknown = cli("sync", "trace", "none")
    accepted = "the id of an order, its order_id, or system|value of its identifier"
    assert (unknown.code, unknown.err) == (1, f"fhir-infusion: there is no such order; accepted: {accepted}\n")


def test_a_probe_reports_as_one_object_and_the_status_shows_it(cli: Run, held: tuple[Peer, str, str]):
    there = held[0]
    there.keeps_history = True
    ran = cli("sync", "probe", "peer", "--read-only")
    assert (ran.code, ran.err) == (0, "")
    (report,) = ran.json
    assert (report["way"], report["needs"], report["saw"]["search MedicationRequest"]) == ("read-only", [], "yes")
    assert cli("sync", "status", "--whole").json[0]["can"] == report
    short = {name: report[name] for name in ("rungs", "needs", "differs", "left")}
    assert cli("sync", "status").json[0]["can"] == short
    there.checks_match = False
    ran = cli("sync", "probe", "peer")
    assert (ran.code, ran.json[0]["needs"], ran.json[0]["left"]) == (1, ["if-match"], [])
    there.stated = {"conditionalCreate": True, "updateCreate": True}
    assert cli("sync", "probe", "peer").json[0]["rungs"][MR] == "B"


def test_a_probe_of_a_server_that_is_not_there_is_told(cli: Run, held: tuple[Peer, str, str]):
    held[0].close()
    ran = cli("sync", "probe", "peer")
    assert (ran.code, [one["trouble"] for one in ran.json]) == (1, ["no connection"])
    assert cli("sync", "probe", "other").code == 2


def test_the_status_names_what_to_go_on_with(cli: Run, held: tuple[Peer, str, str], tmp_path: Path):
    there, _, conflict = held
    assert cli("sync", "status").json[0]["next"] == ["sync conflicts"]
    assert cli("sync", "resolve", conflict, "--keep", "theirs", "--reason", "asked the ward").code == 0
    assert cli("sync", "status").json[0]["next"] == []
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    there.delete(MR, there.all(MR)[0]["id"])
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}], priority="stat"))
    rig.settle()
    rig.service.store.transact("default", lambda tx: endpoints.pause(tx, "peer", "restored"))
    rig.close()
    told = ["sync resume peer --reason TEXT", "sync dead list peer", "sync reconcile peer"]
    assert cli("sync", "status").json[0]["next"] == told


def test_the_status_says_where_there_is_no_remote(cli: Run, tmp_path: Path):
    database = f"sqlite:///{tmp_path}/none.db"
    open_store(database, Clock()).close()
    ran = cli("sync", "status", "--database", database)
    told = "fhir-infusion: there is no remote; a section [remotes.NAME] of the settings file makes one\n"
    assert (ran.code, ran.out, ran.err) == (0, "", told)


def test_a_decision_about_what_was_deleted_there_meanwhile_is_no_success(cli: Run, held: tuple[Peer, str, str]):
    there, _, conflict = held
    there.delete(MR, there.all(MR)[0]["id"])
    ran = cli("sync", "resolve", conflict, "--keep", "ours", "--reason", "asked the ward")
    assert (ran.code, ran.json[0]["kept"]) == (1, "gone there")


@pytest.mark.usefixtures("held")
def test_what_the_process_that_writes_refuses_is_told_in_its_words_with_what_would_be_accepted(
    cli: Run, monkeypatch: pytest.MonkeyPatch
):
    from fhir_infusion.cli import owner  # noqa: PLC0415  beside its one use
    from fhir_infusion.store import Owner  # noqa: PLC0415  as above

    alone = cli("sync", "dead", "show", "99")
    assert (alone.code, "; accepted: a number that" in alone.err) == (1, True)
    issue = {"code": "not-found", "reason": "there is no outbox row 99"}
    accepted = "a number that `fhir-infusion sync dead list` shows"
    refusal = Answer(404, {"detail": issue["reason"], "issues": [{**issue, "accepted": accepted}]}, {})
    monkeypatch.setattr(owner, "owner", lambda _: Owner(7, "127.0.0.1:1", "t"))
    monkeypatch.setattr(owner, "ask", lambda *_, **__: refusal)
    assert (cli("sync", "dead", "show", "99").code, cli("sync", "dead", "show", "99").err) == (1, alone.err)
    monkeypatch.setattr(owner, "ask", lambda *_, **__: Answer(503, {"detail": "not now", "issues": [issue]}, {}))
    assert cli("sync", "dead", "show", "99").err == "fhir-infusion: not now\n"


@pytest.mark.usefixtures("held")
def test_a_load_that_is_handed_over_names_its_types_for_an_empty_text_is_refused_as_json(
    cli: Run, monkeypatch: pytest.MonkeyPatch
):
    from fhir_infusion.cli import owner  # noqa: PLC0415  beside its one use
    from fhir_infusion.store import Owner  # noqa: PLC0415  as above

    asked: list[dict[str, Any]] = []

    def ask(_address: str, _method: str, _path: str, body: bytes, **_others: str) -> Answer:
        asked.append(fhir_json.read(body))  # as the service reads it
        step = {"state": "done", "trouble": "", "applied": 0, "received": 0, "files": 0, "files_stored": 0}
        return Answer(200, step, {})

    monkeypatch.setattr(owner, "owner", lambda _: Owner(7, "127.0.0.1:1", "t"))
    monkeypatch.setattr(owner, "ask", ask)
    assert cli("sync", "load", "peer").code == 0
    assert asked == [{"remote": "peer", "types": f"{MR},MedicationAdministration"}]


def test_the_public_key_to_register_is_printed_and_no_other(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    private = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "settings.toml").write_text(
        '[remotes.a]\nbase_url = "https://a.example"\nauth = "smart"\nclient_id = "c"\nkey_file = "key"\n'
        'scope = "system/*.cruds"\n[remotes.b]\nbase_url = "https://b.example"\n'
    )
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(tmp_path / "settings.toml"))
    ran = cli("sync", "keys", "a")
    assert ran.code == 0
    (key,) = ran.json[0]["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    ran = cli("sync", "keys", "b")
    assert (ran.code, "keys are registered for smart" in ran.err) == (2, True)


def test_a_load_tells_at_its_end_what_came_and_what_is_not_offered(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    there = Exporting()
    there.fill(3)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'database = "sqlite:///{tmp_path}/new.db"\n[remotes.peer]\nbase_url = "{there.base}"\n')
    monkeypatch.setenv("FHIR_INFUSION_SETTINGS", str(settings))
    there.running, there.retry_after = 1, "1"
    ran = cli("sync", "load", "peer", "--type", MR)
    (told,) = ran.json
    assert (ran.code, ran.err, told["state"], told["applied"], told["trouble"]) == (0, "", "done", 3, "")
    there.lies.append(lambda asked: Act(effect=False, status=404) if asked.type == "$export" else None)
    ran = cli("sync", "load", "peer")
    assert (ran.code, ran.json[0]["state"]) == (1, "refused")
    assert cli("sync", "load", "peer", "--type", "Patient").code == 2
    there.close()
