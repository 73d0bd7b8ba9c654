"""Empty databases of SQLite, copied instead of migrated: making the tables anew takes longer than most tests."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_infusion.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "sqlite:///"


def lay_down(url: str) -> str:
    """Put an empty database where SQLite has none yet; return the URL. PostgreSQL is left as it is."""
    path = Path(url.removeprefix(SCHEME))
    if url.startswith(SCHEME) and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_empty())
        path.chmod(0o600)
    return url


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_store(f"{SCHEME}{path}", lambda: datetime.now(UTC)).close()
        return path.read_bytes()


def folder_in_memory() -> Path:
    """Make a folder that is no disk, where there is one: for tests that end no process and look at no disk."""
    memory = Path("/dev/shm")  # noqa: S108  mkdtemp makes a folder of its own there
    return Path(tempfile.mkdtemp(prefix="fhir-infusion-", dir=memory if memory.is_dir() else None))


@contextmanager
def in_memory() -> Iterator[Path]:
    """Give such a folder, and remove it."""
    folder = folder_in_memory()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
