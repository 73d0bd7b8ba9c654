"""Starting the service without reading the mapping documents anew each time: a process that has done so, and forks.

To read them takes most of a start, some five seconds of a processor, and nothing of them is on disk: what a service that
was killed finds when it starts again is its database. So a hundred starts cost no more than a few. This process has no
thread, lock or connection to a database; what it forks runs ``fhir-infusion`` in a process group of its own, as a start
from nothing does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Warm:
    """The process that forks. Its input ends when ours does, and it with it; what it forked is not ended by that."""

    def __init__(self, settings: Path) -> None:
        """Start it for a file of settings; the first ``start`` waits until the documents are read."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith("FHIR_INFUSION_")}
        environment["FHIR_INFUSION_SETTINGS"] = str(settings)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.real.warm"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, command: list[str], log: Path) -> Forked:
        """Run a command of the package."""
        return Forked(self, int(self._asked("start", *command, str(log))))

    def status(self, pid: int, *, waits: bool) -> int | None:
        """Return how one has ended, None where it runs."""
        said = self._asked("wait" if waits else "poll", str(pid))
        return int(said) if said else None

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _asked(self, *words: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


class Forked:
    """A process that was forked, with what is needed of ``subprocess.Popen``."""

    def __init__(self, warm: Warm, pid: int) -> None:
        """Keep which one it is."""
        self._warm = warm
        self.pid = pid

    def poll(self) -> int | None:
        """Return how it has ended, None where it runs."""
        return self._warm.status(self.pid, waits=False)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end.

        Raises:
            TimeoutExpired: that did not come in so many seconds.
        """
        if timeout is None:
            return self._warm.status(self.pid, waits=True)
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.05)
        return self.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)


def _serve_forks() -> None:
    from fhir_infusion import config  # noqa: PLC0415  in the process that forks only
    from fhir_infusion.cli import build  # noqa: PLC0415
    from fhir_infusion.web import server  # noqa: F401, PLC0415  so that no fork has to import it

    translator = build.load_translator(config.load(None, os.environ, {}))
    vars(build)["load_translator"] = lambda _: translator
    ended: dict[int, int] = {}
    for line in sys.stdin:
        what, *words = json.loads(line)
        if what == "start":
            pid = os.fork()
            if not pid:
                _become(words[:-1], words[-1])
            _say(pid)
            continue
        pid = int(words[0])
        if pid not in ended:
            with suppress(ChildProcessError):
                found, status = os.waitpid(pid, 0 if what == "wait" else os.WNOHANG)
                if found:
                    ended[pid] = os.waitstatus_to_exitcode(status)
        _say(ended.get(pid, ""))


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _become(command: list[str], log: str) -> None:
    from fhir_infusion.cli import main  # noqa: PLC0415

    os.setsid()
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for ours, theirs in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(ours, theirs)
    main(command)


if __name__ == "__main__":
    _serve_forks()
