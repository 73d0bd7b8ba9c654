"""Reading a file of an endpoint line by line, however long it is: newline-delimited JSON, as bulk exports give it.

The byte cap is per line, and so is what is held of a file; the deadline is per piece, so that a file may take hours and
a peer that drips holds nobody. A file counts as whole only where its end is known: by its length, or by its last chunk.

http://ndjson.org; https://hl7.org/fhir/uv/bulkdata/export.html#bulk-data-output-file-request
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import requests

from fhir_infusion.sync import replies
from fhir_infusion.sync.remote import PIECE, never_connected
from fhir_infusion.sync.remote.watched import watchdog
from fhir_infusion.sync.replies import Answer, Doubtful, Trouble, Unsent

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from fhir_infusion.sync.remote import Endpoint

ACCEPT: Final = "application/fhir+ndjson"


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line above the cap. Nothing of it is kept."""


Line: TypeAlias = bytes | TooLong


class _CutError(Exception):
    """The body ended before its end."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__()


def lines(endpoint: Endpoint, url: str, seconds: float, most: int) -> Iterator[Line | Trouble]:
    """Give the lines of a file without their ends; the last one given is a trouble where the file did not come whole.

    Args:
        endpoint: whose file it is.
        url: an address within it (``Endpoint.own``).
        seconds: the longest that a piece may take.
        most: the longest line, in bytes.
    """
    sockets: list[socket.socket] = []
    try:
        with watchdog(seconds, sockets):
            response = endpoint.stream(url, ACCEPT)
        if not isinstance(response, requests.Response):
            yield replies.trouble(response) if isinstance(response, Answer) else response
            return
        with response:
            if response.status_code != 200:
                headers = {name.lower(): value for name, value in response.headers.items()}
                yield replies.trouble(Answer(response.status_code, headers))
            elif not _has_end(response):
                yield Doubtful("a file whose end is not known")
            else:
                yield from split(_pieces(response, seconds, sockets), most)
    except _CutError as cut:
        yield Doubtful(cut.why)
    except requests.exceptions.ConnectTimeout:
        yield Unsent("no connection in time")
    except requests.exceptions.ConnectionError as error:
        yield Unsent("no connection") if never_connected(error) else Doubtful("connection broken")
    except (requests.exceptions.RequestException, OSError, ValueError):
        # As in ``remote``: urllib3's errors come wrapped, OSError and ValueError where the watchdog closed the socket.
        yield Doubtful("connection broken")


def split(pieces: Iterable[bytes], most: int) -> Iterator[Line]:
    """Give the lines of what comes in pieces; of a line above ``most`` bytes nothing is held."""
    held: list[bytes] = []
    size, is_long = 0, False
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            is_long = is_long or size + len(part) > most
            yield TooLong() if is_long else b"".join([*held, part]).removesuffix(b"\r")
            held, size, is_long = [], 0, False
        size += len(rest)
        is_long = is_long or size > most
        held = [] if is_long else [*held, rest]
    if size:
        yield TooLong() if is_long else b"".join(held)


def _has_end(response: requests.Response) -> bool:
    return "Content-Length" in response.headers or "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def _pieces(response: requests.Response, seconds: float, sockets: list[socket.socket]) -> Iterator[bytes]:
    pieces = response.iter_content(PIECE)
    while True:
        since = time.monotonic()
        with watchdog(seconds, sockets):
            piece = next(pieces, None)
        if time.monotonic() - since >= seconds:
            raise _CutError("no answer in time")
        if piece is None:
            return
        yield piece
