"""Reading a file of an endpoint line by line, however long it is: newline-delimited JSON, as bulk exports give it.

The byte cap is per line, and so is what is held of a file; the deadline is per piece, so that a file may take hours and
a peer that drips holds nobody. A file counts as whole only where its end is known: by its length, or by its last chunk.

http://ndjson.org; https://hl7.org/fhir/uv/bulkdata/export.html#bulk-data-output-file-request
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import requests

from fhir_infusion.sync import replies
from fhir_infusion.sync.remote.reading import FAILURES, meaning, pieces
from fhir_infusion.sync.remote.watched import watchdog
from fhir_infusion.sync.replies import Answer, Doubtful, Trouble

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from fhir_infusion.sync.remote import Endpoint

ACCEPT: Final = "application/fhir+ndjson"


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line above the cap. Nothing of it is kept."""


Line: TypeAlias = bytes | TooLong


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
                yield from split(pieces(response, each=seconds, sockets=sockets), most)
    except FAILURES as error:
        yield meaning(error, is_connected=bool(sockets))


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
