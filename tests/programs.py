"""Programs as processes of their own: those of other languages that tests build and talk to, and ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def missing(*names: str) -> str:
    """Return why what needs these programs cannot be started here, or an empty text."""
    lacking = [name for name in names if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}; .ci/run installs them" if lacking else ""


def run(command: list[str], project: Path, seconds: float) -> None:
    """Run a program in the folder of a project.

    Raises:
        RuntimeError: it failed; the message holds the end of its output.
    """
    done = subprocess.run(
        command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed in {project.name}:\n{(done.stdout + done.stderr)[-3000:]}")


@contextmanager
def ours(log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the package in a process group of its own, which is killed at the end; ``log`` is added to."""
    with log.open("a") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fhir_infusion", *arguments],
            stdout=out,
            stderr=out,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
