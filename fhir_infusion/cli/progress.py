"""Progress bars on standard error: only where it is a terminal, and never mixed into the output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Never, TypeVar

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


def bytes_bar(files: Sequence[str]) -> tqdm[Never]:
    """Return a bar over the bytes of all files; without a total where one of them is standard input."""
    sizes = [Path(file).stat().st_size if Path(file).is_file() else None for file in files]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    return tqdm(total=total, unit="B", unit_scale=True, disable=not _is_shown(), leave=False, file=sys.stderr)


def steps_bar(items: Iterable[T], what: str) -> Iterable[T]:
    """Return the items behind a bar that counts them."""
    return tqdm(items, desc=what, disable=not _is_shown(), leave=False, file=sys.stderr)


def counting_bar(what: str) -> tqdm[Never]:
    """Return a bar that counts without knowing how far."""
    return tqdm(desc=what, unit=" rows", disable=not _is_shown(), leave=False, file=sys.stderr)


def _is_shown() -> bool:
    # With output on the terminal too the bar and the lines would overwrite each other.
    return sys.stderr.isatty() and not sys.stdout.isatty()
