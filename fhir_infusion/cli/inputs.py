"""What a command is given: JSON, a FHIR Bundle or NDJSON, from files or standard input.

NDJSON is recognised by the name of the file (``.ndjson``, ``.jsonl``) or by its first lines: more than one line, of
which the first or the second is a whole JSON object by itself. Pretty-printed JSON never looks like that. NDJSON is
read line by line, so that its size does not matter.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

import click

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json

STANDARD_INPUT: Final = "-"
MOST_BYTES: Final = 64 * 1024 * 1024
"""The largest single document. NDJSON has no limit but that of a line, which is the same."""


@dataclass(frozen=True, slots=True)
class Input:
    """One document: where it is from, and its bytes. ``line`` counts from 1 in NDJSON and is None elsewhere."""

    file: str
    line: int | None
    data: bytes

    @property
    def label(self) -> str:
        """Return ``file`` or ``file:line``, for messages."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file or standard input, open: its inputs, and whether they are lines of NDJSON."""

    file: str
    is_lines: bool
    inputs: Iterator[Input]


@contextmanager
def open_source(file: str, on_bytes: Callable[[int], object] | None = None) -> Iterator[Source]:
    """Open one file, or standard input for ``-``. ``on_bytes`` is told how many bytes were read, for progress.

    Raises ``click.UsageError`` where the file cannot be read.
    """
    name = "stdin" if file == STANDARD_INPUT else file
    try:
        stream = sys.stdin.buffer if file == STANDARD_INPUT else open(file, "rb")  # noqa: SIM115, PTH123  closed below
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be read ({error.strerror})") from None
    try:
        lines = _lines(stream, on_bytes)
        head = _head(lines)
        if file.endswith((".ndjson", ".jsonl")) or _looks_like_lines(head):
            yield Source(name, is_lines=True, inputs=_numbered(name, itertools.chain(head, lines)))
        else:
            data = b"".join(itertools.chain(head, lines))
            yield Source(name, is_lines=False, inputs=iter([Input(name, None, data)]))
    finally:
        if file != STANDARD_INPUT:
            stream.close()


def _lines(stream: IO[bytes], on_bytes: Callable[[int], object] | None) -> Iterator[bytes]:
    while line := stream.readline(MOST_BYTES):
        if on_bytes is not None:
            on_bytes(len(line))
        yield line


def _head(lines: Iterator[bytes]) -> list[bytes]:
    """Return the lines up to the second that is not blank."""
    head: list[bytes] = []
    filled = 0
    for line in lines:
        head.append(line)
        filled += bool(line.strip())
        if filled == 2:
            break
    return head


def _looks_like_lines(head: list[bytes]) -> bool:
    filled = [line.strip() for line in head if line.strip()]
    return len(filled) == 2 and any(_is_object(line) for line in filled)


def _is_object(line: bytes) -> bool:
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        return isinstance(fhir_json.read(line), dict)
    except Refused:
        # Wrong, but closed in itself: still a line of its own, refused when its turn comes.
        return line.count(b"{") == line.count(b"}")


def _numbered(name: str, lines: Iterator[bytes]) -> Iterator[Input]:
    """Number the lines; blank ones at the end are no lines, one in between is refused as it stands."""
    blank: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            blank.append(number)
            continue
        yield from (Input(name, skipped, b"") for skipped in blank)
        blank.clear()
        yield Input(name, number, line.rstrip(b"\r\n"))
