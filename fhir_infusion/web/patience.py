"""How long a client may take to send a request: a thread that waits for one that stalls is not there for others.

gunicorn waits for ever, so that as many half sent requests as there are threads would end the service without a word:
those of clients that went away in the midst, or of one that means it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

READ_SECONDS: Final = 20.0
"""How long a request may take, and longer by what has come of it: see SLOWEST."""

SLOWEST: Final = 16 * 1024
"""So many bytes give a request another second."""

STALL_SECONDS: Final = 2.0
"""How long nothing may come while others wait for a thread: longer than a lost packet takes to be sent again.

Also how long is read on of a body that was refused."""

WRITE_SECONDS: Final = 60.0
"""How long a piece of an answer may take to be sent to a client that does not read it."""

PIECE: Final = 64 * 1024
"""Bytes of such a piece: a socket counts that time for all that it is given at once, however much of it has gone."""


class TooSlow(ParseException):
    """The head of a request did not come in time."""


class Pieces:
    """An answer in pieces that a slow client has the time for, so that it gets all of a large one."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        """Cut what ``answer`` gives."""
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces in order."""
        for item in self._answer:
            if len(item) <= PIECE:
                yield item
            else:
                yield from (item[begin : begin + PIECE] for begin in range(0, len(item), PIECE))

    def close(self) -> None:
        """End the answer, as WSGI has it."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


class Reader(SocketUnreader):
    """What reads a request from its socket, for no longer than it may take."""

    def __init__(self, sock: Any, others_wait: Callable[[], bool]) -> None:
        """Read from ``sock``; ``end_by`` comes before each request."""
        super().__init__(sock)
        self._until = 0.0
        self._others_wait = others_wait

    def end_by(self, moment: float) -> None:
        """Set when the reading ends, a moment of the monotonic clock."""
        self._until = moment

    def chunk(self, *size_hint: Any) -> bytes:
        """Return the next bytes, none where the client has gone. Raises ``TimeoutError``."""
        began = time.monotonic()
        before: float | None = self.sock.gettimeout()
        try:
            while True:
                now = time.monotonic()
                if now >= self._until or (now - began >= STALL_SECONDS and self._others_wait()):
                    raise TimeoutError
                self.sock.settimeout(min(self._until - now, STALL_SECONDS))
                try:
                    data: bytes = super().chunk(*size_hint)
                except TimeoutError:
                    continue
                self._until += len(data) / SLOWEST
                return data
        finally:
            self.sock.settimeout(before)


class Parser(RequestParser):
    """gunicorn's reader of requests, each within its time."""

    def __init__(self, cfg: Any, sock: Any, client: Any, others_wait: Callable[[], bool]) -> None:
        """Read the requests of a connection."""
        super().__init__(cfg, sock, client)
        self._reader = self.unreader = Reader(sock, others_wait)

    def __next__(self) -> Any:
        """Return the next request, its body unread. Raises ``TooSlow``."""
        self._reader.end_by(time.monotonic() + READ_SECONDS)
        try:
            return super().__next__()
        except TimeoutError:
            raise TooSlow from None
