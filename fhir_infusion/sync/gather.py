"""What several threads ask at a time, asked together: whoever comes while an answer is awaited goes with the next.

Nobody waits for company: a question that comes alone goes alone, at once. The slower the peer, the more gather. What is
urgent waits for none of those: it has a way of its own where the others are taken, and goes first behind that.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE: Final = 2
"""So many of what is asked together are on their way at a time."""

Question = TypeVar("Question")
Reply = TypeVar("Reply")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Question, Reply]):
    question: Question
    is_urgent: bool
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    replies: tuple[Reply, ...] = ()
    failure: BaseException | None = None


class Gather(Generic[Question, Reply]):
    """Asks up to ``most`` questions together; up to ``at_once`` such are on their way, one more for what is urgent."""

    def __init__(
        self, ask: Callable[[Sequence[Question]], Sequence[Reply]], *, most: int, at_once: int = AT_ONCE
    ) -> None:
        """Prepare. ``ask`` returns one reply for each question, in their order; it runs in a thread of an asker."""
        self._ask = ask
        self._most = most
        self._at_once = at_once
        self._lock = threading.Lock()
        self._queue: deque[_Waiting[Question, Reply]] = deque()
        self._leading = 0

    def ask(self, question: Question, *, is_urgent: bool = False) -> Reply:
        """Return the reply to a question. What ``ask`` raises is raised to all that it was asked for."""
        mine: _Waiting[Question, Reply] = _Waiting(question, is_urgent)
        with self._lock:
            mine.leads = self._leading < self._at_once + is_urgent
            if mine.leads:
                self._leading += 1
            elif is_urgent:
                self._queue.appendleft(mine)
            else:
                self._queue.append(mine)
        if not mine.leads:
            mine.woken.wait()
        if mine.leads:
            self._lead(mine)
        if mine.failure is not None:
            raise mine.failure
        return mine.replies[0]

    def _lead(self, mine: _Waiting[Question, Reply]) -> None:
        """Ask what is mine and what waits; then one that came meanwhile leaves the queue and leads.

        What is urgent takes nothing with it that is not, and its way ends where nothing urgent waits.
        """
        group = [mine]
        with self._lock:
            while self._queue and len(group) < self._most and (self._queue[0].is_urgent or not mine.is_urgent):
                group.append(self._queue.popleft())
        try:
            replies = self._ask([one.question for one in group])
            for one, reply in zip(group, replies, strict=True):
                one.replies = (reply,)
        except BaseException as failure:  # noqa: BLE001  it is raised to each
            for one in group:
                one.failure = failure
        finally:
            with self._lock:
                goes_on = self._queue and (self._leading <= self._at_once or self._queue[0].is_urgent)
                following = self._queue.popleft() if goes_on else None
                if following is None:
                    self._leading -= 1
                else:
                    following.leads = True
            for one in (*group, *((following,) if following is not None else ())):
                one.woken.set()
