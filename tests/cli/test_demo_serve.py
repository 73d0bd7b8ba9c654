"""``demo --serve`` as an evaluator calls it: one command, and there is something to see and to decide."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests import exact_json
from tests.real.server import call
from tests.real.serving import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 300


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """The command, the address of its service, and what it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "out"
    given = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_INFUSION_")}
    command = (sys.executable, "-m", "fhir_infusion", "demo", "--serve", "--port", str(port))
    with out.open("wb") as to:
        process = subprocess.Popen(command, stdout=to, stderr=to, env=given, cwd=tmp_path)
    yield process, f"http://127.0.0.1:{port}", out
    if process.poll() is None:
        process.terminate()
    process.wait(SECONDS)


def items(address: str) -> list[dict[str, Any]]:
    found: Any = exact_json.loads(call(address, "GET", None, {"Accept": "application/json"}).text)
    return list(found["items"])


@pytest.mark.timeout(600)
def test_a_service_with_all_therapies_and_with_what_waits_for_a_person(
    shown: tuple[subprocess.Popen[bytes], str, Path], record_testsuite_property: Any
):
    process, base, out = shown
    began = time.monotonic()
    eventually(lambda: "one order, from here" in out.read_text() or process.poll() is not None, SECONDS)
    record_testsuite_property("seconds until the demonstration stands", round(time.monotonic() - began, 1))
    printed = out.read_text()
    assert process.poll() is None, printed
    assert "35 pca morphine basal: 1 order, 1 administration" in printed
    assert "a negative dose: 422, refused" in printed
    sync = f"{base}/api/sync"
    held = sorted(one["theirs"] for one in items(f"{sync}/conflicts"))
    assert held == [["doNotPerform"], ["dosageInstruction[0].text"]]
    assert [one["code"] for one in items(f"{sync}/remotes/hospital/aside?state=dead")] == ["422 exception"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    with pytest.raises(OSError, match="refused"):
        call(f"{base}/health/live", "GET")
