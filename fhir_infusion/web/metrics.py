"""A few counters in the Prometheus text format (version 0.0.4); no label holds anything that was sent.

Labels are the route template, the method and the status: all of them ours, so that their number is bounded.

The processes of one service count in memory that they share, each in a part of its own, and whichever is asked tells
the sums: counters that went up and down with the process that happens to answer would be read as restarts. A process
that follows one that died goes on with its part.

A part is records of ``_RECORD`` bytes: the length of the key, the key, how often it was counted, the milliseconds. The
length is written last, so that nobody reads half a key.
"""

from __future__ import annotations

import mmap
import threading
from collections import Counter
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


_RECORD: Final = 256
_PART: Final = 2048 * _RECORD
"""A few routes, methods and statuses meet; what is never written takes no memory."""
_LENGTH: Final = Struct("<Q")
_NUMBERS: Final = Struct("<QQ")
_NUMBERS_AT: Final = _RECORD - _NUMBERS.size
_REST: Final = ("other", "other", 0)
"""What is counted where a part is full, or a name too long."""

Key = tuple[str, str, int]
"""Method, route and status."""


def room(processes: int) -> mmap.mmap:
    """Return the memory in which so many processes count that are still to be forked."""
    return mmap.mmap(-1, processes * _PART)


class Metrics:
    """The counters of one process, told with those of the others. Safe to use from several threads."""

    def __init__(self, parts: mmap.mmap | None = None, own: int = 0) -> None:
        """Go on with a part of what :func:`room` returned; alone where there is none."""
        self._lock = threading.Lock()
        self._parts = parts if parts is not None else room(1)
        self._end = (own + 1) * _PART
        self._places = {key: place for key, place in self._written() if own * _PART <= place < self._end}
        self._free = own * _PART + len(self._places) * _RECORD

    def count(self, method: str, route: str, status: int, milliseconds: int) -> None:
        """Count one finished request."""
        with self._lock:
            place = self._place((method, route, status))
            number, total = _NUMBERS.unpack_from(self._parts, place + _NUMBERS_AT)
            _NUMBERS.pack_into(self._parts, place + _NUMBERS_AT, number + 1, total + milliseconds)

    def _place(self, key: Key) -> int:
        """Return where a key is counted, from now on if it was not."""
        place = self._places.get(key)
        if place is not None:
            return place
        text = " ".join(map(str, key)).encode()
        # The last record is kept for the rest.
        is_last = self._free + _RECORD >= self._end
        if (is_last or _LENGTH.size + len(text) > _NUMBERS_AT) and key != _REST:
            return self._place(_REST)
        place = self._places[key] = self._free
        self._free += _RECORD
        self._parts[place + _LENGTH.size : place + _LENGTH.size + len(text)] = text
        _LENGTH.pack_into(self._parts, place, len(text))
        return place

    def _written(self) -> Iterator[tuple[Key, int]]:
        """Yield each key with its place, of all parts."""
        for part in range(0, len(self._parts), _PART):
            for place in range(part, part + _PART, _RECORD):
                (length,) = _LENGTH.unpack_from(self._parts, place)
                if not length:
                    break
                text = self._parts[place + _LENGTH.size : place + _LENGTH.size + length].decode()
                method, route, status = text.split(" ")
                yield (method, route, int(status)), place

    def text(self, gauges: Mapping[str, tuple[str, int | str]]) -> str:
        """Return everything as text. ``gauges``: sample (a name with its labels) to its help and its value now."""
        counted: Counter[Key] = Counter()
        spent: Counter[str] = Counter()
        for key, place in self._written():
            number, total = _NUMBERS.unpack_from(self._parts, place + _NUMBERS_AT)
            counted[key] += number
            spent[key[1]] += total
        requests, milliseconds = sorted(counted.items()), sorted(spent.items())
        lines = [
            "# HELP fhir_infusion_requests_total Requests answered.",
            "# TYPE fhir_infusion_requests_total counter",
            *(
                f'fhir_infusion_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                for (method, route, status), count in requests
            ),
            "# HELP fhir_infusion_request_milliseconds_total Time spent answering.",
            "# TYPE fhir_infusion_request_milliseconds_total counter",
            *(f'fhir_infusion_request_milliseconds_total{{route="{route}"}} {total}' for route, total in milliseconds),
        ]
        told: set[str] = set()
        for sample, (words, value) in sorted(gauges.items()):
            name = sample.partition("{")[0]
            if name not in told:
                lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge"]
                told.add(name)
            lines.append(f"{sample} {value}")
        return "\n".join(lines) + "\n"
