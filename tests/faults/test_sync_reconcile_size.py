"""A comparison of everything keeps the names alone in memory, however much there is: reliability 3.7.6."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.counts import count
from tests.faults.peer import Peer
from tests.faults.rig import ADMINISTRATIONS, ORDERS, Clock, open_rig, order

if TYPE_CHECKING:
    from pathlib import Path

MR = "MedicationRequest"


def compared(settings: Path, out: Path) -> tuple[int, int, str]:
    """Run the command in a process of its own; return its exit code, its peak memory in MB, and its last line."""
    command = [sys.executable, "-m", "fhir_infusion", "sync", "reconcile", "peer", "--type", MR]
    with out.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, env={**os.environ, "FHIR_INFUSION_SETTINGS": str(settings)}
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss // 1024, out.read_text().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(21_600)
def test_comparing_everything_keeps_little_in_memory(tmp_path: Path) -> None:
    there = Peer(page=200)
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'database = "sqlite:///{tmp_path}/rig.db"\norder_system = "{ORDERS}"\n'
        f'administration_system = "{ADMINISTRATIONS}"\n[remotes.peer]\nbase_url = "{there.base}"\n'
    )
    total = count(400, 100_000)
    rig.place(order("A-1"))
    rig.settle()
    code, few, _ = compared(settings, tmp_path / "few")
    assert code == 0
    for number in range(total // 10):
        for part in range(10):
            rig.place(order(f"P{number}.{part}"))
    rig.settle()
    code, many, last = compared(settings, tmp_path / "many")
    assert (code, f'"equal":{total + 1}' in last.replace(" ", "")) == (0, True)
    assert many - few < 100, f"{total} orders: {few} MB, then {many} MB"
    rig.close()
    there.close()
