"""Programs of other languages that tests build and talk to: whether they are here, and running them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
