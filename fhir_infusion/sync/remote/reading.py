"""What a request of ``requests`` comes to: its failures as values, and a body piece by piece. The one place for both.

Whether an effect can have happened is what counts: ``Unsent`` where nothing had left, ``Doubtful`` where it may have.
"""

from __future__ import annotations

import math
import time
import zlib
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import requests
from urllib3.exceptions import HTTPError

from fhir_infusion.sync import tls
from fhir_infusion.sync.remote.watched import watchdog
from fhir_infusion.sync.replies import Doubtful, Unsent

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

PIECE: Final = 64 * 1024
LATE: Final = "no answer in time"
TOO_LONG: Final = "answer too long"
NOT_WHOLE: Final = "packed answer not whole"
GZIP: Final = frozenset({"gzip", "x-gzip"})
_MEMBER: Final = 16 + zlib.MAX_WBITS
"""For zlib: what begins with the head of gzip (RFC 1952)."""


class CutError(Exception):
    """A body was left before its end; ``why`` is told."""

    def __init__(self, why: str) -> None:
        """Keep the reason."""
        self.why = why
        super().__init__(why)


FAILURES: Final[tuple[type[Exception], ...]] = (
    CutError,
    requests.exceptions.RequestException,
    HTTPError,  # urllib3's own, of a connection that is being made; while reading they come wrapped by requests
    OSError,  # the watchdog closed the socket
    ValueError,  # the same, while reading
)
"""What sending a request and reading its answer can raise."""


def meaning(error: Exception, *, is_connected: bool) -> Unsent | Doubtful:
    """Say what one of ``FAILURES`` means. It counts as connected once the handshake of TLS is done."""
    match error:
        case CutError():
            return Doubtful(error.why)
        case requests.exceptions.ConnectTimeout():
            return Unsent("no connection in time")
        case requests.exceptions.ConnectionError():
            return _broken(error, is_connected=is_connected)
        case requests.exceptions.Timeout():
            return Doubtful(LATE)
        case _:
            return Doubtful("connection broken")


def _broken(error: requests.exceptions.ConnectionError, *, is_connected: bool) -> Unsent | Doubtful:
    code = tls.fault(error)
    if isinstance(error, requests.exceptions.SSLError) and not is_connected:
        code = code or "tls-handshake"
    if code == tls.REFUSED or (code and not is_connected):
        return Unsent(f"TLS: {code}", code)
    if isinstance(error, requests.exceptions.SSLError):
        return Doubtful("TLS failed")  # after the handshake: not sure that nothing was sent
    return Unsent("no connection") if _never_connected(error) else Doubtful("connection broken")


def _never_connected(error: BaseException) -> bool:
    """Say whether an error tells that no connection was made: refused, no route, no such name."""
    unmade = {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}
    return any(type(one).__name__ in unmade for one in tls.causes(error))


def pieces(
    response: requests.Response,
    *,
    deadline: float = math.inf,
    each: float = math.inf,
    most: float = math.inf,
    sockets: list[socket.socket] | None = None,
) -> Iterator[bytes]:
    """Give a body piece by piece, unpacked.

    Args:
        response: the answer, its body not read yet.
        deadline: when it has to be at its end, by ``time.monotonic``; who asks has a watchdog for it.
        each: the longest that a piece may take, in seconds; cut by a watchdog of this function's own.
        most: the longest body, in bytes.
        sockets: what the watchdog cuts.

    Raises:
        CutError: it takes too long, is too long, or was packed and does not come to its end.
    """
    incoming, size = _unpacked(response), 0
    while True:
        until = min(deadline, time.monotonic() + each)
        with watchdog(each, sockets) if each < math.inf else nullcontext():
            piece = next(incoming, None)
        if time.monotonic() > until:  # also at the end: a watchdog ends a body of unknown length as if it were whole
            raise CutError(LATE)
        if piece is None:
            return
        size += len(piece)
        if size > most:
            raise CutError(TOO_LONG)
        yield piece


def _unpacked(response: requests.Response) -> Iterator[bytes]:
    """Give a body in small pieces. To urllib3 what is packed and cut is whole, and so would be a file of lines."""
    if response.headers.get("Content-Encoding", "").strip().lower() not in GZIP:
        yield from response.iter_content(PIECE)
        return
    response.raw.headers.pop("Content-Encoding", None)  # so that it comes as it was sent
    member, is_begun = zlib.decompressobj(_MEMBER), False
    for piece in response.iter_content(PIECE):
        rest = piece
        while rest:
            if member.eof and rest.strip(b"\0"):  # the next of several; zeros may fill up what was sent
                member = zlib.decompressobj(_MEMBER)
            elif member.eof:
                break
            is_begun = True
            yield _inflated(member, rest)
            rest = member.unconsumed_tail or member.unused_data
    while is_begun and not member.eof:
        last = _inflated(member, b"")
        if not last:
            raise CutError(NOT_WHOLE)
        yield last


def _inflated(member: zlib._Decompress, packed: bytes) -> bytes:
    try:
        return member.decompress(packed, PIECE)
    except zlib.error:
        raise CutError(NOT_WHOLE) from None
