"""Storing the files of a bulk export: each line once, and how far each file is, in one transaction.

A file that was begun before is read from its start again, for not every server gives a part of one; what is stored of
it is passed over. A digest tells whether these are the same lines: a server that makes its files anew may order them
otherwise, and then the file is stored from its first line on, which costs nothing, since the inbox knows each version.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from fhir_infusion.remotes import TYPES
from fhir_infusion.store import inbox, loads
from fhir_infusion.store.failpoint import reach
from fhir_infusion.sync import moments, places, replies, restored, whole
from fhir_infusion.sync.case import as_received
from fhir_infusion.sync.deletions import noted
from fhir_infusion.sync.manifest import File
from fhir_infusion.sync.remote import streaming
from fhir_infusion.sync.remote.streaming import TooLong
from fhir_infusion.sync.replies import Doubtful

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received
    from fhir_infusion.store.loads import Load
    from fhir_infusion.sync.peer import Peer
    from fhir_infusion.sync.remote.streaming import Line
    from fhir_infusion.sync.replies import Entry, Trouble

AT_ONCE: Final = 200
BYTES_AT_ONCE: Final = 1024 * 1024
SEEN: Final = "load"
"""The filter of the cursor that notes the newest lastUpdated of a load's lines."""
MOST_CODES: Final = 20


def files_of(load: Load) -> tuple[File, ...]:
    """Return the files of a load."""
    return tuple(File(**one) for one in json.loads(load.files or "[]"))


def texts_of(files: Sequence[File]) -> str:
    """Return files as a load keeps them."""
    return json.dumps([asdict(one) for one in files])


@dataclass
class Time:
    """How long a step may take: some seconds, and as long again as it took to come to what is new."""

    seconds: float
    since: float = field(default_factory=time.monotonic)

    def passed_over(self) -> None:
        """Say that only now begins what is new."""
        self.seconds += time.monotonic() - self.since

    @property
    def is_over(self) -> bool:
        """Whether to end here."""
        return time.monotonic() - self.since >= self.seconds


def store(peer: Peer, tenant: str, load: Load, time_: Time) -> tuple[Load, Trouble | None]:
    """Store the next file of a load, or what there is time for; return how far it is, and what went wrong."""
    reading = _Reading(peer, tenant, load)
    if not reading.is_wanted:
        return reading.load, reading.keep(is_end=True)
    for one in streaming.lines(peer.endpoint, reading.file.url, peer.remote.deadline_seconds, peer.remote.max_bytes):
        if not isinstance(one, bytes | TooLong):
            reading.keep()
            return reading.load, one
        if not reading.take(one):
            return reading.begun_anew(), None
        if reading.number == load.line:
            time_.passed_over()
        if reading.is_full:
            trouble = reading.keep()
            if trouble is not None or time_.is_over or _is_paused(peer, tenant):
                return reading.load, trouble
    if reading.number < load.line:
        return reading.begun_anew(), None
    is_short = reading.file.count is not None and reading.count < reading.file.count
    trouble = reading.keep(is_end=not is_short)
    return reading.load, trouble or (Doubtful("a file is shorter than its count") if is_short else None)


class _Reading:
    """A file while it is read. ``load`` is how far it is on disk, ``number`` how many lines were read."""

    def __init__(self, peer: Peer, tenant: str, load: Load) -> None:
        self.load = load
        self.file = files_of(load)[load.file]
        self.number = self.count = 0
        self._peer, self._tenant = peer, tenant
        self._digest = blake2b(digest_size=16)
        self._lines: list[bytes] = []
        self._size = self._skipped = 0

    @property
    def is_wanted(self) -> bool:
        """Whether the file holds what was asked for."""
        return self.file.kind != "output" or self.file.type in self.load.types.split(",")

    @property
    def is_full(self) -> bool:
        """Whether it is time to store what was taken."""
        return len(self._lines) >= AT_ONCE or self._size >= BYTES_AT_ONCE

    def take(self, line: Line) -> bool:
        """Take the next line; say whether the file is the one that it was."""
        self.number += 1
        text = b"" if isinstance(line, TooLong) else line
        is_row = isinstance(line, TooLong) or bool(line.strip())
        self.count += is_row
        self._digest.update(text + b"\n")
        if self.number <= self.load.line:
            return self.number < self.load.line or self._digest.hexdigest() == self.load.digest
        if isinstance(line, TooLong):
            self._skipped += 1
        elif is_row:
            self._lines.append(line)
            self._size += len(line)
        return True

    def begun_anew(self) -> Load:
        """Store the file from its first line on: its lines are not those that were stored."""
        self._put(replace(self.load, line=0, digest=""))
        return self.load

    def keep(self, *, is_end: bool = False) -> Trouble | None:
        """Store what was taken, with how far the file is."""
        line = max(self.number, self.load.line)
        digest = self._digest.hexdigest() if self.number >= self.load.line else self.load.digest
        after = replace(self.load, line=line, digest=digest, skipped=self.load.skipped + self._skipped, failures=0)
        if is_end:
            after = replace(after, file=after.file + 1, line=0, digest="")
        lines = self._lines
        match self.file.kind:
            case "output":
                self._receive(after, [_received(self.file.type, replies.entry_of(one)) for one in lines])
            case "error":
                self._put(replace(after, codes=_joined(after.codes, [whole.left_out_of(one) for one in lines])))
            case "deleted":
                told = [replies.deletions_of(one, TYPES) for one in lines]
                gone = [each for one in told for each in one or ()]
                if not all(noted(self._peer, self._tenant, *each) for each in gone):
                    return Doubtful("a deleted resource could not be asked for")
                unread = [["incomplete"] for one in told if one is None]
                self._put(replace(after, codes=_joined(after.codes, unread)))
        reach("load.lines")
        self._lines, self._size, self._skipped = [], 0, 0
        return None

    def _receive(self, after: Load, entries: Sequence[Received]) -> None:
        peer = self._peer

        def work(tx: Tx) -> tuple[Load, tuple[restored.Suspect, ...]]:
            fresh = inbox.receive(tx, peer.name, entries)
            seen = inbox.cursor(tx, peer.name, self.file.type, SEEN)
            newest = moments.greatest([seen.max_seen, *(one.last_updated for one in entries)])
            inbox.keep_cursor(tx, replace(seen, max_seen=newest))
            kept = replace(after, received=after.received + len(fresh))
            loads.keep(tx, kept)
            return kept, restored.suspects(tx, peer, entries, fresh)

        self.load, suspects = peer.service.store.transact(self._tenant, work)
        restored.examine(peer, self._tenant, suspects)

    def _put(self, load: Load) -> None:
        self._peer.service.store.transact(self._tenant, lambda tx: loads.keep(tx, load))
        self.load = load


def _received(type_: str, entry: Entry) -> Received:
    """Return a line as the inbox keeps it. One of another type does not stand for the version of one of this (H10)."""
    is_other = entry.stamp.type not in {type_, ""}
    return as_received(type_, replace(entry.stamp, version_id="") if is_other else entry.stamp, entry.text)


def _joined(codes: str, more: Sequence[Sequence[str]]) -> str:
    found = [*codes.split(","), *(code for one in more for code in one)]
    return ",".join(list(dict.fromkeys(code for code in found if code))[:MOST_CODES])


def _is_paused(peer: Peer, tenant: str) -> bool:
    return bool(places.paused(peer, tenant))
