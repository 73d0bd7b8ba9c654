"""Several deliveries at a time, the same way each time: one thread runs at a time, until it asks what goes with others.

In place of :class:`~fhir_infusion.sync.gather.Gather` and of the locks of a peer. A thread goes on until it asks, waits for
a lock that another holds, or ends; once none can go on, what they ask is asked together.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(eq=False)
class _Worker:
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    asks: tuple[tuple[Together, bool], Any] | None = None
    """In what company, and what."""
    reply: Any = None
    wants: tuple[str, ...] | None = None
    is_done: bool = False
    failure: BaseException | None = None


class Lockstep:
    """Runs a few jobs at once."""

    def __init__(self) -> None:
        self._parked = threading.Semaphore(0)
        self._workers: list[_Worker] = []
        self._mine = threading.local()
        self._held: set[tuple[str, ...]] = set()

    def run(self, jobs: Sequence[Callable[[], object]]) -> None:
        """Run them all to their end; what one raises is raised."""
        self._workers = [_Worker() for _ in jobs]
        threads = [
            threading.Thread(target=self._work, args=one, daemon=True) for one in zip(self._workers, jobs, strict=True)
        ]
        for thread in threads:
            thread.start()
        while not all(one.is_done for one in self._workers):
            if not self._stepped():
                self._answer()
        for thread in threads:
            thread.join()
        for one in self._workers:
            if one.failure is not None:
                raise one.failure

    def park(self, **why: Any) -> Any:
        """Wait, in a job, until it may go on; return what it asked for."""
        mine: _Worker = self._mine.worker
        mine.asks, mine.wants = why.get("asks"), why.get("wants")
        self._parked.release()
        mine.go.acquire()
        return mine.reply

    @property
    def is_job(self) -> bool:
        return hasattr(self._mine, "worker")

    @contextmanager
    def turn(self, *key: str) -> Iterator[None]:
        """Hold back other jobs that want the same: in place of ``Peer.turn``."""
        while key in self._held:
            self.park(wants=key)
        self._held.add(key)
        try:
            yield
        finally:
            self._held.remove(key)

    def _work(self, mine: _Worker, job: Callable[[], object]) -> None:
        self._mine.worker = mine
        mine.go.acquire()
        try:
            job()
        except BaseException as failure:  # noqa: BLE001  it is raised by ``run``
            mine.failure = failure
        mine.is_done = True
        self._parked.release()

    def _stepped(self) -> bool:
        """Let each go on that can; say whether one did."""
        has_gone = False
        for one in self._workers:
            if one.is_done or one.asks is not None or one.wants in self._held:
                continue
            has_gone, one.wants = True, None
            one.go.release()
            self._parked.acquire()
        return has_gone

    def _answer(self) -> None:
        asking = [(one, *one.asks) for one in self._workers if one.asks is not None]
        assert asking, "each waits for another"
        _, company, _ = next((one for one in asking if not one[1][0].waits), asking[0])
        group = [one for one, its, _ in asking if its == company]
        replies = company[0].answer([question for _, its, question in asking if its == company])
        for one, reply in zip(group, replies, strict=True):
            one.reply, one.asks = reply, None


class Together:
    """What is asked together: in place of a ``Gather``."""

    def __init__(
        self, steps: Lockstep, answer: Callable[[Sequence[Any]], Sequence[Any]], *, waits: bool = False
    ) -> None:
        """Prepare. What ``waits`` is asked once nobody asks anything else, so that most comes together."""
        self._steps = steps
        self.answer = answer
        self.waits = waits

    def ask(self, question: Any, *, is_urgent: bool = False) -> Any:
        """Return the reply: with others of the same urgency that are asked for meanwhile, or at once where nothing runs."""
        return (
            self._steps.park(asks=((self, is_urgent), question)) if self._steps.is_job else self.answer([question])[0]
        )
