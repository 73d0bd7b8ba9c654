"""Installs and starts the Node programs that tests talk to: Medplum's router.

npm installs a project once, exactly what its lock file says; that is used until the lock file is newer.
"""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from tests import programs

if TYPE_CHECKING:
    from pathlib import Path

INSTALL_SECONDS = 900


def missing() -> str:
    """Return why no Node program can be started here, or an empty text."""
    return programs.missing("node", "npm")


def install(project: Path) -> None:
    """Install what a project needs, where it is new or has changed. No script of a package is run.

    Raises:
        RuntimeError: npm failed; the message holds the end of its output.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    done = target / "installed"
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
        newest = max((project / name).stat().st_mtime for name in ("package.json", "package-lock.json"))
        if done.is_file() and done.stat().st_mtime >= newest and (project / "node_modules").is_dir():
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        programs.run(command, project, INSTALL_SECONDS)
        done.touch()
