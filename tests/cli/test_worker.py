"""``worker`` as a process of its own: it proves its documents, reads them anew when told, and ends in order."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import base_documents
from tests.programs import ours

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 90
"""Time to load and prove the mappings on a machine that does other things too."""


@dataclass
class Working:
    """A worker in a process group of its own."""

    process: subprocess.Popen[str]
    log: Path
    proven: Path

    def events(self, beginning: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"].startswith(beginning)]

    def wait(self, number: int) -> list[dict[str, Any]]:
        """Wait for so many words of the log on documents."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            if len(found := self.events("mappings-")) >= number:
                return found
            time.sleep(0.1)
        pytest.fail(self.log.read_text())


@contextmanager
def working(folder: Path, directory: Path) -> Iterator[Working]:
    settings = folder / "settings.toml"
    # Nothing listens there: what is asked for here is no other server's.
    settings.write_text('[remotes.none]\nbase_url = "http://127.0.0.1:9/fhir"\nrelease = "R4"\n')
    environment = {"FHIR_INFUSION_SETTINGS": str(settings), "FHIR_INFUSION_MAPPINGS": str(directory)}
    log = folder / "log"
    with ours(log, "worker", "--database", f"sqlite:///{folder}/work.db", **environment) as process:
        yield Working(process, log, folder / "work.db.proven")


@pytest.mark.timeout(600)
def test_a_worker_proves_its_documents_and_sighup_has_them_read_anew_and_wrong_ones_left_alone(tmp_path: Path):
    directory = tmp_path / "mappings"
    document = base_documents(directory)
    with working(tmp_path, directory) as one:
        until = time.monotonic() + SECONDS
        while not (one.proven.is_file() and one.proven.read_text()) and time.monotonic() < until:
            assert one.process.poll() is None, one.log.read_text()
            time.sleep(0.1)
        document.write_text(document.read_text() + "# a word of the site\n")
        one.process.send_signal(signal.SIGHUP)
        (exchanged,) = one.wait(1)
        document.write_text("pears: {}")
        one.process.send_signal(signal.SIGHUP)
        refused = one.wait(2)[1]
        assert (exchanged["event"], refused["event"]) == ("mappings-exchanged", "mappings-refused")
        assert refused["digest"] == exchanged["digest"]
        assert "r4/infusion-order.yaml:1" in refused["complaints"][0]
        assert exchanged["digest"] in one.proven.read_text()
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(SECONDS) == 0, one.log.read_text()
