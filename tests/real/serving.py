"""The service as an operator runs it, ``fhir-infusion serve``, with a remote; killed and started again at will."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import exact_json
from tests.real.server import Reply, call
from tests.real.warm import Forked, Warm

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
LOST = (OSError, HTTPException)
"""What a client sees of a service that was killed."""


class Serving:
    """One service on a port of its own. Killing it kills gunicorn and its process at once, as a power cut would."""

    def __init__(
        self, directory: Path, settings: str, database: str = "", processes: int = 1, *, warm: bool = False
    ) -> None:
        """Write the settings; start nothing yet. ``database`` is a URL, ``service.db`` in the directory where empty.

        ``warm``: it is to be started often, and reads the mapping documents once (``warm``), or where it starts cold.
        """
        self.database = database or f"sqlite:///{directory / 'service.db'}"
        self.statuses: Counter[int] = Counter()
        """How often ``ask`` was answered with which status; 0 stands for no answer."""
        self._processes = processes
        self._settings = directory / "settings.toml"
        self._settings.write_text(settings, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = directory / "serve.log"
        self._warm = Warm(self._settings) if warm else None
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, failpoint: str = "", *, cold: bool = False) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended or did not answer in time; the message holds the end of its log.
        """
        options = ("--port", str(self.port), *(("--workers", str(self._processes)) if self._processes > 1 else ()))
        warm = self._warm if not cold and not failpoint else None
        self._process = (
            warm.start(["serve", *options, "--database", self.database], self.log)
            if warm is not None
            else self.run("serve", *options, failpoint=failpoint)
        )
        # Its input ends when ours does: where we are killed, the service does not stay behind.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"cat; kill -s KILL -- -{self._process.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            try:
                if call(f"{self.base}/health/live", "GET").status == 200:
                    return
            except OSError:
                if self._process.poll() is not None:
                    break
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the service did not start:\n{self.log.read_text(encoding='utf-8')[-3000:]}")

    def run(self, *command: str, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Run a command of the package with the same settings and database, in a process group of its own."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_INFUSION_")}
        environment |= {"FHIR_INFUSION_SETTINGS": str(self._settings), "FHIR_INFUSION_TEST_FAILPOINT": failpoint}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fhir_infusion", *command, "--database", self.database],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that the whole group can be killed
            )

    @property
    def pid(self) -> str:
        """The id of the process that was started, whose workers are below it."""
        assert self._process is not None, "the service is not running"
        return str(self._process.pid)

    def workers(self) -> set[str]:
        """Return the ids of gunicorn's processes below the one that was started."""
        assert self._process is not None, "the service is not running"
        try:
            return set(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split())
        except FileNotFoundError:
            return set()

    def kill(self) -> None:
        """End every process of it at once."""
        if self._process is not None:
            self._dismiss()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()
            self._dismiss()
            self._process = None

    def close(self) -> None:
        """Kill it, and end what starts it."""
        self.kill()
        if self._warm is not None:
            self._warm.close()

    def _dismiss(self) -> None:
        """End the guard before what it guards, whose id may be another's afterwards."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def call(
        self, method: str, path: str, body: dict | str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request; ``/api`` takes and gives our JSON, ``/fhir`` FHIR."""
        ours = JSON if path.startswith("/api") else {}
        return call(self.base + path, method, body, {**ours, **(headers or {})})

    # ------------------------------------------------------------------------------------------- whatever happens

    def ask(self, method: str, path: str, body: dict | None = None, headers: dict[str, str] | None = None) -> Reply:
        """Ask until there is an answer: the service may have been killed, and is started again by somebody else."""
        text = None if body is None else exact_json.dumps(body)

        def answered() -> Reply | None:
            try:
                reply = self.call(method, path, text, headers)
            except LOST:
                self.statuses[0] += 1
                return None
            self.statuses[reply.status] += 1
            return None if reply.status in {502, 503} else reply

        answer: Reply = eventually(answered, 180)
        return answer

    def place(self, kind: str, record: dict) -> str:
        """Post a record and return its id; posting again what was stored before a kill answers the same."""
        reply = self.ask("POST", f"/api/{kind}", record)
        assert reply.status in {200, 201}, reply.text
        return str(reply.json["id"])

    def change(self, kind: str, id_: str, change: Callable[[dict], object]) -> None:
        """Change a record as a client does: read, change, write with its version, again where that was not current."""
        for _ in range(20):
            now = self.ask("GET", f"/api/{kind}/{id_}")
            assert now.status == 200, now.text
            record = now.json["record"]
            change(record)
            reply = self.ask("PUT", f"/api/{kind}/{id_}", record, {"If-Match": now.headers["etag"]})
            if reply.status == 200:
                return
            assert reply.status == 412, reply.text
        raise AssertionError("twenty times somebody was faster")


def eventually(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first result of ``what`` that is true.

    Raises:
        AssertionError: none was in time; the message holds the last one.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        assert time.monotonic() < deadline, f"still {result!r} after {seconds} s"
        time.sleep(0.25)
