"""Turns: requests are worked on one after the other where that takes moments, and side by side where it takes longer.

One thread at a time computes in a process. Where sixteen try, each is stopped in the middle of its work and woken up
again, which costs more than a read does (measured: ``tests/README.md``, load). A turn is no promise to be alone: it
ends after ``MOST`` seconds whatever its holder does, so that one long search, or one client that takes its answer byte
by byte, holds nobody up for longer, and only the first that comes after it. Who comes while nobody has a turn takes it,
before those who sleep: the order in which they came would wake one of them up for each request.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 0.02
"""Seconds that a turn keeps others waiting."""

PATIENCE: Final = 0.05
"""Seconds that anybody waits in all, however many turns begin meanwhile."""


class Turns:
    """Whose turn it is in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._holder: object | None = None
        self._ends = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it; go ahead without one where the wait was long enough."""
        me = self._take()
        try:
            yield
        finally:
            self._give(me)

    def _take(self) -> object:
        me, patient_until = object(), time.monotonic() + PATIENCE
        with self._changed:
            while self._holder is not None:
                now = time.monotonic()
                if now >= patient_until:
                    return me
                if now >= self._ends:
                    break
                self._changed.wait(min(self._ends, patient_until) - now)
            self._holder, self._ends = me, time.monotonic() + MOST
        return me

    def _give(self, me: object) -> None:
        with self._changed:
            if self._holder is me:
                self._holder = None
                self._changed.notify()
