"""The file of faults: what is wrong is told with its place, and a seed gives the same faults again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.cli import root
from fhir_infusion.cli.run import run
from fhir_infusion.errors import SettingsError
from fhir_infusion.simulated.kinds import INTERACTIONS, KINDS
from fhir_infusion.simulated.ledger import Ledger
from fhir_infusion.simulated.scenario import EXAMPLE, Scenario, load, parse
from fhir_infusion.simulated.server import Simulator
from fhir_infusion.simulated.turns import Fit, Turns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = [", ["f: not TOML"]),
        ('seed = "a"', ["f: seed: accepted is a whole number"]),
        ("port = 1", ["f: port: not known; accepted: fault, seed, server"]),
        ("fault = 1", ["f: fault: accepted are sections [[fault]]"]),
        ("server = 1", ["f: server: accepted is one section [server]"]),
        ("[server]\npage_size = 0\nstrangers = true", ["f: server: page_size: accepted: a whole number from 1 to 10000", "f: server: strangers: accepted: a whole number from 0 to 10000"]),
        ("[server]\nspeed = 1", ["f: server: speed: not known"]),
        ("[[fault]]\nkind = 'x'", ["f: fault 1: kind: not one that there is; accepted: late-commit, lost-answer"]),
        ("[[fault]]", ["f: fault 1: kind: not one that there is"]),
        ("[[fault]]\nkind = 'storm'\nstatus = 500", ["f: fault 1 (storm): status: accepted: 429, 503"]),
        ("[[fault]]\nkind = 'storm'\nretries = 1", ["f: fault 1 (storm): retries: not known; accepted: kind, retry_after, seconds, status, when"]),
        ("[[fault]]\nkind = 'latency'\nseconds = -1", ["f: fault 1 (latency): seconds: accepted: a number from 0 to 3600"]),
        ("[[fault]]\nkind = 'status'\neffect = 1", ["f: fault 1 (status): effect: accepted: true, false"]),
        ("[[fault]]\nkind = 'latency'\nwhen = 3", ["f: fault 1 (latency): when: accepted is a table"]),
        ("[[fault]]\nkind = 'latency'\nwhen = { type = 'Patent' }", ["f: fault 1 (latency): when: type: accepted, one or a list: the name of a resource type"]),
        ("[[fault]]\nkind = 'double-create'\nwhen = { interaction = 'read' }", ["f: fault 1 (double-create): when: interaction: accepted, one or a list: create"]),
        ("[[fault]]\nkind = 'latency'\nwhen = { nth = 0 }", ["f: fault 1 (latency): when: nth: accepted, one or a list: a whole number from 1"]),
        ("[[fault]]\nkind = 'latency'\nwhen = { nth = 1, every = 2 }", ["f: fault 1 (latency): when: accepted is one of nth, every, probability"]),
        ("[[fault]]\nkind = 'latency'\nwhen = { probability = 2 }", ["f: fault 1 (latency): when: probability: accepted: a number from 0 to 1"]),
        ("[[fault]]\nkind = 'latency'\nwhen = { from_request = 5, to_request = 4 }", ["f: fault 1 (latency): when: to_request: accepted is what is not before from_request"]),
        ("[[fault]]\nkind = 'x'\n[[fault]]\nkind = 'y'", ["f: fault 1: kind", "f: fault 2: kind"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_what_is_accepted(text: str, told: list[str]):
    with pytest.raises(SettingsError) as raised:
        parse(text, "R4", "f")
    lines = str(raised.value).splitlines()
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told), lines


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read; accepted is a TOML file"):
        load(tmp_path / "none.toml", "R4")


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_example_plays_every_kind(release: str):
    assert {fault.kind.name for fault in load(EXAMPLE, release).faults} == KINDS.keys()


def _drawn(seed: int, text: str) -> list[str]:
    plan = parse(f"seed = {seed}\n{text}", "R4", "f")
    turns = Turns(plan.faults, plan.seed)
    told = []
    for number in range(1, 201):
        fault = turns.next(Fit(number, number / 10, "POST", INTERACTIONS[number % 3], "Patient"))
        told.append(fault.kind.name if fault else "")
    return told


def test_a_seed_gives_the_same_faults_and_another_seed_gives_others():
    text = "fault = [{ kind = 'lost-answer', when = { probability = 0.3 } }, { kind = 'request-lost', when = { probability = 0.2 } }]"
    assert _drawn(1, text) == _drawn(1, text)
    assert _drawn(1, text) != _drawn(2, text)
    assert 30 < _drawn(1, text).count("lost-answer") < 90


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ("nth = [2, 5]", [2, 5]),
        ("every = 50", [50, 100, 150, 200]),
        ("from_request = 3, to_request = 5", [3, 4, 5]),
        ("from_seconds = 19.8", [198, 199, 200]),
        ("nth = 4, run = 3", [4, 5, 6]),
        ("times = 2", [1, 2]),
        ("probability = 0", []),
        ("method = 'PUT'", []),
        ("type = 'Observation'", []),
        ("interaction = 'read', nth = 2", [4]),
    ],
)
def test_a_fault_is_told_when_it_is_said(when: str, numbers: list[int]):
    told = _drawn(1, f"fault = [{{ kind = 'lost-answer', when = {{ {when} }} }}]")
    assert [number for number, name in enumerate(told, 1) if name] == numbers


def test_of_two_at_once_the_first_is_told_and_the_other_at_the_next_request():
    told = _drawn(1, "fault = [{ kind = 'latency', when = { nth = 3 } }, { kind = 'stall', when = { nth = 3 } }]")
    assert told[:5] == ["", "", "latency", "stall", ""]


def test_the_command_lists_the_kinds_and_prints_the_example(capsys: pytest.CaptureFixture[str]):
    assert run(root, ["simulate-server", "--list-faults"]) == 0
    told = capsys.readouterr().out
    for kind in KINDS.values():
        assert f"\n{kind.name}: " in f"\n{told}"
        assert all(f"    {one.name} = " in told for one in kind.parameters)
    assert run(root, ["simulate-server", "--example"]) == 0
    assert capsys.readouterr().out == EXAMPLE.read_text(encoding="utf-8")


def test_the_command_refuses_a_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "f.toml"
    path.write_text("[[fault]]\nkind = 'x'\n", encoding="utf-8")
    assert run(root, ["simulate-server", "--faults", str(path)]) == 2
    assert "fault 1: kind: not one that there is" in capsys.readouterr().err


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_told_to_stop_says_that_it_lies_and_tells_the_state_at_the_end(
    tmp_path: Path, ended_by: signal.Signals
):
    log = tmp_path / "asked.ndjson"
    command = [sys.executable, "-m", "fhir_infusion", "simulate-server", "--port", "0", "--log", str(log)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    with process:
        assert process.stdout is not None
        base = process.stdout.readline().split()[0]
        body = b'{"resourceType":"Patient","identifier":[{"system":"s","value":"v"}]}'
        sent = urllib.request.Request(f"{base}/Patient", body, {"Content-Type": "application/fhir+json"})  # noqa: S310  our own server
        with urllib.request.urlopen(sent, timeout=10) as answer:  # noqa: S310  as above
            assert answer.status == 201
        process.send_signal(ended_by)
        out, err = process.communicate(timeout=20)
    told = json.loads(out)
    assert (process.returncode, told["types"]["Patient"]["identifiers_once"]) == (0, 1)
    assert "THIS SERVER LIES ON PURPOSE" in err
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line.get("status") for line in lines] == [201, None]
    assert lines[1]["end"] == told


@pytest.mark.parametrize("with_bodies", [True, False])
def test_bodies_are_in_the_log_only_where_that_was_asked_for(*, with_bodies: bool):
    ledger = Ledger(with_bodies=with_bodies)
    simulator = Simulator(Scenario(), ledger=ledger)
    try:
        body = b'{"resourceType":"Patient","identifier":[{"system":"s","value":"v"}]}'
        sent = urllib.request.Request(f"{simulator.base}/Patient", body)  # noqa: S310  our own server
        urllib.request.urlopen(sent, timeout=10).close()  # noqa: S310  as above
    finally:
        simulator.close()
    (line,) = ledger.lines
    assert (line.get("asked"), "sent" in line) == ((body.decode(), True) if with_bodies else (None, False))
