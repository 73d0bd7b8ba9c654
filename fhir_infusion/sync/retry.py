"""When to try again, and when an endpoint is left alone. Pure: the clock and the draw come in as arguments.

Waits grow from 1 s to 15 min with full jitter: the whole interval is drawn from, so that many senders which failed
together do not come back together. What a peer asks for in Retry-After is kept, up to the same 15 min: a peer that
says a thousand years must not silence a stop for good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=15)
FAILURES_TO_OPEN: Final = 3
"""So many failures in a row, and the endpoint is left alone for a while."""


def wait(attempt: int, draw: Callable[[], float], *, longest: timedelta = LONGEST) -> timedelta:
    """Return how long to wait after the ``attempt``-th try (from 1) failed: between 0 and min(2^(n-1) s, longest).

    ``draw`` returns a number from 0 to 1, such as ``random.random``.
    """
    doublings: int = min(max(attempt, 1) - 1, 20)
    ceiling = min(FIRST * (1 << doublings), longest)
    return ceiling * draw()


def asked(retry_after: str, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, at most 15 min; None where it is absent or not readable.

    RFC 9110 section 10.2.3: seconds or an HTTP-date. A date that has passed asks for no wait.
    """
    text = retry_after.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:10])), LONGEST)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST)


def is_ahead(until: datetime, now: datetime) -> bool:
    """Say whether something has to wait until then: no wait is longer than ``LONGEST``, unless the clock went back."""
    return now < until <= now + LONGEST + FIRST


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether an endpoint is left alone. Closed while ``open_until`` is None; after that time one try is let through.

    ``why`` is the kind of failure that opened it: ``throttled``, ``unauthorized``, ``forbidden``, ``redirected``,
    ``unreachable``, ``failing``, or the code of an ``Unsent``.
    """

    failures: int = 0
    open_until: datetime | None = None
    why: str = ""

    def allows(self, now: datetime) -> bool:
        """Say whether a request may be sent now."""
        return self.open_until is None or not is_ahead(self.open_until, now)


CLOSED: Final = Circuit()


def failed(circuit: Circuit, now: datetime, draw: Callable[[], float], why: str) -> Circuit:
    """Return the circuit after a failure that may be the endpoint's: it opens at the third in a row."""
    failures = circuit.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(circuit, failures=failures, open_until=None)
    # Half of the wait is fixed here: with a draw of 0 an endpoint that is down would be asked without pause.
    pause = wait(failures - FAILURES_TO_OPEN + 1, lambda: 0.5 + draw() / 2)
    return Circuit(failures, now + pause, why)


def throttled(circuit: Circuit, now: datetime, draw: Callable[[], float], retry_after: str) -> Circuit:
    """Return the circuit after 429 or 503: nothing is sent inside the window that was asked for."""
    window = asked(retry_after, now)
    failures = circuit.failures + 1
    # Jitter comes on top of the window: coming back earlier than asked is what earns the next 429.
    pause = wait(failures, draw) if window is None else window + FIRST * draw()
    return Circuit(failures, now + max(pause, FIRST / 2), "throttled")


def misconfigured(circuit: Circuit, now: datetime, draw: Callable[[], float], why: str) -> Circuit:
    """Return the circuit after 401, 403, a redirect or no handshake: it opens at once, for a person has to act."""
    failures = circuit.failures + 1
    return Circuit(failures, now + wait(failures + 3, lambda: 0.5 + draw() / 2), why)
