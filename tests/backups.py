"""Taking a backup of a database that is being written, and restoring it elsewhere, with each database's own means."""

from __future__ import annotations

import sqlite3
import subprocess
from typing import TYPE_CHECKING

from fhir_infusion.store import dialect, postgresql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def taken(url: str, file: Path) -> Path:
    """Back up a database into a file while others write it: ``VACUUM INTO``, or ``pg_dump``."""
    if postgresql.is_url(url):
        _run("pg_dump", "--format=custom", f"--file={file}", url)
        return file
    connection = sqlite3.connect(dialect.path_of(url), timeout=60)
    connection.execute("VACUUM INTO ?", (str(file),))
    connection.close()
    return file


def restored(file: Path, url: str, another: Callable[[], str]) -> str:
    """Restore a backup as another database of the same kind; return its URL."""
    where = another()
    if postgresql.is_url(url):
        _run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={where}", str(file))
        return where
    path = dialect.path_of(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.read_bytes())
    return where


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
